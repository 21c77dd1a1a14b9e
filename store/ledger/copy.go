// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	bolt "go.etcd.io/bbolt"

	"tollgate/store"
	"tollgate/store/audit"
)

// logName is the folder of the log in the state directory.
const logName = "audit"

// Copy writes the ledger and its log, as they are on disk at one moment, into the directory dir. Calls go on meanwhile. To
// open the copy is to start after a crash at that moment. moved is told how many bytes more are copied; nil = nobody.
func (e *Engine) Copy(ctx context.Context, dir string, moved func(bytes int64)) (*audit.Copied, error) {
	// With it there is less to read when the copy is opened. Without it, as when the disk is full, the copy is as good.
	_ = e.checkpoint()
	return copyLedger(ctx, e.db, e.log, dir, moved)
}

// CopyStopped is [Engine.Copy] of the state directory from, which the caller owns and where no ledger is open.
func CopyStopped(ctx context.Context, from, dir string, moved func(bytes int64)) (*audit.Copied, error) {
	log, err := audit.OpenReader(filepath.Join(from, logName))
	if err != nil {
		return nil, err
	}
	db, err := store.OpenFile(from, fileLayout())
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	copied, err := copyLedger(ctx, db, log, dir, moved)
	return copied, errors.Join(err, db.Close(), log.Close())
}

// copyLedger copies ledger.db before the log: the copy of the log has what the one of ledger.db is about, and what comes
// after it.
func copyLedger(ctx context.Context, db *store.File, log *audit.Log, dir string, moved func(bytes int64)) (*audit.Copied, error) {
	return log.Copy(ctx, &audit.CopyOptions{
		Dir: filepath.Join(dir, logName), Moved: moved,
		Before: func() error { return db.Copy(ctx, filepath.Join(dir, fileName), moved) },
	})
}

// CheckCopy reads what [Engine.Copy] has written into dir, and changes nothing: that the files are whole, that the records are
// those that were written, and that the ledger and the records after it add up. key verifies checkpoints, see
// [audit.Log.VerifierKey]. progress is told how many of how many records are checked; nil = nobody.
func CheckCopy(ctx context.Context, dir, key string, progress func(done, total uint64)) (*audit.Verification, error) {
	log, err := audit.OpenReader(filepath.Join(dir, logName))
	if err != nil {
		return nil, err
	}
	v, err := checkCopy(ctx, log, dir, key, progress)
	return v, errors.Join(err, log.Close())
}

func checkCopy(ctx context.Context, log *audit.Log, dir, key string, progress func(done, total uint64)) (*audit.Verification, error) {
	b := &book{dirty: newDirty()}
	err := store.ReadFile(dir, fileLayout(), func(tx *bolt.Tx) (err error) {
		b.state, err = readState(tx)
		return errors.Join(err, errors.Join(checkTables(tx)...))
	})
	if err != nil {
		return nil, err
	}
	v, err := log.Verify(ctx, &audit.VerifyOptions{Key: key, Progress: progress})
	if err != nil {
		return nil, err
	}
	if v.Problem != nil {
		return v, fmt.Errorf("the audit log: %w", v.Problem)
	}
	b.rollups = newRollups(nil, b.next, applied)
	return v, b.replay(ctx, log, log.Size())
}

// Compact writes ledger.db anew without its free pages, and seals the segments of the log that have ended. Calls go on
// meanwhile. See [store.File.Compact].
func (e *Engine) Compact(ctx context.Context) (store.Sizes, error) {
	if err := e.log.Seal(ctx); err != nil {
		return store.Sizes{}, err
	}
	e.checkpointing.Lock()
	defer e.checkpointing.Unlock()
	return e.db.Compact(ctx)
}

// CompactStopped is [Engine.Compact] of the state directory dir, which the caller owns and where no ledger is open.
func CompactStopped(ctx context.Context, dir string) (sizes store.Sizes, err error) {
	path := filepath.Join(dir, logName)
	if _, err := os.Stat(path); err != nil { // Open would make a new log
		return sizes, store.PathError(path, err)
	}
	log, err := audit.Open(&audit.Options{Dir: path})
	if err != nil {
		return sizes, err
	}
	if err := errors.Join(log.Seal(ctx), log.Close()); err != nil {
		return sizes, err
	}
	db, err := store.OpenFile(dir, fileLayout())
	if err != nil {
		return sizes, err
	}
	sizes, err = db.Compact(ctx)
	return sizes, errors.Join(err, db.Close())
}
