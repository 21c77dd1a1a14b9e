// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	bolt "go.etcd.io/bbolt"
)

// Sizes are those of a file before and after it was compacted.
type Sizes struct{ Before, After int64 }

// Compact writes the file anew without its free pages and puts that in its place. Readers go on meanwhile, writers wait. The
// process may die at any moment: there is always one whole file with everything that was written (TestCompactKill). When
// nothing would be gained, the file stays as it is. Where an open file cannot be replaced, that of the directory's owner
// is not compacted, with [errors.ErrUnsupported]: to let go of it would be to give up the directory.
func (f *File) Compact(ctx context.Context) (sizes Sizes, err error) {
	if f.layout.owned && !replacesOpen() {
		return sizes, fmt.Errorf("state file %q: %w", f.path, errors.ErrUnsupported)
	}
	f.writing.Lock()
	defer f.writing.Unlock()
	if f.broken != nil { // only changed while writing is held
		return sizes, f.broken
	}
	if sizes.Before, err = fileSize(f.path); err != nil {
		return sizes, err
	}
	temp := f.path + tempEnd
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return sizes, PathError(temp, err)
	}
	next, err := f.copyTo(ctx, temp, nil)
	if err != nil {
		return sizes, err
	}
	if sizes.After, err = fileSize(temp); err == nil && sizes.After < sizes.Before {
		return sizes, f.replace(next, temp)
	}
	sizes.After = sizes.Before
	return sizes, errors.Join(err, next.Close(), os.Remove(temp))
}

func fileSize(path string) (int64, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return 0, PathError(path, err)
	}
	return fi.Size(), nil
}

// replacesOpen tells whether a file can be replaced while it is open.
func replacesOpen() bool { return runtime.GOOS != "windows" }

// replace puts next, which is on disk as temp, in the place of the file. The caller holds writing.
func (f *File) replace(next *bolt.DB, temp string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !replacesOpen() {
		return f.reopen(next, temp)
	}
	// The new file is locked before it has the name and the old one until it has lost it, so nobody gets in between.
	if err := os.Rename(temp, f.path); err != nil {
		return errors.Join(PathError(f.path, err), next.Close(), os.Remove(temp))
	}
	old := f.db
	f.db = next
	// A write into the new file must not be taken for safe while a power failure could bring the old one back.
	if err := f.syncDir(filepath.Dir(f.path)); err != nil {
		f.broken = fmt.Errorf("state file %q was replaced, and whether that lasts is not known until the gateway is started anew: %w", f.path, err)
	}
	return errors.Join(f.broken, PathError(f.path, old.Close()))
}

// reopen is replace where an open file cannot be replaced.
func (f *File) reopen(next *bolt.DB, temp string) error {
	err := errors.Join(next.Close(), f.db.Close())
	if err == nil {
		err = os.Rename(temp, f.path)
	}
	db, replaced, failed := f.layout.open(f.path)
	switch {
	case failed != nil:
		f.broken = failed // and reading fails as from a closed file
	case replaced:
		f.broken = fmt.Errorf("state file %q was taken away", f.path)
	default:
		f.db = db
	}
	return PathError(f.path, errors.Join(err, f.broken))
}

// SyncDir makes the names in a directory last. Windows has no such thing.
func SyncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
