// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"errors"
	"sync"
	"time"

	"tollgate/upstream/wire"
)

// garbageLimit is how many unusable replies in a row make an upstream degraded.
const garbageLimit = 5

// linkEnd is how long after a failed exchange the end of its link may take to show.
const linkEnd = time.Second

// call runs one request. The error is an *Error.
func (c *conn) call(ctx context.Context, r *Request) (*Reply, error) {
	bounded, clock := startClock(ctx, positive(r.Timeout, c.cfg.timeout()), c.cfg.maxCall())
	defer clock.stop()
	if !c.gate.enter(bounded) {
		if ctx.Err() != nil {
			return nil, ctxError(ctx, c.cfg, r.Method, false)
		}
		return nil, failf(c.cfg, KindOverloaded, false, nil, "is busy: %d calls are running and up to %d may wait",
			c.cfg.concurrency(), c.gate.queue)
	}
	pl := &place{gate: c.gate}
	defer pl.leave()
	// The connection first: while there is none, what the circuit knows is about the one before.
	cl, err := c.claim(bounded, r, pl)
	if err != nil {
		return nil, err
	}
	done, ok := c.breaker.allow()
	if !ok {
		cl.release(false)
		return nil, failf(c.cfg, KindUnavailable, false, errNotConnected,
			"did not answer the last calls and is given a pause of %s before the next try", breakerPause)
	}
	var once sync.Once
	settle := func(err error) { once.Do(func() { done(err) }) }
	var peer Peer // stays nil for a caller that takes nothing
	if r.Peer != nil {
		peer = &attended{peer: r.Peer, clock: clock, place: pl, alive: func() { settle(nil) }}
	}
	cl.attend(peer)
	reply, err := c.try(bounded, cl, r, peer)
	var e *Error
	failed := errors.As(err, &e)
	cl.release(failed && e.Sent && bounded.Err() != nil)
	var late *overdue
	if failed && e.Kind == KindTimeout && ctx.Err() == nil && errors.As(context.Cause(bounded), &late) {
		e.Detail = "did not answer " + r.Method + " within " + late.limit
	}
	if ctx.Err() != nil && err != nil { // the caller's own end says nothing about the upstream
		settle(context.Cause(ctx))
	} else {
		settle(err)
	}
	c.judge(err)
	return reply, err
}

// try sends a request, and once more when its session was lost: if it certainly was not executed, or changes nothing.
func (c *conn) try(ctx context.Context, cl *claim, r *Request, peer Peer) (*Reply, error) {
	s, err := cl.session(ctx, nil)
	if err != nil {
		return nil, err
	}
	reply, err := c.send(ctx, s, r, peer)
	if err == nil || !c.mayRepeat(ctx, s, r, err) {
		return reply, err
	}
	tried := s
	if !s.ended() {
		tried = nil // a broken stream over HTTP, where the server may well be fine
	}
	s, lost := cl.session(ctx, tried)
	if lost != nil {
		var e *Error
		if errors.As(err, &e) && e.Sent {
			return nil, err // that the outcome is unknown matters more than that there is no connection now
		}
		return nil, lost
	}
	return c.send(ctx, s, r, peer)
}

// mayRepeat decides whether a failed request may be sent again: only after the loss of its connection, never after an answer
// or a timeout.
func (c *conn) mayRepeat(ctx context.Context, s *session, r *Request, err error) bool {
	var e *Error
	if !errors.As(err, &e) || ctx.Err() != nil || e.Kind != KindClosed && e.Kind != KindUnavailable {
		return false
	}
	if e.Sent && !r.ReadOnly {
		return false
	}
	if s.transport.piped() { // the exchange may learn of the end a moment before the session does
		limit := time.NewTimer(linkEnd)
		defer limit.Stop()
		select {
		case <-s.ctx.Done():
		case <-limit.C:
		}
	}
	return s.ended() || e.Sent
}

// send sends a request on a session and shapes the answer.
func (c *conn) send(ctx context.Context, s *session, r *Request, peer Peer) (*Reply, error) {
	m := clientMeta{info: r.ClientInfo, capabilities: r.ClientCapabilities, logLevel: r.LogLevel}
	if r.Progress {
		m.token = s.token()
	}
	if r.LogLevel != "" {
		if err := s.raiseLevel(ctx, r.LogLevel); err != nil {
			return nil, err
		}
	}
	x := s.exchange(r.Method, r.Params, m)
	x.headers, x.peer = r.ParamHeaders, peer
	env, err := s.do(ctx, x)
	if err != nil {
		return nil, err
	}
	if env.Error != nil {
		return &Reply{Error: wire.ParseError(env.Error), Revision: s.rev}, nil
	}
	return &Reply{Result: env.Result, Revision: s.rev}, nil
}

// judge counts replies that were no use to anybody.
func (c *conn) judge(err error) {
	var e *Error
	switch {
	case err == nil:
		if c.garbage.Swap(0) >= garbageLimit {
			c.health.setTrouble(troubleReplies, "")
		}
	case errors.As(err, &e) && (e.Kind == KindProtocol || e.Kind == KindTooLarge):
		if c.garbage.Add(1) == garbageLimit {
			c.health.setTrouble(troubleReplies, failureText(err))
		}
	}
}
