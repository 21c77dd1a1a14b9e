// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tollgate/cmd/internal/cli"
	"tollgate/cmd/internal/control"
)

func (a *app) keyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "key",
		Short: "Create, list, rotate and revoke API keys",
		Long: `API keys identify HTTP clients: "Authorization: Bearer tg_...". A key is shown once, when it is created; only a keyed
hash of it is stored. Works with a running gateway and without one.`,
		RunE: helpOr,
	}
	c.AddCommand(a.keyCreateCommand(), a.keyListCommand(), a.keyRotateCommand(), a.keyRevokeCommand())
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
			_, err = keyTable(keys).WriteTo(a.streams.Out)
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// keyTable shows organisations and teams only where there are any.
func keyTable(keys []control.Key) *cli.Table {
	org := slices.ContainsFunc(keys, func(k control.Key) bool { return k.Org != "" })
	team := slices.ContainsFunc(keys, func(k control.Key) bool { return k.Team != "" })
	row := func(id, subject, orgCell, teamCell string, rest ...string) []string {
		cells := []string{id, subject}
		if org {
			cells = append(cells, orgCell)
		}
		if team {
			cells = append(cells, teamCell)
		}
		return append(cells, rest...)
	}
	t := cli.NewTable(row("ID", "SUBJECT", "ORG", "TEAM", "ROLES", "STATE", "LAST USED", "LABEL")...)
	for _, k := range keys {
		t.Row(row(k.ID, k.Subject, k.Org, k.Team, strings.Join(k.Roles, ","), keyState(&k), day(k.LastUsed), k.Label)...)
	}
	return t
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

func (a *app) keyRotateCommand() *cobra.Command {
	var grace time.Duration
	var asJSON bool
	c := &cobra.Command{
		Use:   "rotate ID",
		Short: "Put a new API key in the place of another and print it once",
		Long: `Make a new key with the subject, organisation, team, label and roles of an old one; if the old key has an end, the new
one lives as long as the old one was to live. The old key is refused at once, or works for --grace longer, but never longer
than it would have. A key is rotated once; after that, rotate its successor.

EXIT STATUS
  0  rotated   1  the state could not be written   2  no such key, or it is revoked, expired or already rotated
  3  mistake in the configuration   5  another process holds the state directory`,
		Example: "  tollgate key rotate 3kTq0XbA --grace 24h",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if grace < 0 {
				return cli.Usage("--grace must not be negative")
			}
			client, done, err := a.operator(c.Context())
			if err != nil {
				return err
			}
			made, err := client.RotateKey(c.Context(), args[0], grace)
			if err := errors.Join(err, done()); err != nil {
				return err
			}
			if asJSON {
				return a.streams.JSON(made)
			}
			fmt.Fprintln(a.streams.Out, made.Secret)
			old := "is refused from now on"
			if grace > 0 {
				old = fmt.Sprintf("works until %s at most", day(time.Now().Add(grace)))
			}
			fmt.Fprintf(a.streams.Err, "key %s for %s (%s) replaces %s, which %s; it is not shown again\n",
				made.Key.ID, made.Key.Subject, strings.Join(made.Key.Roles, ", "), args[0], old)
			return nil
		},
	}
	f := c.Flags()
	f.DurationVar(&grace, "grace", 0, "how long the old key still works, for example 24h (default: not at all)")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	return c
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
