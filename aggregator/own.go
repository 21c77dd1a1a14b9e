// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"cmp"
	"context"
	"maps"
	"strconv"

	"tollgate/aggregator/auth"
	"tollgate/aggregator/bridge"
	"tollgate/aggregator/catalog"
	"tollgate/upstream/wire"
)

// OwnUpstream is the upstream of the gateway's own tools in catalog, policies and records. Nothing else may have this name.
const OwnUpstream = "tollgate"

// Own are the gateway's own tools. They stand in the catalog as those of [OwnUpstream] and pass the gate like all others;
// what their upstream would do is done here. Implementations are safe for concurrent use.
type Own interface {
	// Present says how the tools of view, which are all that its class may call, are shown in mode. class names the class
	// and its toolset: what is decided about them once holds for as long as the process runs.
	Present(view *catalog.View, mode, class string) Presentation
	// Forward is the call of another tool that a call of e stands for, as params; false when e itself is called.
	Forward(e *catalog.Entry, params []byte) (forwarded []byte, ok bool)
	// Program is the digest of the program that a call of tool runs, "" when it runs none.
	Program(tool string, arguments []byte) string
	// Answer does the work of one call.
	Answer(ctx context.Context, c *OwnCall) OwnReply
}

// Presentation is how tools are shown.
type Presentation struct {
	Hidden   func(e *catalog.Entry) bool // not there at all, of the gateway's own tools; nil = none
	Listed   func(e *catalog.Entry) bool // in the list; the others are called by name all the same. nil = all
	Narrowed map[*catalog.Entry]catalog.Narrowed
}

// Modes say by which of the modes of [Own] tools are shown: that of the toolset, else of the first role that has one, else
// Default. nil and "" are the mode in which everything is shown as it is.
type Modes struct {
	Default         string
	Roles, Toolsets map[string]string
}

func (m *Modes) of(roles []string, toolset string) string {
	if m == nil {
		return ""
	}
	if mode := m.Toolsets[toolset]; mode != "" {
		return mode
	}
	for _, role := range roles {
		if mode := m.Roles[role]; mode != "" {
			return mode
		}
	}
	return m.Default
}

// OwnCall is a call of one of the gateway's own tools that has been admitted.
type OwnCall struct {
	Tool      string // its original name
	Mode      string // in which tools are shown, as [Own.Present] was told it, and the class
	Class     string
	Arguments []byte
	Caller    *auth.Principal
	View      *catalog.View // what the caller may call
	// Execution names the program that runs in records, from its first request to its last. Resume says that it goes on,
	// with Answers to its questions: true for each that was confirmed. Round counts how often it has gone on.
	Execution string
	Resume    bool
	Round     int
	Answers   map[string]bool
	// Inner makes a call for the program: one of the same caller, through the same gate. Safe for concurrent use.
	Inner func(ctx context.Context, in *InnerCall) InnerReply
	// Notify tells the client how far the call is; it may be told nothing.
	Notify func(done int, message string)
}

// OwnReply is how an own tool answers: with a result, or with questions that the user must answer before it can go on.
type OwnReply struct {
	Result    []byte // of tools/call, as 2026-07-28 has it
	Questions []bridge.Question
	Err       error // the gateway's own failure
}

// ownClass names what [Own] decides once.
func (k viewKey) ownClass() string { return k.class + "\x00" + k.toolset }

// present makes the view of a class in a toolset and mode.
func (r *revision) present(a *access, key viewKey, o *catalog.ViewOptions) *catalog.View {
	// Rules and catalog do not change at once: own tools may be there that nobody answers for.
	p := Presentation{Hidden: func(e *catalog.Entry) bool { return e.Upstream == OwnUpstream }}
	o.Own = OwnUpstream
	if own := r.rules.Own; own != nil {
		p = own.Present(r.catalog.NewView(a.visible, o), key.mode, key.ownClass())
	}
	visible := a.visible
	if p.Hidden != nil {
		entries := r.catalog.Entries(catalog.Tool)
		shown := catalog.NewBits(len(entries))
		for i := range visible[catalog.Tool].All() {
			if !p.Hidden(entries[i]) {
				shown.Set(i)
			}
		}
		visible[catalog.Tool] = shown
	}
	if o.Listed = p.Listed; len(p.Narrowed) > 0 {
		o.Narrowed = maps.Clone(o.Narrowed)
		if o.Narrowed == nil {
			o.Narrowed = map[*catalog.Entry]catalog.Narrowed{}
		}
		maps.Copy(o.Narrowed, p.Narrowed)
	}
	return r.catalog.NewView(visible, o)
}

// mode is that by which w is shown tools in a toolset.
func (r *revision) mode(w *who, toolset string) string { return r.rules.Modes.of(r.roles(w), toolset) }

// modeOf is that by which the tools of a call are found.
func (r *revision) modeOf(w *who, c *Call) string { return cmp.Or(c.Mode, r.mode(w, c.Toolset)) }

