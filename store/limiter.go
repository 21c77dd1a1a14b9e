// SPDX-License-Identifier: Apache-2.0

package store

import (
	"hash/maphash"
	"math/bits"
	"sync/atomic"
	"time"
)

const (
	// usualClaims is how many claims one call has at most, as a rule; more cost an allocation.
	usualClaims = 8
	// sweepEvery is how often some call looks through one shard for idle counters, so all shards have their turn in 64 s.
	sweepEvery = time.Second
)

// LimiterOptions configure [NewLimiter]. A nil *LimiterOptions means all defaults.
type LimiterOptions struct {
	// Now is the clock; nil = the monotonic part of [time.Now], which setting the system's clock does not move.
	Now func() time.Time
}

// Limiter counts uses against rates and concurrency limits, in memory. Safe for concurrent use.
type Limiter struct {
	elapsed func() time.Duration // since the limiter was made
	wall    func() time.Time     // without a monotonic reading: comparable with times of other processes
	seed    maphash.Seed
	nothing Admitted      // what every call gets that has nothing to give back
	sweepAt atomic.Int64  // reading of elapsed from which on some call sweeps the next shard
	swept   atomic.Uint32 // shards swept so far
	shards  [shardCount]shard
}

// NewLimiter returns a limiter that has counted nothing yet.
func NewLimiter(o *LimiterOptions) *Limiter {
	l := &Limiter{seed: maphash.MakeSeed()}
	if o == nil || o.Now == nil {
		start := time.Now()
		l.elapsed = func() time.Duration { return time.Since(start) }
		l.wall = func() time.Time { return time.Now().Round(0) }
	} else {
		now, start := o.Now, o.Now()
		l.elapsed = func() time.Duration { return now().Sub(start) }
		l.wall = func() time.Time { return now().Round(0) }
	}
	for i := range l.shards {
		l.shards[i].reset(0)
	}
	return l
}

// use is one claim of a call while it is decided.
type use struct {
	shard   int
	counter counter
}

// Admit counts one use for each of the claims, or none at all: then the error is an [*ExceededError] about the claim that
// would be admitted last. Several claims may be on the same counter; each counts. A claim that is no valid limit is
// another error, and nothing is counted. Safe for concurrent use; claims is not kept.
func (l *Limiter) Admit(claims []Claim) (*Admitted, error) {
	uses := make([]use, 0, usualClaims)
	var set shardSet
	for i := range claims {
		if err := claims[i].check(); err != nil {
			return nil, err
		}
		n := l.shardOf(&claims[i])
		set |= 1 << n
		uses = append(uses, use{shard: n})
	}
	read := max(-maxSpan, min(l.elapsed(), maxSpan))
	now := l.lock(set, read)
	exceeded := l.decide(claims, uses, now)
	admitted := &l.nothing
	if exceeded == nil {
		admitted = l.commit(uses, now)
	}
	l.unlock(set)
	l.sweepNext(read)
	if exceeded != nil {
		if exceeded.RetryAfter > 0 {
			exceeded.RetryAfter += now - read // a clock that went back has that much to make up for
		}
		return nil, exceeded
	}
	return admitted, nil
}

// decide finds the counters of the claims and returns the refusal that lasts longest, nil when all claims fit. It counts
// nothing. The caller holds the locks.
func (l *Limiter) decide(claims []Claim, uses []use, now time.Duration) (worst *ExceededError) {
	for i := range claims {
		c := l.shards[uses[i].shard].counter(&claims[i])
		asked := int64(1)
		for _, earlier := range uses[:i] {
			if earlier.counter == c {
				asked++
			}
		}
		uses[i].counter = c
		used := c.used(now)
		over := asked - (claims[i].most() - used)
		if over <= 0 {
			continue
		}
		wait := c.wait(now, over)
		if worst == nil || wait > worst.RetryAfter {
			worst = &ExceededError{Claim: claims[i], Used: used, RetryAfter: wait}
		}
	}
	return worst
}

// commit counts the uses. The caller holds the locks, and decide has found room for all of them.
func (l *Limiter) commit(uses []use, now time.Duration) *Admitted {
	var a *Admitted
	for _, u := range uses {
		u.counter.add(now)
		if s, ok := u.counter.(*slots); ok {
			if a == nil {
				a = &Admitted{limiter: l}
				a.held = a.room[:0]
			}
			a.held = append(a.held, hold{slots: s, shard: u.shard})
		}
	}
	if a == nil {
		return &l.nothing
	}
	return a
}

// shardOf is the shard of the counter of c.
func (l *Limiter) shardOf(c *Claim) int {
	h := maphash.String(l.seed, c.Key) ^ bits.RotateLeft64(maphash.String(l.seed, c.ID), 32)
	return int(h % shardCount)
}

// lock locks the shards of set, always the lowest first, and returns the time for all of them: never before the last one
// that any of them has seen.
func (l *Limiter) lock(set shardSet, now time.Duration) time.Duration {
	for rest := set; rest != 0; rest &= rest - 1 {
		s := &l.shards[rest.lowest()]
		s.mu.Lock()
		now = max(now, s.last)
	}
	for rest := set; rest != 0; rest &= rest - 1 {
		s := &l.shards[rest.lowest()]
		s.last = now
		if len(s.counters) >= s.sweepAt {
			s.sweep(now)
		}
	}
	return now
}

func (l *Limiter) unlock(set shardSet) {
	for rest := set; rest != 0; rest &= rest - 1 {
		l.shards[rest.lowest()].mu.Unlock()
	}
}

// sweepNext forgets the idle counters of one shard when it is time to, so that those of callers who never come again do
// not stay. The caller holds no lock.
func (l *Limiter) sweepNext(now time.Duration) {
	at := l.sweepAt.Load()
	if int64(now) < at || !l.sweepAt.CompareAndSwap(at, int64(now+sweepEvery)) {
		return
	}
	set := shardSet(1) << (l.swept.Add(1) % shardCount)
	now = l.lock(set, now)
	l.shards[set.lowest()].sweep(now)
	l.unlock(set)
}

// Admitted is what [Limiter.Admit] has let in.
type Admitted struct {
	limiter  *Limiter
	released atomic.Bool
	held     []hold // in room while they fit
	room     [2]hold
}

// hold is one place that a call takes up until it ends.
type hold struct {
	slots *slots
	shard int
}

// Release gives the places of concurrency claims back; uses of a rate stay counted. Only the first call does something.
// Safe for concurrent use, and on nil.
func (a *Admitted) Release() {
	if a == nil || len(a.held) == 0 || a.released.Swap(true) {
		return
	}
	for _, h := range a.held {
		s := &a.limiter.shards[h.shard]
		s.mu.Lock()
		h.slots.n--
		s.mu.Unlock()
	}
}
