// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"time"

	bolt "go.etcd.io/bbolt"

	"tollgate/store"
	"tollgate/store/page"
)

// write is the writer: one commit after the other, each with all that was queued during the one before.
func (l *Log) write() {
	defer close(l.written)
	for g := l.next(); g != nil; g = l.next() {
		err := l.commit(g.entries)
		if err == nil {
			l.succeed(g)
			continue
		}
		if !l.persist(g, err) {
			return
		}
	}
}

// commit brings entries to the disk and everybody who has to know up to date, except for those who wait.
func (l *Log) commit(entries []Entry) error {
	began := time.Now()
	now := l.opts.Now()
	if err := l.rotate(now); err != nil {
		return err
	}
	first := l.mark.size
	stored, bytes := l.stored[:0], 0
	l.ahead.set(l.tree)
	for i := range entries {
		stored = l.ahead.append(entries[i].Text, stored)
		bytes += len(entries[i].Text)
	}
	m := mark{
		size: l.ahead.size, root: l.ahead.root(), newest: now.UTC(),
		sum: crc32.Update(l.mark.sum, castagnoli(), stored),
	}
	if m.newest.Before(l.mark.newest) {
		m.newest = l.mark.newest
	}
	s := l.live
	if err := l.opts.Disk.Do(OpCommit, s.path, func() error { return s.put(first, entries, &m) }); err != nil {
		return failed(s.path, err)
	}
	l.tree, l.ahead, l.mark, l.stored = l.ahead, l.tree, m, stored
	if err := s.hashes.append(stored); err != nil {
		l.opts.Log.Warn("hashes of the audit log cannot be written; they stay in memory", "error", err)
	}
	l.head.Store(&head{size: m.size, root: m.root})
	l.mu.Lock()
	l.stats.Records += uint64(len(entries))
	l.stats.Bytes += uint64(bytes)
	l.stats.Commits++
	l.stats.Last = time.Since(began)
	l.wake()
	l.mu.Unlock()
	if len(entries) > 0 {
		l.opts.Committed(first, entries)
	}
	if m.size-l.signed.Load() >= l.opts.CheckpointRecords {
		signal(l.grown)
	}
	return nil
}

// signal tells a goroutine that has something to do, if it has not been told.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// put is the transaction of a commit.
func (s *segment) put(first uint64, entries []Entry, m *mark) error {
	tx, err := s.db.Begin(true)
	if err != nil {
		return err
	}
	b := tx.Bucket([]byte(bucketRecords))
	if b == nil {
		return errors.Join(corrupt(s.path, errors.New("it has no records")), tx.Rollback())
	}
	b.FillPercent = 1 // nothing is ever put between
	for i := range entries {
		if err := b.Put(key(first+uint64(i)), entries[i].Text); err != nil {
			return errors.Join(err, tx.Rollback())
		}
	}
	if err := store.PutRecord(tx, bucketMeta, metaTree, m.encode()); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// rotate begins a new segment if the live one has ended: its day is over, or it has all the records it may have.
func (l *Log) rotate(now time.Time) error {
	count, day := l.mark.size-l.live.first, dayOf(now)
	if count < l.opts.SegmentRecords && day <= l.live.day {
		return nil
	}
	s := newSegment(l.opts, l.mark.size, day)
	if err := s.begin(l.origin, l.opts.Node, l.tree, l.mark.newest); err != nil {
		return failed(s.path, err)
	}
	old := l.live
	l.change(func(list []*segment) []*segment {
		if count == 0 {
			list = list[:len(list)-1]
		}
		return append(list, s)
	})
	l.live, l.mark = s, mark{size: l.tree.size, root: l.tree.root(), newest: l.mark.newest}
	leave := old.end
	if count == 0 {
		leave = old.remove
	}
	if err := leave(); err != nil {
		l.opts.Log.Warn("a segment of the audit log was not closed", "error", err)
	}
	signal(l.ended)
	return nil
}

// begin makes the segment a new one behind all records of t, open for writing.
func (s *segment) begin(origin, node string, t *tree, newest time.Time) error {
	m := &meta{origin: origin, node: node, first: t.size, start: t.full, mark: mark{size: t.size, root: t.root(), newest: newest}}
	if err := s.create(m); err != nil {
		return err
	}
	s.hashes.good = true
	if err := s.disk.Do(OpOpen, s.path, s.openWrite); err != nil {
		return errors.Join(err, s.remove())
	}
	return nil
}

// persist ends what a failed commit ends, and then tries until a commit succeeds. It returns false when the log is closed
// before: then all is lost that was queued.
func (l *Log) persist(g *group, err error) bool {
	l.opts.Log.Error("the audit log cannot be written", "error", err)
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		failure := failed(l.live.path, err)
		l.fail(g, failure)
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-l.stop:
		}
		timer.Stop()
		if err = l.reopen(!failure.DiskFull); err == nil {
			err = l.retry(g)
		}
		if err == nil {
			l.succeed(g)
			l.opts.Log.Info("the audit log can be written again")
			return true
		}
		select {
		case <-l.stop:
			failure = failed(l.live.path, err)
			if lost := l.abandon(g, failure); lost > 0 {
				l.unwritten = fmt.Errorf("%d records are lost: %w", lost, failure)
			}
			return false
		default:
		}
	}
}