// forwarded is the call that c stands for: itself, but for a tool whose work is to call another.
func (r *revision) forwarded(view *catalog.View, c *Call) *Call {
	if r.rules.Own == nil || c.Method != MethodCallTool || c.inner != nil {
		return c
	}
	raw, _ := wire.Lookup(c.Params, "name")
	name, _ := wire.String(raw)
	e, ok := view.Tool(name)
	if !ok || e.Upstream != OwnUpstream {
		return c
	}
	params, ok := r.rules.Own.Forward(e, c.Params)
	if !ok {
		return c
	}
	out := *c
	out.Params, out.Mirrored = params, nil // the headers are those of the tool that was named
	return &out
}

// answer has an own tool do its work.
func (g *Gate) answer(ctx context.Context, rev *revision, w *who, c *Call, to *target, st *bridge.State) Reply {
	key := viewKey{w.class, c.Toolset, rev.modeOf(w, c)}
	view, err := rev.viewIn(w, key.toolset, key.mode)
	if err != nil {
		return g.failed(c, err)
	}
	v := to.verdict
	if timeout := v.timeout(); timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	call := &OwnCall{
		Tool: to.object.OriginalName, Mode: key.mode, Class: key.ownClass(), Arguments: v.Input.Arguments, Caller: w.caller, View: view, Execution: v.Script.execution(), Notify: progress(c, to),
	}
	run := &script{gate: g, caller: w.caller, outer: c, ref: v.Script, bounds: rev.rules.Scripts}
	call.Inner = run.call
	if st != nil && st.Kind == bridge.Script {
		call.Resume, call.Round, call.Answers = true, st.Round, confirmations(c.Params)
		run.spent, run.bytes = st.Spent, st.Bytes
	}
	out := rev.rules.Own.Answer(ctx, call)
	for !c.Client.Revision.Modern() && len(out.Questions) > 0 && out.Err == nil {
		// A client that fails has not confirmed; one that is gone has its program ended, not kept.
		call.Resume, call.Round, call.Answers = true, call.Round+1, askConfirmations(ctx, c.Peer, out.Questions)
		out = rev.rules.Own.Answer(ctx, call)
	}
	return g.answered(ctx, run, to, st, out)
}

// askConfirmations asks a client of an earlier revision, within its call.
func askConfirmations(ctx context.Context, peer Peer, questions []bridge.Question) map[string]bool {
	ctx, cancel := context.WithTimeout(ctx, confirmTTL)
	defer cancel()
	answers, _ := askAll(ctx, peer, questions)
	return confirmed(answers)
}

// answered is what the client gets of what an own tool answered.
func (g *Gate) answered(ctx context.Context, run *script, to *target, st *bridge.State, out OwnReply) Reply {
	caller, c := run.caller, run.outer
	switch {
	case ctx.Err() != nil && len(out.Result) == 0:
		reply := g.upstreamFailed(c, ctx.Err())
		reply.executed = true // its calls may have been
		return reply
	case out.Err != nil:
		return g.broke(c, out.Err)
	case len(out.Questions) > 0:
		next := g.nextState(bridge.Script, to, st)
		next.Call = to.verdict.Script.execution()
		next.Spent, next.Bytes = run.used()
		state, err := g.sealer.Seal(next, g.binding(caller, c, to), relayTTL)
		if err != nil {
			return g.broke(c, err)
		}
		return Reply{Result: bridge.InputRequired(out.Questions, state), End: InputRequired, next: next.ID}
	}
	redacted := to.verdict.redact.Result(c.Method, out.Result)
	result, err := bridge.Result(c.Client.Revision, wire.R20260728, c.Method, redacted)
	if err != nil {
		return g.broke(c, err)
	}
	return Reply{Result: result, End: Answered, raw: out.Result}
}

// confirmations are those of the answers in the params of a request that goes on.
func confirmations(params []byte) map[string]bool {
	answers, _ := wire.Lookup(params, "inputResponses")
	return confirmed(answers)
}

func confirmed(answers []byte) map[string]bool {
	out := map[string]bool{}
	for m := range wire.Members(answers) {
		action, _ := wire.Lookup(m.Value, "action")
		out[m.Name] = string(action) == `"accept"`
	}
	return out
}

// progress tells the client of c how far its call is, if it wants to know.
func progress(c *Call, to *target) func(done int, message string) {
	peer := newRelay(c, to.verdict.redact)
	if peer == nil || len(c.Meta.ProgressToken) == 0 {
		return func(int, string) {}
	}
	return func(done int, message string) {
		params := strconv.AppendInt([]byte(`{"progress":`), int64(done), 10)
		params = append(append(params, `,"message":`...), wire.AppendString(nil, message)...)
		peer.Notify("notifications/progress", append(params, '}'))
	}
}

// program is what records say of the program that a call runs or belongs to; nil for none.
func (r *revision) program(c *Call, to *target, decision string, arguments []byte) *ScriptRef {
	if c.inner != nil {
		return c.inner.ref()
	}
	if r.rules.Own == nil || to.upstream != OwnUpstream {
		return nil
	}
	digest := r.rules.Own.Program(to.object.OriginalName, arguments)
	if digest == "" {
		return nil
	}
	execution := decision
	if to.state != nil && to.state.Kind == bridge.Script {
		execution = cmp.Or(to.state.Call, decision)
	}
	return &ScriptRef{Execution: execution, Program: digest}
}
