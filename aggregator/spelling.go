// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"tollgate/upstream/wire"
)

// paramNames are the members that a method's params may have a meaning for.
func paramNames(method string) []string {
	switch method {
	case MethodCallTool, MethodGetPrompt:
		return []string{"name", "arguments", "_meta", "inputResponses", "requestState", "task"}
	case MethodReadResource:
		return []string{"uri", "_meta", "inputResponses", "requestState"}
	case MethodComplete:
		return []string{"ref", "argument", "context", "_meta"}
	}
	return []string{"taskId", "_meta", "inputResponses"}
}

// misspelt refuses params that one reader takes for another call than the rules do: libraries that match names without
// regard to case let "Name" replace "name". Arguments that are no object are refused for the same reason.
func misspelt(c *Call) *Reply {
	known := paramNames(c.Method)
	if m, name := twin(c.Params, known); m != "" {
		return invalid(fmt.Sprintf("params has a member that differs from %q in case only", name))
	}
	if c.Method == MethodComplete {
		ref, _ := wire.Lookup(c.Params, "ref")
		if m, name := twin(ref, []string{"type", "name", "uri"}); m != "" {
			return invalid(fmt.Sprintf("params.ref has a member that differs from %q in case only", name))
		}
	}
	if c.Method == MethodCallTool || c.Method == MethodGetPrompt {
		if raw, ok := wire.Lookup(c.Params, "arguments"); ok && wire.Kind(raw) != '{' && wire.Kind(raw) != 'n' {
			return invalid("params.arguments must be an object")
		}
	}
	return nil
}

// spellings are the names of arguments that schemas and rules know, for finding others that differ in case only. It never
// changes.
type spellings struct {
	place place           // of the arguments as a whole
	rules map[string]bool // names that expressions and call rules read, at whatever depth
	folds map[string]string
}

// place is one object or list in the arguments, as the schemas describe it.
type place struct {
	members map[string]*place
	folds   map[string]string // folded name of a member -> the name
	items   *place
}

// maxNesting bounds how deep arguments may be nested where rules look at their names.
const maxNesting = 32

// newSpellings takes names that rules read, and schemas of the arguments as a whole.
func newSpellings(names []string, schemas ...[]byte) *spellings {
	s := &spellings{rules: map[string]bool{}, folds: map[string]string{}}
	for _, name := range names {
		s.rules[name], s.folds[fold(name)] = true, name
	}
	for _, schema := range schemas {
		s.place.add(schema, maxNesting)
	}
	return s
}

// add takes in what one schema says of a place.
func (p *place) add(schema []byte, depth int) {
	if depth == 0 || wire.Kind(schema) != '{' {
		return
	}
	for m := range wire.Members(schema) {
		switch m.Name {
		case "properties":
			for property := range wire.Members(m.Value) {
				p.member(strings.Clone(property.Name)).add(property.Value, depth-1)
			}
		case "items", "additionalItems", "contains":
			p.each().add(m.Value, depth-1)
		case "prefixItems":
			for item := range wire.Elements(m.Value) {
				p.each().add(item, depth-1)
			}
		case "allOf", "anyOf", "oneOf":
			for part := range wire.Elements(m.Value) {
				p.add(part, depth-1)
			}
		case "if", "then", "else", "not":
			p.add(m.Value, depth-1)
		}
	}
}

// each is the place of every item of a list.
func (p *place) each() *place {
	if p.items == nil {
		p.items = &place{}
	}
	return p.items
}

func (p *place) member(name string) *place {
	if p.members == nil {
		p.members, p.folds = map[string]*place{}, map[string]string{}
	}
	if p.members[name] == nil {
		p.members[name], p.folds[fold(name)] = &place{}, name
	}
	return p.members[name]
}

// namesIn are the members that a schema describes at any depth, for schemas whose parts refer to each other.
func namesIn(schema []byte) []string {
	var names []string
	switch wire.Kind(schema) {
	case '{':
		for m := range wire.Members(schema) {
			if m.Name == "properties" {
				for property := range wire.Members(m.Value) {
					names = append(names, strings.Clone(property.Name))
				}
			}
			names = append(names, namesIn(m.Value)...)
		}
	case '[':
		for item := range wire.Elements(schema) {
			names = append(names, namesIn(item)...)
		}
	}
	return names
}

// clash finds a name in arguments that differs in case only from one that is known at its place, or that a rule reads.
// Libraries that match names without regard to case would take it for the other, which is the one the rules looked at.
// known is "" for arguments that are nested too deep to tell.
func (s *spellings) clash(arguments []byte) (written, known string) {
	return s.at(&s.place, arguments, maxNesting)
}

func (s *spellings) at(p *place, value []byte, depth int) (written, known string) {
	kind := wire.Kind(value)
	if kind != '{' && kind != '[' || p == nil && len(s.rules) == 0 {
		return "", ""
	}
	if depth == 0 {
		return "arguments", ""
	}
	if kind == '[' {
		var items *place
		if p != nil {
			items = p.items
		}
		for item := range wire.Elements(value) {
			if written, known = s.at(items, item, depth-1); written != "" {
				return written, known
			}
		}
		return "", ""
	}
	for m := range wire.Members(value) {
		inside, name := s.known(p, m.Name)
		if name != "" {
			return m.Name, name
		}
		if written, known = s.at(inside, m.Value, depth-1); written != "" {
			return written, known
		}
	}
	return "", ""
}

// known is the place of a member, and the name that it differs from in case only, "" for none.
func (s *spellings) known(p *place, name string) (inside *place, other string) {
	if p != nil {
		if inside = p.members[name]; inside != nil {
			return inside, ""
		}
	}
	if s.rules[name] {
		return nil, ""
	}
	f := fold(name)
	if p != nil && p.folds[f] != "" {
		return nil, p.folds[f]
	}
	return nil, s.folds[f]
}

// fold is the same for two names exactly when [strings.EqualFold] holds for them.
func fold(s string) string {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return strings.Map(func(r rune) rune {
				least := r
				for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
					least = min(least, next)
				}
				return least
			}, s)
		}
	}
	return strings.ToUpper(s)
}

// twin finds a member of obj that is none of names but equals one of them without regard to case.
func twin(obj []byte, names []string) (member, name string) {
	for m := range wire.Members(obj) {
		near := ""
		for _, name := range names {
			if m.Name == name {
				near = ""
				break
			}
			if strings.EqualFold(m.Name, name) {
				near = name
			}
		}
		if near != "" {
			return m.Name, near
		}
	}
	return "", ""
}
