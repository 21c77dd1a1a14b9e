// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"regexp"
)

// askIndex says of which objects the configuration asks something, of whomever.
type askIndex struct {
	names  map[string][]*Pattern // by id; patterns without a wildcard
	scopes map[string]*askScope  // by upstream, or "*"
}

// askScope are the patterns about one upstream, or any.
type askScope struct {
	expressions []string
	re          *regexp.Regexp // of all of them
	conditional []*Pattern     // patterns with conditions
}

func newAskIndex(all map[string]effective) (*askIndex, error) {
	x := &askIndex{names: map[string][]*Pattern{}, scopes: map[string]*askScope{}}
	for _, e := range all {
		for _, a := range e.asks {
			for _, p := range a.patterns {
				if err := x.add(p); err != nil {
					return nil, err
				}
			}
		}
	}
	for _, s := range x.scopes {
		var err error
		if s.re, err = regexp.Compile(anchored(s.expressions)); err != nil {
			return nil, fmt.Errorf("patterns of constraints: %w", err)
		}
	}
	return x, nil
}

func (x *askIndex) add(p pattern) error {
	compiled, err := p.compile()
	if err != nil {
		return fmt.Errorf("pattern %q: %w", p.text, err)
	}
	if p.exact() {
		id := objectID(p.kind, p.upstream, p.name)
		x.names[id] = append(x.names[id], compiled)
		return nil
	}
	s := x.scopes[p.scope()]
	if s == nil {
		s = &askScope{}
		x.scopes[p.scope()] = s
	}
	if len(p.conditions) > 0 {
		s.conditional = append(s.conditional, compiled)
	} else {
		s.expressions = append(s.expressions, p.expression())
	}
	return nil
}

func (x *askIndex) about(o *Object) bool {
	id := o.id()
	return anyMatch(x.names[id], id, o) || x.scopes[o.Upstream].about(id, o) || x.scopes["*"].about(id, o)
}

func (s *askScope) about(id string, o *Object) bool {
	return s != nil && (len(s.expressions) > 0 && s.re.MatchString(id) || anyMatch(s.conditional, id, o))
}

func anyMatch(patterns []*Pattern, id string, o *Object) bool {
	for _, p := range patterns {
		if p.matchID(id, o) {
			return true
		}
	}
	return false
}
