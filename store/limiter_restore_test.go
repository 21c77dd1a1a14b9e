// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestRestore restarts a limiter: what was used before counts as long as it would have.
func TestRestore(t *testing.T) {
	for _, rate := range []int64{3, exactUses + 3} {
		clk := newClock()
		c := hour(rate)
		c.Durable = true
		restart := func() *Limiter {
			clk.t = newClock().t.Add(2 * time.Hour)
			return NewLimiter(&LimiterOptions{Now: clk.now})
		}
		ago := func(d time.Duration) time.Time { return clk.t.Add(-d) }

		l := restart()
		l.Restore(&c, ago(40*time.Minute), rate-1)
		admit(t, l, c)
		if e := refuse(t, l, c); e.RetryAfter != 20*time.Minute || e.Used != rate {
			t.Errorf("rate %d: %d used, retry after %v; want all, and 20m", rate, e.Used, e.RetryAfter)
		}
		if e := refuse(t, l, c); e.Claim != c {
			t.Errorf("the error is about %+v, want %+v", e.Claim, c)
		}
		clk.advance(20 * time.Minute)
		admit(t, l, c)

		l = restart() // nothing of this counts
		l.Restore(&c, ago(time.Hour), rate)
		l.Restore(&c, time.Time{}, rate)
		l.Restore(&c, ago(0), 0)
		l.Restore(&c, ago(0), -1)
		l.Restore(&Claim{ID: c.ID, Key: c.Key, Concurrency: rate}, ago(0), rate)
		l.Restore(&Claim{ID: c.ID, Key: c.Key}, ago(0), rate)
		for range rate {
			admit(t, l, c)
		}

		l = restart() // the clock was set back: a day ahead is now
		l.Restore(&c, ago(-24*time.Hour), rate)
		if e := refuse(t, l, c); e.RetryAfter != time.Hour {
			t.Errorf("rate %d: uses of the future: retry after %v, want the window", rate, e.RetryAfter)
		}

		l = restart() // of more uses than the limit the newest decide
		l.Restore(&c, ago(30*time.Minute), math.MaxInt64)
		l.Restore(&c, ago(10*time.Minute), 1)
		l.Restore(&c, ago(50*time.Minute), 7)
		if e := refuse(t, l, c); e.Used != rate || e.RetryAfter != 30*time.Minute {
			t.Errorf("rate %d: too many uses: %d used, retry after %v; want %d and 30m", rate, e.Used, e.RetryAfter, rate)
		}
	}
}

// TestRestoreByTheWallClock restores what another process has used, whose monotonic clock says nothing here.
func TestRestoreByTheWallClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		used := time.Now().Round(0)
		<-time.After(time.Minute)
		l := NewLimiter(nil)
		<-time.After(time.Minute)
		c := hour(1)
		l.Restore(&c, used, 1)
		if e := refuse(t, l, c); e.RetryAfter != 58*time.Minute {
			t.Errorf("retry after %v, want 58m", e.RetryAfter)
		}
	})
}

// TestRestoreModel restarts at a random moment: from then on an exact limiter answers as if nothing had happened, in
// whatever order the uses come back.
func TestRestoreModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		clk := newClock()
		l, never := NewLimiter(&LimiterOptions{Now: clk.now}), NewLimiter(&LimiterOptions{Now: clk.now})
		c := Claim{ID: "l", Rate: rapid.Int64Range(1, 6).Draw(t, "rate"), Window: time.Duration(rapid.Int64Range(1, 20).Draw(t, "window")), Durable: true}
		var uses []time.Time
		for range rapid.IntRange(1, 100).Draw(t, "steps") {
			clk.advance(time.Duration(rapid.IntRange(0, 6).Draw(t, "advance")))
			if rapid.IntRange(0, 9).Draw(t, "restart") == 0 {
				l = NewLimiter(&LimiterOptions{Now: clk.now})
				for _, at := range rapid.Permutation(uses).Draw(t, "order") {
					l.Restore(&c, at, 1)
				}
			}
			_, want := never.Admit([]Claim{c})
			_, got := l.Admit([]Claim{c})
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("after a restart, at %v with uses at %v: (-want +got)\n%s", clk.t, uses, diff)
			}
			if want == nil {
				uses = append(uses, clk.t)
			}
		}
	})
}

