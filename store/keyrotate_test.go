// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// rotate fails the test unless the key can be rotated.
func rotate(t testing.TB, db *DB, id string, grace time.Duration) (string, Key) {
	t.Helper()
	secret, k, err := db.RotateKey(id, grace)
	if err != nil {
		t.Fatalf("RotateKey: %v", err)
	}
	return secret, k
}

func TestRotateKey(t *testing.T) {
	clk := newClock()
	dir := t.TempDir()
	db := open(t, dir, &Options{Now: clk.now})
	secret, old := create(t, db, Key{
		Subject: "ci", Org: "acme", Team: "infra", Label: "build bot", Roles: []string{"reader", "clerk"}, Expires: clk.t.Add(30 * 24 * time.Hour),
	})
	clk.advance(20 * 24 * time.Hour)
	if _, err := db.LookupKey(secret); err != nil {
		t.Fatal(err)
	}
	used := clk.t
	next, k := rotate(t, db, old.ID, 24*time.Hour)
	if at, _ := storedUse(t, db, old.ID); !at.Equal(used) {
		t.Errorf("stored last use of the old key %v, want %v", at, used)
	}
	want := old
	want.ID, want.Created, want.Expires = k.ID, clk.t, clk.t.Add(30*24*time.Hour)
	if d := cmp.Diff(want, k); d != "" {
		t.Errorf("new key (-want +got):\n%s", d)
	}
	if k.ID == old.ID || next == secret || !strings.HasPrefix(next, "tg_"+k.ID+"_") || !LooksLikeKey(next) {
		t.Errorf("%q does not look like the text of the new key %q", next, k.ID)
	}

	// Both work until the grace ends, after a restart too.
	for range 2 {
		for _, s := range []string{secret, next} {
			if _, err := db.LookupKey(s); err != nil {
				t.Errorf("LookupKey in the time of grace: %v", err)
			}
		}
		checkAndClose(t, db)
		db = open(t, dir, &Options{Now: clk.now})
	}
	keys, err := db.Keys()
	if err != nil || len(keys) != 2 || keys[0].ReplacedBy != k.ID || !keys[0].LastUsed.Equal(used) || !keys[0].Expires.Equal(clk.t.Add(24*time.Hour)) {
		t.Errorf("Keys() = %+v, %v; want the old key with its last use, its successor and the end of its grace", keys, err)
	}
	clk.advance(24*time.Hour - 1)
	if _, err := db.LookupKey(secret); err != nil {
		t.Errorf("LookupKey just before the end of grace: %v", err)
	}
	clk.advance(1)
	if _, err := db.LookupKey(secret); !errors.Is(err, ErrExpiredKey) {
		t.Errorf("LookupKey at the end of grace: %v, want ErrExpiredKey", err)
	}
	if _, err := db.LookupKey(next); err != nil {
		t.Errorf("LookupKey of the new key: %v", err)
	}
}

// TestRotateKeyEnds has the ends that a rotation must get right: none, at once, and one that comes before the grace ends.
func TestRotateKeyEnds(t *testing.T) {
	clk := newClock()
	db := open(t, t.TempDir(), &Options{Now: clk.now})
	secret, k := create(t, db, Key{Subject: "me"})
	next, second := rotate(t, db, k.ID, 0)
	if _, err := db.LookupKey(secret); !errors.Is(err, ErrExpiredKey) {
		t.Errorf("LookupKey after a rotation without grace: %v, want ErrExpiredKey", err)
	}
	if !second.Expires.IsZero() {
		t.Errorf("the successor of a key without end ends at %v", second.Expires)
	}
	if _, third := rotate(t, db, second.ID, time.Hour); !third.Expires.IsZero() {
		t.Errorf("its successor ends at %v", third.Expires)
	}
	if _, err := db.LookupKey(next); err != nil {
		t.Errorf("LookupKey in the time of grace: %v", err)
	}

	secret, k = create(t, db, Key{Subject: "me", Expires: clk.t.Add(2 * time.Hour)})
	clk.advance(time.Hour)
	rotate(t, db, k.ID, 24*time.Hour)
	clk.advance(time.Hour)
	if _, err := db.LookupKey(secret); !errors.Is(err, ErrExpiredKey) {
		t.Errorf("a long grace has made a key live longer: %v, want ErrExpiredKey", err)
	}
}

func TestRotateKeyRefuses(t *testing.T) {
	clk := newClock()
	db := open(t, t.TempDir(), &Options{Now: clk.now})
	_, valid := create(t, db, Key{Subject: "valid"})
	_, revoked := create(t, db, Key{Subject: "revoked"})
	_, expired := create(t, db, Key{Subject: "expired", Expires: clk.t.Add(1)})
	_, replaced := create(t, db, Key{Subject: "replaced"})
	_, successor := rotate(t, db, replaced.ID, time.Hour)
	clk.advance(time.Second)
	if err := db.RevokeKey(revoked.ID); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(db.path)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		id    string
		grace time.Duration
		want  error
		words []string
	}{
		{"nosuchid", 0, ErrUnknownKey, []string{`"nosuchid"`}},
		{"", 0, ErrUnknownKey, nil},
		{revoked.ID, time.Hour, ErrRevokedKey, []string{revoked.ID}},
		{expired.ID, time.Hour, ErrExpiredKey, []string{expired.ID}},
		{replaced.ID, time.Hour, ErrReplacedKey, []string{replaced.ID, successor.ID}},
		{valid.ID, -1, nil, []string{valid.ID, "-1ns"}},
	} {
		secret, k, err := db.RotateKey(test.id, test.grace)
		if err == nil || test.want != nil && !errors.Is(err, test.want) || secret != "" || !cmp.Equal(k, Key{}) {
			t.Errorf("RotateKey(%q, %v) = %q, %+v, %v; want only %v", test.id, test.grace, secret, k, err, test.want)
			continue
		}
		mention(t, err.Error(), test.words...)
	}
	if after, err := os.ReadFile(db.path); err != nil || !slices.Equal(before, after) {
		t.Errorf("refused rotations have changed the file (%v)", err)
	}
}

// TestRotateKeyOnce has many operators rotate one key: it gets one successor.
func TestRotateKeyOnce(t *testing.T) {
	db := open(t, t.TempDir(), nil)
	_, k := create(t, db, Key{Subject: "ci"})
	var mu sync.Mutex // guards made
	made := 0
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			_, _, err := db.RotateKey(k.ID, time.Hour)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				made++
			} else if !errors.Is(err, ErrReplacedKey) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if keys, err := db.Keys(); made != 1 || len(keys) != 2 || err != nil {
		t.Errorf("%d rotations succeeded, %d keys, %v; want 1 and 2", made, len(keys), err)
	}
}
