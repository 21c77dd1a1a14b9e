// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"tollgate/store"
)

// Open opens the log in a directory of its own, creating it if need be, and finishes what a crash has interrupted. The log
// belongs to the caller until [Log.Close]; a second Open fails with a *[store.LockedError]. Other errors that an operator
// can act on are *[store.CorruptError], *[store.SchemaError] and *[store.FileError]; after these no record was changed.
func Open(o *Options) (*Log, error) {
	opts, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := store.PrivateDir(opts.Dir); err != nil {
		return nil, err
	}
	l := newLog(opts)
	if err := l.open(); err != nil {
		return nil, errors.Join(err, l.closeFiles())
	}
	ctx, cancel := context.WithCancel(context.Background())
	l.stopSealing = cancel
	l.workers.Go(l.write)
	l.workers.Go(func() { l.sealAll(ctx) })
	if opts.Key != nil {
		for _, sink := range opts.Sinks {
			l.sinks = append(l.sinks, newSinkQueue(sink, opts.Log))
		}
		l.workers.Go(l.publishAll)
	}
	return l, nil
}

// OpenReader opens the log in a directory for reading alone, such as a copy or that of a gateway that does not run. Nothing
// in the directory is changed. Whether the records are those that were written is not looked at.
func OpenReader(dir string) (*Log, error) {
	opts, err := (&Options{Dir: dir}).withDefaults()
	if err != nil {
		return nil, err
	}
	l := newLog(opts)
	l.reader = true
	list, err := l.list()
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%q holds no audit log: name the folder %q of a state directory", dir, "audit")
	}
	l.files.Store(&list)
	m, err := list[len(list)-1].load()
	if err != nil {
		return nil, errors.Join(err, l.closeFiles())
	}
	l.origin = m.origin
	l.head.Store(&head{size: m.mark.size, root: m.mark.root})
	return l, l.loadKept()
}

func newLog(opts *Options) *Log {
	l := &Log{
		opts: opts, stop: make(chan struct{}), written: make(chan struct{}),
		ended: make(chan struct{}, 1), grown: make(chan struct{}, 1),
	}
	l.work.L = &l.mu
	l.head.Store(&head{root: newTree(0, nil).root()})
	l.files.Store(&[]*segment{})
	return l
}

// segmentName is the name of the main file of a segment.
var segmentName = regexp.MustCompile(`^([0-9]{12,20})-([0-9]{4}-[0-9]{2}-[0-9]{2})\.db$`)

// list returns the segments in the directory, in order, by their names alone.
func (l *Log) list() (list []*segment, err error) {
	entries, err := os.ReadDir(l.opts.Dir)
	if err != nil {
		return nil, store.PathError(l.opts.Dir, err)
	}
	for _, e := range entries {
		part := segmentName.FindStringSubmatch(e.Name())
		if part == nil {
			continue
		}
		first, err := strconv.ParseUint(part[1], 10, 63)
		if err != nil {
			return nil, fmt.Errorf("file %q: its name is none of a segment: %w", e.Name(), err)
		}
		s := newSegment(l.opts, first, part[2])
		s.hashes.readOnly = l.reader
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b *segment) int { return cmp.Or(cmp.Compare(a.first, b.first), cmp.Compare(a.day, b.day)) })
	return list, nil
}

// open finds out how far the log goes and makes its newest segment ready for the writer.
func (l *Log) open() error {
	if err := l.loadKept(); err != nil {
		return err
	}
	list, err := l.list()
	if err != nil {
		return err
	}
	l.files.Store(&list)
	if len(list) > 0 { // first, because its lock is that of the log
		s := list[len(list)-1]
		if err := s.disk.Do(OpOpen, s.path, s.openWrite); err != nil {
			return err
		}
	}
	if err := l.clean(); err != nil {
		return err
	}
	if err := l.openNewest(); err != nil {
		return err
	}
	signal(l.ended) // there may be something to seal
	return nil
}

