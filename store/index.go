// SPDX-License-Identifier: Apache-2.0

package store

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"hash"
	"maps"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"
)

const macSize = sha256.Size

// entry is one key in memory. Only used changes.
type entry struct {
	keyRecord
	used *atomic.Int64 // Unix nanoseconds of the last accepted use, 0 = never; shared by all versions of the entry
}

func newEntry(r *keyRecord) *entry {
	e := &entry{keyRecord: *r, used: new(atomic.Int64)}
	if !r.LastUsed.IsZero() {
		e.used.Store(r.LastUsed.UnixNano())
	}
	return e
}

// lastUsed is the time of the last accepted use, zero when there was none.
func (e *entry) lastUsed() time.Time {
	if ns := e.used.Load(); ns != 0 {
		return time.Unix(0, ns).UTC()
	}
	return time.Time{}
}

// index is an immutable set of keys; a change makes a new one.
type index struct {
	byID  map[string]*entry
	decoy *entry // stands in for an unknown id, so that both ways take the same steps
}

func newIndex() *index {
	return &index{byID: map[string]*entry{}, decoy: &entry{keyRecord: keyRecord{MAC: make([]byte, macSize)}}}
}

// with returns a copy of x that also holds entries, in place of their older versions.
func (x *index) with(entries ...*entry) *index {
	next := &index{byID: maps.Clone(x.byID), decoy: x.decoy}
	for _, e := range entries {
		next.byID[e.ID] = e
	}
	return next
}

// used returns new versions of the entries whose last use is not stored, with LastUsed set.
func (x *index) used() []*entry {
	var out []*entry
	for _, old := range x.byID {
		if at := old.lastUsed(); !at.Equal(old.LastUsed) {
			e := *old
			e.LastUsed = at
			out = append(out, &e)
		}
	}
	return out
}

// loadIndex reads all keys. Keys are revoked but never removed, so the bucket's own counter tells how many there must
// be.
func loadIndex(tx *bolt.Tx) (*index, error) {
	x := newIndex()
	b := tx.Bucket([]byte(bucketKeys))
	err := b.ForEach(func(k, v []byte) error {
		payload, err := OpenRecord([]byte(bucketKeys), k, v)
		if err != nil {
			return err
		}
		r, err := decodeKey(string(k), payload)
		if err != nil {
			return err
		}
		x.byID[r.ID] = newEntry(r)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if n := uint64(len(x.byID)); n != b.Sequence() {
		return nil, fmt.Errorf("%d keys are stored, %d were created", n, b.Sequence())
	}
	return x, nil
}

// macer computes what is stored of a key's text: HMAC-SHA-256 under the pepper. Its buffers spare every lookup some
// allocations. It is not safe for concurrent use.
type macer struct {
	hash hash.Hash
	in   []byte
	out  [macSize]byte
}

func newMacer(pepper []byte) *macer { return &macer{hash: hmac.New(sha256.New, pepper)} }

// mac returns the MAC of a token, valid until the next call.
func (m *macer) mac(token string) []byte {
	m.hash.Reset()
	m.in = append(m.in[:0], token...)
	m.hash.Write(m.in)
	clear(m.in) // the secret is not kept longer than needed
	return m.hash.Sum(m.out[:0])
}
