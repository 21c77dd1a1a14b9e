// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"strings"

	"tollgate/upstream/wire"
)

// schema is a JSON Schema as bytes, or nil where nothing is said. Only what
// concerns the types of members is read, when it is needed.
type schema []byte

// maxSchemaDepth bounds how far types are followed into a schema.
const maxSchemaDepth = 8

// member is the schema of an object's member.
func (s schema) member(name string) schema {
	if len(s) == 0 {
		return nil
	}
	raw, _ := wire.Lookup(s, "properties", name)
	return raw
}

// items is the schema of an array's elements.
func (s schema) items() schema {
	if len(s) == 0 {
		return nil
	}
	raw, ok := wire.Lookup(s, "items")
	if !ok || wire.Kind(raw) != '{' {
		return nil
	}
	return raw
}

// numeric says how numbers that the schema is about are converted.
func (s schema) numeric() numeric {
	raw, ok := wire.Lookup(s, "type")
	if !ok {
		return unsaid
	}
	if name, ok := wire.String(raw); ok {
		return numericOf(name)
	}
	say := unsaid
	for e := range wire.Elements(raw) {
		name, _ := wire.String(e)
		say = max(say, numericOf(name)) // number includes integer
	}
	return say
}

func numericOf(name string) numeric {
	switch name {
	case "integer":
		return integer
	case "number":
		return real
	}
	return unsaid
}

// kind is the one type of what the schema describes: "" when it may be several,
// or when another keyword may change what type says.
func (s schema) kind() string {
	if len(s) == 0 || wire.Kind(s) != '{' {
		return ""
	}
	raw, _ := wire.Lookup(s, "type")
	name, ok := wire.String(raw)
	if !ok {
		return ""
	}
	return name
}

// properties are the names of an object's members in the order of the schema.
func (s schema) properties() []string {
	raw, _ := wire.Lookup(s, "properties")
	var names []string
	for m := range wire.Members(raw) {
		names = append(names, m.Name)
	}
	return names
}

// closed reports whether an object has only the members that properties names.
// A schema that lists members and does not speak of others counts as closed: a
// misspelt argument is far more likely than an unlisted one.
func (s schema) closed() bool {
	if len(s) == 0 || wire.Kind(s) != '{' {
		return false
	}
	listed := false
	for m := range wire.Members(s) {
		switch m.Name {
		case "additionalProperties":
			if wire.Kind(m.Value) == 'f' {
				listed = true
				continue
			}
			return false
		case "patternProperties", "unevaluatedProperties", "$ref", "$dynamicRef", "allOf", "anyOf", "oneOf",
			"if", "then", "else", "dependentSchemas":
			return false
		case "properties":
			for range wire.Members(m.Value) {
				listed = true
				break
			}
		}
	}
	return listed
}

// has reports whether properties names a member.
func (s schema) has(name string) bool {
	_, ok := wire.Lookup(s, "properties", name)
	return ok
}

// outline writes the types in a schema, the same for schemas that type-check
// alike. It may call two such schemas different, never the other way round.
func (s schema) outline(b *strings.Builder, depth int) {
	kind := s.kind()
	b.WriteString(kind)
	if depth >= maxSchemaDepth {
		return
	}
	switch kind {
	case "array":
		b.WriteByte('(')
		s.items().outline(b, depth+1)
		b.WriteByte(')')
	case "object":
		b.WriteByte('{')
		for _, name := range s.properties() {
			b.Write(wire.AppendString(nil, name))
			s.member(name).outline(b, depth+1)
			b.WriteByte(',')
		}
		if !s.closed() {
			b.WriteByte('*')
		}
		b.WriteByte('}')
	}
}
