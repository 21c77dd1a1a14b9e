// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"tollgate/cmd/internal/cli"
	"tollgate/cmd/internal/control"
	"tollgate/store/audit"
	"tollgate/store/ledger"
)

func (a *app) auditCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "audit",
		Short: "Read, follow, export, verify and prove the audit log",
		Long: `Every request leaves records: an intent before the upstream is asked and an outcome after it, or a refusal. The log is a
hash tree with signed checkpoints. Works with a running gateway and without one.`,
		RunE: helpOr,
	}
	c.AddCommand(a.auditQueryCommand(), a.auditTailCommand(), a.auditExportCommand(), a.auditVerifyCommand(), a.auditProveCommand(),
		a.auditCheckProofCommand())
	return c
}

func (a *app) auditQueryCommand() *cobra.Command {
	s := &selection{}
	q := &s.query
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
			if err := s.resolve(); err != nil {
				return err
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
	s.flags(c)
	s.period(c)
	f := c.Flags()
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
	t := cli.NewTable(recordHeader()...)
	for _, r := range page.Records {
		rec, err := audit.Decode(r.Record)
		if err != nil {
			return fmt.Errorf("record %d: %w", r.Seq, err)
		}
		t.Row(recordCells(r.Seq, rec)...)
	}
	_, err := t.WriteTo(a.streams.Out)
	return err
}

func recordHeader() []string {
	return []string{"SEQ", "TIME", "KIND", "ID", "USER", "WHAT", "END", "COST"}
}

// recordCells are a record as people see it.
func recordCells(seq uint64, r *audit.Record) []string {
	of := r.Of
	if of == nil {
		of = &audit.Labels{}
	}
	what := orElse(of.Name, of.Tool)
	if r.Action != "" {
		what = strings.TrimSpace(r.Action + " " + r.Target)
	}
	cost := ""
	if r.Cost != 0 {
		cost = ledger.FormatUSD(r.Cost)
	}
	return []string{
		fmt.Sprint(seq), r.Time.Local().Format("2006-01-02 15:04:05"), string(r.Kind), r.ID, orElse(of.User, r.Actor), what, orElse(r.Code, r.End), cost,
	}
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
