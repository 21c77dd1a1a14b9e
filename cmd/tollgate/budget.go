// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os/user"

	"github.com/spf13/cobra"

	"tollgate/cmd/internal/cli"
	"tollgate/cmd/internal/control"
)

func (a *app) budgetCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "budget",
		Short: "Show budgets, and change their limits by hand",
		Long: `Budgets stand under budgets: in tollgate.yaml. What they have spent is in the state directory; a limit that is changed here
holds at once, and the change is recorded with its reason. Works with a running gateway and without one.`,
		RunE: helpOr,
	}
	c.AddCommand(a.budgetShowCommand(), a.budgetSetCommand(), a.budgetRaiseCommand(), a.budgetResetCommand())
	return c
}

// asking runs f with a client of the gateway.
func asking[T any](ctx context.Context, a *app, f func(*control.Client) (T, error)) (out T, err error) {
	client, done, err := a.operator(ctx)
	if err != nil {
		return out, err
	}
	out, err = f(client)
	return out, errors.Join(err, done())
}

func (a *app) budgetShowCommand() *cobra.Command {
	q := &control.BudgetQuery{}
	var asJSON bool
	c := &cobra.Command{
		Use: "show [BUDGET]", Short: "Show what budgets have spent and what is left", Args: cobra.MaximumNArgs(1),
		Example: "  tollgate budget show\n  tollgate budget show team-month --account acme/growth",
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				q.Budget = args[0]
			}
			all, err := asking(c.Context(), a, func(client *control.Client) ([]control.Budget, error) { return client.Budgets(c.Context(), q) })
			switch {
			case err != nil:
				return err
			case asJSON:
				return a.streams.JSON(all)
			case len(all) == 0:
				fmt.Fprintln(a.streams.Err, "nothing was charged to a budget yet; `budgets:` in tollgate.yaml says which there are")
				return nil
			}
			_, err = budgetTable(all).WriteTo(a.streams.Out)
			return err
		},
	}
	c.Flags().StringVar(&q.Account, "account", "", "only this account of the budget")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func budgetTable(all []control.Budget) *cli.Table {
	t := cli.NewTable("BUDGET", "ACCOUNT", "LIMIT", "SPENT", "RESERVED", "REMAINING", "RESETS")
	for _, b := range all {
		limit := b.Limit
		if b.Raised != "" {
			limit += " (raised by " + b.Raised + ")"
		}
		t.Row(b.Budget, b.Account, limit, b.Spent, b.Reserved, b.Remaining, day(b.Resets))
	}
	return t
}

// budgetChange is a command that changes a limit; give puts its argument into the change.
func (a *app) budgetChange(use, short, example string, args int, give func(ch *control.BudgetChange, args []string)) *cobra.Command {
	ch := &control.BudgetChange{}
	var asJSON bool
	c := &cobra.Command{
		Use: use, Short: short, Example: example, Args: cobra.ExactArgs(args),
		RunE: func(c *cobra.Command, args []string) error {
			if ch.Reason == "" {
				return &cli.Error{Code: cli.ExitUsage, Err: errors.New("--reason is required"), Hint: `for example: --reason "campaign until Friday"`}
			}
			ch.Budget, ch.Actor = args[0], localUser()
			give(ch, args)
			b, err := asking(c.Context(), a, func(client *control.Client) (*control.Budget, error) { return client.AdjustBudget(c.Context(), ch) })
			if err != nil {
				return err
			}
			if asJSON {
				return a.streams.JSON(b)
			}
			_, err = budgetTable([]control.Budget{*b}).WriteTo(a.streams.Out)
			return err
		},
	}
	f := c.Flags()
	f.StringVar(&ch.Account, "account", "", "one account, as budget show prints it (default: all; what was changed for one of them stays)")
	f.StringVar(&ch.Reason, "reason", "", "why; it is recorded")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// localUser names who runs the command.
func localUser() string {
	if u, err := user.Current(); err == nil {
		return "local:" + u.Username
	}
	return "local"
}

func (a *app) budgetSetCommand() *cobra.Command {
	return a.budgetChange("set BUDGET AMOUNT --reason TEXT", "Set a limit until it is reset",
		`  tollgate budget set team-month '$200' --reason "agreed with finance"`, 2,
		func(ch *control.BudgetChange, args []string) { ch.Set = args[1] })
}

func (a *app) budgetRaiseCommand() *cobra.Command {
	return a.budgetChange("raise BUDGET AMOUNT --reason TEXT", "Raise a limit by an amount for the current period",
		`  tollgate budget raise team-month 20 --account acme/growth --reason "launch week"`, 2,
		func(ch *control.BudgetChange, args []string) { ch.Raise = args[1] })
}

func (a *app) budgetResetCommand() *cobra.Command {
	return a.budgetChange("reset BUDGET --reason TEXT", "Go back to the limit of the configuration",
		`  tollgate budget reset team-month --reason "campaign is over"`, 1,
		func(ch *control.BudgetChange, _ []string) { ch.Reset = true })
}
