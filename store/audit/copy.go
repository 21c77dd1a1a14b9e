// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/tlog"

	"tollgate/store"
)

// CopyOptions configure [Log.Copy].
type CopyOptions struct {
	Dir string // of the copy; it must not exist
	// Before is called when no record can be removed from the log any more, and before it is looked at how far the log goes:
	// what it reads elsewhere has a place in the copy. nil = nothing is.
	Before func() error
	// Moved is told how many bytes more are copied; nil = nobody.
	Moved func(bytes int64)
}

// Copied says what is in a copy.
type Copied struct {
	Origin      string
	First, Size uint64 // see [Log.First] and [Log.Size]
	Root        tlog.Hash
}

// Copy writes the log as it is on disk at one moment into a directory, which [Open] and [OpenReader] take for a log, and
// returns when it is on disk. The segments that have ended are copied as they are; the records of the newest are written
// anew, so that nobody has to stand still for it, and hashed on the way. Sealing and retention wait.
func (l *Log) Copy(ctx context.Context, o *CopyOptions) (*Copied, error) {
	if err := os.Mkdir(o.Dir, 0o700); err != nil {
		return nil, store.PathError(o.Dir, err)
	}
	c := &logCopy{log: l, ctx: ctx, opts: *o}
	if c.opts.Moved == nil {
		c.opts.Moved = func(int64) {}
	}
	l.sealing.Lock()
	defer l.sealing.Unlock()
	if c.opts.Before != nil {
		if err := c.opts.Before(); err != nil {
			return nil, err
		}
	}
	// Checkpoints first: the log may not be behind them.
	if err := c.notes(); err != nil {
		return nil, err
	}
	head := l.head.Load()
	if err := c.segments(head); err != nil {
		return nil, err
	}
	if err := store.SyncDir(o.Dir); err != nil {
		return nil, store.PathError(o.Dir, err)
	}
	return &Copied{Origin: l.origin, First: c.first, Size: head.size, Root: head.root}, nil
}

type logCopy struct {
	log   *Log
	ctx   context.Context
	opts  CopyOptions
	first uint64
}

// notes copies the checkpoints, and what is kept of removed records.
func (c *logCopy) notes() error {
	c.log.publishing.Lock()
	defer c.log.publishing.Unlock()
	for _, name := range []string{noteName, notesName, keptName} {
		path := filepath.Join(c.log.opts.Dir, name)
		b, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return store.PathError(path, err)
		}
		if name == notesName { // without what a crash has left
			_, rest := splitNotes(b)
			b = b[:len(b)-len(rest)]
		}
		path = filepath.Join(c.opts.Dir, name)
		if err := writeSynced(path, os.O_CREATE|os.O_EXCL, b); err != nil {
			return store.PathError(path, err)
		}
		c.opts.Moved(int64(len(b)))
	}
	return nil
}

// segments copies the segments up to head.
func (c *logCopy) segments(head *head) error {
	list := *c.log.files.Load()
	for len(list) > 0 && list[len(list)-1].first > head.size { // begun meanwhile
		list = list[:len(list)-1]
	}
	if len(list) == 0 {
		return fmt.Errorf("audit log %q: no segment has the records before %d", c.log.opts.Dir, head.size)
	}
	c.first = list[0].first
	for _, s := range list[:len(list)-1] {
		if err := c.ended(s); err != nil {
			return err
		}
	}
	return c.newest(list[len(list)-1], head)
}

// ended copies a segment that has ended, which nobody changes while sealing is held. Its hashes are made again where they
// are missing.
func (c *logCopy) ended(s *segment) error {
	for _, path := range []string{s.path, s.hashes.path} {
		err := store.CopyFile(c.ctx, path, filepath.Join(c.opts.Dir, filepath.Base(path)), c.opts.Moved)
		if err != nil && !(path == s.hashes.path && errors.Is(err, fs.ErrNotExist)) {
			return err
		}
	}
	return nil
}

// newest writes the records of the newest segment up to head into a segment that goes on from there.
func (c *logCopy) newest(s *segment, head *head) error {
	s.enter()
	err := c.rewrite(s, head)
	return errors.Join(err, s.leave())
}

func (c *logCopy) rewrite(s *segment, head *head) error {
	m, err := s.load()
	if err != nil {
		return err
	}
	path := filepath.Join(c.opts.Dir, s.name+endData)
	db, err := bolt.Open(path, 0o600, &bolt.Options{
		Timeout: lockTimeout, NoSync: true, NoFreelistSync: true, FreelistType: bolt.FreelistMapType, NoStatistics: true,
	})
	if err != nil {
		return store.PathError(path, err)
	}
	db.AllocSize = 1 << 20
	t := newTree(m.first, m.start)
	hashes, err := c.records(s, t, db, head.size)
	switch {
	case err == nil && t.root() != head.root:
		err = corrupt(s.path, errors.New("its records are not those that were written; \"tollgate audit verify\" says which"))
	case err == nil:
		// The time may be that of a later commit, which only keeps the segment a little longer.
		m.sealed = time.Time{}
		m.mark = mark{size: t.size, root: t.root(), sum: crc32.Checksum(hashes, castagnoli()), newest: m.mark.newest}
		err = store.PathError(path, errors.Join(db.Update(m.write), db.Sync()))
	}
	if err = errors.Join(err, db.Close()); err != nil {
		return err
	}
	path = filepath.Join(c.opts.Dir, s.name+endHashes)
	c.opts.Moved(int64(len(hashes)))
	return store.PathError(path, writeSynced(path, os.O_CREATE|os.O_EXCL, hashes))
}

// syncRecords is after how many bytes a copy of records waits for the disk, for those who write beside it.
const syncRecords = 16 << 20

// records copies the records of s before place to into db, and returns their hashes.
func (c *logCopy) records(s *segment, t *tree, db *bolt.DB, to uint64) (hashes []byte, err error) {
	err = db.Update(func(tx *bolt.Tx) error {
		_, err := tx.CreateBucket([]byte(bucketRecords))
		return err
	})
	unsynced := 0
	for err == nil && t.size < to {
		if err := c.ctx.Err(); err != nil {
			return nil, err
		}
		chunk, err := s.read(t.size, to)
		if err != nil {
			return nil, err
		}
		if len(chunk) == 0 || chunk[0].Seq != t.size {
			return nil, corrupt(s.path, fmt.Errorf("record %d is missing", t.size))
		}
		moved := 0
		err = db.Update(func(tx *bolt.Tx) error {
			b := tx.Bucket([]byte(bucketRecords))
			b.FillPercent = 1 // nothing is ever put between
			for _, r := range chunk {
				if err := b.Put(key(r.Seq), r.Text); err != nil {
					return err
				}
				hashes = t.append(r.Text, hashes)
				moved += len(r.Text)
			}
			return nil
		})
		if unsynced += moved; err == nil && unsynced >= syncRecords {
			unsynced, err = 0, db.Sync()
		}
		if err != nil {
			return nil, store.PathError(db.Path(), err)
		}
		c.opts.Moved(int64(moved))
	}
	return hashes, store.PathError(db.Path(), err)
}

// VerifierKey is what [Log.VerifierKey] returns of a log of this origin whose checkpoints are signed with key.
func VerifierKey(key ed25519.PrivateKey, origin string) (string, error) {
	return verifierKey(key, origin)
}
