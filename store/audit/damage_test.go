// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	bolt "go.etcd.io/bbolt"

	"errors"

	"tollgate/store"
	"tollgate/store/page"
)

// wantCorrupt opens a log that is damaged: the error names the file, and no file of records is changed by that.
func wantCorrupt(t *testing.T, o *Options, parts ...string) {
	t.Helper()
	before := map[string][]byte{}
	for _, name := range names(t, o.Dir, "*.db") {
		before[name] = readFile(t, filepath.Join(o.Dir, name))
	}
	l, err := Open(o)
	if err == nil {
		t.Error("Open did not mind")
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		return
	}
	corrupt, ok := errors.AsType[*store.CorruptError](err)
	if !ok {
		t.Fatalf("Open = %v, want a CorruptError", err)
	}
	mention(t, corrupt.Error(), parts...)
	mention(t, corrupt.Hint(), "nothing was changed", "restore")
	for name, b := range before {
		if !bytes.Equal(b, readFile(t, filepath.Join(o.Dir, name))) {
			t.Errorf("%s was changed", name)
		}
	}
}

// closed is the directory of a log with n records in one segment.
func closed(t *testing.T, n int) *Options {
	t.Helper()
	o := &Options{Dir: private(t)}
	l := open(t, o)
	add(t, l, numbered(0, n)...)
	checkAndClose(t, l)
	return o
}

// newest is the path of the newest segment.
func newest(t *testing.T, o *Options) string {
	t.Helper()
	list := names(t, o.Dir, "*.db")
	return filepath.Join(o.Dir, list[len(list)-1])
}

