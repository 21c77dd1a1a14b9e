// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/tlog"
)

// clock is one that the test turns.
type clock struct {
	mu sync.Mutex // guards at
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// private is a directory for a log.
func private(tb testing.TB) string { return filepath.Join(tb.TempDir(), "audit") }

// open opens a log that is checked and closed at the end of the test.
func open(tb testing.TB, o *Options) *Log {
	tb.Helper()
	l, err := Open(o)
	if err != nil {
		tb.Fatalf("Open: %v", err)
	}
	tb.Cleanup(func() { checkAndClose(tb, l) })
	return l
}

// checkAndClose compares the hashes of the log with those that its records have, and closes it.
func checkAndClose(tb testing.TB, l *Log) {
	tb.Helper()
	if err := checkHashes(l); err != nil {
		tb.Error(err)
	}
	if err := l.Close(); err != nil {
		tb.Errorf("Close: %v", err)
	}
}

// checkHashes computes the tree anew with the library alone.
func checkHashes(l *Log) error {
	size := l.Size()
	if l.First() > 0 || l.closing {
		return nil
	}
	var stored []tlog.Hash
	own := tlog.HashReaderFunc(func(indexes []int64) (out []tlog.Hash, err error) {
		for _, i := range indexes {
			out = append(out, stored[i])
		}
		return out, nil
	})
	for r, err := range l.Scan(context.Background(), 0, size) {
		if err != nil {
			return err
		}
		hashes, err := tlog.StoredHashes(int64(r.Seq), r.Text, own)
		if err != nil {
			return err
		}
		stored = append(stored, hashes...)
	}
	for i := range stored {
		if h, err := l.hash(int64(i)); err != nil || h != stored[i] {
			return fmt.Errorf("hash %d is %v, want %v (%w)", i, h, stored[i], errors.Join(err))
		}
	}
	root, err := tlog.TreeHash(int64(size), l.hashes())
	if head := l.head.Load(); err != nil || head.size == size && head.root != root {
		return fmt.Errorf("root is %v, want %v (%w)", head.root, root, errors.Join(err))
	}
	return nil
}

// add appends records and waits for them.
func add(tb testing.TB, l *Log, texts ...string) {
	tb.Helper()
	var receipts []*Receipt
	for _, text := range texts {
		r, err := l.Append(Entry{Text: []byte(text)})
		if err != nil {
			tb.Fatalf("Append: %v", err)
		}
		receipts = append(receipts, r)
	}
	for _, r := range receipts {
		if err := r.Wait(tb.Context()); err != nil {
			tb.Fatalf("Wait: %v", err)
		}
	}
}

// numbered are n texts from i on.
func numbered(i, n int) (texts []string) {
	for ; n > 0; n-- {
		texts = append(texts, fmt.Sprintf("record %d", i))
		i++
	}
	return texts
}

// contents are all texts of the log.
func contents(tb testing.TB, l *Log) (texts []string) {
	tb.Helper()
	want := l.First()
	for r, err := range l.Scan(context.Background(), 0, ^uint64(0)) {
		if err != nil {
			tb.Fatalf("Scan: %v", err)
		}
		if r.Seq != want {
			tb.Fatalf("record %d where %d is due", r.Seq, want)
		}
		want++
		texts = append(texts, string(r.Text))
	}
	return texts
}

func wantContents(tb testing.TB, l *Log, want []string) {
	tb.Helper()
	if diff := cmp.Diff(want, contents(tb, l)); diff != "" {
		tb.Errorf("the log differs (-want +got):\n%s", diff)
	}
}

// mention fails the test unless text contains each part.
func mention(tb testing.TB, text string, parts ...string) {
	tb.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			tb.Errorf("%q does not mention %q", text, part)
		}
	}
}

