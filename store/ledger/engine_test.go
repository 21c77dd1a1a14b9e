// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"tollgate/store"
	"tollgate/store/audit"
)

// TestLeases draws calls from a lease and looks at what a stop and a crash make of the rest.
func TestLeases(t *testing.T) {
	budget := dailyBudget("team", 10_000)
	r := newRig(t, budget)
	r.settle(r.reserve(r.request(audit.Async, 10, "team")), 10)
	r.check() // the lease has arrived
	r.want("team", 10, 0, 500)
	r.settle(r.reserve(r.request(audit.Durable, 10, "team")), 4)
	r.want("team", 14, 0, 490)
	r.settle(r.reserve(r.request(audit.Strict, 10, "team")), 10)
	r.want("team", 24, 0, 490) // strict calls draw on none
	if err := r.e.Close(); err != nil {
		t.Fatal(err)
	}
	r.open(budget)
	r.want("team", 24, 0, 0)
	r.settle(r.reserve(r.request(audit.Async, 10, "team")), 10)
	r.check()
	r.settle(r.reserve(r.request(audit.Async, 10, "team")), 10)
	r.check() // all is on disk
	r.crash()
	r.open(budget)
	r.want("team", 44+490, 0, 0)
	var starts []*audit.Record
	for _, rec := range r.records() {
		if rec.Kind == audit.Start {
			starts = append(starts, rec)
		}
	}
	if len(starts) != 3 || starts[0].Unclean || starts[1].Unclean || !starts[2].Unclean {
		t.Fatalf("start records: %+v", starts)
	}
}

// TestLeaseIsReturnedWhenIdle sweeps leases that nobody draws on, and those of a day that is over.
func TestLeaseIsReturnedWhenIdle(t *testing.T) {
	r := newRig(t, dailyBudget("team", 10_000), &Budget{ID: "hour", Name: "hour", Limit: 10_000, Period: Period{Window: time.Hour}})
	call := func() { r.settle(r.reserve(r.request(audit.Async, 10, "team", "hour")), 10) }
	call()
	r.check() // the lease has arrived
	r.clock.add(9 * time.Minute)
	call()
	r.e.sweep()
	r.want("team", 20, 0, 490)
	r.clock.add(10 * time.Minute)
	r.e.sweep()
	r.want("team", 20, 0, 0)
	r.want("hour", 20, 0, 0)
	call()
	r.clock.add(15 * time.Hour)
	call() // in the next day
	r.e.sweep()
	r.check()
	if n := len(r.e.ended); n != 0 {
		t.Fatalf("%d accounts of the day before are still there", n)
	}
	r.clock.add(longestPeriod + 48*time.Hour)
	r.e.sweep()
	r.e.sweep()
	if n := len(r.e.budgets["team"].accounts) + len(r.e.budgets["hour"].accounts); n != 0 {
		t.Fatalf("%d accounts are remembered that count nothing", n)
	}
}

// TestLeasesEndNearTheLimit uses a budget up to the last bit, whatever is leased.
func TestLeasesEndNearTheLimit(t *testing.T) {
	r := newRig(t, dailyBudget("team", 1000), dailyBudget("org", 1_000_000))
	for i := range 100 {
		class := []audit.Class{audit.Async, audit.Durable, audit.Strict, audit.Async}[i%4]
		r.settle(r.reserve(r.request(class, 10, "team", "org")), 10)
	}
	r.want("team", 1000, 0, 0)
	var exceeded *ExceededError
	if _, err := r.e.Reserve(t.Context(), r.request(audit.Async, 1, "team", "org")); !errors.As(err, &exceeded) || exceeded.Name != "team" {
		t.Fatalf("beyond the limit: %v", err)
	}
}

// TestDiskFull refuses calls while the log cannot be written, keeps the outcomes of those under way, and goes on without a
// restart.
func TestDiskFull(t *testing.T) {
	for _, class := range []audit.Class{audit.Strict, audit.Durable, audit.Async} {
		t.Run(string(class), func(t *testing.T) {
			r := newRig(t, dailyBudget("team", 10_000))
			claim := store.Claim{Limit: "two", ID: "two", Concurrency: 2}
			request := func() *Request {
				q := r.request(class, 10, "team")
				q.Claims = []store.Claim{claim}
				return q
			}
			held := r.reserve(request())
			r.disk.set(syscall.ENOSPC)
			var unavailable *UnavailableError
			var failed *audit.FailedError
			err := r.e.Record(t.Context(), &audit.Record{Kind: audit.Refusal, ID: "meets the full disk"})
			if !errors.As(err, &unavailable) || unavailable.Busy || !errors.As(err, &failed) || !failed.DiskFull {
				t.Fatalf("a record that meets a full disk: %v", err)
			}
			if _, err := r.e.Reserve(t.Context(), request()); !errors.As(err, &unavailable) {
				t.Fatalf("a call while the disk is full: %v", err)
			}
			if err := r.e.Available(); !errors.As(err, &unavailable) || r.e.Stats().LastError == "" {
				t.Fatalf("while the disk is full: Available %v, Stats %+v", err, r.e.Stats())
			}
			settled := make(chan error)
			go func() { settled <- held.Settle(context.Background(), &audit.Record{End: endAnswered, Cost: 7}) }()
			r.disk.set(nil)
			if err := <-settled; err != nil {
				t.Fatalf("Settle over a full disk: %v", err)
			}
			r.eventually(func() bool { return r.e.Available() == nil })
			if b := r.balance("team"); b.Settled != 7 || b.Reserved != 0 {
				t.Fatalf("after the disk was full: %+v", b)
			}
			a, b := r.reserve(request()), r.reserve(request()) // nothing is held by the one that failed
			r.settle(a, 0)
			r.settle(b, 0)
		})
	}
}

