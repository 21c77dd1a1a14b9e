// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"tollgate/cmd/internal/cli"
	"tollgate/cmd/internal/clientconfig"
)

func (a *app) clientConfigCommand() *cobra.Command {
	var client, mode string
	var asJSON bool
	c := &cobra.Command{
		Use:   "client-config --client NAME",
		Short: "Print the one entry that a client needs",
		Long: `Print the entry to paste into a client's configuration, and where it goes. --mode stdio starts "tollgate stdio" for the
client; --mode http connects to the running endpoint with an API key.

Clients: ` + strings.Join(clientconfig.Clients(), ", "),
		Example: "  tollgate client-config --client claude-desktop\n  tollgate client-config --client vscode --mode http",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if client == "" {
				return &cli.Error{Code: cli.ExitUsage, Err: fmt.Errorf("--client is required"), Hint: "one of " + strings.Join(clientconfig.Clients(), ", ")}
			}
			o, err := a.renderOptions(c, mode)
			if err != nil {
				return err
			}
			entry, err := clientconfig.Render(client, o)
			if err != nil {
				return cli.WithCode(err, cli.ExitUsage)
			}
			if asJSON {
				return a.streams.JSON(entry)
			}
			fmt.Fprintf(a.streams.Err, "%s: put this into %s\n\n", entry.Title, strings.Join(entry.Files, " or "))
			fmt.Fprint(a.streams.Out, entry.Text)
			if entry.Note != "" {
				fmt.Fprintf(a.streams.Err, "\n%s\n", entry.Note)
			}
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&client, "client", "", "the client; see above")
	f.StringVar(&mode, "mode", "stdio", "stdio or http")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// renderOptions describe this program and the configured or running endpoint.
func (a *app) renderOptions(c *cobra.Command, mode string) (*clientconfig.RenderOptions, error) {
	o := &clientconfig.RenderOptions{Mode: clientconfig.Mode(mode)}
	if exe, err := os.Executable(); err == nil {
		o.Command = exe // clients are started without the user's PATH
	}
	if name := a.configName(); name != "" {
		abs, err := filepath.Abs(name)
		if err != nil {
			return nil, err
		}
		o.ConfigFile = abs
	}
	if dir := cmp.Or(a.state, os.Getenv("TOLLGATE_STATE_DIR")); dir != "" { // the client has another environment
		abs, err := filepath.Abs(dir)
		if err != nil {
			return nil, err
		}
		o.StateDir = abs
	}
	if o.Mode != clientconfig.ModeHTTP {
		return o, nil
	}
	client, found, err := a.running(c.Context())
	if err != nil {
		return nil, err
	}
	if found {
		defer client.Close()
		s, err := client.Status(c.Context())
		if err != nil {
			return nil, err
		}
		o.URL = s.URL
	}
	return o, nil
}
