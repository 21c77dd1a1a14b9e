// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"context"
	"errors"
	"sync"
	"time"

	"tollgate/store"
	"tollgate/store/audit"
	"tollgate/store/ledger"
)

func settledOnce(f *fixture) {
	f.budgets(daily("team", 100))
	for _, class := range classes() {
		res := f.reserve(f.request(class, 10, "team"))
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if err := res.Settle(context.Background(), &audit.Record{End: "answered", Cost: 4}); err != nil {
					f.Errorf("Settle: %v", err)
				}
			})
		}
		all.Wait()
		f.settle(res, 9)
	}
	f.holds("team", "", 100, 12, 0)
}

func overrun(f *fixture) {
	f.budgets(daily("team", 100))
	for _, class := range classes() {
		f.settle(f.reserve(f.request(class, 10, "team")), 13)
		f.settle(f.reserve(f.request(class, 10, "team")), -13)
	}
	f.holds("team", "", 100, 30, 0)
	if s := f.ledger.Stats(); s.Overruns != 3 {
		f.Fatalf("%d overruns are counted, want 3", s.Overruns)
	}
	f.settle(f.reserve(f.request(audit.Strict, 0, "team")), 5) // of a free call
	report, err := f.ledger.Costs(context.Background(), &ledger.CostQuery{})
	if err != nil || report.Total.Cost != 30 || report.Total.Overrun != 14 {
		f.Fatalf("Costs: %+v, %v, want 30 and an overrun of 14", report, err)
	}
}

func openOutcome(f *fixture) {
	f.budgets(daily("team", 100))
	one := store.Claim{Limit: "one at a time", ID: "one", Concurrency: 1}
	for i, class := range classes() {
		r := f.request(class, 10, "team")
		r.Claims = []store.Claim{one}
		res := f.reserve(r)
		for range 2 {
			if err := res.Settle(context.Background(), &audit.Record{End: "task", Open: true, Cost: 3}); err != nil {
				f.Fatal(err)
			}
		}
		f.holds("team", "", 100, int64(2*i), 10)
		other := f.request(class, 10, "team")
		other.Claims = []store.Claim{one}
		var exceeded *store.ExceededError
		if _, err := f.ledger.Reserve(context.Background(), other); !errors.As(err, &exceeded) {
			f.Fatalf("Reserve beside a call that goes on: %v", err)
		}
		f.settle(res, 2)
	}
	f.holds("team", "", 100, 6, 0)
	f.reopen() // what is queued is on disk then
	if report, err := f.ledger.Costs(context.Background(), &ledger.CostQuery{}); err != nil || report.Total.Calls != 3 {
		f.Fatalf("Costs: %+v, %v, want 3 calls", report, err)
	}
}

func rollover(f *fixture) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		f.Fatal(err)
	}
	f.budgets(&ledger.Budget{ID: "team", Name: "team", Limit: 100, Period: ledger.Period{Unit: ledger.UnitDay, Zone: berlin}})
	// The day on which the clocks are put back has 25 hours.
	f.clock.set(time.Date(2027, 10, 31, 0, 0, 0, 0, berlin))
	f.settle(f.reserve(f.request(audit.Async, 60, "team")), 60)
	held := f.reserve(f.request(audit.Async, 30, "team"))
	f.clock.add(24*time.Hour + 59*time.Minute)
	b := f.balance("team", "")
	if b.Settled != 60 || b.Reserved != 30 || b.End.Sub(b.Begin) != 25*time.Hour {
		f.Fatalf("before midnight: %+v", b)
	}
	f.refused(f.request(audit.Strict, 20, "team"), "team")
	f.clock.add(time.Minute)
	f.holds("team", "", 100, 0, 0)
	f.settle(f.reserve(f.request(audit.Strict, 100, "team")), 100)
	f.settle(held, 30) // in the day in which it began
	f.holds("team", "", 100, 100, 0)
}

func clockBack(f *fixture) {
	f.budgets(daily("team", 100))
	day := f.clock.now()
	f.settle(f.reserve(f.request(audit.Strict, 100, "team")), 100)
	f.clock.add(24 * time.Hour)
	f.settle(f.reserve(f.request(audit.Strict, 70, "team")), 70)
	f.clock.set(day)
	f.holds("team", "", 100, 70, 0)
	f.refused(f.request(audit.Strict, 40, "team"), "team")
	f.reopen()
	f.budgets(daily("team", 100))
	f.holds("team", "", 100, 70, 0)
	f.settle(f.reserve(f.request(audit.Async, 30, "team")), 30)
	f.refused(f.request(audit.Strict, 1, "team"), "team")
}

func rollingWindow(f *fixture) {
	rolling := &ledger.Budget{ID: "team", Name: "team", Limit: 100, Period: ledger.Period{Window: time.Hour}}
	f.budgets(rolling)
	f.settle(f.reserve(f.request(audit.Durable, 60, "team")), 60)
	f.clock.add(30 * time.Minute)
	f.settle(f.reserve(f.request(audit.Durable, 40, "team")), 40)
	f.clock.add(29 * time.Minute)
	e := f.refused(f.request(audit.Durable, 50, "team"), "team")
	if wait := e.End.Sub(f.clock.now()); wait < time.Minute || wait > 3*time.Minute {
		f.Fatalf("there is room again in %s", wait)
	}
	f.reopen()
	f.budgets(rolling)
	f.holds("team", "", 100, 100, 0)
	f.clock.set(e.End)
	held := f.reserve(f.request(audit.Durable, 60, "team"))
	f.clock.add(2 * time.Hour)
	f.holds("team", "", 100, 0, 60) // what is reserved counts as long as it is
	f.settle(held, 60)
	f.holds("team", "", 100, 60, 0)
}

func loweredLimit(f *fixture) {
	f.budgets(daily("team", 1000))
	f.settle(f.reserve(f.request(audit.Async, 3, "team")), 3)
	f.settle(f.reserve(f.request(audit.Async, 3, "team")), 3) // from a lease
	held := f.reserve(f.request(audit.Strict, 500, "team"))
	f.budgets(daily("team", 100))
	f.holds("team", "", 100, 6, 500)
	for _, class := range classes() {
		f.refused(f.request(class, 1, "team"), "team")
	}
	if b := f.balance("team", ""); b.Remaining() != 0 {
		f.Fatalf("%d remain", b.Remaining())
	}
	f.settle(held, 20)
	f.settle(f.reserve(f.request(audit.Strict, 74, "team")), 74)
	f.refused(f.request(audit.Strict, 1, "team"), "team")
	f.budgets()
	if _, err := f.ledger.Reserve(context.Background(), f.request(audit.Strict, 1, "team")); err == nil {
		f.Fatal("a call is charged to a budget that is gone")
	}
	f.budgets(daily("team", 101))
	f.settle(f.reserve(f.request(audit.Async, 1, "team")), 1)
	f.refused(f.request(audit.Async, 1, "team"), "team")
	f.holds("team", "", 101, 101, 0)
}
