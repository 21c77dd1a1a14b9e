// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"slices"
	"sync"
	"time"
)

// leases are the sessions that a legacy upstream keeps for owners, beside the shared one. A call takes one, opens it if need
// be and puts it back; there it waits for the next call of its owner until it was idle for too long or its place is needed.
// It is safe for concurrent use.
type leases struct {
	c       *conn
	circuit *breaker        // of attempts to open a session, so that they do not spoil what works
	life    context.Context // ends with close
	end     context.CancelFunc
	tasks   sync.WaitGroup // sessions being opened, open, examined or closed

	mu       sync.Mutex // guards all below and what says so, and orders tasks.Add before tasks.Wait
	owners   map[string]*owner
	total    int  // sessions
	retiring bool // no session outlives its last call
	closed   bool // nothing begins any more
}

// owner is what one owner has. leases.mu guards all of it.
type owner struct {
	name     string
	turns    *admission // one slot for each call on an exclusive session; has its own lock
	calls    int        // that wait for a session or have one
	sessions []*leased  // oldest first
}

func newLeases(c *conn) *leases {
	p := &leases{c: c, circuit: newBreaker(c.cfg.Name, func(bool) {}), owners: map[string]*owner{}}
	p.life, p.end = context.WithCancel(context.Background())
	return p
}

// find returns the transport of the sessions a lease has, false when it has none.
func (p *leases) find(key lease) (transport, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if o := p.owners[key.owner]; o != nil {
		for _, l := range o.sessions {
			if l.key == key && !l.ended() {
				return l.transport, true
			}
		}
	}
	return "", false
}

// take gives a call a session of its lease, which need not be open yet. Where a session runs one call at a time,
// it waits for one until ctx ends. The error is an *Error.
func (p *leases) take(ctx context.Context, key lease, t transport, pl *place, method string) (*claim, error) {
	o, err := p.join(key.owner)
	if err != nil {
		return nil, err
	}
	cl := &claim{c: p.c, method: method, owner: o, key: key, transport: t}
	cl.exclusive = key.flavour != flavourPlain && !t.tellsApart()
	if cl.exclusive && !o.turn(ctx, pl) {
		p.part(o)
		if ctx.Err() != nil && !timedOut(ctx) {
			return nil, ctxError(ctx, p.c.cfg, method, false)
		}
		return nil, failf(p.c.cfg, KindOverloaded, false, nil,
			"is busy with this caller: it runs %d of the caller's requests that may ask back, and no other before one of them ends",
			p.c.cfg.maxInteractive())
	}
	cl.ctx, cl.stop = context.WithCancel(ctx)
	if err := p.pick(cl); err != nil {
		cl.stop()
		if cl.exclusive {
			o.turns.leave()
		}
		p.part(o)
		return nil, err
	}
	return cl, nil
}

// join counts one more call of an owner.
func (p *leases) join(name string) (*owner, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, p.stopped()
	}
	o := p.owners[name]
	if o == nil {
		o = &owner{name: name, turns: newAdmission(p.c.cfg.maxInteractive())}
		o.turns.queue = p.c.gate.queue
		p.owners[name] = o
	}
	o.calls++
	return o, nil
}

func (p *leases) part(o *owner) {
	p.mu.Lock()
	defer p.mu.Unlock()
	o.calls--
	p.forget(o)
}

// forget drops an owner that has nothing left. The caller holds mu.
func (p *leases) forget(o *owner) {
	if o.calls == 0 && len(o.sessions) == 0 {
		delete(p.owners, o.name)
	}
}

// turn waits until one more call of the owner may run on an exclusive session. Meanwhile others use the call's place.
func (o *owner) turn(ctx context.Context, pl *place) bool {
	if o.turns.tryEnter() {
		return true
	}
	pl.lend()
	defer pl.back(ctx)
	return o.turns.enter(ctx)
}

// pick gives a call a session: the oldest that fits, so that what a server remembers of one call is there for the next, or a new
// one.
func (p *leases) pick(cl *claim) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return p.stopped()
	}
	for _, l := range slices.Clone(cl.owner.sessions) {
		if l.ended() {
			p.remove(l)
		}
	}
	i := slices.IndexFunc(cl.owner.sessions, cl.fits)
	if i < 0 {
		if err := p.makeRoom(cl); err != nil {
			return err
		}
		p.add(cl)
		i = len(cl.owner.sessions) - 1
	}
	cl.l = cl.owner.sessions[i]
	cl.l.claims = append(cl.l.claims, cl)
	if cl.l.idle != nil {
		cl.l.idle.Stop()
	}
	return nil
}

// fits reports whether a call may run on a session. The caller holds leases.mu.
func (cl *claim) fits(l *leased) bool {
	return l.key == cl.key && l.exclusive == cl.exclusive && (!l.exclusive || l.isFree())
}

