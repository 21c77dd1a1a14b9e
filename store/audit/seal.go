// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	bolt "go.etcd.io/bbolt"

	"tollgate/store"
)

// sealAll seals segments as they end, until ctx ends.
func (l *Log) sealAll(ctx context.Context) {
	again := time.NewTimer(0)
	again.Stop()
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.ended:
		case <-again.C:
		}
		if err := l.Seal(ctx); err != nil && ctx.Err() == nil {
			l.opts.Log.Error("a segment of the audit log cannot be sealed", "error", err)
			again.Reset(time.Minute)
		}
	}
}

// Seal rewrites the segments that have ended and are not sealed, as compressed blocks with an index. This happens by itself;
// who calls it waits until it has.
func (l *Log) Seal(ctx context.Context) error {
	if l.reader {
		return ErrReadOnly
	}
	l.sealing.Lock()
	defer l.sealing.Unlock()
	list := *l.files.Load()
	from := len(list) - 1
	for ; from > 0; from-- { // the oldest is sealed first, so behind a sealed one all are
		m, err := list[from-1].about()
		if err != nil {
			return err
		}
		if !m.sealed.IsZero() {
			break
		}
	}
	for _, s := range list[from : len(list)-1] {
		if err := l.seal(ctx, s); err != nil {
			return fmt.Errorf("segment %q: %w", s.name, err)
		}
	}
	return nil
}

// seal makes the sealed file beside the segment, reads it back, and puts it in its place.
func (l *Log) seal(ctx context.Context, s *segment) error {
	m, err := s.about()
	if err != nil {
		return err
	}
	m.sealed = l.opts.Now().UTC()
	temp := newSegment(l.opts, s.first, s.day)
	temp.path += endTemp
	if err := os.Remove(temp.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return store.PathError(temp.path, err)
	}
	err = l.opts.Disk.Do(OpSeal, temp.path, func() error { return pack(ctx, s, temp.path, m) })
	if err == nil {
		_, _, err = temp.rehash(m) // what is in it gives the same tree
	}
	if err = errors.Join(err, temp.finish()); err != nil {
		return errors.Join(store.PathError(temp.path, err), os.Remove(temp.path))
	}
	return store.PathError(s.path, l.opts.Disk.Do(OpRename, s.path, func() error { return s.replace(temp.path) }))
}

// replace puts a sealed file in the place of the segment's. Its pages need no walk, they were just read.
func (s *segment) replace(sealed string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.closeLocked(); err != nil {
		return err
	}
	return replaceFile(sealed, s.path)
}

// packed is how much is put into the sealed file at a time.
const packed = 4 << 20

// pack writes the records of s into a new sealed file.
func pack(ctx context.Context, s *segment, path string, m *meta) error {
	db, err := bolt.Open(path, 0o600, &bolt.Options{
		Timeout: lockTimeout, NoSync: true, NoFreelistSync: true, FreelistType: bolt.FreelistMapType, NoStatistics: true,
	})
	if err != nil {
		return err
	}
	db.AllocSize = 1 << 20
	err = db.Update(func(tx *bolt.Tx) error {
		_, err1 := tx.CreateBucket([]byte(bucketBlocks))
		_, err2 := tx.CreateBucket([]byte(bucketIndex))
		return errors.Join(err1, err2, m.write(tx))
	})
	w := &blockWriter{db: db, next: m.first}
	if err == nil {
		err = s.each(ctx, w.add)
	}
	if err == nil {
		err = errors.Join(w.block(), w.flush())
	}
	if err == nil {
		err = db.Sync()
	}
	return errors.Join(err, db.Close())
}

// blockWriter fills a sealed file.
type blockWriter struct {
	db     *bolt.DB
	next   uint64 // place of the next record
	packer packer
	index  *indexer // of the block that is being made; nil = none is
	ready  []readyBlock
	size   int // of ready
}

type readyBlock struct {
	first        uint64
	block, index []byte
}

func (w *blockWriter) add(seq uint64, text []byte) error {
	if seq != w.next {
		return fmt.Errorf("record %d is missing", w.next)
	}
	if w.index == nil {
		w.index = &indexer{blockIndex: blockIndex{first: seq}}
	}
	w.next++
	w.index.add(text)
	w.packer.add(text)
	if !w.packer.full() {
		return nil
	}
	return w.block()
}

// block ends the block that is being made.
func (w *blockWriter) block() error {
	if w.index == nil {
		return nil
	}
	b, err := w.packer.pack()
	if err != nil {
		return err
	}
	ready := readyBlock{w.index.first, b, w.index.encode()}
	w.ready = append(w.ready, ready)
	w.index = nil
	if w.size += len(ready.block) + len(ready.index); w.size < packed {
		return nil
	}
	return w.flush()
}

// flush stores the blocks that are made.
func (w *blockWriter) flush() error {
	err := w.db.Update(func(tx *bolt.Tx) error {
		blocks, index := tx.Bucket([]byte(bucketBlocks)), tx.Bucket([]byte(bucketIndex))
		blocks.FillPercent, index.FillPercent = 1, 1
		for _, r := range w.ready {
			if err := errors.Join(blocks.Put(key(r.first), r.block), index.Put(key(r.first), r.index)); err != nil {
				return err
			}
		}
		return nil
	})
	w.ready, w.size = w.ready[:0], 0
	return err
}