func TestAppendAndReopen(t *testing.T) {
	o := &Options{Dir: private(t), Node: "one"}
	l := open(t, o)
	origin := l.origin
	if l.Size() != 0 || l.First() != 0 {
		t.Fatalf("a new log has records %d to %d", l.First(), l.Size())
	}
	add(t, l, numbered(0, 100)...)
	add(t, l, "", strings.Repeat("long ", 20_000))
	want := contents(t, l)
	root := l.head.Load().root
	checkAndClose(t, l)
	if _, err := l.Append(Entry{Keep: true}); !errors.Is(err, ErrClosed) {
		t.Errorf("Append after Close = %v", err)
	}
	l = open(t, o)
	if l.Size() != 102 || l.origin != origin || l.head.Load().root != root || !strings.HasPrefix(origin, "tollgate/") || len(origin) != 25 {
		t.Errorf("after a restart: %d records of %q, before 102 of %q", l.Size(), l.origin, origin)
	}
	wantContents(t, l, want)
	add(t, l, "after")
	wantContents(t, l, append(want, "after"))
	if runtime.GOOS != "windows" {
		fi, err := os.Stat(o.Dir)
		if err != nil || fi.Mode().Perm() != 0o700 {
			t.Errorf("directory has mode %v (%v)", fi.Mode(), err)
		}
	}
}

// TestGroupCommit lets many callers wait at once: each record is in the log once, and Committed knows of it before those
// who wait for it do.
func TestGroupCommit(t *testing.T) {
	var mu sync.Mutex // guards told
	var told []string
	l := open(t, &Options{Dir: private(t), Batch: 50, Committed: func(first uint64, batch []Entry) {
		mu.Lock()
		defer mu.Unlock()
		if int(first) != len(told) {
			t.Errorf("Committed is told of record %d where %d is due", first, len(told))
		}
		for _, e := range batch {
			if string(e.Text) != e.Change {
				t.Errorf("the change of %q is %q", e.Text, e.Change)
			}
			told = append(told, string(e.Text))
		}
	}})
	const callers, each = 64, 20
	var group sync.WaitGroup
	for c := range callers {
		group.Go(func() {
			for i := range each {
				text := fmt.Sprintf("%d/%d", c, i)
				r, err := l.Append(Entry{Text: []byte(text), Change: text, Keep: i%2 == 0})
				if err == nil {
					err = r.Wait(t.Context())
				}
				mu.Lock()
				known := slices.Contains(told, text)
				mu.Unlock()
				if err != nil || !known {
					t.Errorf("%s: %v, told: %v", text, err, known)
				}
			}
		})
	}
	group.Wait()
	got := contents(t, l)
	if diff := cmp.Diff(told, got); diff != "" {
		t.Errorf("the log is not what Committed was told (-told +log):\n%s", diff)
	}
	slices.Sort(got)
	if len(slices.Compact(got)) != callers*each {
		t.Errorf("%d different records, want %d", len(slices.Compact(got)), callers*each)
	}
	if s := l.Stats(); s.Records != callers*each || s.Commits > callers*each/3 || s.Queued != 0 || s.QueuedBytes != 0 {
		t.Errorf("%d records in %d commits: they are not written in groups (queue %d, %d bytes)", s.Records, s.Commits, s.Queued, s.QueuedBytes)
	}
}

// TestWaitEndsWithItsContext gives up on a slow disk; the record comes to it all the same.
func TestWaitEndsWithItsContext(t *testing.T) {
	disk := newFaults()
	l := open(t, &Options{Dir: private(t), Disk: disk})
	let := disk.hold(OpCommit)
	r, err := l.Append(Entry{Text: []byte("slow")})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Wait = %v", err)
	}
	let()
	if err := r.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	wantContents(t, l, []string{"slow"})
}

