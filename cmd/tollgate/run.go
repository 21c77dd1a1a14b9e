// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tollgate/cmd/internal/cli"
	"tollgate/cmd/internal/control"
)

func (a *app) runCommand() *cobra.Command {
	p := &control.Program{}
	var timeout time.Duration
	c := &cobra.Command{
		Use:   "run FILE",
		Short: "Run a TypeScript program that calls tools, as models do in Code Mode",
		Long: `Run a program as a model would through execute_code: in a sandbox without network or files, in which every tool is a
function. Each call passes the rules and limits of the caller. FILE "-" is standard input. What the program returns is printed,
then what it logged. Needs Code Mode in the configuration, for example "code: {mode: code}".

EXIT STATUS
  0  it ended   1  it failed, or the gateway did   2  wrong usage   3, 4  configuration or policy`,
		Example: "  tollgate run script.ts --as reader\n  echo 'return (await library.search({query: \"tea\"})).length' | tollgate run - --as reader",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if timeout < 0 {
				return cli.Usage("--timeout must not be negative")
			}
			var text []byte
			var err error
			if args[0] == "-" {
				text, err = io.ReadAll(a.streams.In)
			} else {
				text, err = os.ReadFile(args[0])
			}
			if err != nil {
				return &cli.Error{Code: cli.ExitUsage, Err: err}
			}
			p.Code, p.Timeout = string(text), timeout.Milliseconds()
			out, err := asking(c.Context(), a, func(client *control.Client) (*control.Outcome, error) { return client.Run(c.Context(), p) })
			if err != nil {
				return err
			}
			return a.printProgram(out)
		},
	}
	f := c.Flags()
	f.StringVar(&p.Role, "as", "", "role or subject of the caller (default: stdio.role)")
	f.StringVar(&p.Toolset, "toolset", "", "only the tools of this toolset")
	f.DurationVar(&timeout, "timeout", 0, "longest time (default: code.limits.wall)")
	return c
}

// printProgram prints the value of a program to standard output and what it logged to standard error.
func (a *app) printProgram(out *control.Outcome) error {
	if out.Error != nil {
		return a.printOutcome(out, true)
	}
	texts := resultTexts(out.Result)
	if failedResult(out.Result) {
		for _, s := range texts {
			fmt.Fprintln(a.streams.Err, cleanLines(s))
		}
		return &cli.Error{Code: cli.ExitError, Err: errors.New("the program failed")}
	}
	for i, s := range texts {
		w := a.streams.Out
		if i > 0 {
			w = a.streams.Err
		}
		fmt.Fprintln(w, a.shown(s))
	}
	return nil
}

func (a *app) typesCommand() *cobra.Command {
	q := &control.TypesQuery{}
	c := &cobra.Command{
		Use:   "types [SERVER]",
		Short: "Print tools as TypeScript declarations, as programs in Code Mode see them",
		Long: `Print the declarations of the tools of all servers, or of one. With --as they are those that a caller may call, as narrowed
for it; without, all that upstreams offer.`,
		Example: "  tollgate types > tools.d.ts\n  tollgate types github --as reader --compact",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				q.Server = args[0]
			}
			out, err := asking(c.Context(), a, func(client *control.Client) (*control.Types, error) { return client.Types(c.Context(), q) })
			if err != nil {
				return err
			}
			fmt.Fprintln(a.streams.Out, strings.TrimSuffix(a.shown(out.Text), "\n"))
			return nil
		},
	}
	c.Flags().StringVar(&q.Role, "as", "", "role or subject of the caller")
	c.Flags().BoolVar(&q.Compact, "compact", false, "without comments, one tool a line")
	return c
}
