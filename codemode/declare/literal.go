// SPDX-License-Identifier: Apache-2.0

package declare

import (
	"strings"

	"tollgate/upstream/wire"
)

const (
	maxEnum    = 64  // values that are told apart
	maxLiteral = 200 // bytes of one
)

// enum is the union of the values, or their types when there are too many.
func (k *maker) enum(w *keywords, indent string, depth int) typ {
	var values [][]byte
	for v := range wire.Elements(w.enum) {
		values = append(values, v)
	}
	var all []typ
	for _, v := range values {
		if len(values) > maxEnum {
			all = append(all, wide(v))
			continue
		}
		all = append(all, k.literal(v, indent, depth+1))
	}
	return union(all)
}

// literal is the type of one value.
func (k *maker) literal(v []byte, indent string, depth int) typ {
	if depth > k.method.how.depth || k.left <= 0 || len(v) > maxLiteral {
		return wide(v)
	}
	switch wire.Kind(v) {
	case '"':
		s, _ := wire.String(v)
		return k.spend(named(quote(s)))
	case '0':
		if strings.ContainsAny(string(v), "eE.") || len(v) > 15 {
			return k.spend(named("number")) // texts of one number differ
		}
		return k.spend(named(string(v)))
	case '[':
		var parts []string
		for e := range wire.Elements(v) {
			parts = append(parts, k.literal(e, indent, depth+1).text)
		}
		return named("[" + strings.Join(parts, ", ") + "]")
	case '{':
		o := &members{k: k, indent: indent, inner: indent + "  ", depth: depth}
		for m := range wire.Members(v) {
			key := m.Name
			if !plain(key) {
				key = quote(key)
			}
			o.add("", key+": "+k.literal(m.Value, o.inner, depth+1).text)
		}
		return named(o.text())
	}
	return k.spend(named(string(v))) // true, false, null
}

// wide is the type of values like v.
func wide(v []byte) typ {
	switch wire.Kind(v) {
	case '"':
		return named("string")
	case '0':
		return named("number")
	case 't', 'f':
		return named("boolean")
	case 'n':
		return named("null")
	case '[':
		return named("unknown[]")
	}
	return named(anyObject)
}

// noteOf is what a comment says of a property: its description, and what a type cannot say.
func noteOf(schema []byte) string {
	var description, title string
	var facts []string
	for m := range wire.Members(schema) {
		switch m.Name {
		case "description":
			description, _ = wire.String(m.Value)
		case "title":
			title, _ = wire.String(m.Value)
		case "deprecated", "readOnly", "uniqueItems":
			if string(m.Value) == "true" {
				facts = append(facts, m.Name)
			}
		case "default", "format", "pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
			"minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties":
			if fact := factOf(m.Name, m.Value); fact != "" {
				facts = append(facts, fact)
			}
		case "enum":
			if n := count(m.Value); n > maxEnum {
				facts = append(facts, "one of "+cut(oneLine(strings.Trim(string(m.Value), "[]")), 2*maxLiteral))
			}
		}
	}
	text := clean(description)
	if text == "" {
		text = oneLine(title)
	}
	if len(facts) == 0 {
		return text
	}
	return strings.TrimSpace(text + " (" + strings.Join(facts, ", ") + ")")
}

// factOf is a keyword with its value, short.
func factOf(name string, value []byte) string {
	text := string(value)
	if s, ok := wire.String(value); ok && name != "default" {
		text = s
	}
	if name == "default" && (text == "null" || len(text) > maxLiteral) {
		return ""
	}
	return wordsOf(name) + " " + cut(oneLine(text), maxLiteral)
}

// wordsOf is a keyword as a comment says it.
func wordsOf(name string) string {
	switch name {
	case "minimum", "maximum":
		return name[:3]
	case "exclusiveMinimum":
		return "above"
	case "exclusiveMaximum":
		return "below"
	case "multipleOf":
		return "multiple of"
	case "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties":
		return name[:3] + " " + strings.ToLower(name[3:])
	}
	return name
}

func count(list []byte) int {
	n := 0
	for range wire.Elements(list) {
		n++
	}
	return n
}
