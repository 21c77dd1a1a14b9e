// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"

	"tollgate/upstream/wire"
)

const (
	firstPause   = 200 * time.Millisecond // before the first reconnect, jittered and growing from there
	longestPause = 30 * time.Second
	healthyAfter = 60 * time.Second // a connection that lived this long starts the pauses anew
	worthWaiting = time.Second      // a call waits for a reconnect that is due within this time
	spawnsAtOnce = 8                // children being started
)

// host is what every conn shares with its [Set].
type host struct {
	log     *slog.Logger
	now     func() time.Time
	client  []byte // our clientInfo, raw JSON
	auths   *authorizers
	changed func()      // a snapshot or health changed; never blocks
	event   func(Event) // never nil
	dial    dialFunc
	spawns  chan struct{} // one slot for each child that may be starting
}

// conn is one upstream for as long as its configuration lives. One goroutine, run, owns its connection: it connects, reads the
// snapshot, serves until the connection ends, pauses and starts over. Calls only ever read the current session.
type conn struct {
	cfg     *Config
	host    *host
	log     *slog.Logger
	dialer  *dialer
	gate    *admission
	breaker *breaker
	pokes   *pokes
	subs    *subscriptions
	health  *health
	catalog *catalog
	leases  *leases
	auth    *authorizer   // nil = it has none
	kick    chan struct{} // one slot: the pause between two attempts is over
	cancel  context.CancelFunc
	stopped chan struct{} // closed when run has returned
	calls   sync.WaitGroup
	garbage atomic.Int32 // unusable replies in a row

	lingering sync.WaitGroup // sessions that are over but for the calls under way

	mu      sync.Mutex // guards closing
	closing bool       // no call may enter any more
}

// newConn returns a conn that shows seed until it has a snapshot of its own; seed may be nil.
func newConn(cfg Config, h *host, seed *Snapshot) *conn {
	c := &conn{cfg: &cfg, host: h, log: h.log.With("upstream", cfg.Name), stopped: make(chan struct{}), kick: make(chan struct{}, 1)}
	c.auth = h.auths.of(c.cfg)
	c.gate = newAdmission(cfg.concurrency())
	c.pokes = newPokes()
	c.subs = newSubscriptions()
	c.health = newHealth(h, &cfg, seed)
	c.catalog = newCatalog(&cfg, seed)
	c.breaker = newBreaker(cfg.Name, func(open bool) {
		c.health.setTrouble(troubleCircuit, circuitText(open))
		c.pokes.circuit(open)
	})
	c.dialer = &dialer{cfg: c.cfg, host: h, flavour: flavourShared, opts: &linkOptions{
		log: c.log, maxReply: cfg.maxReply(), cfg: c.cfg, onNotify: c.notified, onAsk: unasked, auth: c.auth,
	}}
	c.leases = newLeases(c)
	return c
}

func circuitText(open bool) string {
	if open {
		return "did not answer several calls in a row"
	}
	return ""
}

// unasked answers what a legacy upstream asks outside any call: nothing was declared that it could ask for.
func unasked(_ context.Context, method string, _ []byte) ([]byte, *wire.Error) {
	return nil, &wire.Error{Code: wire.CodeMethodNotFound, Message: "method not found: " + method}
}

// start starts the supervising goroutine.
func (c *conn) start() {
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	go func() {
		defer close(c.stopped)
		if !c.cfg.Disabled {
			c.run(ctx)
			c.lingering.Wait()
		}
	}()
}

// enter admits a call, unless the conn is closing. Each success needs one leave.
func (c *conn) enter() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing {
		return false
	}
	c.calls.Add(1)
	return true
}

func (c *conn) leave() { c.calls.Done() }

// retire lets the calls under way finish, for no longer than one call may take, and closes.
func (c *conn) retire(hurry <-chan struct{}) {
	c.refuse()
	c.leases.retire()
	drained := make(chan struct{})
	go func() {
		c.calls.Wait()
		close(drained)
	}()
	limit := time.NewTimer(c.cfg.maxCall())
	defer limit.Stop()
	select {
	case <-drained:
	case <-limit.C:
	case <-hurry:
	}
	c.close()
	<-drained
}

func (c *conn) refuse() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closing = true
}

// close ends the connection and waits until nothing of it is left. Calls under way fail.
func (c *conn) close() {
	c.refuse()
	c.health.shut()
	c.cancel()
	c.leases.close()
	<-c.stopped
}

// run keeps the upstream connected until ctx ends.
func (c *conn) run(ctx context.Context) {
	pauses := newPauses(firstPause, longestPause)
	for ctx.Err() == nil {
		lived, err := c.live(ctx)
		if lived >= healthyAfter {
			pauses.Reset()
		}
		pause := pauses.NextBackOff()
		if errors.Is(err, errSessionLost) && lived >= worthWaiting {
			pause = 0 // the server is there, it only forgot us
		}
		if ctx.Err() != nil {
			return
		}
		c.log.Warn("upstream connection failed", "error", err, "lived", lived, "pause", pause)
		c.health.down(err, lived > 0, pause)
		if c.rest(ctx, pause) {
			pauses.Reset()
		}
	}
}

// live connects once and serves until the connection ends. lived is 0 when there never was a whole one.
func (c *conn) live(ctx context.Context) (lived time.Duration, err error) {
	c.health.trying()
	s, err := c.dialer.connect(ctx)
	if err != nil {
		return 0, err
	}
	defer c.leaveSession(ctx, s)
	stop := context.AfterFunc(ctx, func() { s.cancel(errLinkClosed) })
	defer stop()
	if s.rev.Modern() {
		s.listener = newListener(c, s)
		s.run(s.listener.run)
	}
	c.breaker.reset() // it just answered
	c.health.up(s)
	since := time.Now()
	c.pokes.take() // what changed before is read now
	if err := c.refresh(s, allLists); err != nil {
		return 0, err
	}
	c.health.whole()
	s.run(func() { c.restore(s) })
	err = c.serve(s)
	return max(time.Since(since), 1), err
}

// leaveSession ends the shared session. The next one is opened while calls may still be under way on a forgotten one.
func (c *conn) leaveSession(ctx context.Context, s *session) {
	c.health.lost()
	if s.forgotten() {
		c.lingering.Go(func() { s.leave(ctx) })
	} else {
		s.leave(ctx)
	}
}

// newPauses returns jittered pauses that double from first up to most.
func newPauses(first, most time.Duration) *backoff.ExponentialBackOff {
	return &backoff.ExponentialBackOff{InitialInterval: first, MaxInterval: most, Multiplier: 2, RandomizationFactor: 0.5}
}

// wake ends the pause before the next attempt to connect, or the next such pause.
func (c *conn) wake() {
	select {
	case c.kick <- struct{}{}:
	default:
	}
}

// rest waits for d, until ctx ends or something has changed that makes an attempt worth while, which it reports.
func (c *conn) rest(ctx context.Context, d time.Duration) (woken bool) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	case <-c.kick:
		return true
	}
	return false
}

// notified takes the notifications that belong to no request.
func (c *conn) notified(method string, params []byte) {
	switch method {
	case "notifications/tools/list_changed":
		c.pokes.add(listSet(listTools))
	case "notifications/prompts/list_changed":
		c.pokes.add(listSet(listPrompts))
	case "notifications/resources/list_changed":
		c.pokes.add(listSet(listResources, listTemplates))
	case "notifications/resources/updated", "notifications/message":
		if params != nil {
			params = wire.StripMeta(params)
		}
		c.host.event(Event{Upstream: c.cfg.Name, Method: method, Params: params})
	}
}
