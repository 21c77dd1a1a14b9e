// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"
)

// openReplies opens dir for the test, which ends with a check of every invariant.
func openReplies(t testing.TB, dir string, o *RepliesOptions) *Replies {
	t.Helper()
	r, err := OpenReplies(dir, o)
	if err != nil {
		t.Fatalf("OpenReplies: %v", err)
	}
	t.Cleanup(func() { closeReplies(t, r) })
	return r
}

func closeReplies(t testing.TB, r *Replies) {
	t.Helper()
	for _, err := range r.Check() {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("Check: %v", err)
		}
	}
	if err := r.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// begin fails the test unless the key is new.
func begin(t testing.TB, r *Replies, caller, key string, digest byte, call string) {
	t.Helper()
	if kept, err := r.Begin(t.Context(), caller, key, [32]byte{digest}, call); kept != nil || err != nil {
		t.Fatalf("Begin(%q, %q) = %v, %v; want nil and nil", caller, key, kept, err)
	}
}

func conflict(t testing.TB, r *Replies, caller, key string, digest byte) ConflictError {
	t.Helper()
	kept, err := r.Begin(t.Context(), caller, key, [32]byte{digest}, "second")
	e, ok := errors.AsType[*ConflictError](err)
	if !ok || kept != nil {
		t.Fatalf("Begin(%q, %q) = %v, %v; want a ConflictError", caller, key, kept, err)
	}
	return *e
}

func TestReplies(t *testing.T) {
	dir := t.TempDir()
	clk := newClock()
	r := openReplies(t, dir, &RepliesOptions{Now: clk.now, MaxBytes: 5})
	begin(t, r, "alice", "k", 1, "call-1")
	if got, want := conflict(t, r, "alice", "k", 1), (ConflictError{Running: true, Call: "call-1"}); got != want {
		t.Errorf("the same request meanwhile: %+v, want %+v", got, want)
	}
	if got, want := conflict(t, r, "alice", "k", 2), (ConflictError{Different: true, Call: "call-1"}); got != want {
		t.Errorf("another request meanwhile: %+v, want %+v", got, want)
	}
	begin(t, r, "bob", "k", 1, "call-2") // the key of somebody else
	if err := r.Finish(t.Context(), "alice", "k", []byte("hello")); err != nil {
		t.Fatal(err)
	}
	ended := clk.t
	clk.advance(time.Hour)
	want := &Kept{Call: "call-1", At: ended, Reply: []byte("hello")}
	for range 2 {
		got, err := r.Begin(t.Context(), "alice", "k", [32]byte{1}, "call-3")
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Fatalf("the same request again: %v\n%s", err, diff)
		}
		if got := conflict(t, r, "alice", "k", 2); !got.Different {
			t.Errorf("another request afterwards: %+v", got)
		}
		closeReplies(t, r)
		r = openReplies(t, dir, &RepliesOptions{Now: clk.now, MaxBytes: 5})
	}
	// What the process that died had begun is not known any more.
	if got, want := conflict(t, r, "bob", "k", 1), (ConflictError{Unknown: true, Call: "call-2"}); got != want {
		t.Errorf("after a restart: %+v, want %+v", got, want)
	}
	begin(t, r, "bob", "large", 1, "call-4")
	if err := r.Finish(t.Context(), "bob", "large", []byte("hello!")); err != nil {
		t.Fatal(err)
	}
	if got, err := r.Begin(t.Context(), "bob", "large", [32]byte{1}, ""); err != nil || !got.TooLarge || got.Reply != nil || got.Call != "call-4" {
		t.Errorf("after a large reply: %+v, %v", got, err)
	}
	begin(t, r, "bob", "gone", 1, "call-5")
	if err := r.Forget(t.Context(), "bob", "gone"); err != nil {
		t.Fatal(err)
	}
	begin(t, r, "bob", "gone", 2, "call-6")
	for _, err := range []error{r.Finish(t.Context(), "bob", "new", nil), r.Forget(t.Context(), "bob", "large")} {
		if err == nil {
			t.Error("a call that has not begun has ended")
		}
	}
	clk.advance(23*time.Hour - 1) // a day after the reply to alice, but for a nanosecond
	if _, err := r.Begin(t.Context(), "alice", "k", [32]byte{1}, ""); err != nil {
		t.Error(err)
	}
	clk.advance(1)
	begin(t, r, "alice", "k", 2, "call-7")
	// A running call is not forgotten, however long it takes.
	clk.advance(1000 * time.Hour)
	if got := conflict(t, r, "alice", "k", 2); !got.Running {
		t.Errorf("after a long time: %+v", got)
	}
	if err := r.Finish(t.Context(), "alice", "k", []byte{}); err != nil {
		t.Error(err)
	}
	if got, err := r.Begin(t.Context(), "alice", "k", [32]byte{2}, ""); err != nil || got.TooLarge || got.Reply == nil {
		t.Errorf("after an empty reply: %+v, %v", got, err)
	}
}

