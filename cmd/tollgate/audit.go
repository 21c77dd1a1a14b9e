// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tollgate/cmd/internal/cli"
	"tollgate/cmd/internal/control"
	"tollgate/store/audit"
	"tollgate/store/ledger"
)

func (a *app) auditCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "audit",
		Short: "Read and verify the audit log",
		Long: `Every request leaves records: an intent before the upstream is asked and an outcome after it, or a refusal. The log is a
hash tree with signed checkpoints. Works with a running gateway and without one.`,
		RunE: helpOr,
	}
	c.AddCommand(a.auditQueryCommand(), a.auditVerifyCommand())
	return c
}

func (a *app) auditQueryCommand() *cobra.Command {
	q := &control.RecordQuery{}
	var since time.Duration
	var asJSON bool
	c := &cobra.Command{
		Use:     "query [ID]",
		Short:   "Print records, the newest first; with an id, those of one decision",
		Example: "  tollgate audit query --user alice --since 24h\n  tollgate audit query --end refused --json\n  tollgate audit query 06H13NC5HHN88BEIINVENAH48C",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				q.ID, q.Oldest = args[0], true
			}
			if since < 0 {
				return cli.Usage("--since must not be negative")
			}
			if since > 0 {
				q.From = time.Now().Add(-since)
			}
			page, err := asking(c.Context(), a, func(client *control.Client) (*control.Records, error) { return client.Records(c.Context(), q) })
			if err != nil {
				return err
			}
			if err := a.printRecords(page, asJSON); err != nil {
				return err
			}
			if page.Next != "" {
				fmt.Fprintf(a.streams.Err, "there are more: add --cursor %s, or a larger --limit\n", page.Next)
			}
			return nil
		},
	}
	f := c.Flags()
	f.DurationVar(&since, "since", 0, "only records of this long ago and later, for example 24h")
	f.StringSliceVar(&q.Kinds, "kind", nil, "intent, outcome, refusal, admin, lease, start, stop, shadow or replay; may be given several times")
	f.StringVar(&q.User, "user", "", "subject of the caller")
	f.StringVar(&q.Team, "team", "", "team of the caller")
	f.StringVar(&q.Org, "org", "", "organization of the caller")
	f.StringVar(&q.Upstream, "upstream", "", "upstream")
	f.StringVar(&q.Tool, "tool", "", "displayed or original name, or upstream/original")
	f.StringVar(&q.End, "end", "", "how it ended: answered, refused, unknown, upstream_failed, gateway_failed, cancelled, lost")
	f.StringVar(&q.Code, "code", "", "code of a refusal, such as budget_exceeded")
	f.StringVar(&q.Text, "text", "", "part of the text of the record")
	f.BoolVar(&q.Oldest, "oldest", false, "the oldest first")
	f.StringVar(&q.Cursor, "cursor", "", "go on after an earlier page of the same query")
	f.IntVar(&q.Limit, "limit", 100, "records, at most 10000")
	f.BoolVar(&asJSON, "json", false, "print the records as they stand in the log, one a line")
	return c
}

// printRecords prints a line for each record.
func (a *app) printRecords(page *control.Records, asJSON bool) error {
	if asJSON {
		for _, r := range page.Records {
			if _, err := fmt.Fprintf(a.streams.Out, "%s\n", r.Record); err != nil {
				return err
			}
		}
		return nil
	}
	t := cli.NewTable("SEQ", "TIME", "KIND", "ID", "USER", "WHAT", "END", "COST")
	for _, r := range page.Records {
		rec, err := audit.Decode(r.Record)
		if err != nil {
			return fmt.Errorf("record %d: %w", r.Seq, err)
		}
		of := rec.Of
		if of == nil {
			of = &audit.Labels{}
		}
		what := orElse(of.Name, of.Tool)
		if rec.Action != "" {
			what = strings.TrimSpace(rec.Action + " " + rec.Target)
		}
		cost := ""
		if rec.Cost != 0 {
			cost = ledger.FormatUSD(rec.Cost)
		}
		t.Row(fmt.Sprint(r.Seq), rec.Time.Local().Format("2006-01-02 15:04:05"), string(rec.Kind), rec.ID, orElse(of.User, rec.Actor), what,
			orElse(rec.Code, rec.End), cost)
	}
	_, err := t.WriteTo(a.streams.Out)
	return err
}

