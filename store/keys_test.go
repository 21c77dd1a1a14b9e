// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestKeyLifeCycle(t *testing.T) {
	clk := newClock()
	db := open(t, t.TempDir(), &Options{Now: clk.now})
	ask := Key{
		ID: "chosen00", Subject: "ci", Org: "acme", Team: "infra", Label: "build bot", Roles: []string{"reader"},
		Expires: clk.t.Add(time.Hour), Created: clk.t.Add(-time.Hour), LastUsed: clk.t, Revoked: clk.t,
	}
	secret, created := create(t, db, ask)
	want := Key{ID: created.ID, Subject: "ci", Org: "acme", Team: "infra", Label: "build bot", Roles: []string{"reader"}, Created: clk.t, Expires: clk.t.Add(time.Hour)}
	if d := cmp.Diff(want, created); d != "" {
		t.Errorf("created key (-want +got):\n%s", d)
	}
	if created.ID == ask.ID || !strings.HasPrefix(secret, "tg_"+created.ID+"_") || len(secret) != 50 || !LooksLikeKey(secret) {
		t.Errorf("key %q with id %q is not as promised", secret, created.ID)
	}

	clk.advance(time.Hour - 1)
	got, err := db.LookupKey(secret)
	want.LastUsed = clk.t
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("LookupKey: %v (-want +got):\n%s", err, d)
	}
	clk.advance(1)
	if _, err := db.LookupKey(secret); !errors.Is(err, ErrExpiredKey) {
		t.Errorf("LookupKey at the time of expiry: %v, want ErrExpiredKey", err)
	}

	forever, k := create(t, db, Key{Subject: "me"})
	clk.advance(100 * 365 * 24 * time.Hour)
	if _, err := db.LookupKey(forever); err != nil {
		t.Errorf("LookupKey of a key without expiry: %v", err)
	}
	if err := db.RevokeKey(k.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := db.LookupKey(forever); !errors.Is(err, ErrRevokedKey) {
		t.Errorf("LookupKey of a revoked key: %v, want ErrRevokedKey", err)
	}
	revoked := clk.t
	clk.advance(time.Hour)
	if err := db.RevokeKey(k.ID); err != nil {
		t.Errorf("second RevokeKey: %v", err)
	}
	keys, err := db.Keys()
	if err != nil || len(keys) != 2 || keys[0].ID != created.ID || !keys[1].Revoked.Equal(revoked) {
		t.Errorf("Keys() = %+v, %v; want both, oldest first, revoked at %v", keys, err, revoked)
	}
	err = db.RevokeKey("nosuchid")
	if !errors.Is(err, ErrUnknownKey) {
		t.Errorf("RevokeKey of an unknown id: %v, want ErrUnknownKey", err)
	}
	mention(t, err.Error(), `"nosuchid"`)
}

// TestKeysAreOwned changes what the store has handed out.
func TestKeysAreOwned(t *testing.T) {
	db := open(t, t.TempDir(), nil)
	roles := []string{"reader"}
	secret, created := create(t, db, Key{Subject: "ci", Roles: roles})
	found, err := db.LookupKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	listed, err := db.Keys()
	if err != nil {
		t.Fatal(err)
	}
	roles[0], created.Roles[0], found.Roles[0], listed[0].Roles[0] = "admin", "admin", "admin", "admin"
	if again, err := db.LookupKey(secret); err != nil || again.Roles[0] != "reader" {
		t.Errorf("roles became %q, %v", again.Roles, err)
	}
}

func TestRefusedKeys(t *testing.T) {
	db := open(t, t.TempDir(), nil)
	other := open(t, t.TempDir(), nil)
	secret, k := create(t, db, Key{Subject: "ci"})
	foreign, _ := create(t, other, Key{Subject: "ci"})
	sameID := "tg_" + k.ID + "_" + strings.Repeat("a", secretLength)
	for name, s := range map[string]string{
		"empty": "", "prefix": "tg_", "id only": secret[:11], "short": secret[:49], "long": secret + "0", "upper case": strings.ToUpper(secret),
		"space before": " " + secret, "space after": secret + " ", "newline": secret + "\n", "NUL": secret[:20] + "\x00" + secret[21:],
		"other store":  foreign,
		"wrong secret": sameID + tokenSum(sameID),
		"huge":         strings.Repeat("tg_", 1<<20),
		"not UTF-8":    secret[:30] + "\xff" + secret[31:],
		"other prefix": "xx_" + secret[3:], "separator": strings.Replace(secret, "_", "-", 2),
	} {
		if _, err := db.LookupKey(s); !errors.Is(err, ErrUnknownKey) {
			t.Errorf("%s: LookupKey = %v, want ErrUnknownKey", name, err)
		}
	}
	// Any single mistyped character is caught by the checksum, before any key is looked at.
	for i := range secret {
		for _, c := range []byte("aZ9_") {
			if typo := secret[:i] + string(c) + secret[i+1:]; typo != secret && LooksLikeKey(typo) {
				t.Errorf("%q passes for a key, %q is one", typo, secret)
			}
		}
	}
	if _, err := db.LookupKey(secret); err != nil {
		t.Errorf("the right secret: %v", err)
	}
}

