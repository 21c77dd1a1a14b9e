// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/tlog"

	"tollgate/store"
)

// names are the files in the directory of the log.
func names(tb testing.TB, dir, pattern string) (list []string) {
	tb.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		tb.Fatal(err)
	}
	for _, p := range paths {
		list = append(list, filepath.Base(p))
	}
	return list
}

func wantNames(tb testing.TB, dir, pattern string, want ...string) {
	tb.Helper()
	if diff := cmp.Diff(want, names(tb, dir, pattern)); diff != "" {
		tb.Errorf("files %s (-want +got):\n%s", pattern, diff)
	}
}

func TestSegmentsEnd(t *testing.T) {
	clk := newClock()
	o := &Options{Dir: private(t), Now: clk.now, SegmentRecords: 10}
	l := open(t, o)
	clk.advance(24 * time.Hour) // the first segment is empty: it gives way
	add(t, l, numbered(0, 4)...)
	wantNames(t, o.Dir, "*.db", "000000000000-2026-11-26.db")
	add(t, l, numbered(4, 6)...)
	add(t, l, numbered(10, 1)...)
	wantNames(t, o.Dir, "*.db", "000000000000-2026-11-26.db", "000000000010-2026-11-26.db")
	clk.advance(16*time.Hour - time.Nanosecond)
	add(t, l, numbered(11, 1)...)
	clk.advance(time.Nanosecond) // midnight UTC
	add(t, l, numbered(12, 1)...)
	want := []string{"000000000000-2026-11-26", "000000000010-2026-11-26", "000000000012-2026-11-27"}
	wantNames(t, o.Dir, "*.db", want[0]+".db", want[1]+".db", want[2]+".db")
	wantNames(t, o.Dir, "*.hashes", want[0]+".hashes", want[1]+".hashes", want[2]+".hashes")
	clk.advance(-48 * time.Hour) // a clock that goes back ends nothing
	add(t, l, numbered(13, 1)...)
	wantContents(t, l, numbered(0, 14))
	checkAndClose(t, l)
	clk.advance(72 * time.Hour)
	l = open(t, o)
	wantContents(t, l, numbered(0, 14))
	add(t, l, numbered(14, 1)...)
	wantContents(t, l, numbered(0, 15))
	if n := len(names(t, o.Dir, "*.db")); n != 4 {
		t.Errorf("%d segments, want 4", n)
	}
}

// TestEmptySegmentBesideItsSuccessor is what a crash leaves of a segment that gave way.
func TestEmptySegmentBesideItsSuccessor(t *testing.T) {
	clk := newClock()
	o := &Options{Dir: private(t), Now: clk.now}
	l := open(t, o)
	path := l.live.path
	empty := readFile(t, path)
	clk.advance(24 * time.Hour)
	add(t, l, "record")
	first := readFile(t, l.live.path)
	checkAndClose(t, l)
	if err := os.WriteFile(path, empty, 0o600); err != nil {
		t.Fatal(err)
	}
	l = open(t, o)
	wantContents(t, l, []string{"record"})
	wantNames(t, o.Dir, "*.db", "000000000000-2026-11-26.db")
	checkAndClose(t, l)
	if err := os.WriteFile(path, first, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(o); err == nil {
		t.Error("two segments have the same records, and Open did not mind")
	} else {
		mention(t, err.Error(), "2026-11-25.db", "has the same records")
	}
}

// records are texts as the ledger writes them, so that they can be indexed.
func records(i, n int) (texts []string) {
	for ; n > 0; n-- {
		at := time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC).Add(time.Duration(i) * time.Second)
		texts = append(texts, fmt.Sprintf(`{"v":1,"kind":"outcome","id":"%d","time":%q,"of":{"user":"user-%d","tool":"read","kind":"tool"},"end":"ok"}`, i, at.Format(time.RFC3339), i/100))
		i++
	}
	return texts
}

