// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tollgate/store"
)

// faults is a disk that fails as the test wishes.
type faults struct {
	mu   sync.Mutex // guards what follows
	fail func(op Op, path string) (before, after error)
	gate map[Op]chan struct{}
	done []Op
}

func newFaults() *faults { return &faults{gate: map[Op]chan struct{}{}} }

// Do implements [Disk].
func (f *faults) Do(op Op, path string, do func() error) error {
	f.mu.Lock()
	f.done = append(f.done, op)
	gate := f.gate[op]
	var before, after error
	if f.fail != nil {
		before, after = f.fail(op, path)
	}
	f.mu.Unlock()
	if gate != nil {
		<-gate
	}
	if before != nil {
		return before
	}
	return errors.Join(do(), after)
}

// set decides what fails from now on; nil = nothing.
func (f *faults) set(fail func(op Op, path string) (before, after error)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = fail
}

// hold makes operations wait until let is called.
func (f *faults) hold(op Op) (let func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	gate := make(chan struct{})
	f.gate[op] = gate
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.gate, op)
		close(gate)
	}
}

func (f *faults) count(op Op) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, o := range f.done {
		if o == op {
			n++
		}
	}
	return n
}

// only fails operations of one kind: before they are done, or after.
func only(op Op, err error, after bool) func(Op, string) (error, error) {
	return func(o Op, _ string) (error, error) {
		switch {
		case o != op:
			return nil, nil
		case after:
			return nil, err
		}
		return err, nil
	}
}

func full() error { return &fs.PathError{Op: "write", Path: "segment", Err: syscall.ENOSPC} }

func testKey() ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
}

// wantFailed fails the test unless err is a FailedError that names parts.
func wantFailed(t *testing.T, err error, parts ...string) {
	t.Helper()
	failed, ok := errors.AsType[*FailedError](err)
	if !ok {
		t.Fatalf("err = %v, want a FailedError", err)
	}
	mention(t, failed.Error()+" / "+failed.Hint(), parts...)
}

// TestFailingCommit lets commits fail, before or after they came to the disk: who does not insist is told at once, the
// others wait; the log recovers by itself, and each record is there once or, if its caller was told so, not at all.
func TestFailingCommit(t *testing.T) {
	for _, test := range []struct {
		name  string
		err   error
		after bool
		parts []string
	}{
		{"disk full", full(), false, []string{"no space left", ".db", "free space"}},
		{"sync fails, nothing is on disk", syscall.EIO, false, []string{"input/output error", ".db", "by itself"}},
		{"sync fails, everything is on disk", syscall.EIO, true, []string{"input/output error", ".db"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := private(t)
			synctest.Test(t, func(t *testing.T) {
				disk := newFaults()
				var told []string
				l := open(t, &Options{Dir: dir, Disk: disk, Committed: func(_ uint64, batch []Entry) {
					for _, e := range batch {
						told = append(told, string(e.Text))
					}
				}})
				add(t, l, "before")
				disk.set(only(OpCommit, test.err, test.after))
				let := disk.hold(OpCommit)
				first, err1 := l.Append(Entry{Text: []byte("first, given up")})
				synctest.Wait()
				kept, err2 := l.Append(Entry{Text: []byte("kept"), Keep: true})
				queued, err3 := l.Append(Entry{Text: []byte("queued, given up")})
				if err := errors.Join(err1, err2, err3); err != nil {
					t.Fatal(err)
				}
				let()
				wantFailed(t, first.Wait(t.Context()), test.parts...)
				wantFailed(t, queued.Wait(t.Context()), test.parts...)
				wantFailed(t, l.Room(), test.parts...)
				if _, err := l.Append(Entry{Text: []byte("refused")}); err == nil {
					t.Error("Append while the log cannot be written")
				}
				<-time.After(5 * time.Second)
				late, err := l.Append(Entry{Text: []byte("late, kept"), Keep: true})
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				if err := kept.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
					t.Fatalf("Wait = %v while nothing can be written", err)
				}
				if n := disk.count(OpCommit); n < 8 || n > 14 {
					t.Errorf("%d attempts in 15 s", n)
				}
				disk.set(nil)
				for _, r := range []*Receipt{kept, late} {
					if err := r.Wait(t.Context()); err != nil {
						t.Errorf("Wait = %v after the disk recovered", err)
					}
				}
				add(t, l, "after")
				want := []string{"before", "kept", "late, kept", "after"}
				wantContents(t, l, want)
				if diff := cmp.Diff(want, told); diff != "" {
					t.Errorf("Committed was told (-want +got):\n%s", diff)
				}
				if s := l.Stats(); s.Failed != nil || s.Failures < 8 {
					t.Errorf("stats: %+v", s)
				}
			})
			l := open(t, &Options{Dir: dir})
			wantContents(t, l, []string{"before", "kept", "late, kept", "after"})
		})
	}
}

