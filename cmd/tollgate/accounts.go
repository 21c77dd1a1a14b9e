// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"tollgate/aggregator"
	"tollgate/aggregator/alert"
	"tollgate/policy/limit"
	"tollgate/store"
	"tollgate/store/audit"
	"tollgate/store/ledger"
	"tollgate/upstream"
)

// accounts are what a gateway accounts for calls with. They outlive reloads.
type accounts struct {
	engine  *ledger.Engine
	replies *store.Replies
	books   *aggregator.Accounting
	counter *alert.Counter
	watcher *alert.Watcher
	began   time.Time
}

// alertsFile remembers in the state directory which alerts fire.
const alertsFile = "alerts.json"

// openAccounts opens the ledger in the state directory of db. status tells how the upstreams are.
func openAccounts(p *plan, db *store.DB, dir string, status func() []upstream.Status, log *slog.Logger) (a *accounts, err error) {
	a = &accounts{counter: alert.NewCounter(nil), began: time.Now()}
	defer func() {
		if err != nil {
			a, err = nil, errors.Join(err, a.close())
		}
	}()
	o, err := ledgerOptions(p, db, dir, log)
	if err != nil {
		return a, err
	}
	if a.engine, err = ledger.Open(o); err != nil {
		return a, err
	}
	if a.replies, err = store.OpenReplies(dir, nil); err != nil {
		return a, err
	}
	digests, err := db.SealingKey("argument digests")
	if err != nil {
		return a, err
	}
	a.books, err = aggregator.NewAccounting(&aggregator.AccountingOptions{
		Ledger: a.engine, Log: log, DigestKey: digests, Node: o.Node, Ended: a.counter.Note,
	})
	if err != nil {
		return a, err
	}
	a.watcher, err = alert.New(&alert.Options{
		Snapshot: (&alert.Source{Ledger: a.engine, Upstreams: status}).Snapshot, Calls: a.counter, Node: o.Node, Log: log,
		State: alert.File(filepath.Join(dir, alertsFile)),
	})
	return a, err
}

func ledgerOptions(p *plan, db *store.DB, dir string, log *slog.Logger) (*ledger.Options, error) {
	key, err := auditKey(db)
	if err != nil {
		return nil, err
	}
	c := &p.cfg.Audit.Checkpoints
	o := &ledger.Options{
		Dir: dir, Zone: p.cfg.Zone(), Log: log, Retention: p.cfg.Audit.Retention,
		Audit: audit.Options{
			Key: key, CheckpointEvery: c.Every, CheckpointRecords: uint64(max(0, c.Records)),
		},
	}
	if host, err := os.Hostname(); err == nil {
		o.Node = host
	}
	o.Node = cmp.Or(o.Node, "tollgate")
	if c.Directory != "" {
		o.Audit.Sinks = append(o.Audit.Sinks, audit.DirectorySink(c.Directory))
	}
	if target := c.Webhook.Reveal(); target != "" {
		o.Audit.Sinks = append(o.Audit.Sinks, audit.WebhookSink(target))
	}
	return o, nil
}

// publish puts everything that the configuration decides in force: the budgets before the rules that charge them.
func (g *gateway) publish(p *plan, r *ruleset) error {
	if err := g.accounts.apply(p, r); err != nil {
		return err
	}
	if err := g.programs.apply(p.cfg, &r.rules); err != nil {
		return err
	}
	ctx, end := context.WithCancel(g.ctx)
	if r.shadow != nil {
		s, err := newShadow(&shadowOptions{candidate: r.shadow, rules: &r.rules, schema: g.schemaOf, record: g.accounts.engine.Record, log: g.log})
		if err != nil {
			end()
			return err
		}
		r.rules.Shadow = s
		g.work.Go(func() { s.run(ctx) })
	}
	// Before the gate: once it answers, there is somebody who explains its answers.
	g.mu.Lock()
	g.engine, g.limits, g.charged, g.own = r.engine, r.rules.Limits, r.rules.Budgets, g.programs.tools
	g.mu.Unlock()
	if err := g.gate.Publish(r.rules); err != nil {
		end()
		return err
	}
	if old := g.unshadow.Swap(&end); old != nil {
		(*old)()
	}
	return nil
}

// apply puts budgets and alerts in force.
func (a *accounts) apply(p *plan, r *ruleset) error {
	if err := a.engine.SetBudgets(ledgerBudgets(r.rules.Budgets)); err != nil {
		return err
	}
	return a.watcher.Apply(r.alerts, p.cfg.AlertSinks())
}

// ledgerBudgets are the budgets as the ledger knows them.
func ledgerBudgets(all *limit.Budgets) []*ledger.Budget {
	var out []*ledger.Budget
	for _, b := range all.All() {
		period := b.Period()
		out = append(out, &ledger.Budget{
			ID: b.ID(), Name: b.Name(), Limit: b.Limit(), Warn: b.Warn(), Per: b.Per(),
			Period: ledger.Period{Unit: period.Unit, Zone: period.Zone, Window: period.Window},
		})
	}
	return out
}

// watch evaluates alerts until ctx ends.
func (a *accounts) watch(ctx context.Context, log *slog.Logger) {
	if err := a.watcher.Run(ctx); err != nil && ctx.Err() == nil {
		log.Error("alerts are not watched any more", "error", err)
	}
}

// close ends what was opened, in the order of the data flow.
func (a *accounts) close() error {
	if a == nil {
		return nil
	}
	var errs []error
	if a.books != nil {
		errs = append(errs, a.books.Close())
	}
	if a.replies != nil {
		errs = append(errs, a.replies.Close())
	}
	if a.engine != nil {
		errs = append(errs, a.engine.Close())
	}
	return errors.Join(errs...)
}