// makeRoom closes an idle session when there are as many as there may be. The caller holds mu.
func (p *leases) makeRoom(cl *claim) error {
	if most := p.c.cfg.maxInteractive(); cl.key.flavour != flavourPlain {
		own := slices.DeleteFunc(slices.Clone(cl.owner.sessions), func(l *leased) bool { return l.key.flavour == flavourPlain })
		if len(own) >= most && !p.removeIdlest(own) {
			return failf(p.c.cfg, KindOverloaded, false, nil,
				"is busy with this caller: all of its %d sessions that may ask back are in use", most)
		}
	}
	if p.total < p.c.cfg.maxSessions() {
		return nil
	}
	var all []*leased
	for _, o := range p.owners {
		all = append(all, o.sessions...)
	}
	if !p.removeIdlest(all) {
		return failf(p.c.cfg, KindOverloaded, false, nil,
			"has no session left for another caller: all %d are in use (max_sessions)", p.total)
	}
	return nil
}

// removeIdlest removes the session that nobody has used for longest, if there is one. The caller holds mu.
func (p *leases) removeIdlest(from []*leased) bool {
	var found *leased
	for _, l := range from {
		if l.isFree() && (found == nil || l.since.Before(found.since)) {
			found = l
		}
	}
	if found != nil {
		p.remove(found)
	}
	return found != nil
}

// add makes a session for a call, which is opened when it is first used. The caller holds mu.
func (p *leases) add(cl *claim) {
	l := &leased{p: p, owner: cl.owner, key: cl.key, transport: cl.transport, exclusive: cl.exclusive, opened: make(chan struct{}), answered: make(chan struct{}, 1)}
	l.life, l.end = context.WithCancel(p.life)
	cl.owner.sessions = append(cl.owner.sessions, l)
	p.total++
}

// remove makes a session unreachable and has it closed. The caller holds mu.
func (p *leases) remove(l *leased) {
	if l.gone {
		return
	}
	l.gone = true
	if l.idle != nil {
		l.idle.Stop()
	}
	l.end()
	p.total--
	l.owner.sessions = slices.DeleteFunc(l.owner.sessions, func(o *leased) bool { return o == l })
	p.forget(l.owner)
}

// swap replaces the session of a call, which is over.
func (p *leases) swap(cl *claim) error {
	p.mu.Lock()
	cl.l.drop(cl)
	p.remove(cl.l)
	p.mu.Unlock()
	cl.l = nil
	return p.pick(cl)
}

// put takes back the session of a call. A call that was given up may still be under way at the server: before another one may
// use the session, the server must show that it is not stuck, and so has seen that the call was cancelled.
func (p *leases) put(cl *claim, givenUp bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := cl.l
	examine := false
	if l != nil {
		l.drop(cl)
		examine = givenUp && l.isFree() && l.begun && !l.gone && !l.ended() && !p.retiring && !p.closed && !l.transport.tellsApart()
	}
	leave := func() {
		cl.owner.calls--
		if cl.exclusive {
			cl.owner.turns.leave()
		}
		p.forget(cl.owner)
	}
	if !examine {
		if l != nil {
			p.rest(l)
		}
		leave()
		return
	}
	l.examined = true
	p.tasks.Go(func() {
		answers := l.answers()
		p.mu.Lock()
		defer p.mu.Unlock()
		l.examined = false
		if !answers && l.isFree() {
			p.remove(l)
		}
		p.rest(l)
		leave()
	})
}

// rest lets a session wait for its next call. The caller holds mu.
func (p *leases) rest(l *leased) {
	switch {
	case l.gone || !l.isFree():
	case !l.begun || p.retiring || p.closed:
		p.remove(l)
	default:
		l.since = time.Now()
		idle := p.c.cfg.sessionIdle()
		if l.idle == nil {
			l.idle = time.AfterFunc(idle, func() { p.expire(l) })
		}
		l.idle.Reset(idle)
	}
}

// expire closes a session that was idle for too long.
func (p *leases) expire(l *leased) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.isFree() && time.Since(l.since) >= p.c.cfg.sessionIdle() {
		p.remove(l)
	}
}

// retire closes each session as soon as no call has it.
func (p *leases) retire() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.retiring = true
	for _, o := range p.owners {
		for _, l := range slices.Clone(o.sessions) {
			p.rest(l)
		}
	}
}

// close closes all sessions and waits until nothing of them is left. Calls under way fail.
func (p *leases) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.end()
	p.tasks.Wait()
}

// count is the number of sessions open or being opened.
func (p *leases) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.total
}

func (p *leases) stopped() *Error {
	return failf(p.c.cfg, KindUnavailable, false, errNotConnected, "is being stopped")
}
