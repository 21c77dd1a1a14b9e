// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"tollgate/aggregator/auth"
	"tollgate/aggregator/bridge"
	"tollgate/aggregator/catalog"
	"tollgate/policy/limit"
)

// Options configure a [Gate].
type Options struct {
	Upstreams Upstreams    // required
	Ledger    Ledger       // nil: every call is refused
	Replies   Replies      // nil: calls with an idempotency key are refused
	Log       *slog.Logger // nil: discard
	// ServerInfo is the gateway's own Implementation object, as JSON.
	ServerInfo []byte
	// MaxInFlight bounds calls under way in the whole gateway, and half of it those of one credential; more are refused at
	// once. 0: 1024.
	MaxInFlight int
	// StartWait is how long the first requests after start wait for upstreams that have not answered yet. Once it is
	// over, a slow upstream delays nobody. 0: 5 s.
	StartWait time.Duration
	// SealingKey are 32 bytes that seal the states clients bring back. nil: a random key, so that no state survives a restart.
	SealingKey []byte
	// Lot bounds the calls that wait for their clients' answers; nil: its defaults.
	Lot *bridge.LotOptions
	// Now is the clock of bindings, decisions and confirmations; nil: time.Now.
	Now func() time.Time
}

// Rules are what an operator's configuration decides: who sees what, in which subsets, and how much of it.
type Rules struct {
	Decider  Decider
	Limits   *limit.Set // nil: none
	Bindings *Bindings  // nil: principals have the roles of their credentials only
	// Includes are the roles that each role includes, all the way down.
	Includes map[string][]string
	// Delegations are the roles whose holders may act for others.
	Delegations map[string]auth.Delegation
	Toolsets    map[string]*catalog.Toolset
	Budgets     *limit.Budgets // nil: none
	Recording   *Recording     // nil: that of no options
	Shadow      Shadow         // nil: none
	PageSize    int            // entries per list page; 0: the catalog's default
	Own         Own            // nil: the gateway has no tools of its own
	Modes       *Modes         // how tools are shown, with Own
	Scripts     ScriptBounds
}

// Gate is the one way to an upstream. Safe for concurrent use.
type Gate struct {
	opts    Options
	log     *slog.Logger
	slots   *admission
	sealer  *bridge.Sealer
	lot     *bridge.Lot
	node    string // this process, in sealed states
	now     func() time.Time
	once    *onceOnly // confirmations
	rounds  *onceOnly // later rounds of calls
	current atomic.Pointer[revision]

	settled   chan struct{} // closed once the start is over
	closeOnce sync.Once

	mu       sync.Mutex // guards the three below and the making of revisions
	rules    Rules
	catalog  *catalog.Snapshot
	watchers []func()
	expiry   *time.Timer // of the binding that ends next; nil for none
	closed   bool
}

// New returns a gate that refuses everything until [Gate.Publish] gave it rules.
func New(opts *Options) (*Gate, error) {
	if opts == nil || opts.Upstreams == nil {
		return nil, errors.New("aggregator: Options.Upstreams is required")
	}
	g := &Gate{opts: *opts, log: opts.Log, settled: make(chan struct{}), now: opts.Now}
	if g.now == nil {
		g.now = time.Now
	}
	if g.log == nil {
		g.log = slog.New(slog.DiscardHandler)
	}
	if g.opts.MaxInFlight <= 0 {
		g.opts.MaxInFlight = 1024
	}
	if g.opts.StartWait <= 0 {
		g.opts.StartWait = 5 * time.Second
	}
	if len(g.opts.ServerInfo) == 0 {
		g.opts.ServerInfo = []byte(`{"name":"tollgate","version":"0"}`)
	}
	key := g.opts.SealingKey
	if key == nil {
		key = make([]byte, 32)
		if _, err := rand.Read(key); err != nil {
			return nil, err
		}
	}
	var err error
	if g.sealer, err = bridge.NewSealer(key, g.now); err != nil {
		return nil, fmt.Errorf("aggregator: %w", err)
	}
	g.lot, g.node = bridge.NewLot(g.opts.Lot), rand.Text()
	g.slots = newAdmission(g.opts.MaxInFlight)
	g.once, g.rounds = newOnceOnly(confirmTTL), newOnceOnly(relayTTL)
	g.catalog = catalog.Build(nil, nil)
	return g, nil
}

