// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"tollgate/aggregator/catalog"
	"tollgate/cmd/internal/config"
	"tollgate/cmd/internal/control"
	"tollgate/policy"
	"tollgate/upstream/wire"
)

// misfits looks for rules of a configuration that are about nothing the upstreams offer: mistyped, they would restrict
// nothing, and nobody would notice.
type misfits struct {
	p       *plan
	entries []*catalog.Entry
	found   []control.Problem
}

// patternMisfits are the patterns and constraints of p that fit nothing in the catalog, although what they name is known.
func patternMisfits(p *plan, snapshot *catalog.Snapshot) []control.Problem {
	m := &misfits{p: p}
	for k := range catalog.Kind(catalog.Kinds) {
		m.entries = append(m.entries, snapshot.Entries(k)...)
	}
	if p.demo {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(p.roles)) {
		m.role(config.Path("roles", name), p.roles[name])
	}
	m.role(config.Path("policy", "everyone"), p.everyone)
	for i, s := range p.scopes {
		m.patterns(config.Path("policy", "scopes", i, "for"), s.For)
	}
	return m.found
}

func (m *misfits) role(at string, r policy.Role) {
	m.patterns(at+".allow", r.Allow)
	m.patterns(at+".deny", r.Deny)
	for i := range r.Obligations {
		m.patterns(fmt.Sprintf("%s.obligations[%d].for", at, i), r.Obligations[i].For)
	}
	for i := range r.Limits {
		m.patterns(fmt.Sprintf("%s.limits[%d].for", at, i), r.Limits[i].For)
	}
	for i := range r.Constraints {
		c := &r.Constraints[i]
		here := fmt.Sprintf("%s.constraints[%d]", at, i)
		m.patterns(here+".for", c.For)
		for _, argument := range slices.Sorted(maps.Keys(c.Arguments)) {
			m.argument(here, c, argument)
		}
	}
}

func (m *misfits) report(at, format string, args ...any) {
	line, col := m.p.cfg.At(at)
	m.found = append(m.found, control.Problem{Item: fmt.Sprintf("%s:%d:%d", m.p.cfg.File(), line, col), Reason: fmt.Sprintf(format, args...)})
}

// patterns reports those that name an upstream which offers something, but nothing that they match.
func (m *misfits) patterns(at string, patterns []string) {
	for i, text := range patterns {
		p, err := policy.ParsePattern(text)
		if strings.HasPrefix(text, "resource:") {
			continue // resources need to be in no list
		}
		if err != nil || slices.ContainsFunc(m.entries, func(e *catalog.Entry) bool { return p.Match(&e.Object) }) {
			continue
		}
		upstream, name := namesOf(text)
		var offers []string
		for _, e := range m.entries {
			if e.Upstream == upstream {
				offers = append(offers, e.OriginalName)
			}
		}
		if len(offers) == 0 {
			continue // it is not there at the moment, or the pattern is about any
		}
		hint := ""
		if near, ok := config.Closest(name, offers); ok {
			hint = fmt.Sprintf("; did you mean %q?", near)
		}
		m.report(fmt.Sprintf("%s[%d]", at, i), "%q matches nothing that upstream %q offers%s", text, upstream, hint)
	}
}

// namesOf are the upstream and the name in a pattern.
func namesOf(text string) (upstream, name string) {
	text, _, _ = strings.Cut(text, "[")
	if i := strings.IndexAny(text, ":/"); i >= 0 && text[i] == ':' {
		text = text[i+1:]
	}
	upstream, name, _ = strings.Cut(text, "/")
	return upstream, name
}

// argument reports a constraint on an argument that no tool has which the constraint is about.
func (m *misfits) argument(at string, c *policy.ConstraintRule, argument string) {
	var tool string
	var has []string
	for _, e := range m.entries {
		if e.Kind != catalog.Tool || !matchesAny(c.For, &e.Object) {
			continue
		}
		properties, ok := wire.Lookup(e.Definition, "inputSchema", "properties")
		if !ok {
			return // a tool that says nothing of its arguments may have it
		}
		tool = e.Upstream + "/" + e.OriginalName
		for p := range wire.Members(properties) {
			if p.Name == argument {
				return
			}
			has = append(has, strings.Clone(p.Name))
		}
	}
	if tool == "" {
		return
	}
	hint := ""
	if near, ok := config.Closest(argument, has); ok {
		hint = fmt.Sprintf("; did you mean %q?", near)
	}
	m.report(at, "no tool that this is about has an argument %q (%s has none)%s", argument, tool, hint)
}
