// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"context"
	"errors"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// Log is an open audit log. Safe for concurrent use.
type Log struct {
	opts   *Options
	reader bool // of OpenReader: there is no writer

	head    atomic.Pointer[head]
	files   atomic.Pointer[[]*segment] // in order; the last one is live, unless reader
	listing sync.Mutex                 // held while files changes
	kept    atomic.Pointer[keptHashes] // of records that retention has removed; nil = none were

	mu          sync.Mutex // guards what follows
	work        sync.Cond  // on mu: there is something to do for a writer that is idle
	idle        bool       // the writer waits for work
	closing     bool       // nothing is taken any more
	queue       []*group
	spare       []Entry // memory for the next group
	queued      int     // entries that are taken and not on disk
	queuedBytes int64
	failed      *FailedError  // why the log cannot be written; nil = it can
	stats       Stats         // counters only
	waiting     chan struct{} // closed by the next commit; nil = nobody waits for one

	// Of the writer alone.
	live   *segment
	mark   mark
	tree   *tree // before the next record
	ahead  *tree // memory for commit
	stored []byte
	origin string

	stop    chan struct{}  // closed when Close begins
	ended   chan struct{}  // a segment has ended: there is something to seal; holds one
	grown   chan struct{}  // enough for a checkpoint; holds one
	signed  atomic.Uint64  // size of the newest checkpoint
	workers sync.WaitGroup // writer, sealer, checkpoints and sinks
	written chan struct{}  // closed when the writer has ended

	sealing     sync.Mutex         // held while segments are sealed or removed
	stopSealing context.CancelFunc // ends what runs in the background
	publishing  sync.Mutex         // held while a checkpoint is made
	sinks       []*sinkQueue
	unwritten   error // what Close says about records that are lost; set before written is closed
}

// head is how far the log is on disk.
type head struct {
	size uint64
	root tlog.Hash
}

// Size is how many records are on disk, those included that retention has removed: the place of the next one.
func (l *Log) Size() uint64 { return l.head.Load().size }

// First is the place of the oldest record that retention has left.
func (l *Log) First() uint64 {
	list := *l.files.Load()
	if len(list) == 0 {
		return l.Size()
	}
	return list[0].first
}

// find returns the segment that holds the record at place seq, and the place where it ends; nil if there is none.
func (l *Log) find(seq uint64) (s *segment, end uint64) {
	end = l.Size() // first, because the list may grow meanwhile
	list := *l.files.Load()
	i := sort.Search(len(list), func(i int) bool { return list[i].first > seq })
	if i == 0 {
		return nil, 0
	}
	if i < len(list) {
		end = list[i].first
	}
	return list[i-1], end
}

// change replaces the list of segments.
func (l *Log) change(fn func([]*segment) []*segment) {
	l.listing.Lock()
	defer l.listing.Unlock()
	next := fn(append([]*segment(nil), *l.files.Load()...))
	l.files.Store(&next)
}

// Stats are counters since the start and the state of now.
type Stats struct {
	First, Size uint64
	Segments    int
	Records     uint64 // written
	Bytes       uint64 // of their texts
	Commits     uint64
	Failures    uint64        // of commits
	Busy        uint64        // entries that found the queue full
	Queued      int           // entries on their way to the disk
	QueuedBytes int64         // of their texts
	Last        time.Duration // that the last commit took
	Failed      error         // why the log cannot be written; nil = it can
	Checkpoint  uint64        // records that the newest checkpoint covers
	Sinks       []SinkStats
}

// Stats returns what the log has done and how it is.
func (l *Log) Stats() Stats {
	l.mu.Lock()
	s := l.stats
	s.Queued, s.QueuedBytes = l.queued, l.queuedBytes
	if l.failed != nil {
		s.Failed = l.failed
	}
	l.mu.Unlock()
	s.First, s.Size, s.Segments, s.Checkpoint = l.First(), l.Size(), len(*l.files.Load()), l.signed.Load()
	for _, q := range l.sinks {
		s.Sinks = append(s.Sinks, q.state())
	}
	return s
}

// Close writes what is queued, signs a last checkpoint, and lets go of the files. It returns when nothing of the log runs
// any more. When the disk takes nothing, what is queued is lost and the error says how much. A second Close does nothing.
func (l *Log) Close() error {
	l.mu.Lock()
	if l.closing {
		l.mu.Unlock()
		return nil
	}
	l.closing = true
	l.idle = false
	l.work.Signal()
	l.mu.Unlock()
	if l.reader {
		return l.closeFiles()
	}
	l.stopSealing()
	close(l.stop)
	l.workers.Wait()
	return errors.Join(l.unwritten, l.closeFiles())
}

func (l *Log) closeFiles() (err error) {
	for _, s := range *l.files.Load() {
		err = errors.Join(err, s.finish())
	}
	return err
}