// Start opens the start window: until every upstream has answered once or StartWait is over, lists and look-ups wait,
// so that a client that asks in the first second does not see an empty catalog. refresh, which may be nil, is called
// before the window closes and must bring the newest catalog. Start returns when the window is closed.
func (g *Gate) Start(ctx context.Context, refresh func()) {
	ctx, cancel := context.WithTimeout(ctx, g.opts.StartWait)
	defer cancel()
	// An upstream that is still connecting when the window closes is shown as such by its status; it is no error here.
	if err := g.opts.Upstreams.Settled(ctx); err != nil {
		g.log.Info("some upstreams are still connecting", "error", err)
	}
	if refresh != nil {
		refresh()
	}
	g.closeOnce.Do(func() { close(g.settled) })
}

// Publish swaps in new rules. Calls under way end under the revision they began with.
func (g *Gate) Publish(r Rules) error {
	if r.Decider == nil {
		return errors.New("aggregator: rules without a decider")
	}
	g.mu.Lock()
	g.rules = r
	g.swap()
	g.mu.Unlock()
	g.notify()
	return nil
}

// Refresh swaps in the catalog made of sources.
func (g *Gate) Refresh(sources []catalog.Source) []catalog.Problem {
	g.mu.Lock()
	next := catalog.Build(g.catalog, sources)
	changed := next.Revision != g.catalog.Revision
	g.catalog = next
	if changed && g.rules.Decider != nil {
		g.swap()
	}
	g.mu.Unlock()
	if changed {
		g.notify()
	}
	return next.Problems
}

// swap makes a new revision current; g.mu is held.
func (g *Gate) swap() {
	old := g.current.Load()
	next := newRevision(g.catalog, g.rules, g.opts.ServerInfo, g.log)
	next.inherit(old)
	g.current.Store(next)
	g.expect()
}

// expect has the watchers told when the next binding ends: those who lose a role by it see other lists. g.mu is held.
func (g *Gate) expect() {
	if g.expiry != nil {
		g.expiry.Stop()
		g.expiry = nil
	}
	now := g.now()
	if end := g.rules.Bindings.nextEnd(now); !end.IsZero() && !g.closed {
		g.expiry = time.AfterFunc(end.Sub(now), func() {
			g.notify()
			g.mu.Lock()
			defer g.mu.Unlock()
			g.expect()
		})
	}
}

// Watch registers f, called after every change of the revision. f must return fast. There is no way to unregister:
// watchers live as long as the gate.
func (g *Gate) Watch(f func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.watchers = append(g.watchers, f)
}

func (g *Gate) notify() {
	g.mu.Lock()
	watchers := g.watchers
	g.mu.Unlock()
	for _, f := range watchers {
		f()
	}
}

// ErrNotReady says that no policy is loaded, so nothing is allowed.
var ErrNotReady = errors.New("no policy is loaded")

// ErrUnknownToolset says that no toolset of that name is configured.
var ErrUnknownToolset = errors.New("unknown toolset")

// View is what the caller sees now, in the named toolset ("" for everything).
func (g *Gate) View(ctx context.Context, caller *auth.Principal, toolset string) (*catalog.View, error) {
	rev, err := g.revision(ctx)
	if err != nil {
		return nil, err
	}
	return rev.view(rev.who(caller, g.now()), toolset)
}

// HasToolset reports whether /mcp/<name> exists.
func (g *Gate) HasToolset(name string) bool {
	rev := g.current.Load()
	return rev != nil && rev.rules.Toolsets[name] != nil
}

// Ready reports whether rules are loaded.
func (g *Gate) Ready() bool { return g.current.Load() != nil }

// Revision names the current revision, "" before the first.
func (g *Gate) Revision() string {
	if rev := g.current.Load(); rev != nil {
		return rev.id
	}
	return ""
}

func (g *Gate) revision(ctx context.Context) (*revision, error) {
	select {
	case <-g.settled:
	default:
		select {
		case <-g.settled:
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for the first upstreams: %w", ctx.Err())
		}
	}
	rev := g.current.Load()
	if rev == nil {
		return nil, ErrNotReady
	}
	return rev, nil
}

// Catalog is the merged catalog as it is now, whoever may see it; for operators only.
func (g *Gate) Catalog() *catalog.Snapshot {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.catalog
}

// Problems are what the merged catalog had to leave out.
func (g *Gate) Problems() []catalog.Problem { return g.Catalog().Problems }

// Close gives up the calls that wait for their clients' answers and waits for their end.
func (g *Gate) Close() {
	g.mu.Lock()
	g.closed = true
	g.expect()
	g.mu.Unlock()
	g.lot.Close()
}
