// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// The pace of sinks.
const (
	sinkTimeout = 30 * time.Second // of one Put
	sinkGrace   = 3 * time.Second  // for what is left when the log is closed
	sinkQueued  = 64               // checkpoints that wait; a newer one covers what an older one does
	sinkPause   = time.Second      // after a failure, growing
	sinkLongest = time.Minute
)

// SinkStats say how a sink gets on.
type SinkStats struct {
	Name     string
	Size     uint64 // records that the newest checkpoint covers that it has taken
	Failures uint64
	Skipped  uint64 // checkpoints that were left out because too many waited
	Err      error  // of the last attempt; nil = it went well
}

// sinkQueue brings checkpoints to one sink.
type sinkQueue struct {
	sink   Sink
	log    *slog.Logger
	work   chan struct{} // something waits; holds one
	stop   chan struct{}
	ctx    context.Context // of all attempts
	cancel context.CancelFunc

	mu      sync.Mutex // guards what follows
	waiting []checkpoint
	stats   SinkStats
	grace   *time.Timer // ends ctx
}

// checkpoint is one that waits.
type checkpoint struct {
	note []byte
	size uint64
}

func newSinkQueue(sink Sink, log *slog.Logger) *sinkQueue {
	q := &sinkQueue{sink: sink, log: log, work: make(chan struct{}, 1), stop: make(chan struct{}), stats: SinkStats{Name: sink.Name()}}
	q.ctx, q.cancel = context.WithCancel(context.Background())
	return q
}

func (q *sinkQueue) state() SinkStats {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.stats
}

func (q *sinkQueue) push(note []byte, size uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == sinkQueued {
		q.waiting = q.waiting[1:]
		q.stats.Skipped++
	}
	q.waiting = append(q.waiting, checkpoint{note, size})
	signal(q.work)
}

// close lets run end once each checkpoint that waits was tried, or soon.
func (q *sinkQueue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.grace = time.AfterFunc(sinkGrace, q.cancel)
	close(q.stop)
}

func (q *sinkQueue) run() {
	defer func() {
		q.cancel()
		q.mu.Lock()
		defer q.mu.Unlock()
		q.grace.Stop()
	}()
	for pause := sinkPause; ; {
		c, last := q.take()
		switch {
		case c != nil && q.put(c):
			pause = sinkPause
			continue
		case last:
			return
		case c == nil:
			select {
			case <-q.work:
			case <-q.stop:
			}
			continue
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-q.stop:
		}
		timer.Stop()
		pause = min(2*pause, sinkLongest)
	}
}

// take returns the oldest checkpoint that waits; it stays there. last says that it is not tried again, nor comes another.
func (q *sinkQueue) take() (c *checkpoint, last bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	select {
	case <-q.stop:
		last = true
	default:
	}
	if len(q.waiting) > 0 {
		c = &checkpoint{q.waiting[0].note, q.waiting[0].size}
	}
	return c, last
}

// put tries to deliver c.
func (q *sinkQueue) put(c *checkpoint) bool {
	ctx, cancel := context.WithTimeout(q.ctx, sinkTimeout)
	err := q.sink.Put(ctx, c.note, c.size)
	cancel()
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.stats.Err = err; err != nil {
		q.stats.Failures++
		q.log.Warn("a checkpoint of the audit log was not taken", "sink", q.stats.Name, "error", err)
		return false
	}
	q.stats.Size = max(q.stats.Size, c.size)
	for i := range q.waiting {
		if q.waiting[i].size == c.size {
			q.waiting = q.waiting[i+1:]
			break
		}
	}
	return true
}
