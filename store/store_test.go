// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// childEnv makes the test binary play a second process: its value names the part.
const childEnv = "TOLLGATE_STORE_TEST_CHILD"

func TestMain(m *testing.M) {
	if part := os.Getenv(childEnv); part != "" {
		if err := play(part, os.Args[1:]); err != nil {
			fmt.Println("error:", err)
			if hint, ok := errors.AsType[interface {
				error
				Hint() string
			}](err); ok {
				fmt.Println("hint:", hint.Hint())
			}
			os.Exit(1)
		}
		os.Exit(0)
	}
	// Every step of the model waits for the disk, so it makes do with fewer runs than usual.
	flag.Parse()
	if !flagSet("rapid.checks") {
		_ = flag.Set("rapid.checks", "25")
	}
	os.Exit(m.Run())
}

func flagSet(name string) (set bool) {
	flag.Visit(func(f *flag.Flag) { set = set || f.Name == name })
	return set
}

func play(part string, args []string) error {
	switch part {
	case "own": // open the directory, until standard input ends
		db, err := Open(args[0], nil)
		if err != nil {
			return err
		}
		fmt.Println("ready")
		_, _ = io.Copy(io.Discard, os.Stdin)
		return db.Close()
	case "serve": // open the directory and echo on its control socket, until standard input ends
		return playServe(args[0])
	case "compact":
		return playCompact(args[0])
	}
	return playSystem(part, args)
}

func playServe(dir string) error {
	db, err := Open(dir, nil)
	if err != nil {
		return err
	}
	l, err := Listen(dir)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	served := make(chan struct{})
	go func() {
		defer close(served)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.Copy(c, c)
			_ = c.Close()
		}
	}()
	_, _ = io.Copy(io.Discard, os.Stdin)
	err = l.Close()
	<-served
	return errors.Join(err, db.Close())
}

// child is a second process.
type child struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.Closer
	out *bufio.Reader
}

func start(t *testing.T, part string, args ...string) *child {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, args...)
	// A program built with the race detector otherwise lingers for a second at its end.
	cmd.Env = append(os.Environ(), childEnv+"="+part, "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{t: t, cmd: cmd, in: in, out: bufio.NewReader(out)}
	t.Cleanup(func() { c.kill() })
	return c
}

// ready waits for the child to say that it is.
func (c *child) ready() *child {
	c.t.Helper()
	if line, err := c.out.ReadString('\n'); line != "ready\n" {
		c.t.Fatalf("child said %q (%v), want ready", line, err)
	}
	return c
}

// finish ends the child's input and returns what it printed and whether it succeeded.
func (c *child) finish() (string, bool) {
	c.t.Helper()
	_ = c.in.Close()
	b, err := io.ReadAll(c.out)
	if err != nil {
		c.t.Fatal(err)
	}
	return string(b), c.cmd.Wait() == nil
}

// kill ends the child without a chance to tidy up.
func (c *child) kill() {
	if c.cmd.ProcessState == nil {
		_ = c.cmd.Process.Kill()
		_ = c.cmd.Wait()
	}
}

// clock is a clock that only moves when told to.
type clock struct{ t time.Time }

func newClock() *clock { return &clock{time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time          { return c.t }
func (c *clock) advance(d time.Duration) { c.t = c.t.Add(d) }

// open opens dir for the test, which ends with a check of every invariant.
func open(t testing.TB, dir string, o *Options) *DB {
	t.Helper()
	db, err := Open(dir, o)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() {
		if db.index.Load() != nil {
			checkAndClose(t, db)
		}
	})
	return db
}

// private returns a new directory that only its owner can enter, as tests need that put files there before Open.
func private(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

func checkAndClose(t testing.TB, db *DB) {
	t.Helper()
	for _, err := range db.Check() {
		t.Errorf("Check: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// create makes a key and returns its text.
func create(t testing.TB, db *DB, k Key) (string, Key) {
	t.Helper()
	secret, created, err := db.CreateKey(k)
	if err != nil {
		t.Fatalf("CreateKey: %v", err)
	}
	return secret, created
}

// mention fails the test unless s holds all of the words.
func mention(t testing.TB, s string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(s, w) {
			t.Errorf("%q does not mention %q", s, w)
		}
	}
}

// closed fails the test unless the peer closes c without a word.
func closed(t testing.TB, c net.Conn) {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("Read = %d, %v; want a closed connection", n, err)
	}
}
