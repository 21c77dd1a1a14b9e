// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// spent is an amount of the exact model.
type spent struct {
	at     time.Time
	amount int64
}

// within is what was spent in the window of this length that ends at now.
func within(all []spent, now time.Time, window time.Duration) (sum int64) {
	for _, s := range all {
		if s.at.Add(window).After(now) {
			sum += s.amount
		}
	}
	return sum
}

func drawWindow(t *rapid.T) time.Duration {
	return rapid.OneOf(rapid.SampledFrom([]time.Duration{minWindow, minWindow + 1, time.Hour, 24 * time.Hour, maxWindow}),
		rapid.Map(rapid.Int64Range(int64(minWindow), int64(maxWindow)), func(n int64) time.Duration { return time.Duration(n) })).Draw(t, "window")
}

// TestRollingModel compares with all amounts one by one: the window never counts less, and more only for one width.
func TestRollingModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newRolling(drawWindow(t))
		now := time.Unix(rapid.Int64Range(0, 1<<31).Draw(t, "now"), 0).UTC()
		var all []spent
		for range rapid.IntRange(1, 150).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(r.window)/rapid.SampledFrom([]int64{1, 20, 200}).Draw(t, "pace")).Draw(t, "advance")))
			switch amount := rapid.Int64Range(1, 100).Draw(t, "amount"); rapid.IntRange(0, 5).Draw(t, "step") {
			case 0: // a call that began some time ago has ended
				ago := rapid.OneOf(rapid.Int64Range(0, 2*int64(r.window)), rapid.Int64Range(int64(r.window-4*r.width), int64(r.window+4*r.width))).Draw(t, "ago")
				at := now.Add(-time.Duration(ago))
				if !r.add(at, amount) {
					t.Fatal("add refuses a small amount")
				}
				all = append(all, spent{at, amount})
			case 1: // one has cost less than was reserved
				if len(all) > 0 {
					s := &all[rapid.IntRange(0, len(all)-1).Draw(t, "which")]
					less := rapid.Int64Range(0, s.amount).Draw(t, "less")
					s.amount -= less
					r.lower(s.at, less)
				}
			case 2:
				decoded, err := decodeRolling(r.encode())
				if err != nil || !slices.Equal(decoded.cells, r.cells) || decoded.window != r.window || decoded.width != r.width {
					t.Fatalf("encoded and decoded: %+v, %v; want %+v", decoded, err, r)
				}
				r = decoded.clone()
			default:
				r.add(now, amount)
				all = append(all, spent{now, amount})
			}
			checkRolling(t, r, all, now)
		}
	})
}

func checkRolling(t *rapid.T, r *rolling, all []spent, now time.Time) {
	sum := r.sum(now)
	if low, high := within(all, now, r.window), within(all, now, r.window+r.width); sum < low || sum > high {
		t.Fatalf("%d count, want from %d to %d", sum, low, high)
	}
	if len(r.cells) > rollingCells {
		t.Fatalf("%d cells, want at most %d", len(r.cells), rollingCells)
	}
	if end := r.end(now); r.sum(end) != 0 || sum > 0 && r.sum(end.Add(-1)) == 0 {
		t.Fatalf("all is said to be free at %v", end)
	}
	amount := rapid.Int64Range(0, 2*sum+1).Draw(t, "asked")
	at, ok := r.free(now, amount)
	switch {
	case ok != (amount <= sum):
		t.Fatalf("%d of %d become free: %t", amount, sum, ok)
	case !ok || amount == 0:
		return
	}
	if r.sum(at) > sum-amount || r.sum(at.Add(-1)) <= sum-amount {
		t.Fatalf("%d of %d become free at %v, then %d count, just before %d", amount, sum, at, r.sum(at), r.sum(at.Add(-1)))
	}
}

// TestRollingNeverOverAdmits has calls that reserve their ceiling, end much later or never, and cost less or all of it. No
// window ever sees more than the limit, by the times at which the calls began.
func TestRollingNeverOverAdmits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const limit = 100
		r := newRolling(time.Hour)
		now := time.Unix(1<<30, 0).UTC()
		var calls []*spent // all that were admitted, with the most that each may have cost
		var open []int     // those under way
		var reserved int64
		for range rapid.IntRange(1, 150).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(time.Hour/rapid.SampledFrom([]time.Duration{1, 10, 100}).Draw(t, "pace"))).Draw(t, "advance")))
			if len(open) > 0 && rapid.Bool().Draw(t, "end") {
				i := rapid.IntRange(0, len(open)-1).Draw(t, "which")
				call := calls[open[i]]
				reserved -= call.amount
				call.amount = rapid.Int64Range(0, call.amount).Draw(t, "cost")
				r.add(call.at, call.amount)
				open = append(open[:i], open[i+1:]...)
			} else if cost := rapid.Int64Range(0, 40).Draw(t, "ceiling"); r.sum(now)+reserved+cost <= limit {
				open = append(open, len(calls))
				calls = append(calls, &spent{now, cost})
				reserved += cost
			}
			var all []spent
			for _, c := range calls {
				all = append(all, *c)
			}
			if sum := within(all, now, time.Hour); sum > limit {
				t.Fatalf("%d were spent in an hour, the limit is %d", sum, limit)
			}
		}
	})
}

func TestRollingOverflow(t *testing.T) {
	r := newRolling(time.Hour)
	now := time.Unix(1<<30, 0)
	if !r.add(now, math.MaxInt64) || r.add(now, 1) || r.sum(now) != math.MaxInt64 {
		t.Errorf("one more than int64 holds was added: %d", r.sum(now))
	}
	if !r.add(now.Add(10*time.Minute), 5) || r.sum(now.Add(10*time.Minute)) != math.MaxInt64 {
		t.Errorf("two cells: %d", r.sum(now.Add(10*time.Minute)))
	}
	if r.add(now, -1) {
		t.Error("a negative amount was added")
	}
}

func FuzzDecodeRolling(f *testing.F) {
	r := newRolling(time.Hour)
	f.Add(r.encode())
	for i := range 100 {
		r.add(time.Unix(1<<30, 0).Add(time.Duration(i)*time.Minute), 1<<i%60)
	}
	f.Add(r.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decodeRolling(b)
		if err != nil {
			return
		}
		again, err := decodeRolling(r.encode())
		if err != nil || !slices.Equal(again.cells, r.cells) || again.window != r.window {
			t.Errorf("%x decoded, encoded and decoded: %+v, %v; want %+v", b, again, err, r)
		}
		for _, c := range r.cells {
			if now := r.until(c.index); r.counts(c.index, now) || !r.counts(c.index, now.Add(-1)) {
				t.Errorf("cell %d counts until %v", c.index, now)
			}
		}
	})
}

func BenchmarkRolling(b *testing.B) {
	r := newRolling(time.Hour)
	now := time.Unix(1<<30, 0)
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(time.Second)
		r.add(now, 10)
		r.sum(now)
	}
}