// TestRecoveryWithNothingToWrite finds out by itself that the disk can be written again.
func TestRecoveryWithNothingToWrite(t *testing.T) {
	dir := private(t)
	synctest.Test(t, func(t *testing.T) {
		disk := newFaults()
		l := open(t, &Options{Dir: dir, Disk: disk})
		disk.set(only(OpCommit, full(), false))
		r, err := l.Append(Entry{Text: []byte("lost")})
		if err != nil {
			t.Fatal(err)
		}
		wantFailed(t, r.Wait(t.Context()), "no space left")
		<-time.After(time.Minute)
		wantFailed(t, l.Room(), "no space left")
		disk.set(nil)
		<-time.After(3 * time.Second)
		if err := l.Room(); err != nil {
			t.Fatalf("Room = %v", err)
		}
		add(t, l, "found")
		wantContents(t, l, []string{"found"})
	})
}

// TestCloseWhileFailing gives up what cannot be written, and says so.
func TestCloseWhileFailing(t *testing.T) {
	dir := private(t)
	synctest.Test(t, func(t *testing.T) {
		disk := newFaults()
		l, err := Open(&Options{Dir: dir, Disk: disk})
		if err != nil {
			t.Fatal(err)
		}
		add(t, l, "before")
		disk.set(only(OpCommit, full(), false))
		kept, err := l.Append(Entry{Text: []byte("kept"), Keep: true})
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Second)
		err = l.Close()
		wantFailed(t, err, "no space left")
		mention(t, err.Error(), "1 records are lost")
		wantFailed(t, kept.Wait(t.Context()), "no space left")
	})
	wantContents(t, open(t, &Options{Dir: dir}), []string{"before"})
}

// TestCrashAfterFailedCommit ends the process before the log could take back what came to the disk after all. Nobody was
// promised that it is not there.
func TestCrashAfterFailedCommit(t *testing.T) {
	dir := private(t)
	synctest.Test(t, func(t *testing.T) {
		disk := newFaults()
		l, err := Open(&Options{Dir: dir, Disk: disk})
		if err != nil {
			t.Fatal(err)
		}
		add(t, l, "before")
		disk.set(func(op Op, path string) (error, error) {
			if op == OpOpen {
				return syscall.EIO, nil
			}
			return only(OpCommit, syscall.EIO, true)(op, path)
		})
		r, err := l.Append(Entry{Text: []byte("told that it failed")})
		if err != nil {
			t.Fatal(err)
		}
		wantFailed(t, r.Wait(t.Context()), "input/output error")
		<-time.After(time.Minute)
		wantContents(t, l, []string{"before"})
		if err := l.Close(); err != nil {
			t.Errorf("Close = %v, and nothing was lost", err)
		}
	})
	l := open(t, &Options{Dir: dir})
	add(t, l, "after")
	wantContents(t, l, []string{"before", "told that it failed", "after"})
}

// TestCrashAfterTakingBack ends the process after the log has taken back what came to the disk, and could write nothing more.
func TestCrashAfterTakingBack(t *testing.T) {
	dir := private(t)
	synctest.Test(t, func(t *testing.T) {
		disk := newFaults()
		l, err := Open(&Options{Dir: dir, Disk: disk})
		if err != nil {
			t.Fatal(err)
		}
		add(t, l, "before")
		disk.set(only(OpCommit, syscall.EIO, true))
		r, err := l.Append(Entry{Text: []byte("taken back")})
		if err != nil {
			t.Fatal(err)
		}
		wantFailed(t, r.Wait(t.Context()), "input/output error")
		disk.set(only(OpCommit, syscall.EIO, false))
		<-time.After(time.Minute)
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	wantContents(t, open(t, &Options{Dir: dir}), []string{"before"})
}

// TestAppendRightAfterRecovery appends while entries from before the recovery are still queued: it has nothing to do with
// what failed then.
func TestAppendRightAfterRecovery(t *testing.T) {
	dir := private(t)
	synctest.Test(t, func(t *testing.T) {
		disk := newFaults()
		let := func() {}
		l := open(t, &Options{Dir: dir, Disk: disk, Batch: 2, Committed: func(first uint64, _ []Entry) {
			if first == 0 {
				let = disk.hold(OpCommit)
			}
		}})
		disk.set(only(OpCommit, full(), false))
		var receipts []*Receipt
		for _, text := range numbered(0, 4) {
			r, err := l.Append(Entry{Text: []byte(text), Keep: true})
			if err != nil {
				t.Fatal(err)
			}
			receipts = append(receipts, r)
			synctest.Wait()
		}
		<-time.After(10 * time.Second)
		disk.set(nil)
		<-time.After(3 * time.Second)
		r, err := l.Append(Entry{Text: []byte("record 4")})
		if err != nil {
			t.Fatal(err)
		}
		let()
		for _, r := range append(receipts, r) {
			if err := r.Wait(t.Context()); err != nil {
				t.Error(err)
			}
		}
		wantContents(t, l, numbered(0, 5))
	})
}

// TestFailingRotation cannot begin a segment, in each of the ways there are.
func TestFailingRotation(t *testing.T) {
	for _, op := range []Op{OpCreate, OpOpen} {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s after=%v", op, after), func(t *testing.T) {
				dir := private(t)
				synctest.Test(t, func(t *testing.T) {
					disk := newFaults()
					l := open(t, &Options{Dir: dir, Disk: disk, SegmentRecords: 2})
					add(t, l, "0")
					add(t, l, "1")
					disk.set(only(op, full(), after))
					kept, err := l.Append(Entry{Text: []byte("2"), Keep: true})
					if err != nil {
						t.Fatal(err)
					}
					<-time.After(time.Minute)
					wantFailed(t, l.Room(), "no space left")
					wantContents(t, l, []string{"0", "1"})
					disk.set(nil)
					if err := kept.Wait(t.Context()); err != nil {
						t.Fatal(err)
					}
					wantContents(t, l, []string{"0", "1", "2"})
				})
				wantContents(t, open(t, &Options{Dir: dir}), []string{"0", "1", "2"})
			})
		}
	}
}

