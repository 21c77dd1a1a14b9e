// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"context"
	"errors"
	"fmt"

	"tollgate/aggregator/auth"
	"tollgate/aggregator/bridge"
	"tollgate/aggregator/catalog"
	"tollgate/policy"
	"tollgate/policy/limit"
	"tollgate/store"
	"tollgate/store/ledger"
	"tollgate/upstream"
	"tollgate/upstream/wire"
)

// Methods that reach an upstream.
const (
	MethodCallTool     = "tools/call"
	MethodGetPrompt    = "prompts/get"
	MethodReadResource = "resources/read"
	MethodComplete     = "completion/complete"
	MethodSubscribe    = "resources/subscribe"
)

// The values of [Call.Origin].
const (
	OriginMCP  = "mcp"
	OriginREST = "rest"
)

// Call is one request of a client that reaches an upstream, as the edge read it.
type Call struct {
	Method  string
	Params  []byte    // the client's bytes
	Meta    wire.Meta // overlay of Params
	Toolset string    // "" for everything
	Mode    string    // in which tools are shown, see [Modes]; "" = as the rules say
	Client  bridge.Client
	// Transport is http or stdio; SourceIP the address of the client, "" = not known.
	Transport, SourceIP string
	// Origin is what kind of client asks: one of the Origin constants; "" = MCP.
	Origin string
	// IdempotencyKey makes the call one with an earlier one of the same caller and key, see package store; "" = none.
	IdempotencyKey string
	// LogLevel is the least severe log level the client wants for this call, "" for none.
	LogLevel string
	// Mirrored checks the Mcp-Param-* headers against Params; nil where there are no headers.
	Mirrored func(ph []wire.ParamHeader) *wire.Error
	// Peer receives notifications and questions of the upstream while the call runs; nil drops them.
	Peer Peer

	inner *inner // of a call that a program makes; nil for the calls of clients
}

// Peer is the client's side of one call. Methods are called in the upstream's order, before [Gate.Call] returns.
type Peer interface {
	// Notify passes one notification on; params are complete, the client's progress token included.
	Notify(method string, params []byte)
	// Ask passes a request of the upstream to the client and waits for the answer.
	Ask(ctx context.Context, method string, params []byte) ([]byte, *wire.Error)
}

// Reply is what goes back to the client: exactly one of Result and Error is set.
type Reply struct {
	Result []byte
	Error  *wire.Error
	End    End
	Task   *TaskStatus // of a call that created a task or asked after one, else nil
	// Refusal says why the call was refused, or failed for want of the ledger; else nil. Decision is the id of what was
	// decided.
	Refusal  *Refusal
	Decision string
	// Charged is what the call cost, in nano-USD. Replayed says that the reply is that of an earlier call with the same
	// idempotency key, whose decision it has.
	Charged  int64
	Replayed bool

	raw      []byte // the upstream's result before anything was taken from it
	cause    string // of a failure, for operators
	executed bool   // the upstream may have done its work, though there is no answer
	next     string // id of the state that the call goes on with
	sought   *sought
}

// target is where a call goes.
type target struct {
	upstream string
	revision wire.Revision // that the upstream spoke when the catalog was made
	shown    string        // displayed name or URI
	params   []byte        // upstream's own names
	headers  []wire.ParamHeader
	readOnly bool
	unlisted bool // a resource in no list: any error of the upstream means that there is none
	object   policy.Object
	task     *task          // nil for a call that is on no task
	entry    *catalog.Entry // nil for what is in no list
	template *catalog.Entry // that made the address of object; nil for none
	verdict  *verdict       // once decided
	state    *bridge.State  // that the client brought back; nil for none
	begun    bool           // the idempotency key is that of this call
}

// Call runs one call through the gate. It never returns an error: every way it can end is a Reply. The principal comes
// from the credential; nothing in the call can change it.
func (g *Gate) Call(ctx context.Context, caller *auth.Principal, c *Call) Reply {
	rev, err := g.revision(ctx)
	if err != nil {
		return g.turnedAway(ctx, &visit{caller: caller, call: c}, g.failed(c, err))
	}
	w := rev.who(caller, g.now())
	at := &visit{rev, w, caller, c, nil}
	view, err := rev.viewIn(w, c.Toolset, rev.modeOf(w, c))
	if err != nil {
		return g.turnedAway(ctx, at, g.failed(c, err))
	}
	c = rev.forwarded(view, c)
	at.call = c
	to, reply := g.route(ctx, rev, view, w, c)
	if to == nil {
		return g.turnedAway(ctx, at, *reply)
	}
	if at.to, to.revision = to, rev.catalog.Speaks(to.upstream); c.Method == MethodCallTool && !to.revision.Modern() {
		to.params = bridge.WithoutTask(to.params)
	}
	if c.Mirrored != nil && len(to.headers) > 0 {
		if werr := c.Mirrored(to.headers); werr != nil {
			return g.turnedAway(ctx, at, Reply{Error: werr, End: Refused})
		}
	}
	st, parked, reply := g.reopen(caller, c, to)
	if reply != nil {
		return g.turnedAway(ctx, at, *reply)
	}
	if parked != nil {
		return g.round(ctx, caller, c, to, parked, st.Round+1)
	}
	return g.decided(ctx, rev, w, c, to, st)
}

