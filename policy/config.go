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
//	roles     role -> includes, allow, deny as written
//	names     id -> effect -> role -> pattern; patterns without a wildcard
//	globs     upstream, or "*" -> effect -> role -> one regular expression
//	patterns  role -> effect -> [role path, pattern, regex]; for reason
func configDocument(roles map[string]Role, all map[string]effective) map[string]any {
	c := &configBuilder{names: map[string]any{}, globs: map[string]any{}, patterns: map[string]any{}}
	for _, role := range slices.Sorted(maps.Keys(all)) {
		e := all[role]
		c.patterns[role] = map[string]any{
			"allow": c.add(role, "allow", e.allow),
			"deny":  c.add(role, "deny", e.deny),
		}
	}
	written := make(map[string]any, len(roles))
	for name, r := range roles {
		written[name] = map[string]any{
			"includes": anySlice(r.Includes), "allow": anySlice(r.Allow), "deny": anySlice(r.Deny),
		}
	}
	return map[string]any{"roles": written, "names": c.names, "globs": c.globs, "patterns": c.patterns}
}

type configBuilder struct{ names, globs, patterns map[string]any }

func (c *configBuilder) add(role, effect string, grants []grant) []any {
	scopes := map[string][]string{}
	rows := make([]any, 0, len(grants))
	for i := range grants {
		p := &grants[i].pattern
		expression := p.expression()
		rows = append(rows, map[string]any{
			"role": grants[i].path, "pattern": p.text, "regex": anchored([]string{expression}),
		})
		if p.exact() {
			byRole := child(child(c.names, objectID(p.kind, p.upstream, p.name)), effect)
			if byRole[role] == nil {
				byRole[role] = p.text
			}
			continue
		}
		if scope := p.scope(); !slices.Contains(scopes[scope], expression) {
			scopes[scope] = append(scopes[scope], expression)
		}
	}
	for scope, alternatives := range scopes {
		child(child(c.globs, scope), effect)[role] = anchored(alternatives)
	}
	return rows
}

func child(m map[string]any, key string) map[string]any {
	if m[key] == nil {
		m[key] = map[string]any{}
	}
	return m[key].(map[string]any)
}

func anySlice(texts []string) []any {
	out := make([]any, len(texts))
	for i, t := range texts {
		out[i] = t
	}
	return out
}

// objectID is what patterns are matched against: <kind>:<upstream>/<name>,
// where name is the original name or, for resources and templates, the URI.
func objectID(kind, upstream, name string) string { return kind + ":" + upstream + "/" + name }