func (a *app) auditVerifyCommand() *cobra.Command {
	var file string
	var asJSON bool
	q := &control.VerifyQuery{}
	c := &cobra.Command{
		Use:   "verify",
		Short: "Compare every record with the hashes and signed checkpoints of the log",
		Long: `Read all records and compare them with what was written: the first record that was changed, added, taken away or moved is
named. Only a checkpoint that was kept elsewhere shows that the newest records are gone, or that the whole log was put back to
an older state: give it with --checkpoint. The key that verifies checkpoints is printed; keep it with them.

EXIT STATUS
  0  the log is what was written   1  it is not, or it could not be read   2  wrong usage   5  another process holds the
  state directory`,
		Example: "  tollgate audit verify\n  tollgate audit verify --checkpoint /mnt/worm/000000012345.checkpoint",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if file != "" {
				text, err := os.ReadFile(file)
				if err != nil {
					return &cli.Error{Code: cli.ExitUsage, Err: err}
				}
				q.Checkpoint = string(text)
			}
			v, err := asking(c.Context(), a, func(client *control.Client) (*control.Verification, error) { return client.Verify(c.Context(), q) })
			if err != nil {
				return err
			}
			if asJSON {
				err = a.streams.JSON(v)
			} else {
				a.printVerification(v)
			}
			if err == nil && v.Problem != "" {
				err = &cli.Error{Code: cli.ExitError, Err: errors.New("the audit log is not what was written: " + v.Problem)}
			}
			return err
		},
	}
	f := c.Flags()
	f.StringVar(&file, "checkpoint", "", "file with a checkpoint that was kept elsewhere")
	f.StringVar(&q.Key, "key", "", "key that verifies it (default: that of this state directory)")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func (a *app) printVerification(v *control.Verification) {
	out := a.streams.Out
	fmt.Fprintf(out, "log          %s\nrecords      %d checked, %d to %d\ntree         %s\ncheckpoints  %d verified\nkey          %s\n",
		v.Origin, v.Checked, v.First, v.Size, v.Root, v.Checkpoints, v.Key)
	switch {
	case v.Problem != "":
	case v.Elsewhere:
		fmt.Fprintln(out, "The log is what was written, and continues the checkpoint from elsewhere.")
	default:
		fmt.Fprintln(out, "The records are what was written. Whether the newest ones were taken away cannot be known without a checkpoint that was\nkept elsewhere (--checkpoint FILE).")
	}
}

func (a *app) storeCommand() *cobra.Command {
	c := &cobra.Command{Use: "store", Short: "Check the state directory", RunE: helpOr}
	var asJSON bool
	check := &cobra.Command{
		Use: "check", Short: "Walk every invariant of keys, accounts, records and kept replies", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			out, err := asking(c.Context(), a, func(client *control.Client) (*control.StoreCheck, error) { return client.CheckStore(c.Context()) })
			if err != nil {
				return err
			}
			var failed error
			if n := len(out.Problems); n > 0 {
				failed = &cli.Error{Code: cli.ExitError, Err: fmt.Errorf("%d invariants do not hold:\n  %s", n, strings.Join(out.Problems, "\n  "))}
			}
			if asJSON {
				return errors.Join(json.NewEncoder(a.streams.Out).Encode(out), failed)
			}
			if failed == nil {
				fmt.Fprintf(a.streams.Out, "all invariants hold; %d records\n", out.Records)
			}
			return failed
		},
	}
	check.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.AddCommand(check)
	return c
}