// TestReplyIsOnDisk takes the file as it is after each step, as a crash would leave it.
func TestReplyIsOnDisk(t *testing.T) {
	dir := t.TempDir()
	r := openReplies(t, dir, nil)
	after := func() *Replies {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(dir, repliesName))
		if err != nil {
			t.Fatal(err)
		}
		copied := private(t)
		if err := os.WriteFile(filepath.Join(copied, repliesName), b, 0o600); err != nil {
			t.Fatal(err)
		}
		return openReplies(t, copied, nil)
	}
	begin(t, r, "alice", "k", 1, "call-1")
	if got := conflict(t, after(), "alice", "k", 1); !got.Unknown {
		t.Errorf("a crash during the call: %+v", got)
	}
	begin(t, r, "alice", "other", 1, "call-2")
	if err := errors.Join(r.Finish(t.Context(), "alice", "k", []byte("done")), r.Forget(t.Context(), "alice", "other")); err != nil {
		t.Fatal(err)
	}
	crashed := after()
	if kept, err := crashed.Begin(t.Context(), "alice", "k", [32]byte{1}, ""); err != nil || string(kept.Reply) != "done" {
		t.Errorf("a crash after the call: %+v, %v", kept, err)
	}
	begin(t, crashed, "alice", "other", 1, "call-3")
}

// TestRepliesAreHashed looks for keys and callers in the file.
func TestRepliesAreHashed(t *testing.T) {
	dir := t.TempDir()
	r := openReplies(t, dir, nil)
	begin(t, r, "alice@example.com", "order-4711", 1, "call-1")
	if err := r.Finish(t.Context(), "alice@example.com", "order-4711", []byte("the reply")); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, repliesName))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(b, []byte("the reply")) {
		t.Error("the reply is not in the file: the test shows nothing")
	}
	for _, word := range []string{"alice@", "order-4711"} {
		if bytes.Contains(b, []byte(word)) {
			t.Errorf("%q is in the file", word)
		}
	}
	// Where the name of a caller ends and the key begins matters.
	begin(t, r, "ab", "c", 1, "")
	begin(t, r, "a", "bc", 1, "")
}

// TestRepliesAreBounded fills the file up to each of its limits.
func TestRepliesAreBounded(t *testing.T) {
	clk := newClock()
	r := openReplies(t, t.TempDir(), &RepliesOptions{Now: clk.now, MaxEntries: 5, MaxPerCaller: 3, MaxTotal: 10})
	full := func(caller, key string) *FullError {
		t.Helper()
		_, err := r.Begin(t.Context(), caller, key, [32]byte{}, "")
		e, ok := errors.AsType[*FullError](err)
		if !ok {
			t.Fatalf("Begin = %v, want a FullError", err)
		}
		return e
	}
	for _, key := range []string{"a", "b", "c"} {
		begin(t, r, "alice", key, 1, "")
	}
	if e := full("alice", "d"); !e.Caller || e.Most != 3 {
		t.Errorf("more of one caller: %+v", e)
	}
	begin(t, r, "bob", "a", 1, "")
	begin(t, r, "bob", "b", 1, "")
	if e := full("bob", "c"); e.Caller || e.Most != 5 {
		t.Errorf("more of all: %+v", e)
	}
	for _, key := range []string{"a", "b"} {
		if err := r.Finish(t.Context(), "bob", key, []byte("6bytes")); err != nil {
			t.Fatal(err)
		}
	}
	if kept, err := r.Begin(t.Context(), "bob", "b", [32]byte{1}, ""); err != nil || !kept.TooLarge {
		t.Errorf("more bytes than may be kept: %+v, %v", kept, err)
	}
	clk.advance(24 * time.Hour)
	begin(t, r, "carol", "a", 1, "") // those of bob are over
	if r.tally.entries != 4 || r.tally.bytes != 0 {
		t.Errorf("%d entries and %d bytes are kept, want the four of running calls", r.tally.entries, r.tally.bytes)
	}
	_, err := OpenReplies(t.TempDir(), &RepliesOptions{Keep: -1})
	if err == nil {
		t.Error("OpenReplies takes a negative duration")
	}
}

