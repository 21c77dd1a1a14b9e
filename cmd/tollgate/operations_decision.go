// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"tollgate/aggregator/replay"
	"tollgate/cmd/internal/cli"
	"tollgate/cmd/internal/control"
	"tollgate/store/audit"
	"tollgate/store/ledger"
)

// ExplainDecision implements [control.Replayer].
func (g *gateway) ExplainDecision(ctx context.Context, q *control.DecisionExplainQuery) (*control.DecisionExplanation, error) {
	found, err := g.accounts.engine.Log().Find(ctx, q.ID)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(found, func(f audit.Found) bool { return f.Record.Kind == audit.Intent || f.Record.Kind == audit.Refusal })
	if i < 0 {
		return nil, noDecision(q.ID, found)
	}
	d := &decisionOf{g: g, record: found[i].Record}
	d.recorded()
	for _, f := range found {
		d.follows(f.Record)
	}
	return &d.out, d.now(ctx)
}

// noDecision says why an id is not that of a decision.
func noDecision(id string, found []audit.Found) error {
	e := &control.Error{Message: fmt.Sprintf("no decision has the id %q", id), Exit: cli.ExitUsage,
		Hint: "callers are told the id with their answer, and `tollgate audit query` shows them; retention may have removed its records (audit.retention)"}
	if len(found) == 0 {
		return e
	}
	r := found[0].Record
	e.Message = fmt.Sprintf("the record %q is about no decision: it is of kind %s", id, r.Kind)
	if e.Hint = ""; r.Kind == audit.Replay {
		e.Message = fmt.Sprintf("the request %q was not decided on: it had the idempotency key of another, and got its answer again", id)
		e.Hint = "explain that one: tollgate policy explain " + r.Target
	}
	return e
}

// decisionOf explains one decision.
type decisionOf struct {
	g      *gateway
	record *audit.Record
	out    control.DecisionExplanation
}

// recorded is what the first record says.
func (d *decisionOf) recorded() {
	r, x := d.record, &d.out
	*x = control.DecisionExplanation{
		ID: r.ID, Time: r.Time, Verdict: "allowed", Method: r.Method, Code: r.Code, Rule: r.Rule, Told: r.Sentence, Detail: r.Detail, Reason: r.Reason,
		Revision: r.Revision, Input: r.Input, Continues: r.Continues,
	}
	if r.Kind == audit.Refusal {
		x.Verdict = r.End
	}
	if of := r.Of; of != nil {
		x.Subject, x.Team, x.Org, x.Name, x.Origin = of.User, of.Team, of.Org, of.Name, of.Origin
		if of.Upstream != "" {
			x.Object = of.Kind + ":" + of.Upstream + "/" + of.Tool
		}
	}
	d.g.mu.Lock()
	engine := d.g.engine
	d.g.mu.Unlock()
	parts := strings.Split(r.Revision, "/")
	x.Current = engine != nil && len(parts) > 1 && parts[1] == engine.Revision()
	if r.Arguments != nil {
		x.Arguments = r.Arguments.Level
	}
}

// follows adds what another record of the decision says.
func (d *decisionOf) follows(r *audit.Record) {
	switch r.Kind {
	case audit.Outcome:
		o := control.DecisionOutcome{Time: r.Time, End: r.End, Bytes: r.Bytes, Micros: r.Micros, Error: r.Error, Open: r.Open}
		if r.Cost != 0 {
			o.CostUSD = ledger.FormatUSD(r.Cost)
		}
		d.out.Outcomes = append(d.out.Outcomes, o)
	case audit.Shadow:
		d.out.Shadow = strings.TrimSuffix(r.Action+": "+r.Sentence, ": ")
	}
}

// now adds what the rules in force would say.
func (d *decisionOf) now(ctx context.Context) error {
	empty, err := emptyDigest(d.g.db)
	if err != nil {
		return err
	}
	c, _, err := replay.Recorded(d.record, empty)
	if err != nil || c == nil {
		return err
	}
	d.out.Roles, d.out.Missing = c.Roles(), c.Past.Missing
	j, err := d.g.judge()
	if err != nil {
		return err
	}
	a, err := j.Compare(ctx, c)
	if err != nil {
		return err
	}
	n := &control.DecisionNow{
		Change: string(a.Change), Code: a.Code, Rule: a.Rule, Place: a.Place, Reason: a.Reason, Missing: a.Missing, Schema: a.Schema,
	}
	d.out.Now = n
	if a.Change == replay.Allowed {
		n.Code, n.Rule, n.Reason = "", "", "" // those of the record, which says so itself
	}
	return d.access(ctx, c)
}

// access adds the rule that shows or hides what was called, by now.
func (d *decisionOf) access(ctx context.Context, c *replay.Case) error {
	d.g.mu.Lock()
	engine, p := d.g.engine, d.g.plan
	d.g.mu.Unlock()
	x, err := engine.Explain(ctx, c.Past.Input.Principal, *c.Past.Input.Object)
	if err != nil {
		return err
	}
	n, place := d.out.Now, ""
	if n.Access = x.Rule; x.File != "" {
		place = fmt.Sprintf("%s:%d", x.File, x.Line)
	}
	if x.Pattern != "" {
		e := &explaining{p: p}
		n.Access, place = fmt.Sprintf("%s %q of role %s", x.Rule, x.Pattern, x.Role), e.patternPlace(x.Role, x.Rule, x.Pattern)
	}
	if n.Rule == n.Access {
		n.Place = place
	}
	if place != "" {
		n.Access += " at " + place
	}
	return nil
}
