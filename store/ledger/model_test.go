// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tollgate/store/audit"
)

// slot is an account in one period of the model: the civil date on which it begins, "" for a rolling window.
type slot struct{ budget, account, period string }

// spending is an amount that a rolling window counts.
type spending struct {
	at     time.Time
	amount int64
}

// modelCall is a call that the model knows to be under way.
type modelCall struct {
	res     Reservation
	cost    int64
	slots   []slot
	release bool
}

// model is the ledger as a reader of the promise would write it: nothing in it knows of leases, logs or files.
type model struct {
	*rig
	t        *rapid.T
	budgets  map[string]*Budget
	settled  map[slot]int64
	reserved map[slot]int64
	window   []spending
	calls    []*modelCall
	lowered  bool // some limit was
	set      map[pair]int64
}

// TestModel runs random calls, clocks, limits, stops and crashes against the model.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		berlin, err := time.LoadLocation("Europe/Berlin")
		if err != nil {
			t.Fatal(err)
		}
		york, err := time.LoadLocation("America/New_York")
		if err != nil {
			t.Fatal(err)
		}
		start := rapid.SampledFrom([]time.Time{
			time.Date(2027, 3, 27, 20, 0, 0, 0, time.UTC), time.Date(2027, 10, 30, 20, 0, 0, 0, time.UTC), time.Date(2027, 11, 6, 20, 0, 0, 0, time.UTC),
		}).Draw(t, "start")
		m := &model{
			t: t, settled: map[slot]int64{}, reserved: map[slot]int64{}, set: map[pair]int64{},
			budgets: map[string]*Budget{
				"month": {ID: "month", Name: "month", Limit: 5000, Period: Period{Unit: UnitMonth, Zone: berlin}},
				"day":   {ID: "day", Name: "day", Limit: 1000, Period: Period{Unit: UnitDay, Zone: york}, Per: []string{"user"}},
				"hour":  {ID: "hour", Name: "hour", Limit: 2000, Period: Period{Window: time.Hour}},
			},
		}
		m.rig = &rig{t: fatal{t: t}, dir: fastDir(t), clock: &testClock{at: start}}
		m.open(m.list()...)
		defer func() {
			if m.e != nil {
				_ = m.e.Close()
			}
		}()
		t.Repeat(map[string]func(*rapid.T){
			"reserve":    m.Reserve,
			"reserve 2":  m.Reserve,
			"reserve 3":  m.Reserve,
			"settle":     m.Settle,
			"settle 2":   m.Settle,
			"clock":      m.Clock,
			"limit":      m.Limit,
			"by hand":    m.Adjust,
			"sweep":      func(*rapid.T) { m.e.sweep() },
			"checkpoint": func(*rapid.T) { m.must(m.e.checkpoint()) },
			"restart":    m.Restart,
			"crash":      m.Crash,
			"lose tail":  m.LoseTail,
			"check":      func(*rapid.T) { m.check() },
			"":           m.Compare,
		})
		m.check()
	})
}

// fatal lets the rig report to rapid.
type fatal struct {
	testing.TB
	t *rapid.T
}

func (f fatal) Helper()                   {}
func (f fatal) Errorf(s string, a ...any) { f.t.Errorf(s, a...) }
func (f fatal) Fatalf(s string, a ...any) { f.t.Fatalf(s, a...) }
func (f fatal) Fatal(a ...any)            { f.t.Fatal(a...) }

func (m *model) must(err error) {
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m *model) list() (list []*Budget) {
	for _, id := range slices.Sorted(maps.Keys(m.budgets)) {
		list = append(list, m.budgets[id])
	}
	return list
}

// now is the time of money: never before a record.
func (m *model) now() time.Time {
	m.e.mu.Lock()
	defer m.e.mu.Unlock()
	return m.e.moment(m.e.wall()).money
}

// slot is the account that a call at now is charged to.
func (m *model) slot(budget, account string, now time.Time) slot {
	p := m.budgets[budget].Period
	switch p.Unit {
	case UnitMonth:
		return slot{budget, account, now.In(p.Zone).Format("2006-01")}
	case UnitDay:
		return slot{budget, account, now.In(p.Zone).Format(time.DateOnly)}
	}
	return slot{budget, account, ""}
}

func (m *model) limit(s slot) int64 {
	for _, key := range []pair{{s.budget, s.account}, {s.budget, ""}} {
		if n, ok := m.set[key]; ok {
			return n
		}
	}
	return m.budgets[s.budget].Limit
}

