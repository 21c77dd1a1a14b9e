// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"context"
	"errors"
	"fmt"

	"tollgate/aggregator/auth"
	"tollgate/upstream/wire"
)

// Subscription is one resource that a client watches.
type Subscription struct {
	Upstream string
	URI      string // the upstream's own
	Shown    string // as the client named it
}

// Subscribe watches the resource the caller sees as uri, in a list or through a template. A URI in no list cannot be
// watched: an upstream accepts any, and a hidden one must not answer otherwise than a missing one. Of c, its method is
// [MethodSubscribe] and it has no params.
func (g *Gate) Subscribe(ctx context.Context, caller *auth.Principal, uri string, c *Call) (*Subscription, *wire.Error) {
	rev, err := g.revision(ctx)
	if err != nil {
		return nil, g.turnedAway(ctx, &visit{caller: caller, call: c}, g.failed(c, err)).Error
	}
	w := rev.who(caller, g.now())
	at := &visit{rev, w, caller, c, nil}
	view, err := rev.view(w, c.Toolset)
	if err != nil {
		return nil, g.turnedAway(ctx, at, g.failed(c, err)).Error
	}
	e, own, ok := readable(ctx, rev, view, w, uri)
	if !ok {
		return nil, g.turnedAway(ctx, at, *unknownResource(c.Client.Revision, uri)).Error
	}
	to := &target{upstream: e.Upstream, shown: uri}
	to.resource(rev, e, own)
	v, refusal := g.weigh(ctx, rev, w, c, to)
	to.verdict = v
	rev.compare(v, refusal)
	if refusal != nil {
		return nil, g.refuse(ctx, c, v, refusal).Error
	}
	if reply := g.confirm(ctx, w, c, to, v, nil); reply != nil {
		return nil, reply.Error
	}
	held, reply := g.reserve(ctx, w, c, to, g.intent(c, to), nil)
	if reply != nil {
		return nil, reply.Error
	}
	if e := g.subscribed(ctx, caller, c, to, held, own); e != nil {
		return nil, e
	}
	return &Subscription{Upstream: e.Upstream, URI: own, Shown: uri}, nil
}

// subscribed tells the upstream of a subscription that was admitted.
func (g *Gate) subscribed(ctx context.Context, caller *auth.Principal, c *Call, to *target, held Reservation, own string) *wire.Error {
	err := g.opts.Upstreams.Subscribe(ctx, to.upstream, own)
	out := Reply{End: Answered}
	var refused *wire.Error
	switch {
	case errors.As(err, &refused):
		out = Reply{Error: refused, End: UpstreamFailed, cause: fmt.Sprintf("the upstream answered with error %d", refused.Code)}
	case err != nil:
		out = g.upstreamFailed(c, err)
	}
	return g.settle(ctx, caller, c, to, held, out).Error
}

// Unsubscribe ends a subscription that [Gate.Subscribe] returned. It cannot fail for the caller: an upstream that did not
// hear of it sends updates that nobody wants.
func (g *Gate) Unsubscribe(ctx context.Context, s *Subscription) {
	if err := g.opts.Upstreams.Unsubscribe(ctx, s.Upstream, s.URI); err != nil {
		g.log.Debug("an upstream could not be told to stop sending updates", "upstream", s.Upstream, "error", err)
	}
}

// Sees reports whether the caller may read what name's upstream serves under the shown uri, as things are now. An update
// may be of a part of what is watched, which needs to be in no list.
func (g *Gate) Sees(ctx context.Context, caller *auth.Principal, toolset, name, uri string) bool {
	rev, err := g.revision(ctx)
	if err != nil {
		return false
	}
	w := rev.who(caller, g.now())
	view, err := rev.view(w, toolset)
	if err != nil {
		return false
	}
	if e, _, ok := readable(ctx, rev, view, w, uri); ok {
		return e.Upstream == name
	}
	o, ok := unlisted(ctx, rev, view, w, uri)
	return ok && o.Upstream == name
}
