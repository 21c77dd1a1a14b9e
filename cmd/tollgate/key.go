// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tollgate/cmd/internal/cli"
	"tollgate/cmd/internal/control"
)

func (a *app) keyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "key",
		Short: "Create, list and revoke API keys",
		Long: `API keys identify HTTP clients: "Authorization: Bearer tg_...". A key is shown once, when it is created; only a keyed
hash of it is stored. Works with a running gateway and without one.`,
		RunE: helpOr,
	}
	c.AddCommand(a.keyCreateCommand(), a.keyListCommand(), a.keyRevokeCommand())
	return c
}

func (a *app) keyCreateCommand() *cobra.Command {
	var k control.Key
	var expires time.Duration
	var asJSON bool
	c := &cobra.Command{
		Use:     "create --role ROLE --subject NAME",
		Short:   "Create an API key and print it once",
		Example: "  tollgate key create --role reader --subject ci@example.com --expires 2160h",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if len(k.Roles) == 0 || k.Subject == "" {
				return &cli.Error{Code: cli.ExitUsage, Err: errors.New("--role and --subject are required"), Hint: "for example: tollgate key create --role reader --subject ci@example.com"}
			}
			if expires < 0 {
				return &cli.Error{Code: cli.ExitUsage, Err: errors.New("--expires must not be negative")}
			}
			if expires > 0 {
				k.Expires = time.Now().Add(expires)
			}
			client, done, err := a.operator(c.Context())
			if err != nil {
				return err
			}
			made, err := client.CreateKey(c.Context(), &k)
			if err := errors.Join(err, done()); err != nil {
				return err
			}
			if asJSON {
				return a.streams.JSON(made)
			}
			fmt.Fprintln(a.streams.Out, made.Secret)
			fmt.Fprintf(a.streams.Err, "key %s for %s (%s); it is not shown again\n", made.Key.ID, made.Key.Subject, strings.Join(made.Key.Roles, ", "))
			return nil
		},
	}
	f := c.Flags()
	f.StringSliceVar(&k.Roles, "role", nil, "role of the key; may be given several times")
	f.StringVar(&k.Subject, "subject", "", "who uses the key: a person or a service")
	f.StringVar(&k.Org, "org", "", "organisation of the subject")
	f.StringVar(&k.Team, "team", "", "team of the subject")
	f.StringVar(&k.Label, "label", "", "remark shown by key list")
	f.DurationVar(&expires, "expires", 0, "lifetime, for example 720h (default: no end)")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func (a *app) keyListCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "list", Short: "List API keys", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			client, done, err := a.operator(c.Context())
			if err != nil {
				return err
			}
			keys, err := client.Keys(c.Context())
			if err := errors.Join(err, done()); err != nil {
				return err
			}
			if asJSON {
				return a.streams.JSON(keys)
			}
			t := cli.NewTable("ID", "SUBJECT", "ROLES", "STATE", "LAST USED", "LABEL")
			for _, k := range keys {
				t.Row(k.ID, k.Subject, strings.Join(k.Roles, ","), keyState(&k), day(k.LastUsed), k.Label)
			}
			_, err = t.WriteTo(a.streams.Out)
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func keyState(k *control.Key) string {
	switch {
	case !k.Revoked.IsZero():
		return "revoked"
	case k.Expires.IsZero():
		return "valid"
	case k.Expires.Before(time.Now()):
		return "expired"
	}
	return "until " + day(k.Expires)
}

func day(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04")
}

func (a *app) keyRevokeCommand() *cobra.Command {
	return &cobra.Command{
		Use: "revoke ID", Short: "Revoke an API key at once", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			client, done, err := a.operator(c.Context())
			if err != nil {
				return err
			}
			err = client.RevokeKey(c.Context(), args[0])
			if err := errors.Join(err, done()); err != nil {
				return err
			}
			fmt.Fprintf(a.streams.Out, "key %s is revoked\n", args[0])
			return nil
		},
	}
}
