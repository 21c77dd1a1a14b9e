// SPDX-License-Identifier: Apache-2.0

package alert

import (
	"context"
	"fmt"
	"time"

	rules "tollgate/policy/alert"
	"tollgate/store/ledger"
	"tollgate/upstream"
)

// maxAccounts bounds the accounts that are looked at. Alerts about further ones stay as they are.
const maxAccounts = 10_000

// Snapshot is what rules are evaluated over, read at one moment.
type Snapshot struct {
	Budgets []ledger.Balance
	// BudgetsErr says why Budgets are missing or incomplete: an account that is not listed is not taken for gone then.
	BudgetsErr error
	Upstreams  []upstream.Status
	Ledger     ledger.Stats
	Available  error // why no calls can be admitted; nil = they can
}

// Source reads snapshots of a running gateway. Each part may be nil.
type Source struct {
	Ledger    ledger.Ledger
	Upstreams func() []upstream.Status
}

// Snapshot implements the Snapshot of [Options]. What cannot be read is part of the snapshot, not an error: the state of a
// ledger that is down is what rules ask for.
func (s *Source) Snapshot(ctx context.Context) (*Snapshot, error) {
	out := &Snapshot{}
	if s.Upstreams != nil {
		out.Upstreams = s.Upstreams()
	}
	if s.Ledger == nil {
		return out, nil
	}
	out.Ledger, out.Available = s.Ledger.Stats(), s.Ledger.Available()
	out.Budgets, out.BudgetsErr = s.Ledger.Balances(ctx, &ledger.BalanceQuery{Limit: maxAccounts + 1})
	if len(out.Budgets) > maxAccounts {
		out.Budgets, out.BudgetsErr = out.Budgets[:maxAccounts], fmt.Errorf("there are more than %d accounts", maxAccounts)
	}
	return out, nil
}

// overruns turns a count since the start into one of the last minutes.
type overruns struct{ samples []overrun }

type overrun struct {
	at time.Time
	n  uint64
}

// add notes the count at a moment and answers how many of it came within the window before.
func (o *overruns) add(at time.Time, n uint64) int64 {
	if k := len(o.samples); k > 0 && n < o.samples[k-1].n {
		o.samples = nil // the ledger was opened anew and counts from 0
	}
	o.samples = append(o.samples, overrun{at, n})
	for len(o.samples) > 1 && at.Sub(o.samples[1].at) >= window {
		o.samples = o.samples[1:]
	}
	if before := o.samples[0]; at.Sub(before.at) >= window {
		return int64(n - before.n)
	}
	return int64(n) // all of it: nothing was counted before the first sample
}

// item is one subject of a snapshot.
type item struct {
	id       string // unique among the subjects of its kind, and the same as long as it is the same subject
	budget   *rules.Budget
	upstream *rules.Upstream
}

func budgetsOf(snap *Snapshot) []item {
	items := make([]item, len(snap.Budgets))
	for i := range snap.Budgets {
		b := &snap.Budgets[i]
		items[i] = item{id: b.Budget + "\x00" + b.Account, budget: &rules.Budget{
			Name: b.Name, Account: b.Account, Limit: b.Limit, Settled: b.Settled, Reserved: b.Reserved, PeriodEnd: b.End, Warn: b.Warn,
		}}
	}
	return items
}

func upstreamsOf(snap *Snapshot, now time.Time) []item {
	items := make([]item, len(snap.Upstreams))
	for i := range snap.Upstreams {
		u := &snap.Upstreams[i]
		failing := time.Duration(0)
		if u.State == upstream.Failed {
			failing = max(0, now.Sub(u.Since))
		}
		items[i] = item{id: u.Name, upstream: &rules.Upstream{
			Name: u.Name, State: string(u.State), FailingFor: failing, Restarts: u.Restarts, Tools: u.Tools,
		}}
	}
	return items
}

// subjects are what the conditions about a subject are evaluated for, and whether the list is whole.
func (s *Snapshot) subjects(about rules.Subject, now time.Time) (items []item, whole bool) {
	switch about {
	case rules.OfBudget:
		return budgetsOf(s), s.BudgetsErr == nil
	case rules.OfUpstream:
		return upstreamsOf(s, now), true
	}
	return []item{{}}, true
}
