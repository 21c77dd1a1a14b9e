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
	"tollgate/cmd/internal/config"
	"tollgate/cmd/internal/control"
	"tollgate/store/audit"
)

// selection is which records a command is about.
type selection struct {
	query        control.RecordQuery
	since, until cli.Moment
}

// recordKinds are what --kind takes.
func recordKinds() []string {
	var names []string
	for _, k := range []audit.Kind{
		audit.Intent, audit.Outcome, audit.Refusal, audit.Admin, audit.Lease, audit.Start, audit.Stop, audit.Shadow, audit.Replay,
	} {
		names = append(names, string(k))
	}
	return names
}

// flags adds those that select records by what they say.
func (s *selection) flags(c *cobra.Command) {
	f, q := c.Flags(), &s.query
	f.StringSliceVar(&q.Kinds, "kind", nil, strings.Join(recordKinds(), ", ")+"; may be given several times")
	f.StringVar(&q.User, "user", "", "subject of the caller")
	f.StringVar(&q.Team, "team", "", "team of the caller")
	f.StringVar(&q.Org, "org", "", "organization of the caller")
	f.StringVar(&q.Upstream, "upstream", "", "upstream")
	f.StringVar(&q.Tool, "tool", "", "displayed or original name, or upstream/original")
	f.StringVar(&q.End, "end", "", "how it ended: answered, refused, unknown, upstream_failed, gateway_failed, cancelled, lost")
	f.StringVar(&q.Code, "code", "", "code of a refusal, such as budget_exceeded")
	f.StringVar(&q.Text, "text", "", "part of the text of the record")
}

// period adds the flags that select records by their time.
func (s *selection) period(c *cobra.Command) {
	c.Flags().Var(&s.since, "since", "only records of this time and later: 24h or 7d ago, 2026-11-25, 2026-11-25T12:00:00Z")
	c.Flags().Var(&s.until, "until", "only records before this time")
}

// resolve checks the flags, once they are read.
func (s *selection) resolve() error {
	for _, kind := range s.query.Kinds {
		if slices.Contains(recordKinds(), kind) {
			continue
		}
		e := &cli.Error{Code: cli.ExitUsage, Err: fmt.Errorf("--kind: there are no records of kind %q", kind), Hint: "kinds: " + strings.Join(recordKinds(), ", ")}
		if best, ok := config.Closest(kind, recordKinds()); ok {
			e.Hint = fmt.Sprintf("did you mean %q?", best)
		}
		return e
	}
	now := time.Now()
	s.query.From, s.query.To = s.since.At(now), s.until.At(now)
	if !s.query.To.IsZero() && !s.query.From.Before(s.query.To) {
		return &cli.Error{Code: cli.ExitUsage, Err: errors.New("--since is not before --until, so no record can be meant"), Hint: "for example --since 2026-11-01 --until 2026-12-01"}
	}
	return nil
}
