// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"context"
	"errors"
	"math"
	"sync"
	"sync/atomic"

	"tollgate/store"
	"tollgate/store/audit"
	"tollgate/store/ledger"
)

// exact has many more calls at a time than a budget has room for.
func exact(f *fixture) {
	f.budgets(daily("team", 100), daily("org", 1000))
	var admitted, refused atomic.Int64
	done := make(chan struct{})
	var sampler, callers sync.WaitGroup
	sampler.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			if b := f.balance("team", ""); b.Settled+b.Reserved+b.Leased > b.Limit {
				f.Errorf("settled %d, reserved %d, leased %d: more than %d", b.Settled, b.Reserved, b.Leased, b.Limit)
				return
			}
		}
	})
	for i := range 400 {
		class := classes()[i%3]
		callers.Go(func() {
			res, err := f.ledger.Reserve(context.Background(), f.request(class, 1, "team", "org"))
			var exceeded *ledger.ExceededError
			switch {
			case errors.As(err, &exceeded):
				refused.Add(1)
				return
			case err != nil:
				f.Errorf("Reserve: %v", err)
				return
			}
			admitted.Add(1)
			if err := res.Settle(context.Background(), &audit.Record{End: "answered", Cost: 1}); err != nil {
				f.Errorf("Settle: %v", err)
			}
		})
	}
	callers.Wait()
	close(done)
	sampler.Wait()
	if admitted.Load() != 100 || refused.Load() != 300 {
		f.Fatalf("%d calls were admitted and %d refused, want 100 and 300", admitted.Load(), refused.Load())
	}
	f.holds("team", "", 100, 100, 0)
	f.holds("org", "", 1000, 100, 0)
}

func allLevels(f *fixture) {
	f.budgets(daily("org", 1000), daily("team", 1000), daily("user", 10, "user"))
	r := f.request(audit.Strict, 11, "org", "team")
	r.Charges = append(r.Charges, ledger.Charge{Budget: "user", Account: "ann"})
	if e := f.refused(r, "user"); e.Cost != 11 || e.Limit != 10 || e.Account != "ann" {
		f.Fatalf("the error says %+v", e)
	}
	f.holds("org", "", 1000, 0, 0)
	f.holds("team", "", 1000, 0, 0)
	r = f.request(audit.Strict, 7, "org", "team")
	r.Charges = append(r.Charges, ledger.Charge{Budget: "user", Account: "ann"})
	res := f.reserve(r)
	f.holds("org", "", 1000, 0, 7)
	f.holds("user", "ann", 10, 0, 7)
	bob := f.request(audit.Strict, 10, "org")
	bob.Charges = append(bob.Charges, ledger.Charge{Budget: "user", Account: "bob"})
	f.settle(f.reserve(bob), 10)
	f.settle(res, 3)
	f.holds("org", "", 1000, 13, 0)
	f.holds("user", "ann", 10, 3, 0)
	f.holds("user", "bob", 10, 10, 0)
}

func refusedHoldsNothing(f *fixture) {
	f.budgets(daily("team", 10))
	one := store.Claim{Limit: "one at a time", ID: "one", Concurrency: 1}
	for _, class := range classes() {
		r := f.request(class, 11, "team")
		r.Claims = []store.Claim{one}
		f.refused(r, "team") // and does not run
		r = f.request(class, 2, "team")
		r.Claims = []store.Claim{one}
		res := f.reserve(r)
		r = f.request(class, 2, "team")
		r.Claims = []store.Claim{one}
		before := f.balance("team", "")
		var exceeded *store.ExceededError
		if _, err := f.ledger.Reserve(context.Background(), r); !errors.As(err, &exceeded) {
			f.Fatalf("Reserve of a second call at a time: %v", err)
		}
		if b := f.balance("team", ""); b.Settled != before.Settled || b.Reserved != before.Reserved {
			f.Fatalf("a call that its claim refuses leaves %+v", b)
		}
		f.settle(res, 0)
	}
	f.holds("team", "", 10, 0, 0)
	if s := f.ledger.Stats(); s.Admitted != 3 || s.Refused != 6 {
		f.Fatalf("%d calls admitted and %d refused, want 3 and 6", s.Admitted, s.Refused)
	}
}

func costZero(f *fixture) {
	f.budgets(daily("none", 0))
	for _, class := range classes() {
		res := f.reserve(f.request(class, 0, "none"))
		f.settle(res, 0)
		f.refused(f.request(class, 1, "none"), "none")
	}
	f.holds("none", "", 0, 0, 0)
}

