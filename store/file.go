// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"tollgate/store/page"
)

// Layout says what a bbolt file of the state directory holds. Every value in it is a record of [PutRecord], none is outside
// a bucket, and no bucket is inside another.
type Layout struct {
	Name    string   // of the file, without its directory
	Buckets []string // apart from the one that holds the schema version
	// Create fills a new file, whose buckets exist; nil = nothing to fill.
	Create func(*bolt.Tx) error
	// Migrations are the steps from one schema version to the next; the first leads from version 1 to 2. The version this
	// program writes is one more than there are steps.
	Migrations []func(*bolt.Tx) error
	Lost       string       // what is lost without the file, for hints, such as "all API keys"
	Bolt       bolt.Options // how to open it; [OpenFile] sets Timeout and ReadOnly

	owned bool // the directory notes its owner after the file was made: empty, it has lost what it held
}

// version is the schema version that this program writes.
func (l *Layout) version() int { return len(l.Migrations) + 1 }

// inspect looks at an existing file while nobody can write to it, and without writing to it itself. Then it calls fn, if
// that is not nil, in a transaction.
func (l *Layout) inspect(path string, fn func(*bolt.Tx) error) error {
	fi, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return PathError(path, err)
	case fi.Size() == 0 && l.owned && hadOwner(filepath.Dir(path)):
		return l.corrupt(path, errors.New("file is empty"))
	case fi.Size() == 0:
		return nil // another process is creating it, or died doing so
	}
	f, err := os.Open(path)
	if err != nil {
		return PathError(path, err)
	}
	defer f.Close()
	// Read only, bbolt looks at the two headers and takes a shared lock, which keeps writers out.
	ro, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true, Timeout: lockTimeout})
	if err != nil {
		return l.openError(path, err)
	}
	defer ro.Close()
	if fi, err = f.Stat(); err != nil {
		return PathError(path, err)
	}
	if err := page.Check(f, fi.Size()); err != nil {
		return l.corrupt(path, err)
	}
	return ro.View(func(tx *bolt.Tx) error {
		// First, because how a newer tollgate lays out its records is not ours to judge.
		if _, err := l.readVersion(path, tx); err != nil {
			return err
		}
		if err := checkRecords(tx); err != nil {
			return l.corrupt(path, err)
		}
		if fn == nil {
			return nil
		}
		return fn(tx)
	})
}

// ReadFile reads a file of the state directory dir that nobody has open for writing, and changes nothing. The file is looked
// at as [OpenFile] does, all of [Layout.Check] included, and fn is called in a transaction.
func ReadFile(dir string, l *Layout, fn func(*bolt.Tx) error) error {
	path := filepath.Join(dir, l.Name)
	if _, err := os.Stat(path); err != nil {
		return PathError(path, err)
	}
	return l.inspect(path, func(tx *bolt.Tx) error {
		if have, err := l.readVersion(path, tx); err != nil || have < l.version() {
			return errors.Join(err, fmt.Errorf("state file %q has schema version %d, not %d: a gateway of this version has never opened it", path, have, l.version()))
		}
		if errs := l.Check(tx); len(errs) > 0 {
			return l.corrupt(path, errors.Join(errs...))
		}
		if fn == nil {
			return nil
		}
		return fn(tx)
	})
}

// upgrade makes an empty file a new one and an old one a newer one.
func (l *Layout) upgrade(path string, db *bolt.DB) error {
	var have int
	err := db.View(func(tx *bolt.Tx) (err error) {
		have, err = l.readVersion(path, tx)
		return err
	})
	if err != nil {
		return err
	}
	if have < l.version() {
		err = db.Update(func(tx *bolt.Tx) error {
			if have == 0 {
				return l.initialise(tx)
			}
			return migrate(tx, have, l.Migrations)
		})
		if err != nil {
			return PathError(path, err)
		}
	}
	return db.View(func(tx *bolt.Tx) error {
		if err := l.checkBuckets(tx); err != nil {
			return l.corrupt(path, err)
		}
		return nil
	})
}

// readVersion returns the schema version of a file that this program understands, 0 for one that holds nothing yet.
func (l *Layout) readVersion(path string, tx *bolt.Tx) (int, error) {
	have, err := readSchema(tx)
	if err != nil {
		return 0, l.corrupt(path, err)
	}
	if have > l.version() {
		return 0, &SchemaError{Path: path, Have: have, Known: l.version()}
	}
	return have, nil
}

func (l *Layout) corrupt(path string, err error) error {
	return &CorruptError{Path: path, Lost: l.Lost, Err: err}
}

// openError words a failure of bolt.Open.
func (l *Layout) openError(path string, err error) error {
	if errors.Is(err, bolterrors.ErrTimeout) {
		dir := filepath.Dir(path)
		return &LockedError{Dir: dir, PID: readPID(dir)}
	}
	var sys *fs.PathError
	if errors.As(err, &sys) || DiskFull(err) || isReadOnly(err) || errors.Is(err, fs.ErrPermission) {
		return PathError(path, err)
	}
	return l.corrupt(path, err)
}

// Check walks the records and buckets of an open file of this layout, and what bbolt itself can check.
func (l *Layout) Check(tx *bolt.Tx) (errs []error) {
	for err := range tx.Check() {
		errs = append(errs, fmt.Errorf("bbolt: %w", err))
	}
	if have, err := readSchema(tx); err != nil {
		errs = append(errs, err)
	} else if have != l.version() {
		errs = append(errs, fmt.Errorf("schema version %d, want %d", have, l.version()))
	}
	for _, err := range []error{l.checkBuckets(tx), checkRecords(tx)} {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}
