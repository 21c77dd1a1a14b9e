// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"maps"
	"slices"
)

// configDocument turns effective roles into data.tollgate.config, the shape
// the shipped policy reads. Every look-up in it is by a key the policy has at
// hand, so that an object costs nothing for roles and upstreams that are not its
// principal's and its own:
//
//	roles        role -> includes, allow, deny, constraints, obligations as written
//	names        id -> effect -> role -> pattern; patterns without a wildcard
//	globs        upstream, or "*" -> effect -> role -> one regular expression
//	conditional  upstream, or "*" -> effect -> role -> [regex, conditions];
//	             patterns with conditions; absent when there are none
//	patterns     role -> effect -> [role path, pattern, regex, conditions]; for reason
//	asks         names: id -> role -> [row], globs: upstream, or "*" -> role -> [row],
//	             role "" is everybody; a row has regex (globs only) and conditions
//	             (if any), and constraints, obligations or scopes; absent when
//	             nothing is asked
func configDocument(roles map[string]Role, all map[string]effective) map[string]any {
	c := &configBuilder{
		names: map[string]any{}, globs: map[string]any{}, conditional: map[string]any{},
		patterns: map[string]any{}, asks: map[string]any{},
	}
	for _, role := range slices.Sorted(maps.Keys(all)) {
		e := all[role]
		for i := range e.asks {
			c.ask(role, &e.asks[i])
		}
		if role == everybody {
			continue
		}
		c.patterns[role] = map[string]any{
			"allow": c.add(role, "allow", e.allow),
			"deny":  c.add(role, "deny", e.deny),
		}
	}
	written := make(map[string]any, len(roles))
	for name, r := range roles {
		written[name] = map[string]any{
			"includes": anySlice(r.Includes), "allow": anySlice(r.Allow), "deny": anySlice(r.Deny),
			"constraints": writtenRules(r.Constraints), "obligations": writtenRules(r.Obligations),
		}
	}
	out := map[string]any{"roles": written, "names": c.names, "globs": c.globs, "patterns": c.patterns}
	if len(c.conditional) > 0 {
		out["conditional"] = c.conditional
	}
	if len(c.asks) > 0 {
		out["asks"] = c.asks
	}
	return out
}

type configBuilder struct{ names, globs, conditional, patterns, asks map[string]any }

func (c *configBuilder) add(role, effect string, grants []grant) []any {
	scopes := map[string][]string{}
	rows := make([]any, 0, len(grants))
	for i := range grants {
		p := &grants[i].pattern
		expression := p.expression()
		row := map[string]any{"role": grants[i].path, "pattern": p.text, "regex": anchored([]string{expression})}
		rows = append(rows, row)
		switch scope := p.scope(); {
		case len(p.conditions) > 0:
			row["conditions"] = documents(p.conditions)
			push(child(child(c.conditional, scope), effect), role, map[string]any{
				"regex": row["regex"], "conditions": row["conditions"],
			})
		case p.exact():
			byRole := child(child(c.names, objectID(p.kind, p.upstream, p.name)), effect)
			if byRole[role] == nil {
				byRole[role] = p.text
			}
		case !slices.Contains(scopes[scope], expression):
			scopes[scope] = append(scopes[scope], expression)
		}
	}
	for scope, alternatives := range scopes {
		child(child(c.globs, scope), effect)[role] = anchored(alternatives)
	}
	return rows
}

// ask files one rule under each of its patterns. Rows that several patterns of
// a rule lead to give the same elements, which count once.
func (c *configBuilder) ask(role string, a *ask) {
	kind, elements := a.gives()
	scopes := map[string][]string{}
	for i := range a.patterns {
		p := &a.patterns[i]
		row := map[string]any{kind: elements}
		if len(p.conditions) > 0 {
			row["conditions"] = documents(p.conditions)
		}
		switch {
		case p.exact():
			push(child(child(c.asks, "names"), objectID(p.kind, p.upstream, p.name)), role, row)
		case len(p.conditions) > 0:
			row["regex"] = anchored([]string{p.expression()})
			push(child(child(c.asks, "globs"), p.scope()), role, row)
		default:
			scopes[p.scope()] = append(scopes[p.scope()], p.expression())
		}
	}
	for scope, alternatives := range scopes {
		push(child(child(c.asks, "globs"), scope), role, map[string]any{kind: elements, "regex": anchored(alternatives)})
	}
}

func child(m map[string]any, key string) map[string]any {
	if m[key] == nil {
		m[key] = map[string]any{}
	}
	return m[key].(map[string]any)
}

func push(m map[string]any, key string, row any) {
	rows, _ := m[key].([]any)
	m[key] = append(rows, row)
}

func anySlice(texts []string) []any {
	out := make([]any, len(texts))
	for i, t := range texts {
		out[i] = t
	}
	return out
}

func writtenRules[R any](rules []R) []any {
	out := make([]any, len(rules))
	for i := range rules {
		out[i] = asJSON(rules[i])
	}
	return out
}

// objectID is what patterns are matched against: <kind>:<upstream>/<name>,
// where name is the original name or, for resources and templates, the URI.
func objectID(kind, upstream, name string) string { return kind + ":" + upstream + "/" + name }
