// SPDX-License-Identifier: Apache-2.0

package store

import "time"

const (
	// exactUses is the highest rate whose uses are all remembered one by one.
	exactUses = 1000
	// bucketCount is how many buckets hold the uses of a higher rate.
	bucketCount = 64
)

// counter counts the uses of one key of one limit. The lock of its shard guards it; the times it is given never decrease.
type counter interface {
	// used is how many uses count at now.
	used(now time.Duration) int64
	// wait is how long it takes from now until n of the used ones count no more. It follows used at the same time.
	wait(now time.Duration, n int64) time.Duration
	// add counts one more use.
	add(now time.Duration)
	// restore counts n uses, at most most, that were made at at, in the past, and count still. It follows used at the present.
	restore(at time.Duration, n, most int64)
	// shrink gives back memory that is far from needed.
	shrink()
}

func newCounter(k counterKey) counter {
	switch {
	case k.window == 0:
		return &slots{}
	case k.most <= exactUses:
		return &useLog{window: k.window}
	}
	// 63 widths are a window and one more is what a bucket may be late by: 64 are all there can be at a time.
	return &bucketLog{window: k.window, width: (k.window-1)/(bucketCount-1) + 1}
}

// slots counts uses until they are given back.
type slots struct{ n int64 }

func (s *slots) used(time.Duration) int64                { return s.n }
func (s *slots) wait(time.Duration, int64) time.Duration { return 0 }
func (s *slots) add(time.Duration)                       { s.n++ }
func (s *slots) shrink()                                 {}

// useLog remembers when each use was, and so counts exactly.
type useLog struct {
	window time.Duration
	times  ring[time.Duration]
}

func (c *useLog) used(now time.Duration) int64 {
	for c.times.n > 0 && *c.times.at(0)+c.window <= now {
		c.times.drop()
	}
	return int64(c.times.n)
}

func (c *useLog) wait(now time.Duration, n int64) time.Duration {
	if n > int64(c.times.n) {
		return c.window
	}
	return *c.times.at(uint32(n - 1)) + c.window - now
}

func (c *useLog) add(now time.Duration) { c.times.push(now) }
func (c *useLog) shrink()               { c.times.shrink() }

// bucketLog counts uses that are close together as if all of them were at the time of the last one. So a use counts for one
// window at least, and for one width longer at most: never more than the limit are let in.
type bucketLog struct {
	window, width time.Duration
	newest        time.Duration // when the last bucket was begun
	total         int64
	all           ring[bucket]
}

// bucket is some uses within one width.
type bucket struct {
	last time.Duration
	n    int64
}

func (c *bucketLog) used(now time.Duration) int64 {
	for c.all.n > 0 && c.all.at(0).last+c.window <= now {
		c.total -= c.all.at(0).n
		c.all.drop()
	}
	return c.total
}

func (c *bucketLog) wait(now time.Duration, n int64) time.Duration {
	for i := range c.all.n {
		b := c.all.at(i)
		if n -= b.n; n <= 0 {
			return b.last + c.window - now
		}
	}
	return c.window
}

func (c *bucketLog) add(now time.Duration) { c.extend(now, 1) }

// extend counts n uses after all others.
func (c *bucketLog) extend(now time.Duration, n int64) {
	c.total += n
	if c.all.n > 0 && now < c.newest+c.width {
		b := c.all.at(c.all.n - 1)
		b.last = now
		b.n += n
		return
	}
	if c.all.n == bucketCount {
		c.merge()
	}
	c.newest = now
	c.all.push(bucket{last: now, n: n})
}

func (c *bucketLog) shrink() { c.all.shrink() }

// ring is a queue in a slice, which grows with use.
type ring[T any] struct {
	slice []T // its length is a power of two, or zero
	head  uint32
	n     uint32
}

// at returns the element i places behind the oldest one.
func (r *ring[T]) at(i uint32) *T { return &r.slice[(r.head+i)&uint32(len(r.slice)-1)] }

func (r *ring[T]) push(v T) {
	if int(r.n) == len(r.slice) {
		r.resize(max(2, 2*len(r.slice)))
	}
	r.n++
	*r.at(r.n - 1) = v
}

// drop forgets the oldest element.
func (r *ring[T]) drop() {
	r.head++
	r.n--
}

// shrink halves the slice until at least a quarter of it is in use.
func (r *ring[T]) shrink() {
	size := len(r.slice)
	for size > 2 && int(r.n) < size/4 {
		size /= 2
	}
	if size < len(r.slice) {
		r.resize(size)
	}
}

func (r *ring[T]) resize(size int) {
	next := make([]T, size)
	for i := range r.n {
		next[i] = *r.at(i)
	}
	r.slice, r.head = next, 0
}
