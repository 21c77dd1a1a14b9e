// SPDX-License-Identifier: Apache-2.0

package store

import "time"

// Restore counts n uses of a rate that were made at at, before a restart: the admitted claims of calls, as a log of them
// tells. They stop to count one window after at by the wall clock. A time in the future, which a clock that was set back
// leaves behind, is taken for the present. Uses that are too old to count, and claims on concurrency, change nothing.
// Best before the first [Limiter.Admit] and in the order of the times; any other order counts the same uses, in buckets
// for a little longer. Safe for concurrent use; c is not kept.
func (l *Limiter) Restore(c *Claim, at time.Time, n int64) {
	if c.check() != nil || c.Rate == 0 || n <= 0 {
		return
	}
	age := max(0, min(l.wall().Sub(at.Round(0)), maxSpan))
	window := min(c.Window, maxSpan)
	if age >= window {
		return
	}
	read := max(-maxSpan, min(l.elapsed(), maxSpan))
	shard := l.shardOf(c)
	set := shardSet(1) << shard
	now := l.lock(set, read)
	counter := l.shards[shard].counter(c)
	if used := read - age; used+window > now {
		counter.used(now)
		counter.restore(used, min(n, c.Rate), c.Rate)
	}
	l.unlock(set)
}

func (s *slots) restore(time.Duration, int64, int64) {}

func (c *useLog) restore(at time.Duration, n, most int64) {
	// Of more uses than the limit the newest decide alone when there is room again.
	if over := int64(c.times.n) + n - most; over > 0 {
		for ; over > 0 && c.times.n > 0 && *c.times.at(0) <= at; over-- {
			c.times.drop()
		}
		n -= over
	}
	for range n {
		i := c.times.n
		c.times.push(at)
		for ; i > 0 && *c.times.at(i - 1) > at; i-- {
			*c.times.at(i) = *c.times.at(i - 1)
		}
		*c.times.at(i) = at
	}
}

func (c *bucketLog) restore(at time.Duration, n, most int64) {
	if n = c.makeRoom(at, n, most); n == 0 {
		return
	}
	i := c.all.n // place of the first bucket whose last use was not before at
	for i > 0 && c.all.at(i-1).last >= at {
		i--
	}
	switch {
	case i == c.all.n:
		c.extend(at, n) // as if it happened now
		return
	case c.all.at(i).last-at <= c.width:
		c.all.at(i).n += n
	default:
		c.insert(i, bucket{last: at, n: n})
	}
	c.total += n
}

// makeRoom forgets the oldest uses beyond the limit, of which those at at may be some, and returns how many of n are left.
func (c *bucketLog) makeRoom(at time.Duration, n, most int64) int64 {
	over := n - (most - c.total)
	for over > 0 && c.all.n > 0 && c.all.at(0).last <= at {
		b := c.all.at(0)
		gone := min(over, b.n)
		over, c.total, b.n = over-gone, c.total-gone, b.n-gone
		if b.n == 0 {
			c.all.drop()
		}
	}
	return n - max(0, over)
}

// insert puts b in front of the bucket at place i.
func (c *bucketLog) insert(i uint32, b bucket) {
	if c.all.n == bucketCount && c.merge() <= i {
		i--
	}
	c.all.push(b)
	for k := c.all.n - 1; k > i; k-- {
		*c.all.at(k) = *c.all.at(k - 1)
	}
	*c.all.at(i) = b
}

// merge makes one bucket of the two that are closest, and returns the place that the later one had. That there are too
// many buckets happens only after uses were restored in no order.
func (c *bucketLog) merge() uint32 {
	closest := uint32(1)
	for k := uint32(2); k < c.all.n; k++ {
		if c.gap(k) < c.gap(closest) {
			closest = k
		}
	}
	c.all.at(closest).n += c.all.at(closest - 1).n
	for k := closest - 1; k > 0; k-- {
		*c.all.at(k) = *c.all.at(k - 1)
	}
	c.all.drop()
	return closest
}

// gap is how long after the last use of the bucket before it the last one of bucket k was.
func (c *bucketLog) gap(k uint32) time.Duration { return c.all.at(k).last - c.all.at(k-1).last }