// How long the log waits after a failed commit, at first and at most.
const (
	firstPause   = 250 * time.Millisecond
	longestPause = 2 * time.Second
)

// retry commits what is left of a group. If nothing is, it finds out whether a commit would succeed.
func (l *Log) retry(g *group) error {
	if len(g.entries) > 0 {
		return l.commit(g.entries)
	}
	s := l.live
	err := l.opts.Disk.Do(OpCommit, s.path, func() error {
		probe := make([]byte, probeBytes)
		err := s.db.Update(func(tx *bolt.Tx) error { return tx.Bucket([]byte(bucketMeta)).Put([]byte("probe"), probe) })
		if err != nil {
			return err
		}
		return s.db.Update(func(tx *bolt.Tx) error { return tx.Bucket([]byte(bucketMeta)).Delete([]byte("probe")) })
	})
	return err
}

// probeBytes is how much room there must be on a disk that was full.
const probeBytes = 64 << 10

// reopen opens the live segment anew after a failed commit and takes out of it what the log does not count: the commit may
// have come to the disk after all, but those who waited for it were told that it has not.
func (l *Log) reopen(rewrite bool) error {
	s := l.live
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.closeLocked(); err != nil {
		l.opts.Log.Warn("a segment of the audit log was not closed", "error", err)
	}
	return l.opts.Disk.Do(OpOpen, s.path, func() error {
		if rewrite {
			s.checked = false
			if err := rewriteFile(s.path); err != nil {
				return err
			}
		}
		if err := s.openWrite(); err != nil {
			return err
		}
		return s.db.Update(l.takeBack)
	})
}

// takeBack removes from the live segment what the log does not count.
func (l *Log) takeBack(tx *bolt.Tx) error {
	m, err := readMeta(tx)
	if err != nil {
		return corrupt(l.live.path, err)
	}
	if m.mark.size < l.mark.size {
		return corrupt(l.live.path, fmt.Errorf("it has records up to %d, and had them up to %d", m.mark.size, l.mark.size))
	}
	b := tx.Bucket([]byte(bucketRecords))
	for seq := l.mark.size; seq < m.mark.size; seq++ {
		if err := b.Delete(key(seq)); err != nil {
			return err
		}
	}
	return store.PutRecord(tx, bucketMeta, metaTree, l.mark.encode())
}

// rewriteFile writes a bbolt file over itself, its two headers last. A system that could not sync a file may go on to show
// what is not on the disk, and then have nothing left to sync.
func rewriteFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	err = func() error {
		fi, err := f.Stat()
		if err != nil {
			return err
		}
		used, pageSize, err := page.Used(f, fi.Size())
		if err != nil {
			return corrupt(path, err)
		}
		return errors.Join(rewritePart(f, 2*pageSize, used), rewritePart(f, 0, 2*pageSize))
	}()
	return errors.Join(err, f.Close())
}

func rewritePart(f *os.File, from, to int64) error {
	buf := make([]byte, 1<<20)
	for from < to {
		n, err := f.ReadAt(buf[:min(int64(len(buf)), to-from)], from)
		if err != nil && !(errors.Is(err, io.EOF) && n > 0) {
			return err
		}
		if _, err := f.WriteAt(buf[:n], from); err != nil {
			return err
		}
		from += int64(n)
	}
	return f.Sync()
}
