// SPDX-License-Identifier: Apache-2.0

package alert

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	rules "tollgate/policy/alert"
	"tollgate/store/ledger"
	"tollgate/upstream"
)

// TestCounterEnds: which ends count as what.
func TestCounterEnds(t *testing.T) {
	c := NewCounter(nil)
	for _, end := range []string{"answered", "task", "upstream_failed", "gateway_failed", "lost", "refused", "unknown", "cancelled", "input_required"} {
		c.Note(end)
	}
	got := c.Calls()
	if diff := cmp.Diff(rules.Calls{Total: 8, Answered: 2, Failed: 3, Refused: 2}, got); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	if got.ErrorRate() != 0.6 || got.RefusalRate() != 0.25 {
		t.Errorf("rates %v and %v", got.ErrorRate(), got.RefusalRate())
	}
	var none *Counter
	none.Note("answered")
	if none.Calls() != (rules.Calls{}) {
		t.Error("a nil counter counts")
	}
}

// TestCounterWindow compares with a list of all calls, at random times.
func TestCounterWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start := time.Unix(1_800_000_000, 0)
		now := start
		c := NewCounter(func() time.Time { return now })
		var made []int64
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(40*time.Second)).Draw(t, "pause")))
			if rapid.IntRange(0, 30).Draw(t, "rest") == 0 {
				now = now.Add(time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "long")))
			}
			bucket := int64(now.Sub(start) / bucketTime)
			for range rapid.IntRange(0, 3).Draw(t, "calls") {
				c.Note("answered")
				made = append(made, bucket)
			}
			var want int64
			for _, b := range made {
				if b > bucket-buckets {
					want++
				}
			}
			if got := c.Calls().Answered; got != want {
				t.Fatalf("%d calls at %v, want %d", got, now.Sub(start), want)
			}
		}
	})
}

// TestCounterIsExact: no call is lost, however many are counted at once.
func TestCounterIsExact(t *testing.T) {
	c := NewCounter(nil)
	var wg sync.WaitGroup
	const callers, calls = 16, 2000
	for range callers {
		wg.Go(func() {
			for range calls {
				c.Note("refused")
			}
		})
	}
	wg.Wait()
	if got := c.Calls().Refused; got != callers*calls {
		t.Errorf("%d calls, want %d", got, callers*calls)
	}
}

// TestOverruns: a count since the start becomes one of the last minutes, also across a ledger that starts anew.
func TestOverruns(t *testing.T) {
	var o overruns
	at := time.Unix(1_800_000_000, 0)
	for _, step := range []struct {
		pause time.Duration
		n     uint64
		want  int64
	}{{0, 1, 1}, {time.Minute, 1, 1}, {time.Minute, 4, 4}, {3 * time.Minute, 4, 3}, {2 * time.Minute, 4, 0}, {time.Minute, 5, 1}, {time.Minute, 2, 2}, {10 * time.Minute, 2, 0}} {
		at = at.Add(step.pause)
		if got := o.add(at, step.n); got != step.want {
			t.Errorf("%d since the start: %d in the last minutes, want %d", step.n, got, step.want)
		}
	}
	for range 10_000 {
		at = at.Add(10 * time.Second)
		o.add(at, 9)
	}
	if len(o.samples) > 32 {
		t.Errorf("%d samples are kept", len(o.samples))
	}
}

// counts is a ledger of which only what alerts read is there.
type counts struct {
	ledger.Ledger
	balances []ledger.Balance
	err      error
}

func (c *counts) Stats() ledger.Stats { return ledger.Stats{Queued: 7} }
func (c *counts) Available() error    { return c.err }
func (c *counts) Balances(_ context.Context, q *ledger.BalanceQuery) ([]ledger.Balance, error) {
	return c.balances[:min(len(c.balances), q.Limit)], c.err
}

// TestSource: a ledger that is down is part of the snapshot, and so is that there are more accounts than are looked at.
func TestSource(t *testing.T) {
	down := errors.New("disk full")
	s := &Source{Ledger: &counts{err: down}, Upstreams: func() []upstream.Status { return []upstream.Status{{Name: "a"}} }}
	snap, err := s.Snapshot(t.Context())
	if err != nil || !errors.Is(snap.Available, down) || !errors.Is(snap.BudgetsErr, down) || snap.Ledger.Queued != 7 || len(snap.Upstreams) != 1 {
		t.Errorf("%+v, %v", snap, err)
	}
	s = &Source{Ledger: &counts{balances: make([]ledger.Balance, maxAccounts+5)}}
	if snap, err = s.Snapshot(t.Context()); err != nil || len(snap.Budgets) != maxAccounts || snap.BudgetsErr == nil {
		t.Errorf("%d accounts, %v, %v", len(snap.Budgets), snap.BudgetsErr, err)
	}
	if snap, err = (&Source{}).Snapshot(t.Context()); err != nil || snap == nil {
		t.Errorf("%v, %v", snap, err)
	}
}

// TestStates: the states that rules know are those that upstreams have.
func TestStates(t *testing.T) {
	for _, state := range []upstream.State{upstream.Connecting, upstream.Ready, upstream.Degraded, upstream.Failed, upstream.Disabled} {
		if _, err := rules.Compile([]rules.Rule{{Name: "r", When: fmt.Sprintf("upstream.state == %q", state)}}); err != nil {
			t.Error(err)
		}
	}
	if _, err := rules.Compile(builtin()); err != nil {
		t.Error(err)
	}
}

func BenchmarkNote(b *testing.B) {
	c := NewCounter(nil)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			c.Note("answered")
		}
	})
}

// BenchmarkLook is one evaluation of 10 rules over 1,000 accounts of which a tenth fires.
func BenchmarkLook(b *testing.B) {
	var list []rules.Rule
	for i := range 10 {
		list = append(list, rules.Rule{Name: fmt.Sprint(i), Index: i, When: "budget.used_ratio >= 0.9 && budget.name != \"x\""})
	}
	set, err := rules.Compile(list)
	if err != nil {
		b.Fatal(err)
	}
	snap := &Snapshot{}
	for i := range 1000 {
		snap.Budgets = append(snap.Budgets, ledger.Balance{Budget: "b", Name: "b", Account: fmt.Sprint(i), Limit: 100, Settled: int64(i%10) * 10})
	}
	w, err := New(&Options{Rules: set, Snapshot: func(context.Context) (*Snapshot, error) { return snap, nil }})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		w.look(b.Context())
	}
}
