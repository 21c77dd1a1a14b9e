// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"

	bolt "go.etcd.io/bbolt"
)

// A chunk is what is read at a time: a reader that takes longer would keep the writer from using pages again.
const (
	chunkRecords = 1000
	chunkBytes   = 4 << 20
)

// Scan returns the records from place from up to and without place to, in order. Those that come to the disk while it runs
// are not among them, nor are those that retention has removed before it. It never holds up the writer. An error ends it.
func (l *Log) Scan(ctx context.Context, from, to uint64) iter.Seq2[Stored, error] {
	return func(yield func(Stored, error) bool) {
		more := true
		err := l.scan(ctx, max(from, l.First()), min(to, l.Size()), func(r Stored) bool {
			more = yield(r, nil)
			return more
		})
		if err != nil && more {
			yield(Stored{}, err)
		}
	}
}

// scan calls yield until it returns false.
func (l *Log) scan(ctx context.Context, from, to uint64, yield func(Stored) bool) (err error) {
	var s *segment
	leave := func() {
		if s != nil {
			err = errors.Join(err, s.leave())
		}
	}
	defer func() { leave() }()
	for from < to {
		if err := ctx.Err(); err != nil {
			return err
		}
		next, end := l.find(from)
		if next == nil {
			return ErrPruned
		}
		if next != s {
			leave()
			s = next
			s.enter()
		}
		chunk, err := s.read(from, min(to, end))
		if err != nil {
			return err
		}
		for _, r := range chunk {
			if r.Seq != from {
				return corrupt(s.path, fmt.Errorf("record %d is missing", from))
			}
			if from++; !yield(r) {
				return nil
			}
		}
		if len(chunk) == 0 {
			return corrupt(s.path, fmt.Errorf("record %d is missing", from))
		}
	}
	return nil
}

// read returns a chunk of what the segment stores from place from on and before place to, in order; nothing = there is no
// more. The places are those that the file says.
func (s *segment) read(from, to uint64) (chunk []Stored, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		if b := tx.Bucket([]byte(bucketBlocks)); b != nil {
			chunk, err = readBlocks(b, from, to)
			return err
		}
		b := tx.Bucket([]byte(bucketRecords))
		if b == nil {
			return errors.New("it has no records")
		}
		chunk, err = readRecords(b, from, to)
		return err
	})
	return chunk, s.readError(err)
}

func readRecords(b *bolt.Bucket, from, to uint64) (chunk []Stored, err error) {
	size := 0
	c := b.Cursor()
	for k, v := c.Seek(key(from)); k != nil && len(chunk) < chunkRecords && size < chunkBytes; k, v = c.Next() {
		if len(k) != 8 {
			return nil, fmt.Errorf("a key of %d bytes is no place in the log", len(k))
		}
		seq := binary.BigEndian.Uint64(k)
		if seq >= to {
			break
		}
		chunk = append(chunk, Stored{Seq: seq, Text: v})
		size += len(v)
	}
	// Until here the texts are in the mapped file.
	all := make([]byte, 0, size)
	for i := range chunk {
		at := len(all)
		all = append(all, chunk[i].Text...)
		chunk[i].Text = all[at:len(all):len(all)]
	}
	return chunk, nil
}

func readBlocks(b *bolt.Bucket, from, to uint64) (chunk []Stored, err error) {
	size := 0
	var u unpacker
	c := b.Cursor()
	for k, v := seekBlock(c, from); k != nil && len(chunk) < chunkRecords && size < chunkBytes; k, v = c.Next() {
		if len(k) != 8 {
			return nil, fmt.Errorf("a key of %d bytes is no place in the log", len(k))
		}
		first := binary.BigEndian.Uint64(k)
		if first >= to {
			break
		}
		texts, err := u.unpack(v)
		if err != nil {
			return nil, fmt.Errorf("block of record %d: %w", first, err)
		}
		for i, text := range texts {
			if seq := first + uint64(i); seq >= from && seq < to {
				chunk = append(chunk, Stored{Seq: seq, Text: text})
				size += len(text)
			}
		}
	}
	return chunk, nil
}

// seekBlock goes to what is stored about the block that has record from, or else the first block.
func seekBlock(c *bolt.Cursor, from uint64) (k, v []byte) {
	k, v = c.Seek(key(from))
	if k == nil {
		return c.Last()
	}
	if len(k) == 8 && binary.BigEndian.Uint64(k) > from {
		if prev, value := c.Prev(); prev != nil {
			return prev, value
		}
		return c.First()
	}
	return k, v
}

// each calls fn for everything that the segment stores, at the places that the file says.
func (s *segment) each(ctx context.Context, fn func(seq uint64, text []byte) error) error {
	s.enter()
	var from uint64
	err := func() error {
		for {
			if err := ctx.Err(); err != nil {
				return err
			}
			chunk, err := s.read(from, ^uint64(0))
			if err != nil || len(chunk) == 0 {
				return err
			}
			for _, r := range chunk {
				if err := fn(r.Seq, r.Text); err != nil {
					return err
				}
			}
			from = chunk[len(chunk)-1].Seq + 1
		}
	}()
	return errors.Join(err, s.leave())
}
