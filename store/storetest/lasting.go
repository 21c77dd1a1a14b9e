// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"context"
	"errors"
	"time"

	"github.com/google/go-cmp/cmp"

	"tollgate/store"
	"tollgate/store/audit"
	"tollgate/store/ledger"
)

// adjust changes a limit by hand.
func (f *fixture) adjust(a *ledger.Adjustment) *ledger.Balance {
	f.Helper()
	a.Reason, a.Actor = "the test wants it", "ops"
	b, err := f.ledger.Adjust(context.Background(), a)
	if err != nil {
		f.Fatalf("Adjust: %v", err)
	}
	return b
}

func adjusted(f *fixture) {
	budgets := []*ledger.Budget{daily("team", 100), daily("user", 10, "user")}
	f.budgets(budgets...)
	for _, a := range []*ledger.Adjustment{
		{Budget: "team", Raise: 1}, {Budget: "team", Reason: "why"}, {Budget: "other", Raise: 1, Reason: "why"},
		{Budget: "team", Raise: 1, Reset: true, Reason: "why"}, {Budget: "team", Raise: -1, Reason: "why"},
		{Budget: "team", Account: "ann", Raise: 1, Reason: "why"}, {Budget: "team", Set: new(int64(-1)), Reason: "why"},
	} {
		if _, err := f.ledger.Adjust(context.Background(), a); err == nil {
			f.Errorf("Adjust makes the change %+v", a)
		}
	}
	f.settle(f.reserve(f.request(audit.Async, 1, "team")), 1)
	if b := f.adjust(&ledger.Adjustment{Budget: "team", Set: new(int64(40))}); b.Limit != 40 || b.Settled != 1 {
		f.Fatalf("the new balance is %+v", b)
	}
	f.adjust(&ledger.Adjustment{Budget: "team", Raise: 5})
	f.adjust(&ledger.Adjustment{Budget: "team", Raise: 5})
	f.adjust(&ledger.Adjustment{Budget: "user", Set: new(int64(20))})
	f.adjust(&ledger.Adjustment{Budget: "user", Account: "bob", Set: new(int64(0))})
	f.adjust(&ledger.Adjustment{Budget: "user", Account: "ann", Raise: 7})
	charge := func(user string, cost int64) *ledger.Request {
		r := f.request(audit.Strict, cost)
		r.Charges = []ledger.Charge{{Budget: "user", Account: user}}
		return r
	}
	for range 2 {
		f.holds("team", "", 50, 1, 0)
		f.refused(f.request(audit.Async, 50, "team"), "team")
		f.settle(f.reserve(f.request(audit.Async, 49, "team")), 0)
		f.settle(f.reserve(charge("ann", 27)), 0)
		f.refused(charge("ann", 28), "user")
		f.refused(charge("bob", 1), "user")
		f.settle(f.reserve(charge("cid", 20)), 0)
		f.refused(charge("cid", 21), "user")
		f.reopen()
		f.budgets(budgets...)
	}
	f.adjust(&ledger.Adjustment{Budget: "team", Reset: true})
	f.holds("team", "", 100, 1, 0)
	f.adjust(&ledger.Adjustment{Budget: "user", Account: "bob", Reset: true})
	f.settle(f.reserve(charge("bob", 20)), 0)
}

func raiseEnds(f *fixture) {
	rolling := &ledger.Budget{ID: "hour", Name: "hour", Limit: 10, Period: ledger.Period{Window: time.Hour}}
	f.budgets(daily("team", 100), rolling)
	f.adjust(&ledger.Adjustment{Budget: "team", Raise: 50})
	f.adjust(&ledger.Adjustment{Budget: "hour", Raise: 5})
	if b := f.balance("team", ""); b.Limit != 150 || b.Raised != 50 {
		f.Fatalf("after a raise: %+v", b)
	}
	f.settle(f.reserve(f.request(audit.Strict, 15, "hour")), 15)
	f.clock.add(59 * time.Minute)
	f.holds("hour", "", 15, 15, 0)
	f.clock.add(time.Minute)
	f.holds("hour", "", 10, 15, 0)
	f.clock.add(13 * time.Hour)
	f.holds("team", "", 100, 0, 0)
	f.adjust(&ledger.Adjustment{Budget: "team", Raise: 1}) // of another period: not on top of the one that has ended
	f.holds("team", "", 101, 0, 0)
}

func reopened(f *fixture) {
	f.budgets(daily("team", 1000))
	for range 3 {
		for _, class := range classes() {
			f.settle(f.reserve(f.request(class, 10, "team")), 7)
		}
		before := f.balance("team", "")
		f.reopen()
		f.budgets(daily("team", 1000))
		after := f.balance("team", "")
		before.Leased = 0 // is given back
		if d := cmp.Diff(before, after); d != "" {
			f.Fatalf("after a restart (-before +after):\n%s", d)
		}
	}
	f.holds("team", "", 1000, 63, 0)
}

