// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"tollgate/aggregator"
	"tollgate/aggregator/auth"
	"tollgate/aggregator/catalog"
	"tollgate/aggregator/codetools"
	"tollgate/aggregator/edge"
	"tollgate/cmd/internal/cli"
	"tollgate/cmd/internal/control"
	"tollgate/policy"
	"tollgate/policy/limit"
	"tollgate/store"
	"tollgate/upstream"
)

// gateway is a running Tollgate without its listeners: everything between an edge and the upstreams.
type gateway struct {
	log      *slog.Logger
	db       *store.DB
	set      *upstream.Set
	gate     *aggregator.Gate
	edge     *edge.Server
	work     sync.WaitGroup
	stop     context.CancelFunc
	ctx      context.Context
	auth     atomic.Pointer[auth.Authenticator] // of the network listener; set before it is opened
	accounts *accounts
	programs *programs // of Code Mode
	// unshadow ends the comparison with the candidate of the rules in force; nil before the first ones.
	unshadow atomic.Pointer[context.CancelFunc]
	// draining is set once the process is told to stop.
	draining atomic.Bool
	path     string // configuration file, "" for the demo
	dir      string // state directory
	load     func() (*plan, error)
	// following keeps up with a bundle at a URL; changed only while reloading is held, once the gateway runs.
	following atomic.Pointer[follower]

	reloading  sync.Mutex // held from reading the files to having them in force: the newest read wins
	refreshing sync.Mutex // held from reading the snapshots to having them in force: the newest read wins

	mu      sync.Mutex // guards what follows
	plan    *plan
	engine  *policy.Engine
	limits  *limit.Set
	charged *limit.Budgets
	own     *codetools.Tools  // nil without Code Mode
	misfits []control.Problem // rules that do not fit what upstreams offer
	failure string            // why the newest configuration is not in force
	url     string            // of the HTTP endpoint, "" without
}

// openGateway starts a gateway in the state directory of p, which it owns from then on. load reads the configuration
// again for a reload. The upstreams are still connecting when it returns.
func openGateway(p *plan, load func() (*plan, error), stateDir string, log *slog.Logger) (*gateway, error) {
	var r *ruleset
	if p.remote() == nil {
		var err error
		if r, err = p.compile(); err != nil {
			return nil, err
		}
	}
	db, err := store.Open(stateDir, &store.Options{Log: log})
	if err != nil {
		return nil, err
	}
	g := &gateway{log: log, db: db, load: load, path: p.file(), dir: stateDir, plan: p}
	g.ctx, g.stop = context.WithCancel(context.Background())
	if err := g.build(p, r); err != nil {
		return nil, errors.Join(err, g.close(context.Background()))
	}
	return g, nil
}

// build makes and connects the parts.
func (g *gateway) build(p *plan, r *ruleset) error {
	changed := make(chan struct{}, 1)
	poke := func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	events := make(chan upstream.Event, 1024)
	g.set = upstream.NewSet(&upstream.Options{
		Log: g.log, ClientName: "tollgate", ClientVersion: version(), OnCatalog: poke,
		Tokens: g.db, Browser: p.browser,
		OnEvent: func(e upstream.Event) {
			select {
			case events <- e:
			default: // a flood of updates: clients re-read what they watch, and the newest state is told next
			}
		},
	})
	key, err := g.db.SealingKey("request state")
	if err != nil {
		return err
	}
	if g.accounts, err = openAccounts(p, g.db, g.dir, g.set.Status, g.log); err != nil {
		return err
	}
	if err = g.openPrograms(); err != nil {
		return err
	}
	g.gate, err = aggregator.New(&aggregator.Options{
		SealingKey: key,
		Upstreams:  g.set, Ledger: g.accounts.books, Replies: g.accounts.replies, Log: g.log,
		ServerInfo: edge.Implementation(version()), MaxInFlight: p.cfg.Limits.CallsInFlight,
	})
	if err != nil {
		return err
	}
	g.edge, err = edge.New(&edge.Options{
		Gate: g.gate, Auth: g, Log: g.log, Version: version(),
		MaxBody: int64(p.cfg.Limits.Body), Drain: p.cfg.Limits.Drain,
	})
	if err != nil {
		return err
	}
	if r == nil {
		err = g.startBundle(p)
	} else {
		err = g.publish(p, r)
	}
	if err != nil {
		return err
	}
	g.set.Apply(p.upstreams)
	g.work.Go(func() { g.accounts.watch(g.ctx, g.log) })
	g.work.Go(func() { g.gate.Start(g.ctx, g.refresh) })
	g.work.Go(func() { g.follow(changed, events) })
	return nil
}

// follow brings catalog changes and resource updates from the upstreams to the gate and the edge.
func (g *gateway) follow(changed <-chan struct{}, events <-chan upstream.Event) {
	for {
		select {
		case <-g.ctx.Done():
			return
		case <-changed:
			g.refresh()
		case e := <-events:
			g.edge.Event(e)
		}
	}
}

