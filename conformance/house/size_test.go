// SPDX-License-Identifier: Apache-2.0

package house

import (
	"fmt"
	"go/ast"
	"slices"
	"strings"
	"testing"
)

// The most lines of a file and of a function. What is longer does two things, or says them twice.
const (
	maxProduction = 400
	maxTest       = 800
	maxFunction   = 59
	maxTable      = 119 // of a test, whose table is data
)

func sizeRules() []rule {
	long := func(name string, lines int) string {
		return "-- " + name + " --\npackage a\n" + strings.Repeat("\n", lines-1)
	}
	function := func(name string, lines int) string {
		return "-- " + name + " --\npackage a\n\nfunc f() {\n" + strings.Repeat("\tg()\n", lines-2) + "}\n"
	}
	return []rule{
		{
			name: "file size", check: checkFileSize,
			bad:  []string{long("a.go", maxProduction+1), long("a_test.go", maxTest+1)},
			good: []string{long("a.go", maxProduction), long("a_test.go", maxTest), long("a.md", 1000)},
		},
		{
			name: "function size", check: checkFunctionSize,
			bad:  []string{function("a.go", maxFunction+1), function("a_test.go", maxTable+1), "-- a.go --\npackage a\n\ntype t int\n\nfunc (t) f() {" + strings.Repeat("\n", 80) + "}\n"},
			good: []string{function("a.go", maxFunction), function("a_test.go", maxTable)},
		},
	}
}

func checkFileSize(t *tree) []finding {
	var found []finding
	for _, f := range t.goFiles() {
		limit := maxProduction
		if f.isTest() {
			limit = maxTest
		}
		if f.lines() > limit {
			found = append(found, finding{path: f.path, text: fmt.Sprintf("%d lines: split it, by type or by verb, into files of at most %d lines", f.lines(), limit)})
		}
	}
	return found
}

func checkFunctionSize(t *tree) []finding {
	var found []finding
	for _, f := range t.goFiles() {
		limit := maxFunction
		if f.isTest() {
			limit = maxTable
		}
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && t.span(fn) > limit {
				found = append(found, t.at(fn, "%s has %d lines: take steps out of it until it has at most %d", fn.Name.Name, t.span(fn), limit))
			}
		}
	}
	return found
}

// TestSizes says how large files and functions are.
func TestSizes(t *testing.T) {
	whole := repository(t)
	var production, tests, functions []int
	for _, f := range whole.goFiles() {
		if f.isTest() {
			tests = append(tests, f.lines())
			continue
		}
		production = append(production, f.lines())
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok {
				functions = append(functions, whole.span(fn))
			}
		}
	}
	for _, row := range []struct {
		what  string
		sizes []int
	}{{"production files", production}, {"test files", tests}, {"production functions", functions}} {
		slices.Sort(row.sizes)
		n := len(row.sizes)
		t.Logf("%-20s %4d, lines: median %d, p90 %d, largest %d", row.what, n, row.sizes[n/2], row.sizes[n*9/10], row.sizes[n-1])
	}
}
