// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"tollgate/store/audit"
)

// TestMain doubles as the child that is killed, and fails the package when a goroutine outlives the tests.
func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		os.Exit(child())
	}
	before := runtime.NumGoroutine()
	code := m.Run()
	for range 100_000 {
		if runtime.NumGoroutine() <= before {
			break
		}
		runtime.Gosched()
	}
	fuzzing := flag.Lookup("test.fuzz").Value.String() != "" // which starts some of its own
	if after := runtime.NumGoroutine(); code == 0 && after > before && !fuzzing {
		stacks := make([]byte, 1<<20)
		fmt.Printf("%d goroutines before the tests, %d after them:\n%s\n", before, after, stacks[:runtime.Stack(stacks, true)])
		code = 1
	}
	os.Exit(code)
}

// testClock is a clock that is set by hand. Safe for concurrent use.
type testClock struct {
	mu sync.Mutex // guards at
	at time.Time
}

func (c *testClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *testClock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

var errDead = errors.New("the disk is dead")

// testDisk is a disk that can stand still, fail, or be as dead as it is to a process that was killed.
type testDisk struct {
	mu   sync.Mutex // guards what follows
	fail error      // what commits fail with
	dead bool
	gate chan struct{} // commits wait until it is closed
	slow time.Duration // that a commit takes
}

// Do implements [audit.Disk].
func (d *testDisk) Do(op audit.Op, _ string, do func() error) error {
	d.mu.Lock()
	gate := d.gate
	d.mu.Unlock()
	if gate != nil && op == audit.OpCommit {
		<-gate
	}
	d.mu.Lock()
	fail, dead, slow := d.fail, d.dead, d.slow
	d.mu.Unlock()
	if slow > 0 && op == audit.OpCommit {
		<-time.After(slow)
	}
	switch {
	case dead:
		return errDead
	case fail != nil && op == audit.OpCommit:
		return fail
	}
	return do()
}

func (d *testDisk) set(fail error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail = fail
}

// delay makes every commit take so long.
func (d *testDisk) delay(slow time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.slow = slow
}

// hold makes commits wait until let is called.
func (d *testDisk) hold() (let func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	gate := make(chan struct{})
	d.gate = gate
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.gate = nil
		close(gate)
	}
}

// kill lets nothing more come to the disk.
func (d *testDisk) kill() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dead = true
	if d.gate != nil {
		close(d.gate)
		d.gate = nil
	}
}

// fastDir is a new directory where syncing costs little, if there is such a place.
func fastDir(t interface {
	Cleanup(func())
	Fatal(...any)
}) string {
	base := "/dev/shm"
	if _, err := os.Stat(base); err != nil {
		base = ""
	}
	dir, err := os.MkdirTemp(base, "tollgate-ledger-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// rig is an engine under test.
type rig struct {
	t     testing.TB
	dir   string
	clock *testClock
	disk  *testDisk
	e     *Engine
	opts  Options // of the next open
	calls int
}

func newRig(t testing.TB, budgets ...*Budget) *rig {
	t.Helper()
	r := &rig{t: t, dir: fastDir(t), clock: &testClock{at: time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC)}}
	r.open(budgets...)
	t.Cleanup(func() {
		if r.e != nil {
			r.check()
			if err := r.e.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		}
	})
	return r
}

func (r *rig) open(budgets ...*Budget) {
	r.t.Helper()
	r.disk = &testDisk{}
	o := r.opts
	o.Dir, o.Now, o.Node = r.dir, r.clock.now, "test"
	o.Audit.Disk = r.disk
	e, err := Open(&o)
	if err != nil {
		r.t.Fatalf("Open: %v", err)
	}
	if err := e.SetBudgets(budgets); err != nil {
		r.t.Fatalf("SetBudgets: %v", err)
	}
	r.e = e
}

// crash ends the engine as if its process had been killed.
func (r *rig) crash() {
	r.disk.kill()
	_ = r.e.Close() // which writes nothing
	r.e = nil
}

func (r *rig) check() {
	r.t.Helper()
	for _, err := range r.e.Check(context.Background()) {
		r.t.Errorf("Check: %v", err)
	}
}

func (r *rig) request(class audit.Class, cost int64, budgets ...string) *Request {
	r.calls++
	q := &Request{
		Class: class, Cost: cost,
		Record: &audit.Record{Kind: audit.Intent, ID: fmt.Sprintf("call-%d-%d", r.clock.now().UnixNano(), r.calls), Of: &audit.Labels{User: "ann", Tool: "search"}},
	}
	for _, id := range budgets {
		q.Charges = append(q.Charges, Charge{Budget: id})
	}
	return q
}

func (r *rig) reserve(q *Request) Reservation {
	r.t.Helper()
	res, err := r.e.Reserve(context.Background(), q)
	if err != nil {
		r.t.Fatalf("Reserve: %v", err)
	}
	return res
}

func (r *rig) settle(res Reservation, cost int64) {
	r.t.Helper()
	if err := res.Settle(context.Background(), &audit.Record{End: endAnswered, Cost: cost}); err != nil {
		r.t.Fatalf("Settle: %v", err)
	}
}

func (r *rig) balance(budget string) Balance {
	r.t.Helper()
	all, err := r.e.Balances(context.Background(), &BalanceQuery{Budget: budget})
	if err != nil || len(all) != 1 {
		r.t.Fatalf("Balances: %v, %v", all, err)
	}
	return all[0]
}

// want compares what counts against the limit of a budget.
func (r *rig) want(budget string, settled, reserved, leased int64) {
	r.t.Helper()
	if b := r.balance(budget); b.Settled != settled || b.Reserved != reserved || b.Leased != leased {
		r.t.Fatalf("budget %q: settled %d, reserved %d, leased %d, want %d, %d, %d", budget, b.Settled, b.Reserved, b.Leased, settled, reserved, leased)
	}
}

// records are all records of the log, decoded.
func (r *rig) records() (all []*audit.Record) {
	r.t.Helper()
	for stored, err := range r.e.Log().Scan(context.Background(), r.e.Log().First(), r.e.Log().Size()) {
		if err != nil {
			r.t.Fatal(err)
		}
		rec, err := audit.Decode(stored.Text)
		if err != nil {
			r.t.Fatal(err)
		}
		all = append(all, rec)
	}
	return all
}

func dailyBudget(id string, limit int64, per ...string) *Budget {
	return &Budget{ID: id, Name: id, Limit: limit, Period: Period{Unit: UnitDay}, Per: per}
}

var _ audit.Disk = (*testDisk)(nil)

func rename(t testing.TB, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func removeAll(t testing.TB, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}