func orphans(f *fixture) {
	f.budgets(daily("team", 1000))
	f.reserve(f.request(audit.Strict, 10, "team"))
	reads := f.request(audit.Async, 20, "team")
	reads.Release = true
	f.reserve(reads)
	task := f.reserve(f.request(audit.Durable, 40, "team"))
	if err := task.Settle(context.Background(), &audit.Record{End: "task", Open: true}); err != nil {
		f.Fatal(err)
	}
	f.holds("team", "", 1000, 0, 70)
	for range 2 {
		f.reopen()
		f.budgets(daily("team", 1000))
		f.holds("team", "", 1000, 50, 0)
		report, err := f.ledger.Costs(context.Background(), &ledger.CostQuery{})
		if err != nil || report.Total.Calls != 3 || report.Total.Failed != 3 || report.Total.Cost != 50 {
			f.Fatalf("Costs: %+v, %v, want 3 lost calls for 50", report, err)
		}
	}
	if err := task.Settle(context.Background(), &audit.Record{End: "answered"}); err == nil {
		f.Fatal("a call of a ledger that is closed was settled")
	}
}

func durableRates(f *fixture) {
	lasting := store.Claim{Limit: "lasting", ID: "lasting", Key: "ann", Rate: 3, Window: time.Hour, Durable: true}
	passing := store.Claim{Limit: "passing", ID: "passing", Key: "ann", Rate: 3, Window: time.Hour}
	call := func(uncounted bool) error {
		r := f.request(audit.Async, 0)
		r.Claims, r.Uncounted = []store.Claim{lasting, passing}, uncounted
		res, err := f.ledger.Reserve(context.Background(), r)
		if err == nil {
			f.settle(res, 0)
		}
		return err
	}
	for i := range 3 {
		if err := errors.Join(call(false), call(true)); err != nil {
			f.Fatalf("call %d: %v", i, err)
		}
		f.clock.add(time.Minute)
		f.reopen()
	}
	var exceeded *store.ExceededError
	if err := call(false); !errors.As(err, &exceeded) || exceeded.Claim.ID != "lasting" || exceeded.RetryAfter != 57*time.Minute {
		f.Fatalf("the fourth call: %v, want that the first is remembered for 57 minutes", err)
	}
	f.clock.add(57 * time.Minute)
	f.reopen()
	if err := call(false); err != nil {
		f.Fatalf("an hour after the first call: %v", err)
	}
}

func costs(f *fixture) {
	f.budgets(daily("team", 1000))
	for _, class := range classes() {
		f.settle(f.reserve(f.request(class, 10, "team")), 6)
		failed := f.reserve(f.request(class, 10, "team"))
		if err := failed.Settle(context.Background(), &audit.Record{End: "upstream_failed", Micros: 5, Bytes: 2}); err != nil {
			f.Fatal(err)
		}
		of := *f.request(class, 0).Record.Of
		if err := f.ledger.Record(context.Background(), &audit.Record{Kind: audit.Refusal, ID: "refused", Class: class, Of: &of, End: "refused"}); err != nil {
			f.Fatal(err)
		}
	}
	want := ledger.Usage{Calls: 6, Answered: 3, Failed: 3, Refused: 3, Cost: 18, Bytes: 6, Micros: 15}
	for range 2 {
		f.reopen() // what is queued is on disk then
		report, err := f.ledger.Costs(context.Background(), &ledger.CostQuery{Team: "core", GroupBy: []string{"day", "tool"}})
		if err != nil {
			f.Fatal(err)
		}
		groups := []ledger.CostGroup{{Key: map[string]string{"day": "2026-11-25", "tool": "jira__search"}, Usage: want}}
		if d := cmp.Diff(groups, report.Groups); d != "" || report.Total != want {
			f.Fatalf("Costs (-want +got):\n%s", d)
		}
	}
}

func forged(f *fixture) {
	f.budgets(daily("team", 1000))
	for _, r := range []*audit.Record{
		{Kind: audit.Intent, ID: "forged"}, {Kind: audit.Outcome, ID: "forged"}, {Kind: audit.Start}, {Kind: audit.Stop},
		{Kind: audit.Lease, Lease: &audit.LeaseChange{Action: audit.LeaseGrant, Amount: 1}},
		{Kind: audit.Admin, Action: "budget.raise", Details: []byte(`{"budget":"team","raise":1}`)}, {},
	} {
		if err := f.ledger.Record(context.Background(), r); err == nil {
			f.Errorf("Record writes %+v", r)
		}
	}
	err := f.ledger.Record(context.Background(), &audit.Record{Kind: audit.Admin, Action: "key.create", Actor: "ops", Target: "k1"})
	if err != nil {
		f.Errorf("Record of a key: %v", err)
	}
}
