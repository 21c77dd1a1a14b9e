// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"sync"

	"tollgate/upstream/wire"
)

// claim is the right of one call to a session until its release: to the shared one or to one of its owner's. In the first case
// only the fields of the first block are set.
type claim struct {
	c      *conn
	method string
	shared *session // as found when the call began; nil = an owner's
	leased bool     // the shared session will only do while it is a modern one

	owner     *owner
	key       lease
	transport transport
	exclusive bool
	l         *leased         // changed by the call only; nil while it has none
	ctx       context.Context // ends with the call
	stop      context.CancelFunc
	asks      sync.WaitGroup // requests the upstream made of peer outside of an exchange

	// leases.mu guards the fields below, and orders asks.Add before asks.Wait.
	peer Peer // nil = none
	over bool // nothing is asked any more
}

// claim finds the session for a request. The error is an *Error.
func (c *conn) claim(ctx context.Context, r *Request, pl *place) (*claim, error) {
	if s := c.health.current(); r.Owner != sharedOwner && (s == nil || c.handshakes(s, r) && !s.untried()) {
		// What the owner has open needs no shared session, unless it may turn out not to open.
		if key := c.cfg.leaseOf(r); !key.isShared() {
			if t, ok := c.leases.find(key); ok {
				return c.leases.take(ctx, key, t, pl, r.Method)
			}
		}
	}
	s, err := c.health.await(ctx, r.Method, nil)
	if err != nil {
		return nil, err
	}
	leased := r.Owner != sharedOwner
	if leased && c.handshakes(s, r) {
		if key := c.cfg.leaseOf(r); key.isShared() {
			leased = false
		} else {
			cl, err := c.leases.take(ctx, key, s.transport, pl, r.Method)
			if err != nil || !s.untried() {
				return cl, err
			}
			if _, err := cl.session(ctx, nil); err == nil || ctx.Err() != nil {
				return cl, nil
			}
			s.onlyModern.Store(true)
			cl.release(false)
		}
	}
	return &claim{c: c, method: r.Method, shared: s, leased: leased}, nil
}

// handshakes reports whether a request runs on a session that begins with initialize: always with an upstream of that era,
// and for clients of that era with one that speaks both.
func (c *conn) handshakes(s *session, r *Request) bool {
	return !s.rev.Modern() || r.Legacy && c.cfg.Era != string(eraModern) && !s.onlyModern.Load()
}

// untried says that nobody knows whether the server of this modern session also takes an initialize: some do and do not
// list the revisions that have it.
func (s *session) untried() bool { return s.rev.Modern() && !s.dual }

// attend names the one who answers what the upstream asks outside of an exchange.
func (cl *claim) attend(peer Peer) {
	if cl.l != nil {
		cl.c.leases.mu.Lock()
		cl.peer = peer
		cl.c.leases.mu.Unlock()
	}
}

// attach counts one more request the peer is asked, unless the call is over. The caller holds leases.mu.
func (cl *claim) attach() bool {
	if !cl.over {
		cl.asks.Add(1)
	}
	return !cl.over
}

// session returns the session, other than one already tried. The error is an *Error.
func (cl *claim) session(ctx context.Context, tried *session) (*session, error) {
	switch {
	case cl.owner != nil && tried == nil:
		return cl.l.session(ctx, cl.method)
	case cl.owner != nil:
		if err := cl.c.leases.swap(cl); err != nil {
			return nil, err
		}
		return cl.l.session(ctx, cl.method)
	case tried == nil && !cl.shared.ended():
		return cl.shared, nil
	}
	s, err := cl.c.health.await(ctx, cl.method, tried)
	if err == nil && cl.leased && !s.rev.Modern() {
		return nil, failf(cl.c.cfg, KindUnavailable, false, errNotConnected, "changed its protocol revision during %s", cl.method)
	}
	return s, err
}

// release ends the call's part in the session and waits for what its peer was asked. givenUp says that the server may still
// be at work on it.
func (cl *claim) release(givenUp bool) {
	if cl.owner == nil {
		return
	}
	cl.c.leases.mu.Lock()
	cl.over = true
	cl.c.leases.mu.Unlock()
	cl.stop()
	cl.asks.Wait()
	cl.c.leases.put(cl, givenUp)
}

// attended is the peer of a call as its link sees it: it sees to the clock, the place and the circuit of the call.
type attended struct {
	peer  Peer
	clock *clock
	place *place
	alive func() // the upstream is at work
}

// Notify implements [Peer].
func (a *attended) Notify(method string, params []byte) {
	if method == "notifications/progress" {
		a.clock.restart()
		a.alive()
	}
	a.peer.Notify(method, params)
}

// Ask implements [Peer].
func (a *attended) Ask(ctx context.Context, method string, params []byte) ([]byte, *wire.Error) {
	a.alive()
	a.clock.pause()
	lent := a.place.lend()
	result, err := a.peer.Ask(ctx, method, params)
	a.clock.resume()
	if lent {
		a.place.back(ctx)
	}
	return result, err
}
