// SPDX-License-Identifier: Apache-2.0

package store

import (
	"math/bits"
	"strings"
	"sync"
	"time"
)

const (
	// shardCount is as many shards as a shardSet has bits.
	shardCount = 64
	// fewCounters is the number of counters that a shard does not bother to sweep when it gets new ones.
	fewCounters = 64
	// maxSpan bounds times and windows (36 years), so that no sum of them is too large.
	maxSpan = time.Duration(1) << 60
)

// shardSet has bit n set for shard n.
type shardSet uint64

// lowest is the first shard of a set that is not empty.
func (s shardSet) lowest() int { return bits.TrailingZeros64(uint64(s)) }

// counterKey is the identity of a counter. The numbers belong to it: should they ever change under one ID, that is a new
// counter, as it is under a new ID.
type counterKey struct {
	id, key string
	most    int64
	window  time.Duration // 0 = concurrency
}

// shard holds some of the counters.
type shard struct {
	mu       sync.Mutex             // guards everything else, counters and what is in them included
	last     time.Duration          // latest time seen: what a clock that goes back has shown before
	counters map[counterKey]counter // those in use, and idle ones up to the next sweep
	sweepAt  int                    // number of counters at which the next one comes with a sweep
	most     int                    // most counters the map has held: it never gives memory back
	_        [24]byte               // to 64 bytes: two shards in one cache line would slow each other down
}

// reset makes room for n counters.
func (s *shard) reset(n int) {
	s.counters, s.most = make(map[counterKey]counter, n), n
	s.sweepAt = fewCounters
}

// counter returns the counter of a claim, a new one if need be. The caller holds mu.
func (s *shard) counter(c *Claim) counter {
	k := counterKey{id: c.ID, key: c.Key, most: c.most()}
	if c.Rate > 0 {
		k.window = min(c.Window, maxSpan)
	}
	if have := s.counters[k]; have != nil {
		return have
	}
	made := newCounter(k)
	k.key = strings.Clone(k.key) // it may be a part of something large; an ID is shared by all counters of its limit
	s.counters[k] = made
	return made
}

// sweep forgets the counters that count nothing, and the memory of those that count less than they did. Its cost is
// shared by the new counters that made it necessary: at least half as many as it looks at. The caller holds mu and none
// of the counters.
func (s *shard) sweep(now time.Duration) {
	s.most = max(s.most, len(s.counters))
	for k, c := range s.counters {
		if c.used(now) == 0 {
			delete(s.counters, k)
		} else {
			c.shrink()
		}
	}
	live := len(s.counters)
	if s.most > fewCounters && live < s.most/4 {
		old := s.counters
		s.reset(live)
		for k, c := range old {
			s.counters[k] = c
		}
	}
	s.sweepAt = max(fewCounters, 2*live)
}
