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

// spellings are the names of arguments that rules and schemas know, for finding others that differ in case only. It never
// changes.
type spellings struct {
	exact  map[string]bool
	folded map[string]string // folded name -> one of its exact spellings
}

// newSpellings takes names that are known as they are, and schemas whose properties are known at any depth.
func newSpellings(names []string, schemas ...[]byte) *spellings {
	s := &spellings{exact: map[string]bool{}, folded: map[string]string{}}
	for _, name := range names {
		s.add(name)
	}
	for _, schema := range schemas {
		s.schema(schema)
	}
	return s
}

func (s *spellings) add(name string) {
	name = strings.Clone(name)
	s.exact[name], s.folded[fold(name)] = true, name
}

// schema adds the properties that a schema names, in whichever part of it.
func (s *spellings) schema(value []byte) {
	switch wire.Kind(value) {
	case '{':
		for m := range wire.Members(value) {
			if m.Name == "properties" {
				for p := range wire.Members(m.Value) {
					s.add(p.Name)
				}
			}
			s.schema(m.Value)
		}
	case '[':
		for item := range wire.Elements(value) {
			s.schema(item)
		}
	}
}

// clash finds a name in arguments, at any depth, that differs in case only from one that is known or from one beside it.
// Libraries that match names without regard to case would take it for the other, which is the one the rules looked at.
func (s *spellings) clash(arguments []byte) (written, known string) {
	switch wire.Kind(arguments) {
	case '[':
		for item := range wire.Elements(arguments) {
			if written, known = s.clash(item); written != "" {
				return written, known
			}
		}
	case '{':
		beside := map[string]string{}
		for m := range wire.Members(arguments) {
			f := fold(m.Name)
			if other, there := beside[f]; there {
				return m.Name, other
			}
			beside[f] = m.Name
			if name, there := s.folded[f]; there && !s.exact[m.Name] {
				return m.Name, name
			}
			if written, known = s.clash(m.Value); written != "" {
				return written, known
			}
		}
	}
	return "", ""
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