// openNewest reads the newest segment, or begins the first one.
func (l *Log) openNewest() error {
	list := *l.files.Load()
	if len(list) == 0 {
		id := make([]byte, 8)
		rand.Read(id)
		l.origin = "tollgate/" + hex.EncodeToString(id)
		l.tree = newTree(0, nil)
		l.live = newSegment(l.opts, 0, dayOf(l.opts.Now()))
		if err := l.live.begin(l.origin, l.opts.Node, l.tree, l.opts.Now()); err != nil {
			return failed(l.live.path, err).Err
		}
		l.change(func([]*segment) []*segment { return []*segment{l.live} })
	} else {
		l.live = list[len(list)-1]
	}
	m, err := l.live.load()
	if err != nil {
		return err
	}
	if l.tree, err = l.live.restore(m); err != nil {
		return err
	}
	l.origin, l.mark, l.ahead = m.origin, m.mark, newTree(0, nil)
	l.head.Store(&head{size: m.mark.size, root: m.mark.root})
	if !m.sealed.IsZero() {
		return corrupt(l.live.path, errors.New("it has ended, and the segment behind it is missing"))
	}
	return l.checkNotes(m)
}

// restore returns the tree at the end of the segment, and makes sure that its hashes are right.
func (s *segment) restore(m *meta) (*tree, error) {
	if !s.hashes.check(tlog.StoredHashCount(int64(m.mark.size))-s.hashes.base, m.mark.sum) {
		all, t, err := s.rehash(m)
		if err == nil {
			s.hashes.replace(all, false)
		}
		return t, err
	}
	t, err := s.treeAt(m, m.mark.size)
	if err == nil && t.root() != m.mark.root {
		err = corrupt(s.path, errors.New("its hashes are not those of its records"))
	}
	return t, err
}

// treeAt returns the tree of the first size records of the log, which end in the segment. Its hashes are known to be right.
func (s *segment) treeAt(m *meta, size uint64) (*tree, error) {
	t := newTree(size, nil)
	for i, index := range frontier(size) {
		if index < s.hashes.base {
			t.full = append(t.full, m.start[i]) // what is before the segment consists of the same parts as at its start
			continue
		}
		h, err := s.hashes.read(index)
		if err != nil {
			return nil, store.PathError(s.hashes.path, err)
		}
		t.full = append(t.full, h)
	}
	return t, nil
}

// clean removes what a crash has left: files that were not finished, segments that retention was about to remove, and a
// segment that came to nothing when its day was over.
func (l *Log) clean() error {
	entries, err := os.ReadDir(l.opts.Dir)
	if err != nil {
		return store.PathError(l.opts.Dir, err)
	}
	for _, e := range entries {
		path := filepath.Join(l.opts.Dir, e.Name())
		name, hashes := strings.CutSuffix(path, endHashes)
		if hashes { // whose segment is gone
			_, err := os.Stat(name + endData)
			hashes = errors.Is(err, fs.ErrNotExist)
		}
		if hashes || strings.HasSuffix(path, endTemp) {
			if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return store.PathError(path, err)
			}
		}
	}
	var gone, left []*segment
	list := *l.files.Load()
	first := uint64(0)
	if kept := l.kept.Load(); kept != nil {
		first = kept.first
	}
	for i, s := range list {
		twin := i+1 < len(list) && list[i+1].first == s.first
		if s.first >= first && !twin {
			left = append(left, s)
			continue
		}
		if twin {
			if m, err := s.load(); err != nil || m.mark.size > m.first {
				return errors.Join(err, corrupt(s.path, fmt.Errorf("segment %q has the same records", list[i+1].name)))
			}
		}
		gone = append(gone, s)
	}
	l.files.Store(&left)
	for _, s := range gone {
		if err := s.remove(); err != nil {
			return store.PathError(s.path, err)
		}
	}
	if len(left) > 0 && left[0].first != first {
		return corrupt(left[0].path, fmt.Errorf("the log begins with record %d; records from %d on are missing", left[0].first, first))
	}
	return nil
}
