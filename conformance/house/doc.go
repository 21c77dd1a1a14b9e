// SPDX-License-Identifier: Apache-2.0

// Package house holds the rules of this code base as tests: who may import whom, how large things get, what every file and
// package says about itself, and forms that are not used.
//
// # Data flow
//
//	repository ─► tree ─► rule.check ─► findings, each a file, a line and what to do
//
// The tree holds every file of the repository, Go files parsed for all operating systems at once, so a rule sees what the
// build on this machine leaves out. A rule is a function from a tree to findings. Nothing here is linked into the program.
//
// # Invariants
//
//  1. Every rule is shown to find something: its bad snippets are small trees that must give a finding, its good ones trees
//     that must not.
//  2. A finding says what to do, not only what is wrong.
//  3. A rule knows no exceptions by file name except those in its table, each with a reason.
//
// # Why tests and not a linter's configuration (2026-11-24)
//
// The rules run with the test command that everybody runs, on a fresh machine, and speak in our words. golangci-lint with
// depguard was the rejected option: one more program to pin, and most of what is below has no linter. Its place is taken
// by go vet and staticcheck, which .ci/run adds.
package house
