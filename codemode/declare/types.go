// SPDX-License-Identifier: Apache-2.0

package declare

import (
	"strings"

	"tollgate/upstream/wire"
)

// binding says how strongly the parts of a type hold together.
type binding int

const (
	tight binding = iota // names, literals, objects, arrays
	and                  // intersections
	or                   // unions
)

// typ is a type as text.
type typ struct {
	text     string
	binding  binding
	optional bool // an object without required properties
}

const (
	unknown   = "unknown"
	anyObject = "Record<string, unknown>"
)

func named(text string) typ { return typ{text: text} }

// in is the text where something binds as strongly as b.
func (t typ) in(b binding) string {
	if t.binding > b {
		return "(" + t.text + ")"
	}
	return t.text
}

// maker makes the types of one schema.
type maker struct {
	method *method
	root   []byte
	name   string // of the root, when something refers to it
	refs   map[string]*ref
	left   int // bytes that may still be written
	inside int // objects and arrays around what is made
	naming int // references that are open
}

// schema is the type of an input or output.
func (m *method) schema(raw []byte, suffix, indent string) typ {
	if wire.CheckUnique(raw) != nil {
		if len(raw) == 0 && suffix == "Input" {
			return typ{text: "{}", optional: true}
		}
		return named(unknown)
	}
	k := &maker{method: m, root: raw, name: m.member + "_" + suffix, refs: map[string]*ref{}, left: m.how.size}
	k.count(raw, 0)
	if k.refs["#"] != nil {
		return k.ref("#", indent, 0)
	}
	return k.make(raw, indent, 0)
}

// keywords are the parts of a schema that types are made of.
type keywords struct {
	ref, kind, constant, enum, nullable       []byte
	properties, required, additional, pattern []byte
	items, prefix, additionalItems, minItems  []byte
	allOf, anyOf, oneOf                       []byte
}

func keywordsOf(raw []byte) keywords {
	var k keywords
	for m := range wire.Members(raw) {
		switch m.Name {
		case "$ref":
			k.ref = m.Value
		case "type":
			k.kind = m.Value
		case "const":
			k.constant = m.Value
		case "enum":
			k.enum = m.Value
		case "nullable":
			k.nullable = m.Value
		case "properties":
			k.properties = m.Value
		case "required":
			k.required = m.Value
		case "additionalProperties":
			k.additional = m.Value
		case "patternProperties":
			k.pattern = m.Value
		case "items":
			k.items = m.Value
		case "prefixItems":
			k.prefix = m.Value
		case "additionalItems":
			k.additionalItems = m.Value
		case "minItems":
			k.minItems = m.Value
		case "allOf":
			k.allOf = m.Value
		case "anyOf":
			k.anyOf = m.Value
		case "oneOf":
			k.oneOf = m.Value
		}
	}
	return k
}

// make is the type of a schema whose first line begins behind indent.
func (k *maker) make(raw []byte, indent string, depth int) typ {
	switch {
	case string(raw) == "false":
		return named("never")
	case wire.Kind(raw) != '{', depth > k.method.how.depth, k.left <= 0:
		return named(unknown)
	}
	w := keywordsOf(raw)
	t := k.base(&w, indent, depth)
	if string(w.nullable) == "true" {
		t = union([]typ{t, named("null")})
	}
	return t
}

func (k *maker) base(w *keywords, indent string, depth int) typ {
	if target, ok := wire.String(w.ref); ok {
		return k.ref(target, indent, depth)
	}
	if w.constant != nil {
		return k.literal(w.constant, indent, depth)
	}
	if wire.Kind(w.enum) == '[' {
		return k.enum(w, indent, depth)
	}
	var parts []typ
	for _, list := range [][]byte{w.anyOf, w.oneOf} {
		if t, ok := k.choices(list, indent, depth); ok {
			parts = append(parts, t)
		}
	}
	for s := range wire.Elements(w.allOf) {
		if t := k.make(s, indent, depth+1); t.text != unknown {
			parts = append(parts, t)
		}
	}
	if own := k.typed(w, indent, depth); own.text != anyObject || len(parts) == 0 {
		parts = append([]typ{own}, parts...)
	}
	return intersection(parts)
}

// typed is the type that the keyword type and those for its values ask for.
func (k *maker) typed(w *keywords, indent string, depth int) typ {
	if wire.Kind(w.kind) == '[' {
		var all []typ
		for name := range wire.Elements(w.kind) {
			kind, _ := wire.String(name)
			all = append(all, k.kind(kind, w, indent, depth))
		}
		return union(all)
	}
	kind, _ := wire.String(w.kind)
	switch {
	case kind != "":
	case w.properties != nil || w.additional != nil || w.pattern != nil:
		kind = "object"
	case w.items != nil || w.prefix != nil:
		kind = "array"
	}
	return k.kind(kind, w, indent, depth)
}

func (k *maker) kind(kind string, w *keywords, indent string, depth int) typ {
	switch kind {
	case "string", "boolean", "null":
		return k.spend(named(kind))
	case "number", "integer":
		return k.spend(named("number"))
	case "array":
		return k.array(w, indent, depth)
	case "object":
		return k.object(w, indent, depth)
	}
	return named(unknown)
}

// choices is the union of the schemas in a list, or false when they say nothing about types.
func (k *maker) choices(list []byte, indent string, depth int) (typ, bool) {
	var all []typ
	for s := range wire.Elements(list) {
		t := k.make(s, indent, depth+1)
		if t.text == unknown {
			return t, false
		}
		all = append(all, t)
	}
	return union(all), len(all) > 0
}

func (k *maker) spend(t typ) typ {
	k.left -= len(t.text)
	return t
}

// union is the type of what has one of some types.
func union(all []typ) typ { return join(all, " | ", or) }

// intersection is the type of what has all of some types.
func intersection(all []typ) typ { return join(all, " & ", and) }

func join(all []typ, operator string, b binding) typ {
	neutral, absorbing := "never", unknown
	if b == and {
		neutral, absorbing = unknown, "never"
	}
	var parts []string
	seen := map[string]bool{}
	one, optional := typ{text: neutral}, true
	for _, t := range all {
		switch {
		case t.text == absorbing:
			return named(absorbing)
		case t.text == neutral || seen[t.text]:
			continue
		}
		seen[t.text] = true
		optional = optional && t.optional
		one = t
		parts = append(parts, t.in(b))
	}
	if len(parts) < 2 {
		return one
	}
	return typ{text: strings.Join(parts, operator), binding: b, optional: optional && b == and}
}
