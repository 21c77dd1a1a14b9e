// SPDX-License-Identifier: Apache-2.0

package alert

import (
	"math/rand/v2"
	"sync/atomic"
	"time"

	rules "tollgate/policy/alert"
)

const (
	bucketTime = 10 * time.Second
	buckets    = 30 // of the window: 5 minutes, the one under way included
	ring       = 32 // more than buckets, so that the oldest one is not reused while it is summed
	shards     = 8
	window     = buckets * bucketTime
)

// The ways in which a call ends, as alerts tell them apart.
const (
	endAnswered = iota
	endFailed
	endRefused
	endOther
	ends
)

// Counter counts calls by how they ended, over the last 5 minutes. It is safe for concurrent use and never blocks; a nil
// Counter counts nothing.
type Counter struct {
	start time.Time
	now   func() time.Time
	// A cell holds the number of its bucket above and the count below, so that one swap starts a bucket anew and counts.
	shard [shards][ring][ends]atomic.Uint64
}

// NewCounter returns a counter. nil now is time.Now.
func NewCounter(now func() time.Time) *Counter {
	if now == nil {
		now = time.Now
	}
	return &Counter{start: now(), now: now}
}

// bucket is the number of the bucket under way, from 1.
func (c *Counter) bucket() uint64 {
	return uint64(max(0, c.now().Sub(c.start))/bucketTime) + 1
}

// Note counts one call by the end that its record has. A round that waits for its client is no call of its own and is not
// counted; one that its client cancelled is neither answered nor failed, and only part of the total.
func (c *Counter) Note(end string) {
	if c == nil {
		return
	}
	kind := endOther
	switch end {
	case "answered", "task":
		kind = endAnswered
	case "upstream_failed", "gateway_failed", "lost":
		kind = endFailed
	case "refused", "unknown":
		kind = endRefused
	case "input_required":
		return
	}
	number := c.bucket()
	cell := &c.shard[rand.Uint32()%shards][number%ring][kind]
	for {
		old := cell.Load()
		next := old + 1
		if old>>32 != number {
			next = number<<32 | 1
		}
		if cell.CompareAndSwap(old, next) {
			return
		}
	}
}

// Calls are those of the last 5 minutes, to a bucket of 10 seconds.
func (c *Counter) Calls() rules.Calls {
	if c == nil {
		return rules.Calls{}
	}
	last := c.bucket()
	var sum [ends]int64
	for s := range c.shard {
		for i := range c.shard[s] {
			for kind := range c.shard[s][i] {
				cell := c.shard[s][i][kind].Load()
				if number := cell >> 32; number <= last && number+buckets > last && number > 0 {
					sum[kind] += int64(cell & 0xffffffff)
				}
			}
		}
	}
	return rules.Calls{
		Total:    sum[endAnswered] + sum[endFailed] + sum[endRefused] + sum[endOther],
		Answered: sum[endAnswered], Failed: sum[endFailed], Refused: sum[endRefused],
	}
}
