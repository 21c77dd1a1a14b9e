// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"tollgate/aggregator"
	"tollgate/cmd/internal/cli"
	"tollgate/policy"
	"tollgate/store/audit"
)

// shadowQueued bounds the decisions that wait to be compared; more than that are not.
const shadowQueued = 4096

// The actions of shadow records.
const (
	wouldRefuse = "would_refuse"
	wouldAllow  = "would_allow"
)

// shadow holds the decisions of the rules in force against those of a candidate, and records where they differ. It compares
// who may call what, and the call rules; constraints, scopes, limits and budgets are those in force.
type shadow struct {
	candidate *policy.Engine
	record    func(ctx context.Context, r *audit.Record) error
	log       *slog.Logger
	queue     chan *decided
	dropped   atomic.Int64
}

// decided is one decision of the rules in force.
type decided struct {
	id      string
	in      *policy.Input
	allowed bool
}

// shadowRules compiles the candidate of p; nil = there is none.
func (p *plan) shadowRules() (*policy.Engine, error) {
	if p.cfg.Policy.Shadow == nil {
		return nil, nil
	}
	files, err := p.cfg.ShadowFiles()
	if err != nil {
		return nil, cli.WithCode(err, cli.ExitPolicy)
	}
	data, err := p.cfg.ShadowData()
	if err != nil {
		return nil, cli.WithCode(err, cli.ExitPolicy)
	}
	modules, err := regoModules(files)
	if err != nil {
		return nil, err
	}
	engine, err := policy.Load(context.Background(), &policy.Options{Modules: modules, Roles: p.roles, Everyone: p.everyone, Scopes: p.scopes, Data: data})
	if err != nil {
		return nil, cli.WithCode(fmt.Errorf("policy.shadow: %w", err), cli.ExitPolicy)
	}
	return engine, nil
}

// newShadow returns a shadow that compares from run on.
func newShadow(candidate *policy.Engine, record func(context.Context, *audit.Record) error, log *slog.Logger) *shadow {
	return &shadow{candidate: candidate, record: record, log: log, queue: make(chan *decided, shadowQueued)}
}

// Compare implements [aggregator.Shadow].
func (s *shadow) Compare(decision string, in *policy.Input, allowed bool, code, _ string) {
	if !allowed && code != policy.CodeDenied && code != aggregator.CodeHidden {
		return // not the policy's decision
	}
	select {
	case s.queue <- &decided{decision, in, allowed}:
	default:
		if n := s.dropped.Add(1); n&(n-1) == 0 {
			s.log.Warn("calls come faster than the candidate policy decides; some were not compared", "dropped", n)
		}
	}
}

// run compares until ctx ends.
func (s *shadow) run(ctx context.Context) {
	for {
		select {
		case d := <-s.queue:
			s.compare(ctx, d)
		case <-ctx.Done():
			return
		}
	}
}

func (s *shadow) compare(ctx context.Context, d *decided) {
	may, reasons, err := s.decide(ctx, d.in)
	if ctx.Err() != nil || may == d.allowed && err == nil {
		return
	}
	o, who := d.in.Object, d.in.Principal
	r := &audit.Record{
		Kind: audit.Shadow, ID: d.id, Time: time.Now().UTC(), Class: audit.Async, Action: wouldRefuse, Sentence: reasons, Revision: s.candidate.Revision(),
		Of: &audit.Labels{
			Org: who.Org, Team: who.Team, User: who.Subject, Key: who.KeyID, Upstream: o.Upstream, Kind: o.Kind, Tool: orElse(o.OriginalName, o.URI),
			Name: o.Name, Origin: d.in.Session.Origin,
		},
	}
	if may {
		r.Action = wouldAllow
	}
	if err != nil {
		r.Detail = err.Error()
	}
	if err := s.record(ctx, r); err != nil {
		s.log.Warn("a difference of the candidate policy could not be recorded", "decision", d.id, "error", err)
	}
}

// decide is what the candidate says of a call.
func (s *shadow) decide(ctx context.Context, in *policy.Input) (may bool, reasons string, err error) {
	visible, err := s.candidate.Access(ctx, in.Principal, []policy.Object{*in.Object})
	if err != nil || len(visible) != 1 {
		return false, "", errors.Join(err, errors.New("the candidate did not decide who may see this"))
	}
	if !visible[0] {
		return false, "the caller would not see it", nil
	}
	d := s.candidate.Decide(ctx, in)
	if d.Allow {
		return true, "", nil
	}
	return false, orElse(strings.Join(d.Reasons, "; "), d.Code), nil
}
