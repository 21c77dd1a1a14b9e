// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tollgate/cmd/internal/cli"
	"tollgate/cmd/internal/config"
	"tollgate/cmd/internal/control"
	"tollgate/store/audit"
	"tollgate/store/audit/export"
)

func (a *app) auditExportCommand() *cobra.Command {
	s := &selection{}
	var format, output string
	c := &cobra.Command{
		Use:   "export",
		Short: "Write all records, or those selected, for other programs, the oldest first",
		Long: `Write records up to the newest one of now, however many there are:

  jsonl  each record as it stands in the log, byte for byte, with its place and its hash in the tree of the log
  csv    a table with amounts in USD; cells that a spreadsheet would take for a formula begin with an apostrophe
  ocsf   events of OCSF 1.9: API Activity for calls and what operators did, with the profile record_integrity
  cef    lines of CEF:0 for a SIEM

With --output the file is there when it is complete, or not at all. Works with a running gateway and without one.

EXIT STATUS
  0  all written   1  not all could be read or written   2  wrong usage   3  mistake in the configuration
  5  another process holds the state directory`,
		Example: "  tollgate audit export --format csv --since 2026-11-01 --until 2026-12-01 --output november.csv\n" +
			"  tollgate audit export --format ocsf --kind refusal --since 24h | gzip > refusals.gz\n" +
			"  tollgate audit export --format cef --user alice@example.com",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := checkFormat(format); err != nil {
				return err
			}
			if err := s.resolve(); err != nil {
				return err
			}
			return a.export(c.Context(), &s.query, export.Format(format), output)
		},
	}
	c.Flags().StringVar(&format, "format", "", strings.Join(export.Formats(), ", "))
	c.Flags().StringVarP(&output, "output", "o", "", "file to write (default: standard output)")
	s.flags(c)
	s.period(c)
	return c
}

func checkFormat(format string) error {
	if slices.Contains(export.Formats(), format) {
		return nil
	}
	e := &cli.Error{Code: cli.ExitUsage, Err: fmt.Errorf("--format: there is no format %q", format), Hint: "formats: " + strings.Join(export.Formats(), ", ")}
	if format == "" {
		e.Err = errors.New("--format is required")
	} else if best, ok := config.Closest(format, export.Formats()); ok {
		e.Hint = fmt.Sprintf("did you mean %q?", best)
	}
	return e
}

func (a *app) export(ctx context.Context, q *control.RecordQuery, format export.Format, output string) error {
	if info, err := os.Stat(output); output != "" && err == nil && !info.Mode().IsRegular() {
		return &cli.Error{Code: cli.ExitUsage, Err: fmt.Errorf("--output %q is no ordinary file", output), Hint: "without --output the records go to standard output"}
	}
	client, done, err := a.attach(ctx)
	if err != nil {
		return err
	}
	x := &exporter{query: *q, format: format, texts: client.Texts, progress: a.progress()}
	if output == "" {
		err = x.run(ctx, a.streams.Out)
	} else {
		err = replaceWith(output, func(w io.Writer) error { return x.run(ctx, w) })
	}
	x.progress.end()
	if err := errors.Join(err, done()); err != nil {
		return err
	}
	if output != "" {
		fmt.Fprintf(a.streams.Err, "%s in %s\n", cli.Count(x.written, "record"), output)
	}
	return nil
}

// exporter brings records from pages into a format.
type exporter struct {
	query    control.RecordQuery
	format   export.Format
	texts    func(ctx context.Context, q *control.RecordQuery) (*control.Texts, error)
	progress *progress
	out      *export.Writer
	written  int
	size     uint64 // of the log at the first page: records that come later are for the next export
}

func (x *exporter) run(ctx context.Context, w io.Writer) error {
	for more := true; more; {
		page, err := x.texts(ctx, &x.query)
		if err != nil {
			return err
		}
		if x.out == nil {
			x.size = page.Size
			x.out, err = export.New(w, &export.Options{Format: x.format, Origin: page.Origin, Key: page.Key, Version: version()})
		} else {
			err = x.unbroken(page)
		}
		if err == nil {
			more, err = x.take(page)
		}
		if err != nil {
			return err
		}
	}
	return x.out.Flush()
}

// unbroken makes sure that retention has removed nothing between two pages.
func (x *exporter) unbroken(page *control.Texts) error {
	at, err := strconv.ParseUint(x.query.Cursor, 10, 64)
	if err == nil && at < page.First {
		err = &cli.Error{Code: cli.ExitError, Err: fmt.Errorf("retention removed records %d to %d before they were exported", at, page.First-1), Hint: "run it again"}
	}
	return err
}

// take writes a page. It returns false when it was the last one.
func (x *exporter) take(page *control.Texts) (more bool, err error) {
	for _, r := range page.Records {
		if r.Seq >= x.size {
			return false, nil
		}
		if err := x.out.Write(audit.Stored{Seq: r.Seq, Text: r.Text}); err != nil {
			return false, err
		}
		x.written++
		x.progress.at(x.written, r.Seq, x.size)
	}
	x.query.Cursor = page.Next
	if page.Next == "" {
		return false, nil
	}
	next, err := strconv.ParseUint(page.Next, 10, 64)
	return next < x.size, err
}

// progress tells a person that something takes its time.
type progress struct {
	w     io.Writer // nil = nobody is there
	next  time.Time
	shown bool
}

const (
	progressAfter = 2 * time.Second
	progressEvery = 500 * time.Millisecond
)

func (a *app) progress() *progress {
	p := &progress{next: time.Now().Add(progressAfter)}
	if a.streams.Interactive() {
		p.w = a.streams.Err
	}
	return p
}

func (p *progress) at(records int, seq, size uint64) {
	if now := time.Now(); p.w != nil && now.After(p.next) {
		p.next, p.shown = now.Add(progressEvery), true
		fmt.Fprintf(p.w, "\r%d records, %d %% of the log ", records, (seq+1)*100/max(size, 1))
	}
}

func (p *progress) end() {
	if p.shown {
		fmt.Fprintln(p.w)
	}
}
