// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// Prune removes the oldest segments, as far as they are sealed and their newest records were written before a time, and
// returns the names of their files. What proves the records that are left, and that later checkpoints continue earlier
// ones, is kept.
func (l *Log) Prune(before time.Time) (removed []string, err error) {
	if l.reader {
		return nil, ErrReadOnly
	}
	l.sealing.Lock()
	defer l.sealing.Unlock()
	list := *l.files.Load()
	n := 0
	for ; n < len(list)-1; n++ {
		m, err := list[n].about()
		if err != nil {
			return nil, err
		}
		if m.sealed.IsZero() || !m.mark.newest.Before(before) {
			break
		}
	}
	if n == 0 {
		return nil, nil
	}
	first := list[n].first
	hashes, err := l.gather(first)
	if err != nil {
		return nil, err
	}
	if err := l.keep(first, hashes); err != nil {
		return nil, err
	}
	l.change(func(list []*segment) []*segment { return list[n:] })
	for _, s := range list[:n] {
		removed = append(removed, s.name+endData)
		// What is left behind is removed by the next Open.
		err = errors.Join(err, s.remove())
	}
	return removed, err
}

// gather returns all hashes before record first that are needed once the records before it are gone. A proof between two
// checkpoints, or from one to any later tree, is made of those of the trees themselves and those that lead from each to
// first (TestProofsAfterPrune).
func (l *Log) gather(first uint64) (map[int64]tlog.Hash, error) {
	found := map[int64]tlog.Hash{}
	all := l.hashes()
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		hashes, err := all.ReadHashes(indexes)
		for i := range hashes {
			found[indexes[i]] = hashes[i]
		}
		return hashes, err
	})
	sizes, err := l.noteSizes()
	if err != nil {
		return nil, err
	}
	for _, size := range append(sizes, first) {
		if size == 0 || size > first {
			continue
		}
		if _, err := tlog.TreeHash(int64(size), reader); err != nil {
			return nil, fmt.Errorf("tree of %d records: %w", size, err)
		}
		if size == first {
			continue
		}
		if _, err := tlog.ProveTree(int64(first), int64(size), reader); err != nil {
			return nil, fmt.Errorf("proof from %d to %d records: %w", size, first, err)
		}
	}
	return found, nil
}
