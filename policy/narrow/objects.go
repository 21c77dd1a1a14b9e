// SPDX-License-Identifier: Apache-2.0

package narrow

import (
	"maps"
	"slices"

	"tollgate/upstream/wire"
)

// members are properties, patternProperties and additionalProperties, which depend on each other.
type members struct {
	named    map[string]*node
	patterns []patternEntry
	rest     *node // nil = anything
}

type patternEntry struct {
	*pattern
	node *node
}

func (p *part) members() (keyword, error) {
	k := members{named: map[string]*node{}}
	if raw, ok := wire.Lookup(p.raw, "properties"); ok {
		entries, err := p.children(raw)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			k.named[e.name] = e.node
		}
	}
	if raw, ok := wire.Lookup(p.raw, "patternProperties"); ok {
		entries, err := p.children(raw)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			re, err := newPattern(e.name)
			if err != nil {
				return nil, err
			}
			k.patterns = append(k.patterns, patternEntry{re, e.node})
		}
	}
	var err error
	k.rest, err = p.optional("additionalProperties")
	return k, err
}

func (k members) eval(r *run, v any, seen *seen) *miss {
	object, ok := v.(map[string]any)
	if !ok {
		return nil
	}
	for _, name := range names(r, object) {
		value, known := object[name], false
		if n, ok := k.named[name]; ok {
			if m := r.member(n, name, value); m != nil {
				return m
			}
			known = true
		}
		for _, p := range k.patterns {
			if !p.match(r, name) {
				continue
			}
			if m := r.member(p.node, name, value); m != nil {
				return m
			}
			known = true
		}
		if !known && k.rest != nil {
			if m := r.member(k.rest, name, value); m != nil {
				return m
			}
			known = true
		}
		if known {
			seen.name(name)
		}
		if r.over() {
			return &miss{kind: overdone}
		}
	}
	return nil
}

// names are those of an object in a fixed order, so that of several mistakes the same one is always named.
func names(r *run, object map[string]any) []string {
	r.spend(len(object))
	return slices.Sorted(maps.Keys(object))
}

// propertyNames is the keyword of that name.
type propertyNames struct{ node *node }

func (k propertyNames) eval(r *run, v any, _ *seen) *miss {
	object, ok := v.(map[string]any)
	if !ok {
		return nil
	}
	for _, name := range names(r, object) {
		if m := r.eval(k.node, name, nil); m != nil {
			r.path = append(r.path, name)
			m = r.miss("has a name that is not allowed")
			r.path = r.path[:len(r.path)-1]
			return m
		}
	}
	return nil
}

// unevaluatedProperties is the keyword of that name.
type unevaluatedProperties struct{ node *node }

func (k unevaluatedProperties) eval(r *run, v any, seen *seen) *miss {
	object, ok := v.(map[string]any)
	if !ok || seen.allNames {
		return nil
	}
	for _, name := range names(r, object) {
		if !seen.names[name] {
			if m := r.member(k.node, name, object[name]); m != nil {
				return m
			}
		}
	}
	seen.allNames = true
	return nil
}
