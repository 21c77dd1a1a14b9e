// SPDX-License-Identifier: Apache-2.0

package rego

import (
	"embed"
	"io/fs"
)

// FS holds the policy files that ship, without their tests.
//
//go:embed access.rego call.rego
var FS embed.FS

// Modules returns the files of [FS] as policy.Options.Modules wants them: name
// to text. Callers add the operator's own files to the map.
func Modules() (map[string]string, error) {
	modules := map[string]string{}
	err := fs.WalkDir(FS, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := FS.ReadFile(name)
		modules[name] = string(text)
		return err
	})
	return modules, err
}
