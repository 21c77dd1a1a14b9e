// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"strings"

	"tollgate/aggregator"
	"tollgate/cmd/internal/config"
	"tollgate/cmd/internal/control"
	"tollgate/policy"
)

// refused says which rule refused the call, where it stands and what to change.
func (e *explaining) refused() {
	r := e.x.Refusal
	e.out.Rule, e.out.Place, e.out.Reason, e.out.Detail = r.Rule, "", r.Sentence, r.Detail
	e.out.Told = "refused: " + r.Sentence
	switch r.Code {
	case aggregator.CodeScope:
		e.scope(r)
	case aggregator.CodeConstraint:
		e.out.Stage = "constraint"
		if r.Rule == "policy" {
			e.out.Rule = "constraints of the policy"
		}
		e.out.Place = e.constraintPlace(r.Rule, r.Sentence)
		e.advise("call it so that %s", r.Sentence)
		e.advise("or change the constraint at %s", orElse(e.out.Place, "its place in the policy"))
	case aggregator.CodeReason:
		e.out.Stage, e.out.Rule, e.out.Place = "obligation", "reason", e.source("obligations")
		e.advise(`give a reason in the argument "reason"`)
	case policy.CodeDenied:
		e.denied()
	default:
		e.limited(r)
	}
}

func (e *explaining) scope(r *aggregator.Refusal) {
	var lacks []string
	for _, s := range r.Scopes {
		if e.q.Identity.Scopes == nil || !slices.Contains(*e.q.Identity.Scopes, s) {
			lacks = append(lacks, s)
		}
	}
	e.out.Stage = "scope"
	e.out.Told = "HTTP 403 insufficient_scope, with all scopes that are needed: " + strings.Join(r.Scopes, " ")
	for i := range e.p.scopes {
		if containsAny(e.p.scopes[i].Scopes, lacks) && matchesAny(e.p.scopes[i].For, e.x.Object) {
			e.out.Rule, e.out.Place = fmt.Sprintf("policy.scopes[%d]", i), e.place(config.Path("policy", "scopes", i))
			break
		}
	}
	if e.out.Rule == "" {
		e.out.Rule, e.out.Place = "scopes of the policy", e.source("scopes")
	}
	e.advise("the access token lacks %s: get one with these scopes", strings.Join(lacks, " "))
}

func containsAny(list, some []string) bool {
	return slices.ContainsFunc(some, func(s string) bool { return slices.Contains(list, s) })
}

// matchesAny reports whether a rule for patterns is about o; no pattern is about everything.
func matchesAny(patterns []string, o *policy.Object) bool {
	return len(patterns) == 0 || slices.ContainsFunc(patterns, func(text string) bool {
		p, err := policy.ParsePattern(text)
		return err == nil && p.Match(o)
	})
}

func (e *explaining) denied() {
	e.out.Stage = "policy"
	for _, d := range e.x.Denials {
		e.out.Denials = append(e.out.Denials, control.Place{Rule: d.Rule, Place: fmt.Sprintf("%s:%d", d.File, d.Line), Title: d.Title})
	}
	if len(e.out.Denials) > 0 {
		first := e.out.Denials[0]
		e.out.Rule, e.out.Place = first.Rule, first.Place
		e.advise("change the call so that the rule at %s does not hold, or change the rule", first.Place)
	}
}

// limited is about a limit of the configuration, or an engine that gave no answer.
func (e *explaining) limited(r *aggregator.Refusal) {
	for _, l := range e.x.Limits {
		if l.Name() != r.Rule {
			continue
		}
		e.out.Stage, e.out.Place = "limit", e.place(limitPath(l.Role(), l.Index()))
		e.advise("change the call so that it holds: %s; or change the limit", l.Describe())
		return
	}
	e.out.Stage = "policy"
	if e.out.Rule = r.Code; e.out.Detail != "" {
		e.advise("mend the policy: %s", e.out.Detail)
	}
}

// limitPath is where a limit stands in the configuration.
func limitPath(role string, index int) string {
	if role == "" {
		return config.Path("policy", "everyone", "limits", index)
	}
	return config.Path("roles", role, "limits", index)
}

// constraintPlace is where the constraint of a rule stands that a call broke.
func (e *explaining) constraintPlace(rule, sentence string) string {
	role := lastRole(rule)
	rules, path := e.p.roles[role].Constraints, func(i int) string { return config.Path("roles", role, "constraints", i) }
	if _, ok := e.p.roles[role]; !ok {
		rules, path = e.p.everyone.Constraints, func(i int) string { return config.Path("policy", "everyone", "constraints", i) }
	}
	for i := range rules {
		for argument := range rules[i].Arguments {
			if strings.Contains(sentence, fmt.Sprintf("argument %q", argument)) && matchesAny(rules[i].For, e.x.Object) {
				return e.place(path(i))
			}
		}
	}
	return e.source("constraints")
}

// source is where the first rule of a set in package tollgate.call stands that holds for the call.
func (e *explaining) source(set string) string {
	for _, s := range e.x.Sources {
		if s.Rule == set && s.File != "" {
			return fmt.Sprintf("%s:%d", s.File, s.Line)
		}
	}
	return ""
}
