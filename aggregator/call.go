// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"context"
	"fmt"

	"tollgate/aggregator/auth"
	"tollgate/aggregator/bridge"
	"tollgate/aggregator/catalog"
	"tollgate/policy"
	"tollgate/upstream"
	"tollgate/upstream/wire"
)

// Methods that reach an upstream.
const (
	MethodCallTool     = "tools/call"
	MethodGetPrompt    = "prompts/get"
	MethodReadResource = "resources/read"
	MethodComplete     = "completion/complete"
)

// Call is one request of a client that reaches an upstream, as the edge read it.
type Call struct {
	Method  string
	Params  []byte    // the client's bytes
	Meta    wire.Meta // overlay of Params
	Toolset string    // "" for everything
	Client  bridge.Client
	// LogLevel is the least severe log level the client wants for this call, "" for none.
	LogLevel string
	// Mirrored checks the Mcp-Param-* headers against Params; nil where there are no headers.
	Mirrored func(ph []wire.ParamHeader) *wire.Error
	// Peer receives notifications and questions of the upstream while the call runs; nil drops them.
	Peer Peer
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
	task     *task // nil for a call that is on no task
}

// Call runs one call through the gate. It never returns an error: every way it can end is a Reply. The principal comes
// from the credential; nothing in the call can change it.
func (g *Gate) Call(ctx context.Context, caller *auth.Principal, c *Call) Reply {
	rev, err := g.revision(ctx)
	if err != nil {
		return g.failed(c, err)
	}
	view, err := rev.view(caller, c.Toolset)
	if err != nil {
		return g.failed(c, err)
	}
	to, reply := g.route(ctx, rev, view, caller, c)
	if to == nil {
		return *reply
	}
	if to.revision = rev.catalog.Speaks(to.upstream); c.Method == MethodCallTool && !to.revision.Modern() {
		to.params = bridge.WithoutTask(to.params)
	}
	if c.Mirrored != nil && len(to.headers) > 0 {
		if werr := c.Mirrored(to.headers); werr != nil {
			return Reply{Error: werr, End: Refused}
		}
	}
	st, parked, reply := g.reopen(caller, c, to)
	if reply != nil {
		return *reply
	}
	if parked != nil {
		return g.round(ctx, caller, c, to, parked, st.Round+1)
	}
	leave, reason := g.slots.enter(caller)
	if leave == nil {
		return g.refused(c, reason)
	}
	defer leave()
	if g.opts.Ledger == nil {
		return g.failed(c, errNoLedger)
	}
	held, err := g.opts.Ledger.Reserve(ctx, &Intent{Caller: caller, Call: c, Object: to.object, Revision: rev.id})
	if err != nil {
		return g.failed(c, fmt.Errorf("ledger: %w", err))
	}
	switch {
	case to.detached(c):
		return g.park(ctx, caller, c, to, held)
	case !c.Client.Revision.Modern():
		return g.settle(ctx, c, held, g.converse(ctx, caller, c, to))
	}
	out := g.exchange(ctx, caller, c, to, newRelay(c))
	if out.Error == nil && interactive(c.Method) && bridge.IsInputRequired(out.Result) {
		out = g.sealed(caller, c, to, st, out)
	}
	return g.settle(ctx, c, held, out)
}

// settle writes down how a call ended. The client may be gone; what happened must still be written.
func (g *Gate) settle(ctx context.Context, c *Call, held Reservation, out Reply) Reply {
	if err := held.Settle(context.WithoutCancel(ctx), Outcome{End: out.End, Bytes: len(out.Result), Task: out.Task}); err != nil {
		return g.failed(c, fmt.Errorf("ledger: %w", err))
	}
	return out
}