// TestRestoreBuckets restarts with a high rate: no window has more uses than the limit, whatever the order, and in the
// order of time a use counts for 64/63 of a window at most.
func TestRestoreBuckets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		clk := newClock()
		l := NewLimiter(&LimiterOptions{Now: clk.now})
		c := Claim{ID: "l", Rate: exactUses + 1, Window: time.Duration(rapid.SampledFrom([]int64{1, 63, 64, 1000, 1e9}).Draw(t, "window")), Durable: true}
		late := (c.Window + bucketCount - 2) / (bucketCount - 1)
		ordered := rapid.Bool().Draw(t, "ordered")
		type burst struct {
			at time.Time
			n  int64
		}
		var uses []burst
		within := func(d time.Duration) (n int64) {
			for _, b := range uses {
				if b.at.Add(d).After(clk.t) {
					n += b.n
				}
			}
			return n
		}
		for range rapid.IntRange(1, 150).Draw(t, "steps") {
			clk.advance(time.Duration(rapid.Int64Range(0, int64(c.Window)/30+1).Draw(t, "advance")))
			if rapid.IntRange(0, 19).Draw(t, "restart") == 0 {
				l = NewLimiter(&LimiterOptions{Now: clk.now})
				back := uses
				if !ordered {
					back = rapid.Permutation(uses).Draw(t, "order")
				}
				for _, b := range back {
					l.Restore(&c, b.at, b.n)
				}
			}
			b := burst{at: clk.t}
			for range rapid.SampledFrom([]int{1, 5, 20, 100}).Draw(t, "burst") {
				_, err := l.Admit([]Claim{c})
				if _, exceeded := errors.AsType[*ExceededError](err); !exceeded {
					b.n++
				} else if n := b.n + within(c.Window+late); ordered && n < c.Rate {
					t.Fatalf("refused after %d uses in a window and the width of a bucket, the limit is %d", n, c.Rate)
				}
			}
			uses = append(uses, b)
			if n := within(c.Window); n > c.Rate {
				t.Fatalf("%d uses in a window, the limit is %d", n, c.Rate)
			}
			if b := l.shards[l.shardOf(&c)].counter(&c).(*bucketLog); len(b.all.slice) > bucketCount {
				t.Fatalf("%d buckets, want at most %d", len(b.all.slice), bucketCount)
			}
		}
	})
}

// TestRestoreInNoOrder restores uses between others, so that there are more buckets than a counter keeps: none is lost, and
// each counts for a few widths longer at most.
func TestRestoreInNoOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const width, most = 100, int64(1e6)
		c := newCounter(counterKey{most: most, window: width * (bucketCount - 1)}).(*bucketLog)
		var uses []time.Duration
		use := func(at time.Duration) { // buckets with one use and buckets with two, as far apart as possible
			c.used(at)
			c.add(at)
			uses = append(uses, at)
		}
		now := time.Duration(0)
		for ; now < c.window-2*width; now += 2 * width {
			use(now)
			use(now + width)
			use(now + 2*width - 1)
		}
		for range rapid.IntRange(0, 100).Draw(t, "restored") {
			at := time.Duration(rapid.Int64Range(1-int64(width), int64(now)).Draw(t, "at"))
			c.used(now)
			c.restore(at, 1, most)
			uses = append(uses, at)
			if rapid.IntRange(0, 9).Draw(t, "step") == 0 {
				now += width
				use(now)
			}
		}
		for ; c.used(now) > 0; now += width / 3 {
			exact := func(window time.Duration) (n int64) {
				for _, at := range uses {
					if at+window > now {
						n++
					}
				}
				return n
			}
			if n := c.used(now); n < exact(c.window) || n > exact(c.window+4*width) {
				t.Fatalf("at %d: %d uses count, want from %d to %d", now, n, exact(c.window), exact(c.window+4*width))
			}
			sum := int64(0)
			for i := range c.all.n {
				sum += c.all.at(i).n
				if i > 0 && c.gap(i) < 0 {
					t.Fatalf("bucket %d is before bucket %d", i, i-1)
				}
			}
			if sum != c.total || c.all.n > bucketCount || len(c.all.slice) > bucketCount {
				t.Fatalf("%d uses in %d buckets, want %d in at most %d", sum, c.all.n, c.total, bucketCount)
			}
		}
	})
}