// counts is what is settled in a slot, at least and at most: the cells of a rolling window are not sharp.
func (m *model) counts(s slot) (least, most int64) {
	if s.period != "" {
		return m.settled[s], m.settled[s]
	}
	blur := 2 * time.Hour / 62
	now := m.clock.now()
	if n := len(m.window); n > 0 && m.window[n-1].at.After(now) {
		now = m.window[n-1].at
	}
	for _, x := range m.window {
		if age := now.Sub(x.at); age < time.Hour-blur {
			least += x.amount
			most += x.amount
		} else if age < time.Hour+blur {
			most += x.amount
		}
	}
	return least, most
}

func (m *model) spend(s slot, amount int64) {
	if s.period != "" {
		m.settled[s] += amount
		return
	}
	at := m.clock.now()
	if n := len(m.window); n > 0 && m.window[n-1].at.After(at) {
		at = m.window[n-1].at
	}
	if amount > 0 {
		m.window = append(m.window, spending{at, amount})
	}
}

// Reserve asks for a call, and expects that it is admitted if and only if there is room on all levels.
func (m *model) Reserve(t *rapid.T) {
	class := rapid.SampledFrom([]audit.Class{audit.Strict, audit.Durable, audit.Async, audit.Async}).Draw(t, "class")
	cost := rapid.OneOf(rapid.Int64Range(0, 20), rapid.Int64Range(0, 900)).Draw(t, "cost")
	q := m.request(class, cost)
	q.Release = rapid.Bool().Draw(t, "release")
	now := m.now()
	call := &modelCall{cost: cost, release: q.Release}
	for _, id := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"month", "day", "hour"}), 1, 3, rapid.ID).Draw(t, "budgets") {
		c := Charge{Budget: id}
		if id == "day" {
			c.Account = rapid.SampledFrom([]string{"ann", "bob"}).Draw(t, "user")
		}
		q.Charges = append(q.Charges, c)
		call.slots = append(call.slots, m.slot(c.Budget, c.Account, now))
	}
	may, must := true, true
	for _, s := range call.slots {
		least, most := m.counts(s)
		limit := m.limit(s) - m.reserved[s] - cost
		may, must = may && least <= limit, must && most <= limit
	}
	if cost == 0 {
		may, must = true, true
	}
	res, err := m.e.Reserve(context.Background(), q)
	var exceeded *ExceededError
	switch {
	case err == nil && !may:
		t.Fatalf("a call for %d is admitted to %v without room", cost, call.slots)
	case errors.As(err, &exceeded) && must:
		t.Fatalf("a call for %d is refused although there is room: %v", cost, err)
	case errors.As(err, &exceeded):
		return
	case err != nil:
		t.Fatalf("Reserve: %v", err)
	}
	if call.res = res; cost == 0 {
		call.slots = nil
	}
	for _, s := range call.slots {
		m.reserved[s] += cost
	}
	m.calls = append(m.calls, call)
}

// Settle ends one of the calls under way, some of them twice.
func (m *model) Settle(t *rapid.T) {
	if len(m.calls) == 0 {
		t.Skip("no calls")
	}
	i := rapid.IntRange(0, len(m.calls)-1).Draw(t, "call")
	call := m.calls[i]
	cost := rapid.Int64Range(-1, call.cost+10).Draw(t, "cost")
	if rapid.IntRange(0, 4).Draw(t, "open") == 0 {
		m.must(call.res.Settle(context.Background(), &audit.Record{End: endTask, Open: true, Cost: cost}))
		return
	}
	m.settle(call.res, cost)
	m.settle(call.res, cost)
	m.end(call, max(0, min(cost, call.cost)))
	m.calls = slices.Delete(m.calls, i, i+1)
}

func (m *model) end(call *modelCall, cost int64) {
	for _, s := range call.slots {
		m.reserved[s] -= call.cost
		m.spend(s, cost)
	}
}

// Clock steps, mostly forward.
func (m *model) Clock(t *rapid.T) {
	m.clock.add(rapid.OneOf(
		rapid.Custom(func(t *rapid.T) time.Duration {
			return time.Duration(rapid.Int64Range(0, 3600).Draw(t, "s")) * time.Second
		}),
		rapid.Custom(func(t *rapid.T) time.Duration {
			return time.Duration(rapid.Int64Range(-50, 50).Draw(t, "h")) * time.Hour
		}),
		rapid.Just(35*24*time.Hour),
	).Draw(t, "step"))
}

// Limit changes the configuration.
func (m *model) Limit(t *rapid.T) {
	id := rapid.SampledFrom([]string{"month", "day", "hour"}).Draw(t, "budget")
	b := *m.budgets[id]
	b.Limit = rapid.Int64Range(0, 5000).Draw(t, "limit")
	m.lowered = true
	m.budgets[id] = &b
	m.must(m.e.SetBudgets(m.list()))
}