// exchange asks the upstream once and translates its answer to the client's era.
func (g *Gate) exchange(ctx context.Context, caller *auth.Principal, c *Call, to *target, peer upstream.Peer) Reply {
	answer, err := g.opts.Upstreams.Call(ctx, to.upstream, g.request(caller, c, to, to.params, peer))
	if err != nil {
		return g.upstreamFailed(c, err)
	}
	if answer.Error != nil && answer.Error.Code == wire.CodeURLElicitation && c.Client.Revision.Modern() && interactive(c.Method) {
		return g.urlQuestions(caller, c, to, answer.Error)
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
		Owner:              caller.Key(),
		Legacy:             !c.Client.Revision.Modern() && c.Client.Interactive(),
		Peer:               peer,
	}
}

// translate makes an upstream's answer one of the client's era.
func (g *Gate) translate(c *Call, to *target, answer *upstream.Reply) Reply {
	if answer.Error != nil && to.unlisted {
		// The same answer as for a resource that the caller may not know of.
		return *unknownResource(c.Client.Revision, to.shown)
	}
	if answer.Error != nil {
		return Reply{Error: bridge.Error(c.Client.Revision, answer.Revision, c.Method, answer.Error), End: Answered}
	}
	result, err := bridge.Result(c.Client.Revision, answer.Revision, c.Method, answer.Result)
	if err != nil {
		return g.upstreamFailed(c, protocolError(to, err.Error()))
	}
	return Reply{Result: result, End: Answered}
}

// route finds where a call goes, or the reply that ends it.
func (g *Gate) route(ctx context.Context, rev *revision, view *catalog.View, caller *auth.Principal, c *Call) (*target, *Reply) {
	switch c.Method {
	case MethodCallTool, MethodGetPrompt:
		return routeName(view, c)
	case MethodReadResource:
		return routeURI(ctx, rev, view, caller, c)
	case MethodComplete:
		return routeCompletion(view, c)
	case MethodGetTask, MethodUpdateTask, MethodCancelTask:
		if c.Client.Revision.Modern() {
			return g.routeTask(rev, view, caller, c)
		}
	}
	return nil, &Reply{Error: &wire.Error{Code: wire.CodeMethodNotFound, Message: fmt.Sprintf("unknown method %q", c.Method)}, End: Unknown}
}

func routeName(view *catalog.View, c *Call) (*target, *Reply) {
	raw, _ := wire.Lookup(c.Params, "name")
	name, ok := wire.String(raw)
	if !ok {
		return nil, invalid("params.name must be a string")
	}
	find := view.Tool
	if c.Method == MethodGetPrompt {
		find = view.Prompt
	}
	e, ok := find(name)
	if !ok {
		return nil, unknownName(c.Method, name)
	}
	return &target{
		upstream: e.Upstream, shown: name, params: upstreamParams(c.Params, "name", e.Name, e.OriginalName),
		headers: e.ParamHeaders, readOnly: e.ReadOnly || c.Method == MethodGetPrompt, object: e.Object,
	}, nil
}

func routeURI(ctx context.Context, rev *revision, view *catalog.View, caller *auth.Principal, c *Call) (*target, *Reply) {
	raw, _ := wire.Lookup(c.Params, "uri")
	uri, ok := wire.String(raw)
	if !ok {
		return nil, invalid("params.uri must be a string")
	}
	if e, own, ok := readable(ctx, rev, view, caller, uri); ok {
		return &target{upstream: e.Upstream, shown: uri, params: upstreamParams(c.Params, "uri", uri, own), readOnly: true, object: e.Object}, nil
	}
	o, ok := unlisted(ctx, rev, view, caller, uri)
	if !ok {
		return nil, unknownResource(c.Client.Revision, uri)
	}
	return &target{upstream: o.Upstream, shown: uri, params: upstreamParams(c.Params, "uri", uri, o.URI), readOnly: true, unlisted: true, object: o}, nil
}

