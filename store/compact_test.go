// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// anyLayout is that of a file of these tests.
func anyLayout() *Layout { return &Layout{Name: "any.db", Buckets: []string{"rows", "filler"}} }

func openAny(tb testing.TB, dir string) *File {
	tb.Helper()
	f, err := OpenFile(dir, anyLayout())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = f.Close() })
	return f
}

// fillAny makes rows that stay and as many pages as they need again, which are free afterwards.
func fillAny(tb testing.TB, f *File, rows int) {
	tb.Helper()
	for step := range 2 {
		err := f.Update(func(tx *bolt.Tx) error {
			for i := range rows {
				key := fmt.Sprintf("%06d", i)
				var err error
				if step == 0 {
					err = errors.Join(PutRecord(tx, "rows", key, make([]byte, 300)), PutRecord(tx, "filler", key, make([]byte, 300)))
				} else {
					err = tx.Bucket([]byte("filler")).Delete([]byte(key))
				}
				if err != nil {
					return err
				}
			}
			return tx.Bucket([]byte("rows")).SetSequence(77)
		})
		if err != nil {
			tb.Fatal(err)
		}
	}
}

// wantAny checks that the rows are there and the file is sound.
func wantAny(tb testing.TB, f *File, rows int) {
	tb.Helper()
	err := f.View(func(tx *bolt.Tx) error {
		b := tx.Bucket([]byte("rows"))
		if n := b.Stats().KeyN; n != rows || b.Sequence() != 77 {
			return fmt.Errorf("%d rows, sequence %d", n, b.Sequence())
		}
		return errors.Join(anyLayout().Check(tx)...)
	})
	if err != nil {
		tb.Error(err)
	}
}

