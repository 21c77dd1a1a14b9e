// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
)

// signed is a closed log of n records with checkpoints at each 100, and the key that verifies them.
func signed(t *testing.T, n int) (o *Options, key string) {
	t.Helper()
	o = &Options{Dir: private(t), Key: ed25519.NewKeyFromSeed(bytes.Repeat([]byte{3}, 32)), SegmentRecords: 1000, CheckpointRecords: 100}
	l := open(t, o)
	for at := 0; at < n; at += 100 {
		add(t, l, numbered(at, min(100, n-at))...)
		if err := l.publish(); err != nil {
			t.Fatal(err)
		}
	}
	key, err := l.VerifierKey()
	if err != nil {
		t.Fatal(err)
	}
	checkAndClose(t, l)
	return o, key
}

func verified(t *testing.T, dir string, o *VerifyOptions) *Verification {
	t.Helper()
	l, err := OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}()
	v, err := l.Verify(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// rewrite changes the records of a segment behind the back of the log.
func rewrite(t *testing.T, path string, change func(b *bolt.Bucket) error) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, nil)
	if err == nil {
		err = db.Update(func(tx *bolt.Tx) error { return change(tx.Bucket([]byte(bucketRecords))) })
	}
	if err == nil {
		err = db.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

func recordAt(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }

func TestVerifyGood(t *testing.T) {
	o, key := signed(t, 1750)
	note := readFile(t, filepath.Join(o.Dir, noteName))
	v := verified(t, o.Dir, &VerifyOptions{Key: key, Checkpoint: note})
	if v.Problem != nil || v.Size != 1750 || v.Checked != 1750 || v.Checkpoints < 18 || !v.Elsewhere {
		t.Errorf("%+v, %v", v, v.Problem)
	}
	if v = verified(t, o.Dir, nil); v.Problem != nil || v.Elsewhere || v.Checkpoints != 0 {
		t.Errorf("without a key: %+v, %v", v, v.Problem)
	}
}

// TestVerifyFindsEdits: each way to change a record names the first one that is not what was written.
func TestVerifyFindsEdits(t *testing.T) {
	for name, c := range map[string]struct {
		change func(b *bolt.Bucket) error
		bad    uint64
	}{
		"flip": {func(b *bolt.Bucket) error {
			text := bytes.Clone(b.Get(recordAt(123)))
			text[len(text)/2] ^= 1
			return b.Put(recordAt(123), text)
		}, 123},
		"drop":          {func(b *bolt.Bucket) error { return b.Delete(recordAt(77)) }, 77},
		"drop the last": {func(b *bolt.Bucket) error { return b.Delete(recordAt(349)) }, 349},
		"swap": {func(b *bolt.Bucket) error {
			x, y := bytes.Clone(b.Get(recordAt(200))), bytes.Clone(b.Get(recordAt(210)))
			if err := b.Put(recordAt(200), y); err != nil {
				return err
			}
			return b.Put(recordAt(210), x)
		}, 200},
		"insert": {func(b *bolt.Bucket) error {
			for seq := uint64(350); seq > 300; seq-- {
				if err := b.Put(recordAt(seq), bytes.Clone(b.Get(recordAt(seq-1)))); err != nil {
					return err
				}
			}
			return b.Put(recordAt(300), []byte("inserted"))
		}, 300},
	} {
		t.Run(name, func(t *testing.T) {
			o, key := signed(t, 350)
			rewrite(t, newest(t, o), c.change)
			v := verified(t, o.Dir, &VerifyOptions{Key: key})
			if v.Problem == nil || v.Problem.From != c.bad || v.Problem.To != c.bad+1 {
				t.Fatalf("%v, want record %d", v.Problem, c.bad)
			}
			// Without the stored hashes the checkpoints still say where to look.
			for _, name := range names(t, o.Dir, "*.hashes") {
				if err := os.Remove(filepath.Join(o.Dir, name)); err != nil {
					t.Fatal(err)
				}
			}
			v = verified(t, o.Dir, &VerifyOptions{Key: key})
			if v.Problem == nil || v.Problem.From > c.bad || v.Problem.To <= c.bad || v.Problem.To-v.Problem.From > 100 {
				t.Fatalf("without stored hashes: %v, want about record %d", v.Problem, c.bad)
			}
		})
	}
}

// TestVerifyFindsRollBack: an older copy is good in itself; a checkpoint kept elsewhere shows what it is.
func TestVerifyFindsRollBack(t *testing.T) {
	o, key := signed(t, 200)
	old := private(t)
	if err := os.CopyFS(filepath.Join(old, "copy"), os.DirFS(o.Dir)); err != nil {
		t.Fatal(err)
	}
	l := open(t, o)
	add(t, l, numbered(200, 50)...)
	checkAndClose(t, l)
	newer := readFile(t, filepath.Join(o.Dir, noteName))
	copied := filepath.Join(old, "copy")
	if v := verified(t, copied, &VerifyOptions{Key: key}); v.Problem != nil || v.Elsewhere {
		t.Errorf("without a checkpoint from elsewhere: %v", v.Problem)
	}
	v := verified(t, copied, &VerifyOptions{Key: key, Checkpoint: newer})
	if v.Problem == nil || v.Problem.From != 200 || v.Problem.To != 250 || !strings.Contains(v.Problem.Sentence, "older state") {
		t.Errorf("with one: %v", v.Problem)
	}
	if v := verified(t, o.Dir, &VerifyOptions{Key: key, Checkpoint: newer}); v.Problem != nil || !v.Elsewhere {
		t.Errorf("the log itself: %v", v.Problem)
	}
}

// TestVerifyRewritten: who can write everything but a signature is found by the checkpoint after the change.
func TestVerifyRewritten(t *testing.T) {
	o, key := signed(t, 300)
	forged := &Options{Dir: private(t)}
	l := open(t, forged)
	texts := numbered(0, 300)
	texts[150] = "forged"
	add(t, l, texts...)
	checkAndClose(t, l)
	for _, name := range []string{noteName, notesName} {
		if err := os.WriteFile(filepath.Join(forged.Dir, name), readFile(t, filepath.Join(o.Dir, name)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l, err := OpenReader(forged.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Verify(t.Context(), &VerifyOptions{Key: key}); err == nil || !strings.Contains(err.Error(), "of the log") {
		t.Errorf("with the checkpoints of another log: %v", err)
	}
	good, err := OpenReader(o.Dir)
	if err != nil {
		t.Fatal(err)
	}
	l.origin = good.origin // as one would write it into the file
	v, err := l.Verify(t.Context(), &VerifyOptions{Key: key})
	if err != nil || v.Problem == nil || v.Problem.From != 100 || v.Problem.To != 200 {
		t.Errorf("with its name too: %+v, %v", v, err)
	}
	if err := errors.Join(l.Close(), good.Close()); err != nil {
		t.Error(err)
	}
}

func BenchmarkVerify(b *testing.B) {
	o := &Options{Dir: b.TempDir()}
	l, err := Open(o)
	if err != nil {
		b.Fatal(err)
	}
	var last *Receipt
	const n = 200_000
	for i := range n {
		if last, err = l.Append(Entry{Text: fmt.Appendf(nil, "%0394d", i), Keep: true}); err != nil {
			b.Fatal(err)
		}
	}
	if err := last.Wait(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		began := time.Now()
		if v, err := l.Verify(b.Context(), nil); err != nil || v.Problem != nil {
			b.Fatal(v, err)
		}
		b.ReportMetric(n/time.Since(began).Seconds(), "records/s")
	}
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
}
