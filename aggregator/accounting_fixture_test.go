// SPDX-License-Identifier: Apache-2.0

package aggregator_test

import (
	"context"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/aggregator"
	"tollgate/aggregator/bridge"
	"tollgate/policy"
	"tollgate/policy/limit"
	"tollgate/store"
	"tollgate/store/audit"
	ledgers "tollgate/store/ledger"
	"tollgate/upstream"
	"tollgate/upstream/wire"
)

const cent = ledgers.Dollar / 100

// commits is a disk whose commits stand still or fail while the test wants it.
type commits struct {
	mu   sync.Mutex // guards what follows
	fail error
	gate chan struct{} // commits wait until it is closed
}

// Do implements [audit.Disk].
func (d *commits) Do(op audit.Op, _ string, do func() error) error {
	if op != audit.OpCommit {
		return do()
	}
	d.mu.Lock()
	gate := d.gate
	d.mu.Unlock()
	if gate != nil {
		<-gate
	}
	d.mu.Lock()
	fail := d.fail
	d.mu.Unlock()
	if fail != nil {
		return fail
	}
	return do()
}

// set has commits fail from now on; nil = they succeed.
func (d *commits) set(fail error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail = fail
}

// hold makes commits wait until let is called.
func (d *commits) hold() (let func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	gate := make(chan struct{})
	d.gate = gate
	return sync.OnceFunc(func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.gate = nil
		close(gate)
	})
}

// booked is a site whose calls are accounted for on disk.
type booked struct {
	*site
	engine *ledgers.Engine
	disk   *commits
	dir    string
	shut   func() // gate, accounting and ledger
}

// newBooked is a site with the real ledger and real idempotency keys. o may be nil; what has to be set in it is set here. At
// the end of the test the ledger must add up.
func newBooked(t testing.TB, c *cloud, r rulesFor, o *ledgers.Options) *booked {
	t.Helper()
	b := &booked{disk: &commits{}, dir: fastDir(t)}
	if o == nil {
		o = &ledgers.Options{}
	}
	noon := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	o.Dir, o.Node, o.Audit.Disk = b.dir, "test", b.disk
	var clock atomic.Pointer[site]
	o.Now = func() time.Time {
		if s := clock.Load(); s != nil {
			return s.now()
		}
		return noon
	}
	var err error
	if b.engine, err = ledgers.Open(o); err != nil {
		t.Fatal(err)
	}
	replies, err := store.OpenReplies(b.dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	b.shut = sync.OnceFunc(func() {
		if b.site != nil {
			b.Close()
			if err := b.accounting.Close(); err != nil {
				t.Errorf("Accounting.Close: %v", err)
			}
		}
		for _, err := range b.engine.Check(context.Background()) {
			t.Errorf("Check: %v", err)
		}
		if err := b.engine.Close(); err != nil {
			t.Errorf("Engine.Close: %v", err)
		}
		if err := replies.Close(); err != nil {
			t.Errorf("Replies.Close: %v", err)
		}
	})
	t.Cleanup(b.shut)
	b.setBudgets(t, r.budgets)
	r.ledger, r.replies = b.engine, replies
	b.site = newSite(t, c, r)
	clock.Store(b.site)
	t.Cleanup(b.shut)
	return b
}

func (b *booked) setBudgets(t testing.TB, rules []limit.BudgetRule) {
	t.Helper()
	set, err := limit.CompileBudgets(rules)
	if err != nil {
		t.Fatal(err)
	}
	var all []*ledgers.Budget
	for _, x := range set.All() {
		p := x.Period()
		all = append(all, &ledgers.Budget{ID: x.ID(), Name: x.Name(), Limit: x.Limit(), Per: x.Per(), Period: ledgers.Period{Unit: p.Unit, Zone: p.Zone, Window: p.Window}})
	}
	if err := b.engine.SetBudgets(all); err != nil {
		t.Fatal(err)
	}
}

// fastDir is a new directory where syncing costs little, if there is such a place.
func fastDir(t testing.TB) string {
	t.Helper()
	base := "/dev/shm"
	if _, err := os.Stat(base); err != nil {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp(base, "tollgate-aggregator-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// records are those of calls and refusals that are on disk, those of kinds only where kinds are given.
func (b *booked) records(t testing.TB, kinds ...audit.Kind) (all []*audit.Record) {
	t.Helper()
	log := b.engine.Log()
	for stored, err := range log.Scan(context.Background(), log.First(), log.Size()) {
		if err != nil {
			t.Fatal(err)
		}
		r, err := audit.Decode(stored.Text)
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains(kinds, r.Kind) || len(kinds) == 0 && r.Of != nil {
			all = append(all, r)
		}
	}
	return all
}

// wait returns the records once there are n of them: unknown names are recorded by and by.
func (b *booked) wait(t testing.TB, n int, kinds ...audit.Kind) (all []*audit.Record) {
	t.Helper()
	b.until(t, func() bool {
		if b.engine.Log().Size() < uint64(n) {
			return false // without looking at all of them
		}
		all = b.records(t, kinds...)
		return len(all) >= n
	})
	return all
}

// flush returns when all that was recorded is on disk.
func (b *booked) flush(t testing.TB) {
	t.Helper()
	if err := b.engine.Record(context.Background(), &audit.Record{Kind: audit.Admin, Action: "test", Class: audit.Strict}); err != nil {
		t.Fatal(err)
	}
}

// until returns once done is true, and fails the test when that takes too long.
func (b *booked) until(t testing.TB, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("what was waited for does not come: %+v", b.engine.Stats())
		}
	}
}

// want compares what counts against the limit of a budget.
func (b *booked) want(t testing.TB, budget string, settled, reserved int64) {
	t.Helper()
	all, err := b.engine.Balances(context.Background(), &ledgers.BalanceQuery{Budget: budget})
	if err != nil {
		t.Fatal(err)
	}
	var got ledgers.Balance
	for _, x := range all {
		got.Settled += x.Settled
		got.Reserved += x.Reserved
	}
	if got.Settled != settled || got.Reserved != reserved {
		t.Errorf("budget %q: settled %d, reserved %d, want %d, %d", budget, got.Settled, got.Reserved, settled, reserved)
	}
}

// priced are rules with one role, "r", whose calls are limited like this, and a budget of that many dollars for everybody.
func priced(dollars int64, limits ...policy.LimitRule) rulesFor {
	return rulesFor{
		roles:   map[string]policy.Role{"r": {Allow: []string{"cloud/deploy"}, Limits: limits}},
		budgets: []limit.BudgetRule{{Name: "all", Limit: dollars * ledgers.Dollar, Period: limit.BudgetPeriod{Unit: "month"}}},
	}
}

// keyed is a call with an idempotency key.
func keyed(arguments, key string) *aggregator.Call {
	c := deployCall(arguments)
	c.IdempotencyKey = key
	return c
}

// tasked is a call of a client that knows of tasks, and status asks after what it became.
func tasked(arguments string) *aggregator.Call {
	c := deployCall(arguments)
	c.Client.Capabilities = []byte(`{"extensions":{"` + bridge.TasksExtension + `":{}}}`)
	return c
}

func status(made *aggregator.Reply) *aggregator.Call {
	id, _ := bridge.TaskID(made.Result)
	c := tasked(`{}`)
	c.Method, c.Params = aggregator.MethodGetTask, append(wire.AppendString([]byte(`{"taskId":`), id), '}')
	return c
}

// result is a reply of a modern upstream.
func result(text string) *upstream.Reply {
	return &upstream.Reply{Revision: wire.R20260728, Result: []byte(text)}
}
