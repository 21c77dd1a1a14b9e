// SPDX-License-Identifier: Apache-2.0

package store

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"

	bolt "go.etcd.io/bbolt"
)

// The logins of the gateway at its upstreams: one sealed record for each, under the name of the upstream. What is in a
// record is the business of whoever saves it.

const (
	// tokensPurpose derives the key that logins are sealed with.
	tokensPurpose = "upstream tokens"
	// maxTokens is the largest login that is stored, in bytes.
	maxTokens = 1 << 20
	// maxUpstreamName is the longest name of an upstream, in bytes.
	maxUpstreamName = 256
)

// sealer returns the AEAD for logins: AES-256-GCM with a random nonce in front of each text. One key seals a few records a
// day, so nonces do not meet.
func (db *DB) sealer() (cipher.AEAD, error) {
	key, err := db.SealingKey(tokensPurpose)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// SaveToken seals data and stores it as the login at an upstream, in place of the one before; nil data removes it. It
// returns when that is on disk. Safe for concurrent use.
func (db *DB) SaveToken(upstream string, data []byte) error {
	switch {
	case upstream == "" || len(upstream) > maxUpstreamName:
		return fmt.Errorf("save login: the name of the upstream has %d bytes, want 1 to %d", len(upstream), maxUpstreamName)
	case len(data) > maxTokens:
		return fmt.Errorf("save login at %q: %d bytes are more than %d", upstream, len(data), maxTokens)
	}
	aead, err := db.sealer()
	if err != nil {
		return err
	}
	return db.write(func(tx *bolt.Tx, x *index) (*index, error) {
		if data == nil {
			return x, tx.Bucket([]byte(bucketTokens)).Delete([]byte(upstream))
		}
		return x, PutRecord(tx, bucketTokens, upstream, aead.Seal(nil, nil, data, tokenContext(upstream)))
	})
}

// LoadToken returns what [DB.SaveToken] stored last for an upstream, nil when there is nothing. Safe for concurrent use.
func (db *DB) LoadToken(upstream string) ([]byte, error) {
	aead, err := db.sealer()
	if err != nil {
		return nil, err
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.closed {
		return nil, ErrClosed
	}
	var data []byte
	err = db.bolt.View(func(tx *bolt.Tx) error {
		value := tx.Bucket([]byte(bucketTokens)).Get([]byte(upstream))
		if value == nil {
			return nil
		}
		data, err = openToken(aead, []byte(upstream), value)
		return err
	})
	return data, err
}

// tokenContext binds a sealed login to its upstream: under another name it does not open.
func tokenContext(upstream string) []byte { return []byte(tokensPurpose + "\x00" + upstream) }

// openToken opens a stored login.
func openToken(aead cipher.AEAD, upstream, value []byte) ([]byte, error) {
	sealed, err := OpenRecord([]byte(bucketTokens), upstream, value)
	if err != nil {
		return nil, err
	}
	data, err := aead.Open([]byte{}, nil, sealed, tokenContext(string(upstream)))
	if err != nil {
		return nil, fmt.Errorf("%s %q: does not open with the key of this state directory", bucketTokens, upstream)
	}
	return data, nil
}

// checkTokens checks that every login opens under its name.
func (db *DB) checkTokens(tx *bolt.Tx) (errs []error) {
	b := tx.Bucket([]byte(bucketTokens))
	if b == nil {
		return nil // checkBuckets says so
	}
	aead, err := db.sealer()
	if err != nil {
		return []error{err}
	}
	err = b.ForEach(func(k, v []byte) error {
		if _, err := openToken(aead, k, v); err != nil && !errors.Is(err, errChecksum) { // checkRecords reports those
			errs = append(errs, err)
		}
		return nil
	})
	if err != nil {
		errs = append(errs, err)
	}
	return errs
}
