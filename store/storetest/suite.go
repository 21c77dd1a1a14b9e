// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"tollgate/store"
	"tollgate/store/audit"
	"tollgate/store/ledger"
)

// Options are what a test wants of an engine.
type Options struct {
	// Dir is an empty directory, or names a state that was opened before and closed since.
	Dir     string
	Now     func() time.Time
	Zone    *time.Location // of the days of costs
	Limiter *store.Limiter // on the same clock; a new one for each opening
}

// Run asks an engine everything that the interface promises. open returns an engine that has no budgets yet.
func Run(t *testing.T, open func(t *testing.T, o *Options) ledger.Ledger) {
	for _, test := range []struct {
		name string
		run  func(*fixture)
	}{
		{"exact at concurrency", exact},
		{"all levels or none", allLevels},
		{"a refused call holds nothing", refusedHoldsNothing},
		{"settled once", settledOnce},
		{"an excess is cut off and told", overrun},
		{"an open outcome keeps the reservation", openOutcome},
		{"cost 0 always fits", costZero},
		{"what is no request is an error", invalid},
		{"amounts do not overflow", overflow},
		{"a period ends", rollover},
		{"a clock that goes back opens no period again", clockBack},
		{"a rolling window frees what is old", rollingWindow},
		{"a limit is lowered and raised", loweredLimit},
		{"limits are changed by hand", adjusted},
		{"a raise ends with its period", raiseEnds},
		{"what was spent outlives a restart", reopened},
		{"calls without an end are closed as lost", orphans},
		{"durable rates outlive a restart", durableRates},
		{"costs add up", costs},
		{"records of the ledger cannot be forged", forged},
		{"nothing is admitted after close", closed},
		{"nothing is admitted for a caller who has gone", gone},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := &fixture{T: t, open: open, clock: &clock{at: time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC)}}
			f.dir = t.TempDir()
			f.reopen()
			defer f.close()
			test.run(f)
		})
	}
}

// clock is what the engine takes for the time. Safe for concurrent use.
type clock struct {
	mu sync.Mutex // guards at
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) set(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = at
}

func (c *clock) add(d time.Duration) { c.set(c.now().Add(d)) }

// fixture is one engine and its calls.
type fixture struct {
	*testing.T
	open   func(t *testing.T, o *Options) ledger.Ledger
	clock  *clock
	dir    string
	ledger ledger.Ledger
	mu     sync.Mutex // guards calls
	calls  int
}

// reopen opens the engine, after closing it if it is open.
func (f *fixture) reopen() {
	f.Helper()
	f.close()
	limiter := store.NewLimiter(&store.LimiterOptions{Now: f.clock.now})
	f.ledger = f.open(f.T, &Options{Dir: f.dir, Now: f.clock.now, Zone: time.UTC, Limiter: limiter})
}

// close checks the engine and closes it.
func (f *fixture) close() {
	f.Helper()
	if f.ledger == nil {
		return
	}
	for _, err := range f.ledger.Check(context.Background()) {
		f.Errorf("Check: %v", err)
	}
	if err := f.ledger.Close(); err != nil {
		f.Errorf("Close: %v", err)
	}
	f.ledger = nil
}

// budgets puts budgets in force.
func (f *fixture) budgets(budgets ...*ledger.Budget) {
	f.Helper()
	if err := f.ledger.SetBudgets(budgets); err != nil {
		f.Fatal(err)
	}
}

// daily is a budget of a day in UTC; per names its accounts.
func daily(id string, limit int64, per ...string) *ledger.Budget {
	return &ledger.Budget{ID: id, Name: id, Limit: limit, Period: ledger.Period{Unit: ledger.UnitDay}, Per: per}
}

// request is a call of Ann that costs so much of the only accounts of budgets.
func (f *fixture) request(class audit.Class, cost int64, budgets ...string) *ledger.Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	r := &ledger.Request{
		Record: &audit.Record{
			Kind: audit.Intent, ID: fmt.Sprintf("call-%s-%d", f.clock.now().Format(time.RFC3339Nano), f.calls), Revision: "r1",
			Of: &audit.Labels{Team: "core", User: "ann", Upstream: "jira", Kind: "tool", Tool: "search", Name: "jira__search", Origin: "mcp"},
		},
		Class: class, Cost: cost,
	}
	for _, id := range budgets {
		r.Charges = append(r.Charges, ledger.Charge{Budget: id})
	}
	return r
}

// reserve admits a call.
func (f *fixture) reserve(r *ledger.Request) ledger.Reservation {
	f.Helper()
	res, err := f.ledger.Reserve(context.Background(), r)
	if err != nil {
		f.Fatalf("Reserve: %v", err)
	}
	return res
}

// refused asks for a call that a budget refuses.
func (f *fixture) refused(r *ledger.Request, budget string) *ledger.ExceededError {
	f.Helper()
	_, err := f.ledger.Reserve(context.Background(), r)
	var exceeded *ledger.ExceededError
	if !errors.As(err, &exceeded) || exceeded.Budget != budget {
		f.Fatalf("Reserve: %v, want that budget %q is exceeded", err, budget)
	}
	return exceeded
}

// settle ends a call that was answered.
func (f *fixture) settle(res ledger.Reservation, cost int64) {
	f.Helper()
	if err := res.Settle(context.Background(), &audit.Record{End: "answered", Cost: cost}); err != nil {
		f.Fatalf("Settle: %v", err)
	}
}

// balance is the account of a budget.
func (f *fixture) balance(budget, account string) ledger.Balance {
	f.Helper()
	all, err := f.ledger.Balances(context.Background(), &ledger.BalanceQuery{Budget: budget, Account: account})
	if err != nil {
		f.Fatal(err)
	}
	for _, b := range all {
		if b.Account == account {
			return b
		}
	}
	return ledger.Balance{}
}

// holds compares what counts in an account. What is leased is free for calls to come.
func (f *fixture) holds(budget, account string, limit, settled, reserved int64) {
	f.Helper()
	b := f.balance(budget, account)
	if b.Limit != limit || b.Settled != settled || b.Reserved != reserved {
		f.Fatalf("budget %q, account %q: limit %d, settled %d, reserved %d, want %d, %d, %d",
			budget, account, b.Limit, b.Settled, b.Reserved, limit, settled, reserved)
	}
}

// classes are all of them.
func classes() []audit.Class { return []audit.Class{audit.Strict, audit.Durable, audit.Async} }
