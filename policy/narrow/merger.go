// SPDX-License-Identifier: Apache-2.0

package narrow

import (
	"bytes"
	"slices"

	"tollgate/upstream/wire"
)

// merger writes the assertions of a fragment into a schema, keyword by keyword. Each step keeps exactly the values that both
// allow; where no keyword can say that, merge gives up and nothing of it is used.
type merger struct {
	before, asserts []byte // the schema as it was, the fragment
	out             []byte
	dialect         dialect
	empty           bool // no value is left
}

// result is the merged schema. When no value is left, it is one that says so.
func (m *merger) result() []byte {
	if !m.empty {
		return m.out
	}
	out := []byte("{}")
	for _, name := range []string{"title", "description"} {
		if raw, ok := wire.Lookup(m.before, name); ok {
			out = wire.Set(out, name, raw)
		}
	}
	return wire.Set(out, "not", []byte("{}"))
}

func (m *merger) merge() bool {
	for k := range wire.Members(m.asserts) {
		if !m.keyword(k.Name, k.Value) {
			return false
		}
	}
	return true
}

func (m *merger) keyword(name string, value []byte) bool {
	old, has := wire.Lookup(m.out, name)
	switch name {
	case "enum", "const":
		return m.values(name, value)
	case "type":
		return m.types(old, has, value)
	case "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum":
		return m.tighten(name, old, has, value, func(a, b decimal) bool { return keeps(name, a, b) })
	case "minLength", "minItems", "minProperties":
		return m.tighten(name, old, has, value, func(a, b decimal) bool { return a.cmp(b) >= 0 })
	case "maxLength", "maxItems", "maxProperties":
		return m.tighten(name, old, has, value, func(a, b decimal) bool { return a.cmp(b) <= 0 })
	case "uniqueItems":
		if string(value) == "true" && string(old) != "true" {
			m.set(name, value)
		}
		return true
	case "required":
		return m.required(old, has, value)
	case "multipleOf":
		if has && wire.Kind(old) == '0' && parseDecimal(string(old)) == parseDecimal(string(value)) {
			return true
		}
		return m.fresh(name, value)
	case "allOf":
		return m.allOf(old, has, value)
	case "items":
		return m.items(old, has, value)
	case "properties":
		return m.properties(old, has, value)
	case "patternProperties", "additionalProperties":
		return m.fresh(name, value, "properties", "patternProperties", "additionalProperties")
	case "if", "then", "else":
		return m.together(name, value, "if", "then", "else")
	case "contains":
		return m.fresh(name, value, "minContains", "maxContains")
	}
	return m.fresh(name, value)
}

func (m *merger) set(name string, value []byte) { m.out = wire.Set(m.out, name, value) }

// fresh sets a keyword that is not there, nor any of those that would give it another meaning. Where the keyword is there, it
// may stay when it and its neighbours are just those of the fragment.
func (m *merger) fresh(name string, value []byte, neighbours ...string) bool {
	old, has := wire.Lookup(m.before, name)
	if has && !same(old, value) {
		return false
	}
	for _, n := range neighbours {
		old, ok := wire.Lookup(m.before, n)
		ours, _ := wire.Lookup(m.asserts, n)
		if ok && !(has && same(old, ours)) {
			return false
		}
		if has && !ok && ours != nil {
			return false
		}
	}
	if !has {
		m.set(name, value)
	}
	return true
}

// together sets keywords that are read together: those that are there must be equal.
func (m *merger) together(name string, value []byte, all ...string) bool {
	for _, n := range all {
		old, ok := wire.Lookup(m.before, n)
		ours, _ := wire.Lookup(m.asserts, n)
		if ok && !same(old, ours) {
			return false
		}
	}
	return m.fresh(name, value)
}

// tighten keeps the stricter of two numbers; stricter(a, b) is whether a is at least as strict as b.
func (m *merger) tighten(name string, old []byte, has bool, value []byte, stricter func(a, b decimal) bool) bool {
	switch {
	case !has:
		m.set(name, value)
	case wire.Kind(old) != '0':
		return false // a boolean in draft-04
	case !stricterOrEqual(old, value, stricter):
		m.set(name, value)
	}
	return true
}

func stricterOrEqual(old, value []byte, stricter func(a, b decimal) bool) bool {
	a, b := parseDecimal(string(old)), parseDecimal(string(value))
	return a == b || stricter(a, b)
}

func (m *merger) required(old []byte, has bool, value []byte) bool {
	names, err := stringList(old)
	if has && err != nil {
		return false
	}
	more, _ := stringList(value)
	changed := !has
	for _, name := range more {
		if !slices.Contains(names, name) {
			old, changed = appendElement(old, wire.AppendString(nil, name)), true
		}
	}
	if changed && old != nil {
		m.set("required", old)
	}
	return true
}

func (m *merger) allOf(old []byte, has bool, value []byte) bool {
	if has && wire.Kind(old) != '[' {
		return false
	}
	for e := range wire.Elements(value) {
		if !slices.ContainsFunc(slices.Collect(wire.Elements(old)), func(o []byte) bool { return same(o, e) }) {
			old = appendElement(old, e)
		}
	}
	m.set("allOf", old)
	return true
}

// items merges schemas that hold for every item alike.
func (m *merger) items(old []byte, has bool, value []byte) bool {
	for _, n := range []string{"prefixItems", "additionalItems"} {
		if _, ok := wire.Lookup(m.out, n); ok {
			return false
		}
	}
	if has && wire.Kind(old) == '[' {
		return false
	}
	m.inner("items", old, has, value)
	return true
}

// inner sets a keyword to the conjunction of two schemas.
func (m *merger) inner(name string, old []byte, has bool, value []byte) {
	if has {
		value = m.both(old, value)
	}
	if !has || !bytes.Equal(value, old) {
		m.set(name, value)
	}
}

func (m *merger) both(old, value []byte) []byte {
	switch {
	case string(value) == "true", same(old, value):
		return old
	case string(value) == "false":
		return value
	}
	f, err := newFragment(value)
	if err != nil {
		f = &fragment{raw: value}
	}
	return narrowAll(old, []*fragment{f}, "", m.dialect) // no references in it, so its place does not matter
}

// properties merges member by member as long as no member meets a rule for members that are not named.
func (m *merger) properties(old []byte, has bool, value []byte) bool {
	_, open1 := wire.Lookup(m.asserts, "patternProperties")
	_, open2 := wire.Lookup(m.asserts, "additionalProperties")
	if open1 || open2 || !has {
		return m.fresh("properties", value, "patternProperties", "additionalProperties")
	}
	_, patterns := wire.Lookup(m.before, "patternProperties")
	_, rest := wire.Lookup(m.before, "additionalProperties")
	if wire.Kind(old) != '{' {
		return false
	}
	for p := range wire.Members(value) {
		existing, ok := wire.Lookup(old, p.Name)
		switch {
		case ok:
			old = wire.Set(old, p.Name, m.both(existing, p.Value))
		case patterns || rest:
			return false
		default:
			old = wire.Set(old, p.Name, p.Value)
		}
	}
	m.set("properties", old)
	return true
}