func TestSeal(t *testing.T) {
	o := &Options{Dir: private(t), SegmentRecords: 1000}
	l := open(t, o)
	want := append(records(0, 998), "not JSON", "")
	add(t, l, want...)
	add(t, l, "next")
	before, root := l.segments()[0], l.head.Load().root
	size := fileSize(t, before.path)
	if err := l.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	after := l.segments()
	if !after[0].sealed || after[1].sealed || after[0].root != before.root || after[0].count != 1000 {
		t.Errorf("sealed: %v, %v; root %v, before %v", after[0].sealed, after[1].sealed, after[0].root, before.root)
	}
	if now := fileSize(t, before.path); now > size/3 {
		t.Errorf("the segment had %d bytes and has %d", size, now)
	}
	wantContents(t, l, append(want, "next"))
	list := 0
	sealed, err := after[0].indexes(t.Context(), 0, func(ix *blockIndex) bool {
		may := func(label, value string) bool { return ix.may(term(label, value)) }
		if list++; list == 2 {
			if ix.first != 256 || ix.count != 256 || ix.min.Format(time.TimeOnly) != "08:04:16" || ix.max.Format(time.TimeOnly) != "08:08:31" {
				t.Errorf("second block: %d records from %d, of %v to %v", ix.count, ix.first, ix.min, ix.max)
			}
			for label, value := range map[string]string{"user": "user-5", "tool": "read", "kind": "outcome", "id": "511", "object": "tool", "end": "ok"} {
				if !may(label, value) {
					t.Errorf("the index knows no %s %q", label, value)
				}
			}
			if may("user", "user-6") || may("id", "512") {
				t.Error("the index says what is not so")
			}
		}
		if ix.opaque != (list == 4) || list == 4 && !may("user", "anybody") {
			t.Errorf("block %d: opaque is %v", list, ix.opaque)
		}
		return true
	})
	if err != nil || !sealed || list != 4 {
		t.Fatalf("%d indexes, %v, %v", list, sealed, err)
	}
	if sealed, err := after[1].indexes(t.Context(), 0, nil); sealed || err != nil {
		t.Errorf("the live segment is sealed: %v, %v", sealed, err)
	}
	checkAndClose(t, l)
	l = open(t, o)
	wantContents(t, l, append(want, "next"))
	if l.head.Load().root != root {
		t.Error("another root after a restart")
	}
}

func fileSize(tb testing.TB, path string) int64 {
	tb.Helper()
	fi, err := os.Stat(path)
	if err != nil {
		tb.Fatal(err)
	}
	return fi.Size()
}

// TestSealInterrupted stops sealing at each of its steps, as a crash does: nothing is lost, and it is done the next time.
func TestSealInterrupted(t *testing.T) {
	for _, op := range []Op{OpSeal, OpRename} {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s after=%v", op, after), func(t *testing.T) {
				disk := newFaults()
				disk.set(only(op, full(), after))
				o := &Options{Dir: private(t), SegmentRecords: 300, Disk: disk}
				l := open(t, o)
				want := records(0, 301)
				add(t, l, want[:300]...)
				add(t, l, want[300])
				err := l.Seal(t.Context())
				if done := op == OpRename && after; err == nil && !done { // unless the background has done it
					t.Error("Seal succeeded")
				} else if err != nil {
					mention(t, err.Error(), "no space left", "000000000000-")
				}
				wantContents(t, l, want)
				checkAndClose(t, l)
				if err := os.WriteFile(filepath.Join(o.Dir, "000000000000-2026-11-25.db.tmp"), []byte("half"), 0o600); err != nil {
					t.Fatal(err)
				}
				disk.set(nil)
				l = open(t, o)
				if err := l.Seal(t.Context()); err != nil {
					t.Fatal(err)
				}
				wantNames(t, o.Dir, "*.tmp") // not before: the background seals too
				if !l.segments()[0].sealed {
					t.Error("the segment is not sealed")
				}
				wantContents(t, l, want)
			})
		}
	}
	t.Run("closed meanwhile", func(t *testing.T) {
		l := open(t, &Options{Dir: private(t), SegmentRecords: 1})
		add(t, l, "0")
		add(t, l, "1")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := l.Seal(ctx); err != nil && !errors.Is(err, context.Canceled) { // the background may have been faster
			t.Errorf("Seal = %v", err)
		}
		wantContents(t, l, []string{"0", "1"})
	})
}