// TestQueueFull holds the disk up: what is not kept is refused when the queue is full, and nothing that was taken is lost.
func TestQueueFull(t *testing.T) {
	for _, test := range []struct {
		name string
		o    Options
	}{{"entries", Options{Queue: 10}}, {"bytes", Options{QueueBytes: 75}}} {
		t.Run(test.name, func(t *testing.T) {
			disk := newFaults()
			o := test.o
			o.Dir, o.Disk = private(t), disk
			l := open(t, &o)
			let := disk.hold(OpCommit)
			var taken []string
			var receipts []*Receipt
			take := func(text string, keep bool) error {
				r, err := l.Append(Entry{Text: []byte(text), Keep: keep})
				if err == nil {
					taken, receipts = append(taken, text), append(receipts, r)
				}
				return err
			}
			var err error
			for i := 0; err == nil && i < 100; i++ {
				err = take(fmt.Sprintf("record %d", i), false)
			}
			if !errors.Is(err, ErrBusy) || len(taken) > 10 || len(taken) < 9 {
				t.Fatalf("after %d records Append = %v, want ErrBusy", len(taken), err)
			}
			if err := l.Room(); !errors.Is(err, ErrBusy) {
				t.Errorf("Room = %v", err)
			}
			if err := take("kept", true); err != nil {
				t.Errorf("an entry that is kept: %v", err)
			}
			let()
			for _, r := range receipts {
				if err := r.Wait(t.Context()); err != nil {
					t.Error(err)
				}
			}
			wantContents(t, l, taken)
			if err := errors.Join(l.Room(), take("later", false)); err != nil {
				t.Errorf("there is room again, but: %v", err)
			}
			if s := l.Stats(); s.Busy != 2 {
				t.Errorf("%d were refused, want 2", s.Busy)
			}
		})
	}
}

// TestCloseWritesWhatIsQueued closes the log while records are on their way.
func TestCloseWritesWhatIsQueued(t *testing.T) {
	before := runtime.NumGoroutine()
	o := &Options{Dir: private(t), Key: testKey(), Sinks: []Sink{&memory{}}}
	l := open(t, o)
	for _, text := range numbered(0, 1000) {
		if _, err := l.Append(Entry{Text: []byte(text)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(l.Close(), l.Close()); err != nil {
		t.Fatal(err)
	}
	if stacks := ours(); stacks != "" {
		t.Errorf("goroutines are left (%d before, %d after):\n%s", before, runtime.NumGoroutine(), stacks)
	}
	l = open(t, o)
	wantContents(t, l, numbered(0, 1000))
}

// ours are the goroutines that run code of the log.
func ours() string {
	buf := make([]byte, 1<<20)
	var found []string
	for _, g := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(g, "audit.(*Log)") || strings.Contains(g, "audit.(*sinkQueue)") {
			found = append(found, g)
		}
	}
	return strings.Join(found, "\n\n")
}

// TestScanBesideTheWriter reads while records are written: what it gets is in order and whole.
func TestScanBesideTheWriter(t *testing.T) {
	l := open(t, &Options{Dir: private(t), SegmentRecords: 700, Batch: 100})
	done := make(chan struct{})
	go func() {
		defer close(done)
		fill(t, l, 5000)
	}()
	for open := true; open; {
		select {
		case <-done:
			open = false
		default:
		}
		size, n := l.Size(), uint64(0)
		for r, err := range l.Scan(t.Context(), 0, ^uint64(0)) {
			if err != nil || r.Seq != n || string(r.Text) != string(text394(int(n))) {
				t.Fatalf("record %d: %q, %v", n, r.Text, err)
			}
			n++
		}
		if n < size {
			t.Fatalf("%d of %d records", n, size)
		}
	}
}

func TestScanPart(t *testing.T) {
	l := open(t, &Options{Dir: private(t), SegmentRecords: 30, Batch: 10})
	for i := range 10 {
		add(t, l, numbered(i*10, 10)...)
	}
	if err := l.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, part := range [][2]uint64{{0, 1}, {0, 0}, {5, 3}, {29, 31}, {0, 100}, {99, 1000}, {100, 200}, {42, 77}} {
		var got []string
		for r, err := range l.Scan(t.Context(), part[0], part[1]) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, string(r.Text))
		}
		n := max(0, min(int(part[1]), 100)-int(part[0]))
		if diff := cmp.Diff(numbered(int(part[0]), n), got); diff != "" {
			t.Errorf("records %d to %d (-want +got):\n%s", part[0], part[1], diff)
		}
	}
	for range l.Scan(t.Context(), 0, 100) {
		break // leaves nothing open: the end of the test would wait for it
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range l.Scan(ctx, 0, 100) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("with a context that has ended: %v", err)
		}
	}
}