// eventually waits for something that happens by itself.
func (r *rig) eventually(ok func() bool) {
	r.t.Helper()
	timeout := time.After(10 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-timeout:
			r.t.Fatal("it does not happen")
		}
	}
}

// TestSettleDoesNotWaitForEver: a disk that stays full does not hold the caller, and the outcome is written once it is not.
func TestSettleDoesNotWaitForEver(t *testing.T) {
	r := newRig(t)
	if err := r.e.Close(); err != nil {
		t.Fatal(err)
	}
	r.opts.SettleWait = time.Millisecond
	r.open(dailyBudget("team", 10_000))
	held := r.reserve(r.request(audit.Strict, 10, "team"))
	r.disk.set(syscall.ENOSPC)
	var unavailable *UnavailableError
	if err := held.Settle(t.Context(), &audit.Record{End: endAnswered, Cost: 7}); !errors.As(err, &unavailable) || !errors.Is(err, errLate) {
		t.Fatalf("Settle = %v", err)
	}
	r.want("team", 7, 0, 0)
	r.disk.set(nil)
	r.eventually(func() bool { return r.e.Available() == nil })
	r.check()
	all := r.records()
	if last := all[len(all)-1]; last.Kind != audit.Outcome || last.ID != held.ID() || last.Cost != 7 {
		t.Errorf("the last record is %+v", last)
	}
}

// TestCommitFails lets the commit fail that a call waits for: nothing of the call is left.
func TestCommitFails(t *testing.T) {
	r := newRig(t, dailyBudget("team", 10_000))
	let := r.disk.hold()
	q := r.request(audit.Async, 10, "team") // with a lease behind it, which is kept
	q.Claims = []store.Claim{{Limit: "one", ID: "one", Concurrency: 1}}
	failed := make(chan error)
	go func() {
		_, err := r.e.Reserve(context.Background(), q)
		failed <- err
	}()
	r.eventually(func() bool { r.e.mu.Lock(); defer r.e.mu.Unlock(); return r.e.waiting == 1 })
	if b := r.balance("team"); b.Reserved != 10 {
		t.Fatalf("while a call waits: %+v", b)
	}
	r.disk.set(syscall.EIO)
	let()
	var unavailable *UnavailableError
	if err := <-failed; !errors.As(err, &unavailable) {
		t.Fatalf("Reserve when its commit fails: %v", err)
	}
	if b := r.balance("team"); b.Reserved != 0 || b.Settled != 0 {
		t.Fatalf("a call whose intent is not on disk leaves %+v", b)
	}
	r.disk.set(nil)
	r.eventually(func() bool { return r.e.Available() == nil })
	again := r.request(audit.Strict, 10, "team")
	again.Claims, again.Record.ID = q.Claims, q.Record.ID
	r.settle(r.reserve(again), 1)
	for _, rec := range r.records() {
		if rec.Kind == audit.Outcome && rec.End != endAnswered {
			t.Fatalf("an outcome of a call that was not: %+v", rec)
		}
	}
}

