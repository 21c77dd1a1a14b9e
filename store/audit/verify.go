// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"tollgate/store"
)

// VerifyOptions configure [Log.Verify]. nil means all defaults.
type VerifyOptions struct {
	// Key verifies checkpoints, see [Log.VerifierKey]; "" = the log's own, or none for a log that was opened for reading.
	Key string
	// Checkpoint is a signed note that was kept elsewhere; nil = none. Only it shows that the newest records are gone, or that
	// all of the log was put back to an older state.
	Checkpoint []byte
	// Progress is told now and then how many of how many records are checked; nil = nobody.
	Progress func(done, total uint64)
}

// Verification is what is known of a log.
type Verification struct {
	Origin      string
	First, Size uint64 // oldest record that retention left, and the number of all that ever were
	Root        tlog.Hash
	Checked     uint64 // records
	Checkpoints int    // whose signature and hash are right
	Elsewhere   bool   // one of them was kept elsewhere
	// Problem is the first thing that is wrong; nil = nothing is.
	Problem *Problem
}

// Problem says where a log is not what was written: the first bad record is From, or one from From on and before To.
type Problem struct {
	From, To uint64
	Sentence string
}

// Error implements error.
func (p *Problem) Error() string {
	if p.To <= p.From+1 {
		return fmt.Sprintf("record %d: %s", p.From, p.Sentence)
	}
	return fmt.Sprintf("a record from %d to %d: %s", p.From, p.To-1, p.Sentence)
}

// progressEvery is how many records are checked between two words of progress.
const progressEvery = 1 << 16

// Verify reads all of the log and compares it with the hashes and signed checkpoints that were written with it. What is
// wrong with the log is in the result; the error is about what kept it from being read. Records that come to the disk
// meanwhile are not looked at.
func (l *Log) Verify(ctx context.Context, o *VerifyOptions) (*Verification, error) {
	if o == nil {
		o = &VerifyOptions{}
	}
	v := &verifier{log: l, opts: o, out: &Verification{Origin: l.origin, First: l.First(), Size: l.Size()}}
	if err := v.readCheckpoints(); err != nil {
		return nil, err
	}
	err := v.walk(ctx)
	if problem, ok := errors.AsType[*Problem](err); ok {
		v.out.Problem, err = problem, nil
	}
	if err != nil {
		return nil, err
	}
	return v.out, nil
}

// verifier is a verification under way.
type verifier struct {
	log    *Log
	opts   *VerifyOptions
	out    *Verification
	points []*point // in the order of their sizes
	tree   *tree
	proven uint64 // records before it are those of a checkpoint

	made, stored []byte // memory for record
}

// point is a checkpoint that waits for its place in the log.
type point struct {
	*Checkpoint
	elsewhere bool
}

// readCheckpoints verifies the signatures of all checkpoints.
func (v *verifier) readCheckpoints() (err error) {
	key := v.opts.Key
	if key == "" {
		if key, err = v.log.VerifierKey(); err != nil {
			return err
		}
	}
	if key == "" && len(v.opts.Checkpoint) > 0 {
		return errors.New("verifying a checkpoint takes the key of the log")
	}
	if v.opts.Checkpoint != nil {
		c, err := OpenCheckpoint(v.opts.Checkpoint, key)
		if err != nil {
			return fmt.Errorf("the checkpoint from elsewhere: %w", err)
		}
		if c.Origin != v.log.origin {
			return fmt.Errorf("the checkpoint from elsewhere is of the log %q, this one is %q", c.Origin, v.log.origin)
		}
		v.points = append(v.points, &point{c, true})
	}
	if key == "" {
		return nil
	}
	notes, err := v.log.readNotes()
	if err != nil {
		return err
	}
	for i, text := range notes {
		c, err := OpenCheckpoint(text, key)
		if err != nil {
			return fmt.Errorf("checkpoint %d beside the log: %w", i+1, err)
		}
		if c.Origin != v.log.origin {
			return fmt.Errorf("checkpoint %d beside the log is of the log %q, this one is %q", i+1, c.Origin, v.log.origin)
		}
		v.points = append(v.points, &point{c, false})
	}
	slices.SortStableFunc(v.points, func(a, b *point) int { return int(int64(a.Size) - int64(b.Size)) })
	return nil
}