// decided goes on with a call that has a target: it is weighed, confirmed, admitted and made.
func (g *Gate) decided(ctx context.Context, rev *revision, w *who, c *Call, to *target, st *bridge.State) Reply {
	to.state = st
	v, refusal := g.weigh(ctx, rev, w, c, to)
	to.verdict = v
	rev.compare(v, refusal)
	if refusal != nil {
		return *g.refuse(ctx, c, v, refusal)
	}
	g.noteReason(v)
	if c.inner == nil { // a program's calls are bounded with it
		leave, reason := g.slots.enter(w.caller)
		if leave == nil {
			return g.overloaded(ctx, c, v, reason)
		}
		defer leave()
	}
	if reply := g.begin(ctx, w, c, to); reply != nil {
		return *reply
	}
	out, made := g.admit(ctx, rev, w, c, to, st)
	if !made {
		g.forget(ctx, w.caller, c, to)
	}
	return out
}

// admit has the call confirmed and admitted, and makes it. made says whether it was admitted; only then the reply is that
// of the upstream's side.
func (g *Gate) admit(ctx context.Context, rev *revision, w *who, c *Call, to *target, st *bridge.State) (out Reply, made bool) {
	v, continues := to.verdict, g.continues(w, st)
	if st != nil && st.Kind != bridge.Confirm && !continues {
		st.Confirmed = false // it was for the call that this state has continued already
	}
	if reply := g.confirm(ctx, w, c, to, v, st); reply != nil {
		return *reply, false
	}
	in := g.intent(c, to)
	if continues {
		in.Continues = st.ID
	}
	held, reply := g.reserve(ctx, w, c, to, in, st)
	if reply != nil {
		return *reply, false
	}
	defer func() {
		if p := recover(); p != nil { // what is counted as running must not stay so
			g.settle(ctx, w.caller, c, to, held, g.broke(c, fmt.Errorf("panic: %v", p)))
			panic(p)
		}
	}()
	return g.made(ctx, rev, w, c, to, st, held), true
}

// reserve has the ledger admit the call. A state that was good once is good again when it does not.
func (g *Gate) reserve(ctx context.Context, w *who, c *Call, to *target, in *Intent, st *bridge.State) (Reservation, *Reply) {
	if g.opts.Ledger == nil {
		reply := told(g.failed(c, errNoLedger), in.Decision)
		return nil, &reply
	}
	if c.inner != nil {
		if refusal := c.inner.script.take(c.inner, in.Cost); refusal != nil {
			return nil, g.refuse(ctx, c, to.verdict, refusal)
		}
	}
	// Whether the call was admitted must be known, and is as soon as its intent is on disk: a client that goes away
	// meanwhile has a call that is cancelled.
	held, err := g.opts.Ledger.Reserve(context.WithoutCancel(ctx), in)
	if err == nil {
		return held, nil
	}
	switch {
	case in.Continues != "":
		g.rounds.forget(w.caller.Key(), st.ID)
	case st != nil && st.Kind == bridge.Confirm && st.Confirmed:
		g.once.forget(w.caller.Key(), st.ID)
	}
	var exceeded *store.ExceededError
	var budget *ledger.ExceededError
	switch {
	case errors.As(err, &exceeded):
		return nil, g.refuse(ctx, c, to.verdict, overLimit(exceeded))
	case errors.As(err, &budget):
		return nil, g.refuse(ctx, c, to.verdict, overBudget(budget, to.verdict, g.now()))
	}
	reply := g.unavailable(c, in.Decision, err)
	g.recordFailure(ctx, &to.verdict.Asked, &reply)
	return nil, &reply
}

// made makes a call that has been admitted.
func (g *Gate) made(ctx context.Context, rev *revision, w *who, c *Call, to *target, st *bridge.State, held Reservation) Reply {
	switch {
	case to.upstream == OwnUpstream:
		return g.settle(ctx, w.caller, c, to, held, g.answer(ctx, rev, w, c, to, st))
	case to.detached(c):
		return g.park(ctx, w.caller, c, to, held)
	case !c.Client.Revision.Modern():
		return g.settle(ctx, w.caller, c, to, held, g.converse(ctx, w.caller, c, to))
	}
	if c.inner != nil {
		return g.settle(ctx, w.caller, c, to, held, g.insist(ctx, c, to))
	}
	out := g.exchange(ctx, w.caller, c, to, newRelay(c, to.verdict.redact))
	if out.Error == nil && interactive(c.Method) && bridge.IsInputRequired(out.Result) {
		out = g.sealed(w.caller, c, to, st, out)
	}
	return g.settle(ctx, w.caller, c, to, held, out)
}