// TestLookupSamePath compares an unknown id with a wrong secret: both must compute a MAC, which is most of the time. The
// least time of many rounds does not depend on what else the machine does.
func TestLookupSamePath(t *testing.T) {
	db := open(t, t.TempDir(), nil)
	_, k := create(t, db, Key{Subject: "ci"})
	wrong, unknown := newToken(k.ID), newToken("00000000")
	measure := func(s string) time.Duration {
		best := time.Hour
		for range 60 {
			began := time.Now()
			for range 100 {
				if _, err := db.LookupKey(s); err != ErrUnknownKey {
					t.Fatalf("LookupKey = %v, want exactly ErrUnknownKey", err)
				}
			}
			best = min(best, time.Since(began))
		}
		return best
	}
	w, u, typo := measure(wrong), measure(unknown), measure(wrong[:49]+"!")
	if w > 2*u || u > 2*w {
		t.Errorf("100 lookups: a wrong secret takes %v, an unknown id %v", w, u)
	}
	if typo > w/2 {
		t.Errorf("100 lookups: a typo takes %v, a wrong secret %v: no MAC should be computed for a typo", typo, w)
	}
}

// TestOnlyTheSecretLearnsMore keeps the state of a key from those who only know its id.
func TestOnlyTheSecretLearnsMore(t *testing.T) {
	clk := newClock()
	db := open(t, t.TempDir(), &Options{Now: clk.now})
	_, expired := create(t, db, Key{Subject: "ci", Expires: clk.t.Add(1)})
	_, revoked := create(t, db, Key{Subject: "ci"})
	clk.advance(time.Second)
	if err := db.RevokeKey(revoked.ID); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{expired.ID, revoked.ID} {
		if _, err := db.LookupKey(newToken(id)); err != ErrUnknownKey {
			t.Errorf("LookupKey with a wrong secret = %v, want exactly ErrUnknownKey", err)
		}
	}
	if keys, _ := db.Keys(); !keys[0].LastUsed.IsZero() || !keys[1].LastUsed.IsZero() {
		t.Errorf("refused lookups count as uses: %+v", keys)
	}
}

// TestSecretIsNotStored looks for the text of a key in every file, in the spellings one would expect.
func TestSecretIsNotStored(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir, nil)
	secret, k := create(t, db, Key{Subject: "canary-subject"})
	if _, err := db.LookupKey(secret); err != nil {
		t.Fatal(err)
	}
	random := secret[len("tg_")+idSize+1:][:secretLength]
	forbidden := map[string]string{
		"key": secret, "secret": random, "half of it": random[:secretLength/2], "hex": hex.EncodeToString([]byte(random)),
		"base64": base64.StdEncoding.EncodeToString([]byte(random)), "base64 of the key": base64.StdEncoding.EncodeToString([]byte(secret)),
	}
	grep := func(when string) {
		t.Helper()
		seen := false
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			b, err := os.ReadFile(path)
			for name, s := range forbidden {
				if bytes.Contains(b, []byte(s)) {
					t.Errorf("%s: %s of the key is in %s", when, name, filepath.Base(path))
				}
			}
			seen = seen || bytes.Contains(b, []byte(k.ID)) && bytes.Contains(b, []byte("canary-subject"))
			return err
		})
		if err != nil || !seen {
			t.Fatalf("%s: the key's record is in no file (%v): the search shows nothing", when, err)
		}
	}
	grep("while open")
	if err := db.RevokeKey(k.ID); err != nil {
		t.Fatal(err)
	}
	checkAndClose(t, db)
	grep("after close")
}

