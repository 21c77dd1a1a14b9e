// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"
)

// sweepReplies is how many keys whose time is over every write removes at least, if there are so many.
const sweepReplies = 256

// change is one step of one key that waits for its write.
type change struct {
	step      replyStep
	id        string
	digest    [32]byte
	call      string
	reply     []byte
	done      chan struct{} // closed under mu when the rest is set
	abandoned bool          // guarded by mu: nobody waits for a begin any more
	check     func()        // to be called by the writer between two writes; then there is no step

	began bool // the key is new
	kept  *Kept
	err   error
}

var errNotBegun = errors.New("no call with this idempotency key has begun")

// add queues a change. Whoever finds nobody writing starts the writer, which takes all that was queued during its last
// commit into the next one and ends when there is nothing left.
func (r *Replies) add(c *change) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return ErrClosed
	}
	r.enqueue(c)
	return nil
}

// enqueue needs mu.
func (r *Replies) enqueue(c *change) {
	r.queue = append(r.queue, c)
	if !r.writing {
		r.writing = true
		r.busy.Go(r.write)
	}
}

func (r *Replies) write() {
	for {
		batch := r.next()
		if batch == nil {
			return
		}
		batch = slices.DeleteFunc(batch, func(c *change) bool {
			if c.check == nil {
				return false
			}
			c.check()
			close(c.done)
			return true
		})
		if len(batch) == 0 {
			continue
		}
		t := &turn{replies: r, now: r.options.Now(), tally: tally{callers: map[string]int{}}}
		err := r.bolt.Update(func(tx *bolt.Tx) error {
			t.tx = tx
			return t.apply(batch)
		})
		r.finish(t, batch, PathError(r.path, err))
	}
}

// next takes what is queued, nil when that is nothing and the writer is to end.
func (r *Replies) next() (batch []*change) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.queue {
		if !c.abandoned {
			batch = append(batch, c)
		}
	}
	r.queue = nil
	r.writing = batch != nil
	return batch
}

// finish says how a batch went, err about all of it.
func (r *Replies) finish(t *turn, batch []*change, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		r.tally.add(&t.tally)
	}
	for _, c := range batch {
		if err != nil {
			c.kept, c.err = nil, err
		}
		// A begin that is not on disk runs nowhere. After an end that is not, nobody will say how the call went.
		if c.step != stepBegin || c.began && err != nil {
			delete(r.running, c.id)
		}
		if c.abandoned && c.began && err == nil {
			r.enqueue(&change{step: stepForget, id: c.id, done: make(chan struct{})})
		}
		close(c.done)
	}
}

// turn is one transaction of the writer.
type turn struct {
	replies *Replies
	tx      *bolt.Tx
	now     time.Time
	tally   tally // what it adds
}

// apply makes the changes in their order. What is wrong about one of them is its own error; an error of apply rolls all of
// them back.
func (t *turn) apply(batch []*change) error {
	if err := t.sweep(max(sweepReplies, 2*len(batch))); err != nil {
		return err
	}
	for _, c := range batch {
		e, err := getReply(t.tx, c.id)
		if err != nil {
			c.err = repliesLayout().corrupt(t.replies.path, err)
			continue
		}
		switch c.step {
		case stepBegin:
			err = t.begin(c, e)
		case stepForget:
			err = t.forget(c, e)
		default:
			err = t.finish(c, e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *turn) begin(c *change, e *replyEntry) error {
	r := t.replies
	r.mu.Lock()
	defer r.mu.Unlock()
	if e != nil && r.valid(c.id, e, t.now) {
		c.kept, c.err = e.answer(c.digest, r.running[c.id])
		return nil
	}
	if err := t.remove(c.id, e); err != nil {
		return err
	}
	caller := c.id[:callerSize]
	switch o := &r.options; {
	case r.tally.callers[caller]+t.tally.callers[caller] >= o.MaxPerCaller:
		c.err = &FullError{Caller: true, Most: o.MaxPerCaller}
		return nil
	case r.tally.entries+t.tally.entries >= o.MaxEntries:
		c.err = &FullError{Most: o.MaxEntries}
		return nil
	}
	c.began = true
	r.running[c.id] = true
	return t.put(c.id, &replyEntry{step: stepBegin, ends: t.now.Add(r.options.Keep), at: t.now, digest: c.digest, call: c.call})
}

func (t *turn) forget(c *change, e *replyEntry) error {
	if e == nil || e.step != stepBegin {
		c.err = errNotBegun
		return nil
	}
	return t.remove(c.id, e)
}

func (t *turn) finish(c *change, e *replyEntry) error {
	if e == nil || e.step != stepBegin {
		c.err = errNotBegun
		return nil
	}
	if err := t.remove(c.id, e); err != nil {
		return err
	}
	r := t.replies
	e.step, e.reply, e.at, e.ends = stepFinish, c.reply, t.now, t.now.Add(r.options.Keep)
	size := int64(len(c.reply))
	if size > int64(r.options.MaxBytes) || r.tally.bytes+t.tally.bytes+size > r.options.MaxTotal {
		e.step, e.reply = stepTooLarge, nil
	}
	return t.put(c.id, e)
}

// sweep removes up to most keys whose time is over, those that ended first.
func (t *turn) sweep(most int) error {
	var over []string
	end := appendTime(nil, t.now)
	c := t.tx.Bucket([]byte(bucketEnds)).Cursor()
	t.replies.mu.Lock()
	for k, _ := c.First(); k != nil && len(over) < most && bytes.Compare(k[:timeSize], end) <= 0; k, _ = c.Next() {
		if id := string(k[timeSize:]); !t.replies.running[id] {
			over = append(over, id)
		}
	}
	t.replies.mu.Unlock()
	for _, id := range over {
		e, err := getReply(t.tx, id)
		if err == nil {
			err = t.remove(id, e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *turn) put(id string, e *replyEntry) error {
	t.tally.count(id, e, 1)
	return errors.Join(PutRecord(t.tx, bucketReplies, id, e.encode()), PutRecord(t.tx, bucketEnds, endsKey(id, e), nil))
}

func (t *turn) remove(id string, e *replyEntry) error {
	if e == nil {
		return nil
	}
	t.tally.count(id, e, -1)
	replies, ends := t.tx.Bucket([]byte(bucketReplies)), t.tx.Bucket([]byte(bucketEnds))
	return errors.Join(replies.Delete([]byte(id)), ends.Delete([]byte(endsKey(id, e))))
}

// tally counts entries.
type tally struct {
	entries int
	bytes   int64 // of replies
	callers map[string]int
}

func (t *tally) count(id string, e *replyEntry, n int) {
	t.entries += n
	t.bytes += int64(n) * int64(len(e.reply))
	t.callers[id[:callerSize]] += n
}

func (t *tally) add(other *tally) {
	t.entries += other.entries
	t.bytes += other.bytes
	for caller, n := range other.callers {
		t.callers[caller] += n
	}
	maps.DeleteFunc(t.callers, func(_ string, n int) bool { return n == 0 })
}
