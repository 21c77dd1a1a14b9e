// SPDX-License-Identifier: Apache-2.0

package config

import (
	"path/filepath"
	"testing"
)

// TestCommandBesideTheFile: "./x" stays a path, however the file is named; a bare name would be looked for in PATH.
func TestCommandBesideTheFile(t *testing.T) {
	c, err := Parse("tollgate.yaml", []byte("version: 1\nupstreams:\n  - {name: a, command: ./server}\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := "." + string(filepath.Separator) + "server"; c.Upstreams[0].Command != want {
		t.Errorf("command %q, want %q", c.Upstreams[0].Command, want)
	}
}