// TestOneCallPerKey sends every request many times at once: each is executed once, and all get its answer.
func TestOneCallPerKey(t *testing.T) {
	const keys, senders = 20, 8
	r := openReplies(t, t.TempDir(), nil)
	var executed [keys]atomic.Int64
	var wg sync.WaitGroup
	for sender := range senders {
		wg.Go(func() {
			for i := range keys {
				key, answer := fmt.Sprint(i), fmt.Sprintf("answer %d", i)
				for {
					kept, err := r.Begin(t.Context(), "alice", key, [32]byte{byte(i)}, fmt.Sprint(sender))
					if e, ok := errors.AsType[*ConflictError](err); ok && e.Running {
						runtime.Gosched()
						continue
					}
					switch {
					case err != nil:
						t.Errorf("Begin: %v", err)
					case kept == nil:
						executed[i].Add(1)
						if err := r.Finish(t.Context(), "alice", key, []byte(answer)); err != nil {
							t.Errorf("Finish: %v", err)
						}
					case string(kept.Reply) != answer:
						t.Errorf("answer %q, want %q", kept.Reply, answer)
					}
					break
				}
			}
		})
	}
	wg.Wait()
	for i := range executed {
		if n := executed[i].Load(); n != 1 {
			t.Errorf("request %d was executed %d times", i, n)
		}
	}
}

// TestBeginGivesUp cancels a Begin whose write does not come to an end: the key is free afterwards, and an end is written
// although nobody waits.
func TestBeginGivesUp(t *testing.T) {
	r := openReplies(t, t.TempDir(), nil)
	begin(t, r, "alice", "running", 1, "call-1")
	stuck, err := r.bolt.db.Begin(true)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	queued := func(want int) {
		for n := -1; n != want; runtime.Gosched() {
			r.mu.Lock()
			if n = len(r.queue); !r.writing {
				n = -1
			}
			r.mu.Unlock()
		}
	}
	for i := range 3 {
		wg.Go(func() {
			if _, err := r.Begin(ctx, "alice", fmt.Sprint(i), [32]byte{1}, ""); !errors.Is(err, context.Canceled) {
				t.Errorf("Begin = %v, want that it was cancelled", err)
			}
		})
		queued(i) // the first one is being written, the others wait
	}
	wg.Go(func() {
		if err := r.Finish(ctx, "alice", "running", []byte("done")); !errors.Is(err, context.Canceled) {
			t.Errorf("Finish = %v, want that it was cancelled", err)
		}
	})
	queued(3)
	cancel()
	wg.Wait()
	if err := stuck.Rollback(); err != nil {
		t.Fatal(err)
	}
	for range 2 { // after the first one what was queued before is done, after the second one what that has queued
		if err := errors.Join(r.Check()...); err != nil {
			t.Error(err)
		}
	}
	for i := range 3 {
		begin(t, r, "alice", fmt.Sprint(i), 2, "")
	}
	if kept, err := r.Begin(t.Context(), "alice", "running", [32]byte{1}, ""); err != nil || string(kept.Reply) != "done" {
		t.Errorf("after a Finish that nobody waited for: %+v, %v", kept, err)
	}
}

