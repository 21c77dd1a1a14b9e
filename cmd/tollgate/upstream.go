// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"tollgate/cmd/internal/cli"
	"tollgate/cmd/internal/control"
)

func (a *app) upstreamCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "upstream",
		Short: "List upstreams, log in to them and out of them",
		Long: `An upstream that wants OAuth is used under one login of the gateway itself, whoever calls. The login is kept sealed in the
state directory and renewed by itself. Works with a running gateway and without one.`,
		RunE: helpOr,
	}
	c.AddCommand(a.upstreamListCommand(), a.upstreamLoginCommand(), a.upstreamLogoutCommand())
	return c
}

func (a *app) upstreamListCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "list", Short: "Show the state of every upstream", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			client, done, err := a.operator(c.Context())
			if err != nil {
				return err
			}
			// Asking for the catalog waits until every upstream has answered or failed.
			_, err = client.Catalog(c.Context(), &control.CatalogQuery{})
			s := &control.Status{}
			if err == nil {
				s, err = client.Status(c.Context())
			}
			if err := errors.Join(err, done()); err != nil {
				return err
			}
			if asJSON {
				return a.streams.JSON(s.Upstreams)
			}
			t := cli.NewTable("UPSTREAM", "STATE", "TRANSPORT", "LOGIN", "TOOLS", "FAILURE")
			for _, u := range s.Upstreams {
				login := u.Login
				if login == "" {
					login = "-"
				}
				t.Row(u.Name, u.State, u.Transport, login, fmt.Sprint(u.Tools), u.Failure)
			}
			_, err = t.WriteTo(a.streams.Out)
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func (a *app) upstreamLoginCommand() *cobra.Command {
	var browser string
	var quiet bool
	c := &cobra.Command{
		Use:   "login NAME",
		Short: "Log in to an upstream that wants OAuth",
		Long: `Open the page on which you let the gateway use an upstream, and wait until that has happened. The page comes back to this
machine; with a browser elsewhere, open the address at which it ends up there from here.

EXIT STATUS
  0  logged in   1  not logged in, and why   2  wrong usage   3  mistake in the configuration`,
		Example: "  tollgate upstream login jira",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			argv := systemBrowser()
			if browser == "" {
				browser = a.streams.Getenv(browserVariable)
			}
			if words := strings.Fields(browser); len(words) > 0 {
				argv = words
			}
			if quiet {
				argv = nil
			}
			return a.login(c.Context(), args[0], argv)
		},
	}
	c.Flags().StringVar(&browser, "browser", "", "command that opens the page, with the address appended (default: the system's; $"+browserVariable+")")
	c.Flags().BoolVar(&quiet, "no-browser", false, "only print the address of the page")
	return c
}

// login asks the gateway to log in and shows the page it names. argv opens it; nil = the person does.
func (a *app) login(ctx context.Context, name string, argv []string) error {
	client, done, err := a.operator(ctx)
	if err != nil {
		return err
	}
	err = client.Login(ctx, name, func(address string) {
		fmt.Fprintf(a.streams.Err, "Let the gateway use %q on this page:\n\n  %s\n\nWaiting for the answer, 5 minutes at most.\n", name, address)
		if argv == nil {
			return
		}
		go func() { // it may take as long as the person does
			if err := openPage(ctx, argv, address); err != nil {
				fmt.Fprintf(a.streams.Err, "no browser opens (%v): open the page yourself\n", err)
			}
		}()
	})
	if err := errors.Join(err, done()); err != nil {
		return err
	}
	fmt.Fprintf(a.streams.Out, "logged in to %s\n", name)
	return nil
}

func (a *app) upstreamLogoutCommand() *cobra.Command {
	return &cobra.Command{
		Use: "logout NAME", Short: "Forget the login at an upstream", Args: cobra.ExactArgs(1),
		Long: "Forget the login at an upstream and everything that was registered there, tell its authorization server, and end the\nconnection. Also works for an upstream that is not configured any more.",
		RunE: func(c *cobra.Command, args []string) error {
			client, done, err := a.operator(c.Context())
			if err != nil {
				return err
			}
			err = client.Logout(c.Context(), args[0])
			if err := errors.Join(err, done()); err != nil {
				return err
			}
			fmt.Fprintf(a.streams.Out, "logged out of %s\n", args[0])
			return nil
		},
	}
}
