// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"

	"tollgate/aggregator/catalog"
	"tollgate/aggregator/redact"
	"tollgate/policy"
	"tollgate/policy/limit"
	"tollgate/policy/narrow"
	"tollgate/upstream/wire"
)

// terms are what holds for the calls of one object by principals of one class and the same roles. They never change.
type terms struct {
	conditions *policy.Conditions
	schema     []byte        // of the arguments, as the upstream defines it; nil = unknown
	names      *spellings    // of arguments that are known; nil when nothing looks at them
	check      *narrow.Check // nil: the arguments are free
	redact     *redact.Rule  // nil: results pass as they are
	recorded   *Recorded
	budgets    []*limit.Budget // about the object, whoever calls it
	limits     []*limit.Limit
	misfit     *Refusal // of every call, for want of a limit that fits the tool
	failure    error    // why no call may go on
}

type termsKey struct {
	class, roles string
	entry        *catalog.Entry
}

// termsOf are the terms of what to goes to. Those of an object that is in no list are not kept.
func (r *revision) termsOf(ctx context.Context, w *who, to *target) *terms {
	if to.entry == nil {
		return r.unlistedTerms(ctx, w, to)
	}
	key := termsKey{w.class, w.rolesKey(), to.entry}
	if t, ok := r.terms.Load(key); ok {
		return t.(*terms)
	}
	if r.agreed.Add(1) > maxTerms {
		dropOne(&r.terms)
	}
	a := r.access(w)
	c := a.asked(r, to.entry)
	var schema []byte
	if to.entry.Kind == catalog.Tool {
		schema, _ = wire.Lookup(to.entry.Definition, "inputSchema")
	}
	made := r.newTerms(w, &to.entry.Object, schema, c)
	if a.stale.Load() {
		return made
	}
	t, _ := r.terms.LoadOrStore(key, made)
	return t.(*terms)
}

// unlistedTerms are those of a resource that is in no list: its own, and those of the template that made its address.
func (r *revision) unlistedTerms(ctx context.Context, w *who, to *target) *terms {
	c := r.conditions(ctx, w, []policy.Object{to.object})[0]
	var limits []*limit.Limit
	var budgets []*limit.Budget
	if to.template != nil {
		c = joined(&c, r.access(w).asked(r, to.template))
		limits = r.rules.Limits.For(r.roles(w), &to.template.Object)
		budgets = r.rules.Budgets.About(&to.template.Object)
	}
	t := r.newTerms(w, &to.object, nil, &c)
	for _, l := range limits {
		if !slices.Contains(t.limits, l) {
			t.limits = append(t.limits, l)
		}
	}
	for _, b := range budgets {
		if !slices.Contains(t.budgets, b) {
			t.budgets = append(t.budgets, b)
		}
	}
	return t
}

// joined is what both conditions ask.
func joined(a, b *policy.Conditions) policy.Conditions {
	out := policy.Conditions{Refuse: cmp.Or(a.Refuse, b.Refuse), Obligations: sum(&a.Obligations, &b.Obligations)}
	out.Constraints = append(slices.Clone(a.Constraints), b.Constraints...)
	out.Scopes = append(slices.Clone(a.Scopes), b.Scopes...)
	slices.Sort(out.Scopes)
	out.Scopes = slices.Compact(out.Scopes)
	return out
}

// sum is what both obligations ask.
func sum(a, b *policy.Obligations) policy.Obligations {
	out := policy.Obligations{
		Redact: append(slices.Clone(a.Redact), b.Redact...), Confirm: append(slices.Clone(a.Confirm), b.Confirm...),
		Reason: a.Reason || b.Reason, MaxResultBytes: a.MaxResultBytes,
	}
	// Only who redacts has a say in what is kept.
	out.KeepText = (a.KeepText || len(a.Redact) == 0) && (b.KeepText || len(b.Redact) == 0) && len(out.Redact) > 0
	if b.MaxResultBytes > 0 && (out.MaxResultBytes == 0 || b.MaxResultBytes < out.MaxResultBytes) {
		out.MaxResultBytes = b.MaxResultBytes
	}
	slices.Sort(out.Confirm)
	out.Confirm = slices.Compact(out.Confirm)
	return out
}

func (r *revision) newTerms(w *who, o *policy.Object, schema []byte, c *policy.Conditions) *terms {
	t := &terms{conditions: c, schema: schema, limits: r.rules.Limits.For(r.roles(w), o), recorded: r.recorded(o, schema), budgets: r.rules.Budgets.About(o)}
	t.misfit = r.misfit(t, o)
	if len(c.Constraints) > 0 || c.Obligations.Reason {
		if t.check, t.failure = narrow.NewCheck(schema, c); t.failure != nil {
			return t
		}
		if problem := t.check.Problem(); problem != "" {
			r.log.Warn("arguments are checked against the constraints alone", "object", o.Name, "reason", problem)
		}
	}
	if takes := o.Kind == "tool" || o.Kind == "prompt"; takes && (t.check != nil || len(t.limits) > 0 || r.rules.Decider.Dynamic()) {
		t.names = r.spellings(t)
	}
	t.redact, t.failure = redact.Compile(&c.Obligations)
	return t
}

// spellings are the names of arguments that the tool, its conditions, its limits and the call rules know.
func (r *revision) spellings(t *terms) *spellings {
	var names []string
	schemas := [][]byte{t.schema}
	for i := range t.conditions.Constraints {
		c := &t.conditions.Constraints[i]
		schemas = append(schemas, wire.Set(nil, "properties", wire.Set(nil, c.Argument, c.Schema)))
		if bytes.Contains(c.Schema, []byte(`"$ref"`)) {
			names = append(names, namesIn(c.Schema)...)
		}
	}
	for _, l := range t.limits {
		names = append(names, l.Arguments()...)
	}
	return newSpellings(append(names, r.argumentNames()...), schemas...)
}

// misfit is why limits cannot be held against a tool: they read arguments that it does not have. A caller could else add
// such an argument, which the tool ignores, and so be let through.
func (r *revision) misfit(t *terms, o *policy.Object) *Refusal {
	if t.schema == nil || len(t.limits) == 0 {
		return nil
	}
	for _, m := range r.rules.Limits.CheckTools([]limit.Tool{{Object: o, InputSchema: t.schema}}) {
		for _, l := range t.limits {
			if l.Role() == m.Role && l.Index() == m.Index {
				return &Refusal{
					Code: limit.CodeError, Rule: l.Name(), Detail: m.Error(),
					Sentence: fmt.Sprintf("limit %q does not fit this tool: its operator has to correct it", l.Name()),
				}
			}
		}
	}
	return nil
}
