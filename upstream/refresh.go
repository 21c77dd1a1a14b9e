// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
)

const (
	refreshDebounce = 250 * time.Millisecond // from the first list_changed to the refresh
	refreshSpacing  = time.Second            // between the starts of two refreshes
	shortestPoll    = 30 * time.Second
	longestTTL      = 24 * time.Hour
)

// pokes collects reasons to refresh until the goroutine that serves the session takes them. It is safe for concurrent use and
// never blocks.
type pokes struct {
	wake chan struct{} // one slot

	mu    sync.Mutex // guards below
	lists lists
	since time.Time // of the first list asked for
	probe time.Time // when an open circuit may be tried; zero = closed
}

func newPokes() *pokes { return &pokes{wake: make(chan struct{}, 1)} }

// add asks for a refresh of some lists.
func (p *pokes) add(l lists) {
	p.mu.Lock()
	if p.lists == 0 {
		p.since = time.Now()
	}
	p.lists |= l
	p.mu.Unlock()
	p.signal()
}

// circuit notes that the circuit opened, so that it is tried without waiting for a call, or closed.
func (p *pokes) circuit(open bool) {
	p.mu.Lock()
	p.probe = time.Time{}
	if open {
		p.probe = time.Now().Add(breakerPause + time.Millisecond)
	}
	p.mu.Unlock()
	p.signal()
}

func (p *pokes) signal() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// due returns when the circuit may be tried and when the lists asked for may be read, given the start of the last refresh.
// Zero is never.
func (p *pokes) due(last time.Time) (probe, refresh time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lists != 0 {
		refresh = p.since.Add(refreshDebounce)
		if t := last.Add(refreshSpacing); t.After(refresh) {
			refresh = t
		}
	}
	return p.probe, refresh
}

// take returns the lists asked for and forgets them.
func (p *pokes) take() lists {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.lists
	p.lists = 0
	return l
}

// plan is when the next refresh of a session is due, and why. Zero times are never.
type plan struct {
	pauses *backoff.ExponentialBackOff
	last   time.Time // start of the last refresh
	retry  time.Time // the last one failed
	poll   time.Time // the lists grow stale
}

// replan sets what follows from the refresh that just ended. One that failed is owed; a list that was cut short is not, since
// it would be cut short again.
func (c *conn) replan(p *plan, failed bool) {
	p.poll = time.Time{}
	if every := c.pollEvery(); every > 0 {
		// Jitter, so that upstreams started together are not polled together.
		p.poll = p.last.Add(every + rand.N(every/10+1))
	}
	p.retry = time.Time{}
	if failed || c.catalog.isOwed() {
		p.retry = time.Now().Add(p.pauses.NextBackOff())
	} else {
		p.pauses.Reset()
	}
}

// pollEvery returns the interval between two refreshes that nobody asked for, 0 = none.
func (c *conn) pollEvery() time.Duration {
	if c.cfg.RefreshEvery > 0 {
		return max(c.cfg.RefreshEvery, refreshSpacing)
	}
	if snap := c.health.last(); snap != nil && snap.TTL > 0 {
		return max(snap.TTL, shortestPoll)
	}
	return 0
}

// due returns the moment of the next refresh, or one far away. While the circuit is open all refreshes wait for its trial.
func (c *conn) due(p *plan) time.Time {
	probe, poked := c.pokes.due(p.last)
	if !probe.IsZero() {
		return probe
	}
	due := time.Now().Add(longestTTL)
	for _, t := range []time.Time{p.retry, p.poll, poked} {
		if !t.IsZero() && t.Before(due) {
			due = t
		}
	}
	return due
}

// serve refreshes the snapshot of a session whenever there is reason to, until the session ends, and says why it did.
func (c *conn) serve(s *session) error {
	p := &plan{pauses: newPauses(refreshSpacing, longestPause), last: time.Now()}
	c.replan(p, false)
	for {
		timer := time.NewTimer(time.Until(c.due(p)))
		select {
		case <-s.ctx.Done():
			timer.Stop()
			return c.ending(s)
		case <-c.pokes.wake:
			timer.Stop()
		case <-timer.C:
			if err := c.act(s, p); err != nil && !s.ended() {
				c.log.Warn("refresh failed", "error", err)
			}
		}
	}
}

// act does the refresh that is due: of all lists when one is owed, when they grew stale or when the circuit is tried; else of
// those that changed.
func (c *conn) act(s *session, p *plan) error {
	now := time.Now()
	probe, _ := c.pokes.due(p.last)
	announced := c.pokes.take()
	which := announced
	if reached(p.retry, now) || reached(p.poll, now) || !probe.IsZero() {
		which = allLists
	}
	if which == 0 {
		return nil
	}
	done := func(error) {}
	if !probe.IsZero() {
		var ok bool
		if done, ok = c.breaker.allow(); !ok { // a call is trying the circuit right now
			c.pokes.circuit(true)
			return nil
		}
	}
	p.last = now
	before := c.health.last()
	err := c.refresh(s, which)
	if err == nil {
		c.passOn(announced, before, c.health.last())
	}
	done(err)
	if err == nil && !probe.IsZero() {
		c.breaker.reset()
	}
	c.replan(p, err != nil)
	return err
}

// passOn tells of changes that the upstream announced and its lists do not show: it may know why its clients should look
// again. What the lists do show is found by comparing catalogs.
func (c *conn) passOn(announced lists, before, after *Snapshot) {
	if before == nil || after == nil {
		return
	}
	tell := func(method string, same bool, ls ...list) {
		if same && announced&listSet(ls...) != 0 {
			c.host.event(Event{Upstream: c.cfg.Name, Method: method})
		}
	}
	tell("notifications/tools/list_changed", sameItems(before.Tools, after.Tools), listTools)
	tell("notifications/prompts/list_changed", sameItems(before.Prompts, after.Prompts), listPrompts)
	tell("notifications/resources/list_changed",
		sameItems(before.Resources, after.Resources) && sameItems(before.Templates, after.Templates), listResources, listTemplates)
}

func sameItems(a, b []Item) bool {
	return slices.EqualFunc(a, b, func(x, y Item) bool { return x.Name == y.Name && x.URI == y.URI && x.Hash == y.Hash })
}

func reached(t, now time.Time) bool { return !t.IsZero() && !t.After(now) }

// ending says why a session is over.
func (c *conn) ending(s *session) error {
	cause := s.cause()
	var e *Error
	if errors.As(cause, &e) {
		return cause
	}
	return failf(c.cfg, KindClosed, false, cause, "lost its connection")
}

// refresh reads some lists of a session and publishes the snapshot with them. When the upstream cannot be reached the error
// says so and the last good snapshot stays; a list that fails alone keeps its last good state.
func (c *conn) refresh(s *session, which lists) error {
	ctx, cancel := context.WithTimeout(s.ctx, c.cfg.startTimeout())
	defer cancel()
	trouble, err := c.catalog.refresh(ctx, s, which)
	if err != nil {
		if s.ended() {
			return c.ending(s)
		}
		c.health.setTrouble(troubleRefresh, failureText(err))
		return err
	}
	c.health.setTrouble(troubleRefresh, trouble)
	c.health.adopt(c.catalog.snapshot(s, c.host.now()))
	return nil
}