func TestKeyFields(t *testing.T) {
	clk := newClock()
	db := open(t, t.TempDir(), &Options{Now: clk.now})
	for _, test := range []struct {
		name string
		key  Key
		want []string
	}{
		{"no subject", Key{}, []string{"subject is empty"}},
		{"control character", Key{Subject: "a\x1b[2J"}, []string{"subject", `"a\x1b[2J"`}},
		{"newline", Key{Subject: "a", Label: "b\nc"}, []string{"label"}},
		{"not UTF-8", Key{Subject: "\xff"}, []string{"subject"}},
		{"bidi override", Key{Subject: "a", Team: "\u202egnp"}, []string{"team"}},
		{"long", Key{Subject: strings.Repeat("a", 257)}, []string{"subject", "256"}},
		{"space at the end", Key{Subject: "a", Org: "acme "}, []string{"org", `"acme "`, "space"}},
		{"role with a space", Key{Subject: "a", Roles: []string{"admin "}}, []string{"role", `"admin "`}},
		{"list in a role", Key{Subject: "a", Roles: []string{`["admin"]`}}, []string{"role", "by itself"}},
		{"comma in a role", Key{Subject: "a", Roles: []string{"reader,admin"}}, []string{"role", "by itself"}},
		{"empty role", Key{Subject: "a", Roles: []string{"reader", ""}}, []string{"role", "empty"}},
		{"role twice", Key{Subject: "a", Roles: []string{"reader", "reader"}}, []string{`"reader"`, "twice"}},
		{"past expiry", Key{Subject: "a", Expires: clk.t}, []string{"expires", "past"}},
	} {
		_, _, err := db.CreateKey(test.key)
		if err == nil {
			t.Errorf("%s: accepted", test.name)
			continue
		}
		mention(t, err.Error(), test.want...)
	}
	if keys, err := db.Keys(); len(keys) != 0 || err != nil {
		t.Errorf("refused keys were stored: %+v, %v", keys, err)
	}
	// Roles are compared as they are: none of these becomes another one.
	odd := []string{"ADMIN", "admin", "Admin", "team/admin", "ops:admin", "rôle"}
	secret, _ := create(t, db, Key{Subject: "Zoë <zoe@example.com>", Roles: odd})
	if k, err := db.LookupKey(secret); err != nil || !cmp.Equal(k.Roles, odd) {
		t.Errorf("roles %q, %v, want %q", k.Roles, err, odd)
	}
}

// TestConcurrentUse has everybody do everything at once; the race detector and Check are the judges.
func TestConcurrentUse(t *testing.T) {
	db := open(t, t.TempDir(), nil)
	const workers, rounds = 6, 8
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range rounds {
				secret, k, err := db.CreateKey(Key{Subject: fmt.Sprintf("%d-%d", w, i)})
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := db.LookupKey(secret); err != nil {
					t.Error(err)
				}
				if _, err := db.Keys(); err != nil {
					t.Error(err)
				}
				if i%2 == 0 {
					if err := db.RevokeKey(k.ID); err != nil {
						t.Error(err)
					}
					if _, err := db.LookupKey(secret); !errors.Is(err, ErrRevokedKey) {
						t.Errorf("LookupKey after RevokeKey returned: %v", err)
					}
				}
				if err := db.flushUses(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if keys, err := db.Keys(); len(keys) != workers*rounds || err != nil {
		t.Errorf("%d keys, %v, want %d", len(keys), err, workers*rounds)
	}
}

// TestModel does random things and compares every answer with a map.
func TestModel(t *testing.T) {
	dirs := t.TempDir()
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		dir, clk := filepath.Join(dirs, fmt.Sprint(n)), newClock()
		o := &Options{Now: clk.now}
		db, err := Open(dir, o)
		if err != nil {
			t.Fatal(err)
		}
		model := map[string]Key{} // by secret
		var secrets []string
		for range rapid.IntRange(1, 8).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"create", "revoke", "rotate", "wait", "reopen"}).Draw(t, "step") {
			case "create":
				k := Key{Subject: "s"}
				if rapid.Bool().Draw(t, "expires") {
					k.Expires = clk.t.Add(time.Duration(rapid.IntRange(1, 5).Draw(t, "hours")) * time.Hour)
				}
				secret, k, err := db.CreateKey(k)
				if err != nil {
					t.Fatal(err)
				}
				model[secret], secrets = k, append(secrets, secret)
			case "revoke":
				if len(secrets) > 0 {
					s := rapid.SampledFrom(secrets).Draw(t, "key")
					k := model[s]
					if err := db.RevokeKey(k.ID); err != nil {
						t.Fatal(err)
					}
					if k.Revoked.IsZero() {
						k.Revoked = clk.t
					}
					model[s] = k
				}
			case "rotate":
				if len(secrets) > 0 {
					s := rapid.SampledFrom(secrets).Draw(t, "key")
					if secret := rotateInModel(t, db, model, s, clk); secret != "" {
						secrets = append(secrets, secret)
					}
				}
			case "wait":
				clk.advance(time.Hour)
			case "reopen":
				if err := errors.Join(append(db.Check(), db.Close())...); err != nil {
					t.Fatal(err)
				}
				if db, err = Open(dir, o); err != nil {
					t.Fatal(err)
				}
			}
			compareWithModel(t, db, model, clk)
		}
		if err := errors.Join(append(db.Check(), db.Close())...); err != nil {
			t.Fatal(err)
		}
	})
}

