// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// dial connects to the owner of dir and expects an echo.
func dial(t *testing.T, dir string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	c, err := Dial(ctx, dir)
	if err != nil {
		t.Fatalf("Dial: %v", err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("ping")); err != nil {
		t.Fatal(err)
	}
	if err := c.(*net.UnixConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(c); string(b) != "ping" || err != nil {
		t.Fatalf("echo is %q, %v", b, err)
	}
}

func wantNotRunning(t *testing.T, dir string) {
	t.Helper()
	c, err := Dial(t.Context(), dir)
	if err == nil {
		_ = c.Close()
	}
	if !errors.Is(err, ErrNotRunning) {
		t.Fatalf("Dial = %v, want ErrNotRunning", err)
	}
	mention(t, err.Error(), dir)
}

// leftovers lists the private directories for sockets under the temporary directory.
func leftovers(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(os.TempDir(), shortDirPrefix+"*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// longDir returns a directory whose path is too long for a socket, and makes a short directory the temporary one.
func longDir(t *testing.T) string {
	t.Helper()
	tmp, err := os.MkdirTemp(shortTempDir, "t")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(tmp) })
	for _, name := range []string{"TMPDIR", "TMP", "TEMP"} {
		t.Setenv(name, tmp)
	}
	return filepath.Join(t.TempDir(), strings.Repeat("long", 30))
}

func TestControlSocket(t *testing.T) {
	for _, test := range []struct {
		name string
		dir  func(t *testing.T) string
	}{
		{"short path", func(t *testing.T) string { return filepath.Join(t.TempDir(), "d") }},
		{"long path", longDir},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := test.dir(t)
			wantNotRunning(t, dir)
			first := start(t, "serve", dir).ready()
			dial(t, dir)
			dial(t, dir)
			path, err := socketPath(dir)
			if err != nil {
				t.Fatal(err)
			}
			if len(path) > maxSocketPath {
				t.Errorf("socket path has %d bytes", len(path))
			}
			if runtime.GOOS != "windows" {
				if m := mode(t, path); m != 0o600 {
					t.Errorf("socket mode %#o, want 0600", m)
				}
				if m := mode(t, filepath.Dir(path)); m != 0o700 {
					t.Errorf("mode of the directory around the socket %#o, want 0700", m)
				}
			}
			// Killed, it leaves the socket; nobody answers there, and the next owner replaces it.
			first.kill()
			if _, err := os.Lstat(path); err != nil {
				t.Fatalf("the test needs a stale socket: %v", err)
			}
			wantNotRunning(t, dir)
			second := start(t, "serve", dir).ready()
			dial(t, dir)
			if out, ok := second.finish(); !ok {
				t.Fatalf("second owner failed: %s", out)
			}
			wantNotRunning(t, dir)
			for _, name := range []string{socketName, addrName} {
				if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
					t.Errorf("%s is left after a clean end", name)
				}
			}
			if test.name == "long path" {
				if left := leftovers(t); len(left) > 0 {
					t.Errorf("left behind: %q", left)
				}
			}
			open(t, dir, nil)
		})
	}
}

func TestListenNeedsOwnership(t *testing.T) {
	dir := t.TempDir()
	if _, err := Listen(dir); !errors.Is(err, ErrNotOwner) {
		t.Fatalf("Listen without owner = %v, want ErrNotOwner", err)
	}
	// Somebody else's socket, stale or not, is not ours to remove.
	owner := start(t, "serve", dir).ready()
	if _, err := Listen(dir); !errors.Is(err, ErrNotOwner) {
		t.Fatalf("Listen beside an owner = %v, want ErrNotOwner", err)
	}
	dial(t, dir)
	owner.kill()
	if _, err := Listen(dir); !errors.Is(err, ErrNotOwner) {
		t.Fatalf("Listen after a dead owner = %v, want ErrNotOwner", err)
	}
	if _, err := os.Lstat(filepath.Join(dir, socketName)); err != nil {
		t.Errorf("the stale socket is gone: %v", err)
	}
}

func TestListenTwice(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, nil)
	l, err := Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(dir); err == nil || !strings.Contains(err.Error(), "already served") {
		t.Errorf("second Listen = %v, want an error", err)
	}
	if err := errors.Join(l.Close(), l.Close()); err != nil {
		t.Errorf("Close, twice: %v", err)
	}
	again, err := Listen(dir)
	if err != nil {
		t.Fatalf("Listen after Close: %v", err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

func TestListenLeavesOtherFilesAlone(t *testing.T) {
	for name, content := range map[string]string{socketName: "precious", addrName: "not a path"} {
		dir := t.TempDir()
		open(t, dir, nil)
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Listen(dir); err == nil {
			t.Errorf("Listen with a file as %s succeeded", name)
		} else {
			mention(t, err.Error(), path, "remove it")
		}
		if b, err := os.ReadFile(path); string(b) != content || err != nil {
			t.Errorf("%s holds %q, %v; want it untouched", name, b, err)
		}
	}
}

// TestOldNoteOfSocket has a note about a place that belongs to something else by now.
func TestOldNoteOfSocket(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	open(t, dir, nil)
	foreign := filepath.Join(other, shortDirPrefix+"123", socketName)
	if err := os.Mkdir(filepath.Dir(foreign), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(foreign, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writeAddr(dir, foreign); err != nil {
		t.Fatal(err)
	}
	l, err := Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if b, err := os.ReadFile(foreign); string(b) != "precious" || err != nil {
		t.Errorf("a file that is no socket was touched: %q, %v", b, err)
	}
	c, err := Dial(t.Context(), dir)
	if err != nil {
		t.Fatalf("Dial after the note was replaced: %v", err)
	}
	_ = c.Close()
}

// TestAcceptChecksUser expects a connection of another user to be closed: the listener is told that it is one.
func TestAcceptChecksUser(t *testing.T) {
	if !peersAreKnown {
		t.Skip("users at the other end of a socket are known on Linux only")
	}
	dir := t.TempDir()
	open(t, dir, nil)
	l, err := listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	l.uid++
	done := make(chan error, 1)
	go func() {
		_, err := l.Accept()
		done <- err
	}()
	c, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	closed(t, c)
	_ = c.Close()
	select {
	case err := <-done:
		t.Errorf("Accept returned (%v), want it to wait for somebody else", err)
	default:
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept after Close: %v, want net.ErrClosed", err)
	}
}

func TestDialEndsWithContext(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, nil)
	l, err := Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Dial(ctx, dir); !errors.Is(err, context.Canceled) {
		t.Fatalf("Dial with a context that is over = %v", err)
	}
}
