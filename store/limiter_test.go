// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"
)

// hour is a claim on a limit of n uses an hour.
func hour(n int64) Claim {
	return Claim{Limit: "calls", ID: "calls", Key: "ci", Rate: n, Window: time.Hour}
}

// admit fails the test unless all of the claims are admitted.
func admit(t testing.TB, l *Limiter, claims ...Claim) *Admitted {
	t.Helper()
	a, err := l.Admit(claims)
	if err != nil {
		t.Fatalf("Admit: %v, want no error", err)
	}
	return a
}

// refuse fails the test unless the claims are refused because of a limit.
func refuse(t testing.TB, l *Limiter, claims ...Claim) *ExceededError {
	t.Helper()
	a, err := l.Admit(claims)
	e, ok := errors.AsType[*ExceededError](err)
	if !ok || a != nil {
		t.Fatalf("Admit = %v, %v; want nil and an ExceededError", a, err)
	}
	return e
}

// TestRateSlides walks the edges of the window: a use counts for exactly one window, to the nanosecond.
func TestRateSlides(t *testing.T) {
	clk := newClock()
	l := NewLimiter(&LimiterOptions{Now: clk.now})
	c := hour(2)
	admit(t, l, c) // at 0:00
	clk.advance(20 * time.Minute)
	admit(t, l, c) // at 0:20
	for _, left := range []time.Duration{40 * time.Minute, time.Minute, time.Nanosecond} {
		clk.t = newClock().t.Add(time.Hour - left)
		if e := refuse(t, l, c); e.Used != 2 || e.RetryAfter != left || e.Claim != c {
			t.Errorf("%v before the first use is an hour ago: %+v", left, e)
		}
	}
	clk.advance(time.Nanosecond)
	admit(t, l, c) // at 1:00
	if e := refuse(t, l, c); e.RetryAfter != 20*time.Minute {
		t.Errorf("retry after %v, want the 20 minutes until the second use is an hour ago", e.RetryAfter)
	}
}

// TestRetryAfterIsExact refuses one nanosecond before the promised time and admits then, in both engines.
func TestRetryAfterIsExact(t *testing.T) {
	for _, rate := range []int64{1, 7, exactUses, exactUses + 1, 5000} {
		clk := newClock()
		l := NewLimiter(&LimiterOptions{Now: clk.now})
		c := hour(rate)
		for range rate {
			admit(t, l, c)
			clk.advance(time.Hour / time.Duration(2*rate))
		}
		for range 5 {
			retry := refuse(t, l, c).RetryAfter
			clk.advance(retry - 1)
			if e := refuse(t, l, c); e.RetryAfter != 1 {
				t.Errorf("rate %d: one nanosecond before: retry after %v", rate, e.RetryAfter)
			}
			clk.advance(1)
			admit(t, l, c)
			for err := error(nil); err == nil; { // a bucket may leave with several uses
				_, err = l.Admit([]Claim{c})
			}
		}
	}
}

// TestAllOrNothing has one full limit among several: the others must be as they were.
func TestAllOrNothing(t *testing.T) {
	clk := newClock()
	l := NewLimiter(&LimiterOptions{Now: clk.now})
	running := Claim{Limit: "running", ID: "running", Concurrency: 1}
	many := Claim{Limit: "many", ID: "many", Rate: exactUses + 1, Window: time.Minute}
	full := Claim{Limit: "full", ID: "full", Rate: 1, Window: time.Minute}
	admit(t, l, full)
	for range 3 {
		if e := refuse(t, l, hour(1), running, many, full); e.Claim != full {
			t.Errorf("refused because of %+v, want %+v", e.Claim, full)
		}
	}
	admit(t, l, hour(1), running)
	for range many.Rate {
		admit(t, l, many)
	}
	// Of several refusals the one that lasts longest is told; that of concurrency has no end that anybody knows.
	clk.advance(time.Second)
	if e := refuse(t, l, running, full, hour(1), many); e.Claim.ID != "calls" || e.RetryAfter != time.Hour-time.Second {
		t.Errorf("told %q, %v; want the hourly limit", e.Claim.ID, e.RetryAfter)
	}
	if e := refuse(t, l, running); e.Claim != running || e.RetryAfter != 0 || e.Used != 1 {
		t.Errorf("concurrency: %+v", e)
	}
}

// TestSameCounterTwice claims one counter several times in one call.
func TestSameCounterTwice(t *testing.T) {
	clk := newClock()
	l := NewLimiter(&LimiterOptions{Now: clk.now})
	c := hour(3)
	admit(t, l, c, c)
	clk.advance(time.Minute)
	if e := refuse(t, l, c, c); e.Used != 2 || e.RetryAfter != 59*time.Minute {
		t.Errorf("two claims on one place: %+v", e)
	}
	admit(t, l, c)
	if e := refuse(t, l, c, c, c, c); e.RetryAfter != time.Hour {
		t.Errorf("more claims than the limit: retry after %v, want the window", e.RetryAfter)
	}
	running := Claim{Limit: "running", ID: "calls", Key: "ci", Concurrency: 3}
	three := admit(t, l, running, running, running)
	refuse(t, l, running)
	three.Release()
	admit(t, l, running, running, running)
	refuse(t, l, running)
}

