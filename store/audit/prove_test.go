// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"
)

// TestProveSigns: a record behind the newest checkpoint gets one, stored and sent like any other; one that is covered does not.
func TestProveSigns(t *testing.T) {
	sink := &memory{}
	l := open(t, &Options{Dir: private(t), Key: testKey(), Sinks: []Sink{sink}})
	add(t, l, numbered(0, 3)...)
	key, err := l.VerifierKey()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ seq, size uint64 }{{1, 3}, {2, 3}, {0, 3}, {4, 5}, {1, 5}} {
		if l.Size() <= c.seq {
			add(t, l, numbered(3, 2)...)
		}
		got, err := prove(t, l, c.seq, nil).Check(key)
		if err != nil || got.Size != c.size {
			t.Fatalf("record %d: %+v, %v, want a checkpoint of %d records", c.seq, got, err, c.size)
		}
	}
	add(t, l, numbered(5, 4)...)
	h := rootOf(7)
	older, err := signCheckpoint(testKey(), l.origin, h.size, h.root, time.Unix(0, 0)) // newer than the newest beside the log
	if err != nil {
		t.Fatal(err)
	}
	if got, err := prove(t, l, 1, older).Check(key); err != nil || got.Size != 9 {
		t.Errorf("with an older checkpoint of 7 records: %+v, %v", got, err)
	}
	checkAndClose(t, l)
	if diff := cmp.Diff([]uint64{3, 5, 9}, sink.taken()); diff != "" {
		t.Errorf("the sink has (-want +got):\n%s", diff)
	}
}

// rootOf is the hash of the tree of so many numbered records.
func rootOf(n int) *head {
	t := newTree(0, nil)
	for _, text := range numbered(0, n) {
		t.append([]byte(text), nil)
	}
	return &head{uint64(n), t.root()}
}

// TestProofAfterPrune: what is left is proven, from every checkpoint there ever was; of the rest it is said what is gone.
func TestProofAfterPrune(t *testing.T) {
	var o Options
	l, _ := pruned(t, &o, 3)
	key, err := l.VerifierKey()
	if err != nil {
		t.Fatal(err)
	}
	notes, err := l.readNotes()
	if err != nil || len(notes) < 20 {
		t.Fatalf("%d checkpoints, %v", len(notes), err)
	}
	for range 2 {
		for i, older := range notes {
			seq := uint64(30 + i*50/len(notes))
			if _, err := prove(t, l, seq, older).Check(key); err != nil {
				t.Fatalf("record %d from checkpoint %d: %v", seq, i, err)
			}
		}
		if _, err := l.Prove(t.Context(), 29, nil); !errors.Is(err, ErrPruned) {
			t.Errorf("a record that is gone: %v", err)
		} else {
			mention(t, err.Error(), "record 29", "oldest that is left is record 30")
		}
		// Checkpoints that the log signed and does not know of: one about removed records, and one that is not.
		for size, gone := range map[int]bool{7: true, 30: false, 33: false} {
			h := rootOf(size)
			older, err := signCheckpoint(testKey(), l.origin, h.size, h.root, time.Unix(0, 0))
			if err != nil {
				t.Fatal(err)
			}
			p, err := l.Prove(t.Context(), 40, older)
			if gone {
				if !errors.Is(err, ErrPruned) {
					t.Errorf("from %d records: %v", size, err)
				} else {
					mention(t, err.Error(), "records 0 to 29 are gone", "7 records")
				}
				continue
			}
			if err == nil {
				_, err = p.Check(key)
			}
			if err != nil {
				t.Errorf("from %d records: %v", size, err)
			}
		}
		checkAndClose(t, l)
		l = open(t, &o)
	}
}

