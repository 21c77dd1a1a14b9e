// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"tollgate/cmd/internal/cli"
	"tollgate/policy/author"
)

func (a *app) policyCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check [PATH ...]",
		Short: "Check policies as the gateway does when it loads them",
		Long: `Compile policies together with the shipped ones, against the schema of the input document, and with the roles and limits of
the configuration. Every mistake is reported with its place and a hint. What upstreams really offer is not looked at:
"tollgate doctor" says when a limit names an argument that a tool does not have.

EXIT STATUS
  0  no mistakes   2  wrong usage   3  mistake in the configuration   4  mistake in a policy`,
		Example: "  tollgate policy check\n  tollgate policy check policies/",
		RunE: func(_ *cobra.Command, paths []string) error {
			w, err := a.authored(paths)
			if err != nil {
				return err
			}
			r, err := w.plan.compile()
			if err != nil {
				return err
			}
			fmt.Fprintf(a.streams.Out, "ok: %d Rego files beside the shipped ones, %d roles, %d limits; revision %.12s\n",
				len(w.own), len(w.plan.roles), len(w.plan.limits), r.engine.Revision())
			return nil
		},
	}
}

func (a *app) policyFmtCommand() *cobra.Command {
	var check, write bool
	c := &cobra.Command{
		Use:   "fmt [--check | --write] PATH ...",
		Short: "Format Rego files",
		Long: `Format Rego files as "opa fmt" does. The result is printed; with --write, the files are replaced and their names printed;
with --check, only the names of files that are not formatted are printed.

EXIT STATUS
  0  done   1  some file is not formatted (--check)   2  wrong usage   4  a file is not Rego`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, paths []string) error {
			if check && write {
				return cli.Usage("--check and --write exclude each other")
			}
			return a.policyFmt(paths, check, write)
		},
	}
	c.Flags().BoolVar(&check, "check", false, "only name the files that are not formatted")
	c.Flags().BoolVarP(&write, "write", "w", false, "replace the files")
	return c
}

func (a *app) policyFmt(paths []string, check, write bool) error {
	files, err := regoFiles(paths)
	if err != nil {
		return err
	}
	var wrong []error
	dirty := false
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return cli.WithCode(err, cli.ExitUsage)
		}
		formatted, err := author.Format(name, string(text))
		switch {
		case err != nil:
			wrong = append(wrong, err)
			continue
		case !check && !write:
			_, err = a.streams.Out.Write(formatted)
		case bytes.Equal(formatted, text):
			continue
		case write:
			err = replaceFile(name, formatted)
		}
		if err != nil {
			return err
		}
		if check || write {
			dirty = true
			fmt.Fprintln(a.streams.Out, cli.Clean(name))
		}
	}
	if len(wrong) > 0 {
		return cli.WithCode(errors.Join(wrong...), cli.ExitPolicy)
	}
	if check && dirty {
		return cli.Said(cli.ExitError)
	}
	return nil
}

// regoFiles are the Rego files among paths and in the folders among them, tests included.
func regoFiles(paths []string) ([]string, error) {
	var out []string
	for _, path := range paths {
		w := &authoring{own: map[string]string{}, tests: map[string]string{}}
		if err := w.collect(path); err != nil {
			return nil, err
		}
		out = append(out, sortedKeys(w.own)...)
		out = append(out, sortedKeys(w.tests)...)
	}
	if len(out) == 0 {
		return nil, &cli.Error{Code: cli.ExitUsage, Err: fmt.Errorf("no Rego file in %s", strings.Join(paths, ", "))}
	}
	return out, nil
}
