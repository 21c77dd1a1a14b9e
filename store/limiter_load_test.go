// SPDX-License-Identifier: Apache-2.0

package store

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestLimitHoldsUnderLoad lets many more callers than the limit in at once: exactly the limit get through.
func TestLimitHoldsUnderLoad(t *testing.T) {
	for _, c := range []Claim{hour(1000), hour(4000), {ID: "running", Concurrency: 1000}} {
		l := NewLimiter(nil)
		var admitted, refused atomic.Int64
		var wg sync.WaitGroup
		start := make(chan struct{})
		for range 10_000 {
			wg.Go(func() {
				<-start
				if _, err := l.Admit([]Claim{c}); err == nil {
					admitted.Add(1)
				} else {
					refused.Add(1)
				}
			})
		}
		close(start)
		wg.Wait()
		if admitted.Load() != c.most() || refused.Load() != 10_000-c.most() {
			t.Errorf("%+v: %d admitted, %d refused", c, admitted.Load(), refused.Load())
		}
	}
}

// TestAllOrNothingUnderLoad has calls with random claims, in random order, on counters of all shards. The clock stands
// still, so what was admitted and what can still be admitted are the limit, for every counter, if and only if no refused
// call has used up anything and none got in beyond a limit. A wrong order of locks would end in a deadlock.
func TestAllOrNothingUnderLoad(t *testing.T) {
	clk := newClock()
	l := NewLimiter(&LimiterOptions{Now: clk.now})
	var limits []Claim
	for i := range 200 {
		c := Claim{ID: fmt.Sprint(i % 7), Key: fmt.Sprint(i), Rate: int64(20 + i%5), Window: time.Minute}
		switch i % 10 {
		case 0:
			c.Rate = exactUses + 1
		case 1:
			c.Rate, c.Window, c.Concurrency = 0, 0, 3
		}
		limits = append(limits, c)
	}
	admitted := make([]atomic.Int64, len(limits))
	running := make([]atomic.Int64, len(limits))
	var refused atomic.Int64
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(uint64(w), 4))
			for range 2000 {
				var claims []Claim
				var picked []int
				for range 1 + random.IntN(12) {
					i := random.IntN(len(limits))
					claims, picked = append(claims, limits[i]), append(picked, i)
				}
				a, err := l.Admit(claims)
				if err != nil {
					refused.Add(1)
					continue
				}
				for _, i := range picked {
					admitted[i].Add(1)
					if n := running[i].Add(1); limits[i].Concurrency > 0 && n > limits[i].Concurrency {
						t.Errorf("%d calls run, the limit is %d", n, limits[i].Concurrency)
					}
				}
				for _, i := range picked {
					running[i].Add(-1)
				}
				a.Release()
			}
		})
	}
	wg.Wait()
	if refused.Load() < 1000 {
		t.Errorf("only %d calls were refused: the test shows little", refused.Load())
	}
	for i, c := range limits {
		left := c.most() - admitted[i].Load()
		if c.Concurrency > 0 {
			left = c.Concurrency
		}
		for range left {
			admit(t, l, c)
		}
		refuse(t, l, c)
	}
}

func (l *Limiter) countersForTest() (n int) {
	for i := range l.shards {
		s := &l.shards[i]
		s.mu.Lock()
		n += len(s.counters)
		s.mu.Unlock()
	}
	return n
}

// TestIdleCountersAreForgotten has 100,000 callers who come once each.
func TestIdleCountersAreForgotten(t *testing.T) {
	const callers = 100_000
	clk := newClock()
	l := NewLimiter(&LimiterOptions{Now: clk.now})
	once := func(who int, rate int64, window time.Duration) {
		t.Helper()
		key := fmt.Sprintf("caller %d", who)
		admit(t, l, Claim{ID: "l", Key: key, Rate: rate, Window: window}, Claim{ID: "l", Key: key, Concurrency: 1}).Release()
	}
	// A window has a hundredth of them, so there are never many counters. All is over before it is time to sweep: the new
	// ones see to that.
	most := 0
	for i := range callers {
		once(i, 1+int64(i%2)*exactUses, 5*time.Millisecond)
		clk.advance(5 * time.Microsecond)
		if i%1000 == 0 {
			most = max(most, l.countersForTest())
		}
	}
	if limit := 2*shardCount*fewCounters + callers/10; most > limit {
		t.Errorf("%d counters at a time, want at most %d", most, limit)
	}
	// All within one window: none may be forgotten.
	clk.advance(time.Second)
	for i := range callers {
		once(i, 1, time.Second)
	}
	if n := l.countersForTest(); n < callers {
		t.Fatalf("%d counters, want those of %d callers whose uses count", n, callers)
	}
	for i := range callers / 100 {
		refuse(t, l, Claim{ID: "l", Key: fmt.Sprintf("caller %d", i), Rate: 1, Window: time.Second})
	}
	// One caller goes on. That is enough to forget the others, and to give the memory back.
	busy := Claim{ID: "busy", Concurrency: 1}
	held := admit(t, l, busy)
	for range shardCount + 1 {
		clk.advance(sweepEvery)
		admit(t, l)
		admit(t, l, Claim{ID: "l", Key: "the last one", Rate: 1, Window: sweepEvery})
	}
	if n := l.countersForTest(); n > 2 {
		t.Errorf("%d counters, want the two in use", n)
	}
	for i := range l.shards {
		if m := l.shards[i].most; m > fewCounters {
			t.Errorf("the map of shard %d still has room for %d counters", i, m)
		}
	}
	refuse(t, l, busy)
	held.Release()
	admit(t, l, busy)
}

