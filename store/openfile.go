// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	bolt "go.etcd.io/bbolt"
)

// File is an open file of the state directory. Safe for concurrent use.
type File struct {
	layout  *Layout
	path    string
	syncDir func(dir string) error // [SyncDir]

	writing sync.Mutex   // held by whoever writes, and while the file is copied and replaced by [File.Compact]
	mu      sync.RWMutex // guards what follows; held shared while db is used
	db      *bolt.DB
	broken  error // why nothing may be written any more; nil = it may
}

// tempEnd ends the name of a file that is not finished. [OpenFile] removes it.
const tempEnd = ".tmp"

// maxReplaced is how often the file may be replaced while [OpenFile] waits for its lock.
const maxReplaced = 10

// OpenFile opens a file of the state directory dir, creating both if need be, and brings it to the newest schema version.
// The file is locked until it is closed. A file that exists is first walked page by page and record by record, since
// bbolt trusts what it maps. Errors that an operator can act on are *[LockedError], *[CorruptError], *[SchemaError] and
// *[FileError]; after these the file is as it was.
func OpenFile(dir string, l *Layout) (*File, error) {
	if err := PrivateDir(dir); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, l.Name)
	for range maxReplaced {
		if err := l.inspect(path, nil); err != nil {
			return nil, err
		}
		db, replaced, err := l.open(path)
		if err != nil {
			return nil, err
		}
		if replaced {
			continue
		}
		if err := os.Remove(path + tempEnd); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, errors.Join(PathError(path+tempEnd, err), db.Close())
		}
		if err := l.upgrade(path, db); err != nil {
			return nil, errors.Join(err, db.Close())
		}
		return &File{layout: l, path: path, syncDir: SyncDir, db: db}, nil
	}
	return nil, fmt.Errorf("state file %q is replaced again and again", path)
}

// open opens the file for writing. replaced says that the file that is locked is no longer the one of this name: its owner
// has put a compacted one in its place and closed it.
func (l *Layout) open(path string) (db *bolt.DB, replaced bool, err error) {
	var opened *os.File
	options := l.Bolt
	options.Timeout, options.ReadOnly = lockTimeout, false
	options.OpenFile = func(name string, flag int, mode os.FileMode) (*os.File, error) {
		f, err := os.OpenFile(name, flag, mode)
		opened = f
		return f, err
	}
	if db, err = bolt.Open(path, 0o600, &options); err != nil {
		return nil, false, l.openError(path, err)
	}
	mine, err1 := opened.Stat()
	named, err2 := os.Stat(path)
	switch {
	case errors.Is(err2, fs.ErrNotExist), err1 == nil && err2 == nil && !os.SameFile(mine, named):
		return nil, true, PathError(path, db.Close())
	case err1 != nil || err2 != nil:
		return nil, false, errors.Join(PathError(path, errors.Join(err1, err2)), db.Close())
	}
	return db, false, nil
}

// View reads from the file. fn must not call methods of f.
func (f *File) View(fn func(*bolt.Tx) error) error {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.db.View(fn)
}

// Update writes to the file, and returns when that is on disk. fn must not call methods of f.
func (f *File) Update(fn func(*bolt.Tx) error) error {
	f.writing.Lock()
	defer f.writing.Unlock()
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.broken != nil {
		return f.broken
	}
	return f.db.Update(fn)
}

// Path is where the file is.
func (f *File) Path() string { return f.path }

// Close lets go of the file. It waits for those who use it.
func (f *File) Close() error {
	f.writing.Lock()
	defer f.writing.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.db.Close()
}
