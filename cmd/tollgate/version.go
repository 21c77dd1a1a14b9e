// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"tollgate/cmd/internal/cli"
	"tollgate/upstream/wire"
)

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version and the protocol revisions", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			var revs []string
			for _, r := range wire.Revisions() {
				revs = append(revs, string(r))
			}
			fmt.Fprintf(a.streams.Out, "tollgate %s %s %s/%s\nMCP %s\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH, strings.Join(revs, " "))
			return nil
		},
	}
}

func (a *app) reloadCommand() *cobra.Command {
	return &cobra.Command{
		Use: "reload", Short: "Make the running gateway read its configuration again", Args: cobra.NoArgs,
		Long: "Make the running gateway read its configuration and policies again. A mistake leaves the one in force.\n\n" +
			"EXIT STATUS\n  0  in force   1  no gateway is running   3  mistake in the configuration   4  mistake in a policy",
		RunE: func(c *cobra.Command, _ []string) error {
			client, running, err := a.running(c.Context())
			if err != nil {
				return err
			}
			if !running {
				return &cli.Error{Code: cli.ExitError, Err: errors.New("no gateway is running on this state directory"), Hint: "start one with `tollgate serve`"}
			}
			defer client.Close()
			done, err := client.Reload(c.Context())
			if err != nil {
				fmt.Fprintln(a.streams.Err, "not reloaded: the configuration in force stays as it is")
				return err
			}
			fmt.Fprintln(a.streams.Out, "reloaded")
			for _, key := range done.NeedRestart {
				fmt.Fprintf(a.streams.Err, "%s takes effect at the next start only\n", key)
			}
			return nil
		},
	}
}
