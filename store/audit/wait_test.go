// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestWait: each of many waiters wakes with the record that it waits for, not before; nobody else is disturbed.
func TestWait(t *testing.T) {
	dir := private(t)
	synctest.Test(t, func(t *testing.T) {
		l, err := Open(&Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex // guards woken
		woken := map[uint64]int{}
		for i := range uint64(60) {
			go func() {
				if err := l.Wait(t.Context(), i/3); err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				woken[i/3]++
			}()
		}
		for i := range 20 {
			synctest.Wait()
			mu.Lock()
			if len(woken) != i {
				t.Errorf("with %d records those are awake that wait for %v", i, woken)
			}
			mu.Unlock()
			add(t, l, numbered(i, 1)...)
		}
		synctest.Wait()
		for size, n := range woken {
			if n != 3 {
				t.Errorf("%d of 3 woke behind record %d", n, size)
			}
		}
		if err := l.Wait(t.Context(), 19); err != nil {
			t.Errorf("for what is there: %v", err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestWaitEnds: with its context, and with the log, when that has written what was queued.
func TestWaitEnds(t *testing.T) {
	dir := private(t)
	synctest.Test(t, func(t *testing.T) {
		disk := newFaults()
		l, err := Open(&Options{Dir: dir, Disk: disk})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := l.Wait(ctx, 0); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Wait = %v", err)
		}
		var group sync.WaitGroup
		for range 5 {
			group.Go(func() {
				if err := l.Wait(t.Context(), 1); err != nil {
					t.Errorf("for a record that was queued: %v", err)
				}
				if err := l.Wait(t.Context(), 2); !errors.Is(err, ErrClosed) {
					t.Errorf("for a record that never came: %v", err)
				}
			})
		}
		let := disk.hold(OpCommit)
		for _, text := range numbered(0, 2) {
			if _, err := l.Append(Entry{Text: []byte(text), Keep: true}); err != nil {
				t.Fatal(err)
			}
		}
		group.Go(func() {
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		let()
		group.Wait()
		if err := l.Wait(t.Context(), 2); !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
		if err := l.Wait(ctx, 0); err != nil {
			t.Errorf("for what is there: %v", err)
		}
	})
	l, err := OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(l.Wait(t.Context(), 1), l.Close()); err != nil {
		t.Errorf("of a reader, for what is there: %v", err)
	}
	if err := l.Wait(t.Context(), 2); !errors.Is(err, ErrReadOnly) {
		t.Errorf("of a reader, for what never comes: %v", err)
	}
}

// TestWaitFollows: who reads on whenever Wait returns has all records, each once, while many write and segments end.
func TestWaitFollows(t *testing.T) {
	const writers, each, total = 4, 200, 4 * 200
	l := open(t, &Options{Dir: private(t), SegmentRecords: 150})
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() {
			seen := map[string]bool{}
			for next := uint64(0); next < total; {
				if err := l.Wait(t.Context(), next); err != nil {
					t.Error(err)
					return
				}
				before := next
				for r, err := range l.Scan(t.Context(), next, ^uint64(0)) {
					if err != nil || r.Seq != next || seen[string(r.Text)] {
						t.Errorf("record %d %q where %d is due: %v", r.Seq, r.Text, next, err)
						return
					}
					seen[string(r.Text)] = true
					next++
				}
				if next == before {
					t.Errorf("Wait returned at %d, and there was nothing", next)
					return
				}
			}
		})
	}
	for w := range writers {
		group.Go(func() {
			for i := range each {
				r, err := l.Append(Entry{Text: fmt.Appendf(nil, "%d of %d", i, w), Keep: true})
				if i%7 == 0 && err == nil {
					err = r.Wait(t.Context())
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
}

// TestWaitIsCheap: for what is there, and for the writer when nobody waits.
func TestWaitIsCheap(t *testing.T) {
	l := open(t, &Options{Dir: private(t)})
	add(t, l, "0")
	if n := testing.AllocsPerRun(100, func() {
		if err := l.Wait(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("Wait for what is there allocates %v times", n)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting != nil {
		t.Error("the writer has somebody to wake and nobody waits")
	}
}
