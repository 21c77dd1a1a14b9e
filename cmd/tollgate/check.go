// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"tollgate/cmd/internal/cli"
	"tollgate/cmd/internal/config"
	"tollgate/upstream"
)

func (a *app) checkCommand() *cobra.Command {
	var schema, connect bool
	c := &cobra.Command{
		Use:   "check [FILE]",
		Short: "Check the configuration and the policy without starting anything",
		Long: `Check a configuration file and the policies it names. Every mistake is reported at once, with its place and a hint. With
--connect, also start every upstream once and report what it offers or why it fails.

EXIT STATUS
  0  no mistakes   1  an upstream failed (--connect)   3  mistake in the configuration   4  mistake in a policy`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if schema {
				_, err := a.streams.Out.Write(config.Schema())
				return err
			}
			if len(args) == 1 {
				a.config = args[0]
			}
			return a.check(c.Context(), connect)
		},
	}
	c.Flags().BoolVar(&schema, "schema", false, "print the JSON Schema of the configuration file")
	c.Flags().BoolVar(&connect, "connect", false, "also connect to every upstream")
	return c
}

func (a *app) check(ctx context.Context, connect bool) error {
	p, err := a.plan()
	if err != nil {
		return err
	}
	if p.demo {
		return &cli.Error{Code: cli.ExitUsage, Err: errors.New("there is no configuration file to check"), Hint: "`tollgate init` writes one; or name it: tollgate check FILE"}
	}
	if _, err := p.compile(); err != nil {
		return err
	}
	for _, w := range p.cfg.Warnings() {
		fmt.Fprintln(a.streams.Err, "warning: "+w.Text())
	}
	fmt.Fprintf(a.streams.Out, "%s: ok: %d upstreams, %d roles, %d toolsets\n", p.cfg.File(), len(p.upstreams), len(p.roles), len(p.toolsets))
	if !connect {
		return nil
	}
	return a.checkUpstreams(ctx, p)
}

// checkUpstreams connects to every upstream of the checked file, whatever gateway is running, and reports them.
func (a *app) checkUpstreams(ctx context.Context, p *plan) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	set := upstream.NewSet(&upstream.Options{ClientName: "tollgate", ClientVersion: version()})
	set.Apply(p.upstreams)
	err := set.Settled(ctx)
	report := a.printUpstreams(set.Status())
	return errors.Join(err, set.Close(context.WithoutCancel(ctx)), report)
}
