// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"tollgate/store/audit"
)

// TestSlowDisk has a disk that takes seconds for each commit. Calls wait for it or are told that the ledger is busy, none is
// answered before it is on disk, and once the disk is fast again nobody has to do anything.
func TestSlowDisk(t *testing.T) {
	dir := fastDir(t)
	synctest.Test(t, func(t *testing.T) {
		const slow, calls = 3 * time.Second, 60
		r := &rig{t: t, dir: dir, clock: &testClock{at: time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC)}}
		r.opts.Audit.Queue = 16
		r.open(dailyBudget("team", 400))
		r.disk.delay(slow)
		var mu sync.Mutex // guards what follows
		admitted, busy, exceeded := map[string]bool{}, 0, 0
		var callers sync.WaitGroup
		for range calls {
			q := r.request(audit.Strict, 10, "team")
			callers.Go(func() {
				began := time.Now()
				res, err := r.e.Reserve(context.Background(), q)
				waited := time.Since(began)
				if err == nil {
					began = time.Now()
					err = res.Settle(context.Background(), &audit.Record{End: endAnswered, Cost: 10})
					if settled := time.Since(began); settled < slow || settled > 3*slow {
						t.Errorf("a strict call is settled after %v on a disk that takes %v", settled, slow)
					}
					if waited < slow || waited > 3*slow {
						t.Errorf("a strict call goes upstream after %v on a disk that takes %v", waited, slow)
					}
				}
				mu.Lock()
				defer mu.Unlock()
				var unavailable *UnavailableError
				switch {
				case err == nil:
					admitted[q.Record.ID] = true
				case errors.As(err, &unavailable) && unavailable.Busy && errors.Is(err, audit.ErrBusy):
					busy++
					if waited > 0 {
						t.Errorf("a call is refused after %v", waited)
					}
				case errors.As(err, new(*ExceededError)):
					exceeded++
				default:
					t.Errorf("a call on a slow disk: %v", err)
				}
			})
		}
		callers.Wait()
		if len(admitted) < 10 || len(admitted) > 40 || busy == 0 || len(admitted)+busy+exceeded != calls {
			t.Errorf("%d calls were admitted, %d found the ledger busy, %d the budget used up", len(admitted), busy, exceeded)
		}
		r.disk.delay(0)
		r.settle(r.reserve(r.request(audit.Strict, 0)), 0)
		r.check()
		r.want("team", int64(10*len(admitted)), 0, 0)
		for _, rec := range r.records() {
			if rec.Kind == audit.Outcome && rec.End == endAnswered {
				delete(admitted, rec.ID)
			}
		}
		if len(admitted) > 0 {
			t.Errorf("%d calls were answered and have no outcome", len(admitted))
		}
		if err := r.e.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestDiskFullForReal fills a small file system under load; only root can mount one.
func TestDiskFullForReal(t *testing.T) {
	dir := t.TempDir()
	if err := mountTmpfs(dir, "size=6m,mode=0700"); err != nil {
		t.Skipf("a small file system cannot be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := unmount(dir); err != nil {
			t.Error(err)
		}
	})
	r := &rig{t: t, dir: filepath.Join(dir, "state"), clock: &testClock{at: time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC)}}
	r.open(dailyBudget("team", 1_000_000))
	t.Cleanup(func() {
		if err := r.e.Close(); err != nil {
			t.Error(err)
		}
	})
	held := r.reserve(r.request(audit.Durable, 10, "team"))
	filler := filepath.Join(dir, "filler")
	if err := os.WriteFile(filler, make([]byte, 8<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("filling the disk: %v", err)
	}
	spent, answered := int64(0), map[string]bool{}
	var unavailable *UnavailableError
	for i := 0; unavailable == nil && i < 100_000; i++ {
		q := r.request([]audit.Class{audit.Strict, audit.Durable, audit.Async}[i%3], 10, "team")
		q.Record.Input = fmt.Appendf(nil, "%q", strings.Repeat("x", 1000))
		res, err := r.e.Reserve(t.Context(), q)
		if err == nil {
			spent += 10
			answered[q.Record.ID] = true
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			err = res.Settle(ctx, &audit.Record{End: endAnswered, Cost: 10})
			cancel()
			if errors.Is(err, context.DeadlineExceeded) {
				err = nil // it is written when there is room
			}
		}
		if err != nil && !errors.As(err, &unavailable) {
			t.Fatalf("a call on a full disk: %v", err)
		}
	}
	failed, ok := errors.AsType[*audit.FailedError](unavailable)
	if !ok || !failed.DiskFull {
		t.Fatalf("the error of a full disk: %v", unavailable)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	r.settle(held, 10)
	spent += 10
	r.eventually(func() bool { return r.e.Available() == nil })
	r.settle(r.reserve(r.request(audit.Strict, 10, "team")), 10)
	spent += 10
	r.check()
	if b := r.balance("team"); b.Settled != spent || b.Reserved != 0 {
		t.Errorf("after the disk was full: %+v, want %d spent", b, spent)
	}
	for _, rec := range r.records() {
		if rec.Kind == audit.Outcome {
			delete(answered, rec.ID)
		}
	}
	if len(answered) > 0 {
		t.Errorf("%d calls have no outcome", len(answered))
	}
}