// refresh rebuilds the merged catalog from the newest snapshots.
func (g *gateway) refresh() {
	g.refreshing.Lock()
	defer g.refreshing.Unlock()
	g.mu.Lock()
	p := g.plan
	g.mu.Unlock()
	byName := map[string]*upstream.Snapshot{}
	for _, s := range g.set.Snapshots() {
		byName[s.Upstream] = s
	}
	var sources []catalog.Source
	for _, src := range p.sources {
		if src.Snapshot = byName[src.Upstream]; src.Snapshot != nil {
			sources = append(sources, src)
		}
	}
	if own := g.tools(); own != nil {
		sources = append(sources, own.Source())
	}
	for _, problem := range g.gate.Refresh(sources) {
		g.log.Warn("left out of the catalog", "upstream", problem.Upstream, "item", problem.Item, "reason", problem.Reason)
	}
	g.noteMisfits()
}

// reload puts the configuration in force as it is now; on any mistake the one in force stays. It returns the changed keys
// that take effect at the next start only.
func (g *gateway) reload() (waiting []string, err error) {
	g.reloading.Lock()
	defer g.reloading.Unlock()
	p, err := g.prepare()
	if err != nil {
		g.mu.Lock()
		g.failure = err.Error()
		g.mu.Unlock()
		return nil, err
	}
	g.mu.Lock()
	old := g.plan
	g.plan, g.failure = p, ""
	g.mu.Unlock()
	g.set.Apply(p.upstreams)
	g.refresh()
	waiting = needRestart(old, p)
	for _, key := range waiting {
		g.log.Warn("a change takes effect at the next start only", "key", key)
	}
	g.log.Info("configuration in force", "file", g.path, "revision", g.gate.Revision())
	return waiting, nil
}

// prepare reads the configuration and puts its rules in force, or nothing of it. g.reloading is held.
func (g *gateway) prepare() (*plan, error) {
	p, err := g.load()
	if err != nil {
		return nil, err
	}
	follow, err := g.bundleFor(p)
	if err != nil {
		return nil, err
	}
	r, err := p.compile()
	if err != nil {
		return nil, err
	}
	if err := g.checkLimits(p, r); err != nil {
		return nil, err
	}
	if g.auth.Load() != nil {
		if err := g.authenticate(p.cfg); err != nil {
			return nil, err
		}
	}
	if err := g.publish(p, r); err != nil {
		return nil, err
	}
	follow()
	return p, nil
}

// needRestart names the changed keys that a reload does not apply.
func needRestart(old, now *plan) []string {
	var keys []string
	note := func(changed bool, key string) {
		if changed {
			keys = append(keys, key)
		}
	}
	a, b := old.cfg, now.cfg
	note(a.Listen != b.Listen, "listen")
	note(a.StateDir != b.StateDir, "state_dir")
	note((a.TLS == nil) != (b.TLS == nil) || (a.TLS != nil && *a.TLS != *b.TLS), "tls")
	note(a.PublicURL != b.PublicURL, "public_url")
	note(a.Limits.Body != b.Limits.Body, "limits.body")
	note(a.Limits.CallsInFlight != b.Limits.CallsInFlight, "limits.calls_in_flight")
	note((a.Auth.MTLS == nil) != (b.Auth.MTLS == nil), "auth.mtls")
	note(a.Timezone != b.Timezone, "timezone")
	note(a.Audit.Retention != b.Audit.Retention, "audit.retention")
	note(!reflect.DeepEqual(a.Audit.Checkpoints, b.Audit.Checkpoints), "audit.checkpoints")
	note(fmt.Sprint(a.Hosts, a.Origins) != fmt.Sprint(b.Hosts, b.Origins), "hosts, origins")
	return keys
}

// closeTime bounds ending the upstreams.
const closeTime = 15 * time.Second

// close ends everything in the order of the data flow and waits for it.
func (g *gateway) close(ctx context.Context) error {
	g.stop()
	if g.edge != nil {
		g.edge.Close()
	}
	if g.gate != nil {
		g.gate.Close()
	}
	var errs []error
	if g.set != nil {
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
		defer cancel()
		errs = append(errs, g.set.Close(bounded))
	}
	g.work.Wait()
	if a := g.auth.Load(); a != nil {
		a.Close()
	}
	errs = append(errs, g.programs.close(ctx), g.accounts.close(), g.db.Close())
	return errors.Join(errs...)
}

// stdioCaller is who a local stdio client is.
func (g *gateway) stdioCaller(role, subject string) (*auth.Principal, error) {
	g.mu.Lock()
	p := g.plan
	g.mu.Unlock()
	if s := p.cfg.Stdio; s != nil {
		if role == "" {
			role = s.Role
		}
		if subject == "" {
			subject = s.Subject
		}
	}
	if role == "" {
		return nil, &cli.Error{Code: cli.ExitConfig, Err: errors.New("no role says what a stdio client may see"),
			Hint: fmt.Sprintf("add `stdio: {role: ROLE}` to the configuration, or use --role; roles: %v", p.roleNames())}
	}
	if _, ok := p.roles[role]; !ok {
		return nil, &cli.Error{Code: cli.ExitUsage, Err: fmt.Errorf("unknown role %q", role), Hint: fmt.Sprintf("roles: %v", p.roleNames())}
	}
	return auth.Stdio(&auth.StdioOptions{Subject: subject, Roles: []string{role}})
}
