// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	bolt "go.etcd.io/bbolt"
)

const (
	copyBatch = 4 << 20 // bytes of one transaction of a copy
	// copySync is after how many bytes a copy waits for the disk: one sync of everything at its end would make those who
	// write beside it wait for as long.
	copySync = 16 << 20
)

// Copy writes what the file holds at this moment to a new file at path, and returns when that is on disk. The copy has no
// free pages. Those who read and write go on. moved is told how many bytes more are copied; nil = nobody.
func (f *File) Copy(ctx context.Context, path string, moved func(bytes int64)) error {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return PathError(path, errors.Join(err, fs.ErrExist))
	}
	db, err := f.copyTo(ctx, path, moved)
	if err != nil {
		return err
	}
	return PathError(path, db.Close())
}

// copyTo is Copy; the new file is still open, as [OpenFile] opens it.
func (f *File) copyTo(ctx context.Context, path string, moved func(bytes int64)) (*bolt.DB, error) {
	options := f.layout.Bolt
	options.Timeout, options.ReadOnly, options.NoSync = lockTimeout, false, true
	next, err := bolt.Open(path, 0o600, &options)
	if err != nil {
		return nil, f.layout.openError(path, err)
	}
	alloc := next.AllocSize
	next.AllocSize = os.Getpagesize() // a file as large as what it holds
	c := &copier{ctx: ctx, to: next, moved: moved, sum: sha256.New()}
	err = f.View(c.run)
	if err == nil {
		err = next.Sync()
	}
	if err == nil {
		err = c.compare()
	}
	if err == nil {
		err = next.View(func(tx *bolt.Tx) error { return errors.Join(f.layout.Check(tx)...) })
	}
	if err != nil {
		return nil, errors.Join(PathError(path, err), next.Close(), os.Remove(path))
	}
	next.AllocSize, next.NoSync = alloc, false
	return next, nil
}

// copier brings buckets from one file to another.
type copier struct {
	ctx   context.Context
	to    *bolt.DB
	moved func(bytes int64)
	sum   hash.Hash // over all that was read

	batch  []pair
	size   int64 // of batch
	synced int64 // bytes since the last sync
}

type pair struct{ key, value []byte }

// run copies all buckets of tx; there are none inside others.
func (c *copier) run(tx *bolt.Tx) error {
	return tx.ForEach(func(name []byte, b *bolt.Bucket) error {
		if b == nil {
			return fmt.Errorf("value %q outside any bucket", name)
		}
		err := c.to.Update(func(tx *bolt.Tx) error {
			own, err := tx.CreateBucket(name)
			if err != nil {
				return err
			}
			return own.SetSequence(b.Sequence())
		})
		if err != nil {
			return err
		}
		sumPair(c.sum, name, binary.BigEndian.AppendUint64(nil, b.Sequence()))
		err = b.ForEach(func(k, v []byte) error {
			if v == nil {
				return fmt.Errorf("bucket %q inside %q", k, name)
			}
			sumPair(c.sum, k, v)
			c.batch = append(c.batch, pair{k, v})
			if c.size += int64(len(k) + len(v)); c.size < copyBatch {
				return nil
			}
			return c.flush(name)
		})
		if err != nil {
			return err
		}
		return c.flush(name)
	})
}

// flush writes a batch, whose keys and values are valid until the transaction they were read in ends.
func (c *copier) flush(bucket []byte) error {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	err := c.to.Update(func(tx *bolt.Tx) error {
		b := tx.Bucket(bucket)
		b.FillPercent = 1 // nothing is put between
		for _, p := range c.batch {
			if err := b.Put(p.key, p.value); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if c.moved != nil && c.size > 0 {
		c.moved(c.size)
	}
	c.synced += c.size
	c.batch, c.size = c.batch[:0], 0
	if c.synced < copySync {
		return nil
	}
	c.synced = 0
	return c.to.Sync()
}

// compare reads the copy back.
func (c *copier) compare() error {
	again := sha256.New()
	err := c.to.View(func(tx *bolt.Tx) error {
		return tx.ForEach(func(name []byte, b *bolt.Bucket) error {
			sumPair(again, name, binary.BigEndian.AppendUint64(nil, b.Sequence()))
			return b.ForEach(func(k, v []byte) error {
				sumPair(again, k, v)
				return c.ctx.Err()
			})
		})
	})
	if err == nil && !bytes.Equal(again.Sum(nil), c.sum.Sum(nil)) {
		err = errors.New("the copy is not what was copied")
	}
	return err
}

// sumPair adds a key and a value, and where they end, to a sum.
func sumPair(h hash.Hash, key, value []byte) {
	var lengths [16]byte
	binary.BigEndian.PutUint64(lengths[:8], uint64(len(key)))
	binary.BigEndian.PutUint64(lengths[8:], uint64(len(value)))
	h.Write(lengths[:])
	h.Write(key)
	h.Write(value)
}

// CopyFile copies a file that does not change to a new one at path, which only its owner can read, and returns when that is
// on disk. moved is told how many bytes more are copied; nil = nobody.
func CopyFile(ctx context.Context, from, path string, moved func(bytes int64)) error {
	in, err := os.Open(from)
	if err != nil {
		return PathError(from, err)
	}
	defer in.Close()
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return PathError(path, err)
	}
	for err == nil {
		var n int64
		n, err = io.CopyN(out, in, copySync)
		if n > 0 && moved != nil {
			moved(n)
		}
		end := errors.Is(err, io.EOF)
		if end {
			err = nil
		}
		if err = errors.Join(err, out.Sync(), ctx.Err()); end {
			break
		}
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return errors.Join(PathError(path, err), os.Remove(path))
	}
	return nil
}

// Copy writes the keys, logins and secrets of this moment into the directory dir. See [File.Copy].
func (db *DB) Copy(ctx context.Context, dir string, moved func(bytes int64)) error {
	return db.bolt.Copy(ctx, filepath.Join(dir, stateName), moved)
}

// Copy writes what is remembered at this moment into the directory dir. See [File.Copy].
func (r *Replies) Copy(ctx context.Context, dir string, moved func(bytes int64)) error {
	return r.bolt.Copy(ctx, filepath.Join(dir, repliesName), moved)
}

// Copy writes the programs that wait at this moment into the directory dir. See [File.Copy].
func (p *Programs) Copy(ctx context.Context, dir string, moved func(bytes int64)) error {
	return p.bolt.Copy(ctx, filepath.Join(dir, programsName), moved)
}

// CheckCopies walks what [DB.Copy], [Replies.Copy] and, with programs, [Programs.Copy] have written into dir, and changes
// nothing.
func CheckCopies(dir string, programs bool) error {
	err := ReadFile(dir, stateLayout(), func(tx *bolt.Tx) error {
		_, err := loadIndex(tx)
		return err
	})
	err = errors.Join(err, ReadFile(dir, repliesLayout(), nil))
	if programs {
		err = errors.Join(err, ReadFile(dir, programsLayout(), nil))
	}
	return err
}

// Compact writes state.db anew without its free pages. See [File.Compact].
func (db *DB) Compact(ctx context.Context) (Sizes, error) { return db.bolt.Compact(ctx) }

// Compact writes replies.db anew without its free pages. Calls with an idempotency key wait meanwhile. See [File.Compact].
func (r *Replies) Compact(ctx context.Context) (Sizes, error) { return r.bolt.Compact(ctx) }

// Compact writes programs.db anew without its free pages. See [File.Compact].
func (p *Programs) Compact(ctx context.Context) (Sizes, error) { return p.bolt.Compact(ctx) }
