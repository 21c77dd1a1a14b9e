// SPDX-License-Identifier: Apache-2.0

package store

import (
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"
)

// usesEvery is the least time between two writes of last uses, and the most that a crash loses of them.
const usesEvery = time.Minute

// uses decides when last uses are written: a minute after the first one that is not on disk. Between uses nothing
// runs. The zero value is not usable; see [Open].
type uses struct {
	flush   func()
	pending atomic.Bool // a flush is due, or was due when the store closed

	mu      sync.Mutex // guards the rest
	timer   *time.Timer
	stopped bool
	running sync.WaitGroup // the flush that the timer has started or will start
}

// note makes sure that a flush is due. After the first call it costs one atomic load.
func (u *uses) note() {
	if u.pending.Load() || u.pending.Swap(true) {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.stopped {
		return
	}
	u.running.Add(1)
	u.timer = time.AfterFunc(usesEvery, func() {
		defer u.running.Done()
		// First, so that a use during the flush makes the next one due.
		u.pending.Store(false)
		u.flush()
	})
}

// stop returns when no flush runs and none will.
func (u *uses) stop() {
	u.mu.Lock()
	u.stopped = true
	if u.timer != nil && u.timer.Stop() {
		u.running.Done()
	}
	u.mu.Unlock()
	u.running.Wait()
}

// flushUses writes the last uses that are newer than the stored ones. It does not touch the disk when there are none.
func (db *DB) flushUses() error {
	x := db.index.Load()
	if x == nil {
		return ErrClosed
	}
	if len(x.used()) == 0 {
		return nil
	}
	return db.write(func(tx *bolt.Tx, x *index) (*index, error) {
		used := x.used()
		for _, e := range used {
			if err := putKey(tx, &e.keyRecord); err != nil {
				return nil, err
			}
		}
		return x.with(used...), nil
	})
}

// flushUsesLater is what the timer runs. Nobody waits for its result and a time of last use refuses nobody, so a
// failure is logged; the uses stay in memory, and the next use makes the next attempt due.
func (db *DB) flushUsesLater() {
	if err := db.flushUses(); err != nil {
		db.log.Warn("last uses of api keys are not stored yet", "error", err)
	}
}