func invalid(f *fixture) {
	f.budgets(daily("team", 10))
	good := func() *ledger.Request { return f.request(audit.Async, 1, "team") }
	for what, spoil := range map[string]func(r *ledger.Request){
		"no record":        func(r *ledger.Request) { r.Record = nil },
		"another kind":     func(r *ledger.Request) { r.Record.Kind = audit.Outcome },
		"no id":            func(r *ledger.Request) { r.Record.ID = "" },
		"no class":         func(r *ledger.Request) { r.Class = "" },
		"negative cost":    func(r *ledger.Request) { r.Cost = -1 },
		"unknown budget":   func(r *ledger.Request) { r.Charges[0].Budget = "other" },
		"free of unknown":  func(r *ledger.Request) { r.Charges[0].Budget, r.Cost = "other", 0 },
		"twice":            func(r *ledger.Request) { r.Charges = append(r.Charges, r.Charges[0]) },
		"not a limit":      func(r *ledger.Request) { r.Claims = []store.Claim{{Limit: "odd", ID: "odd"}} },
		"budget taken out": func(r *ledger.Request) { r.Charges = append(r.Charges, ledger.Charge{Budget: ""}) },
	} {
		r := good()
		spoil(r)
		if res, err := f.ledger.Reserve(context.Background(), r); err == nil || res != nil {
			f.Errorf("%s: Reserve returns %v, %v", what, res, err)
		}
	}
	f.holds("team", "", 10, 0, 0)
	res := f.reserve(good())
	again := good()
	again.Record.ID = res.ID()
	if _, err := f.ledger.Reserve(context.Background(), again); err == nil {
		f.Error("a second call under the same id is admitted")
	}
	f.settle(res, 1)
	for what, b := range map[string]*ledger.Budget{
		"negative":  daily("a", -1),
		"no id":     daily("", 1),
		"no period": {ID: "a", Limit: 1},
	} {
		if err := f.ledger.SetBudgets([]*ledger.Budget{b}); err == nil {
			f.Errorf("a budget is in force although: %s", what)
		}
	}
	if err := f.ledger.SetBudgets([]*ledger.Budget{daily("a", 1), daily("a", 2)}); err == nil {
		f.Error("two budgets of the same id are in force")
	}
	f.holds("team", "", 10, 1, 0)
}

func overflow(f *fixture) {
	f.budgets(daily("all", math.MaxInt64))
	first := f.reserve(f.request(audit.Strict, math.MaxInt64-1, "all"))
	f.refused(f.request(audit.Async, 2, "all"), "all")
	f.refused(f.request(audit.Strict, math.MaxInt64, "all"), "all")
	second := f.reserve(f.request(audit.Strict, 1, "all"))
	f.settle(first, math.MaxInt64)
	f.settle(second, 1)
	f.holds("all", "", math.MaxInt64, math.MaxInt64, 0)
	f.refused(f.request(audit.Durable, 1, "all"), "all")
	if _, err := f.ledger.Adjust(context.Background(), &ledger.Adjustment{Budget: "all", Raise: 1, Reason: "more"}); err == nil {
		f.Error("a limit is raised beyond all amounts")
	}
}

func closed(f *fixture) {
	f.budgets(daily("team", 10))
	l := f.ledger
	f.close()
	var unavailable *ledger.UnavailableError
	if _, err := l.Reserve(context.Background(), f.request(audit.Async, 0)); !errors.As(err, &unavailable) {
		f.Errorf("Reserve after Close: %v", err)
	}
	if err := l.Record(context.Background(), &audit.Record{Kind: audit.Refusal}); !errors.As(err, &unavailable) {
		f.Errorf("Record after Close: %v", err)
	}
	if err := l.Available(); !errors.As(err, &unavailable) {
		f.Errorf("Available after Close: %v", err)
	}
	if err := l.Close(); err != nil {
		f.Errorf("a second Close: %v", err)
	}
}

func gone(f *fixture) {
	f.budgets(daily("team", 10))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, class := range classes() {
		if _, err := f.ledger.Reserve(ctx, f.request(class, 1, "team")); !errors.Is(err, context.Canceled) {
			f.Errorf("Reserve with a context that has ended: %v", err)
		}
	}
	f.close()
	f.reopen()
	f.budgets(daily("team", 10))
	f.holds("team", "", 10, 0, 0)
}
