// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"tollgate/store"
)

// memory is a sink that remembers.
type memory struct {
	mu    sync.Mutex // guards what follows
	sizes []uint64
	fail  error
	hang  bool // until the context ends
	tries int
}

func (m *memory) Name() string { return "memory" }

// Put implements [Sink].
func (m *memory) Put(ctx context.Context, _ []byte, size uint64) error {
	m.mu.Lock()
	hang := m.hang
	m.mu.Unlock()
	if hang {
		<-ctx.Done()
		return ctx.Err()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tries++
	if m.fail != nil {
		return m.fail
	}
	m.sizes = append(m.sizes, size)
	return nil
}

func (m *memory) set(err error, hang bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail, m.hang = err, hang
}

func (m *memory) attempts() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.tries
}

func (m *memory) taken() []uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]uint64(nil), m.sizes...)
}

// TestCheckpointsAreSigned as time goes by, as records come, and at the end.
func TestCheckpointsAreSigned(t *testing.T) {
	dir := private(t)
	synctest.Test(t, func(t *testing.T) {
		sink := &memory{}
		l, err := Open(&Options{Dir: dir, Key: testKey(), Sinks: []Sink{sink}, CheckpointRecords: 10})
		if err != nil {
			t.Fatal(err)
		}
		want := func(sizes ...uint64) {
			t.Helper()
			synctest.Wait()
			if diff := cmp.Diff(sizes, sink.taken()); diff != "" {
				t.Fatalf("the sink has (-want +got):\n%s", diff)
			}
			if got := l.Stats().Checkpoint; got != sizes[len(sizes)-1] {
				t.Errorf("Stats: checkpoint of %d records", got)
			}
		}
		add(t, l, numbered(0, 3)...)
		<-time.After(59 * time.Second)
		add(t, l, numbered(3, 1)...)
		<-time.After(2 * time.Second)
		want(4)
		<-time.After(10 * time.Minute) // nothing new, nothing signed
		want(4)
		add(t, l, numbered(4, 9)...)
		want(4)
		add(t, l, numbered(13, 1)...)
		want(4, 14)
		add(t, l, numbered(14, 1)...)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		want(4, 14, 15)
	})
	l := open(t, &Options{Dir: dir, Key: testKey()})
	sizes, err := l.noteSizes()
	if diff := cmp.Diff([]uint64{4, 14, 15}, sizes); diff != "" || err != nil {
		t.Errorf("stored (-want +got):\n%s%v", diff, err)
	}
	size, root, err := parseNote(readFile(t, filepath.Join(dir, noteName)))
	if err != nil || size != 15 || root != l.head.Load().root {
		t.Errorf("the newest covers %d records with root %v, %v; the log has %v", size, root, err, l.head.Load().root)
	}
}

// TestSinkThatFails tries again, ever more slowly, and never holds up the log.
func TestSinkThatFails(t *testing.T) {
	dir := private(t)
	synctest.Test(t, func(t *testing.T) {
		sink, good := &memory{fail: errors.New("no route")}, &memory{}
		l, err := Open(&Options{Dir: dir, Key: testKey(), Sinks: []Sink{sink, good}, CheckpointRecords: 1})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 100 {
			add(t, l, numbered(i, 1)...)
			synctest.Wait()
		}
		<-time.After(time.Hour)
		if n := len(good.taken()); n != 100 {
			t.Errorf("the other sink has %d checkpoints", n)
		}
		tries := sink.attempts()
		if tries < 60 || tries > 80 {
			t.Errorf("%d attempts in an hour", tries)
		}
		s := l.Stats().Sinks[0]
		if s.Name != "memory" || s.Err == nil || s.Failures != uint64(tries) || s.Skipped != 36 || s.Size != 0 {
			t.Errorf("stats: %+v", s)
		}
		sink.set(nil, false)
		<-time.After(2 * time.Minute)
		got := sink.taken()
		if len(got) != 64 || got[0] != 37 || got[63] != 100 {
			t.Errorf("after it recovered: %d checkpoints, %v", len(got), got)
		}
		sink.set(nil, true) // a sink that hangs does not keep Close from ending
		add(t, l, "last")
		began := time.Now()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > sinkGrace {
			t.Errorf("Close took %v", took)
		}
	})
}

// TestCheckpointThatCannotBeStored is tried again, and the file of all of them stays readable.
func TestCheckpointThatCannotBeStored(t *testing.T) {
	for _, after := range []bool{false, true} {
		disk := newFaults()
		o := &Options{Dir: private(t), Key: testKey(), Disk: disk}
		l := open(t, o)
		add(t, l, numbered(0, 5)...)
		disk.set(only(OpWrite, full(), after))
		if err := l.publish(); err == nil || l.signed.Load() != 0 {
			t.Errorf("publish = %v", err)
		}
		disk.set(nil)
		add(t, l, "more")
		if err := l.publish(); err != nil {
			t.Fatal(err)
		}
		checkAndClose(t, l)
		sizes, err := l.noteSizes()
		if err != nil || len(sizes) == 0 || sizes[len(sizes)-1] != 6 {
			t.Errorf("stored: %v, %v", sizes, err)
		}
	}
}

// TestTornCheckpoint finds half a checkpoint at the end of the file, as a crash leaves it.
func TestTornCheckpoint(t *testing.T) {
	o := &Options{Dir: private(t), Key: testKey()}
	l := open(t, o)
	for i := range 3 {
		add(t, l, numbered(i, 1)...)
		if err := l.publish(); err != nil {
			t.Fatal(err)
		}
	}
	checkAndClose(t, l)
	path := filepath.Join(o.Dir, notesName)
	whole := readFile(t, path)
	one := len(whole) / 3
	for cut := range one {
		if err := os.WriteFile(path, whole[:2*one+cut], 0o600); err != nil {
			t.Fatal(err)
		}
		if err := l.trimNotes(); err != nil {
			t.Fatal(err)
		}
		if got := string(readFile(t, path)); got != string(whole[:2*one]) {
			t.Fatalf("cut after %d bytes: %q is left", cut, got)
		}
	}
}

// TestOlderThanItsCheckpoint is given an older copy of the records, and then others in their place.
func TestOlderThanItsCheckpoint(t *testing.T) {
	o := &Options{Dir: private(t), Key: testKey()}
	l := open(t, o)
	add(t, l, numbered(0, 5)...)
	path := l.live.path
	checkAndClose(t, l)
	older := readFile(t, path)
	l = open(t, o)
	add(t, l, numbered(5, 5)...)
	checkAndClose(t, l)
	if err := os.WriteFile(path, older, 0o600); err != nil {
		t.Fatal(err)
	}
	wantCorrupt(t, o, noteName, "covers 10 records", "has only 5")
	note := readFile(t, filepath.Join(o.Dir, noteName))
	lines := strings.SplitN(string(note), "\n", 4)
	other := &Options{Dir: private(t)}
	l = open(t, other)
	add(t, l, numbered(100, 20)...)
	checkAndClose(t, l)
	if err := os.WriteFile(filepath.Join(other.Dir, noteName), note, 0o600); err != nil {
		t.Fatal(err)
	}
	wantCorrupt(t, other, noteName, "the first 10 records of the log are not those that it covers")
	for _, bad := range []string{"", "junk", "a\nb\nc\nd\n", lines[0] + "\n10\nAAAA\n" + lines[3]} {
		if err := os.WriteFile(filepath.Join(other.Dir, noteName), []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Open(other)
		if _, ok := errors.AsType[*store.CorruptError](err); !ok {
			t.Errorf("checkpoint %q: Open = %v", bad, err)
		}
	}
}