// intent is what the ledger is asked to admit.
func (g *Gate) intent(c *Call, to *target) *Intent {
	v := to.verdict
	in := &Intent{Asked: v.Asked}
	a := v.admission
	if a == nil {
		return in
	}
	if in.Claims, in.Cost = a.Claims, a.Cost; a.Cost > 0 {
		in.Charges = v.charges()
		in.Price = func(ctx context.Context, result []byte) (cost, overrun int64) { return g.cost(ctx, c, a, result) }
	}
	return in
}

// settle writes down how a call ended. The client may be gone; what happened must still be written.
func (g *Gate) settle(ctx context.Context, caller *auth.Principal, c *Call, to *target, held Reservation, out Reply) Reply {
	ctx = context.WithoutCancel(ctx)
	v := to.verdict
	out.Decision = v.Decision
	end := Outcome{End: out.End, Bytes: len(out.Result), Raw: out.raw, Error: out.cause, Next: out.next, Task: out.Task}
	if a := v.admission; a != nil && a.Cost > 0 {
		switch {
		case out.End == Answered:
			end.Cost, end.Overrun = g.cost(ctx, c, a, out.raw)
		case out.executed && !v.Recorded.releases():
			end.Cost = a.Cost // what may have been done may have cost something
		}
	}
	out.Charged = end.Cost
	final := g.capped(c, to, out)
	if err := held.Settle(ctx, end); err != nil {
		final = g.unrecorded(c, to, &out, err)
	}
	final = told(final, v.Decision)
	g.keep(ctx, caller, c, to, &final)
	return final
}

// cost is what an answered call cost: what its limits read in the result, and the ceiling when they cannot.
func (g *Gate) cost(ctx context.Context, c *Call, a *limit.Admission, result []byte) (cost, overrun int64) {
	cost, overrun, err := a.Settle(ctx, result)
	if err != nil {
		g.log.Warn("the cost of a call could not be read in its result; its ceiling is charged", "method", c.Method, "error", err)
		return a.Cost, 0
	}
	return cost, overrun
}

// capped withholds a result that is larger than the rules allow.
func (g *Gate) capped(c *Call, to *target, out Reply) Reply {
	most := to.verdict.maxBytes
	if most == 0 || int64(len(out.Result)) <= most || out.End == InputRequired {
		return out
	}
	reply := *g.refusal(c, to.verdict, &Refusal{
		Code:     CodeResultSize,
		Sentence: fmt.Sprintf("the tool answered, but its result of %d bytes is larger than the %d that are allowed: ask for less", len(out.Result), most),
	})
	reply.Charged = out.Charged
	return reply
}

// exchange asks the upstream once and translates its answer to the client's era.
func (g *Gate) exchange(ctx context.Context, caller *auth.Principal, c *Call, to *target, peer upstream.Peer) Reply {
	answer, err := g.opts.Upstreams.Call(ctx, to.upstream, g.request(caller, c, to, to.params, peer))
	if err != nil {
		return g.upstreamFailed(c, err)
	}
	if answer.Error != nil && answer.Error.Code == wire.CodeURLElicitation && c.Client.Revision.Modern() && interactive(c.Method) {
		return g.urlQuestions(caller, c, to, to.verdict.redact.Error(answer.Error))
	}
	return g.withTask(caller, c, to, answer.Revision, g.translate(c, to, answer))
}

// request is the call as the upstream gets it.
func (g *Gate) request(caller *auth.Principal, c *Call, to *target, params []byte, peer upstream.Peer) *upstream.Request {
	return &upstream.Request{
		Method:             c.Method,
		Params:             params,
		ClientInfo:         c.Client.Info,
		ClientCapabilities: bridge.Capabilities(&c.Client),
		LogLevel:           c.LogLevel,
		Progress:           len(c.Meta.ProgressToken) > 0,
		ParamHeaders:       to.headers,
		ReadOnly:           to.readOnly,
		Timeout:            to.verdict.timeout(),
		Owner:              caller.Key(),
		Legacy:             !c.Client.Revision.Modern() && c.Client.Interactive(),
		Peer:               peer,
	}
}

// translate makes an upstream's answer one of the client's era.
func (g *Gate) translate(c *Call, to *target, answer *upstream.Reply) Reply {
	if answer.Error != nil && to.unlisted {
		// The same answer as for a resource that the caller may not know of.
		out := *unknownResource(c.Client.Revision, to.shown)
		out.cause = fmt.Sprintf("the upstream answered with error %d", answer.Error.Code)
		return out
	}
	if answer.Error != nil {
		e := to.verdict.redact.Error(answer.Error)
		return Reply{
			Error: bridge.Error(c.Client.Revision, answer.Revision, c.Method, e), End: Answered,
			cause: fmt.Sprintf("the upstream answered with error %d", answer.Error.Code),
		}
	}
	redacted := to.verdict.redact.Result(c.Method, answer.Result)
	result, err := bridge.Result(c.Client.Revision, answer.Revision, c.Method, redacted)
	if err != nil {
		return g.upstreamFailed(c, protocolError(to, err.Error()))
	}
	return Reply{Result: result, End: Answered, raw: answer.Result}
}
