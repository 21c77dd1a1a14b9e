// SPDX-License-Identifier: Apache-2.0

package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	bolt "go.etcd.io/bbolt"
)

// The top-level buckets.
const (
	bucketSchema  = "schema"
	bucketSecrets = "secrets"
	bucketKeys    = "keys"
	bucketTokens  = "tokens" // since version 2
)

// schemaVersion is the version this program writes. It rises by one with every change that an older program would
// misread, together with a step in [migrations].
const schemaVersion = 2

const keyVersion = "version"

// migration brings a state file from one schema version to the next.
type migration = func(tx *bolt.Tx) error

// migrations returns the steps in order: the first leads from version 1 to 2.
func migrations() []migration { return []migration{addTokens} }

// stateLayout is that of state.db.
func stateLayout() *Layout {
	return &Layout{
		Name:       stateName,
		Buckets:    []string{bucketSecrets, bucketKeys, bucketTokens},
		Create:     createSecrets,
		Migrations: migrations(),
		Lost:       "all API keys",
		owned:      true,
	}
}

// addTokens makes room for logins at upstreams.
func addTokens(tx *bolt.Tx) error {
	_, err := tx.CreateBucket([]byte(bucketTokens))
	return err
}

// readSchema returns the schema version, 0 for a file that holds nothing yet.
func readSchema(tx *bolt.Tx) (int, error) {
	if first, _ := tx.Cursor().First(); first == nil {
		return 0, nil
	}
	b, err := GetRecord(tx, bucketSchema, keyVersion)
	if err != nil {
		return 0, err
	}
	if len(b) != 4 {
		return 0, fmt.Errorf("schema version of %d bytes", len(b))
	}
	v := int(binary.BigEndian.Uint32(b))
	if v == 0 {
		return 0, errors.New("schema version 0")
	}
	return v, nil
}

func writeSchema(tx *bolt.Tx, version int) error {
	return PutRecord(tx, bucketSchema, keyVersion, binary.BigEndian.AppendUint32(nil, uint32(version)))
}

// initialise fills an empty file.
func (l *Layout) initialise(tx *bolt.Tx) error {
	for _, name := range append([]string{bucketSchema}, l.Buckets...) {
		if _, err := tx.CreateBucket([]byte(name)); err != nil {
			return err
		}
	}
	if l.Create != nil {
		if err := l.Create(tx); err != nil {
			return err
		}
	}
	return writeSchema(tx, l.version())
}

// migrate applies the steps that lead from have to the newest version, in the caller's transaction: a file is either
// wholly old or wholly new.
func migrate(tx *bolt.Tx, have int, steps []migration) error {
	for i, step := range steps {
		if from := i + 1; from >= have {
			if err := step(tx); err != nil {
				return fmt.Errorf("from schema version %d to %d: %w", from, from+1, err)
			}
		}
	}
	return writeSchema(tx, len(steps)+1)
}

// checkBuckets returns an error unless exactly the known buckets exist.
func (l *Layout) checkBuckets(tx *bolt.Tx) error {
	want := append([]string{bucketSchema}, l.Buckets...)
	slices.Sort(want)
	var got []string
	err := tx.ForEach(func(name []byte, _ *bolt.Bucket) error {
		got = append(got, string(name))
		return nil
	})
	if err != nil {
		return err
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("buckets are %q, want %q", got, want)
	}
	return nil
}
