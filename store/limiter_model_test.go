// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"fmt"
	"sort"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// naive is what the limiter is to be: it remembers everything and looks at all of it each time.
type naive struct {
	uses    map[Claim][]time.Time
	running map[Claim]int64
	latest  time.Time
}

func (m *naive) see(read time.Time) {
	if read.After(m.latest) {
		m.latest = read
	}
}

// admit is what [Limiter.Admit] must answer when the clock shows read.
func (m *naive) admit(claims []Claim, read time.Time) *ExceededError {
	m.see(read)
	var worst *ExceededError
	asked := map[Claim]int64{}
	for _, c := range claims {
		asked[c]++
		e := &ExceededError{Claim: c, Used: m.running[c]}
		if c.Rate > 0 {
			var counting []time.Time
			for _, at := range m.uses[c] {
				if at.Add(c.Window).After(m.latest) {
					counting = append(counting, at)
				}
			}
			e.Used = int64(len(counting))
			e.RetryAfter = c.Window + m.latest.Sub(read)
			if over := e.Used + asked[c] - c.Rate; over > 0 && over <= e.Used {
				e.RetryAfter = counting[over-1].Add(c.Window).Sub(read)
			}
		}
		if e.Used+asked[c] > c.most() && (worst == nil || e.RetryAfter > worst.RetryAfter) {
			worst = e
		}
	}
	if worst != nil {
		return worst
	}
	for _, c := range claims {
		if c.Rate > 0 {
			m.uses[c] = append(m.uses[c], m.latest)
		} else {
			m.running[c]++
		}
	}
	return nil
}

func drawLimits(t *rapid.T) []Claim {
	var limits []Claim
	for i := range rapid.IntRange(1, 5).Draw(t, "limits") {
		c := Claim{Limit: "l", ID: fmt.Sprint(i / 2), Key: fmt.Sprint(i)}
		if rapid.IntRange(0, 3).Draw(t, "kind") == 0 {
			c.Concurrency = rapid.Int64Range(1, 3).Draw(t, "concurrency")
		} else {
			c.Rate = rapid.Int64Range(1, 6).Draw(t, "rate")
			c.Window = time.Duration(rapid.Int64Range(1, 20).Draw(t, "window"))
		}
		limits = append(limits, c)
	}
	return limits
}

// TestLimiterModel does random things and compares every answer with the naive one, which is exact.
func TestLimiterModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		clk := newClock()
		l := NewLimiter(&LimiterOptions{Now: clk.now})
		m := &naive{uses: map[Claim][]time.Time{}, running: map[Claim]int64{}, latest: clk.t}
		limits := drawLimits(t)
		back := rapid.SampledFrom([]int{0, -15}).Draw(t, "back")
		type running struct {
			admitted *Admitted
			claims   []Claim
		}
		var calls []running
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			clk.advance(time.Duration(rapid.IntRange(back, 6).Draw(t, "advance")))
			if len(calls) > 0 && rapid.IntRange(0, 3).Draw(t, "end") == 0 {
				call := rapid.SampledFrom(calls).Draw(t, "call")
				call.admitted.Release()
				for i, c := range call.claims {
					if c.Concurrency > 0 {
						m.running[c]--
					}
					call.claims[i] = Claim{} // it may end again
				}
			}
			sweep := rapid.IntRange(0, 9).Draw(t, "sweep") == 0
			if sweep || back < 0 { // a shard that has not seen the latest time does not agree with the model about it
				m.see(clk.t)
				now := l.lock(^shardSet(0), clk.t.Sub(newClock().t))
				for i := range l.shards {
					if sweep {
						l.shards[i].sweep(now)
					}
				}
				l.unlock(^shardSet(0))
			}
			claims := rapid.SliceOfN(rapid.SampledFrom(limits), 0, 10).Draw(t, "claims")
			want := m.admit(claims, clk.t)
			a, err := l.Admit(claims)
			got, exceeded := errors.AsType[*ExceededError](err)
			if (err != nil) != exceeded || exceeded != (want != nil) || exceeded && *got != *want || exceeded != (a == nil) {
				t.Fatalf("Admit(%+v) = %v, %+v; want %+v", claims, a, err, want)
			}
			if !exceeded {
				calls = append(calls, running{a, claims})
			}
		}
	})
}

// TestBucketsModel holds the engine of high rates against what it promises: never more than the limit in any window, a
// refusal only when the limit was used within 64/63 of a window, and exact times to try again.
func TestBucketsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		clk := newClock()
		l := NewLimiter(&LimiterOptions{Now: clk.now})
		c := Claim{ID: "l", Rate: rapid.Int64Range(exactUses+1, exactUses+200).Draw(t, "rate")}
		c.Window = time.Duration(rapid.SampledFrom([]int64{1, 2, 62, 63, 64, 65, 100, 10_000, 1e9}).Draw(t, "window"))
		late := (c.Window + bucketCount - 2) / (bucketCount - 1)
		claims := []Claim{c}
		var uses []time.Time // of all time
		within := func(d time.Duration) int64 {
			return int64(len(uses) - sort.Search(len(uses), func(i int) bool { return uses[i].Add(d).After(clk.t) }))
		}
		try := func() *ExceededError {
			_, err := l.Admit(claims)
			e, exceeded := errors.AsType[*ExceededError](err)
			if !exceeded {
				uses = append(uses, clk.t)
				if n := within(c.Window); n > c.Rate {
					t.Fatalf("%d uses in a window, the limit is %d", n, c.Rate)
				}
			} else if n := within(c.Window + late); n < c.Rate {
				t.Fatalf("refused after %d uses in a window and the width of a bucket, the limit is %d", n, c.Rate)
			}
			return e
		}
		for range rapid.IntRange(1, 100).Draw(t, "steps") {
			clk.advance(time.Duration(rapid.Int64Range(0, int64(c.Window)/8+1).Draw(t, "advance")))
			for range rapid.SampledFrom([]int{1, 1, 10, 100, 2000}).Draw(t, "burst") {
				e := try()
				if e == nil {
					continue
				}
				clk.advance(e.RetryAfter - 1)
				if try() == nil {
					t.Fatalf("admitted a nanosecond before the time %v from now that was told", e.RetryAfter)
				}
				clk.advance(1)
				if e = try(); e != nil {
					t.Fatalf("refused at the time that was told: %+v", e)
				}
				break
			}
		}
		if b := l.shards[l.shardOf(&c)].counter(&c).(*bucketLog); len(b.all.slice) > bucketCount {
			t.Fatalf("%d buckets, want at most %d", len(b.all.slice), bucketCount)
		}
	})
}