// readable finds the resource shown as uri, in a list or through a template. What a template makes is a resource that no
// list shows, so the policy decides on it too: a pattern that hides it holds whichever way it is named. The address of an
// app that some tool names belongs to that tool's upstream, whatever another one's template matches.
func readable(ctx context.Context, rev *revision, view *catalog.View, caller *auth.Principal, uri string) (e *catalog.Entry, own string, ok bool) {
	if _, _, app := rev.catalog.App(uri); app {
		return nil, "", false
	}
	e, own, ok = view.Resource(uri)
	if !ok || e.Kind != catalog.Template {
		return e, own, ok
	}
	o, listed := rev.catalog.ResourceObject(e.Upstream, own)
	return e, own, listed || rev.allowed(ctx, caller.Policy(), o)
}

// unlisted finds who serves a URI that is in no list: results may link to such resources. It is the one upstream that
// serves resources and where the caller may read it; with several, asking each would show one what belongs to another. The
// app of a tool is its upstream's. The URI of o is the upstream's own.
func unlisted(ctx context.Context, rev *revision, view *catalog.View, caller *auth.Principal, uri string) (o policy.Object, ok bool) {
	if up, own, app := rev.catalog.App(uri); app {
		o, _ = rev.catalog.ResourceObject(up, own)
		shown := o
		shown.URI = uri
		return o, view.Includes(shown) && rev.allowed(ctx, caller.Policy(), o)
	}
	for _, up := range rev.catalog.ResourceUpstreams() {
		candidate, listed := rev.catalog.ResourceObject(up, uri)
		if listed || !view.Includes(candidate) || !rev.allowed(ctx, caller.Policy(), candidate) {
			continue
		}
		if ok {
			return policy.Object{}, false
		}
		o, ok = candidate, true
	}
	return o, ok
}

func routeCompletion(view *catalog.View, c *Call) (*target, *Reply) {
	ref, _ := wire.Lookup(c.Params, "ref")
	kind, _ := wire.Lookup(ref, "type")
	switch t, _ := wire.String(kind); t {
	case "ref/prompt":
		raw, _ := wire.Lookup(ref, "name")
		name, ok := wire.String(raw)
		if !ok {
			return nil, invalid("params.ref.name must be a string")
		}
		e, ok := view.Prompt(name)
		if !ok {
			return nil, unknownName(MethodGetPrompt, name)
		}
		return completion(c, e.Upstream, rename(ref, "name", e.Name, e.OriginalName), e.Object), nil
	case "ref/resource":
		raw, _ := wire.Lookup(ref, "uri")
		uri, ok := wire.String(raw)
		if !ok {
			return nil, invalid("params.ref.uri must be a string")
		}
		e, own, ok := view.Reference(uri)
		if !ok {
			return nil, unknownResource(c.Client.Revision, uri)
		}
		return completion(c, e.Upstream, rename(ref, "uri", uri, own), e.Object), nil
	}
	return nil, invalid(`params.ref.type must be "ref/prompt" or "ref/resource"`)
}

func completion(c *Call, up string, ref []byte, o policy.Object) *target {
	params := clientParams(c.Params)
	if old, _ := wire.Lookup(c.Params, "ref"); string(old) != string(ref) {
		params = wire.Set(params, "ref", ref)
	}
	return &target{upstream: up, params: params, readOnly: true, object: o}
}

// upstreamParams are the params with the upstream's own name and without what belongs to the client's connection.
func upstreamParams(params []byte, key, shown, own string) []byte {
	return rename(clientParams(params), key, shown, own)
}

func rename(obj []byte, key, shown, own string) []byte {
	if shown == own {
		return obj
	}
	return wire.Set(obj, key, wire.AppendString(nil, own))
}

func clientParams(params []byte) []byte {
	meta, ok := wire.Lookup(params, "_meta")
	if !ok {
		return params
	}
	params = wire.StripMeta(params)
	if _, ok := wire.Lookup(meta, wire.MetaProgressToken); !ok {
		return params
	}
	meta, _ = wire.Lookup(params, "_meta")
	if meta = wire.Delete(meta, wire.MetaProgressToken); isEmptyObject(meta) {
		return wire.Delete(params, "_meta")
	}
	return wire.Set(params, "_meta", meta)
}

func isEmptyObject(obj []byte) bool {
	for range wire.Members(obj) {
		return false
	}
	return true
}
