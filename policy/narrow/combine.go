// SPDX-License-Identifier: Apache-2.0

package narrow

import (
	"errors"

	"tollgate/upstream/wire"
)

// group is one of allOf, anyOf and oneOf.
type group struct {
	name  string
	nodes []*node
}

func (k group) inPlace() []*node { return k.nodes }

func (k group) eval(r *run, v any, seen *seen) *miss {
	var misses []*miss
	for _, n := range k.nodes {
		m := r.eval(n, v, seen)
		switch {
		case r.over():
			return &miss{kind: overdone}
		case m == nil:
		case k.name == "allOf":
			return m
		default:
			misses = append(misses, m)
		}
	}
	switch fits := len(k.nodes) - len(misses); {
	case k.name == "allOf", fits == 1, k.name == "anyOf" && fits > 0:
		return nil
	case fits > 1:
		return r.miss("must fit exactly one of the allowed forms, but fits several")
	}
	return r.closest(misses)
}

// closest picks what to say of a value that fits no branch: the complaint that lies deepest, since that branch was nearest,
// unless the branches only disagree on the type.
func (r *run) closest(misses []*miss) *miss {
	best, tied, set := (*miss)(nil), false, 0
	for _, m := range misses {
		if len(m.path) == len(r.path) && m.kind == wrong {
			set |= m.types
			continue
		}
		switch {
		case best == nil || len(m.path) > len(best.path):
			best, tied = m, false
		case len(m.path) == len(best.path):
			tied = tied || m.text != best.text
		}
	}
	switch {
	case best == nil && set != 0:
		m := r.missOf(wrong, typeText(set))
		m.types = set
		return m
	case best == nil || tied:
		return r.miss("fits none of the allowed forms")
	}
	return best
}

// not is the keyword of that name.
type not struct{ node *node }

func (k not) inPlace() []*node { return []*node{k.node} }

func (k not) eval(r *run, v any, _ *seen) *miss {
	switch m := r.eval(k.node, v, nil); {
	case r.over():
		return &miss{kind: overdone}
	case m != nil:
		return nil
	case len(k.node.keywords) == 0:
		return r.missOf(noValue, "")
	}
	return r.miss("has a value that is excluded")
}

// conditional is if with then and else.
type conditional struct{ test, then, otherwise *node }

func (k conditional) inPlace() []*node {
	nodes := []*node{k.test}
	for _, n := range []*node{k.then, k.otherwise} {
		if n != nil {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

func (k conditional) eval(r *run, v any, seen *seen) *miss {
	next := k.then
	if r.eval(k.test, v, seen) != nil {
		next = k.otherwise
	}
	if next == nil || r.over() {
		return nil // run.over is looked at before any answer counts
	}
	return r.eval(next, v, seen)
}

func (p *part) conditional(raw []byte) (keyword, error) {
	test, err := p.child(raw)
	then, err2 := p.optional("then")
	otherwise, err3 := p.optional("else")
	return conditional{test, then, otherwise}, errors.Join(err, err2, err3)
}

// dependent are dependentRequired, dependentSchemas and the older dependencies, which is both.
type dependent struct {
	needs   map[string][]string
	schemas []entry
}

func (k dependent) inPlace() []*node {
	var nodes []*node
	for _, e := range k.schemas {
		nodes = append(nodes, e.node)
	}
	return nodes
}

func (k dependent) eval(r *run, v any, seen *seen) *miss {
	members, ok := v.(map[string]any)
	if !ok {
		return nil
	}
	for name := range members {
		r.spend(1 + len(k.needs[name]))
		if m := required(k.needs[name]).eval(r, v, nil); m != nil {
			return m
		}
	}
	for _, e := range k.schemas {
		if _, ok := members[e.name]; ok {
			if m := r.eval(e.node, v, seen); m != nil {
				return m
			}
		}
	}
	return nil
}

func (p *part) dependent(raw []byte) (keyword, error) {
	if wire.Kind(raw) != '{' {
		return nil, errors.New("must be an object")
	}
	k := dependent{needs: map[string][]string{}}
	for m := range wire.Members(raw) {
		if wire.Kind(m.Value) == '[' {
			names, err := stringList(m.Value)
			if err != nil {
				return nil, err
			}
			k.needs[m.Name] = names
			continue
		}
		n, err := p.child(m.Value)
		if err != nil {
			return nil, err
		}
		k.schemas = append(k.schemas, entry{m.Name, n})
	}
	return k, nil
}
