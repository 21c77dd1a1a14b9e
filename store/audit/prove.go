// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/tlog"

	"tollgate/store"
)

// Prove returns the proof that the log has its record seq, under the newest checkpoint. When that one does not cover the
// record, a new one is signed and stored, which a log that is open for reading cannot. older is a checkpoint of the log that
// was kept elsewhere, which the proof then shows to be continued; nil = none. What Prove returns has passed [Proof.Check]; a
// *[Problem] says that the log is not what was written.
func (l *Log) Prove(ctx context.Context, seq uint64, older []byte) (*Proof, error) {
	key, err := l.VerifierKey()
	if err != nil {
		return nil, err
	}
	open := func(signed []byte) (*Checkpoint, error) { return OpenCheckpoint(signed, key) }
	if key == "" {
		open = func(signed []byte) (*Checkpoint, error) { return readCheckpoint(string(signed)) }
	}
	p := &Proof{Version: proofVersion, Seq: seq}
	if p.Record, err = l.provable(ctx, seq); err != nil {
		return nil, err
	}
	covers := seq + 1
	old := &Checkpoint{}
	if len(older) > 0 {
		if old, err = l.openOlder(older, open); err != nil {
			return nil, err
		}
		p.Older, covers = string(older), max(covers, old.Size)
	}
	signed, err := l.covering(covers)
	if err != nil {
		return nil, err
	}
	p.Checkpoint = string(signed)
	c, err := open(signed)
	if err != nil {
		return nil, fmt.Errorf("newest %w", err)
	}
	if err := l.provePaths(p, c, old); err != nil {
		return nil, err
	}
	if _, err := p.check(open); err != nil {
		return nil, &Problem{0, c.Size, fmt.Sprintf("the log is not what its checkpoints say, \"tollgate audit verify\" says where: %v", err)}
	}
	return p, nil
}

// provable returns the text of a record that can be proven.
func (l *Log) provable(ctx context.Context, seq uint64) (string, error) {
	if size := l.Size(); seq >= size {
		return "", fmt.Errorf("the log has %d records, counted from 0, and no record %d", size, seq)
	}
	text := []byte(nil)
	for r, err := range l.Scan(ctx, seq, seq+1) {
		if err != nil {
			return "", err
		}
		text = r.Text
	}
	switch first := l.First(); {
	case text == nil && seq < first:
		return "", fmt.Errorf("record %d: %w; the oldest that is left is record %d", seq, ErrPruned, first)
	case len(text) > maxProven:
		return "", fmt.Errorf("record %d has %d bytes, more than a proof can have (%d)", seq, len(text), maxProven)
	case !utf8.Valid(text):
		return "", fmt.Errorf("record %d is not UTF-8, so that JSON cannot hold its exact text", seq)
	}
	return string(text), nil
}

// openOlder opens a checkpoint that was kept elsewhere.
func (l *Log) openOlder(older []byte, open func([]byte) (*Checkpoint, error)) (*Checkpoint, error) {
	c, err := open(older)
	switch size := l.Size(); {
	case err != nil:
		return nil, fmt.Errorf("the older %w", err)
	case c.Origin != l.origin:
		return nil, fmt.Errorf("the older checkpoint is of the log %q, this one is %q", c.Origin, l.origin)
	case c.Size > size:
		return nil, &Problem{size, c.Size, fmt.Sprintf("it is gone: the older checkpoint covers %d records, and the log has %d: "+
			"it was cut off, or put back to an older state", c.Size, size)}
	}
	return c, nil
}

// covering returns the newest checkpoint if it covers so many records, or a new one that does.
func (l *Log) covering(records uint64) ([]byte, error) {
	l.publishing.Lock()
	defer l.publishing.Unlock()
	if l.isClosing() { // the last checkpoint of Close waits for who holds publishing, and after that there is none
		return nil, ErrClosed
	}
	signed, size, err := l.newestNote()
	if err != nil || size >= records {
		return signed, err
	}
	behind := fmt.Sprintf("the newest checkpoint covers %d records, and a proof of record %d takes one that does", size, records-1)
	switch {
	case l.reader:
		return nil, fmt.Errorf("%s: start the gateway, which signs the next: %w", behind, ErrReadOnly)
	case l.opts.Key == nil:
		return nil, fmt.Errorf("%s: the log has no key to sign one with", behind)
	}
	if err := l.publishLocked(); err != nil {
		return nil, fmt.Errorf("%s, which could not be stored: %w", behind, err)
	}
	signed, _, err = l.newestNote()
	return signed, err
}

// newestNote reads the newest checkpoint; size is 0 when there is none.
func (l *Log) newestNote() (signed []byte, size uint64, err error) {
	path := filepath.Join(l.opts.Dir, noteName)
	signed, err = os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, store.PathError(path, err)
	}
	if size, _, err = parseNote(signed); err != nil {
		return nil, 0, &store.CorruptError{Path: path, Lost: "what it proves", Err: err}
	}
	return signed, size, nil
}

// provePaths fills in the hashes of a proof.
func (l *Log) provePaths(p *Proof, c, older *Checkpoint) error {
	leaf, err := l.hash(tlog.StoredHashIndex(0, int64(p.Seq)))
	if err != nil {
		return err
	}
	if leaf != tlog.RecordHash([]byte(p.Record)) {
		return &Problem{p.Seq, p.Seq + 1, "it is not the one that was written"}
	}
	path, err := tlog.ProveRecord(int64(c.Size), int64(p.Seq), l.hashes())
	if err != nil {
		return fmt.Errorf("proof of record %d of %d: %w", p.Seq, c.Size, err)
	}
	p.Inclusion = formatHashes(path)
	if older.Size == 0 {
		return nil
	}
	tree, err := tlog.ProveTree(int64(c.Size), int64(older.Size), l.hashes())
	if errors.Is(err, ErrPruned) {
		return fmt.Errorf("records 0 to %d are gone, and with them the hashes of a tree of %d records, which is that of no checkpoint "+
			"beside the log: leave the older checkpoint out, or take another one: %w", l.First()-1, older.Size, err)
	}
	if err != nil {
		return fmt.Errorf("proof from %d to %d records: %w", older.Size, c.Size, err)
	}
	if len(tree) > 0 {
		p.Consistency = formatHashes(tree)
	}
	return nil
}