func TestRelease(t *testing.T) {
	l := NewLimiter(nil)
	running := Claim{Limit: "running", ID: "running", Key: "ci", Concurrency: 2}
	first, second := admit(t, l, running), admit(t, l, running, hour(5))
	if e := refuse(t, l, running); e.Used != 2 {
		t.Errorf("used %d of 2", e.Used)
	}
	for range 3 { // the place is free once, however often it is given back
		first.Release()
	}
	third := admit(t, l, running)
	refuse(t, l, running)
	second.Release()
	third.Release()
	admit(t, l, running, running)
	refuse(t, l, running)

	var none *Admitted
	none.Release()
	admit(t, l).Release() // no claims at all
	// What a rate has counted stays counted.
	for range 4 {
		admit(t, l, hour(5)).Release()
	}
	refuse(t, l, hour(5))
}

// TestCountersAreApart has claims that differ in one thing each: none counts for another.
func TestCountersAreApart(t *testing.T) {
	l := NewLimiter(nil)
	for _, change := range []func(*Claim){
		func(*Claim) {},
		func(c *Claim) { c.ID = "other" },
		func(c *Claim) { c.Key = "other" },
		func(c *Claim) { c.ID, c.Key = "call", "sci" },
		func(c *Claim) { c.ID, c.Key = c.Key, c.ID },
		func(c *Claim) { c.Window++ },
		func(c *Claim) { c.Rate, c.Window, c.Concurrency = 0, 0, 1 },
	} {
		c := hour(1)
		change(&c)
		admit(t, l, c)
		c.Limit = "renamed" // names decide nothing
		refuse(t, l, c)
	}
	// ID and key are two things, wherever one ends and the other begins. So many that some are in the same shard.
	text := strings.Repeat("a", 300)
	for i := range text {
		admit(t, l, Claim{ID: text[:i], Key: text[i:], Rate: 1, Window: time.Hour})
	}
}

func TestInvalidClaims(t *testing.T) {
	l := NewLimiter(nil)
	for _, bad := range []Claim{
		{Limit: "l"},
		{Limit: "l", Rate: 1},
		{Limit: "l", Rate: 1, Window: -1},
		{Limit: "l", Rate: -1, Window: 1},
		{Limit: "l", Rate: 1, Window: 1, Concurrency: 1},
		{Limit: "l", Rate: -1, Window: 1, Concurrency: 1},
		{Limit: "l", Concurrency: -1},
	} {
		a, err := l.Admit([]Claim{hour(1), bad})
		if _, exceeded := errors.AsType[*ExceededError](err); err == nil || exceeded || a != nil {
			t.Errorf("%+v: %v, %v; want an error that is no ExceededError", bad, a, err)
			continue
		}
		mention(t, err.Error(), `"l"`, "above zero")
	}
	admit(t, l, hour(1)) // nothing was counted
}

// TestExtremes has the largest numbers and clocks that jump: nothing overflows and nothing is let in too often.
func TestExtremes(t *testing.T) {
	clk := newClock()
	l := NewLimiter(&LimiterOptions{Now: clk.now})
	for _, c := range []Claim{
		{ID: "a", Rate: math.MaxInt64, Window: math.MaxInt64},
		{ID: "b", Rate: math.MaxInt64, Window: 1},
		{ID: "c", Concurrency: math.MaxInt64},
	} {
		admit(t, l, c, c)
		admit(t, l, c)
	}
	forever := Claim{ID: "d", Rate: 1, Window: math.MaxInt64}
	admit(t, l, forever)
	for _, at := range []time.Time{{}, time.Unix(1<<60, 0), newClock().t.Add(-time.Hour), time.Unix(1<<33, 0), newClock().t} {
		clk.t = at
		if e := refuse(t, l, forever, forever); e.RetryAfter < 0 {
			t.Errorf("at %v: retry after %v", at, e.RetryAfter)
		}
	}
}

// TestClockGoesBack turns the clock back: uses that were let in before keep counting, and RetryAfter includes the time
// that the clock has to make up for.
func TestClockGoesBack(t *testing.T) {
	for _, rate := range []int64{2, exactUses + 1} {
		clk := newClock()
		l := NewLimiter(&LimiterOptions{Now: clk.now})
		c := hour(rate)
		for range rate {
			admit(t, l, c)
		}
		clk.advance(-10 * time.Hour)
		e := refuse(t, l, c)
		if e.RetryAfter != 11*time.Hour {
			t.Errorf("retry after %v, want 11h", e.RetryAfter)
		}
		clk.advance(e.RetryAfter - 1)
		refuse(t, l, c)
		clk.advance(1)
		for range rate {
			admit(t, l, c)
		}
		refuse(t, l, c)
	}
}

func TestExceededErrorText(t *testing.T) {
	for _, test := range []struct {
		err       *ExceededError
		text, fix string
	}{
		{&ExceededError{Claim: Claim{Limit: "ci calls", Key: "secret-subject", Rate: 500, Window: time.Hour}, Used: 500, RetryAfter: 90*time.Second + 1}, `limit reached: "ci calls": 500 of 500 per 1h used`, "try again in 1m31s"},
		{&ExceededError{Claim: Claim{Limit: "x", Rate: 9, Window: 90 * time.Minute}, Used: 8, RetryAfter: 1}, `limit reached: "x": 8 of 9 per 1h30m used`, "try again in 1s"},
		{&ExceededError{Claim: Claim{Limit: "x", Rate: 9, Window: 10 * time.Second}, Used: 9, RetryAfter: 10 * time.Second}, `limit reached: "x": 9 of 9 per 10s used`, "try again in 10s"},
		{&ExceededError{Claim: Claim{Limit: "running", Concurrency: 4}, Used: 4}, `limit reached: "running": 4 of 4 running`, "wait until a running call has ended"},
	} {
		if got := test.err.Error(); got != test.text {
			t.Errorf("error %q, want %q", got, test.text)
		}
		if got := test.err.Hint(); got != test.fix {
			t.Errorf("hint %q, want %q", got, test.fix)
		}
	}
}