func (v *verifier) walk(ctx context.Context) error {
	for _, view := range v.log.segments() {
		if view.err != nil {
			return &Problem{view.first, view.first + 1, fmt.Sprintf("%q cannot be read: %v", view.path, view.err)}
		}
		if view.meta.first >= v.out.Size {
			break // it came after the beginning
		}
		if err := v.segment(ctx, &view); err != nil {
			return err
		}
	}
	if v.tree == nil {
		v.tree = newTree(0, nil)
	}
	v.out.Root = v.tree.root()
	if v.tree.size < v.out.Size {
		return &Problem{v.tree.size, v.out.Size, "it is missing"}
	}
	if len(v.points) > 0 { // beyond the end
		last := v.points[len(v.points)-1]
		return &Problem{v.tree.size, last.Size, fmt.Sprintf("it is gone: a checkpoint of %s covers %d records, and the log has %d: it was cut off, or put back to an older state",
			last.Time.Format("2006-01-02 15:04:05Z"), last.Size, v.tree.size)}
	}
	return nil
}

// segment checks the records of one segment.
func (v *verifier) segment(ctx context.Context, view *segmentView) error {
	if v.tree == nil {
		v.tree = newTree(view.meta.first, view.meta.start)
		v.proven = view.meta.first
		v.skipRemoved()
	}
	if view.meta.first != v.tree.size || view.first != view.meta.first {
		return &Problem{v.tree.size, max(view.first, v.tree.size+1), fmt.Sprintf("%q begins with record %d", view.path, view.first)}
	}
	stored, err := os.Open(view.hashes.path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	var hashes *bufio.Reader // nil = they are lost, which the root still shows
	if err == nil {
		defer stored.Close()
		hashes = bufio.NewReaderSize(stored, 1<<20)
	}
	end := min(view.size, v.out.Size)
	err = view.each(ctx, func(seq uint64, text []byte) error {
		if seq >= end && v.tree.size == end {
			return io.EOF // written meanwhile
		}
		return v.record(seq, text, hashes)
	})
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return err
	case v.tree.size < end:
		return &Problem{v.tree.size, v.tree.size + 1, "it is missing"}
	case view.size == v.tree.size && view.root != v.tree.root():
		return &Problem{v.proven, v.tree.size, "the records are not those whose hash the segment has"}
	}
	if err := v.index(ctx, view); err != nil {
		return err
	}
	return v.point()
}

// index makes sure that a sealed segment has an undamaged index of all its records. What the index says of them is not part of
// the tree.
func (v *verifier) index(ctx context.Context, view *segmentView) error {
	if !view.sealed {
		return nil
	}
	all := span{view.meta.first, view.size}
	_, err := view.indexed(ctx, all, all.to, func(*blockIndex) {})
	if damaged, ok := errors.AsType[*store.CorruptError](err); ok {
		return &Problem{all.from, all.to, fmt.Sprintf("queries may not find it: %v", damaged)}
	}
	return err
}

// skipRemoved drops the checkpoints about records that retention has removed: nothing is left that they could be held
// against.
func (v *verifier) skipRemoved() {
	v.points = slices.DeleteFunc(v.points, func(p *point) bool { return p.Size < v.tree.size })
}

// record checks the next record. hashes are those that were stored with the rest of the segment.
func (v *verifier) record(seq uint64, text []byte, hashes *bufio.Reader) error {
	if seq != v.tree.size {
		return &Problem{v.tree.size, v.tree.size + 1, "it is missing"}
	}
	if err := v.point(); err != nil {
		return err
	}
	v.made = v.tree.append(text, v.made[:0])
	v.out.Checked++
	if hashes != nil {
		v.stored = slices.Grow(v.stored[:0], len(v.made))[:len(v.made)]
		if _, err := io.ReadFull(hashes, v.stored); err == nil && !bytes.Equal(v.stored, v.made) {
			return &Problem{seq, seq + 1, "it is not the one that was written"}
		}
	}
	if v.opts.Progress != nil && v.tree.size%progressEvery == 0 {
		v.opts.Progress(v.tree.size, v.out.Size)
	}
	return nil
}

// point compares the checkpoints that cover the records up to here.
func (v *verifier) point() error {
	for len(v.points) > 0 && v.points[0].Size == v.tree.size {
		p := v.points[0]
		if p.Root != v.tree.root() {
			return &Problem{v.proven, p.Size, fmt.Sprintf("the records are not those that the checkpoint of %s covers", p.Time.Format("2006-01-02 15:04:05Z"))}
		}
		v.points, v.proven = v.points[1:], p.Size
		v.out.Checkpoints++
		v.out.Elsewhere = v.out.Elsewhere || p.elsewhere
	}
	return nil
}
