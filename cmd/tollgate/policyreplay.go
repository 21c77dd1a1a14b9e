// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tollgate/aggregator/replay"
	"tollgate/cmd/internal/cli"
)

// exitChanged is the exit code of a replay that found changes, or what it cannot know.
const exitChanged = 6

// policyReplay are the options of policy replay.
type policyReplay struct {
	since, until cli.Moment
	paths        []string
	by           string
	examples     int
	undecidable  bool // is no failure
	each, asJSON bool
}

func (a *app) policyReplayCommand() *cobra.Command {
	var o policyReplay
	c := &cobra.Command{
		Use:   "replay [--since 7d] [--policy PATH ...] [--config FILE]",
		Short: "Run a candidate policy over recorded calls: who would newly be refused or allowed",
		Long: `Decide the calls in the audit log again under candidate rules, and print for whom the verdict would be another. The candidate
is the configuration (--config, else the one in use, as the files are now), with the Rego files under --policy in the place of
its own. Decided again are access, OAuth scopes, call rules and constraints, by the code of the gateway and with the input
that was recorded. A running gateway hands out its records; without one the log in the state directory is read.

What replay cannot say: callers have the roles that were recorded, so that changes of bindings, keys and role mappings have no
effect. Limits and budgets are left out: calls that they refused are counted apart, and so are those that waited for a
confirmation or named what their toolset does not have. Names that did not exist were not decided on. Where a record does not
hold an argument (redacted, or its digest only) and the verdict may depend on it, the call is undecidable and the missing
places are named; it is never guessed. Arguments that are held against constraints are held against the tool's own schema too,
where the gateway runs and the tool is still the same.

EXIT STATUS
  0  no verdict changes   6  some verdict changes, or is undecidable (unless --allow-undecidable)
  1  error   2  wrong usage   3  mistake in the configuration   4  mistake in a policy   5  state directory in use`,
		Example: `  tollgate policy replay --since 7d --policy policies/
  tollgate policy replay --since 2026-11-01 --until 2026-11-15 --config candidate.yaml --by role
  tollgate policy replay --since 30d --policy policies/ --json --allow-undecidable`,
		RunE: func(c *cobra.Command, args []string) error {
			if o.paths = append(o.paths, args...); len(args) > 0 && !c.Flags().Changed("policy") {
				return &cli.Error{Code: cli.ExitUsage, Err: fmt.Errorf("unexpected argument %q", args[0]), Hint: "files of the candidate come after --policy"}
			}
			return a.policyReplay(c.Context(), &o)
		},
	}
	f := c.Flags()
	f.Var(&o.since, "since", "decisions of this time and later: so long ago (7d, 12h) or a time (2026-11-25); default: all")
	f.Var(&o.until, "until", "decisions before this time, given in the same way; default: now")
	f.StringSliceVarP(&o.paths, "policy", "p", nil, "Rego files or folders of the candidate, instead of those of the configuration")
	f.StringVar(&o.by, "by", replay.ByUser, "who changes are grouped by: user, role, team or org")
	f.IntVar(&o.examples, "examples", 3, "ids of decisions to name for each group")
	f.BoolVar(&o.undecidable, "allow-undecidable", false, "undecidable calls alone are no failure")
	f.BoolVar(&o.each, "each", false, "print every change, one a line, instead of groups")
	f.BoolVar(&o.asJSON, "json", false, "print JSON; with --each a line of JSON for each change")
	return c
}

// check resolves the flags.
func (o *policyReplay) check(now time.Time) (from, to time.Time, err error) {
	from, to = o.since.At(now), o.until.At(now)
	switch words := []string{replay.ByUser, replay.ByRole, replay.ByTeam, replay.ByOrg}; {
	case !slices.Contains(words, o.by):
		err = cli.Usage("--by %q: use %s", o.by, strings.Join(words, ", "))
	case o.examples < 0 || o.examples > 1000:
		err = cli.Usage("--examples must be from 0 to 1000")
	case !to.IsZero() && !from.Before(to):
		err = cli.Usage("--until is not after --since")
	}
	return from, to, err
}

func (a *app) policyReplay(ctx context.Context, o *policyReplay) error {
	from, to, err := o.check(time.Now())
	if err != nil {
		return err
	}
	rules, err := a.candidate(o.paths)
	if err != nil {
		return err
	}
	past, err := a.recordedPast(ctx, from, to)
	if err != nil {
		return err
	}
	report, err := a.replay(ctx, o, rules, past, from, to)
	if err = errors.Join(err, past.close()); err != nil {
		return err
	}
	if !o.each {
		if err := a.printReplay(report, o); err != nil {
			return err
		}
	}
	if report.Changed() || report.Uncertain() && !o.undecidable {
		return cli.Said(exitChanged)
	}
	return nil
}

func (a *app) replay(ctx context.Context, o *policyReplay, rules *ruleset, past *recordedPast, from, to time.Time) (*replay.Report, error) {
	judge, err := past.judge(rules)
	if err != nil {
		return nil, err
	}
	progress := a.newProgress(past)
	opts := &replay.Options{
		Judge: judge, Records: past.records(ctx), From: from, To: to, By: o.by, Examples: o.examples, Empty: past.empty, Progress: progress.note,
	}
	if o.examples == 0 {
		opts.Examples = -1
	}
	if o.each {
		opts.Each = a.printChange(o.asJSON)
	}
	return replay.Run(ctx, opts)
}

// candidate compiles the rules that are tried.
func (a *app) candidate(paths []string) (*ruleset, error) {
	w, err := a.authored(paths)
	if err != nil {
		return nil, err
	}
	if len(paths) > 0 && len(w.own) == 0 {
		return nil, &cli.Error{Code: cli.ExitUsage, Err: fmt.Errorf("no Rego file in %s", strings.Join(paths, ", ")), Hint: "name files that end in .rego, or a folder that holds some"}
	}
	if err := a.lastBundle(w.plan); err != nil {
		return nil, err
	}
	return w.plan.compile()
}
