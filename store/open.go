// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"
)

// lockTimeout is how long [Open] waits for another process to let go of the directory.
const lockTimeout = time.Second

// Options configure [Open]. A nil *Options means all defaults.
type Options struct {
	// Log receives what no caller can be told; nil = discard. Keys and secrets never go there.
	Log *slog.Logger
	// Now is the clock for creation, expiry and last use; nil = [time.Now].
	Now func() time.Time
}

// DB is an open state directory. Safe for concurrent use.
type DB struct {
	dir, path    string // absolute
	log          *slog.Logger
	now          func() time.Time
	bolt         *File
	root, pepper []byte    // never change
	macers       sync.Pool // of *macer, under the pepper
	uses         uses

	index atomic.Pointer[index] // all keys; nil once closed

	mu     sync.Mutex // held during every write, so that file and index change together; guards closed
	closed bool
}

// Open opens the state directory dir, creating it (mode 0700) and everything in it if need be. The caller owns the
// directory until [DB.Close]; a second Open, in this process or another, fails with a *[LockedError] after about a
// second. Other errors an operator can act on are *[CorruptError], *[SchemaError] and *[FileError]; after these the
// state file is as it was.
func Open(dir string, o *Options) (*DB, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("state directory %q: %w", dir, err)
	}
	if o == nil {
		o = &Options{}
	}
	db := &DB{dir: dir, path: filepath.Join(dir, stateName), log: o.Log, now: o.Now}
	if db.log == nil {
		db.log = slog.New(slog.DiscardHandler)
	}
	if db.now == nil {
		db.now = time.Now
	}
	db.uses.flush = db.flushUsesLater
	if db.bolt, err = OpenFile(dir, stateLayout()); err != nil {
		return nil, err
	}
	if err := errors.Join(db.load(), writePID(dir)); err != nil {
		return nil, errors.Join(err, db.bolt.Close())
	}
	return db, nil
}

// load reads what is kept in memory.
func (db *DB) load() error {
	return db.bolt.View(func(tx *bolt.Tx) (err error) {
		db.root, err = readSecret(tx, secretRoot)
		if err == nil {
			db.pepper, err = readSecret(tx, secretPepper)
		}
		if err != nil {
			return stateLayout().corrupt(db.path, err)
		}
		db.macers.New = func() any { return newMacer(db.pepper) }
		x, err := loadIndex(tx)
		if err != nil {
			return stateLayout().corrupt(db.path, err)
		}
		db.index.Store(x)
		return nil
	})
}

// write is the only place that changes the state file after [Open]. fn gets the keys as they are and returns them as
// they are to be; they take effect when its transaction is on disk.
func (db *DB) write(fn func(*bolt.Tx, *index) (*index, error)) error {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.closed {
		return ErrClosed
	}
	var next *index
	refused := false
	err := db.bolt.Update(func(tx *bolt.Tx) (err error) {
		next, err = fn(tx, db.index.Load())
		refused = err != nil
		return err
	})
	switch {
	case err == nil:
		db.index.Store(next)
		return nil
	case refused:
		return err
	}
	return PathError(db.path, err)
}

// Close writes what is only in memory and gives the directory up. It returns when nothing of the store runs any more.
// A second Close does nothing.
func (db *DB) Close() error {
	db.uses.stop()
	flushed := db.flushUses()
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.closed {
		return nil
	}
	db.closed = true
	db.index.Store(nil)
	return errors.Join(flushed, clearPID(db.dir), db.bolt.Close())
}
