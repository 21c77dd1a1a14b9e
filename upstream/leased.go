// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"tollgate/upstream/wire"
)

// leased is one session of an owner. The fields of the first block never change.
type leased struct {
	p         *leases
	owner     *owner
	key       lease
	transport transport
	exclusive bool // runs one call at a time
	life      context.Context
	end       context.CancelFunc

	opened chan struct{} // closed when s or err is set
	s      *session
	err    error

	asking   atomic.Int32  // requests of the server outside of an exchange that wait for their answers; pipes only
	answered chan struct{} // one slot: one of these was answered

	// leases.mu guards the fields below.
	claims   []*claim // the calls that have it
	begun    bool     // its opening
	examined bool     // it must answer before another call may have it
	gone     bool     // no longer among the owner's
	since    time.Time
	idle     *time.Timer // nil = never idle so far
}

// isFree reports whether no call has the session. The caller holds leases.mu.
func (l *leased) isFree() bool { return len(l.claims) == 0 && !l.examined }

// drop takes the session from a call. The caller holds leases.mu.
func (l *leased) drop(cl *claim) {
	l.claims = slices.DeleteFunc(l.claims, func(o *claim) bool { return o == cl })
}

// ended reports whether the session was open and is over.
func (l *leased) ended() bool {
	select {
	case <-l.opened:
		return l.err != nil || l.s.ended()
	default:
		return false
	}
}

// session opens the session, once for all calls that have it, and returns it. The error is an *Error about no request.
func (l *leased) session(ctx context.Context, method string) (*session, error) {
	p := l.p
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, p.stopped()
	}
	if !l.begun {
		l.begun = true
		p.tasks.Go(l.run)
	}
	p.mu.Unlock()
	select {
	case <-l.opened:
		return l.s, l.err
	case <-ctx.Done():
	}
	if timedOut(ctx) {
		return nil, failf(p.c.cfg, KindUnavailable, false, errors.Join(errNotConnected, context.Cause(ctx)),
			"has not opened a session for this caller yet")
	}
	return nil, ctxError(ctx, p.c.cfg, method, false)
}

// run opens the session, waits for its end and closes it.
func (l *leased) run() {
	p := l.p
	defer l.end()
	s, err := l.open()
	if err == nil {
		l.settle(s)
		l.s = s
		close(l.opened)
		select {
		case <-s.ctx.Done():
		case <-l.life.Done():
		}
	} else {
		l.err = err
		close(l.opened)
	}
	p.mu.Lock()
	p.remove(l)
	p.mu.Unlock()
	if err == nil {
		s.leave(p.life)
	}
}

// open connects as the shared session did, but for what is declared and who is asked.
func (l *leased) open() (*session, error) {
	c := l.p.c
	done, ok := l.p.circuit.allow()
	if !ok {
		return nil, failf(c.cfg, KindUnavailable, false, errNotConnected,
			"opened no session for a caller lately and is given a pause of %s before the next try", breakerPause)
	}
	ctx, cancel := context.WithTimeout(l.life, c.cfg.startTimeout())
	defer cancel()
	opts := *c.dialer.opts
	opts.onAsk = l.ask
	opts.onAsked = func() { l.asking.Add(1) }
	d := &dialer{cfg: c.cfg, host: c.host, opts: &opts, flavour: l.key.flavour}
	s, err := d.open(ctx, l.transport, eraLegacy)
	if err == nil {
		done(nil)
		c.health.setTrouble(troubleLeases, "")
		return s, nil
	}
	var refusal *wire.Error
	shared := c.health.current()
	trial := shared != nil && shared.untried()
	if trial || l.life.Err() != nil || errors.As(err, &refusal) {
		done(context.Canceled) // says nothing about whether the upstream can be reached
	} else {
		done(err)
	}
	kind := KindUnavailable
	var e *Error
	if errors.As(err, &e) && e.Kind == KindAuth {
		kind = KindAuth
	}
	text := "opened no session for a caller: it " + failureText(err)
	if l.life.Err() == nil && !trial {
		c.health.setTrouble(troubleLeases, text)
		c.log.Warn("upstream session for a caller not opened", "error", err)
	}
	return nil, failf(c.cfg, kind, false, errors.Join(errNotConnected, err), "%s", text)
}

// ask answers what the server asks outside of an exchange, right after the handshake for example: it is a matter of the call
// that has the session, if there is exactly one.
func (l *leased) ask(ctx context.Context, method string, params []byte) ([]byte, *wire.Error) {
	l.p.mu.Lock()
	var cl *claim
	var peer Peer
	if len(l.claims) == 1 && l.claims[0].attach() {
		cl, peer = l.claims[0], l.claims[0].peer
	}
	l.p.mu.Unlock()
	if l.transport.piped() {
		defer l.noteAnswer()
	}
	if cl != nil {
		defer cl.asks.Done()
	}
	if peer == nil {
		return unasked(ctx, method, params)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(cl.ctx, cancel)()
	return peer.Ask(ctx, method, params)
}

func (l *leased) noteAnswer() {
	l.asking.Add(-1)
	select {
	case l.answered <- struct{}{}:
	default:
	}
}

// settle lets a new session come to rest. Many servers ask for the roots as soon as they are initialized, and a first call that
// is quicker than the answer would leave them without roots for good. What such a server asks comes before it answers a ping
// that was sent after the handshake; what it asked is given some time to be answered, but no call depends on that.
func (l *leased) settle(s *session) {
	if _, ok := wire.Lookup([]byte(l.key.flavour), "roots"); !ok || !l.transport.piped() {
		return
	}
	ctx, cancel := context.WithTimeout(l.life, l.p.c.cfg.probeTimeout())
	defer cancel()
	_, _ = s.request(ctx, "ping", nil) // whatever it says
	for l.asking.Load() > 0 {
		select {
		case <-l.answered:
		case <-s.ctx.Done():
			return
		case <-ctx.Done():
			return
		}
	}
}

// answers reports whether the server answers anything at all.
func (l *leased) answers() bool {
	select {
	case <-l.opened:
	case <-l.life.Done():
		return false
	}
	if l.err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(l.life, l.p.c.cfg.probeTimeout())
	defer cancel()
	_, err := l.s.request(ctx, "ping", nil)
	var refusal *wire.Error
	return err == nil || errors.As(err, &refusal)
}
