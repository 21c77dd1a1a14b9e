// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"

	"tollgate/policy"
)

func (a *app) policyCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "policy", Short: "Tools for policy authors",
		Long: "Tools for policy authors. The guide is rego/README.md.",
		RunE: helpOr,
	}
	c.AddCommand(&cobra.Command{
		Use: "schema", Short: "Print the JSON Schema of the policy's input", Args: cobra.NoArgs,
		Long: "Print the JSON Schema of the document that policies read as input, for `opa check --schema`.",
		RunE: func(*cobra.Command, []string) error {
			_, err := a.streams.Out.Write(policy.InputSchema())
			return err
		},
	})
	return c
}
