// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"tollgate/store/page"
)

// contents is everything a user could notice to be different.
type contents struct {
	Keys []Key
	Seal []byte
}

func read(t *testing.T, db *DB, secret string) contents {
	t.Helper()
	k, err := db.LookupKey(secret)
	if err != nil {
		t.Fatalf("LookupKey: %v", err)
	}
	// Forget the use again: writing hundreds of them to disk is not what this is about.
	db.index.Load().byID[k.ID].used.Store(0)
	keys, err := db.Keys()
	if err != nil {
		t.Fatal(err)
	}
	seal, err := db.SealingKey("test")
	if err != nil {
		t.Fatal(err)
	}
	return contents{keys, seal}
}

// sound returns the bytes of a state file with enough keys for inner pages, and what it holds.
func sound(t *testing.T) (file []byte, secret string, want contents) {
	t.Helper()
	dir := t.TempDir()
	clk := newClock()
	db := open(t, dir, &Options{Now: clk.now})
	for i := range 40 {
		s, k := create(t, db, Key{Subject: fmt.Sprintf("subject-%d", i), Roles: []string{"reader"}, Label: "one of many, to fill pages"})
		if i == 0 {
			secret = s
		} else if i%7 == 0 {
			if err := db.RevokeKey(k.ID); err != nil {
				t.Fatal(err)
			}
		}
		clk.advance(time.Second)
	}
	want = read(t, db, secret)
	checkAndClose(t, db)
	file, err := os.ReadFile(filepath.Join(dir, stateName))
	if err != nil {
		t.Fatal(err)
	}
	return file, secret, want
}

// reopen puts file into a directory and opens it. A failure must be a CorruptError and leave the file alone.
func reopen(t *testing.T, dir string, file []byte) (*DB, *CorruptError) {
	t.Helper()
	path := filepath.Join(dir, stateName)
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writePID(dir); err != nil {
		t.Fatal(err)
	}
	db, err := Open(dir, nil)
	if err == nil {
		return db, nil
	}
	corrupt, ok := errors.AsType[*CorruptError](err)
	if !ok {
		t.Fatalf("Open = %v, want a CorruptError", err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, file) {
		t.Fatalf("a damaged file was changed (%v)", err)
	}
	return nil, corrupt
}

// TestDamage changes single bytes all over the file. Either that is noticed when the file is opened, or it was a byte
// that means nothing and everything is as before.
func TestDamage(t *testing.T) {
	file, secret, want := sound(t)
	dir := private(t)
	at := map[int]bool{}
	for page := 0; page < len(file); page += os.Getpagesize() {
		for i := range 12 { // header and first elements
			at[page+4*i+page/os.Getpagesize()%4] = true
		}
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		at[rnd.IntN(len(file))] = true
	}
	noticed := 0
	for i := range at {
		bad := bytes.Clone(file)
		bad[i] ^= byte(1 + rnd.IntN(255))
		db, corrupt := reopen(t, dir, bad)
		if corrupt != nil {
			noticed++
			continue
		}
		if got := read(t, db, secret); !reflect.DeepEqual(want, got) {
			t.Errorf("byte %d of page %d was changed; nobody noticed, but (-want +got):\n%s", i%os.Getpagesize(), i/os.Getpagesize(), cmp.Diff(want, got))
		}
		checkAndClose(t, db)
	}
	if noticed < len(at)/10 {
		t.Errorf("%d of %d changes were noticed; is anything checked at all?", noticed, len(at))
	}
}

func TestDamageIsExplained(t *testing.T) {
	file, _, _ := sound(t)
	page := os.Getpagesize()
	flip := func(i int) []byte {
		b := bytes.Clone(file)
		b[i] ^= 0xff
		return b
	}
	for _, test := range []struct {
		name string
		file []byte
		want string
	}{
		{"empty", nil, "empty"},
		{"cut to one byte", file[:1], ""},
		{"cut to one page", file[:page], ""},
		{"cut in the middle", file[:len(file)/2], "cut off"},
		{"cut by one page", trim(t, file), "cut off"},
		{"text", bytes.Repeat([]byte("not a database\n"), 5000), ""},
		{"zeros", make([]byte, len(file)), ""},
		{"first header", flip(20), "header"},
		{"second header", flip(page + 20), "header"},
		{"records", bytes.ReplaceAll(file, []byte("one of many"), []byte("One of many")), "checksum"},
	} {
		t.Run(test.name, func(t *testing.T) {
			db, corrupt := reopen(t, private(t), test.file)
			if corrupt == nil {
				checkAndClose(t, db)
				t.Fatal("Open succeeded")
			}
			mention(t, corrupt.Error(), stateName, "damaged", test.want)
			mention(t, corrupt.Hint(), "backup", "nothing was changed")
		})
	}
}

// trim cuts file to one page less than is in use.
func trim(t *testing.T, file []byte) []byte {
	t.Helper()
	used, size, err := page.Used(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	return file[:used-size]
}

// TestDamageInLoop sets page numbers so that a walk would never end.
func TestDamageInLoop(t *testing.T) {
	const branch, firstChild = 1, 24 // the kind of a page, and where its first child is named
	file, _, _ := sound(t)
	page := os.Getpagesize()
	found := false
	for at := 2 * page; at < len(file); at += page {
		if binary.NativeEndian.Uint16(file[at+8:]) != branch {
			continue
		}
		bad := bytes.Clone(file)
		binary.NativeEndian.PutUint64(bad[at+firstChild:], uint64(at/page)) // the first child is the page itself
		db, corrupt := reopen(t, private(t), bad)
		if corrupt != nil {
			found = true
			mention(t, corrupt.Error(), "in use twice")
		} else {
			checkAndClose(t, db) // a free page with an old branch on it
		}
	}
	if !found {
		t.Fatal("the file has no inner page: the test shows nothing")
	}
}

// TestDroppedKey removes a record in a way that leaves every page in order.
func TestDroppedKey(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir, nil)
	_, k := create(t, db, Key{Subject: "ci"})
	checkAndClose(t, db)
	raw, err := bolt.Open(filepath.Join(dir, stateName), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Update(func(tx *bolt.Tx) error { return tx.Bucket([]byte(bucketKeys)).Delete([]byte(k.ID)) })
	if err := errors.Join(err, raw.Close()); err != nil {
		t.Fatal(err)
	}
	_, err = Open(dir, nil)
	if _, ok := errors.AsType[*CorruptError](err); !ok {
		t.Fatalf("Open = %v, want a CorruptError", err)
	}
	mention(t, err.Error(), "0 keys are stored, 1 were created")
}
