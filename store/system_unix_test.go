// SPDX-License-Identifier: Apache-2.0

//go:build unix

package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const nobody = 65534

func playSystem(part string, args []string) error {
	switch part {
	case "limited": // open args[0] and make keys until files may not grow beyond args[1] bytes
		return playLimited(args[0], args[1])
	case "unprivileged": // open args[0] as a user with no rights
		if err := dropRights(); err != nil {
			return err
		}
		db, err := Open(args[0], nil)
		if err != nil {
			return err
		}
		return db.Close()
	case "stranger": // say something to the socket args[0] as another user
		if err := dropRights(); err != nil {
			return err
		}
		c, err := net.Dial("unix", args[0])
		if err != nil {
			return err
		}
		_, _ = c.Write([]byte("let me in"))
		if err := c.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
			return err
		}
		b, err := io.ReadAll(c)
		fmt.Printf("got %q\n", b)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return errors.New("the connection stayed open")
		}
		return nil
	}
	return fmt.Errorf("no part %q", part)
}

func dropRights() error {
	if os.Geteuid() != 0 {
		return nil
	}
	return errors.Join(syscall.Setgid(nobody), syscall.Setuid(nobody))
}

func limitFiles(bytes uint64) error {
	var lim syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &lim); err != nil {
		return err
	}
	lim.Cur = bytes
	return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &lim)
}

// playLimited fills the file, shows that reading still works, lifts the limit and goes on.
func playLimited(dir, limit string) error {
	n, err := strconv.ParseUint(limit, 10, 63)
	if err != nil {
		return err
	}
	if err := limitFiles(n); err != nil {
		return err
	}
	db, err := Open(dir, nil)
	if err != nil {
		return err
	}
	secret, _, err := db.CreateKey(Key{Subject: "first"})
	if err != nil {
		return err
	}
	made := 1
	var full error
	for full == nil && made < 10_000 {
		if _, _, full = db.CreateKey(Key{Subject: "filler", Label: strings.Repeat("x", 200)}); full == nil {
			made++
		}
	}
	fmt.Println("full:", full)
	if hint, ok := errors.AsType[*FileError](full); ok {
		fmt.Println("hint:", hint.Hint())
	}
	if _, err := db.LookupKey(secret); err != nil {
		return fmt.Errorf("lookup on a full disk: %w", err)
	}
	if err := limitFiles(1 << 30); err != nil {
		return err
	}
	if _, _, err := db.CreateKey(Key{Subject: "later"}); err != nil {
		return fmt.Errorf("create after space was freed: %w", err)
	}
	made++
	keys, err := db.Keys()
	if err != nil || len(keys) != made {
		return fmt.Errorf("%d keys, want %d (%w)", len(keys), made, err)
	}
	if err := errors.Join(db.Check()...); err != nil {
		return err
	}
	fmt.Println("recovered")
	return db.Close()
}

func TestDiskFull(t *testing.T) {
	t.Run("while in use", func(t *testing.T) {
		dir := t.TempDir()
		// The memory map is 32 KiB at first and so is the file; this is where it wants to grow.
		out, ok := start(t, "limited", dir, strconv.Itoa(40<<10)).finish()
		if !ok {
			t.Fatalf("child failed: %s", out)
		}
		mention(t, out, "full: create key:", "no space left", stateName, "hint: free space", "recovered")
		open(t, dir, nil)
	})
	t.Run("at the start", func(t *testing.T) {
		out, ok := start(t, "limited", t.TempDir(), "5000").finish()
		if ok {
			t.Fatalf("child succeeded: %s", out)
		}
		mention(t, out, "no space left", stateName, "hint: free space")
	})
}