// TestDamagedSegment changes bytes of a segment. Opening it says so or finds everything in order, and never crashes; records
// that were changed are for the verification to find.
func TestDamagedSegment(t *testing.T) {
	o := closed(t, 500)
	path := newest(t, o)
	file := readFile(t, path)
	used, size, err := page.Used(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	noticed := 0
	const runs = 150
	for range runs {
		bad := bytes.Clone(file)
		at := rnd.IntN(int(used))
		if rnd.IntN(2) == 0 {
			at = at/int(size)*int(size) + rnd.IntN(64)
		}
		bad[at] ^= byte(1 + rnd.IntN(255))
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		l, err := Open(o)
		if err != nil {
			if _, ok := errors.AsType[*store.CorruptError](err); !ok {
				if _, ok := errors.AsType[*store.SchemaError](err); !ok {
					t.Errorf("byte %d: %v", at, err)
				}
			}
			noticed++
			continue
		}
		n := 0
		for _, err = range l.Scan(t.Context(), 0, 500) {
			n++
		}
		if _, ok := errors.AsType[*store.CorruptError](err); ok {
			noticed++
		} else if err != nil || n != 500 {
			t.Errorf("byte %d: %d records, then %v", at, n, err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
	if noticed < runs/10 {
		t.Errorf("%d of %d changes were noticed; is anything checked at all?", noticed, runs)
	}
}

func TestDamageIsExplained(t *testing.T) {
	o := closed(t, 500)
	path := newest(t, o)
	file := readFile(t, path)
	page := os.Getpagesize()
	for _, test := range []struct {
		name string
		file []byte
		want string
	}{
		{"empty", nil, ""},
		{"cut to one page", file[:page], ""},
		{"cut in the middle", file[:6*page], "cut off"},
		{"text", bytes.Repeat([]byte("not a database\n"), 5000), ""},
		{"zeros", make([]byte, len(file)), ""},
		{"header", bytes.Join([][]byte{file[:20], {^file[20]}, file[21:]}, nil), "header"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := os.WriteFile(path, test.file, 0o600); err != nil {
				t.Fatal(err)
			}
			wantCorrupt(t, o, filepath.Base(path), "damaged", test.want)
		})
	}
}

// edit changes a segment in a way that leaves every page in order.
func edit(t *testing.T, path string, fn func(tx *bolt.Tx) error) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(fn), db.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestMetaIsChecked(t *testing.T) {
	for name, test := range map[string]struct {
		fn   func(tx *bolt.Tx) error
		want string
	}{
		"no meta":    {func(tx *bolt.Tx) error { return tx.DeleteBucket([]byte(bucketMeta)) }, "missing"},
		"no mark":    {func(tx *bolt.Tx) error { return tx.Bucket([]byte(bucketMeta)).Delete([]byte(metaTree)) }, "missing"},
		"other mark": {func(tx *bolt.Tx) error { return tx.Bucket([]byte(bucketMeta)).Put([]byte(metaTree), make([]byte, 60)) }, "checksum"},
		"another root": {func(tx *bolt.Tx) error {
			m, err := readMeta(tx)
			m.mark.root[0] ^= 1
			return errors.Join(err, store.PutRecord(tx, bucketMeta, metaTree, m.mark.encode()))
		}, "hashes are not those"},
		"another beginning": {func(tx *bolt.Tx) error {
			return store.PutRecord(tx, bucketMeta, metaStart, append(key(1), make([]byte, 32)...))
		}, "named"},
	} {
		t.Run(name, func(t *testing.T) {
			o := closed(t, 20)
			edit(t, newest(t, o), test.fn)
			wantCorrupt(t, o, "000000000000-", test.want)
		})
	}
	t.Run("newer layout", func(t *testing.T) {
		o := closed(t, 20)
		edit(t, newest(t, o), func(tx *bolt.Tx) error { return store.PutRecord(tx, bucketMeta, metaVersion, []byte{version + 1}) })
		_, err := Open(o)
		if schema, ok := errors.AsType[*store.SchemaError](err); !ok || schema.Have != version+1 {
			t.Errorf("Open = %v, want a SchemaError", err)
		}
	})
}

// TestHashFile loses and garbles the file of hashes, of the live segment and of a sealed one: it is made again from the
// records, but not from records that are not those that were written.
func TestHashFile(t *testing.T) {
	o := &Options{Dir: private(t), SegmentRecords: 300}
	l := open(t, o)
	add(t, l, numbered(0, 300)...)
	add(t, l, numbered(300, 200)...)
	if err := l.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	checkAndClose(t, l)
	for _, name := range names(t, o.Dir, "*.hashes") {
		path := filepath.Join(o.Dir, name)
		good := readFile(t, path)
		flipped := bytes.Clone(good)
		flipped[len(good)/3] ^= 1
		for what, bad := range map[string][]byte{
			"empty": {}, "cut": good[:len(good)/2], "cut by a byte": good[:len(good)-1], "garbled": flipped,
			"zeros at the end": append(bytes.Clone(good[:len(good)-640]), make([]byte, 640)...), "too long": append(bytes.Clone(good), 1, 2, 3), "missing": nil,
		} {
			t.Run(what+" "+name, func(t *testing.T) {
				err := os.WriteFile(path, bad, 0o600)
				if bad == nil {
					err = os.Remove(path)
				}
				if err != nil {
					t.Fatal(err)
				}
				r, err := OpenReader(o.Dir)
				if err != nil {
					t.Fatal(err)
				}
				if err := errors.Join(checkHashes(r), r.Close()); err != nil {
					t.Errorf("a reader: %v", err)
				}
				if after, err := os.ReadFile(path); (bad == nil) != (err != nil) || !bytes.Equal(after, bad) {
					t.Errorf("a reader has changed the file (%v)", err)
				}
				l := open(t, o)
				checkAndClose(t, l)
				if after := readFile(t, path); !bytes.HasPrefix(after, good) {
					t.Error("the file was not made again")
				}
			})
		}
	}
	edit(t, newest(t, o), func(tx *bolt.Tx) error { return tx.Bucket([]byte(bucketRecords)).Put(key(333), []byte("another")) })
	if err := os.Remove(filepath.Join(o.Dir, names(t, o.Dir, "*.hashes")[1])); err != nil {
		t.Fatal(err)
	}
	wantCorrupt(t, o, "000000000300-", "not those that were written", "audit verify")
}

// TestDamagedBlock meets damage in a sealed segment that leaves every page in order.
func TestDamagedBlock(t *testing.T) {
	o := &Options{Dir: private(t), SegmentRecords: 600}
	l := open(t, o)
	add(t, l, records(0, 600)...)
	add(t, l, "next")
	if err := l.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	checkAndClose(t, l)
	path := filepath.Join(o.Dir, names(t, o.Dir, "*.db")[0])
	edit(t, path, func(tx *bolt.Tx) error {
		b := tx.Bucket([]byte(bucketBlocks))
		v := bytes.Clone(b.Get(key(256)))
		v[len(v)/2] ^= 1
		return b.Put(key(256), v)
	})
	r, err := OpenReader(o.Dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	n := 0
	for _, err = range r.Scan(t.Context(), 200, 600) {
		n++
	}
	if _, ok := errors.AsType[*store.CorruptError](err); !ok {
		t.Fatalf("Scan = %v, want a CorruptError", err)
	}
	mention(t, err.Error(), filepath.Base(path), "block of record 256", "checksum")
	if err := r.segments()[0].each(t.Context(), func(uint64, []byte) error { return nil }); err == nil {
		t.Error("each did not mind")
	}
}

func FuzzUnpack(f *testing.F) {
	var p packer
	for _, text := range numbered(0, 20) {
		p.add([]byte(text))
	}
	b, err := p.pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		var u unpacker
		texts, err := u.unpack(b)
		if err != nil {
			return
		}
		for _, text := range texts {
			p.add(text)
		}
		again, err := p.pack()
		if err != nil {
			t.Fatal(err)
		}
		if second, err := u.unpack(again); err != nil || len(second) != len(texts) {
			t.Fatalf("%d records, then %d, %v", len(texts), len(second), err)
		}
	})
}
