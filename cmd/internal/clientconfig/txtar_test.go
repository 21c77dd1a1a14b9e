// SPDX-License-Identifier: Apache-2.0

package clientconfig

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write golden files")

// archive is a file in the txtar format: a comment, then files that start at lines "-- name --".
type archive struct {
	comment string
	files   []archived
}

type archived struct{ name, data string }

func readArchive(t testing.TB, path string) *archive {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	a := &archive{}
	for line := range strings.Lines(string(data)) {
		name, marked := strings.CutPrefix(strings.TrimRight(line, "\r\n"), "-- ")
		name, closed := strings.CutSuffix(name, " --")
		switch {
		case marked && closed:
			a.files = append(a.files, archived{name: name})
		case len(a.files) == 0:
			a.comment += line
		default:
			a.files[len(a.files)-1].data += line
		}
	}
	return a
}

func (a *archive) section(name string) string {
	for _, f := range a.files {
		if f.name == name {
			return f.data
		}
	}
	return ""
}

// golden compares the last file of an archive with what was made of the others, or rewrites it with -update.
func (a *archive) golden(t *testing.T, path, name, got string) {
	t.Helper()
	if !*update {
		if diff := cmp.Diff(a.section(name), got); diff != "" {
			t.Errorf("run go test -update after reading this (-want +got):\n%s", diff)
		}
		return
	}
	var b strings.Builder
	b.WriteString(a.comment)
	for _, f := range a.files {
		if f.name != name {
			b.WriteString("-- " + f.name + " --\n" + f.data)
		}
	}
	b.WriteString("-- " + name + " --\n" + got)
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// eachArchive runs f for every golden file of a folder.
func eachArchive(t *testing.T, folder string, f func(t *testing.T, path string, a *archive)) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", folder, "*.txtar"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no golden files in %s: %v", folder, err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) { f(t, path, readArchive(t, path)) })
	}
}
