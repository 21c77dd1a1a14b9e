// SPDX-License-Identifier: Apache-2.0

package narrow

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"

	"tollgate/upstream/wire"
)

// apply narrows the root schema by what is asked of some arguments.
func apply(schema []byte, arguments []argument) []byte {
	e := edit{schema: schema, dialect: dialectOf(schema)}
	if e.closed(arguments) {
		return e.enclose(arguments)
	}
	e.tangled = tangled(schema)
	if !e.tangled {
		e.keepOriginals(arguments)
	}
	for _, a := range arguments {
		if _, ok := wire.Lookup(e.schema, "properties", a.name); ok && e.tangled {
			e.aside(a)
		} else {
			e.property(a.name, e.narrowed(a))
		}
	}
	return e.finish(arguments)
}

// edit is a root schema that is being narrowed.
type edit struct {
	schema  []byte
	dialect dialect
	tangled bool
}

// closed reports whether members added to the root would be void or would change what other members mean: beside a $ref of
// draft-07 everything is void, and unevaluatedProperties judges the arguments that nobody else names.
func (e *edit) closed(arguments []argument) bool {
	if _, ok := wire.Lookup(e.schema, "$ref"); ok && e.dialect.refAlone() {
		return true
	}
	rest, ok := wire.Lookup(e.schema, "unevaluatedProperties")
	return ok && wire.Kind(rest) == '{' && slices.ContainsFunc(arguments, func(a argument) bool {
		_, ok := wire.Lookup(e.schema, "properties", a.name)
		return !ok && !a.added
	})
}

// enclose moves the schema as it is to a definition and makes a root that refers to it.
func (e *edit) enclose(arguments []argument) []byte {
	defs := e.dialect.defs(e.schema)
	at := "/" + defs + "/original"
	inner := relocate(e.schema, func(pointer string) string { return at + pointer })
	inner = withoutHeaders(wire.Delete(inner, "$schema", "$id"))
	root := []byte(`{}`)
	for _, name := range []string{"$schema", "$id", "title", "description"} {
		if raw, ok := wire.Lookup(e.schema, name); ok {
			root = wire.Set(root, name, raw)
		}
	}
	root = wire.Set(root, "type", []byte(`"object"`))
	outer := edit{schema: root, dialect: e.dialect}
	for _, a := range arguments {
		outer.property(a.name, outer.narrowed(a))
	}
	outer.finish(arguments)
	outer.schema = wire.Set(outer.schema, "allOf", fmt.Appendf(nil, `[{"$ref":"#%s"}]`, at))
	outer.schema = wire.Set(outer.schema, defs, wire.Set(nil, "original", inner))
	return outer.schema
}

// narrowed is the schema of one argument with all that is asked of it.
func (e *edit) narrowed(a argument) []byte {
	at := "/properties/" + escapeStep(a.name)
	schema, ok := wire.Lookup(e.schema, "properties", a.name)
	if !ok {
		schema = []byte("true")
		if !a.added && e.judgesOthers(a.name) {
			schema = []byte(`{"allOf":[{"$ref":"#/additionalProperties"}]}`)
		}
	}
	return narrowAll(schema, a.fragments, at, e.dialect)
}

// judgesOthers reports whether additionalProperties holds for an argument that the schema does not name. When it is false
// it counts no more: who constrains an argument means that it may be given.
func (e *edit) judgesOthers(name string) bool {
	rest, ok := wire.Lookup(e.schema, "additionalProperties")
	if !ok || wire.Kind(rest) != '{' {
		return false
	}
	patterns, _ := wire.Lookup(e.schema, "patternProperties")
	for m := range wire.Members(patterns) {
		if re, err := newPattern(m.Name); err == nil && re.re.MatchString(name) {
			return false
		}
	}
	return true
}

// property sets the schema of an argument.
func (e *edit) property(name string, schema []byte) {
	properties, ok := wire.Lookup(e.schema, "properties")
	if old, found := wire.Lookup(properties, name); found && bytes.Equal(old, schema) {
		return
	}
	if !ok || wire.Kind(properties) != '{' {
		properties = nil
	}
	e.schema = wire.Set(e.schema, "properties", wire.Set(properties, name, schema))
}

// aside narrows an argument without touching its schema, for schemas whose parts are referred to in ways that are not
// followed: what is asked becomes an element of allOf at the root.
func (e *edit) aside(a argument) {
	existing, _ := wire.Lookup(e.schema, "properties", a.name)
	if bytes.Equal(e.narrowed(a), existing) {
		return // it says so already
	}
	for _, f := range a.fragments {
		list, _ := wire.Lookup(e.schema, "allOf")
		n, found := 0, false
		element := func() []byte {
			at := "/allOf/" + strconv.Itoa(n) + "/properties/" + escapeStep(a.name)
			return wire.Set(nil, "properties", wire.Set(nil, a.name, rebase(f.raw, at)))
		}
		for old := range wire.Elements(list) {
			found = found || same(old, element())
			n++
		}
		if !found {
			e.schema = wire.Set(e.schema, "allOf", appendElement(list, element()))
		}
	}
}

// finish makes the required arguments required and the schema one of objects.
func (e *edit) finish(arguments []argument) []byte {
	list, _ := wire.Lookup(e.schema, "required")
	names, err := stringList(list)
	if err != nil {
		list = nil
	}
	for _, a := range arguments {
		if a.required && !slices.Contains(names, a.name) {
			list = appendElement(list, wire.AppendString(nil, a.name))
			names = append(names, a.name)
			e.schema = wire.Set(e.schema, "required", list)
		}
	}
	if kind, _ := wire.Lookup(e.schema, "type"); string(kind) != `"object"` {
		e.schema = wire.Set(e.schema, "type", []byte(`"object"`))
	}
	return e.schema
}

// appendElement adds to the text of an array; nil counts as [].
func appendElement(list, element []byte) []byte {
	end := bytes.LastIndexByte(list, ']')
	if end < 0 {
		return slices.Concat([]byte("["), element, []byte("]"))
	}
	last := len(bytes.TrimRight(list[:end], " \t\r\n"))
	comma := []byte(",")
	if list[last-1] == '[' {
		comma = nil
	}
	return slices.Concat(list[:last], comma, element, list[last:])
}

// same reports whether two texts are the same JSON but for order and white space.
func same(a, b []byte) bool { return bytes.Equal(wire.Canonical(a), wire.Canonical(b)) }
