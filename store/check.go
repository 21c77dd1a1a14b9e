// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	bolt "go.etcd.io/bbolt"

	"tollgate/store/page"
)

// Check walks every invariant of the package comment and returns all that do not hold; none is the normal answer. It
// reads the whole state file and holds up writes meanwhile, but not lookups.
func (db *DB) Check() []error {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.closed {
		return []error{ErrClosed}
	}
	errs := db.checkFiles()
	err := db.bolt.View(func(tx *bolt.Tx) error {
		errs = append(append(errs, stateLayout().Check(tx)...), db.checkState(tx)...)
		return nil
	})
	if err != nil {
		errs = append(errs, err)
	}
	return errs
}

// checkFiles checks the directory around the state and the pages of the file.
func (db *DB) checkFiles() (errs []error) {
	for _, path := range []string{db.dir, db.path} {
		fi, err := os.Stat(path)
		if err == nil {
			err = ownerOnly(path, fi)
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	if pid := readPID(db.dir); pid != os.Getpid() {
		errs = append(errs, fmt.Errorf("the owner's process id is noted as %d, it is %d", pid, os.Getpid()))
	}
	f, err := os.Open(db.path)
	if err != nil {
		return append(errs, err)
	}
	defer f.Close()
	fi, err := f.Stat()
	if err == nil {
		err = page.Check(f, fi.Size())
	}
	if err != nil {
		errs = append(errs, err)
	}
	return errs
}

// checkState checks what the file says and that memory agrees with it.
func (db *DB) checkState(tx *bolt.Tx) (errs []error) {
	add := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	errs = append(errs, db.checkTokens(tx)...)
	for name, inMemory := range map[string][]byte{secretRoot: db.root, secretPepper: db.pepper} {
		stored, err := readSecret(tx, name)
		if err == nil && !bytes.Equal(stored, inMemory) {
			err = fmt.Errorf("secret %q differs from the one in use", name)
		}
		add(err)
	}
	if bytes.Equal(db.root, db.pepper) {
		add(errors.New("root key and pepper are equal"))
	}
	stored, err := loadIndex(tx)
	if err != nil {
		return append(errs, err)
	}
	return append(errs, compare(stored, db.index.Load())...)
}

// compare checks that the keys in memory are those on disk, but for uses that are not stored yet, that no two keys answer
// to the same secret, and that successors exist.
func compare(stored, inMemory *index) (errs []error) {
	macs := map[string]string{}
	for id, s := range stored.byID {
		if other, ok := macs[string(s.MAC)]; ok {
			errs = append(errs, fmt.Errorf("keys %q and %q have the same mac", id, other))
		}
		macs[string(s.MAC)] = id
		if s.ReplacedBy != "" && stored.byID[s.ReplacedBy] == nil {
			errs = append(errs, fmt.Errorf("key %q is replaced by %q, which is not stored", id, s.ReplacedBy))
		}
		m := inMemory.byID[id]
		if m == nil {
			errs = append(errs, fmt.Errorf("key %q is stored but not in use", id))
			continue
		}
		want, err1 := s.encode()
		got, err2 := m.encode()
		if err := errors.Join(err1, err2); err != nil {
			errs = append(errs, err)
		} else if !bytes.Equal(want, got) {
			errs = append(errs, fmt.Errorf("key %q differs from the stored one", id))
		}
	}
	for id := range inMemory.byID {
		if stored.byID[id] == nil {
			errs = append(errs, fmt.Errorf("key %q is in use but not stored", id))
		}
	}
	return errs
}