// forger changes a block between its writing and its reading.
type forger struct{ t *testing.T }

// Do implements [Disk].
func (f forger) Do(op Op, path string, do func() error) error {
	err := do()
	if op == OpSeal && err == nil {
		edit(f.t, path, func(tx *bolt.Tx) error {
			var p packer
			for _, text := range records(1, 10) {
				p.add([]byte(text))
			}
			b, err := p.pack()
			return errors.Join(err, tx.Bucket([]byte(bucketBlocks)).Put(key(0), b))
		})
	}
	return err
}

// TestSealReadsBack does not let a sealed file that holds other records take the place of the segment.
func TestSealReadsBack(t *testing.T) {
	l := open(t, &Options{Dir: private(t), SegmentRecords: 10, Disk: forger{t}})
	want := records(0, 11)
	add(t, l, want[:10]...)
	add(t, l, want[10])
	err := l.Seal(t.Context())
	if _, ok := errors.AsType[*store.CorruptError](err); !ok {
		t.Errorf("Seal = %v", err)
	}
	if l.segments()[0].sealed {
		t.Error("the segment is sealed")
	}
	wantContents(t, l, want)
}

// pruned fills a log with segments of ten records, a day each, signs many checkpoints, and removes the first days.
func pruned(t *testing.T, o *Options, days int) (l *Log, roots map[int64]tlog.Hash) {
	t.Helper()
	clk := newClock()
	o.Dir, o.Now, o.Key, o.CheckpointRecords = private(t), clk.now, testKey(), 1<<40
	l = open(t, o)
	roots = map[int64]tlog.Hash{}
	for day := range 8 {
		for i := range 10 {
			add(t, l, numbered(day*10+i, 1)...)
			if i%3 == 1 {
				if err := l.publish(); err != nil {
					t.Fatal(err)
				}
				roots[int64(l.Size())] = l.head.Load().root
			}
		}
		clk.advance(24 * time.Hour)
	}
	if err := l.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	removed, err := l.Prune(newClock().at.Add(time.Duration(days) * 24 * time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for day := range days {
		want = append(want, fmt.Sprintf("%012d-2026-%s.db", day*10, newClock().at.AddDate(0, 0, day).Format("01-02")))
	}
	if diff := cmp.Diff(want, removed); diff != "" {
		t.Fatalf("removed (-want +got):\n%s", diff)
	}
	return l, roots
}

// TestProofsAfterPrune proves everything that retention must leave provable: that each tree signed ever continues each one
// before it, and that the records that are left are in each tree that has them.
func TestProofsAfterPrune(t *testing.T) {
	for _, days := range []int{1, 3, 6, 7} {
		var o Options
		l, roots := pruned(t, &o, days)
		add(t, l, numbered(80, 3)...)
		for range 2 {
			roots[83] = l.head.Load().root
			checkProofs(t, l, roots)
			wantContents(t, l, numbered(days*10, 83-days*10))
			checkAndClose(t, l)
			l = open(t, &o)
		}
		if removed, err := l.Prune(newClock().at.AddDate(0, 0, 7)); err != nil || len(removed) != 7-days {
			t.Errorf("Prune again = %v, %v", removed, err)
		}
		checkProofs(t, l, roots)
	}
}

func checkProofs(t *testing.T, l *Log, roots map[int64]tlog.Hash) {
	t.Helper()
	proofs := 0
	for newer, root := range roots {
		if got, err := tlog.TreeHash(newer, l.hashes()); err != nil || got != root {
			t.Fatalf("tree of %d records: %v, %v", newer, got, err)
		}
		for older := range roots {
			if older >= newer {
				continue
			}
			p, err := tlog.ProveTree(newer, older, l.hashes())
			if err != nil {
				t.Fatalf("from %d to %d records: %v", older, newer, err)
			}
			if err := tlog.CheckTree(p, newer, root, older, roots[older]); err != nil {
				t.Fatal(err)
			}
			proofs++
		}
		for r, err := range l.Scan(t.Context(), 0, uint64(newer)) {
			if err != nil {
				t.Fatal(err)
			}
			p, err := tlog.ProveRecord(newer, int64(r.Seq), l.hashes())
			if err != nil {
				t.Fatalf("record %d of %d: %v", r.Seq, newer, err)
			}
			if err := tlog.CheckRecord(p, newer, root, int64(r.Seq), tlog.RecordHash(r.Text)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if proofs < 200 {
		t.Errorf("%d proofs: the test shows nothing", proofs)
	}
}

func TestPrune(t *testing.T) {
	t.Run("nothing is old enough", func(t *testing.T) {
		l, _ := pruned(t, &Options{}, 2)
		if removed, err := l.Prune(newClock().at.AddDate(0, 0, 2)); err != nil || removed != nil {
			t.Errorf("Prune = %v, %v", removed, err)
		}
		if l.First() != 20 {
			t.Errorf("First = %d", l.First())
		}
		if _, err := l.hash(0); !errors.Is(err, ErrPruned) {
			t.Errorf("a hash that nobody needs: %v", err)
		}
	})
	t.Run("interrupted", func(t *testing.T) {
		var o Options
		l, _ := pruned(t, &o, 1)
		disk := newFaults()
		disk.set(only(OpRemove, full(), false))
		for _, s := range *l.files.Load() {
			s.disk = disk
		}
		if _, err := l.Prune(newClock().at.AddDate(0, 0, 4)); err == nil {
			t.Error("Prune could not remove anything and says nothing")
		}
		wantContents(t, l, numbered(40, 40))
		checkAndClose(t, l)
		if n := len(names(t, o.Dir, "*.db")); n != 7 {
			t.Fatalf("%d files are left, want 7", n)
		}
		if err := os.Remove(filepath.Join(o.Dir, names(t, o.Dir, "*.db")[0])); err != nil {
			t.Fatal(err)
		}
		l = open(t, &o)
		wantContents(t, l, numbered(40, 40))
		if n := len(names(t, o.Dir, "*.db")) + len(names(t, o.Dir, "*.hashes")); n != 8 {
			t.Errorf("%d files after a restart, want 8", n)
		}
	})
	t.Run("while somebody reads", func(t *testing.T) {
		l, _ := pruned(t, &Options{}, 1)
		var err error
		n := 0
		for _, err = range l.Scan(t.Context(), 0, 80) {
			if n++; n == 5 {
				if _, err := l.Prune(newClock().at.AddDate(0, 0, 5)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if !errors.Is(err, ErrPruned) || n != 11 {
			t.Errorf("%d records, then %v; want ErrPruned", n-1, err)
		}
	})
	t.Run("what it keeps is damaged", func(t *testing.T) {
		var o Options
		l, _ := pruned(t, &o, 2)
		checkAndClose(t, l)
		path := filepath.Join(o.Dir, keptName)
		good := readFile(t, path)
		for _, bad := range [][]byte{nil, good[:len(good)-1], slices.Concat(good[:40], []byte{good[40] ^ 1}, good[41:])} {
			if err := os.WriteFile(path, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			wantCorrupt(t, &o, keptName, "checksum")
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		wantCorrupt(t, &o, "000000000020-", "records from 0 on are missing")
		if err := os.WriteFile(path, good, 0o600); err != nil {
			t.Fatal(err)
		}
		wantContents(t, open(t, &o), numbered(20, 60))
	})
}

// TestMissingSegment takes a file away that is not the first and not the last.
func TestMissingSegment(t *testing.T) {
	o := &Options{Dir: private(t), SegmentRecords: 10}
	l := open(t, o)
	for i := range 4 {
		add(t, l, numbered(10*i, 10)...)
	}
	checkAndClose(t, l)
	for _, name := range names(t, o.Dir, "000000000010-*") {
		if err := os.Remove(filepath.Join(o.Dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	l, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	n := 0
	for _, err = range l.Scan(t.Context(), 0, 40) {
		n++
	}
	if err == nil || n != 11 || !strings.Contains(err.Error(), "record 10 is missing") {
		t.Errorf("%d records, then %v", n-1, err)
	}
}
