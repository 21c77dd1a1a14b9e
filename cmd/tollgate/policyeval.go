// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tollgate/cmd/internal/cli"
	"tollgate/policy/author"
)

func (a *app) policyEvalCommand() *cobra.Command {
	var input string
	var paths []string
	var trace bool
	c := &cobra.Command{
		Use:   "eval [QUERY] --input FILE",
		Short: "Evaluate a Rego query with the policy, its data and an input document",
		Long: `Evaluate a query and print its result as JSON. The default query is data.tollgate.call.decision; another useful one is
data.tollgate.access.reason. The input is a decision input document (see ` + "`tollgate policy schema`" + `); - is standard input.

EXIT STATUS
  0  the query has a result   1  it is undefined   2  wrong usage   3  mistake in the configuration   4  mistake in a policy`,
		Example: `  tollgate policy eval --input request.json
  tollgate policy eval 'data.tollgate.access.allow' --input request.json --trace`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if input == "" && len(args) == 0 {
				return cli.Usage("--input is missing: the decision is about a document; `tollgate policy schema` describes it")
			}
			query := "data.tollgate.call.decision"
			if len(args) == 1 {
				query = args[0]
			}
			w, err := a.authored(paths)
			if err != nil {
				return err
			}
			var document []byte
			if input != "" {
				if document, err = a.readInput(input); err != nil {
					return err
				}
			}
			return a.policyEval(c.Context(), w, query, document, trace)
		},
	}
	f := c.Flags()
	f.StringVarP(&input, "input", "i", "", "file with the input document")
	f.StringSliceVarP(&paths, "policy", "p", nil, "Rego files or folders, instead of those of the configuration")
	f.BoolVar(&trace, "trace", false, "also print, to standard error, how the result came about")
	return c
}

func (a *app) policyEval(ctx context.Context, w *authoring, query string, input []byte, trace bool) error {
	r, err := w.plan.compile()
	if err != nil {
		return err
	}
	data, err := r.engine.Data()
	if err != nil {
		return err
	}
	got, err := author.Eval(ctx, &author.EvalOptions{
		Modules: w.plan.modules, Data: data, Input: input, Query: query, Trace: trace,
	})
	if err != nil {
		return cli.WithCode(err, cli.ExitPolicy)
	}
	fmt.Fprint(a.streams.Err, cleanLines(got.Output+got.Trace))
	if !got.Defined {
		fmt.Fprintf(a.streams.Err, "undefined: %s has no value for this input\n", cli.Clean(query))
		return cli.Said(cli.ExitError)
	}
	fmt.Fprintln(a.streams.Out, string(got.Value))
	return nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// lines are the lines of text without their ends.
func lines(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for line := range strings.Lines(text) {
			if !yield(strings.TrimRight(line, "\r\n")) {
				return
			}
		}
	}
}
