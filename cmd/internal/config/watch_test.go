// SPDX-License-Identifier: Apache-2.0

package config

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// watched runs Watch on a file until the test ends and hands each new configuration (nil when the file is not valid) to the
// test.
func watched(t *testing.T, c *Config) <-chan *Config {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	changes, ended := make(chan *Config, 16), make(chan error, 1)
	go func() {
		ended <- Watch(ctx, c, 5*time.Millisecond, func() *Config {
			next, err := Load(c.File(), nil)
			if err != nil {
				next = nil
			}
			changes <- next
			return next
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Watch = %v", err)
		}
	})
	return changes
}

func next(t *testing.T, changes <-chan *Config) *Config {
	t.Helper()
	select {
	case c := <-changes:
		return c
	case <-time.After(10 * time.Second):
		t.Fatal("no change was noticed")
		return nil
	}
}

func rewriteFile(t *testing.T, path, text string) {
	t.Helper()
	temp := path + ".tmp"
	if err := os.WriteFile(temp, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(temp, path); err != nil {
		t.Fatal(err)
	}
}

func load(t *testing.T, path string) *Config {
	t.Helper()
	c, err := Load(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestWatch(t *testing.T) {
	dir := writeFiles(t, map[string]string{"tollgate.yaml": "version: 1\n", "secrets/a": "one"})
	path := filepath.Join(dir, "tollgate.yaml")
	c := load(t, path)
	rewriteFile(t, path, "log: {level: warn}\n") // between Load and Watch
	changes := watched(t, c)
	if got := next(t, changes); got.Log.Level != "warn" {
		t.Fatalf("level = %q", got.Log.Level)
	}
	rewriteFile(t, path, "log: {level: \n")
	if got := next(t, changes); got != nil {
		t.Fatal("a broken file was loaded")
	}
	rewriteFile(t, path, "upstreams: [{name: a, command: x, args: ['${file:secrets/a}']}]\n")
	if got := next(t, changes); got.Upstreams[0].Args[0].Reveal() != "one" {
		t.Fatal("the reference has another value")
	}
	rewriteFile(t, filepath.Join(dir, "secrets", "a"), "two") // watched since the file names it
	if got := next(t, changes); got.Upstreams[0].Args[0].Reveal() != "two" {
		t.Fatal("the secret has another value")
	}
	select {
	case <-changes:
		t.Fatal("one change was reported twice")
	default:
	}
}

// TestWatchSameContent touches and rewrites the file with what it has; only the real change that follows is reported.
func TestWatchSameContent(t *testing.T) {
	dir := writeFiles(t, map[string]string{"tollgate.yaml": "version: 1\n"})
	path := filepath.Join(dir, "tollgate.yaml")
	changes := watched(t, load(t, path))
	for range 3 {
		rewriteFile(t, path, "version: 1\n")
	}
	rewriteFile(t, filepath.Join(dir, "other"), "x")
	rewriteFile(t, path, "log: {level: warn}\n")
	if got := next(t, changes); got.Log.Level != "warn" {
		t.Fatal("a file with the same content was reported")
	}
}

// TestWatchSymlinkSwap changes the file the way Kubernetes updates a mounted volume.
func TestWatchSymlinkSwap(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("links of Unix")
	}
	dir := writeFiles(t, map[string]string{"..v1/tollgate.yaml": "version: 1\n", "..v2/tollgate.yaml": "log: {level: error}\n"})
	link := func(target, name string) {
		t.Helper()
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	link("..v1", "..data")
	link("..data/tollgate.yaml", "tollgate.yaml")
	changes := watched(t, load(t, filepath.Join(dir, "tollgate.yaml")))
	link("..v2", "..data_tmp")
	if err := os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
	if got := next(t, changes); got.Log.Level != "error" {
		t.Fatal("the old volume was read")
	}
}