// TestProveDamaged: no proof is made of what the log did not write.
func TestProveDamaged(t *testing.T) {
	o := &Options{Dir: private(t), Key: testKey()}
	l := open(t, o)
	add(t, l, numbered(0, 10)...)
	for name, h := range map[string]*head{"another history": {5, rootOf(4).root}, "older copy": rootOf(12)} {
		older, err := signCheckpoint(testKey(), l.origin, h.size, h.root, time.Unix(0, 0))
		if err != nil {
			t.Fatal(err)
		}
		_, err = l.Prove(t.Context(), 3, older)
		if _, ok := errors.AsType[*Problem](err); !ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	checkAndClose(t, l)
	rewrite(t, newest(t, o), func(b *bolt.Bucket) error { return b.Put(recordAt(4), []byte("forged")) })
	l, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.Prove(t.Context(), 4, nil)
	if problem, ok := errors.AsType[*Problem](err); !ok || problem.From != 4 || problem.To != 5 {
		t.Errorf("a forged record: %v", err)
	}
	if _, err = l.Prove(t.Context(), 5, nil); err != nil {
		t.Errorf("the record beside it: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// state are the contents of all files in a directory.
func state(tb testing.TB, dir string) map[string][]byte {
	tb.Helper()
	files := map[string][]byte{}
	for _, name := range names(tb, dir, "*") {
		files[name] = readFile(tb, filepath.Join(dir, name))
	}
	return files
}

// TestProveReading: a log that is open for reading proves what its newest checkpoint covers, and changes nothing.
func TestProveReading(t *testing.T) {
	for _, hashes := range []bool{true, false} {
		o := &Options{Dir: private(t), Key: testKey(), SegmentRecords: 5}
		l := open(t, o)
		add(t, l, numbered(0, 12)...)
		older := published(t, l)
		add(t, l, numbered(12, 8)...)
		key, err := l.VerifierKey()
		if err != nil {
			t.Fatal(err)
		}
		checkAndClose(t, l) // signs one of 20 records
		o.Key = nil
		l = open(t, o)
		add(t, l, numbered(20, 1)...)
		if _, err := l.Prove(t.Context(), 20, nil); err == nil || !strings.Contains(err.Error(), "no key to sign") {
			t.Errorf("without a key: %v", err)
		}
		checkAndClose(t, l)
		for _, name := range names(t, o.Dir, "*.hashes") {
			if err := os.Remove(filepath.Join(o.Dir, name)); !hashes && err != nil {
				t.Fatal(err)
			}
		}
		before := state(t, o.Dir)
		if l, err = OpenReader(o.Dir); err != nil {
			t.Fatal(err)
		}
		for seq := range uint64(20) {
			if _, err := prove(t, l, seq, older).Check(key); err != nil {
				t.Fatalf("record %d: %v", seq, err)
			}
		}
		if _, err := l.Prove(t.Context(), 20, nil); !errors.Is(err, ErrReadOnly) {
			t.Errorf("a record that is not covered: %v", err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(before, state(t, o.Dir)); diff != "" {
			t.Errorf("the directory (-before +after):\n%s", diff)
		}
	}
}

func TestProveErrors(t *testing.T) {
	l, _, notes := proven(t, 5)
	add(t, l, "\xff", strings.Repeat("x", maxProven+1))
	other, _, strange := proven(t, 3)
	for name, c := range map[string]struct {
		seq   uint64
		older string
		say   string
	}{
		"beyond":           {7, "", "7 records, counted from 0, and no record 7"},
		"largest":          {1<<64 - 1, "", "no record 18446744073709551615"},
		"not UTF-8":        {5, "", "record 5 is not UTF-8"},
		"too large":        {6, "", "record 6 has 20971521 bytes"},
		"older is no note": {1, "x", "the older checkpoint: malformed note"},
		"older of others":  {1, string(strange[2]), "the older checkpoint"},
		"older cut off":    {1, string(notes[2][:len(notes[2])-9]), "the older checkpoint"},
	} {
		if _, err := l.Prove(t.Context(), c.seq, []byte(c.older)); err == nil || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s: %v, want %q", name, err, c.say)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Prove(ctx, 1, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	checkAndClose(t, other)
	if _, err := other.Prove(t.Context(), 1, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	if _, err := other.covering(4); !errors.Is(err, ErrClosed) { // as of a proof that was begun before
		t.Errorf("closed meanwhile: %v", err)
	}
}

// TestProveBesideClose: proofs go on beside a writer and retention, and end with the log: nothing is written after that.
func TestProveBesideClose(t *testing.T) {
	for range 3 {
		o := Options{}
		l, _ := pruned(t, &o, 1)
		key, err := l.VerifierKey()
		if err != nil {
			t.Fatal(err)
		}
		older := bytes.Clone(published(t, l))
		var group sync.WaitGroup
		for i := range uint64(4) {
			group.Go(func() {
				for n := i; ; n++ {
					l.Append(Entry{Text: []byte("more")})
					p, err := l.Prove(t.Context(), 40+n%40, older)
					if err == nil {
						_, err = p.Check(key)
					}
					if errors.Is(err, ErrClosed) {
						return
					}
					if err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		if _, err := l.Prune(newClock().at.AddDate(0, 0, 4)); err != nil {
			t.Error(err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		before := state(t, o.Dir)
		group.Wait()
		if diff := cmp.Diff(before, state(t, o.Dir)); diff != "" {
			t.Errorf("the directory after Close (-before +after):\n%s", diff)
		}
	}
}