// TestHashesThatCannotBeWritten stay in memory and do not stop the log.
func TestHashesThatCannotBeWritten(t *testing.T) {
	disk := newFaults()
	o := &Options{Dir: private(t), Disk: disk}
	l := open(t, o)
	add(t, l, numbered(0, 10)...)
	disk.set(only(OpHashes, full(), false))
	add(t, l, numbered(10, 10)...)
	add(t, l, numbered(20, 10)...)
	if err := checkHashes(l); err != nil {
		t.Error(err)
	}
	disk.set(nil)
	add(t, l, numbered(30, 10)...)
	checkAndClose(t, l)
	s := open(t, o).live
	if s.hashes.written != 40+38 || len(s.hashes.pending) > 0 {
		t.Errorf("%d hashes are in the file, %d in memory", s.hashes.written, len(s.hashes.pending)/32)
	}
}

// TestSegmentThatLostRecords is given an older copy of the file while the log runs: it must not go on with that.
func TestSegmentThatLostRecords(t *testing.T) {
	dir := private(t)
	synctest.Test(t, func(t *testing.T) {
		disk := newFaults()
		l, err := Open(&Options{Dir: dir, Disk: disk})
		if err != nil {
			t.Fatal(err)
		}
		older := readFile(t, l.live.path)
		add(t, l, numbered(0, 10)...)
		disk.set(func(op Op, path string) (error, error) {
			if op == OpOpen {
				return errors.Join(writeSynced(path, 0, older)), nil
			}
			return only(OpCommit, full(), false)(op, path)
		})
		if _, err := l.Append(Entry{Text: []byte("kept"), Keep: true}); err != nil {
			t.Fatal(err)
		}
		<-time.After(10 * time.Second)
		disk.set(nil)
		<-time.After(10 * time.Second)
		corrupt, ok := errors.AsType[*store.CorruptError](l.Room())
		if !ok {
			t.Fatalf("Room = %v, want a CorruptError", l.Room())
		}
		mention(t, corrupt.Error(), "it has records up to 0, and had them up to 10")
		if err := l.Close(); err == nil {
			t.Error("Close says that nothing was lost")
		}
	})
}

// TestFaultsModel lets anything fail at any time. At the end the log holds what was acknowledged, in the order of
// acknowledgement, and nothing else; so does the file.
func TestFaultsModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir := private(t)
		ops := []Op{OpCommit, OpOpen, OpCreate, OpHashes, OpSeal, OpRename, OpRemove, OpWrite}
		seed := rapid.SliceOfN(rapid.IntRange(0, 11), 8, 60).Draw(rt, "fates")
		synctest.Test(t, func(t *testing.T) { playFaults(t, dir, ops, seed) })
	})
}

// playFaults draws the fate of each operation from fates: most succeed.
func playFaults(t *testing.T, dir string, ops []Op, fates []int) {
	disk := newFaults()
	var told []string
	o := &Options{
		Dir: dir, Disk: disk, SegmentRecords: 5, Batch: 3, Key: testKey(), CheckpointRecords: 4,
		Committed: func(_ uint64, batch []Entry) {
			for _, e := range batch {
				told = append(told, string(e.Text))
			}
		},
	}
	l, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	disk.set(func(op Op, _ string) (error, error) {
		n++
		switch fates[n%len(fates)] {
		case 0:
			return full(), nil
		case 1:
			return syscall.EIO, nil
		case 2:
			return nil, syscall.EIO
		}
		return nil, nil
	})
	var receipts []*Receipt
	var texts []string
	for i := range 40 {
		text := fmt.Sprintf("record %d", i)
		if r, err := l.Append(Entry{Text: []byte(text), Keep: fates[i%len(fates)]%2 == 0}); err == nil {
			receipts, texts = append(receipts, r), append(texts, text)
		}
		if fates[i%len(fates)] > 5 {
			<-time.After(time.Second)
		}
	}
	disk.set(nil)
	var want []string
	for i, r := range receipts {
		if err := r.Wait(t.Context()); err == nil {
			want = append(want, texts[i])
		} else if r.keep {
			t.Errorf("%q was to be kept: %v", texts[i], err)
		}
	}
	wantContents(t, l, want)
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("Committed was told (-acknowledged +told):\n%s", diff)
	}
	checkAndClose(t, l)
	wantContents(t, open(t, &Options{Dir: dir}), want)
}
