// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// TestCheckNotices breaks one invariant after the other: a check that cannot fail protects nothing.
func TestCheckNotices(t *testing.T) {
	put := func(bucket, key, value string) func(*testing.T, *DB, Key) {
		return func(t *testing.T, db *DB, k Key) {
			tamper(t, db, func(tx *bolt.Tx) error {
				return PutRecord(tx, bucket, strings.ReplaceAll(key, "ID", k.ID), []byte(value))
			})
		}
	}
	for _, test := range []struct {
		name   string
		damage func(t *testing.T, db *DB, k Key)
		want   string
	}{
		{"schema version", put(bucketSchema, keyVersion, "\x00\x00\x00\x09"), "schema version 9"},
		{"another root key", put(bucketSecrets, secretRoot, strings.Repeat("r", secretSize)), `"root" differs`},
		{"short pepper", put(bucketSecrets, secretPepper, "salt"), "4 bytes"},
		{"key that is no JSON", put(bucketKeys, "ID", "?"), "invalid character"},
		{"key under another id", put(bucketKeys, "00000000", `{"id":"ID"}`), `names "ID"`},
		{"record without checksum", func(t *testing.T, db *DB, k Key) {
			tamper(t, db, func(tx *bolt.Tx) error { return tx.Bucket([]byte(bucketKeys)).Put([]byte(k.ID), []byte("12345")) })
		}, "checksum"},
		{"unknown bucket", func(t *testing.T, db *DB, _ Key) {
			tamper(t, db, func(tx *bolt.Tx) error { _, err := tx.CreateBucket([]byte("more")); return err })
		}, `"more"`},
		{"key count", func(t *testing.T, db *DB, _ Key) {
			tamper(t, db, func(tx *bolt.Tx) error { return tx.Bucket([]byte(bucketKeys)).SetSequence(7) })
		}, "7 were created"},
		{"key in memory only", func(t *testing.T, db *DB, k Key) {
			ghost := *db.index.Load().byID[k.ID]
			ghost.ID = "ghost000"
			db.index.Store(db.index.Load().with(&ghost))
		}, "in use but not stored"},
		{"key on disk only", func(t *testing.T, db *DB, _ Key) { db.index.Store(newIndex()) }, "stored but not in use"},
		{"more roles in memory", func(t *testing.T, db *DB, k Key) {
			e := *db.index.Load().byID[k.ID]
			e.Roles = []string{"admin"}
			db.index.Store(db.index.Load().with(&e))
		}, "differs from the stored one"},
		{"two keys, one secret", func(t *testing.T, db *DB, k Key) {
			_, other := create(t, db, Key{Subject: "b"})
			e := *db.index.Load().byID[other.ID]
			e.MAC = db.index.Load().byID[k.ID].MAC
			tamper(t, db, func(tx *bolt.Tx) error { return putKey(tx, &e.keyRecord) })
		}, "same mac"},
		{"lost successor", func(t *testing.T, db *DB, k Key) {
			e := *db.index.Load().byID[k.ID]
			e.ReplacedBy = "nosuchid"
			tamper(t, db, func(tx *bolt.Tx) error { return putKey(tx, &e.keyRecord) })
		}, `replaced by "nosuchid"`},
		{"owner", func(t *testing.T, db *DB, _ Key) {
			if err := os.WriteFile(filepath.Join(db.dir, pidName), []byte("1\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "process id"},
		{"open directory", func(t *testing.T, db *DB, _ Key) {
			if runtime.GOOS == "windows" {
				t.Skip("mode bits mean nothing here")
			}
			if err := os.Chmod(db.dir, 0o750); err != nil {
				t.Fatal(err)
			}
		}, "open to other users"},
	} {
		t.Run(test.name, func(t *testing.T) {
			db := open(t, t.TempDir(), nil)
			_, k := create(t, db, Key{Subject: "a", Roles: []string{"reader"}})
			if errs := db.Check(); len(errs) > 0 {
				t.Fatalf("Check of a sound store: %v", errs)
			}
			test.damage(t, db, k)
			if err := errors.Join(db.Check()...); err == nil {
				t.Error("Check found nothing")
			} else {
				mention(t, err.Error(), test.want)
			}
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// tamper changes the file behind the back of the store.
func tamper(t *testing.T, db *DB, fn func(tx *bolt.Tx) error) {
	t.Helper()
	if err := db.bolt.Update(fn); err != nil {
		t.Fatal(err)
	}
}

func TestSealingKeys(t *testing.T) {
	db, other := open(t, t.TempDir(), nil), open(t, t.TempDir(), nil)
	seen := map[string]string{string(db.root): "root", string(db.pepper): "pepper"}
	for _, d := range []struct {
		name string
		db   *DB
	}{{"one", db}, {"other", other}} {
		for _, purpose := range []string{"a", "b", "ab", "a\x00"} {
			key, err := d.db.SealingKey(purpose)
			if err != nil || len(key) != 32 {
				t.Fatalf("SealingKey(%q) = %d bytes, %v", purpose, len(key), err)
			}
			name := d.name + " " + purpose
			if was, ok := seen[string(key)]; ok {
				t.Errorf("%q and %q are the same key", name, was)
			}
			seen[string(key)] = name
			clear(key) // the caller's own
			if again, _ := d.db.SealingKey(purpose); seen[string(again)] != name {
				t.Errorf("SealingKey(%q) changed", purpose)
			}
		}
	}
	if _, err := db.SealingKey(""); err == nil {
		t.Error("SealingKey without a purpose succeeded")
	}
}
