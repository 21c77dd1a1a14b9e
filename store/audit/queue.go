// SPDX-License-Identifier: Apache-2.0

package audit

import "context"

// group is what one commit takes from the queue. After a failure those of its entries that are kept are all that is left.
type group struct {
	entries []Entry
	done    chan struct{} // closed when the fate of the entries that are not kept is known; err says which
	err     error
	kept    chan struct{} // the same of the others
	keptErr error
}

// Receipt stands for an entry on its way to the disk.
type Receipt struct {
	group *group
	keep  bool
}

// Wait returns nil once the entry is on disk. A *[FailedError] says that the entry is not in the log and never will be, other
// errors are those of ctx.
func (r *Receipt) Wait(ctx context.Context) error {
	done, err := r.group.done, &r.group.err
	if r.keep {
		done, err = r.group.kept, &r.group.keptErr
	}
	select {
	case <-done:
		return *err
	default:
	}
	select {
	case <-done:
		return *err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Append puts an entry into the queue, behind all that are there. It waits for nothing; [Receipt.Wait] does. An entry that is
// not kept finds [ErrBusy] when the queue is full and a *[FailedError] while the log cannot be written.
func (l *Log) Append(e Entry) (*Receipt, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.refuses(e.Keep); err != nil {
		return nil, err
	}
	last := len(l.queue) - 1
	// A group that has told some of its entries that they failed takes no others.
	if last < 0 || len(l.queue[last].entries) >= l.opts.Batch || l.queue[last].err != nil {
		l.queue = append(l.queue, &group{entries: l.spare, done: make(chan struct{}), kept: make(chan struct{})})
		l.spare = nil
		last++
	}
	g := l.queue[last]
	g.entries = append(g.entries, e)
	l.count(1, int64(len(e.Text)))
	if l.idle {
		l.idle = false
		l.work.Signal()
	}
	return &Receipt{group: g, keep: e.Keep}, nil
}

// Room is what [Log.Append] of an entry that is not kept would answer now.
func (l *Log) Room() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.refuses(false)
}

// refuses says why an entry cannot be taken. The caller holds mu.
func (l *Log) refuses(keep bool) error {
	switch {
	case l.reader:
		return ErrReadOnly
	case l.closing:
		return ErrClosed
	case keep:
		return nil
	case l.failed != nil:
		return l.failed
	case l.queued >= l.opts.Queue || l.queuedBytes >= l.opts.QueueBytes:
		l.stats.Busy++
		return ErrBusy
	}
	return nil
}

// count keeps the sums over the queue. The caller holds mu.
func (l *Log) count(entries int, bytes int64) {
	l.queued += entries
	l.queuedBytes += bytes
}

// next waits for something to commit and takes it; nil = the log is closed and the queue is empty.
func (l *Log) next() *group {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.queue) == 0 {
		if l.closing {
			return nil
		}
		l.idle = true
		l.work.Wait()
	}
	g := l.queue[0]
	l.queue[0] = nil
	l.queue = l.queue[1:]
	return g
}

// succeed ends a group that is on disk.
func (l *Log) succeed(g *group) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed = nil
	l.release(g.entries)
	g.settle(nil)
	clear(g.entries)
	l.spare, g.entries = g.entries[:0], nil
}

// fail ends every entry that is not kept, in g and in the queue, and refuses more of them until a commit succeeds.
func (l *Log) fail(g *group, err *FailedError) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed = err
	l.stats.Failures++
	l.drop(g, err)
	left := l.queue[:0]
	for _, q := range l.queue {
		if l.drop(q, err); len(q.entries) > 0 {
			left = append(left, q)
		}
	}
	clear(l.queue[len(left):])
	l.queue = left
}

// drop takes the entries that are not kept out of g. The caller holds mu.
func (l *Log) drop(g *group, err error) {
	var kept, gone []Entry
	for _, e := range g.entries {
		if e.Keep {
			kept = append(kept, e)
		} else {
			gone = append(gone, e)
		}
	}
	l.release(gone)
	g.entries = kept
	if g.err == nil {
		g.err = err
		close(g.done)
	}
}

// abandon ends everything in g and in the queue: the log is closed and could not be written.
func (l *Log) abandon(g *group, err *FailedError) (lost int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, q := range append([]*group{g}, l.queue...) {
		lost += len(q.entries)
		l.release(q.entries)
		q.settle(err)
	}
	l.queue = nil
	return lost
}

// release takes entries out of the sums. The caller holds mu.
func (l *Log) release(entries []Entry) {
	bytes := 0
	for i := range entries {
		bytes += len(entries[i].Text)
	}
	l.count(-len(entries), -int64(bytes))
}

// settle tells all who wait. Those whose entries were dropped have been told.
func (g *group) settle(err error) {
	g.keptErr = err
	close(g.kept)
	if g.err == nil {
		g.err = err
		close(g.done)
	}
}
