// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"tollgate/aggregator/auth"
	"tollgate/aggregator/catalog"
	"tollgate/policy"
	"tollgate/upstream/wire"
)

// visit is a request that nothing has been decided on.
type visit struct {
	rev    *revision // nil before the first rules
	w      *who      // nil before the first rules
	caller *auth.Principal
	call   *Call
	to     *target // nil while nobody knows what was meant
}

// sought is what the caller named, when it is told that there is no such thing.
type sought struct {
	kind catalog.Kind
	name string // as the caller knows it: the displayed name or URI
}

// turnedAway records a request that ends before anything was decided on it, and answers reply, or a failure when it cannot
// be recorded. Hidden and missing take the same way.
func (g *Gate) turnedAway(ctx context.Context, at *visit, reply Reply) Reply {
	now := g.now()
	r := &RefusedCall{End: reply.End, Code: CodeInvalid, Sentence: said(&reply), Detail: reply.cause}
	r.Asked = Asked{Decision: newDecisionID(now), Caller: at.caller, Call: at.call, Name: named(at.call), Began: now}
	if at.rev != nil {
		r.Revision = at.rev.id
	}
	if at.call.inner != nil {
		r.Script = at.call.inner.ref()
	}
	switch {
	case reply.End == GatewayFailed:
		r.Code = CodeFailed
	case reply.sought != nil:
		r.Code, r.Name = CodeMissing, reply.sought.name
		r.Reveal = func(r *RefusedCall) { g.reveal(at, reply.sought, r) }
	case at.to != nil:
		r.Object, r.Name = at.to.object, at.to.shown
	}
	reply = told(reply, r.Decision)
	if g.opts.Ledger == nil {
		return told(g.failed(at.call, errNoLedger), r.Decision)
	}
	if err := g.opts.Ledger.Refuse(context.WithoutCancel(ctx), r); err != nil && reply.End != GatewayFailed {
		return g.unavailable(at.call, r.Decision, err)
	}
	return reply
}

// reveal adds to r what only operators may know of the name that was looked for.
func (g *Gate) reveal(at *visit, s *sought, r *RefusedCall) {
	e := at.rev.entry(s.kind, s.name)
	if e == nil {
		r.Detail = "nothing of that name is in the catalog"
		return
	}
	r.Code, r.Object, r.Name = CodeHidden, e.Object, e.Key()
	r.Detail = "the rules do not let the caller see it"
	if view, err := at.rev.view(at.w, ""); err == nil && view.Shows(e) {
		r.Detail = "the toolset does not have it"
	}
	var schema []byte
	if e.Kind == catalog.Tool {
		schema, _ = wire.Lookup(e.Definition, "inputSchema")
	}
	r.Recorded = at.rev.recorded(&e.Object, schema).queued()
	to := &target{upstream: e.Upstream, shown: e.Key(), object: e.Object, entry: e}
	r.Input = g.document(at.w, at.call, to)
	r.Input.Time = r.Began
	if shadow := at.rev.rules.Shadow; shadow != nil {
		shadow.Compare(r.Decision, at.call.Method, r.Input, false, r.Code, "")
	}
}

// entry is what the catalog has of that key, whoever may see it.
func (r *revision) entry(k catalog.Kind, key string) *catalog.Entry {
	entries := r.catalog.Entries(k)
	i, found := slices.BinarySearchFunc(entries, key, func(e *catalog.Entry, key string) int { return cmp.Compare(e.Key(), key) })
	if !found {
		return nil
	}
	return entries[i]
}

// recorded says how calls of o are recorded. What its schema calls secret is not kept.
func (r *revision) recorded(o *policy.Object, schema []byte) *Recorded {
	return r.rules.Recording.For(o).without(secretPointers(schema))
}

// compare tells the shadow of the rules what was decided.
func (r *revision) compare(v *verdict, refusal *Refusal) {
	switch shadow := r.rules.Shadow; {
	case shadow == nil:
	case refusal == nil:
		shadow.Compare(v.Decision, v.Call.Method, v.Input, true, "", "")
	default:
		shadow.Compare(v.Decision, v.Call.Method, v.Input, false, refusal.Code, refusal.Rule)
	}
}

// refuse records and answers a call that a rule or a limit refused.
func (g *Gate) refuse(ctx context.Context, c *Call, v *verdict, r *Refusal) *Reply {
	return g.record(ctx, v.Asked, g.refusal(c, v, r))
}

// undecided records and answers a call that was decided on and cannot go on now, for another reason than a refusal.
func (g *Gate) undecided(ctx context.Context, c *Call, v *verdict, reply Reply, code string) *Reply {
	reply = told(reply, v.Decision)
	if reply.End == GatewayFailed {
		g.recordFailure(ctx, &v.Asked, &reply)
		return &reply
	}
	r := &RefusedCall{Asked: v.Asked, End: reply.End, Code: code}
	if err := g.opts.Ledger.Refuse(context.WithoutCancel(ctx), r); err != nil {
		reply = g.unavailable(c, v.Decision, err)
	}
	return &reply
}

// overloaded records and answers a call that the gateway has no room for at this moment. It must not wait for a disk.
func (g *Gate) overloaded(ctx context.Context, c *Call, v *verdict, reason string) Reply {
	reply := g.refused(c, reason)
	reply.Decision, reply.Refusal = v.Decision, &Refusal{Code: CodeConcurrency, Rule: "calls_in_flight", Sentence: reason}
	q := v.Asked
	q.Recorded = q.Recorded.queued()
	return *g.record(ctx, q, &reply)
}

// record writes the refusal of a request down, and answers reply, or a failure when it cannot be recorded.
func (g *Gate) record(ctx context.Context, q Asked, reply *Reply) *Reply {
	if g.opts.Ledger == nil {
		out := told(g.failed(q.Call, errNoLedger), q.Decision)
		return &out
	}
	x := reply.Refusal
	r := &RefusedCall{Asked: q, End: reply.End, Code: x.Code, Rule: x.Rule, Sentence: x.Sentence, Detail: x.Detail, RetryAfter: x.RetryAfter}
	if err := g.opts.Ledger.Refuse(context.WithoutCancel(ctx), r); err != nil {
		out := g.unavailable(q.Call, q.Decision, err)
		return &out
	}
	return reply
}

// recordFailure records a call that the gateway failed before it was admitted, if that can be recorded: the caller is told
// of a failure in any case.
func (g *Gate) recordFailure(ctx context.Context, q *Asked, reply *Reply) {
	if g.opts.Ledger == nil {
		return
	}
	r := &RefusedCall{Asked: *q, End: reply.End, Code: CodeFailed, Sentence: said(reply), Detail: reply.cause}
	r.Recorded = r.Recorded.queued()
	if reply.Refusal != nil {
		r.Code, r.RetryAfter = reply.Refusal.Code, reply.Refusal.RetryAfter
	}
	if err := g.opts.Ledger.Refuse(context.WithoutCancel(ctx), r); err != nil {
		g.log.Error("a call that failed could not be recorded", "decision", q.Decision, "error", err)
	}
}

// said is what a reply tells in one sentence, "" for a result.
func said(reply *Reply) string {
	if reply.Error == nil {
		return ""
	}
	return reply.Error.Message
}

// named is what a call names, as far as that can be read.
func named(c *Call) string {
	for _, path := range [][]string{{"name"}, {"uri"}, {"ref", "name"}, {"ref", "uri"}} {
		raw, _ := wire.Lookup(c.Params, path...)
		if name, ok := wire.String(raw); ok {
			return strings.ToValidUTF8(name, "\ufffd")
		}
	}
	return ""
}
