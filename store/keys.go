// SPDX-License-Identifier: Apache-2.0

package store

import (
	"cmp"
	"crypto/hmac"
	"fmt"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"
)

// CreateKey stores a new key and returns its text, which can never be shown again, and the key as stored. ID, Created,
// LastUsed, Revoked and ReplacedBy of k are ignored. It returns when the key is on disk. Safe for concurrent use.
func (db *DB) CreateKey(k Key) (secret string, _ Key, err error) {
	now := db.now().Round(0).UTC()
	k = k.clone()
	k.Created, k.Expires = now, k.Expires.Round(0).UTC()
	k.LastUsed, k.Revoked, k.ReplacedBy = time.Time{}, time.Time{}, ""
	err = db.write(func(tx *bolt.Tx, x *index) (*index, error) {
		var e *entry
		secret, e, err = db.issue(tx, x, &k)
		if err != nil {
			return nil, err
		}
		return x.with(e), nil
	})
	if err != nil {
		return "", Key{}, fmt.Errorf("create key: %w", err)
	}
	return secret, k.clone(), nil
}

// issue stores k as a new key under an ID that it gives it, and returns its text.
func (db *DB) issue(tx *bolt.Tx, x *index, k *Key) (secret string, e *entry, err error) {
	if err := k.validate(); err != nil {
		return "", nil, err
	}
	for k.ID = randomText(idSize); x.byID[k.ID] != nil; {
		k.ID = randomText(idSize)
	}
	secret = newToken(k.ID)
	e = newEntry(&keyRecord{Key: *k, MAC: newMacer(db.pepper).mac(secret)})
	if _, err := tx.Bucket([]byte(bucketKeys)).NextSequence(); err != nil {
		return "", nil, err
	}
	return secret, e, putKey(tx, &e.keyRecord)
}

// RevokeKey makes the key useless from now on. It returns when that is on disk; calls that were let in before are not
// stopped. Revoking again keeps the first time. An id that does not exist is [ErrUnknownKey]. Safe for concurrent use.
func (db *DB) RevokeKey(id string) error {
	err := db.write(func(tx *bolt.Tx, x *index) (*index, error) {
		old := x.byID[id]
		if old == nil {
			return nil, ErrUnknownKey
		}
		if !old.Revoked.IsZero() {
			return x, nil
		}
		e := *old
		e.Revoked = db.now().Round(0).UTC()
		e.LastUsed = e.lastUsed()
		return x.with(&e), putKey(tx, &e.keyRecord)
	})
	if err != nil {
		return fmt.Errorf("revoke key %q: %w", id, err)
	}
	return nil
}

// Keys returns all keys, oldest first, revoked and expired ones included. Safe for concurrent use; the caller owns the
// result.
func (db *DB) Keys() ([]Key, error) {
	x := db.index.Load()
	if x == nil {
		return nil, ErrClosed
	}
	keys := make([]Key, 0, len(x.byID))
	for _, e := range x.byID {
		k := e.clone()
		k.LastUsed = e.lastUsed()
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b Key) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID))
	})
	return keys, nil
}

// LookupKey returns the key whose text is secret and notes that it was used. It returns [ErrUnknownKey] for anything
// that is no key of this store; only the right secret learns of [ErrExpiredKey] and [ErrRevokedKey]. It reads no disk
// and is safe for concurrent use; the caller owns the result.
func (db *DB) LookupKey(secret string) (Key, error) {
	x := db.index.Load()
	if x == nil {
		return Key{}, ErrClosed
	}
	id, ok := parseToken(secret)
	if !ok {
		return Key{}, ErrUnknownKey
	}
	e, known := x.byID[id]
	if !known {
		e = x.decoy
	}
	// Both halves are always evaluated: an unknown id must not be faster than a wrong secret.
	m := db.macers.Get().(*macer)
	match := hmac.Equal(m.mac(secret), e.MAC)
	db.macers.Put(m)
	if !match || !known {
		return Key{}, ErrUnknownKey
	}
	now := db.now().Round(0).UTC()
	switch {
	case !e.Revoked.IsZero():
		return Key{}, ErrRevokedKey
	case !e.Expires.IsZero() && !now.Before(e.Expires):
		return Key{}, ErrExpiredKey
	}
	e.used.Store(now.UnixNano())
	db.uses.note()
	k := e.clone()
	k.LastUsed = now
	return k, nil
}

// putKey stores a key record.
func putKey(tx *bolt.Tx, r *keyRecord) error {
	payload, err := r.encode()
	if err != nil {
		return err
	}
	return PutRecord(tx, bucketKeys, r.ID, payload)
}
