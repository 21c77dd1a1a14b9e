// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"context"
	"crypto/ed25519"
	"errors"
	"log/slog"
	"time"
)

// Options configure [Open].
type Options struct {
	Dir  string       // of the log alone, created with mode 0700; required
	Log  *slog.Logger // receives what no caller can be told; nil = discard
	Now  func() time.Time
	Key  ed25519.PrivateKey // signs checkpoints; nil = there are none
	Node string             // names the process that writes; noted in each segment
	// Queue and QueueBytes bound what waits for the disk; 0 = 8,192 entries, 64 MiB. Batch is the most entries of one commit;
	// 0 = 4,096.
	Queue      int
	QueueBytes int64
	Batch      int
	// SegmentRecords ends a segment, which otherwise goes on to the end of its day; 0 = 1,000,000.
	SegmentRecords uint64
	// CheckpointEvery and CheckpointRecords say how often a checkpoint is signed while the log grows; 0 = each minute, or
	// after 10,000 records if that comes first.
	CheckpointEvery   time.Duration
	CheckpointRecords uint64
	Sinks             []Sink // get each checkpoint
	// Committed is called after each commit, in order and before those who wait for it are woken. The log stands still
	// meanwhile. first is the place of the first entry of batch, which is valid during the call.
	Committed func(first uint64, batch []Entry)
	Disk      Disk // stands between the log and its files, for tests of what fails; nil = nothing does
}

// Sink takes checkpoints to a place from where the writer of the log cannot take them back. Put is called for one
// checkpoint at a time, again later when it fails, and returns soon after ctx ends.
type Sink interface {
	Name() string
	Put(ctx context.Context, note []byte, size uint64) error
}

// Disk is asked to do everything that changes a file of the log. It can refuse, do it and then fail, or take its time.
type Disk interface {
	Do(op Op, path string, do func() error) error
}

// Op is what is about to be done to a file.
type Op string

// The operations on files.
const (
	OpCreate Op = "create" // a segment comes into being
	OpOpen   Op = "open"   // the newest segment is opened for writing
	OpCommit Op = "commit" // a batch is written and synced
	OpHashes Op = "hashes" // hashes of a commit are written
	OpSeal   Op = "seal"   // blocks of a segment that has ended are written
	OpRename Op = "rename" // a finished file takes its place
	OpRemove Op = "remove"
	OpWrite  Op = "write" // a checkpoint, or what retention must not take away
)

// Entry is a record to be appended.
type Entry struct {
	Text []byte // the bytes that the log proves; they belong to the log from then on
	// Keep entries are taken even when the queue is full or the log cannot be written, and written as soon as it can be. The
	// others fail instead.
	Keep   bool
	Change any // for Options.Committed
}

// direct is the disk of every day.
type direct struct{}

func (direct) Do(_ Op, _ string, do func() error) error { return do() }

// withDefaults is o with every field set that has a default.
func (o *Options) withDefaults() (*Options, error) {
	if o == nil || o.Dir == "" {
		return nil, errors.New("audit log: Options.Dir is required")
	}
	c := *o
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Disk == nil {
		c.Disk = direct{}
	}
	if c.Committed == nil {
		c.Committed = func(uint64, []Entry) {}
	}
	for _, n := range []struct {
		field *int
		value int
	}{{&c.Queue, 8192}, {&c.Batch, 4096}} {
		if *n.field <= 0 {
			*n.field = n.value
		}
	}
	if c.QueueBytes <= 0 {
		c.QueueBytes = 64 << 20
	}
	if c.SegmentRecords == 0 {
		c.SegmentRecords = 1_000_000
	}
	if c.CheckpointEvery <= 0 {
		c.CheckpointEvery = time.Minute
	}
	if c.CheckpointRecords == 0 {
		c.CheckpointRecords = 10_000
	}
	return &c, nil
}