// TestRepliesDiskFull has a file that must not grow: what is not written has not begun, and how a call went that could not
// be written is not known.
func TestRepliesDiskFull(t *testing.T) {
	r := openReplies(t, t.TempDir(), nil)
	begin(t, r, "alice", "running", 1, "call-1")
	fi, err := os.Stat(r.path)
	if err != nil {
		t.Fatal(err)
	}
	r.bolt.db.MaxSize = int(fi.Size())
	large := strings.Repeat("x", 1<<19)
	if _, err := r.Begin(t.Context(), "alice", "new", [32]byte{1}, large); err == nil {
		t.Fatal("Begin writes more than fits: the test shows nothing")
	}
	if n := len(r.running); n != 1 {
		t.Errorf("%d calls are said to run, want one", n)
	}
	if err := r.Finish(t.Context(), "alice", "running", []byte(large)); err == nil {
		t.Fatal("Finish writes more than fits")
	}
	r.bolt.db.MaxSize = 0
	begin(t, r, "alice", "new", 2, "call-2")
	if got := conflict(t, r, "alice", "running", 1); !got.Unknown {
		t.Errorf("after a call whose reply could not be written: %+v", got)
	}
	if err := r.Finish(t.Context(), "alice", "running", []byte(large)); err != nil {
		t.Errorf("a second attempt: %v", err)
	}
}

func TestRepliesClosed(t *testing.T) {
	r := openReplies(t, t.TempDir(), nil)
	begin(t, r, "alice", "k", 1, "call-1")
	closeReplies(t, r)
	if err := r.Close(); err != nil {
		t.Errorf("a second Close: %v", err)
	}
	_, err := r.Begin(t.Context(), "alice", "k", [32]byte{}, "")
	for _, err := range []error{err, r.Finish(t.Context(), "alice", "k", nil), r.Forget(t.Context(), "alice", "k"), errors.Join(r.Check()...)} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: %v, want ErrClosed", err)
		}
	}
}

// TestRepliesFile opens files that are locked, damaged, and not ours.
func TestRepliesFile(t *testing.T) {
	dir := t.TempDir()
	r := openReplies(t, dir, nil)
	_, err := OpenReplies(dir, nil)
	if _, ok := errors.AsType[*LockedError](err); !ok {
		t.Errorf("a second Open: %v, want a LockedError", err)
	}
	for i := range 100 {
		begin(t, r, "alice", fmt.Sprint(i), 1, "call")
	}
	closeReplies(t, r)
	path := filepath.Join(dir, repliesName)
	sound, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	bad := bytes.ReplaceAll(sound, []byte("call"), []byte("cell")) // all of them: some are on pages that are free
	for what, file := range map[string][]byte{"a bit": bad, "the end": sound[:len(sound)/2], "everything": []byte(strings.Repeat("x", 1<<14))} {
		if err := os.WriteFile(path, file, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := OpenReplies(dir, nil)
		e, ok := errors.AsType[*CorruptError](err)
		if !ok {
			t.Fatalf("without %s: %v, want a CorruptError", what, err)
		}
		mention(t, e.Error()+e.Hint(), repliesName, "idempotency keys")
		if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, file) {
			t.Errorf("without %s: the file was changed (%v)", what, err)
		}
	}
	if err := os.WriteFile(path, sound, 0o600); err != nil {
		t.Fatal(err)
	}
	raw, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Update(func(tx *bolt.Tx) error { return writeSchema(tx, 9) })
	if err := errors.Join(err, raw.Close()); err != nil {
		t.Fatal(err)
	}
	_, err = OpenReplies(dir, nil)
	if e, ok := errors.AsType[*SchemaError](err); !ok || e.Have != 9 {
		t.Errorf("a newer file: %v, want a SchemaError", err)
	}
}

func BenchmarkReplies(b *testing.B) {
	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			r := openReplies(b, b.TempDir(), &RepliesOptions{MaxEntries: 1 << 30})
			var n atomic.Int64
			reply := bytes.Repeat([]byte("x"), 500)
			b.SetParallelism(callers / runtime.GOMAXPROCS(0))
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					key := fmt.Sprint(n.Add(1))
					if _, err := r.Begin(b.Context(), key, key, [32]byte{}, "call"); err != nil {
						b.Error(err)
						return
					}
					if err := r.Finish(b.Context(), key, key, reply); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}
