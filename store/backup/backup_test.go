// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/store"
	"tollgate/store/audit"
	"tollgate/store/ledger"
)

// rig is a state directory with everything open in it, as in a gateway.
type rig struct {
	t   testing.TB
	dir string
	src *Source
}

// fastDir is a new directory where syncing costs little, if there is such a place.
func fastDir(t testing.TB) string {
	dir, err := os.MkdirTemp("/dev/shm", "tollgate-backup-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func budgets() []*ledger.Budget {
	return []*ledger.Budget{{ID: "team", Name: "team", Limit: 1_000_000_000, Period: ledger.Period{Unit: ledger.UnitMonth}}}
}

// open opens a state directory.
func open(t testing.TB, dir string) *rig {
	t.Helper()
	r := &rig{t: t, dir: dir, src: &Source{Dir: dir}}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var err error
	r.src.State, err = store.Open(dir, nil)
	check(err)
	seed, err := r.src.State.SealingKey("audit checkpoints")
	check(err)
	r.src.Key = ed25519.NewKeyFromSeed(seed)
	r.src.Ledger, err = ledger.Open(&ledger.Options{
		Dir: dir, Node: "test", CheckpointEvery: 20 * time.Millisecond,
		Audit: audit.Options{Key: r.src.Key, SegmentRecords: 700, CheckpointRecords: 100},
	})
	check(err)
	check(r.src.Ledger.SetBudgets(budgets()))
	r.src.Replies, err = store.OpenReplies(dir, &store.RepliesOptions{MaxPerCaller: 100_000})
	check(err)
	r.src.Programs, err = store.OpenPrograms(dir, nil)
	check(err)
	return r
}

func (r *rig) close() {
	r.t.Helper()
	s := r.src
	if err := errors.Join(s.Programs.Close(), s.Replies.Close(), s.Ledger.Close(), s.State.Close()); err != nil {
		r.t.Error(err)
	}
}

// check walks every invariant.
func (r *rig) check() {
	r.t.Helper()
	errs := append(r.src.State.Check(), r.src.Ledger.Check(r.t.Context())...)
	for _, err := range append(errs, r.src.Replies.Check()...) {
		r.t.Errorf("Check: %v", err)
	}
	v, err := r.src.Ledger.Log().Verify(r.t.Context(), nil)
	if err != nil || v.Problem != nil {
		r.t.Errorf("Verify: %v, %+v", err, v)
	}
}

// call makes one call with an idempotency key.
func (r *rig) call(class audit.Class, id string, cost int64) error {
	ctx := context.Background()
	if _, err := r.src.Replies.Begin(ctx, "ann", id, [32]byte{}, id); err != nil {
		return err
	}
	if err := r.bare(class, id, cost); err != nil {
		return err
	}
	return r.src.Replies.Finish(ctx, "ann", id, []byte("answer of "+id))
}

// bare makes one call without a key.
func (r *rig) bare(class audit.Class, id string, cost int64) error {
	ctx := context.Background()
	res, err := r.src.Ledger.Reserve(ctx, &ledger.Request{
		Class: class, Cost: 10, Charges: []ledger.Charge{{Budget: "team"}},
		Record: &audit.Record{Kind: audit.Intent, ID: id, Of: &audit.Labels{User: "ann", Team: "core", Tool: "search"}},
	})
	if err != nil {
		return err
	}
	return res.Settle(ctx, &audit.Record{End: "answered", Cost: cost})
}

// load makes calls of all classes, and keys, until the returned function is called.
func (r *rig) load(calls *atomic.Int64) (stop func()) {
	done := make(chan struct{})
	var group sync.WaitGroup
	for n := range 6 {
		class := []audit.Class{audit.Strict, audit.Durable, audit.Async}[n%3]
		group.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				if err := r.call(class, fmt.Sprintf("%d-%d", n, i), int64(i%11)); err != nil {
					r.t.Error(err)
					return
				}
				calls.Add(1)
				if n == 0 && i%50 == 0 {
					if _, _, err := r.src.State.CreateKey(store.Key{Subject: "s"}); err != nil {
						r.t.Error(err)
					}
				}
			}
		})
	}
	return func() { close(done); group.Wait() }
}

// wantSum compares the balance of the copy with the records of the copy, and looks whether every call in it is known to those
// who ask again.
func (r *rig) wantSum() (calls int) {
	r.t.Helper()
	spent, held := int64(0), map[string]int64{}
	log := r.src.Ledger.Log()
	for stored, err := range log.Scan(r.t.Context(), 0, log.Size()) {
		if err != nil {
			r.t.Fatal(err)
		}
		rec, err := audit.Decode(stored.Text)
		if err != nil {
			r.t.Fatal(err)
		}
		switch rec.Kind {
		case audit.Intent:
			held[rec.ID] = rec.Reserve.Cost
			calls++
			kept, err := r.src.Replies.Begin(r.t.Context(), "ann", rec.ID, [32]byte{}, "again")
			if conflict, ok := errors.AsType[*store.ConflictError](err); kept == nil && (!ok || !conflict.Unknown) {
				r.t.Errorf("call %s would be made again: %v", rec.ID, err)
			}
		case audit.Outcome:
			delete(held, rec.ID)
			spent += rec.Cost
		case audit.Lease:
			if rec.Lease.Action == audit.LeaseCharge {
				spent += rec.Lease.Amount
			}
		}
	}
	b, err := r.src.Ledger.Balances(r.t.Context(), &ledger.BalanceQuery{})
	if err != nil || len(b) != 1 || b[0].Settled != spent || b[0].Reserved != 0 || len(held) != 0 {
		r.t.Errorf("balances %+v, %v; by the records %d are spent and %d calls open", b, err, spent, len(held))
	}
	costs, err := r.src.Ledger.Costs(r.t.Context(), &ledger.CostQuery{Team: "core", GroupBy: []string{"tool"}})
	if err != nil || costs.Total.Calls != int64(calls) {
		r.t.Errorf("costs of %d calls: %+v, %v", calls, costs, err)
	}
	return calls
}

