// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/zalando/go-keyring"
)

// fakeSources answers references from a golden file: "env" has NAME=value lines, "keyring" service/user=value lines, every
// other file is there to be read. It is noon of 2026-11-25.
func fakeSources(a *archive) *Options {
	lines := func(name string) map[string]string {
		out := map[string]string{}
		for line := range strings.Lines(a.section(name)) {
			if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
				out[key] = value
			}
		}
		return out
	}
	return &Options{
		Now: func() time.Time { return time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC) },
		Env: func(name string) (string, bool) { v, ok := lines("env")[name]; return v, ok },
		ReadFile: func(path string) ([]byte, error) {
			for _, f := range a.files {
				if f.name == filepath.ToSlash(path) {
					return []byte(f.data), nil
				}
			}
			return nil, &fs.PathError{Op: "open", Path: path, Err: errors.New("no such file")}
		},
		Keyring: func(service, user string) (string, error) {
			if v, ok := lines("keyring")[service+"/"+user]; ok {
				return v, nil
			}
			return "", keyring.ErrNotFound
		},
	}
}

// TestGolden parses tollgate.yaml of each testdata/*.txtar and compares what is reported: diagnostics when the file is
// refused, warnings when it is accepted.
func TestGolden(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			a := readArchive(t, path)
			got := report(a)
			if strings.Contains(got, "hunter2") {
				t.Errorf("a confidential value is shown:\n%s", got)
			}
			if *update {
				a.rewrite(t, path, "want", got)
				return
			}
			if diff := cmp.Diff(a.section("want"), got); diff != "" {
				t.Fatalf("run go test -update after reading this (-want +got):\n%s", diff)
			}
		})
	}
}

func report(a *archive) string {
	var out bytes.Buffer
	c, err := Parse("tollgate.yaml", []byte(a.section("tollgate.yaml")), fakeSources(a))
	if err != nil {
		fmt.Fprintf(&out, "%v\n", err)
		return out.String()
	}
	fmt.Fprintln(&out, "valid")
	for _, w := range c.Warnings() {
		fmt.Fprintf(&out, "warning: %s\n", w.Text())
	}
	return out.String()
}
