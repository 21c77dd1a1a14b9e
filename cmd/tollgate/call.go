// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"tollgate/cmd/internal/cli"
	"tollgate/cmd/internal/control"
	"tollgate/upstream/wire"
)

func (a *app) callCommand() *cobra.Command {
	var role string
	var text bool
	c := &cobra.Command{
		Use:   "call TOOL [ARGUMENTS]",
		Short: "Call one tool through the gate",
		Long: `Call one tool as a caller would: the same rules and limits. --as is a role, or a subject that a key or a binding knows. ARGUMENTS is a JSON object; "-" reads it
from standard input. The result is printed as the upstream sent it.

EXIT STATUS
  0  the tool answered   1  the tool or the gateway reported an error   2  wrong usage   3, 4  configuration or policy`,
		Example: `  tollgate call library__search '{"query": "tea"}' --as reader`,
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			arguments := "{}"
			if len(args) == 2 {
				arguments = args[1]
			}
			if arguments == "-" {
				b, err := io.ReadAll(a.streams.In)
				if err != nil {
					return err
				}
				arguments = string(b)
			}
			if err := wire.Check([]byte(arguments)); err != nil {
				return &cli.Error{Code: cli.ExitUsage, Err: fmt.Errorf("ARGUMENTS: %w", err), Hint: `give a JSON object, for example '{"query": "tea"}'`}
			}
			client, done, err := a.operator(c.Context())
			if err != nil {
				return err
			}
			out, err := client.Call(c.Context(), &control.Call{Tool: args[0], Arguments: json.RawMessage(arguments), Role: role})
			if err := errors.Join(err, done()); err != nil {
				return err
			}
			return a.printOutcome(out, text)
		},
	}
	c.Flags().StringVar(&role, "as", "", "role or subject of the caller (default: stdio.role)")
	c.Flags().BoolVar(&text, "text", false, "print the text blocks of the result only")
	return c
}

func (a *app) printOutcome(out *control.Outcome, text bool) error {
	if out.Error != nil {
		raw, _ := wire.Lookup(out.Error, "error")
		return &cli.Error{Code: cli.ExitError, Err: wire.ParseError(raw)}
	}
	if text {
		for _, s := range resultTexts(out.Result) {
			fmt.Fprintln(a.streams.Out, a.shown(s))
		}
	} else {
		fmt.Fprintln(a.streams.Out, a.shown(string(out.Result)))
	}
	if failedResult(out.Result) {
		return &cli.Error{Code: cli.ExitError, Err: errors.New("the tool reported an error")}
	}
	return nil
}

// resultTexts are the text blocks of a result.
func resultTexts(result []byte) (texts []string) {
	content, _ := wire.Lookup(result, "content")
	for block := range wire.Elements(content) {
		raw, _ := wire.Lookup(block, "text")
		if s, ok := wire.String(raw); ok {
			texts = append(texts, s)
		}
	}
	return texts
}

// failedResult reports whether a result is that of a tool which failed.
func failedResult(result []byte) bool {
	raw, _ := wire.Lookup(result, "isError")
	return string(raw) == "true"
}

// shown is text of an upstream as it may be printed: whole for a program that reads it, and harmless for a terminal.
func (a *app) shown(text string) string {
	if !a.streams.OutIsTerminal() {
		return text
	}
	return cleanLines(text)
}

// cleanLines cleans each line of text.
func cleanLines(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = cli.Clean(line)
	}
	return strings.Join(lines, "\n")
}
