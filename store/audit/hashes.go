// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"sync"

	"golang.org/x/mod/sumdb/tlog"
)

// hashFile holds the hashes that belong to the records of a segment. It is not synced: whether it is whole is seen by a
// checksum in the segment, and if it is not, it is made again from the records.
type hashFile struct {
	disk     Disk
	path     string
	base     int64 // place of the first hash among those of the log
	readOnly bool  // the log is: the file is left as it is

	mu      sync.Mutex // guards what follows
	f       *os.File   // nil = closed
	written int64      // hashes in the file
	pending []byte     // hashes behind them that could not be written
	good    bool       // written and pending are what belongs here
	gone    error      // why the file is not opened any more; nil = it can be
}

// open opens the file, creating it if need be. The caller holds mu.
func (h *hashFile) open() (err error) {
	if h.gone != nil {
		return h.gone
	}
	if h.f == nil {
		flag := os.O_RDWR | os.O_CREATE
		if h.readOnly {
			flag = os.O_RDONLY
		}
		h.f, err = os.OpenFile(h.path, flag, 0o600)
	}
	return err
}

// append adds hashes. What cannot be written is kept in memory and tried again.
func (h *hashFile) append(hashes []byte) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.pending) > 0 {
		h.pending = append(h.pending, hashes...)
		hashes = h.pending
	}
	err := h.disk.Do(OpHashes, h.path, func() error {
		if err := h.open(); err != nil {
			return err
		}
		_, err := h.f.WriteAt(hashes, h.written*tlog.HashSize)
		return err
	})
	if err != nil {
		if len(h.pending) == 0 {
			h.pending = append(h.pending, hashes...)
		}
		return err
	}
	h.written += int64(len(hashes) / tlog.HashSize)
	h.pending = nil
	return nil
}

// read returns a hash that the file holds.
func (h *hashFile) read(index int64) (hash tlog.Hash, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	at := index - h.base
	switch {
	case at < 0 || at >= h.written+int64(len(h.pending)/tlog.HashSize):
		return hash, fmt.Errorf("%q has no hash %d", h.path, index)
	case at >= h.written:
		copy(hash[:], h.pending[(at-h.written)*tlog.HashSize:])
		return hash, nil
	}
	if err := h.open(); err != nil {
		return hash, err
	}
	_, err = h.f.ReadAt(hash[:], at*tlog.HashSize)
	return hash, err
}

// close closes the file; what is in memory stays there.
func (h *hashFile) close() (err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.f != nil {
		err, h.f = h.f.Close(), nil
	}
	return err
}

// finish closes the file for good, so that no reader brings it back.
func (h *hashFile) finish(gone error) error {
	h.mu.Lock()
	h.gone = gone
	h.mu.Unlock()
	return h.close()
}

// check takes the file for good if its first n hashes have the checksum.
func (h *hashFile) check(n int64, sum uint32) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	f, err := os.Open(h.path)
	if err != nil {
		return n == 0 && errors.Is(err, fs.ErrNotExist)
	}
	defer f.Close()
	got := crc32.New(castagnoli())
	read, err := io.Copy(got, io.LimitReader(f, n*tlog.HashSize))
	if err != nil || read != n*tlog.HashSize || got.Sum32() != sum {
		return false
	}
	h.written, h.pending, h.good = n, nil, true
	return true
}

// ready makes sure that the hashes of the segment can be read. A reader makes them again in memory, the owner in the file.
func (s *segment) ready(reader bool) error {
	h := &s.hashes
	h.mu.Lock()
	good := h.good
	h.mu.Unlock()
	if good {
		return nil
	}
	s.enter()
	err := s.makeReady(reader)
	return errors.Join(err, s.leave())
}

func (s *segment) makeReady(reader bool) error {
	m, err := s.load()
	if err != nil {
		return err
	}
	if s.hashes.check(tlog.StoredHashCount(int64(m.mark.size))-s.hashes.base, m.mark.sum) {
		return nil
	}
	all, _, err := s.rehash(m)
	if err != nil {
		return err
	}
	s.hashes.replace(all, reader)
	return nil
}

// rehash makes the hashes again from the records, and the tree with them.
func (s *segment) rehash(m *meta) (all []byte, t *tree, err error) {
	t = newTree(m.first, m.start)
	err = s.each(context.Background(), func(seq uint64, text []byte) error {
		if seq != t.size || seq >= m.mark.size {
			return corrupt(s.path, fmt.Errorf("record %d comes where record %d is due", seq, t.size))
		}
		all = t.append(text, all)
		return nil
	})
	if err == nil && (t.size != m.mark.size || t.root() != m.mark.root) {
		err = corrupt(s.path, errors.New("its records are not those that were written; \"tollgate audit verify\" says which"))
	}
	return all, t, err
}

// replace writes all hashes again, or keeps them in memory: for a reader, and where they cannot be written.
func (h *hashFile) replace(all []byte, reader bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.written, h.pending, h.good = 0, all, true
	if reader {
		return
	}
	err := h.disk.Do(OpHashes, h.path, func() error {
		if err := h.open(); err != nil {
			return err
		}
		_, err := h.f.WriteAt(all, 0)
		return errors.Join(err, h.f.Truncate(int64(len(all))))
	})
	if err == nil {
		h.written, h.pending = int64(len(all)/tlog.HashSize), nil
	}
}

// hashes reads the hashes of the log, as package tlog numbers them.
func (l *Log) hashes() tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			var err error
			if out[i], err = l.hash(index); err != nil {
				return nil, err
			}
		}
		return out, nil
	})
}

// hash returns one hash, which lies with the record that completes its subtree.
func (l *Log) hash(index int64) (tlog.Hash, error) {
	level, n := tlog.SplitStoredHashIndex(index)
	last := uint64(n+1)<<level - 1
	if last >= l.Size() {
		return tlog.Hash{}, fmt.Errorf("the log has %d records, no hash of record %d", l.Size(), last)
	}
	s, _ := l.find(last)
	if s == nil {
		return l.keptHash(index)
	}
	s.enter()
	h, err := func() (h tlog.Hash, err error) {
		if err = s.ready(l.reader); err == nil {
			h, err = s.hashes.read(index)
		}
		return h, err
	}()
	if errors.Is(err, ErrPruned) { // it was removed meanwhile, and what is kept of it stored before
		h, err = l.keptHash(index)
	}
	return h, errors.Join(err, s.leave())
}
