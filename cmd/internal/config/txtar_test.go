// SPDX-License-Identifier: Apache-2.0

package config

import (
	"os"
	"strings"
	"testing"
)

// archive is a file in the txtar format: a comment, then files that start at lines "-- name --".
type archive struct {
	comment string
	files   []archived
}

type archived struct{ name, data string }

func readArchive(t *testing.T, path string) *archive {
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

// rewrite stores the archive with a new last file.
func (a *archive) rewrite(t *testing.T, path, name, data string) {
	t.Helper()
	var b strings.Builder
	b.WriteString(a.comment)
	for _, f := range a.files {
		if f.name != name {
			b.WriteString("-- " + f.name + " --\n" + f.data)
		}
	}
	b.WriteString("-- " + name + " --\n" + data)
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}