// TestCallerGoesWhileWaiting gives a call up that waits for its intent: it is released and recorded.
func TestCallerGoesWhileWaiting(t *testing.T) {
	for _, fails := range []bool{false, true} {
		t.Run(fmt.Sprintf("fails=%t", fails), func(t *testing.T) {
			r := newRig(t, dailyBudget("team", 10_000))
			let := r.disk.hold()
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error)
			q := r.request(audit.Strict, 10, "team")
			q.Claims = []store.Claim{{Limit: "one", ID: "one", Concurrency: 1}}
			go func() {
				_, err := r.e.Reserve(ctx, q)
				done <- err
			}()
			r.eventually(func() bool { r.e.mu.Lock(); defer r.e.mu.Unlock(); return r.e.waiting == 1 })
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Fatalf("Reserve after its caller has gone: %v", err)
			}
			r.want("team", 0, 10, 0) // until it is known
			if fails {
				r.disk.set(syscall.EIO)
			}
			let()
			r.eventually(func() bool { return r.balance("team").Reserved == 0 })
			r.disk.set(nil)
			r.eventually(func() bool { return r.e.Available() == nil })
			again := r.request(audit.Strict, 10, "team")
			again.Claims = q.Claims
			r.settle(r.reserve(again), 3)
			r.want("team", 3, 0, 0)
			ends := map[string]int{}
			for _, rec := range r.records() {
				if rec.ID == q.Record.ID {
					ends[string(rec.Kind)+rec.End]++
				}
			}
			want := map[string]int{"intent": 1, "outcomecancelled": 1}
			if fails {
				want = map[string]int{}
			}
			if fmt.Sprint(ends) != fmt.Sprint(want) {
				t.Fatalf("the records of the call: %v, want %v", ends, want)
			}
		})
	}
}

// TestQueueFull refuses when records come faster than the disk takes them, and counts nothing for what it refuses.
func TestQueueFull(t *testing.T) {
	r := &rig{t: t, dir: fastDir(t), clock: &testClock{at: time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC)}}
	r.opts.Audit.Queue = 10
	r.open()
	let := r.disk.hold()
	var held []Reservation
	for {
		res, err := r.e.Reserve(t.Context(), r.request(audit.Async, 0))
		var unavailable *UnavailableError
		if errors.As(err, &unavailable) {
			if !unavailable.Busy || !errors.Is(err, audit.ErrBusy) {
				t.Fatalf("when the queue is full: %v", err)
			}
			break
		}
		held = append(held, res)
	}
	if len(held) < 8 || len(held) > 11 {
		t.Fatalf("%d calls were admitted with a queue of 10", len(held))
	}
	for _, res := range held {
		r.settle(res, 0) // what has happened is taken all the same
	}
	let()
	r.check()
	if s := r.e.Stats(); s.Admitted != uint64(len(held)) || s.Queued != 0 {
		t.Fatalf("Stats: %+v", s)
	}
	if err := r.e.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestCloseWaits closes a ledger with calls in every state. Nothing runs afterwards, which synctest sees.
func TestCloseWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &rig{t: t, dir: fastDir(t), clock: &testClock{at: time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC)}}
		r.open(dailyBudget("team", 10_000))
		ctx, cancel := context.WithCancel(t.Context())
		r.reserve(r.request(audit.Async, 10, "team"))
		let := r.disk.hold()
		var callers sync.WaitGroup
		for i := range 8 {
			q := r.request(audit.Strict, 10, "team")
			callers.Go(func() {
				own := t.Context()
				if i%2 == 0 {
					own = ctx
				}
				if res, err := r.e.Reserve(own, q); err == nil {
					_ = res.Settle(context.Background(), &audit.Record{End: endAnswered, Cost: 10}) // closed, or just before
				}
			})
		}
		synctest.Wait()
		cancel()
		synctest.Wait()
		closed := make(chan error)
		go func() { closed <- r.e.Close() }()
		synctest.Wait()
		select {
		case err := <-closed:
			t.Fatalf("Close did not wait: %v", err)
		default:
		}
		let()
		if err := <-closed; err != nil {
			t.Fatal(err)
		}
		callers.Wait()
	})
}

// TestSecondProcess names the file that another ledger has open.
func TestSecondProcess(t *testing.T) {
	r := newRig(t)
	var locked *store.LockedError
	if e, err := Open(&Options{Dir: r.dir}); !errors.As(err, &locked) {
		t.Fatalf("a second Open: %v, %v", e, err)
	}
}

// TestFilesDoNotBelongTogether refuses a log that is older than the checkpoint, and one that begins after it.
func TestFilesDoNotBelongTogether(t *testing.T) {
	budget := dailyBudget("team", 1000)
	r := newRig(t, budget)
	r.settle(r.reserve(r.request(audit.Strict, 10, "team")), 10)
	if err := r.e.Close(); err != nil {
		t.Fatal(err)
	}
	aside := filepath.Join(r.dir, "aside")
	rename(t, filepath.Join(r.dir, "audit"), aside)
	if e, err := Open(&Options{Dir: r.dir}); err == nil {
		t.Fatalf("a ledger without its log is open: %v", errors.Join(e.Close()))
	}
	removeAll(t, filepath.Join(r.dir, "audit"))
	rename(t, aside, filepath.Join(r.dir, "audit"))
	removeAll(t, filepath.Join(r.dir, fileName)) // it is only a checkpoint
	r.open(budget)
	r.want("team", 10, 0, 0)
}