// wantPrivate checks that only its owner can read the backup.
func wantPrivate(t *testing.T, dir string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		return
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err == nil && fi.Mode().Perm()&0o077 != 0 {
			err = fmt.Errorf("%s is open to others: %s", path, fi.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestBackupUnderLoad makes backups while calls are made, and opens each as a state directory.
func TestBackupUnderLoad(t *testing.T) {
	r := open(t, fastDir(t))
	if err := os.WriteFile(filepath.Join(r.dir, "alerts.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	secret, _, err := r.src.State.CreateKey(store.Key{Subject: "first"})
	if err != nil {
		t.Fatal(err)
	}
	var calls atomic.Int64
	stop := r.load(&calls)
	places := fastDir(t)
	for i := range 3 {
		for want := calls.Load() + 400; calls.Load() < want && !t.Failed(); {
			runtime.Gosched()
		}
		before, steps := calls.Load(), map[string]int64{}
		to := filepath.Join(places, fmt.Sprintf("backup-%d", i))
		report, err := r.src.Write(t.Context(), to, &Options{Progress: func(p Progress) error {
			if p.Done < steps[p.Step] || p.Done > p.Total {
				t.Errorf("progress goes from %d to %+v", steps[p.Step], p)
			}
			steps[p.Step] = p.Done
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		meanwhile := calls.Load() - before
		if meanwhile == 0 || steps["copy"] == 0 {
			t.Errorf("%d calls were made during the backup, progress %v", meanwhile, steps)
		}
		wantPrivate(t, to)
		copied := open(t, to)
		if copied.src.Ledger.Log().Size() < report.Size || report.Size < 800 {
			t.Errorf("the copy has %d records, the report says %d", copied.src.Ledger.Log().Size(), report.Size)
		}
		copied.check()
		known := copied.wantSum()
		if _, err := copied.src.State.LookupKey(secret); err != nil {
			t.Error(err)
		}
		if b, err := os.ReadFile(filepath.Join(to, "alerts.json")); err != nil || string(b) != "{}" {
			t.Errorf("alerts.json: %q, %v", b, err)
		}
		copied.close()
		t.Logf("%d calls in the copy, %d made meanwhile", known, meanwhile)
	}
	stop()
	r.check()
	r.close()
}

// unpack is what an operator does with an archive.
func unpack(t *testing.T, file, dir string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	in := io.Reader(f)
	if strings.HasSuffix(file, "gz") {
		if in, err = gzip.NewReader(f); err != nil {
			t.Fatal(err)
		}
	}
	for archive := tar.NewReader(in); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, filepath.FromSlash(h.Name))
		if h.Typeflag == tar.TypeDir {
			err = os.MkdirAll(path, h.FileInfo().Mode().Perm())
		} else {
			var b []byte
			if b, err = io.ReadAll(archive); err == nil {
				err = os.WriteFile(path, b, h.FileInfo().Mode().Perm())
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestArchives makes each kind of archive without a gateway, and opens what is in them.
func TestArchives(t *testing.T) {
	r := open(t, fastDir(t))
	for i := range 1000 {
		if err := r.call(audit.Async, fmt.Sprint(i), 3); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Open(r.dir); !errors.As(err, new(*store.LockedError)) {
		t.Errorf("Open beside a gateway: %v", err)
	}
	r.close()
	src, err := Open(r.dir)
	if err != nil {
		t.Fatal(err)
	}
	src.Key = r.src.Key
	places := fastDir(t)
	for _, name := range []string{"b.tar", "b.tar.gz", "b.tgz", "b"} {
		to := filepath.Join(places, name)
		report, err := src.Write(t.Context(), to, nil)
		if err != nil {
			t.Fatal(err)
		}
		if report.Path != to || report.Key == "" || len(report.Files) < 8 {
			t.Errorf("%s: %+v", name, report)
		}
		dir := to
		if IsArchive(name) {
			if fi, err := os.Stat(to); err != nil || fi.Size() != report.Bytes || fi.Mode().Perm() != 0o600 && runtime.GOOS != "windows" {
				t.Errorf("%s: %v, %v, the report says %d bytes", name, fi, err, report.Bytes)
			}
			dir = filepath.Join(places, "unpacked-"+name)
			unpack(t, to, dir)
		}
		wantPrivate(t, dir)
		copied := open(t, dir)
		copied.check()
		if n := copied.wantSum(); n != 1000 {
			t.Errorf("%s: %d calls", name, n)
		}
		copied.close()
	}
	if err := src.Close(); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(places, "*.tmp-*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// TestBackupIsNewOrNothing gives up in many ways: nothing is written over and nothing is left.
func TestBackupIsNewOrNothing(t *testing.T) {
	r := open(t, fastDir(t))
	for i := range 1000 {
		if err := r.call(audit.Async, fmt.Sprint(i), 3); err != nil {
			t.Fatal(err)
		}
	}
	places := fastDir(t)
	there := filepath.Join(places, "there.tar")
	if err := os.WriteFile(there, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	enough := errors.New("enough")
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, test := range []struct {
		name, to string
		ctx      context.Context
		stop     string // the step in which somebody has had enough
		want     error
		word     string
	}{
		{name: "it is there", to: there, want: fs.ErrExist, word: "never written over"},
		{name: "a folder is there", to: places, want: fs.ErrExist},
		{name: "in the state directory", to: filepath.Join(r.dir, "backup"), word: "outside"},
		{name: "nowhere", to: filepath.Join(places, "none", "b"), want: fs.ErrNotExist},
		{name: "cancelled", to: filepath.Join(places, "b"), ctx: cancelled, want: context.Canceled},
		{name: "enough of copying", to: filepath.Join(places, "b"), stop: "copy", want: enough},
		{name: "enough of packing", to: filepath.Join(places, "b.tar"), stop: "pack", want: enough},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx := test.ctx
			if ctx == nil {
				ctx = t.Context()
			}
			_, err := r.src.Write(ctx, test.to, &Options{Progress: func(p Progress) error {
				if p.Step == test.stop {
					return enough
				}
				return nil
			}})
			if err == nil || test.want != nil && !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.word) {
				t.Errorf("Write = %v", err)
			}
			if entries, err := os.ReadDir(places); err != nil || len(entries) != 1 {
				t.Errorf("left behind: %v, %v", entries, err)
			}
		})
	}
	if b, err := os.ReadFile(there); err != nil || string(b) != "precious" {
		t.Errorf("what was there: %q, %v", b, err)
	}
	r.close()
}

// TestBackupOfDamage notices records that are not those that were written, in a segment that is copied and in the newest.
func TestBackupOfDamage(t *testing.T) {
	for _, newest := range []bool{false, true} {
		r := open(t, fastDir(t))
		for i := range 800 {
			if err := r.call(audit.Durable, fmt.Sprint(i), 3); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.src.Ledger.Log().Seal(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.close()
		segments, err := filepath.Glob(filepath.Join(r.dir, "audit", "*.db"))
		if err != nil || len(segments) < 2 {
			t.Fatal(segments, err)
		}
		path, from, to := segments[0], "", ""
		if newest {
			path, from, to = segments[len(segments)-1], `"end":"answered"`, `"end":"ANSWERED"`
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text := string(b)
		if newest {
			text = strings.Replace(text, from, to, 1)
		} else {
			for at := 2*os.Getpagesize() + 500; at < len(b); at += os.Getpagesize() {
				b[at] ^= 0x40 // in the middle of pages
			}
			text = string(b)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil || newest && text == string(b) {
			t.Fatal("nothing was changed", err)
		}
		src, err := Open(r.dir)
		if err != nil {
			t.Fatal(err)
		}
		places := fastDir(t)
		if _, err := src.Write(t.Context(), filepath.Join(places, "b"), nil); err == nil {
			t.Errorf("newest=%t: a backup of a damaged log", newest)
		} else {
			t.Log(err)
		}
		if entries, err := os.ReadDir(places); err != nil || len(entries) != 0 {
			t.Errorf("left behind: %v, %v", entries, err)
		}
		if err := src.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestCompactAll compacts a state directory under load and one at rest.
func TestCompactAll(t *testing.T) {
	r := open(t, fastDir(t))
	var calls atomic.Int64
	stop := r.load(&calls)
	for want := int64(1500); calls.Load() < want && !t.Failed(); {
		runtime.Gosched()
	}
	compact := func(src *Source) {
		t.Helper()
		seen := map[string]bool{}
		err := src.Compact(t.Context(), func(c *Compacted) error {
			seen[c.Name] = true
			if c.After > c.Before || c.Why != "" && runtime.GOOS != "windows" {
				t.Errorf("%+v", c)
			}
			return nil
		})
		if err != nil || len(seen) < 4 {
			t.Errorf("Compact: %v, %v", seen, err)
		}
	}
	compact(r.src)
	stop()
	compact(r.src)
	r.check()
	r.close()
	src, err := Open(r.dir)
	if err != nil {
		t.Fatal(err)
	}
	compact(src)
	if err := src.Close(); err != nil {
		t.Fatal(err)
	}
	r = open(t, r.dir)
	r.check()
	if n := r.wantSum(); int64(n) != calls.Load() {
		t.Errorf("%d calls of %d", n, calls.Load())
	}
	r.close()
}
