// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"sync/atomic"
	"time"

	"tollgate/aggregator"
	"tollgate/aggregator/replay"
	"tollgate/cmd/internal/cli"
	"tollgate/policy"
	"tollgate/store/audit"
)

// shadowQueued bounds the decisions that wait to be compared, and shadowBytes their arguments; more than that are not.
const (
	shadowQueued = 4096
	shadowBytes  = 64 << 20
)

// The actions of shadow records.
const (
	wouldRefuse = "would_refuse"
	wouldAllow  = "would_allow"
)

// shadow holds the decisions of the rules in force against those of a candidate, and records where they differ. What differs
// is for package replay to say, which also replays the past. Its records quote no argument that those of calls do not keep
// (TestShadowKeepsNoSecrets).
type shadow struct {
	judge   *replay.Judge
	live    aggregator.Decider // in force
	record  func(ctx context.Context, r *audit.Record) error
	log     *slog.Logger
	queue   chan *replay.Case
	bytes   atomic.Int64 // of the arguments in queue
	dropped atomic.Int64
}

// shadowRules compiles the candidate of p; nil = there is none. A bundle counts for the candidate as it does for the rules in
// force.
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
	if p.bundle != nil {
		modules, data = maps.Clone(modules), clone(data)
		if err := p.bundle.AddTo(modules, data); err != nil {
			return nil, cli.WithCode(fmt.Errorf("policy.shadow: %w", err), cli.ExitPolicy)
		}
	}
	engine, err := policy.Load(context.Background(), &policy.Options{Modules: modules, Roles: p.roles, Everyone: p.everyone, Scopes: p.scopes, Data: data})
	if err != nil {
		return nil, cli.WithCode(fmt.Errorf("policy.shadow: %w", err), cli.ExitPolicy)
	}
	return engine, nil
}

// shadowOptions are what a shadow is made of.
type shadowOptions struct {
	candidate *policy.Engine
	rules     *aggregator.Rules                          // in force
	schema    func(*policy.Object) ([]byte, bool)        // of tools, as the catalog has them
	record    func(context.Context, *audit.Record) error // writes what differs
	log       *slog.Logger
}

// newShadow returns a shadow that compares from run on.
func newShadow(o *shadowOptions) (*shadow, error) {
	judge, err := replay.NewJudge(&aggregator.WeigherOptions{
		Rules:  aggregator.Rules{Decider: o.candidate, Limits: o.rules.Limits, Includes: o.rules.Includes, Recording: o.rules.Recording},
		Schema: o.schema, Recorded: true,
	})
	if err != nil {
		return nil, err
	}
	return &shadow{judge: judge, live: o.rules.Decider, record: o.record, log: o.log, queue: make(chan *replay.Case, shadowQueued)}, nil
}

// Compare implements [aggregator.Shadow].
func (s *shadow) Compare(decision, method string, in *policy.Input, allowed bool, code, rule string) {
	v := replay.Decided(allowed, code, rule)
	if v.Other {
		return // not the policy's decision
	}
	c := &replay.Case{
		ID: decision, Time: in.Time, Verdict: v, Past: aggregator.Past{Input: in, Method: method},
		Of: audit.Labels{
			Org: in.Principal.Org, Team: in.Principal.Team, User: in.Principal.Subject, Key: in.Principal.KeyID, Upstream: in.Object.Upstream,
			Kind: in.Object.Kind, Tool: orElse(in.Object.OriginalName, in.Object.URI), Name: in.Object.Name, Origin: in.Session.Origin,
		},
	}
	size := int64(len(in.Arguments))
	if s.bytes.Add(size) <= shadowBytes {
		select {
		case s.queue <- c:
			return
		default:
		}
	}
	s.bytes.Add(-size)
	if n := s.dropped.Add(1); n&(n-1) == 0 {
		s.log.Warn("calls come faster than the candidate policy decides; some were not compared", "dropped", n)
	}
}

// run compares until ctx ends.
func (s *shadow) run(ctx context.Context) {
	for {
		select {
		case c := <-s.queue:
			s.bytes.Add(-int64(len(c.Past.Input.Arguments)))
			if err := s.compare(ctx, c); err != nil && ctx.Err() == nil {
				s.log.Warn("a difference of the candidate policy could not be recorded", "decision", c.ID, "error", err)
			}
		case <-ctx.Done():
			return
		}
	}
}

func (s *shadow) compare(ctx context.Context, c *replay.Case) error {
	a, err := s.judge.Compare(ctx, c)
	if err != nil || a.Change != replay.Refused && a.Change != replay.Allowed {
		return err
	}
	if a.Change == replay.Allowed && c.Verdict.Code == aggregator.CodeHidden {
		// Also what the toolset of a call does not have, or no mode shows, is hidden.
		if seen, err := s.live.Access(ctx, c.Past.Input.Principal, []policy.Object{*c.Past.Input.Object}); err == nil && seen[0] {
			return nil
		}
	}
	r := &audit.Record{
		Kind: audit.Shadow, ID: c.ID, Time: time.Now().UTC(), Class: audit.Async, Action: wouldRefuse, Sentence: a.Reason, Revision: s.judge.Revision(), Of: &c.Of,
	}
	if a.Change == replay.Allowed {
		r.Action = wouldAllow
	}
	by := map[string]string{"code": a.Code, "rule": a.Rule}
	if a.Place != "" {
		by["place"] = a.Place
	}
	if r.Details, err = json.Marshal(by); err != nil {
		return err
	}
	return s.record(ctx, r)
}
