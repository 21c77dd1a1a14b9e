// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"tollgate/upstream/wire"
)

// ask is one rule of the configuration that asks something of calls. Exactly
// one of constraint, obligation and scopes is set.
type ask struct {
	path       string // the role that has it, see grant; "everyone" for what holds for all
	patterns   []pattern
	constraint *ConstraintRule
	obligation *ObligationRule
	scopes     []string
}

// asks reads the constraints and obligations of a role.
func (f *flattener) asks(name string, r *Role) []ask {
	path := name
	if name == everybody {
		path = "everyone"
	}
	var out []ask
	for i := range r.Constraints {
		c := &r.Constraints[i]
		at := &element{f, name, "constraints", i}
		out = append(out, ask{path: path, patterns: at.patterns("for", c.For), constraint: c})
		at.constraint(c)
	}
	for i := range r.Obligations {
		o := &r.Obligations[i]
		at := &element{f, name, "obligations", i}
		out = append(out, ask{path: path, patterns: at.patterns("for", o.For), obligation: o})
		at.obligation(o)
	}
	return out
}

func (f *flattener) scopes(rules []ScopeRule) []ask {
	var out []ask
	for i, r := range rules {
		e := &element{f, everybody, "scopes", i}
		if len(r.Scopes) == 0 {
			e.report("a rule without scopes", "name the scopes that a call needs, or remove the rule", "scopes")
		}
		for j, s := range r.Scopes {
			if !scopeToken(s) {
				e.report(fmt.Sprintf("%q is no OAuth scope", s),
					"a scope has no spaces, quotes or backslashes; list several one by one", "scopes", j)
			}
		}
		out = append(out, ask{path: "everyone", patterns: e.patterns("for", r.For), scopes: r.Scopes})
	}
	return out
}

// scopeToken is the syntax of RFC 6749, section 3.3.
func scopeToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' })
}

// element is where in the configuration a rule stands.
type element struct {
	f     *flattener
	role  string
	field string
	index int
}

func (e *element) report(message, hint string, below ...any) {
	e.f.errs = append(e.f.errs, RoleError{e.role, e.field, e.index, below, message, hint})
}

// patterns are those a rule is about; none = everything.
func (e *element) patterns(field string, texts []string) []pattern {
	if len(texts) == 0 {
		all, _ := parsePattern("*")
		return []pattern{all}
	}
	var out []pattern
	for i, text := range texts {
		p, err := parsePattern(text)
		if err != nil {
			e.report(err.message, err.hint, field, i)
			continue
		}
		out = append(out, p)
	}
	return out
}

func (e *element) constraint(c *ConstraintRule) {
	if len(c.Arguments) == 0 {
		e.report("a constraint on no argument", "name the arguments, each with a JSON Schema, or remove it", "arguments")
	}
	names := slices.Sorted(maps.Keys(c.Arguments))
	for _, name := range names {
		if name == "" {
			e.report("an argument without a name", "", "arguments", name)
		}
		if raw := c.Arguments[name]; wire.Kind(raw) != '{' || wire.CheckUnique(raw) != nil {
			e.report(fmt.Sprintf("the constraint on argument %q is no JSON Schema", name),
				`write an object such as {"enum": ["a", "b"]} or {"maximum": 100}`, "arguments", name)
		}
	}
	for i, name := range c.Optional {
		if _, ok := c.Arguments[name]; !ok {
			e.report(fmt.Sprintf("argument %q is not constrained here", name), didYouMean(name, names), "optional", i)
		}
	}
}

func (e *element) obligation(o *ObligationRule) {
	if len(o.Redact) == 0 && o.MaxResultBytes == 0 && !o.Reason && o.Confirm == "" {
		e.report("an obligation to nothing", "use redact, max_result_bytes, reason or confirm, or remove it")
	}
	if o.KeepText && len(o.Redact) == 0 {
		e.report("keep_text without redact", "text is only dropped where something is redacted", "keep_text")
	}
	if o.MaxResultBytes < 0 {
		e.report(fmt.Sprintf("max_result_bytes is %d", o.MaxResultBytes), "write a number of bytes above 0", "max_result_bytes")
	}
	for i, pointer := range o.Redact {
		if message := badPointer(pointer); message != "" {
			e.report(message, `write a JSON pointer such as "/customer/email" or "/items/*/token"`, "redact", i)
		}
	}
}

// badPointer says what is wrong with a path of redact, or "".
func badPointer(pointer string) string {
	if !strings.HasPrefix(pointer, "/") {
		return fmt.Sprintf("%q is no path into a result: it does not begin with /", pointer)
	}
	for i := range len(pointer) {
		if pointer[i] == '~' && (i+1 == len(pointer) || pointer[i+1] != '0' && pointer[i+1] != '1') {
			return fmt.Sprintf("%q is no JSON pointer: after ~ comes 0 or 1", pointer)
		}
	}
	for segment := range strings.SplitSeq(pointer[1:], "/") {
		switch {
		case segment == "":
			return fmt.Sprintf("%q has an empty segment", pointer)
		case strings.Contains(segment, "*") && segment != "*" && segment != "**":
			return fmt.Sprintf("%q: * stands for a whole segment, ** for any number of them", pointer)
		}
	}
	return ""
}

// gives is what the rule adds to those of tollgate.call, by its name there.
func (a *ask) gives() (kind string, elements []any) {
	switch {
	case a.constraint != nil:
		for _, name := range slices.Sorted(maps.Keys(a.constraint.Arguments)) {
			elements = append(elements, map[string]any{
				"argument": name, "schema": asJSON(a.constraint.Arguments[name]),
				"optional": slices.Contains(a.constraint.Optional, name), "rule": a.path,
			})
		}
		return "constraints", elements
	case a.obligation != nil:
		o := asJSON(a.obligation).(map[string]any)
		delete(o, "for")
		return "obligations", []any{o}
	}
	return "scopes", anySlice(a.scopes)
}

// asJSON is v, which must be fit for JSON, as maps, lists and exact numbers.
func asJSON(v any) (out any) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.UseNumber()
	if d.Decode(&out) != nil {
		return nil
	}
	return out
}