// TestDiskFullForReal fills a small file system; only root can mount one.
func TestDiskFullForReal(t *testing.T) {
	dir := t.TempDir()
	if err := mountTmpfs(dir, "size=400k,mode=0700"); err != nil {
		t.Skipf("a small file system cannot be mounted here: %v", err)
	}
	db := open(t, dir, nil)
	t.Cleanup(func() {
		if err := unmount(dir); err != nil {
			t.Error(err)
		}
	})
	secret, _ := create(t, db, Key{Subject: "first"})
	if err := os.WriteFile(filepath.Join(dir, "filler"), make([]byte, 1<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("filling the disk: %v", err)
	}
	var full error
	for i := 0; full == nil && i < 2000; i++ {
		_, _, full = db.CreateKey(Key{Subject: "filler", Label: strings.Repeat("x", 200)})
	}
	if full == nil {
		t.Fatal("the disk never became full")
	}
	mention(t, full.Error(), "no space left")
	if _, err := db.LookupKey(secret); err != nil {
		t.Errorf("LookupKey on a full disk: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, "filler")); err != nil {
		t.Fatal(err)
	}
	create(t, db, Key{Subject: "later"})
	checkAndClose(t, db)
}

func TestReadOnlyDirectory(t *testing.T) {
	top := t.TempDir()
	dir := filepath.Join(top, "state")
	checkAndClose(t, open(t, dir, nil))
	if os.Geteuid() == 0 {
		// The child has other rights than we have, so it must be able to come this far.
		for _, d := range []string{top, filepath.Dir(top)} {
			if err := os.Chmod(d, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		for _, path := range []string{dir, filepath.Join(dir, stateName), filepath.Join(dir, pidName)} {
			if err := os.Chown(path, nobody, nobody); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, name := range []string{stateName, pidName} {
		if err := os.Chmod(filepath.Join(dir, name), 0o400); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	t.Run("with state", func(t *testing.T) { wantNoPermission(t, dir) })
	t.Run("to be made", func(t *testing.T) { wantNoPermission(t, filepath.Join(dir, "below")) })
	for _, name := range []string{stateName, pidName} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && os.Geteuid() == 0 {
			t.Fatal(err)
		}
	}
	t.Run("without state", func(t *testing.T) { wantNoPermission(t, dir) })
	if err := os.Chmod(dir, 0o700); err != nil { // so that it can be removed
		t.Fatal(err)
	}
}

func wantNoPermission(t *testing.T, dir string) {
	t.Helper()
	out, ok := start(t, "unprivileged", dir).finish()
	if ok {
		t.Fatalf("Open succeeded: %s", out)
	}
	mention(t, out, "permission denied", strconv.Quote(dir)[1:len(dir)], "hint: let the user", "TOLLGATE_STATE_DIR")
}

// TestSocketStranger opens up every mode bit that protects the socket, to see what is left.
func TestSocketStranger(t *testing.T) {
	if os.Geteuid() != 0 || !peersAreKnown {
		t.Skip("becoming another user needs root, and telling him needs Linux")
	}
	dir := t.TempDir()
	open(t, dir, nil)
	l, err := Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	path := l.Addr().String()
	for p, mode := range map[string]os.FileMode{filepath.Dir(dir): 0o755, dir: 0o755, path: 0o777} {
		if err := os.Chmod(p, mode); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if err := os.Chmod(dir, 0o700); err != nil {
			t.Error(err)
		}
	})
	accepted := make(chan net.Conn, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			accepted <- c
		}
		close(accepted)
	}()
	out, ok := start(t, "stranger", path).finish()
	if !ok {
		t.Fatalf("child failed: %s", out)
	}
	mention(t, out, `got ""`)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	mine, err := Dial(ctx, dir)
	if err != nil {
		t.Fatalf("Dial by the owner after a stranger: %v", err)
	}
	defer mine.Close()
	c := <-accepted
	if c == nil {
		t.Fatal("the owner was not accepted")
	}
	defer c.Close()
	if _, err := mine.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 1)
	if _, err := c.Read(b); err != nil || string(b) != "x" {
		t.Fatalf("the accepted connection says %q, %v; want the owner's x", b, err)
	}
}
