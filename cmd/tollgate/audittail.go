// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tollgate/cmd/internal/cli"
	"tollgate/cmd/internal/control"
	"tollgate/store/audit"
)

// followWait is how long one question for new records waits for them.
const followWait = 30 * time.Second

// maxTail bounds -n.
const maxTail = 1000

func (a *app) auditTailCommand() *cobra.Command {
	s := &selection{}
	var last int
	var follow, asJSON bool
	c := &cobra.Command{
		Use:   "tail",
		Short: "Print the newest records, and with -f those that come, as they come",
		Long: `Print the newest records, the oldest of them first. With -f go on with each new one, from a running gateway, until it is
interrupted.

EXIT STATUS
  0  printed, or interrupted while following   1  no gateway runs to be followed, or it has ended   2  wrong usage
  3  mistake in the configuration   5  another process holds the state directory`,
		Example: "  tollgate audit tail -f\n  tollgate audit tail -n 100 --kind refusal --team growth\n  tollgate audit tail -f --json --end upstream_failed",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if last < 0 || last > maxTail {
				return cli.Usage("-n %d: use a number from 0 to %d", last, maxTail)
			}
			if err := s.resolve(); err != nil {
				return err
			}
			return a.tail(c.Context(), &s.query, last, follow, asJSON)
		},
	}
	f := c.Flags()
	f.IntVarP(&last, "lines", "n", 10, "how many to begin with")
	f.BoolVarP(&follow, "follow", "f", false, "go on with new records")
	f.BoolVar(&asJSON, "json", false, "print the records as they stand in the log, one a line")
	s.flags(c)
	return c
}

func (a *app) tail(ctx context.Context, q *control.RecordQuery, last int, follow, asJSON bool) error {
	if follow && !a.anyGateway(ctx) {
		return &cli.Error{Code: cli.ExitError, Err: errors.New("no gateway runs on this state directory, so no record can come"), Hint: "start it with `tollgate serve`, or leave -f out"}
	}
	client, done, err := a.attach(ctx)
	if err != nil {
		return err
	}
	t := &tailer{client: client, query: control.FollowQuery{RecordQuery: *q, Last: max(last, 1)}, skip: last == 0, print: a.printTail(asJSON)}
	err = t.next(ctx)
	for err == nil && follow {
		err = t.next(ctx)
	}
	switch {
	case follow && ctx.Err() != nil:
		err = nil // it was to go on until now
	case follow && err != nil && !a.anyGateway(ctx):
		err = &cli.Error{Code: cli.ExitError, Err: errors.New("the gateway has ended"), Hint: "follow the next one with the same command"}
	}
	return errors.Join(err, done())
}

// tailer prints what comes behind what it has printed.
type tailer struct {
	client *control.Client
	query  control.FollowQuery
	skip   bool // what is there already
	print  func(r *control.Text) error
}

// next asks once.
func (t *tailer) next(ctx context.Context) error {
	page, err := t.client.Follow(ctx, &t.query)
	if err != nil {
		return err
	}
	if t.query.From, err = strconv.ParseUint(page.Next, 10, 64); err != nil {
		return fmt.Errorf("the running gateway answered %q for a place in the log; is it another version?", page.Next)
	}
	t.query.Last, t.query.Wait = 0, followWait
	if t.skip {
		t.skip, page.Records = false, nil
	}
	for i := range page.Records {
		if err := t.print(&page.Records[i]); err != nil {
			return err
		}
	}
	return nil
}

// printTail prints records line by line: the widths of columns cannot wait for the last one.
func (a *app) printTail(asJSON bool) func(r *control.Text) error {
	if asJSON {
		return func(r *control.Text) error {
			_, err := fmt.Fprintf(a.streams.Out, "%s\n", r.Text)
			return err
		}
	}
	widths := []int{6, 19, 8, 26, 20, 30, 16, 0}
	line := func(cells []string) error {
		var b strings.Builder
		for i, cell := range cells {
			if cell = cli.Clean(cell); cell == "" {
				cell = "-"
			}
			fmt.Fprintf(&b, "%-*s  ", widths[i], cell)
		}
		_, err := fmt.Fprintln(a.streams.Out, strings.TrimRight(b.String(), " "))
		return err
	}
	begun := false
	return func(r *control.Text) error {
		if !begun {
			begun = true
			if err := line(recordHeader()); err != nil {
				return err
			}
		}
		rec, err := audit.Decode(r.Text)
		if err != nil {
			return fmt.Errorf("record %d: %w", r.Seq, err)
		}
		return line(recordCells(r.Seq, rec))
	}
}
