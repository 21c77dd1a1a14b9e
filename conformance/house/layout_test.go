// SPDX-License-Identifier: Apache-2.0

package house

import (
	"path"
	"slices"
	"strings"
)

const licenceLine = "// SPDX-License-Identifier: Apache-2.0\n"

// topLevel are the entries of the root; hidden ones may stand beside them.
func topLevel() []string {
	return []string{
		"LICENSE", "README.md", "aggregator", "cmd", "codemode", "conformance", "go.mod", "go.sum", "policy", "rego", "store", "upstream",
	}
}

func layoutRules() []rule {
	return []rule{
		{
			name: "top level", check: checkTopLevel,
			bad:  []string{"-- internal/a.go --\npackage a\n", "-- staticcheck.conf --\n", "-- Makefile --\n"},
			good: []string{"-- .ci/run --\n-- .gitignore --\n-- go.mod --\n-- README.md --\n-- cmd/a.txt --\n"},
		},
		{
			name: "licence", check: checkLicence,
			bad: []string{
				"-- a/a.go --\npackage a\n",
				"-- a/a.go --\n// Copyright 2026\n" + licenceLine + "\npackage a\n",
				"-- a/a_test.go --\n" + licenceLine + "package a\n",
			},
			good: []string{"-- a/a.go --\n" + licenceLine + "\npackage a\n", "-- a/a.go --\n" + licenceLine + "\n//go:build linux\n\npackage a\n", "-- a/a.md --\n# x\n"},
		},
		{
			name: "package comment", check: checkPackageComment,
			bad: []string{
				"-- a/a.go --\n// Package a does things.\npackage a\n",
				"-- a/doc.go --\npackage a\n",
				"-- a/doc.go --\n// Things are done here.\npackage a\n",
				"-- a/doc.go --\n// Package a does things.\npackage a\n-- a/b.go --\n// Package a does more.\npackage a\n",
				"-- cmd/tollgate/doc.go --\n// Package main is a program.\npackage main\n",
				"-- a/a_test.go --\npackage a\n",
			},
			good: []string{
				"-- a/doc.go --\n// Package a does things.\npackage a\n-- a/b.go --\n" + licenceLine + "\npackage a\n",
				"-- a/doc.go --\n/*\nPackage a does things.\n*/\npackage a\n-- a/a_test.go --\npackage a_test\n",
				"-- cmd/tollgate/doc.go --\n// Command tollgate is a gateway.\npackage main\n",
				"-- cmd/tollgate/doc.go --\n// Tollgate is a gateway.\npackage main\n",
			},
		},
	}
}

func checkTopLevel(t *tree) []finding {
	var found []finding
	for _, name := range t.top {
		if name[0] != '.' && !slices.Contains(topLevel(), name) {
			found = append(found, finding{path: name, text: "the top level is fixed: move this into one of its folders, or into a hidden one"})
		}
	}
	return found
}

func checkLicence(t *tree) []finding {
	var found []finding
	for _, f := range t.goFiles() {
		if !strings.HasPrefix(f.text, licenceLine+"\n") {
			found = append(found, finding{f.path, 1, "start the file with the line " + strings.TrimSpace(licenceLine) + " and an empty line"})
		}
	}
	return found
}

func checkPackageComment(t *tree) []finding {
	var found []finding
	for dir, files := range t.packages() {
		documented := false
		for _, f := range files {
			switch text := f.ast.Doc.Text(); {
			case path.Base(f.path) != "doc.go":
				if text != "" {
					found = append(found, t.at(f.ast, "move the package comment to doc.go"))
				}
			case !introduces(text, f.ast.Name.Name, path.Base(dir)):
				found = append(found, t.at(f.ast, `begin the package comment with "Package %s ", or for a program with its name, and explain the package`, f.ast.Name.Name))
			default:
				documented = true
			}
		}
		if i := slices.IndexFunc(files, func(f *file) bool { return path.Base(f.path) == "doc.go" }); !documented && i < 0 {
			found = append(found, finding{path: dir, text: "add a doc.go whose package comment explains the package: what it is for, how data flows, what always holds"})
		}
	}
	return found
}

// introduces reports whether a package comment starts as go doc expects.
func introduces(text, name, dir string) bool {
	if name != "main" {
		return strings.HasPrefix(text, "Package "+name+" ")
	}
	rest, _ := strings.CutPrefix(text, "Command ")
	return len(rest) > len(dir) && strings.EqualFold(rest[:len(dir)+1], dir+" ")
}
