// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tollgate/cmd/internal/cli"
	"tollgate/policy"
	"tollgate/rego"
)

func (a *app) policyCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "policy", Short: "Check, test, explain and measure policies",
		Long: `Tools for policy authors. The guide is rego/README.md. Policies are those of the configuration; PATHs of Rego files or
folders take their place. Roles, limits and data come from the configuration in any case.

Plain opa and regal work on the same folders: opa test, opa check --strict, regal lint.`,
		RunE: helpOr,
	}
	c.AddCommand(a.policyCheckCommand(), a.policyFmtCommand(), a.policyTestCommand(), a.policyEvalCommand(),
		a.policyExplainCommand(), a.policyReplayCommand(), a.policyBenchCommand(), a.policySchemaCommand())
	return c
}

func (a *app) policySchemaCommand() *cobra.Command {
	return &cobra.Command{
		Use: "schema", Short: "Print the JSON Schema of the policy's input", Args: cobra.NoArgs,
		Long:    "Print the JSON Schema of the decision input document, which Rego rules and CEL limits read. For `opa check --schema`.",
		Example: "  tollgate policy schema > input.json && opa check --strict --schema input.json policies/",
		RunE: func(*cobra.Command, []string) error {
			_, err := a.streams.Out.Write(policy.InputSchema())
			return err
		},
	}
}

// authoring is what the commands for policy authors work on.
type authoring struct {
	plan     *plan
	own      map[string]string // the operator's Rego by file name, without tests
	tests    map[string]string // *_test.rego
	fixtures []string          // *_test.yaml
	given    bool              // the files were named on the command line
}

// authored collects the files of a policy author: those under paths, or those that the configuration names.
func (a *app) authored(paths []string) (*authoring, error) {
	p, err := a.plan()
	if err != nil {
		return nil, err
	}
	w := &authoring{plan: p, own: map[string]string{}, tests: map[string]string{}, given: len(paths) > 0}
	if !w.given {
		paths = a.authoredBy(p)
	}
	for _, path := range paths {
		if err := w.collect(path); err != nil {
			return nil, err
		}
	}
	if err := w.replace(); err != nil {
		return nil, err
	}
	slices.Sort(w.fixtures)
	w.fixtures = slices.Compact(w.fixtures)
	return w, nil
}

// authoredBy are the folders of the files that a configuration names, and its own.
func (a *app) authoredBy(p *plan) []string {
	if p.demo {
		return nil
	}
	paths := slices.Clone(p.cfg.Policy.Files)
	for _, path := range p.cfg.Policy.Files {
		if dir := filepath.Dir(path); filepath.Ext(path) != "" {
			paths = append(paths, fixturesIn(dir)...)
		}
	}
	return append(paths, fixturesIn(filepath.Dir(p.cfg.File()))...)
}

// fixturesIn are the test files right in a folder.
func fixturesIn(dir string) []string {
	var out []string
	for _, pattern := range []string{"*_test.yaml", "*_test.yml", "*_test.rego"} {
		found, _ := filepath.Glob(filepath.Join(dir, pattern)) // the pattern is well-formed
		out = append(out, found...)
	}
	return out
}

// collect takes a file, a pattern, or everything in a folder.
func (w *authoring) collect(path string) error {
	names := []string{path}
	if strings.ContainsAny(path, "*?[") {
		var err error
		if names, err = filepath.Glob(path); err != nil {
			return cli.WithCode(fmt.Errorf("%s: %w", path, err), cli.ExitUsage)
		}
	}
	for _, name := range names {
		err := filepath.WalkDir(name, func(name string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() {
				if base := d.Name(); len(base) > 1 && strings.HasPrefix(base, ".") && base != ".." {
					return fs.SkipDir
				}
				return nil
			}
			return w.file(name)
		})
		if err != nil {
			return cli.WithCode(err, cli.ExitUsage)
		}
	}
	return nil
}

func (w *authoring) file(name string) error {
	base := filepath.Base(name)
	switch {
	case strings.HasSuffix(base, "_test.yaml"), strings.HasSuffix(base, "_test.yml"):
		w.fixtures = append(w.fixtures, name)
		return nil
	case filepath.Ext(base) != ".rego":
		return nil
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if strings.HasSuffix(base, "_test.rego") {
		w.tests[name] = string(text)
	} else {
		w.own[name] = string(text)
	}
	return nil
}

// replace puts the author's files in the place of those that the configuration names, when any were given. A file that is
// the shipped one under another name stands for it: the folder rego/ of the sources can be worked on as it is.
func (w *authoring) replace() error {
	shipped, err := rego.Modules()
	if err != nil {
		return err
	}
	for name := range w.own {
		if base := filepath.Base(name); shipped[base] != "" && packageOf(shipped[base]) == packageOf(w.own[name]) && sameEntry(w.own[name]) {
			delete(shipped, base)
		}
	}
	if w.given && len(w.own) > 0 || len(w.own) > 0 && w.plan.demo {
		w.plan.modules = shipped
		maps.Copy(w.plan.modules, w.own)
	}
	return nil
}

// sameEntry reports whether a file defines the entry point that the shipped file of its name defines.
func sameEntry(text string) bool {
	return strings.Contains(text, "default allow := false") || strings.Contains(text, "decision := {")
}

func packageOf(text string) string {
	for line := range strings.Lines(text) {
		if name, ok := strings.CutPrefix(line, "package "); ok {
			return strings.TrimSpace(name)
		}
	}
	return ""
}
