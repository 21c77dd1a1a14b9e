// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestChildEnv(t *testing.T) {
	parent := []string{"PATH=/bin", "HOME=/home/u", "AWS_SECRET_ACCESS_KEY=s3cret", "LD_PRELOAD=/evil.so", "NODE_OPTIONS=-r evil",
		"XDG_CONFIG_HOME=/c", "TOLLGATE_STATE_DIR=/s", "=C:=C:\\"}
	got, err := childEnv(parent, map[string]string{"TOKEN": "t=1", "HOME": "/other"})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"PATH=/bin", "HOME=/home/u", "XDG_CONFIG_HOME=/c", "HOME=/other", "TOKEN=t=1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
	for _, bad := range []map[string]string{{"": "x"}, {"A=B": "x"}, {"A\x00": "x"}, {"A": "\x00"}} {
		if _, err := childEnv(nil, bad); err == nil {
			t.Errorf("childEnv accepted %q", bad)
		}
	}
}

func TestResolveCommand(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("needs permission bits")
	}
	dir, cwd := t.TempDir(), t.TempDir()
	t.Chdir(cwd)
	for path, mode := range map[string]os.FileMode{dir + "/server": 0o755, dir + "/open": 0o757, dir + "/data": 0o644,
		cwd + "/here": 0o755} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil { // beyond the umask
			t.Fatal(err)
		}
	}
	env := []string{"PATH=/nowhere", "PATH=.:" + dir}
	tests := []struct{ name, dir, want, err string }{
		{"server", "", dir + "/server", ""},
		{dir + "/server", "", dir + "/server", ""},
		{"./server", dir, dir + "/server", ""},
		{"./here", "", "here", ""},
		{"here", "", "", `command "here" was not found in PATH`}, // a relative entry in PATH counts for nothing
		{"server --flag", "", "", `command "server --flag" was not found in PATH`},
		{"server; true", "", "", `was not found in PATH`},
		{"$(server)", "", "", `was not found in PATH`},
		{"", "", "", "no command is configured"},
		{"a\x00b", "", "", "NUL"},
		{"./data", dir, "", "permission denied"},
		{"./missing", dir, "", "no such file"},
		{"./open", dir, "", "can be changed by every user"},
		{"open", "", "", "can be changed by every user"},
	}
	for _, test := range tests {
		got, err := resolveCommand(test.name, test.dir, env)
		switch {
		case test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)):
			t.Errorf("resolveCommand(%q) = %q, %v; want the error %q", test.name, got, err, test.err)
		case test.err == "" && (err != nil || !filepath.IsAbs(got) || !strings.HasSuffix(got, test.want)):
			t.Errorf("resolveCommand(%q) = %q, %v; want %q", test.name, got, err, test.want)
		}
	}
}

func TestRing(t *testing.T) {
	r := newRing(16)
	if got := r.String(); got != "" {
		t.Errorf("an empty ring holds %q", got)
	}
	for _, s := range []string{"one\n", "two\n"} {
		_, _ = r.Write([]byte(s))
	}
	if got := r.String(); got != "one\ntwo" {
		t.Errorf("the ring holds %q", got)
	}
	_, _ = r.ReadFrom(strings.NewReader("three\n\nfour\nfive\n"))
	if got := r.String(); got != "\nfour\nfive" { // from a line start
		t.Errorf("the ring holds %q", got)
	}
	_, _ = r.Write([]byte(strings.Repeat("x", 100)))
	if got := r.String(); got != strings.Repeat("x", 16) {
		t.Errorf("the ring holds %q", got)
	}
	if got := cap(r.buf); got > 128 {
		t.Errorf("the ring occupies %d bytes", got)
	}
	long := newRing(100)
	_, _ = long.Write([]byte("a\n \nb\r\nc\nd\n"))
	if got := long.lastLines(3, 100); got != "b\nc\nd" {
		t.Errorf("last lines %q", got)
	}
	_, _ = long.Write([]byte("ä\n"))
	if got := long.lastLines(3, 2); got != "ä" {
		t.Errorf("last lines %q", got)
	}
	if got := long.lastLines(1, 1); got != "" { // half a character is none
		t.Errorf("last lines %q", got)
	}
}

func TestInheritedNames(t *testing.T) {
	var got []string
	for _, name := range []string{"PATH", "LANG", "LC_ALL", "TMPDIR", "XDG_RUNTIME_DIR", "SystemRoot", "PATHEXT",
		"LD_LIBRARY_PATH", "DYLD_INSERT_LIBRARIES", "PYTHONPATH", "GITHUB_TOKEN", "SSH_AUTH_SOCK", "XDG", "PATHS"} {
		if inherited(name) {
			got = append(got, name)
		}
	}
	want := []string{"PATH", "LANG", "LC_ALL", "TMPDIR", "XDG_RUNTIME_DIR", "SystemRoot", "PATHEXT"}
	if !slices.Equal(got, want) {
		t.Errorf("inherited %q, want %q", got, want)
	}
}