// Adjust changes limits by hand.
func (m *model) Adjust(t *rapid.T) {
	key := rapid.SampledFrom([]pair{{"month", ""}, {"day", ""}, {"day", "ann"}, {"hour", ""}}).Draw(t, "whose")
	a := &Adjustment{Budget: key.budget, Account: key.account, Reason: "the test"}
	if rapid.Bool().Draw(t, "reset") {
		a.Reset = true
		delete(m.set, key)
	} else {
		a.Set = new(rapid.Int64Range(0, 5000).Draw(t, "limit"))
		m.set[key] = *a.Set
	}
	m.lowered = true
	_, err := m.e.Adjust(context.Background(), a)
	m.must(err)
}

// lose closes all calls as a start does.
func (m *model) lose() {
	for _, call := range m.calls {
		cost := call.cost
		if call.release {
			cost = 0
		}
		m.end(call, cost)
	}
	m.calls = nil
}

// Restart stops and starts.
func (m *model) Restart(*rapid.T) {
	m.must(m.e.Close())
	m.lose()
	m.open(m.list()...)
}

// Crash dies after all has come to the disk: what is leased is charged.
func (m *model) Crash(*rapid.T) {
	m.check()
	now := m.now()
	leased := map[slot]int64{}
	all, err := m.e.Balances(context.Background(), nil)
	m.must(err)
	for _, b := range all {
		leased[m.slot(b.Budget, b.Account, now)] = b.Leased
	}
	m.crash()
	m.lose()
	for s, n := range leased {
		m.spend(s, n)
	}
	m.open(m.list()...)
}

// LoseTail dies with calls that are nowhere on the disk. All that the upstream saw must be counted nevertheless.
func (m *model) LoseTail(t *rapid.T) {
	m.check()
	m.disk.hold()
	now := m.now()
	for range rapid.IntRange(1, 20).Draw(t, "calls") {
		cost := rapid.Int64Range(0, 20).Draw(t, "cost")
		q := m.request(audit.Async, cost, "hour")
		m.e.mu.Lock()
		hour, at := m.e.budgets["hour"], m.e.moment(m.e.wall())
		draws := cost == 0 || m.e.drawable([]*account{m.e.account(hour, "", at)}, cost, at)
		m.e.mu.Unlock()
		if !draws {
			continue
		}
		s := m.slot("hour", "", now)
		res := m.reserve(q)
		if rapid.Bool().Draw(t, "settled") {
			cost = rapid.Int64Range(0, cost).Draw(t, "of it")
			m.settle(res, cost)
		}
		m.spend(s, cost)
	}
	m.crash()
	m.lose()
	m.open(m.list()...)
	all, err := m.e.Balances(context.Background(), nil)
	m.must(err)
	for _, b := range all {
		s := m.slot(b.Budget, b.Account, m.now())
		if least, _ := m.counts(s); b.Settled < least {
			t.Fatalf("after a crash, %d count in %v, the upstream has cost %d", b.Settled, s, least)
		}
		if s.period != "" {
			m.settled[s] = b.Settled
		}
	}
	m.adopt()
}

// adopt takes over what a rolling window counts after a crash.
func (m *model) adopt() {
	m.window = nil
	if a := m.e.budgets["hour"].accounts[""]; a != nil {
		for _, c := range a.window.cells {
			m.window = append(m.window, spending{time.Unix(0, c.index*int64(a.window.width)+int64(a.window.width)/2), c.amount})
		}
	}
}

// Compare holds every balance against the model.
func (m *model) Compare(t *rapid.T) {
	now := m.now()
	all, err := m.e.Balances(context.Background(), nil)
	m.must(err)
	for _, b := range all {
		s := m.slot(b.Budget, b.Account, now)
		least, most := m.counts(s)
		if b.Settled < least || b.Settled > most || b.Reserved != m.reserved[s] || b.Limit != m.limit(s) {
			t.Fatalf("%v: limit %d, settled %d, reserved %d, want %d, %d to %d, %d", s, b.Limit, b.Settled, b.Reserved, m.limit(s), least, most, m.reserved[s])
		}
		if b.Settled+b.Reserved+b.Leased > b.Limit && !m.lowered {
			t.Fatalf("%v: more than the limit: %+v", s, b)
		}
		if b.Leased > 0 && b.Settled+b.Reserved+b.Leased > b.Limit {
			t.Fatalf("%v: money beyond the limit is leased: %+v", s, b)
		}
	}
}
