// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tollgate/store"
	"tollgate/store/audit"
	"tollgate/store/ledger"
)

// Options configure [Source.Write].
type Options struct {
	Now      func() time.Time       // nil = [time.Now]
	Progress func(p Progress) error // an error ends the backup; nil = nobody is told
}

// Progress is how far a backup is.
type Progress struct {
	Step  string // copy, check or pack
	Done  int64  // bytes; of a check, records
	Total int64  // the same; of a copy, about
}

// Report says what a backup holds.
type Report struct {
	Version int       `json:"v"`
	Created time.Time `json:"created"`
	Origin  string    `json:"log,omitempty"` // name of the audit log
	First   uint64    `json:"first"`
	Size    uint64    `json:"records"` // that ever were; those before First were removed
	Root    string    `json:"root,omitempty"`
	Key     string    `json:"key,omitempty"` // verifies checkpoints of the log
	Files   []Listed  `json:"files"`

	Path  string `json:"-"`
	Bytes int64  `json:"-"` // of all files, or of the archive
}

// Listed is one file of a backup.
type Listed struct {
	Name   string `json:"name"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// IsArchive tells whether a backup of this name is one file.
func IsArchive(name string) bool {
	return strings.HasSuffix(name, ".tar") || zipped(name)
}

func zipped(name string) bool {
	return strings.HasSuffix(name, ".tar.gz") || strings.HasSuffix(name, ".tgz")
}

// Write copies the state directory as it is at one moment to target, a new directory, or a new archive when the name ends
// with .tar, .tar.gz or .tgz. It returns when the copy is on disk and was read again. After an error there is nothing.
func (s *Source) Write(ctx context.Context, target string, o *Options) (*Report, error) {
	if o == nil {
		o = &Options{}
	}
	target, err := s.place(target)
	if err != nil {
		return nil, err
	}
	w := &writer{source: s, ctx: ctx, target: target, opts: *o, temp: target + ".tmp-" + rand.Text()[:8]}
	if w.opts.Now == nil {
		w.opts.Now = time.Now
	}
	if err := os.Mkdir(w.temp, 0o700); err != nil {
		return nil, fileError(w.temp, err)
	}
	err = w.run()
	if gone := os.RemoveAll(w.temp); gone != nil { // after success it is no longer there, or packed
		err = errors.Join(err, gone)
	}
	if err != nil {
		return nil, err
	}
	return &w.report, nil
}

// place is target as an absolute path, where nothing is yet.
func (s *Source) place(target string) (string, error) {
	target, err1 := filepath.Abs(target)
	dir, err2 := filepath.Abs(s.Dir)
	if err := errors.Join(err1, err2); err != nil {
		return "", err
	}
	if rel, err := filepath.Rel(dir, target); err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return "", fmt.Errorf("backup %q: it lies in the state directory, name a place outside, best on another disk", target)
	}
	switch _, err := os.Lstat(target); {
	case err == nil:
		return "", fmt.Errorf("backup %q: %w; a backup is never written over, choose another name", target, fs.ErrExist)
	case !errors.Is(err, fs.ErrNotExist):
		return "", fileError(target, err)
	}
	return target, nil
}

// fileError says which path err is about, and what an operator can do about it.
func fileError(path string, err error) error { return store.PathError(path, err) }

// writer writes one backup.
type writer struct {
	source *Source
	ctx    context.Context
	opts   Options
	target string
	temp   string // the directory that is being written
	done   int64  // bytes
	total  int64  // of the files of the source
	failed error  // of Progress
	report Report

	hasPrograms bool
}

func (w *writer) run() error {
	w.total = size(w.source.Dir)
	if err := w.copy(); err != nil {
		return err
	}
	if err := w.check(); err != nil {
		return fmt.Errorf("the copy was read again and is not sound: %w", err)
	}
	if err := w.list(); err != nil {
		return err
	}
	if IsArchive(w.target) {
		return w.pack()
	}
	if err := store.SyncDir(w.temp); err != nil {
		return fileError(w.temp, err)
	}
	if err := rename(w.temp, w.target); err != nil {
		return err
	}
	w.report.Path = w.target
	return nil
}

// size is about how much there is to copy.
func size(dir string) (bytes int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil // files come and go
		}
		if fi, err := d.Info(); err == nil && fi.Mode().IsRegular() {
			bytes += fi.Size()
		}
		return nil
	})
	return bytes
}

// moved counts what is copied.
func (w *writer) moved(bytes int64) {
	w.done += bytes
	w.tell("copy", w.done, max(w.total, w.done))
}

func (w *writer) tell(step string, done, total int64) {
	if w.opts.Progress != nil && w.failed == nil {
		w.failed = w.opts.Progress(Progress{step, done, total})
	}
}

// copy writes everything, in the order that the package comment is about.
func (w *writer) copy() error {
	s := w.source
	if err := s.State.Copy(w.ctx, w.temp, w.moved); err != nil {
		return err
	}
	copied, err := s.copyLedger(w.ctx, w.temp, w.moved)
	if err != nil {
		return err
	}
	if err := s.Replies.Copy(w.ctx, w.temp, w.moved); err != nil {
		return err
	}
	if err := w.programs(); err != nil {
		return err
	}
	if err := w.others(); err != nil {
		return err
	}
	w.report = Report{Version: 1, Created: w.opts.Now().UTC().Truncate(time.Second), Origin: copied.Origin, First: copied.First, Size: copied.Size}
	if copied.Origin == "" {
		return w.failed
	}
	w.report.Root = copied.Root.String()
	if s.Key != nil {
		w.report.Key, err = audit.VerifierKey(s.Key, copied.Origin)
	}
	return errors.Join(err, w.failed)
}

// programs copies programs.db, if there is one.
func (w *writer) programs() error {
	p, done, err := w.source.programs()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	w.hasPrograms = true
	return errors.Join(p.Copy(w.ctx, w.temp, w.moved), done())
}

// others copies the small files beside the databases, which are only ever replaced as a whole, and the mark of a directory
// that had an owner.
func (w *writer) others() error {
	entries, err := os.ReadDir(w.source.Dir)
	if err != nil {
		return fileError(w.source.Dir, err)
	}
	for _, e := range entries {
		name := e.Name()
		if !e.Type().IsRegular() || slices.Contains([]string{pidFile, "control.addr", listFile}, name) || strings.HasSuffix(name, ".tmp") {
			continue
		}
		if strings.HasSuffix(name, ".db") {
			if _, err := os.Lstat(filepath.Join(w.temp, name)); err != nil {
				return fmt.Errorf("backup: nobody knows how to copy %q of the state directory", name)
			}
			continue
		}
		err := store.CopyFile(w.ctx, filepath.Join(w.source.Dir, name), filepath.Join(w.temp, name), w.moved)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	path := filepath.Join(w.temp, pidFile)
	return fileError(path, os.WriteFile(path, nil, 0o600))
}

// check reads the copy again.
func (w *writer) check() error {
	if err := store.CheckCopies(w.temp, w.hasPrograms); err != nil {
		return err
	}
	if w.report.Origin == "" {
		return nil
	}
	_, err := ledger.CheckCopy(w.ctx, w.temp, w.report.Key, func(done, total uint64) { w.tell("check", int64(done), int64(total)) })
	return errors.Join(err, w.failed)
}

// rename gives a finished backup its name, unless something has that by now.
func rename(temp, target string) error {
	if _, err := os.Lstat(target); err == nil {
		return fmt.Errorf("backup %q: %w meanwhile", target, fs.ErrExist)
	}
	if err := os.Rename(temp, target); err != nil {
		return fileError(target, err)
	}
	return fileError(target, store.SyncDir(filepath.Dir(target)))
}
