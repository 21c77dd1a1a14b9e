// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
)

// RepliesOptions configure [OpenReplies]. A nil *RepliesOptions means all defaults.
type RepliesOptions struct {
	Now          func() time.Time // nil = [time.Now]
	Keep         time.Duration    // how long a key is remembered after its call began, and after it ended; 0 = 24h
	MaxBytes     int              // of one reply; of a larger one only that it was is kept. 0 = 1 MiB
	MaxTotal     int64            // bytes of all replies; beyond, replies are taken for too large. 0 = 256 MiB
	MaxEntries   int              // keys remembered at a time; beyond, new ones are refused. 0 = 100,000
	MaxPerCaller int              // of one caller, so that nobody takes all the room; 0 = a tenth of MaxEntries
}

// Replies remembers the idempotency keys of callers, and what their calls were answered, in replies.db of the state
// directory. So a request that is sent again is not executed again, whatever happened in between. Safe for concurrent use.
type Replies struct {
	options RepliesOptions
	path    string
	bolt    *File
	pepper  []byte // never changes

	mu      sync.Mutex // guards the rest
	closed  bool
	writing bool            // a goroutine is writing, and looks at queue before it ends
	queue   []*change       // that wait to be written
	running map[string]bool // ids whose call was begun by this process and has not ended
	tally   tally           // of what is on disk; only the writer changes it
	busy    sync.WaitGroup  // the writer
}

// Kept is what is remembered of a call that has ended.
type Kept struct {
	Call     string    // id that Begin was given
	At       time.Time // when it ended
	Reply    []byte
	TooLarge bool // the reply was too large to be kept: there is none
}

// OpenReplies opens replies.db in the state directory dir, with the same care and the same errors as [Open].
func OpenReplies(dir string, o *RepliesOptions) (*Replies, error) {
	r := &Replies{running: map[string]bool{}}
	if o != nil {
		r.options = *o
	}
	if err := r.options.fill(); err != nil {
		return nil, err
	}
	layout := repliesLayout()
	db, err := OpenFile(dir, layout)
	if err != nil {
		return nil, err
	}
	r.bolt, r.path = db, db.Path()
	err = db.View(func(tx *bolt.Tx) (err error) {
		r.pepper, err = readSecret(tx, secretPepper)
		if err == nil {
			r.tally, err = countReplies(tx)
		}
		if err == nil {
			err = errors.Join(r.checkReplies(tx)...)
		}
		return err
	})
	if err != nil {
		return nil, errors.Join(layout.corrupt(r.path, err), db.Close())
	}
	return r, nil
}

// fill puts the defaults in.
func (o *RepliesOptions) fill() error {
	if o.Keep < 0 || o.MaxBytes < 0 || o.MaxTotal < 0 || o.MaxEntries < 0 || o.MaxPerCaller < 0 {
		return errors.New("replies: no option may be below zero")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Keep == 0 {
		o.Keep = 24 * time.Hour
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = 1 << 20
	}
	if o.MaxTotal == 0 {
		o.MaxTotal = 256 << 20
	}
	if o.MaxEntries == 0 {
		o.MaxEntries = 100_000
	}
	if o.MaxPerCaller == 0 {
		o.MaxPerCaller = max(1, o.MaxEntries/10)
	}
	return nil
}

// Begin is asked before a call is made. When it returns nil and nil, the key is new and on disk, the call has the id call
// and is the caller's to make: [Replies.Finish] or [Replies.Forget] must follow. When the same request was answered
// before, that answer is returned. A request is the same when its digest is. Other errors than those of the disk and of ctx
// are *[ConflictError] and *[FullError]. When ctx ends first, the key is as if Begin had not been called.
func (r *Replies) Begin(ctx context.Context, caller, key string, digest [32]byte, call string) (*Kept, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	id := r.id(caller, key)
	if kept, err := r.look(id, digest); kept != nil || err != nil {
		return kept, err
	}
	c := &change{step: stepBegin, id: id, digest: digest, call: call, done: make(chan struct{})}
	if err := r.add(c); err != nil {
		return nil, err
	}
	select {
	case <-c.done:
		return c.kept, c.err
	case <-ctx.Done():
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-c.done: // the result came at the same time, and with it the duty to go on
		return c.kept, c.err
	default:
	}
	c.abandoned = true
	return nil, ctx.Err()
}

// Finish keeps what the call was answered, for the next time the key comes, and returns when it is on disk. It happens even
// if ctx ends first. After another error the key is taken for that of a call that may have been made.
func (r *Replies) Finish(ctx context.Context, caller, key string, reply []byte) error {
	return r.end(ctx, &change{step: stepFinish, id: r.id(caller, key), reply: reply})
}

// Forget gives the key of a call free that was certainly not made. It returns when that is on disk, and happens even if ctx
// ends first.
func (r *Replies) Forget(ctx context.Context, caller, key string) error {
	return r.end(ctx, &change{step: stepForget, id: r.id(caller, key)})
}

func (r *Replies) end(ctx context.Context, c *change) error {
	c.done = make(chan struct{})
	if err := r.add(c); err != nil {
		return err
	}
	select {
	case <-c.done:
		return c.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// look answers without a write what needs none. It returns nothing when only the writer knows: whether a call that has
// begun is running still may change between two looks.
func (r *Replies) look(id string, digest [32]byte) (kept *Kept, err error) {
	var e *replyEntry
	err = r.bolt.View(func(tx *bolt.Tx) (err error) {
		e, err = getReply(tx, id)
		return err
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed:
		return nil, ErrClosed
	case err != nil:
		return nil, repliesLayout().corrupt(r.path, err)
	case e == nil || e.step == stepBegin && !r.running[id] || !r.valid(id, e, r.options.Now()):
		return nil, nil
	}
	return e.answer(digest, true)
}

// valid tells whether an entry counts at now. The caller holds mu.
func (r *Replies) valid(id string, e *replyEntry, now time.Time) bool {
	return r.running[id] || now.Before(e.ends)
}

// Check walks the file and returns everything that does not hold; none is the normal answer. The writer does it between
// two writes, when what it has counted is what is on disk.
func (r *Replies) Check() (errs []error) {
	c := &change{done: make(chan struct{}), check: func() {
		err := r.bolt.View(func(tx *bolt.Tx) error {
			errs = append(repliesLayout().Check(tx), r.checkReplies(tx)...)
			return nil
		})
		if err != nil {
			errs = append(errs, err)
		}
	}}
	if err := r.add(c); err != nil {
		return []error{err}
	}
	<-c.done
	return errs
}

// Close writes what is queued and closes the file. A second Close does nothing.
func (r *Replies) Close() error {
	r.mu.Lock()
	closed := r.closed
	r.closed = true
	r.mu.Unlock()
	r.busy.Wait()
	if closed {
		return nil
	}
	return PathError(r.path, r.bolt.Close())
}
