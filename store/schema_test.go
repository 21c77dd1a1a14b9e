// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// edit changes the state file of a closed store.
func edit(t *testing.T, dir string, fn func(tx *bolt.Tx) error) {
	t.Helper()
	raw, err := bolt.Open(filepath.Join(dir, stateName), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(raw.Update(fn), raw.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestNewerSchema(t *testing.T) {
	dir := t.TempDir()
	checkAndClose(t, open(t, dir, nil))
	edit(t, dir, func(tx *bolt.Tx) error {
		// What else a newer tollgate has put there is not understood, and must not matter.
		b, err := tx.CreateBucket([]byte("future"))
		if err != nil {
			return err
		}
		if _, err := b.CreateBucket([]byte("nested")); err != nil {
			return err
		}
		return errors.Join(b.Put([]byte("k"), []byte("v")), writeSchema(tx, schemaVersion+6))
	})
	path := filepath.Join(dir, stateName)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(dir, nil)
	newer, ok := errors.AsType[*SchemaError](err)
	if !ok || newer.Have != schemaVersion+6 || newer.Known != schemaVersion {
		t.Fatalf("Open = %v, want a SchemaError with both versions", err)
	}
	mention(t, err.Error(), path, fmt.Sprintf("version %d", schemaVersion+6), fmt.Sprintf("up to %d", schemaVersion))
	mention(t, newer.Hint(), "newer tollgate")
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file was changed (%v)", err)
	}
}

func TestMigrationsReachTheNewestVersion(t *testing.T) {
	if got := len(migrations()) + 1; got != schemaVersion {
		t.Fatalf("migrations lead to version %d, the program writes %d", got, schemaVersion)
	}
}

// TestMigrate runs invented steps from version 1.
func TestMigrate(t *testing.T) {
	db := open(t, t.TempDir(), nil)
	var ran []int
	step := func(n int, err error) migration {
		return func(tx *bolt.Tx) error {
			ran = append(ran, n)
			return errors.Join(err, tx.Bucket([]byte(bucketSchema)).Put([]byte("trace"), []byte{byte(n)}))
		}
	}
	state := func() (version int, traced bool) {
		err := db.bolt.View(func(tx *bolt.Tx) (err error) {
			version, err = readSchema(tx)
			traced = tx.Bucket([]byte(bucketSchema)).Get([]byte("trace")) != nil
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return version, traced
	}

	broken := errors.New("out of ideas")
	err := db.bolt.Update(func(tx *bolt.Tx) error {
		return migrate(tx, 1, []migration{step(1, nil), step(2, broken)})
	})
	if !errors.Is(err, broken) {
		t.Fatalf("migrate = %v", err)
	}
	mention(t, err.Error(), "from schema version 2 to 3")
	if v, traced := state(); v != schemaVersion || traced {
		t.Errorf("after a failed migration: version %d, trace of it %t; want %d, false", v, traced, schemaVersion)
	}

	ran = nil
	err = db.bolt.Update(func(tx *bolt.Tx) error {
		return migrate(tx, 2, []migration{step(1, nil), step(2, nil), step(3, nil)})
	})
	if err != nil {
		t.Fatal(err)
	}
	if v, _ := state(); v != 4 || len(ran) != 2 || ran[0] != 2 || ran[1] != 3 {
		t.Errorf("from version 2 steps %v ran and led to %d, want [2 3] and 4", ran, v)
	}

	// Put things back, so that the check at the end is about a file this program wrote.
	err = db.bolt.Update(func(tx *bolt.Tx) error {
		return errors.Join(tx.Bucket([]byte(bucketSchema)).Delete([]byte("trace")), writeSchema(tx, schemaVersion))
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestForeignDatabase(t *testing.T) {
	dir := private(t)
	edit(t, dir, func(tx *bolt.Tx) error {
		_, err := tx.CreateBucket([]byte("widgets"))
		return err
	})
	_, err := Open(dir, nil)
	if _, ok := errors.AsType[*CorruptError](err); !ok {
		t.Fatalf("Open of somebody else's database = %v, want a CorruptError", err)
	}
}

// TestLostSecret must not end in a fresh secret: every key would silently stop to work.
func TestLostSecret(t *testing.T) {
	for _, name := range []string{secretRoot, secretPepper} {
		dir := t.TempDir()
		checkAndClose(t, open(t, dir, nil))
		edit(t, dir, func(tx *bolt.Tx) error { return tx.Bucket([]byte(bucketSecrets)).Delete([]byte(name)) })
		_, err := Open(dir, nil)
		if _, ok := errors.AsType[*CorruptError](err); !ok {
			t.Fatalf("Open without %s = %v, want a CorruptError", name, err)
		}
		mention(t, err.Error(), name)
	}
}
