// SPDX-License-Identifier: Apache-2.0

package store

import (
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"
)

// RotateKey puts a new key in the place of another and returns its text, which can never be shown again, and the new key.
// It has the subject, org, team, label and roles of the old one and, if that has an end, a life as long. The old key
// works for grace longer, but never longer than it would have; with grace 0 it is refused at once. Both changes are one
// write. The error is [ErrUnknownKey], [ErrRevokedKey], [ErrExpiredKey] or [ErrReplacedKey] for a key that cannot be
// rotated; then nothing has changed. Safe for concurrent use.
func (db *DB) RotateKey(id string, grace time.Duration) (secret string, _ Key, err error) {
	var k Key
	err = db.write(func(tx *bolt.Tx, x *index) (*index, error) {
		now := db.now().Round(0).UTC()
		old := x.byID[id]
		if err := rotatable(old, grace, now); err != nil {
			return nil, err
		}
		k = old.successor(now)
		var next *entry
		secret, next, err = db.issue(tx, x, &k)
		if err != nil {
			return nil, err
		}
		e := *old
		e.LastUsed, e.ReplacedBy = e.lastUsed(), k.ID
		if end := now.Add(grace); e.Expires.IsZero() || end.Before(e.Expires) {
			e.Expires = end
		}
		return x.with(next, &e), putKey(tx, &e.keyRecord)
	})
	if err != nil {
		return "", Key{}, fmt.Errorf("rotate key %q: %w", id, err)
	}
	return secret, k.clone(), nil
}

// rotatable says why old, nil for no key, cannot be rotated at now.
func rotatable(old *entry, grace time.Duration, now time.Time) error {
	switch {
	case old == nil:
		return ErrUnknownKey
	case grace < 0:
		return fmt.Errorf("grace %s is below zero", grace)
	case !old.Revoked.IsZero():
		return ErrRevokedKey
	case old.ReplacedBy != "":
		// Its end is that of its grace and says nothing about the life of another successor.
		return fmt.Errorf("%w by %q", ErrReplacedKey, old.ReplacedBy)
	case !old.Expires.IsZero() && !now.Before(old.Expires):
		return ErrExpiredKey
	}
	return nil
}

// successor is the key that takes the place of k at now, without an ID.
func (k *Key) successor(now time.Time) Key {
	next := Key{Subject: k.Subject, Org: k.Org, Team: k.Team, Label: k.Label, Roles: k.clone().Roles, Created: now}
	if !k.Expires.IsZero() {
		next.Expires = now.Add(k.Expires.Sub(k.Created))
	}
	return next
}
