// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
	"golang.org/x/mod/sumdb/tlog"

	"tollgate/store"
	"tollgate/store/page"
)

// The endings of the files of a segment.
const (
	endData   = ".db"
	endHashes = ".hashes"
	endTemp   = ".tmp" // of files that are not finished
)

// lockTimeout is how long the log waits for another process to let go of a segment.
const lockTimeout = time.Second

// segment is a file of consecutive records, and the file of their hashes.
type segment struct {
	disk   Disk
	name   string // without ending
	path   string
	first  uint64
	day    string // when it was begun
	hashes hashFile
	times  atomic.Pointer[timeRange] // of its records, once a query has looked; nil = not known, or not sealed

	mu      sync.RWMutex // guards what follows; held shared while db is read
	db      *bolt.DB     // nil = closed
	live    bool         // it is the writer's
	checked bool         // its pages were walked
	gone    error        // why it is not opened any more; nil = it can be
	users   int          // readers that come back to it
}

func newSegment(o *Options, first uint64, day string) *segment {
	name := fmt.Sprintf("%012d-%s", first, day)
	path := filepath.Join(o.Dir, name)
	return &segment{
		disk: o.Disk, name: name, path: path + endData, first: first, day: day,
		hashes: hashFile{disk: o.Disk, path: path + endHashes, base: tlog.StoredHashCount(int64(first))},
	}
}

// dayOf is the UTC day of t, as it stands in names.
func dayOf(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// create makes the files of a new segment, whole or not at all.
func (s *segment) create(m *meta) error {
	return s.disk.Do(OpCreate, s.path, func() error {
		temp := s.path + endTemp
		if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		db, err := bolt.Open(temp, 0o600, &bolt.Options{Timeout: lockTimeout, NoFreelistSync: true, FreelistType: bolt.FreelistMapType})
		if err != nil {
			return err
		}
		err = db.Update(func(tx *bolt.Tx) error {
			_, err := tx.CreateBucket([]byte(bucketRecords))
			return errors.Join(err, m.write(tx))
		})
		if err := errors.Join(err, db.Close()); err != nil {
			return errors.Join(err, os.Remove(temp))
		}
		return replaceFile(temp, s.path)
	})
}

// replaceFile puts a finished file in its place, for good.
func replaceFile(temp, path string) error {
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes names in a directory last. Windows has no such thing.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// mapSize is how much of the address space a segment gets that is written. bbolt makes writers wait for readers when the
// space has to grow, and on Windows the file is as large as the space.
func mapSize() int {
	if strconv.IntSize == 32 || runtime.GOOS == "windows" {
		return 1 << 20
	}
	return 1 << 30
}

// openWrite opens the file for the writer. The caller holds mu or is the only one to know s.
func (s *segment) openWrite() error {
	if !s.checked {
		if err := s.walk(); err != nil {
			return err
		}
		s.checked = true
	}
	db, err := bolt.Open(s.path, 0o600, &bolt.Options{
		Timeout: lockTimeout, NoFreelistSync: true, FreelistType: bolt.FreelistMapType, InitialMmapSize: mapSize(), NoStatistics: true,
	})
	if err != nil {
		return s.openError(err)
	}
	db.AllocSize = 4 << 20
	s.db, s.live = db, true
	return nil
}

// openRead opens the file for readers. The caller holds mu.
func (s *segment) openRead() error {
	if !s.checked {
		if err := s.walk(); err != nil {
			return err
		}
	}
	db, err := s.bolt()
	if err != nil {
		return err
	}
	s.db, s.checked = db, true
	return nil
}

func (s *segment) bolt() (*bolt.DB, error) {
	if fi, err := os.Stat(s.path); err == nil && fi.Size() == 0 {
		return nil, corrupt(s.path, errors.New("file is empty")) // which bbolt would fill
	}
	db, err := bolt.Open(s.path, 0o600, &bolt.Options{ReadOnly: true, Timeout: lockTimeout, NoStatistics: true})
	if err != nil {
		return nil, s.openError(err)
	}
	return db, nil
}

// walk checks the pages of the file, which nobody can write to meanwhile.
func (s *segment) walk() error {
	ro, err := s.bolt() // takes the lock and looks at the headers
	if err != nil {
		return err
	}
	defer ro.Close()
	f, err := os.Open(s.path)
	if err != nil {
		return store.PathError(s.path, err)
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return store.PathError(s.path, err)
	}
	if err := page.Check(f, fi.Size()); err != nil {
		return corrupt(s.path, err)
	}
	return nil
}

// openError words a failure of bolt.Open.
func (s *segment) openError(err error) error {
	var sys *fs.PathError
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return &store.LockedError{Dir: filepath.Dir(s.path)}
	case errors.As(err, &sys), store.DiskFull(err), errors.Is(err, fs.ErrPermission):
		return store.PathError(s.path, err)
	}
	return corrupt(s.path, err)
}

// view reads from the segment, which is opened if need be.
func (s *segment) view(fn func(tx *bolt.Tx) error) error {
	for {
		s.mu.RLock()
		if s.db != nil {
			defer s.mu.RUnlock()
			return s.db.View(fn)
		}
		s.mu.RUnlock()
		if err := s.reopen(); err != nil {
			return err
		}
	}
}

func (s *segment) reopen() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.gone != nil:
		return s.gone
	case s.db != nil:
		return nil
	}
	return s.openRead() // the live segment too, while the writer cannot open it
}

// load reads what the segment says about itself.
func (s *segment) load() (m *meta, err error) {
	err = s.view(func(tx *bolt.Tx) (err error) {
		if m, err = readMeta(tx); err == nil && m.first != s.first {
			err = fmt.Errorf("it begins with record %d and is named %q", m.first, s.name)
		}
		return err
	})
	return m, s.readError(err)
}

// about is load for those who need nothing else of the segment.
func (s *segment) about() (*meta, error) {
	s.enter()
	m, err := s.load()
	return m, errors.Join(err, s.leave())
}

// readError words what kept the segment from being read.
func (s *segment) readError(err error) error {
	var locked *store.LockedError
	var file *store.FileError
	var schema *store.SchemaError
	switch {
	case err == nil, errors.As(err, &locked), errors.As(err, &file), errors.As(err, &schema),
		errors.Is(err, ErrPruned), errors.Is(err, ErrClosed), errors.Is(err, fs.ErrNotExist):
		return err
	}
	return corrupt(s.path, err)
}

// closeLocked lets go of the files. A reader that comes later opens them again. The caller holds mu.
func (s *segment) closeLocked() (err error) {
	if s.db != nil {
		err, s.db = s.db.Close(), nil
	}
	return errors.Join(err, s.hashes.close())
}

// end takes the segment from the writer. The file stays as it is.
func (s *segment) end() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live = false
	return s.closeLocked()
}

// finish closes the segment for good.
func (s *segment) finish() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone = ErrClosed
	return errors.Join(s.closeLocked(), s.hashes.finish(s.gone))
}

// enter keeps the file open until leave, so that it is opened once.
func (s *segment) enter() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users++
}

func (s *segment) leave() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users--; s.users > 0 || s.live {
		return nil
	}
	return s.closeLocked()
}

// remove closes the segment and deletes its files.
func (s *segment) remove() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone, s.live = ErrPruned, false
	err := errors.Join(s.closeLocked(), s.hashes.finish(s.gone))
	for _, path := range []string{s.path, s.hashes.path} {
		gone := s.disk.Do(OpRemove, path, func() error { return os.Remove(path) })
		if gone != nil && !errors.Is(gone, fs.ErrNotExist) {
			err = errors.Join(err, gone)
		}
	}
	return err
}