// TestUsesTakeLittleMemory looks at the slice behind a counter: it grows with use and shrinks without.
func TestUsesTakeLittleMemory(t *testing.T) {
	clk := newClock()
	l := NewLimiter(&LimiterOptions{Now: clk.now})
	c := hour(exactUses)
	s := &l.shards[l.shardOf(&c)]
	size := func() int { return len(s.counter(&c).(*useLog).times.slice) }
	admit(t, l, c)
	if n := size(); n > 2 {
		t.Errorf("one use takes the memory of %d", n)
	}
	for range exactUses - 1 {
		admit(t, l, c)
	}
	if n := size(); n > 1024 {
		t.Errorf("%d uses take the memory of %d", exactUses, n)
	}
	clk.advance(time.Hour)
	admit(t, l, c)
	s.sweep(time.Hour)
	if n := size(); n > 4 {
		t.Errorf("one use takes the memory of %d after a time of many", n)
	}
}

// TestDefaultClock runs on the clock of the process, which stands still in a bubble unless everybody waits.
func TestDefaultClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(nil)
		admit(t, l, hour(1))
		<-time.After(time.Hour - 1)
		if e := refuse(t, l, hour(1)); e.RetryAfter != 1 {
			t.Errorf("retry after %v, want 1ns", e.RetryAfter)
		}
		<-time.After(1)
		admit(t, l, hour(1))
	})
}

func BenchmarkLimiter(b *testing.B) {
	for _, engine := range []struct {
		name string
		rate int64
	}{{"log", exactUses}, {"buckets", 1e9}, {"concurrency", 0}} {
		for _, keys := range []int{1, 1000, 100_000} {
			b.Run(fmt.Sprintf("%s/keys=%d", engine.name, keys), func(b *testing.B) {
				// A window that ends soon, so that the log always has room: about a hundred uses a key.
				window := time.Duration(keys) * 10 * time.Microsecond
				claims := make([]Claim, keys)
				for i := range claims {
					claims[i] = Claim{ID: "l", Key: fmt.Sprintf("caller %d", i), Rate: engine.rate, Window: window}
					if engine.rate == 0 {
						claims[i] = Claim{ID: "l", Key: claims[i].Key, Concurrency: 1000}
					}
				}
				benchmarkAdmit(b, claims)
			})
		}
	}
}

func benchmarkAdmit(b *testing.B, claims []Claim) {
	l := NewLimiter(nil)
	for i := range claims {
		admit(b, l, claims[i]).Release()
	}
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		random := rand.New(rand.NewPCG(1, 2))
		for pb.Next() {
			i := 0
			if len(claims) > 1 {
				i = random.IntN(len(claims))
			}
			a, err := l.Admit(claims[i : i+1])
			if err != nil {
				b.Error(err)
				return
			}
			a.Release()
		}
	})
}

// BenchmarkLimiterCall is a call as they are: two rates, a concurrency limit, and the end.
func BenchmarkLimiterCall(b *testing.B) {
	l := NewLimiter(nil)
	claims := []Claim{
		{ID: "a", Key: "ci", Rate: exactUses, Window: 100 * time.Microsecond},
		{ID: "b", Key: "acme", Rate: 1e9, Window: time.Second},
		{ID: "c", Key: "ci", Concurrency: 10},
	}
	b.ReportAllocs()
	for b.Loop() {
		a, err := l.Admit(claims)
		if err != nil {
			b.Fatal(err)
		}
		a.Release()
	}
}

func BenchmarkLimiterRefusal(b *testing.B) {
	l := NewLimiter(nil)
	claims := []Claim{hour(1)}
	admit(b, l, claims...)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := l.Admit(claims); err == nil {
			b.Fatal("admitted")
		}
	}
}

// BenchmarkLimiterMemory reports what a counter takes beside the text of its key.
func BenchmarkLimiterMemory(b *testing.B) {
	const callers = 100_000
	for _, uses := range []int{1, 100} {
		for _, rate := range []int64{exactUses, exactUses + 1} {
			b.Run(fmt.Sprintf("rate=%d/uses=%d", rate, uses), func(b *testing.B) {
				clk := newClock()
				claims := make([]Claim, callers)
				for i := range claims {
					claims[i] = Claim{ID: "l", Key: fmt.Sprintf("caller %d", i), Rate: rate, Window: time.Hour}
				}
				heap := func() int64 {
					runtime.GC()
					var m runtime.MemStats
					runtime.ReadMemStats(&m)
					return int64(m.HeapAlloc)
				}
				for b.Loop() {
					before := heap()
					l := NewLimiter(&LimiterOptions{Now: clk.now})
					for range uses {
						for i := range claims {
							admit(b, l, claims[i])
						}
						clk.advance(time.Second)
					}
					b.ReportMetric(float64(heap()-before)/callers, "B/key")
					runtime.KeepAlive(l)
				}
				runtime.KeepAlive(claims)
			})
		}
	}
}
