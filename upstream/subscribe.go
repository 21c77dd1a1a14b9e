// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"maps"
	"slices"
)

// subscriptions counts who wants to hear of which resource of one upstream.
type subscriptions struct {
	lock  chan struct{}  // one slot, held while the upstream is told; guards the fields below
	count map[string]int // by URI, never 0
	told  *session       // the last session that was told of all of them
}

func newSubscriptions() *subscriptions {
	return &subscriptions{lock: make(chan struct{}, 1), count: map[string]int{}}
}

// uris returns the resources subscribed to, in a stable order. The caller holds lock.
func (b *subscriptions) uris() []string { return slices.Sorted(maps.Keys(b.count)) }

// hold takes lock. It returns false when ctx ended first.
func (b *subscriptions) hold(ctx context.Context) bool {
	select {
	case b.lock <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (b *subscriptions) release() { <-b.lock }

// subscribe counts one more who wants to hear of a resource. The first one is told to the upstream.
func (c *conn) subscribe(ctx context.Context, uri string) error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.timeout())
	defer cancel()
	if !c.subs.hold(ctx) {
		return ctxError(ctx, c.cfg, "resources/subscribe", false)
	}
	defer c.subs.release()
	if c.subs.count[uri] == 0 {
		s, err := c.health.await(ctx, "resources/subscribe", nil)
		if err != nil {
			return err
		}
		if !s.declares("resources", "subscribe") {
			return failf(c.cfg, KindProtocol, false, nil, "does not support resource subscriptions")
		}
		c.restoreHeld(s)
		if s.listener != nil {
			err = s.listener.set(ctx, append(c.subs.uris(), uri), false)
		} else {
			_, err = s.request(ctx, "resources/subscribe", object("uri", string(quote(uri))))
		}
		if err != nil {
			return err
		}
	}
	c.subs.count[uri]++
	return nil
}

// unsubscribe counts one less. After the last one the upstream is told, when it is connected.
func (c *conn) unsubscribe(ctx context.Context, uri string) error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.timeout())
	defer cancel()
	if !c.subs.hold(ctx) {
		return ctxError(ctx, c.cfg, "resources/unsubscribe", false)
	}
	defer c.subs.release()
	n := c.subs.count[uri]
	if n > 1 {
		c.subs.count[uri]--
	}
	if n != 1 {
		return nil
	}
	delete(c.subs.count, uri)
	s := c.health.current()
	if s == nil {
		return nil
	}
	if s.listener != nil {
		return s.listener.set(ctx, c.subs.uris(), false)
	}
	_, err := s.request(ctx, "resources/unsubscribe", object("uri", string(quote(uri))))
	return err
}

// restore tells a new session what to report: changes of its lists, and the resources subscribed to on sessions before. What
// happened to these in between is not known, so they count as changed.
func (c *conn) restore(s *session) {
	if !c.subs.hold(s.ctx) {
		return
	}
	defer c.subs.release()
	c.restoreHeld(s)
}

// restoreHeld is restore for a caller that holds the lock. Only the first call for a session has an effect.
func (c *conn) restoreHeld(s *session) {
	if c.subs.told == s {
		return
	}
	c.subs.told = s
	uris := c.subs.uris()
	if s.listener != nil {
		if err := s.listener.set(s.ctx, uris, true); err != nil && !s.ended() {
			c.log.Info("upstream sends no change notifications yet", "error", err)
		}
	} else {
		for _, uri := range uris {
			if _, err := s.request(s.ctx, "resources/subscribe", object("uri", string(quote(uri)))); err != nil && !s.ended() {
				c.log.Warn("resource subscription was not restored", "uri", uri, "error", err)
			}
		}
	}
	if !s.ended() {
		c.touched(uris)
	}
}

// touched reports resources as updated.
func (c *conn) touched(uris []string) {
	for _, uri := range uris {
		c.host.event(Event{c.cfg.Name, "notifications/resources/updated", object("uri", string(quote(uri)))})
	}
}
