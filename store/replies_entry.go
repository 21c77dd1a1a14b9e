// SPDX-License-Identifier: Apache-2.0

package store

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"time"

	bolt "go.etcd.io/bbolt"
)

const (
	repliesName   = "replies.db"
	bucketReplies = "replies" // id -> entry
	bucketEnds    = "ends"    // when the entry ends, id -> nothing: the order in which entries are swept

	callerSize = 16 // the start of an id, the same for all keys of a caller
	timeSize   = 8
)

func repliesLayout() *Layout {
	return &Layout{
		Name:    repliesName,
		Buckets: []string{bucketSecrets, bucketReplies, bucketEnds},
		Create: func(tx *bolt.Tx) error {
			b := make([]byte, secretSize)
			rand.Read(b) // never fails
			return PutRecord(tx, bucketSecrets, secretPepper, b)
		},
		Lost: "the idempotency keys of the last calls",
		Bolt: bolt.Options{FreelistType: bolt.FreelistMapType},
	}
}

// id is what is stored of a caller and a key: neither can be read in the file, or tried out without its pepper.
func (r *Replies) id(caller, key string) string {
	mac := func(parts ...string) []byte {
		h := hmac.New(sha256.New, r.pepper)
		for _, part := range parts {
			h.Write(binary.AppendUvarint(nil, uint64(len(part)))) // where one ends and the next begins
			h.Write([]byte(part))
		}
		return h.Sum(nil)
	}
	return string(mac(caller)[:callerSize]) + string(mac(caller, key))
}

// replyStep is how far the call of a key has come.
type replyStep byte

const (
	stepForget   replyStep = 0 // never stored
	stepBegin    replyStep = 1
	stepFinish   replyStep = 2
	stepTooLarge replyStep = 3 // finished, without the reply
)

// replyEntry is what is stored of a key.
type replyEntry struct {
	step   replyStep
	ends   time.Time // when it is forgotten
	at     time.Time // of the step
	digest [32]byte
	call   string
	reply  []byte
}

// answer is what Begin says about an entry that counts.
func (e *replyEntry) answer(digest [32]byte, running bool) (*Kept, error) {
	switch {
	case e.digest != digest:
		return nil, &ConflictError{Different: true, Call: e.call}
	case e.step == stepBegin:
		return nil, &ConflictError{Running: running, Unknown: !running, Call: e.call}
	}
	return &Kept{Call: e.call, At: e.at, Reply: e.reply, TooLarge: e.step == stepTooLarge}, nil
}

func (e *replyEntry) encode() []byte {
	b := make([]byte, 0, 1+2*timeSize+len(e.digest)+binary.MaxVarintLen64+len(e.call)+len(e.reply))
	b = append(b, byte(e.step))
	b = appendTime(appendTime(b, e.ends), e.at)
	b = append(b, e.digest[:]...)
	b = append(binary.AppendUvarint(b, uint64(len(e.call))), e.call...)
	return append(b, e.reply...)
}

var errReply = errors.New("not an entry")

func decodeReply(b []byte) (*replyEntry, error) {
	e := &replyEntry{}
	fixed := 1 + 2*timeSize + len(e.digest)
	if len(b) < fixed || b[0] < byte(stepBegin) || b[0] > byte(stepTooLarge) {
		return nil, errReply
	}
	e.step, e.ends, e.at = replyStep(b[0]), readTime(b[1:]), readTime(b[1+timeSize:])
	copy(e.digest[:], b[1+2*timeSize:])
	b = b[fixed:]
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return nil, errReply
	}
	e.call = string(b[size : size+int(n)])
	if rest := b[size+int(n):]; e.step == stepFinish {
		e.reply = append([]byte{}, rest...)
	} else if len(rest) > 0 {
		return nil, errReply
	}
	return e, nil
}

// getReply returns a copy of an entry, nil when there is none.
func getReply(tx *bolt.Tx, id string) (*replyEntry, error) {
	value := tx.Bucket([]byte(bucketReplies)).Get([]byte(id))
	if value == nil {
		return nil, nil
	}
	payload, err := OpenRecord([]byte(bucketReplies), []byte(id), value)
	if err != nil {
		return nil, err
	}
	e, err := decodeReply(payload)
	if err != nil {
		return nil, fmt.Errorf("%s %x: %w", bucketReplies, id, err)
	}
	return e, nil
}

// appendTime writes a time so that bytes are in the order of times.
func appendTime(b []byte, t time.Time) []byte {
	return binary.BigEndian.AppendUint64(b, uint64(t.UnixNano())^1<<63)
}

func readTime(b []byte) time.Time {
	return time.Unix(0, int64(binary.BigEndian.Uint64(b)^1<<63)).UTC()
}

func endsKey(id string, e *replyEntry) string { return string(appendTime(nil, e.ends)) + id }

// eachReply calls fn with every entry.
func eachReply(tx *bolt.Tx, fn func(id string, e *replyEntry)) error {
	return tx.Bucket([]byte(bucketReplies)).ForEach(func(k, _ []byte) error {
		e, err := getReply(tx, string(k))
		if err == nil && len(k) != callerSize+sha256.Size {
			err = fmt.Errorf("%s %x: %w", bucketReplies, k, errReply)
		}
		if err == nil {
			fn(string(k), e)
		}
		return err
	})
}

func countReplies(tx *bolt.Tx) (tally, error) {
	t := tally{callers: map[string]int{}}
	err := eachReply(tx, func(id string, e *replyEntry) { t.count(id, e, 1) })
	return t, err
}

// checkReplies checks that every entry is in the order of ends once, and that the tally is right. Nothing may
// be written meanwhile.
func (r *Replies) checkReplies(tx *bolt.Tx) (errs []error) {
	ends := map[string]bool{}
	err := tx.Bucket([]byte(bucketEnds)).ForEach(func(k, _ []byte) error {
		ends[string(k)] = true
		return nil
	})
	if err == nil {
		err = eachReply(tx, func(id string, e *replyEntry) {
			if key := endsKey(id, e); !ends[key] {
				errs = append(errs, fmt.Errorf("%s %x: never swept", bucketReplies, id))
			} else {
				delete(ends, key)
			}
		})
	}
	if err != nil {
		errs = append(errs, err)
	}
	for key := range ends {
		errs = append(errs, fmt.Errorf("%s %x: of no entry", bucketEnds, key))
	}
	have, err := countReplies(tx)
	want := &r.tally
	if err == nil && (have.entries != want.entries || have.bytes != want.bytes || !maps.Equal(have.callers, want.callers)) {
		errs = append(errs, fmt.Errorf("%d entries with %d bytes are stored, %d with %d are counted",
			have.entries, have.bytes, want.entries, want.bytes))
	}
	return errs
}
