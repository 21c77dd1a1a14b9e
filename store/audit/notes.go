// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"tollgate/store"
)

// The files of checkpoints. Each checkpoint is a signed note; in the second file an empty line ends each.
const (
	noteName  = "checkpoint"  // the newest
	notesName = "checkpoints" // all
)

// publishAll signs checkpoints until the writer has ended, and a last one then.
func (l *Log) publishAll() {
	for _, q := range l.sinks {
		l.workers.Go(q.run)
	}
	every := time.NewTicker(l.opts.CheckpointEvery)
	defer every.Stop()
	for open := true; open; {
		select {
		case <-l.grown:
		case <-every.C:
		case <-l.written:
			open = false
		}
		if err := l.publish(); err != nil {
			l.opts.Log.Warn("no checkpoint of the audit log could be stored", "error", err)
		}
	}
	for _, q := range l.sinks {
		q.close()
	}
}

// publish signs a checkpoint of what is on disk, unless there is one, and stores it.
func (l *Log) publish() error {
	l.publishing.Lock()
	defer l.publishing.Unlock()
	return l.publishLocked()
}

// publishLocked is publish for a caller that holds publishing.
func (l *Log) publishLocked() error {
	h := l.head.Load()
	if h.size == l.signed.Load() {
		return nil
	}
	note, err := signCheckpoint(l.opts.Key, l.origin, h.size, h.root, l.opts.Now())
	if err != nil {
		return err
	}
	path := filepath.Join(l.opts.Dir, notesName)
	err = l.opts.Disk.Do(OpWrite, path, func() error {
		return writeSynced(path, os.O_CREATE|os.O_APPEND, append(bytes.Clone(note), '\n'))
	})
	if err != nil {
		return store.PathError(path, errors.Join(err, l.trimNotes()))
	}
	if err := l.writeFile(noteName, note); err != nil {
		return err
	}
	l.signed.Store(h.size)
	for _, q := range l.sinks {
		q.push(note, h.size)
	}
	return nil
}

// checkNotes makes sure that the log is not older than its newest checkpoint, and goes on behind it. m is about the newest
// segment.
func (l *Log) checkNotes(m *meta) error {
	if err := l.trimNotes(); err != nil {
		return err
	}
	path := filepath.Join(l.opts.Dir, noteName)
	note, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return store.PathError(path, err)
	}
	size, root, err := parseNote(note)
	if err == nil && size > m.mark.size {
		err = fmt.Errorf("it covers %d records, and the log has only %d: it is an older copy, or was cut off", size, m.mark.size)
	}
	if err == nil && size >= m.first {
		var t *tree
		if t, err = l.live.treeAt(m, size); err == nil && t.root() != root {
			err = fmt.Errorf("the first %d records of the log are not those that it covers", size)
		}
	}
	if err != nil {
		return &store.CorruptError{Path: path, Lost: "what it proves", Err: err}
	}
	l.signed.Store(size)
	return nil
}

// maxLevel bounds what a checkpoint may say of its size, so that no arithmetic on trees overflows.
const maxLevel = 62

// parseNote reads what a checkpoint covers, without checking who has signed it.
func parseNote(note []byte) (size uint64, root tlog.Hash, err error) {
	lines := bytes.SplitN(note, []byte("\n"), 4)
	if len(lines) < 4 {
		return 0, root, errors.New("it is no checkpoint")
	}
	size, err = strconv.ParseUint(string(lines[1]), 10, maxLevel)
	if err != nil {
		return 0, root, fmt.Errorf("its second line is no number of records: %w", err)
	}
	b, err := base64.StdEncoding.DecodeString(string(lines[2]))
	if err != nil || len(b) != len(root) {
		return 0, root, errors.New("its third line is no hash")
	}
	return size, tlog.Hash(b), nil
}

// splitNotes takes apart a file of checkpoints. rest is what a crash has left of one.
func splitNotes(b []byte) (notes [][]byte, rest []byte) {
	end := []byte("\n\n")
	for {
		text := bytes.Index(b, end) // the signatures come behind it
		if text < 0 {
			return notes, b
		}
		signed := bytes.Index(b[text+len(end):], end)
		if signed < 0 {
			return notes, b
		}
		n := text + len(end) + signed + 1
		notes = append(notes, b[:n:n])
		b = b[n+1:]
	}
}

// readNotes returns all checkpoints that were stored, the oldest first.
func (l *Log) readNotes() (notes [][]byte, err error) {
	path := filepath.Join(l.opts.Dir, notesName)
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, store.PathError(path, err)
	}
	notes, _ = splitNotes(b)
	return notes, nil
}

// noteSizes returns how many records each stored checkpoint covers.
func (l *Log) noteSizes() (sizes []uint64, err error) {
	notes, err := l.readNotes()
	if err != nil {
		return nil, err
	}
	for i, note := range notes {
		size, _, err := parseNote(note)
		if err != nil {
			path := filepath.Join(l.opts.Dir, notesName)
			return nil, &store.CorruptError{Path: path, Lost: "checkpoints of the past", Err: fmt.Errorf("checkpoint %d: %w", i+1, err)}
		}
		sizes = append(sizes, size)
	}
	return sizes, nil
}

// trimNotes takes away what a crash has left of a checkpoint.
func (l *Log) trimNotes() error {
	path := filepath.Join(l.opts.Dir, notesName)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		if _, rest := splitNotes(b); len(rest) > 0 {
			err = os.Truncate(path, int64(len(b)-len(rest)))
		}
	}
	return store.PathError(path, err)
}
