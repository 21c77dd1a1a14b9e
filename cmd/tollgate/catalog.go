// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"tollgate/cmd/internal/cli"
	"tollgate/cmd/internal/control"
)

func (a *app) catalogCommand() *cobra.Command {
	var q control.CatalogQuery
	var asJSON bool
	c := &cobra.Command{
		Use:   "catalog [--as ROLE-OR-SUBJECT]",
		Short: "Show the merged catalog, or what a caller sees of it and why",
		Long: `Show every tool, prompt, resource and template of all upstreams. With --as, only what that caller sees; with --hidden
also what it does not see. --as is a role, or a subject that an API key or a binding knows. The rule column says which
pattern shows or hides an entry; a tool whose arguments are constrained for the caller is marked as narrowed. The token
estimate is a quarter of the definition's bytes. Why a call is refused, "tollgate policy explain" says.

EXIT STATUS
  0  done   1  failed   2  wrong usage, or an unknown caller   3, 4  mistake in the configuration or a policy`,
		Example: "  tollgate catalog --as reader --hidden",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if q.Role == "" && (q.Toolset != "" || q.Hidden) {
				return &cli.Error{Code: cli.ExitUsage, Err: errors.New("--toolset and --hidden are about what a caller sees"), Hint: "add --as ROLE"}
			}
			client, done, err := a.operator(c.Context())
			if err != nil {
				return err
			}
			got, err := client.Catalog(c.Context(), &q)
			if err := errors.Join(err, done()); err != nil {
				return err
			}
			if asJSON {
				return a.streams.JSON(got)
			}
			return a.printCatalog(got, q.Role != "")
		},
	}
	f := c.Flags()
	f.StringVar(&q.Role, "as", "", "show what this role or subject sees")
	f.StringVar(&q.Toolset, "toolset", "", "only this toolset (with --as)")
	f.BoolVar(&q.Hidden, "hidden", false, "with --as: also show what the role does not see")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func (a *app) printCatalog(got *control.Catalog, role bool) error {
	head := []string{"KIND", "NAME", "UPSTREAM", "~TOKENS"}
	if role {
		head = append(head, "SEEN", "RULE")
	}
	t := cli.NewTable(head...)
	seen := 0
	for _, e := range got.Entries {
		row := []string{e.Kind, e.Name, e.Upstream, strconv.Itoa(e.Tokens)}
		if role {
			word := "no"
			if e.Visible {
				word = "yes"
			}
			rule := e.Rule
			if e.Narrowed {
				rule += "; narrowed"
			}
			row = append(row, word, rule)
		}
		if e.Visible {
			seen++
		}
		t.Row(row...)
	}
	if _, err := t.WriteTo(a.streams.Out); err != nil {
		return err
	}
	fmt.Fprintf(a.streams.Out, "\n%d entries, tool definitions of about %d tokens\n", seen, got.Tokens)
	for _, p := range got.Problems {
		fmt.Fprintf(a.streams.Err, "left out: %s: %s\n", cli.Clean(p.Item), cli.Clean(p.Reason))
	}
	return nil
}
