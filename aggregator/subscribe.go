// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"context"
	"errors"

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
		return nil, g.failed(c, err).Error
	}
	w := rev.who(caller, g.now())
	view, err := rev.view(w, c.Toolset)
	if err != nil {
		return nil, g.failed(c, err).Error
	}
	e, own, ok := readable(ctx, rev, view, w, uri)
	if !ok {
		return nil, unknownResource(c.Client.Revision, uri).Error
	}
	to := &target{upstream: e.Upstream, shown: uri}
	to.resource(rev, e, own)
	v, refusal := g.weigh(ctx, rev, w, c, to)
	if refusal != nil {
		return nil, g.refuse(c, v, refusal).Error
	}
	to.verdict = v
	if reply := g.confirm(ctx, w, c, to, v, nil); reply != nil {
		return nil, reply.Error
	}
	held, reply := g.reserve(ctx, w, c, to, g.intent(rev, w, c, to, false), nil)
	if reply != nil {
		return nil, reply.Error
	}
	err = g.opts.Upstreams.Subscribe(ctx, e.Upstream, own)
	out := Reply{End: Answered}
	if err != nil {
		out.End = UpstreamFailed
	}
	if settled := g.settle(ctx, c, to, held, out); settled.Error != nil {
		return nil, settled.Error
	}
	var refused *wire.Error
	switch {
	case errors.As(err, &refused):
		return nil, refused
	case err != nil:
		return nil, g.upstreamFailed(c, err).Error
	}
	return &Subscription{Upstream: e.Upstream, URI: own, Shown: uri}, nil
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
