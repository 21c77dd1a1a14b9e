// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Set is all upstreams of a gateway. Each has its own goroutines: one that is down, slow or hostile changes nothing for the
// others. All methods are safe for concurrent use.
type Set struct {
	host  *host
	dirty chan struct{} // one slot: OnCatalog is owed
	stop  chan struct{} // closed by Close
	tasks sync.WaitGroup

	mu     sync.Mutex // guards all below
	closed bool
	order  []*slot
	slots  map[string]*slot
}

// slot is one configured upstream: the connection of its present configuration, and the one of the configuration before, which
// takes the calls until the present one has settled.
type slot struct {
	now    *conn
	before *conn // nil = none
}

// serving returns the conn that takes calls.
func (s *slot) serving() *conn {
	if s.before != nil {
		return s.before
	}
	return s.now
}

// NewSet returns a Set without upstreams. nil means default options. A Set needs a Close.
func NewSet(opts *Options) *Set { return newSet(opts, dialLink) }

func newSet(opts *Options, dial dialFunc) *Set {
	var o Options
	if opts != nil {
		o = *opts
	}
	s := &Set{dirty: make(chan struct{}, 1), stop: make(chan struct{}), slots: map[string]*slot{}}
	s.host = &host{log: o.Log, now: o.Now, changed: s.changed, event: o.OnEvent, dial: dial,
		spawns: make(chan struct{}, spawnsAtOnce)}
	if o.Log == nil {
		s.host.log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		s.host.now = time.Now
	}
	if o.OnEvent == nil {
		s.host.event = func(Event) {}
	}
	name, version := o.ClientName, o.ClientVersion
	if name == "" {
		name = "tollgate"
	}
	if version == "" {
		version = "0"
	}
	s.host.auths = newAuthorizers(&o, s.host, name)
	s.host.auths.changed = func(name string) { s.reconnect(name, false) }
	s.host.client = object("name", string(quote(name)), "version", string(quote(version)))
	if o.OnCatalog != nil {
		s.tasks.Go(func() { s.announce(o.OnCatalog) })
	}
	return s
}

// changed notes that OnCatalog is owed.
func (s *Set) changed() {
	select {
	case s.dirty <- struct{}{}:
	default:
	}
}

// announce calls onCatalog, one call at a time, for as long as the Set lives.
func (s *Set) announce(onCatalog func()) {
	for {
		select {
		case <-s.stop:
			return
		case <-s.dirty:
			onCatalog()
		}
	}
}

// Snapshots returns the last good snapshot of each upstream in the order of the configuration. An upstream without one is left
// out.
func (s *Set) Snapshots() []*Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	var snaps []*Snapshot
	for _, sl := range s.order {
		if snap := sl.now.health.last(); snap != nil {
			snaps = append(snaps, snap)
		}
	}
	return snaps
}

// Status returns the state of each upstream in the order of the configuration.
func (s *Set) Status() []Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Status, 0, len(s.order))
	for _, sl := range s.order {
		st := sl.now.health.status()
		if sl.now.auth != nil {
			st.Login = sl.now.auth.state()
		}
		for _, c := range []*conn{sl.now, sl.before} {
			if c != nil {
				st.InFlight += c.gate.inFlight()
				st.Sessions += c.leases.count()
			}
		}
		list = append(list, st)
	}
	return list
}

// Call sends a request to an upstream and waits for the answer. The error is an *Error.
//
// The request is bounded by its Timeout, which includes waiting for a connection or a free slot. It is sent again, once, when
// the connection was lost and it certainly was not executed or is ReadOnly. On a legacy upstream it runs on a session of its
// Owner, which is opened when there is none.
func (s *Set) Call(ctx context.Context, name string, r *Request) (*Reply, error) {
	var reply *Reply
	err := s.with(name, func(c *conn) (err error) {
		reply, err = c.call(ctx, r)
		return err
	})
	return reply, err
}

// Subscribe asks for notifications/resources/updated of a resource, which arrive in Options.OnEvent. Subscriptions are counted:
// only the first is told to the upstream, and each needs an Unsubscribe. They survive reconnects; after one the resource is
// reported as updated, since nobody knows whether it was. The error is an *Error, or a *wire.Error when the upstream refused.
func (s *Set) Subscribe(ctx context.Context, name, uri string) error {
	return s.with(name, func(c *conn) error { return c.subscribe(ctx, uri) })
}

// Unsubscribe takes back one Subscribe. The count is lowered even when the upstream cannot be told, which is the error.
func (s *Set) Unsubscribe(ctx context.Context, name, uri string) error {
	return s.with(name, func(c *conn) error { return c.unsubscribe(ctx, uri) })
}

// with runs f on the conn that serves an upstream.
func (s *Set) with(name string, f func(*conn) error) error {
	for {
		s.mu.Lock()
		sl, closed := s.slots[name], s.closed
		var c *conn
		if sl != nil {
			c = sl.serving()
		}
		s.mu.Unlock()
		if c == nil || closed {
			return &Error{Upstream: name, Kind: KindUnavailable, Detail: "is not configured", Err: errNotConnected}
		}
		if c.enter() {
			defer c.leave()
			return f(c)
		}
		// It was replaced between the two steps; the next look finds its successor.
	}
}

// Settled waits until every upstream has left Connecting for the first time, or ctx ends.
func (s *Set) Settled(ctx context.Context) error {
	s.mu.Lock()
	conns := make([]*conn, 0, len(s.order))
	for _, sl := range s.order {
		conns = append(conns, sl.now)
	}
	s.mu.Unlock()
	for _, c := range conns {
		select {
		case <-c.health.settled:
		case <-c.stopped:
		case <-s.stop:
		case <-ctx.Done():
			return fmt.Errorf("upstream %q is still connecting: %w", c.cfg.Name, ctx.Err())
		}
	}
	return nil
}

// Close stops every upstream, all at the same time, and returns when nothing of them is left. Calls under way fail. When ctx
// ends first its error is returned and the rest goes on in the background.
func (s *Set) Close(ctx context.Context) error {
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	if first {
		close(s.stop)
		s.tasks.Go(s.host.auths.close)
		for _, sl := range s.order {
			s.drop(sl)
		}
	}
	s.mu.Unlock()
	done := make(chan struct{})
	go func() {
		s.tasks.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("upstreams are still being stopped: %w", ctx.Err())
	}
}
