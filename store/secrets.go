// SPDX-License-Identifier: Apache-2.0

package store

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"

	bolt "go.etcd.io/bbolt"
)

// The secrets of a state directory, 32 random bytes each, made once. They are separate so that one can be replaced
// without the other: a new root key makes sealed state unreadable, a new pepper makes all API keys invalid.
const (
	secretRoot   = "root"
	secretPepper = "pepper"
	secretSize   = 32
)

func createSecrets(tx *bolt.Tx) error {
	for _, name := range []string{secretRoot, secretPepper} {
		b := make([]byte, secretSize)
		rand.Read(b) // never fails
		if err := PutRecord(tx, bucketSecrets, name, b); err != nil {
			return err
		}
	}
	return nil
}

// readSecret returns a copy of the named secret.
func readSecret(tx *bolt.Tx, name string) ([]byte, error) {
	b, err := GetRecord(tx, bucketSecrets, name)
	if err != nil {
		return nil, err
	}
	if len(b) != secretSize {
		return nil, fmt.Errorf("secret %q has %d bytes, want %d", name, len(b), secretSize)
	}
	return append([]byte(nil), b...), nil
}

// SealingKey returns the 32-byte key for one purpose, such as "edge request state". The same directory and purpose give
// the same key for ever; keys of different purposes tell nothing about each other (HKDF-SHA-256). Safe for concurrent
// use; the caller owns the result. Derive a key once, not per request.
func (db *DB) SealingKey(purpose string) ([]byte, error) {
	if purpose == "" {
		return nil, errors.New("sealing key: the purpose is empty")
	}
	if db.index.Load() == nil {
		return nil, ErrClosed
	}
	return hkdf.Key(sha256.New, db.root, nil, "tollgate/seal/"+purpose, secretSize)
}