func TestCompact(t *testing.T) {
	dir := t.TempDir()
	f := openAny(t, dir)
	fillAny(t, f, 3000)
	sizes, err := f.Compact(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	fi, err := os.Stat(f.Path())
	if err != nil || fi.Size() != sizes.After || sizes.After > sizes.Before*2/3 || sizes.After > 3000*400 {
		t.Errorf("sizes %+v, the file has %d bytes, %v", sizes, fi.Size(), err)
	}
	wantAny(t, f, 3000)
	again, err := f.Compact(t.Context())
	if err != nil || again.Before != sizes.After || again.After != again.Before {
		t.Errorf("compacting what is compact: %+v, %v", again, err)
	}
	fillAny(t, f, 4000) // it can still be written
	wantAny(t, f, 4000)
	if _, err := OpenFile(dir, anyLayout()); !errors.As(err, new(*LockedError)) {
		t.Errorf("a second OpenFile of a file that was replaced: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	wantAny(t, openAny(t, dir), 4000)
	if left, _ := filepath.Glob(filepath.Join(dir, "*"+tempEnd)); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// TestCompactStopped gives up in the middle: the file stays as it was.
func TestCompactStopped(t *testing.T) {
	dir := t.TempDir()
	f := openAny(t, dir)
	fillAny(t, f, 3000)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.Compact(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Compact = %v", err)
	}
	if err := f.Copy(ctx, filepath.Join(dir, "copy.db"), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("Copy = %v", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
	wantAny(t, f, 3000)
}

// TestCompactUnsure cannot tell whether the new file would outlast a power failure: nothing is taken for written any more,
// until the next start has looked.
func TestCompactUnsure(t *testing.T) {
	if !replacesOpen() {
		t.Skip("files are replaced differently here")
	}
	dir := t.TempDir()
	f := openAny(t, dir)
	fillAny(t, f, 3000)
	broken := errors.New("the disk is gone")
	f.syncDir = func(string) error { return broken }
	if _, err := f.Compact(t.Context()); !errors.Is(err, broken) {
		t.Errorf("Compact = %v", err)
	}
	if err := f.Update(func(*bolt.Tx) error { return nil }); !errors.Is(err, broken) {
		t.Errorf("Update = %v", err)
	}
	wantAny(t, f, 3000)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	f = openAny(t, dir)
	fillAny(t, f, 3000)
	wantAny(t, f, 3000)
}

// TestLockOfReplacedFile has somebody wait for the lock of a file that is replaced meanwhile: the lock of the old one is worth
// nothing.
func TestLockOfReplacedFile(t *testing.T) {
	if _, err := os.Stat("/proc/self/fd"); err != nil {
		t.Skip("cannot see what is open here")
	}
	dir := t.TempDir()
	f := openAny(t, dir)
	fillAny(t, f, 3000)
	done := make(chan error)
	go func() {
		db, replaced, err := anyLayout().open(f.Path())
		if err == nil && !replaced {
			err = errors.Join(errors.New("a file that has lost its name is taken for the one that has it"), db.Close())
		}
		done <- err
	}()
	for holders(f.Path()) < 2 { // it has opened the file and waits for the lock
		runtime.Gosched()
	}
	if sizes, err := f.Compact(t.Context()); err != nil || sizes.After == sizes.Before {
		t.Fatalf("Compact = %+v, %v", sizes, err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	f = openAny(t, dir)
	fillAny(t, f, 3100)
	wantAny(t, f, 3100)
}

// holders is how often this process has a file open.
func holders(path string) (n int) {
	fds, _ := os.ReadDir("/proc/self/fd")
	for _, fd := range fds {
		if name, _ := os.Readlink("/proc/self/fd/" + fd.Name()); name == path {
			n++
		}
	}
	return n
}

// TestCopyBesideWriters copies while rows come and go: the copy is one moment, and whoever writes does not wait for it.
func TestCopyBesideWriters(t *testing.T) {
	dir := t.TempDir()
	f := openAny(t, dir)
	fillAny(t, f, 2000)
	stop := make(chan struct{})
	var group sync.WaitGroup
	wrote := 0
	group.Go(func() {
		for i := 0; ; i++ { // always two rows that are equal
			select {
			case <-stop:
				return
			default:
			}
			text := fmt.Appendf(nil, "%d", i)
			if err := f.Update(func(tx *bolt.Tx) error {
				return errors.Join(PutRecord(tx, "rows", "000000", text), PutRecord(tx, "filler", "twin", text))
			}); err != nil {
				t.Error(err)
				return
			}
			wrote++
		}
	})
	for i := range 10 {
		name := fmt.Sprintf("copy%d", i)
		to := filepath.Join(dir, name)
		if err := os.Mkdir(to, 0o700); err != nil {
			t.Fatal(err)
		}
		moved := int64(0)
		if err := f.Copy(t.Context(), filepath.Join(to, "any.db"), func(n int64) { moved += n }); err != nil || moved < 2000*300 {
			t.Fatalf("Copy of %d bytes: %v", moved, err)
		}
		err := ReadFile(to, anyLayout(), func(tx *bolt.Tx) error {
			a, err1 := GetRecord(tx, "rows", "000000")
			b, err2 := GetRecord(tx, "filler", "twin")
			if i > 0 && string(a) != string(b) {
				t.Errorf("the copy has %q and %q", a, b)
			}
			return errors.Join(err1, err2)
		})
		if err != nil && i > 0 {
			t.Error(err)
		}
		if err := f.Copy(t.Context(), filepath.Join(to, "any.db"), nil); !errors.Is(err, fs.ErrExist) {
			t.Errorf("a copy over another: %v", err)
		}
	}
	close(stop)
	group.Wait()
	if wrote < 10 {
		t.Errorf("%d writes beside ten copies: the test shows little", wrote)
	}
}

// playCompact writes without end and says what is on disk, while the file is compacted again and again.
func playCompact(dir string) error {
	f, err := OpenFile(dir, anyLayout())
	if err != nil {
		return err
	}
	var mu sync.Mutex // guards standard output
	var group sync.WaitGroup
	group.Go(func() {
		for {
			sizes, err := f.Compact(context.Background())
			if err != nil {
				fmt.Println("error:", err)
				os.Exit(1)
			}
			mu.Lock()
			fmt.Println("compacted", sizes.After < sizes.Before)
			mu.Unlock()
		}
	})
	group.Go(func() {
		for i := 0; ; i++ {
			key := fmt.Sprintf("%d-%d", os.Getpid(), i)
			err := f.Update(func(tx *bolt.Tx) error {
				err := errors.Join(PutRecord(tx, "rows", key, make([]byte, 200)), PutRecord(tx, "filler", key, make([]byte, 20_000)))
				if i%4 == 3 { // free pages
					err = errors.Join(err, empty(tx, "filler"))
				}
				return err
			})
			if err != nil {
				fmt.Println("error:", err)
				os.Exit(1)
			}
			mu.Lock()
			fmt.Println("wrote", key)
			mu.Unlock()
		}
	})
	group.Wait()
	return nil
}

func empty(tx *bolt.Tx, bucket string) error {
	err := tx.DeleteBucket([]byte(bucket))
	if err == nil {
		_, err = tx.CreateBucket([]byte(bucket))
	}
	return err
}

// TestCompactKill kills a process that compacts a file while it writes to it. Whatever was said to be on disk is there.
func TestCompactKill(t *testing.T) {
	t.Parallel() // it waits most of the time
	times := 25
	if testing.Short() {
		times = 5
	}
	dir, err := os.MkdirTemp("/dev/shm", "tollgate-store-") // where syncing costs little, if there is such a place
	if err != nil {
		dir = t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	random := rand.New(rand.NewPCG(1, 2))
	var wrote []string
	compacted := 0
	for i := range times {
		c := start(t, "compact", dir)
		lines := bufio.NewScanner(c.out)
		for n := 20 + random.IntN(60); lines.Scan(); n-- {
			if n == 0 {
				_ = c.cmd.Process.Kill()
			}
			key, ok := strings.CutPrefix(lines.Text(), "wrote ")
			switch {
			case ok && n != 0: // the last line may be half
				wrote = append(wrote, key)
			case strings.HasPrefix(lines.Text(), "error:"):
				t.Fatalf("kill %d: %s", i, lines.Text())
			case lines.Text() == "compacted true":
				compacted++
			}
		}
		c.kill()
		_, _ = io.Copy(io.Discard, c.out)
		f := openAny(t, dir)
		err := f.View(func(tx *bolt.Tx) error {
			for _, key := range wrote {
				if _, err := GetRecord(tx, "rows", key); err != nil {
					return err
				}
			}
			return errors.Join(anyLayout().Check(tx)...)
		})
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatalf("kill %d: %v", i, err)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, "*"+tempEnd)); len(left) > 0 {
			t.Fatalf("kill %d: the next start leaves %q", i, left)
		}
	}
	if compacted < times || len(wrote) < 5*times {
		t.Errorf("%d compactions and %d writes in %d lives: the test shows little", compacted, len(wrote), times)
	}
}
