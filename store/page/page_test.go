// SPDX-License-Identifier: Apache-2.0

package page

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// TestPagesAgreeWithBbolt runs our walk beside bbolt's own check on files of many shapes.
func TestPagesAgreeWithBbolt(t *testing.T) {
	for _, noFreelist := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "any.db")
		db, err := bolt.Open(path, 0o600, &bolt.Options{NoSync: true, NoFreelistSync: noFreelist, PageSize: 1024})
		if err != nil {
			t.Fatal(err)
		}
		rnd := rand.New(rand.NewPCG(3, 4))
		for range 30 {
			err := db.Update(func(tx *bolt.Tx) error {
				b, err := tx.CreateBucketIfNotExists(fmt.Appendf(nil, "bucket %d", rnd.IntN(3)))
				if err != nil {
					return err
				}
				if b, err = b.CreateBucketIfNotExists([]byte("nested")); err != nil {
					return err
				}
				for range rnd.IntN(40) {
					key := fmt.Appendf(nil, "%d", rnd.IntN(500))
					if rnd.IntN(3) == 0 {
						err = errors.Join(err, b.Delete(key))
					} else {
						err = errors.Join(err, b.Put(key, make([]byte, rnd.IntN(3000))))
					}
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			f, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			fi, err := f.Stat()
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(Check(f, fi.Size()), f.Close()); err != nil {
				t.Fatalf("a sound file: %v", err)
			}
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// sound is a file with inner pages, values longer than a page, and buckets of all sizes.
func sound(t testing.TB, values int) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sound.db")
	db, err := bolt.Open(path, 0o600, &bolt.Options{NoSync: true, PageSize: 1024})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		many, err1 := tx.CreateBucket([]byte("many"))
		small, err2 := tx.CreateBucket([]byte("small"))
		if err := errors.Join(err1, err2, small.Put([]byte("key"), []byte("value"))); err != nil {
			return err
		}
		for i := range values {
			if err := many.Put(fmt.Appendf(nil, "%08d", i), make([]byte, 20+i%7*300)); err != nil {
				return err
			}
		}
		return nil
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestFlipsAreNoticedOrHarmless changes single bytes: what passes the check must be read by bbolt without a crash.
func TestFlipsAreNoticedOrHarmless(t *testing.T) {
	file := sound(t, 300)
	rnd := rand.New(rand.NewPCG(7, 8))
	path := filepath.Join(t.TempDir(), "flipped.db")
	noticed := 0
	const runs = 400
	for range runs {
		at := rnd.IntN(len(file))
		if rnd.IntN(2) == 0 {
			at = at/1024*1024 + rnd.IntN(64) // headers of pages and their first elements, where damage hurts
		}
		bad := bytes.Clone(file)
		bad[at] ^= byte(1 + rnd.IntN(255))
		if err := Check(bytes.NewReader(bad), int64(len(bad))); err != nil {
			noticed++
			continue
		}
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		db, err := bolt.Open(path, 0o600, &bolt.Options{NoSync: true})
		if err != nil {
			t.Fatalf("byte %d was changed, the pages pass, and bbolt says: %v", at, err)
		}
		err = db.View(func(tx *bolt.Tx) error {
			return tx.ForEach(func(_ []byte, b *bolt.Bucket) error { return b.ForEach(func(_, _ []byte) error { return nil }) })
		})
		if err := errors.Join(err, db.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if noticed < runs/10 {
		t.Errorf("%d of %d changes were noticed; is anything checked at all?", noticed, runs)
	}
}

func TestUsed(t *testing.T) {
	file := sound(t, 300)
	used, size, err := Used(bytes.NewReader(file), int64(len(file)))
	if err != nil || size != 1024 || used < 2048 || used > int64(len(file)) {
		t.Fatalf("Used = %d, %v; the file has %d bytes", used, err, len(file))
	}
	if err := Check(bytes.NewReader(file[:used]), used); err != nil {
		t.Errorf("a file of what is used: %v", err)
	}
	if _, _, err := Used(bytes.NewReader(file), used-1024); err == nil {
		t.Error("nobody noticed that a page is cut off")
	}
}

func BenchmarkCheck(b *testing.B) {
	file := sound(b, 20_000)
	b.SetBytes(int64(len(file)))
	b.ReportAllocs()
	for b.Loop() {
		if err := Check(bytes.NewReader(file), int64(len(file))); err != nil {
			b.Fatal(err)
		}
	}
}
