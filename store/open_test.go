// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func mode(t *testing.T, path string) fs.FileMode {
	t.Helper()
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return fi.Mode().Perm()
}

func TestOpenMakesPrivateDirectory(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("mode bits mean nothing here")
	}
	dir := filepath.Join(t.TempDir(), "a", "b")
	open(t, dir, nil)
	for path, want := range map[string]fs.FileMode{
		filepath.Dir(dir): 0o700, dir: 0o700, filepath.Join(dir, stateName): 0o600, filepath.Join(dir, pidName): 0o600,
	} {
		if got := mode(t, path); got != want {
			t.Errorf("%s: mode %#o, want %#o", filepath.Base(path), got, want)
		}
	}
}

func TestOpenExistingDirectory(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("mode bits mean nothing here")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	notes := filepath.Join(dir, "notes.txt")
	if err := os.WriteFile(notes, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := Open(dir, nil)
	file, ok := errors.AsType[*FileError](err)
	if !ok {
		t.Fatalf("Open of a directory that others can enter: %v", err)
	}
	mention(t, err.Error(), strconv.Quote(dir), "0755")
	mention(t, file.Hint(), "chmod 700")
	if got := mode(t, dir); got != 0o755 {
		t.Fatalf("mode of a directory with somebody's files is %#o, want it untouched", got)
	}

	if err := os.Remove(notes); err != nil {
		t.Fatal(err)
	}
	open(t, dir, nil)
	if got := mode(t, dir); got != 0o700 {
		t.Errorf("mode of an empty directory became %#o, want 0700", got)
	}
}

func TestOpenNotADirectory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(path, nil)
	if err == nil {
		t.Fatal("Open of a file succeeded")
	}
	mention(t, err.Error(), strconv.Quote(path), "not a directory")
}

func TestReopenKeepsEverything(t *testing.T) {
	dir, clk := t.TempDir(), newClock()
	o := &Options{Now: clk.now}
	db := open(t, dir, o)
	secret, _ := create(t, db, Key{Subject: "ci", Org: "acme", Team: "infra", Label: "build bot", Roles: []string{"reader", "writer"}, Expires: clk.t.Add(time.Hour)})
	_, gone := create(t, db, Key{Subject: "old"})
	if err := db.RevokeKey(gone.ID); err != nil {
		t.Fatal(err)
	}
	clk.advance(time.Minute)
	if _, err := db.LookupKey(secret); err != nil {
		t.Fatal(err)
	}
	before, err := db.Keys()
	if err != nil {
		t.Fatal(err)
	}
	seal, err := db.SealingKey("test")
	if err != nil {
		t.Fatal(err)
	}
	checkAndClose(t, db)

	db = open(t, dir, o)
	after, err := db.Keys()
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(before, after); d != "" {
		t.Errorf("keys changed (-before +after):\n%s", d)
	}
	if _, err := db.LookupKey(secret); err != nil {
		t.Errorf("LookupKey after reopen: %v", err)
	}
	if again, err := db.SealingKey("test"); err != nil || !cmp.Equal(seal, again) {
		t.Errorf("SealingKey changed, %v", err)
	}
}

func TestLockNamesOwner(t *testing.T) {
	dir := t.TempDir()
	owner := start(t, "own", dir).ready()
	began := time.Now()
	_, err := Open(dir, nil)
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("Open took %v, want about a second", took)
	}
	locked, ok := errors.AsType[*LockedError](err)
	if !ok {
		t.Fatalf("Open = %v, want a LockedError", err)
	}
	if locked.PID != owner.cmd.Process.Pid || locked.Dir != dir {
		t.Errorf("LockedError{%q, %d}, want {%q, %d}", locked.Dir, locked.PID, dir, owner.cmd.Process.Pid)
	}
	pid := strconv.Itoa(owner.cmd.Process.Pid)
	mention(t, err.Error(), strconv.Quote(dir), "process "+pid)
	mention(t, locked.Hint(), "attach", "process "+pid, "TOLLGATE_STATE_DIR")

	if out, ok := owner.finish(); !ok {
		t.Fatalf("owner failed: %s", out)
	}
	open(t, dir, nil)
}

func TestLockOfKilledOwner(t *testing.T) {
	dir := t.TempDir()
	start(t, "own", dir).ready().kill()
	db := open(t, dir, nil)
	if pid := readPID(dir); pid != os.Getpid() {
		t.Errorf("noted owner is %d, want %d", pid, os.Getpid())
	}
	_, err := Open(dir, nil)
	if locked, ok := errors.AsType[*LockedError](err); !ok || locked.PID != os.Getpid() {
		t.Errorf("second Open in the same process: %v", err)
	}
	checkAndClose(t, db)
	if pid := readPID(dir); pid != 0 {
		t.Errorf("noted owner after Close is %d, want none", pid)
	}
}

func TestLockedWithoutNote(t *testing.T) {
	err := &LockedError{Dir: "/state"}
	mention(t, err.Error(), `"/state"`, "another process")
	mention(t, err.Hint(), "attach", "stop that process")
}

func TestClosed(t *testing.T) {
	db := open(t, t.TempDir(), nil)
	secret, k := create(t, db, Key{Subject: "ci"})
	checkAndClose(t, db)
	if err := db.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	_, _, create := db.CreateKey(Key{Subject: "ci"})
	_, lookup := db.LookupKey(secret)
	_, list := db.Keys()
	_, seal := db.SealingKey("x")
	for name, err := range map[string]error{
		"CreateKey": create, "LookupKey": lookup, "Keys": list, "SealingKey": seal,
		"RevokeKey": db.RevokeKey(k.ID), "Check": errors.Join(db.Check()...),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s after Close: %v, want ErrClosed", name, err)
		}
	}
}

func TestDefaultDir(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("USERPROFILE", home)
	t.Setenv("LocalAppData", filepath.Join(home, "Local"))
	t.Setenv("XDG_STATE_HOME", "")
	want := map[string]string{
		"windows": filepath.Join(home, "Local", "tollgate"),
		"darwin":  filepath.Join(home, "Library", "Application Support", "tollgate"),
	}[runtime.GOOS]
	unix := want == ""
	if unix {
		want = filepath.Join(home, ".local", "state", "tollgate")
	}
	if got, err := DefaultDir(); got != want || err != nil {
		t.Errorf("DefaultDir() = %q, %v, want %q", got, err, want)
	}
	if !unix {
		return
	}
	t.Setenv("XDG_STATE_HOME", filepath.Join(home, "xdg"))
	if got, err := DefaultDir(); got != filepath.Join(home, "xdg", "tollgate") || err != nil {
		t.Errorf("DefaultDir() with XDG_STATE_HOME = %q, %v", got, err)
	}
	t.Setenv("XDG_STATE_HOME", "relative")
	if got, err := DefaultDir(); got != want || err != nil {
		t.Errorf("DefaultDir() with a relative XDG_STATE_HOME = %q, %v, want %q", got, err, want)
	}
	t.Setenv("XDG_STATE_HOME", "")
	t.Setenv("HOME", "")
	if _, err := DefaultDir(); err == nil {
		t.Error("DefaultDir() without a home directory succeeded")
	} else {
		mention(t, err.Error(), "TOLLGATE_STATE_DIR")
	}
}
