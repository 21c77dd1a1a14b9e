// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"tollgate/store"
)

// childEnv makes the test binary play a second process: its value names the part.
const childEnv = "TOLLGATE_AUDIT_TEST_CHILD"

func TestMain(m *testing.M) {
	if part := os.Getenv(childEnv); part != "" {
		if err := play(part, os.Args[1]); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	// Every run of the model waits for the disk, so it makes do with fewer of them than usual.
	flag.Parse()
	set := false
	flag.Visit(func(f *flag.Flag) { set = set || f.Name == "rapid.checks" })
	if !set {
		_ = flag.Set("rapid.checks", "20")
	}
	os.Exit(m.Run())
}

func play(part, dir string) error {
	l, err := Open(&Options{Dir: dir, SegmentRecords: 500, CheckpointRecords: 100, Key: testKey()})
	if err != nil {
		return err
	}
	if part == "own" {
		fmt.Println("ready")
		_, _ = io.Copy(io.Discard, os.Stdin)
		return l.Close()
	}
	// Part "write": eight callers write without end, and say which of their records are on disk.
	var mu sync.Mutex // guards standard output
	var group sync.WaitGroup
	for c := range 8 {
		group.Go(func() {
			for i := 0; ; i++ {
				text := fmt.Sprintf("%d/%d/%d", os.Getpid(), c, i)
				r, err := l.Append(Entry{Text: []byte(text)})
				if err != nil || r.Wait(context.Background()) != nil {
					return
				}
				mu.Lock()
				fmt.Println(text)
				mu.Unlock()
			}
		})
	}
	group.Wait()
	return errors.New("the log took no more")
}

// child is a second process.
type child struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.Closer
	out *bufio.Reader
}

func start(t *testing.T, part, dir string) *child {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, dir)
	// A program built with the race detector otherwise lingers for a second at its end.
	cmd.Env = append(os.Environ(), childEnv+"="+part, "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = os.Stderr
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	return &child{t: t, cmd: cmd, in: in, out: bufio.NewReader(out)}
}

func readFile(tb testing.TB, path string) []byte {
	tb.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func TestSecondProcess(t *testing.T) {
	t.Parallel() // it waits most of the time
	dir := private(t)
	c := start(t, "own", dir)
	if line, err := c.out.ReadString('\n'); line != "ready\n" {
		t.Fatalf("child said %q, %v", line, err)
	}
	_, err := Open(&Options{Dir: dir})
	if _, ok := errors.AsType[*store.LockedError](err); !ok {
		t.Errorf("Open = %v, want a LockedError", err)
	}
	_, err = OpenReader(dir)
	if _, ok := errors.AsType[*store.LockedError](err); !ok {
		t.Errorf("OpenReader = %v, want a LockedError", err)
	}
	if err := errors.Join(c.in.Close(), c.cmd.Wait()); err != nil {
		t.Fatal(err)
	}
	open(t, &Options{Dir: dir})
	if _, err := Open(&Options{Dir: dir}); err == nil {
		t.Error("the log was opened twice in one process")
	}
}

// TestKill ends the writing process at any moment, again and again: what it said to be on disk is there, in whole groups
// behind what was there before, and the log is in order.
func TestKill(t *testing.T) {
	rounds := 12
	if testing.Short() {
		rounds = 3
	}
	dir := private(t)
	rnd := rand.New(rand.NewPCG(5, 6))
	var before []string
	for range rounds {
		c := start(t, "write", dir)
		after := 1 + rnd.IntN(600)
		var said []string
		for line, err := c.out.ReadString('\n'); err == nil; line, err = c.out.ReadString('\n') {
			if said = append(said, strings.TrimSpace(line)); len(said) == after {
				if err := c.cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		err := c.cmd.Wait()
		if len(said) < after {
			t.Fatalf("child ended by itself: %v; %q", err, said)
		}
		l, err := Open(&Options{Dir: dir, SegmentRecords: 500, Key: testKey()})
		if err != nil {
			t.Fatalf("Open after a kill: %v", err)
		}
		got := contents(t, l)
		checkAndClose(t, l)
		before = wantRecovered(t, before, said, got)
	}
}

func wantRecovered(t *testing.T, before, said, got []string) []string {
	t.Helper()
	at := map[string]int{}
	for i, text := range got {
		if _, twice := at[text]; twice {
			t.Errorf("%q is there twice", text)
		}
		at[text] = i
	}
	for i, text := range before {
		if n, ok := at[text]; !ok || n != i {
			t.Fatalf("record %d, from before, is gone or elsewhere", i)
		}
	}
	for _, text := range said {
		if _, ok := at[text]; !ok {
			t.Errorf("%q was said to be on disk and is not", text)
		}
	}
	// Each of the eight callers had at most one record under way.
	if more := len(got) - len(before) - len(said); more < 0 || more > 8 {
		t.Errorf("%d records more than were acknowledged", more)
	}
	for _, text := range got[len(before):] {
		part := strings.Split(text, "/")
		if n, err := strconv.Atoi(part[2]); err != nil || n > 0 && at[part[0]+"/"+part[1]+"/"+strconv.Itoa(n-1)] >= at[text] {
			t.Errorf("%q is not behind the one before (%v)", text, err)
		}
	}
	return got
}

// TestDiskFullForReal fills a small file system; only root can mount one.
func TestDiskFullForReal(t *testing.T) {
	top := t.TempDir()
	if err := mountTmpfs(top, "size=600k,mode=0700"); err != nil {
		t.Skipf("a small file system cannot be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := unmount(top); err != nil {
			t.Error(err)
		}
	})
	dir := filepath.Join(top, "audit")
	l := open(t, &Options{Dir: dir, Key: testKey(), CheckpointRecords: 20})
	add(t, l, "before")
	filler := filepath.Join(top, "filler")
	if err := os.WriteFile(filler, make([]byte, 300<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	want := []string{"before"}
	var full error
	for i := 0; full == nil && i < 2000; i++ {
		text := fmt.Sprintf("%d %s", i, strings.Repeat("x", 1000))
		r, err := l.Append(Entry{Text: []byte(text)})
		if err == nil {
			err = r.Wait(t.Context())
		}
		if full = err; err == nil {
			want = append(want, text)
		}
	}
	wantFailed(t, full, "no space left", "audit", ".db", "free space")
	kept, err := l.Append(Entry{Text: []byte("kept"), Keep: true})
	if err != nil {
		t.Fatal(err)
	}
	wantFailed(t, l.Room(), "no space left")
	wantContents(t, l, want)
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if err := kept.Wait(t.Context()); err != nil {
		t.Fatalf("after space was freed: %v", err)
	}
	add(t, l, "after")
	want = append(want, "kept", "after")
	wantContents(t, l, want)
	checkAndClose(t, l)
	wantContents(t, open(t, &Options{Dir: dir}), want)
	if !errors.Is(full, syscall.ENOSPC) {
		t.Errorf("%v is no ENOSPC", full)
	}
}