// rotateInModel rotates the key of a secret, in the store and in the model, and returns the new secret, "" when there is
// none.
func rotateInModel(t *rapid.T, db *DB, model map[string]Key, s string, clk *clock) string {
	old := model[s]
	grace := time.Duration(rapid.IntRange(0, 3).Draw(t, "grace")) * time.Hour
	secret, got, err := db.RotateKey(old.ID, grace)
	var want error
	switch {
	case !old.Revoked.IsZero():
		want = ErrRevokedKey
	case old.ReplacedBy != "":
		want = ErrReplacedKey
	case !old.Expires.IsZero() && !clk.t.Before(old.Expires):
		want = ErrExpiredKey
	}
	if !errors.Is(err, want) || err != nil && secret != "" {
		t.Fatalf("RotateKey = %q, %v, want %v", secret, err, want)
	}
	if err != nil {
		return ""
	}
	next := Key{ID: got.ID, Subject: old.Subject, Created: clk.t}
	if !old.Expires.IsZero() {
		next.Expires = clk.t.Add(old.Expires.Sub(old.Created))
	}
	if end := clk.t.Add(grace); old.Expires.IsZero() || end.Before(old.Expires) {
		old.Expires = end
	}
	old.ReplacedBy = next.ID
	model[s], model[secret] = old, next
	return secret
}

func compareWithModel(t *rapid.T, db *DB, model map[string]Key, clk *clock) {
	for s, k := range model {
		var want error
		switch {
		case !k.Revoked.IsZero():
			want = ErrRevokedKey
		case !k.Expires.IsZero() && !clk.t.Before(k.Expires):
			want = ErrExpiredKey
		default:
			k.LastUsed = clk.t
		}
		model[s] = k
		got, err := db.LookupKey(s)
		if err != want || want == nil && !cmp.Equal(got, k) {
			t.Fatalf("LookupKey = %+v, %v, want %+v, %v", got, err, k, want)
		}
	}
	keys, err := db.Keys()
	if err != nil || len(keys) != len(model) {
		t.Fatalf("%d keys, %v, want %d", len(keys), err, len(model))
	}
	byID := map[string]Key{}
	for _, k := range model {
		byID[k.ID] = k
	}
	for _, k := range keys {
		if d := cmp.Diff(byID[k.ID], k); d != "" {
			t.Fatalf("listed key (-want +got):\n%s", d)
		}
	}
}

func FuzzLookup(f *testing.F) {
	db := open(f, f.TempDir(), nil)
	secret, _ := create(f, db, Key{Subject: "ci"})
	f.Add(secret)
	f.Add("tg_")
	f.Add(strings.Repeat("_", tokenSize))
	f.Fuzz(func(t *testing.T, s string) {
		if _, err := db.LookupKey(s); (err == nil) != (s == secret) {
			t.Fatalf("LookupKey(%q) = %v", s, err)
		}
	})
}

func BenchmarkLookupKey(b *testing.B) {
	db := open(b, b.TempDir(), nil)
	secret, _ := create(b, db, Key{Subject: "ci", Roles: []string{"reader"}})
	for b.Loop() {
		if _, err := db.LookupKey(secret); err != nil {
			b.Fatal(err)
		}
	}
}
