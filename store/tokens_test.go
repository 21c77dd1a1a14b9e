// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"
)

func TestTokens(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir, nil)
	if b, err := db.LoadToken("jira"); b != nil || err != nil {
		t.Fatalf("LoadToken of nothing = %q, %v", b, err)
	}
	for _, data := range []string{"first", "second", ""} {
		if err := db.SaveToken("jira", []byte(data)); err != nil {
			t.Fatal(err)
		}
		if b, err := db.LoadToken("jira"); string(b) != data || b == nil || err != nil {
			t.Fatalf("LoadToken = %q, %v, want %q", b, err, data)
		}
	}
	if err := errors.Join(db.SaveToken("jira", []byte("kept")), db.SaveToken("docs", []byte("other"))); err != nil {
		t.Fatal(err)
	}
	checkAndClose(t, db)
	if _, err := db.LoadToken("jira"); !errors.Is(err, ErrClosed) {
		t.Errorf("LoadToken after Close = %v", err)
	}
	db = open(t, dir, nil)
	if b, err := db.LoadToken("jira"); string(b) != "kept" || err != nil {
		t.Fatalf("after a restart LoadToken = %q, %v", b, err)
	}
	if err := errors.Join(db.SaveToken("jira", nil), db.SaveToken("jira", nil)); err != nil {
		t.Fatal(err)
	}
	if b, err := db.LoadToken("jira"); b != nil || err != nil {
		t.Fatalf("after a removal LoadToken = %q, %v", b, err)
	}
	if b, err := db.LoadToken("docs"); string(b) != "other" || err != nil {
		t.Fatalf("LoadToken of the other = %q, %v", b, err)
	}
	for name, data := range map[string][]byte{"": []byte("x"), strings.Repeat("n", 257): []byte("x"), "big": make([]byte, maxTokens+1)} {
		if db.SaveToken(name, data) == nil {
			t.Errorf("SaveToken of %d bytes under a name of %d succeeded", len(data), len(name))
		}
	}
	checkAndClose(t, db)
}

// TestTokensAreSealed looks through every file of the directory, while it is open and after.
func TestTokensAreSealed(t *testing.T) {
	const secret = "canary-refresh-token-0123456789"
	dir := t.TempDir()
	db := open(t, dir, nil)
	search := func() {
		t.Helper()
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			b, err := os.ReadFile(path)
			if bytes.Contains(b, []byte(secret)) || bytes.Contains(b, []byte(secret[7:20])) {
				t.Errorf("%s holds a login in clear", d.Name())
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		if err := db.SaveToken("jira", []byte(`{"refresh":"`+secret+`"}`)); err != nil {
			t.Fatal(err)
		}
	}
	search()
	checkAndClose(t, db)
	search()
}

// TestMovedToken: a login that was put under the name of another upstream opens for nobody, and Check says so.
func TestMovedToken(t *testing.T) {
	db := open(t, t.TempDir(), nil)
	if err := db.SaveToken("jira", []byte("secret")); err != nil {
		t.Fatal(err)
	}
	tamper(t, db, func(tx *bolt.Tx) error {
		sealed, err := GetRecord(tx, bucketTokens, "jira")
		if err != nil {
			return err
		}
		return PutRecord(tx, bucketTokens, "evil", bytes.Clone(sealed))
	})
	if b, err := db.LoadToken("evil"); err == nil {
		t.Errorf("LoadToken = %q", b)
	}
	errs := errors.Join(db.Check()...)
	if errs == nil {
		t.Fatal("Check finds nothing")
	}
	mention(t, errs.Error(), `tokens "evil"`, "does not open")
	if err := db.SaveToken("evil", nil); err != nil {
		t.Fatal(err)
	}
	checkAndClose(t, db)
}

// TestUpgradeFromVersion1: keys survive, and there is room for logins.
func TestUpgradeFromVersion1(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir, nil)
	secret, _ := create(t, db, Key{Subject: "a"})
	checkAndClose(t, db)
	edit(t, dir, func(tx *bolt.Tx) error {
		return errors.Join(tx.DeleteBucket([]byte(bucketTokens)), writeSchema(tx, 1))
	})
	db = open(t, dir, nil)
	if _, err := db.LookupKey(secret); err != nil {
		t.Errorf("a key of before: %v", err)
	}
	if err := db.SaveToken("jira", []byte("x")); err != nil {
		t.Error(err)
	}
	checkAndClose(t, db)
}
