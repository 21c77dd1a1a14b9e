// SPDX-License-Identifier: Apache-2.0

package narrow

import (
	"bytes"
	"slices"
	"strconv"

	"tollgate/upstream/wire"
)

// narrowAll narrows the schema of one argument, which stands at a pointer, by fragments. What can be said by the schema's own
// keywords is, since that is what models read best; everything else goes to allOf. Descriptions come last, so that they stay
// outside, and then defaults that are not allowed any more are removed.
func narrowAll(existing []byte, fragments []*fragment, at string, d dialect) []byte {
	schema := existing
	for _, f := range fragments {
		schema = f.conjoin(schema, at, d)
	}
	if wire.Kind(schema) != '{' {
		return schema
	}
	for _, f := range fragments {
		schema = annotate(schema, f.raw)
	}
	for _, f := range fragments {
		schema = f.withoutDefault(schema)
	}
	return schema
}

// conjoin adds what a fragment asserts to a schema.
func (f *fragment) conjoin(existing []byte, at string, d dialect) []byte {
	switch text := string(bytes.TrimSpace(existing)); {
	case text == "false":
		return existing
	case text != "true" && text != "{}":
	case refers(f.raw):
		existing = []byte("{}")
	default:
		return f.raw
	}
	return conjoin(existing, wire.Delete(f.raw, annotations()...), at, d)
}

// conjoin is the schema that a value satisfies when it satisfies both.
func conjoin(existing, asserts []byte, at string, d dialect) []byte {
	if wire.Kind(existing) != '{' {
		return rebase(asserts, at) // what was there is no schema at all
	}
	if not, ok := wire.Lookup(existing, "not"); ok && (string(not) == "{}" || string(not) == "true") {
		return existing // no value is left already
	}
	if same(asserts, []byte("{}")) || holds(existing, asserts, at) {
		return existing
	}
	m := merger{before: existing, asserts: asserts, out: existing, dialect: d}
	if inert(existing, d) && !refers(asserts) && m.merge() {
		return m.result()
	}
	list, _ := wire.Lookup(existing, "allOf")
	if inert(existing, d) && (list == nil || wire.Kind(list) == '[') {
		n := len(slices.Collect(wire.Elements(list)))
		return wire.Set(existing, "allOf", appendElement(list, rebase(asserts, at+"/allOf/"+strconv.Itoa(n))))
	}
	return enwrap(existing, rebase(asserts, at+"/allOf/1"), d)
}

// holds reports whether a fragment is the schema itself or an element of its allOf: it has been applied before.
func holds(existing, asserts []byte, at string) bool {
	if same(wire.Delete(existing, annotations()...), rebase(asserts, at)) {
		return true
	}
	list, _ := wire.Lookup(existing, "allOf")
	n := 0
	for e := range wire.Elements(list) {
		if same(e, rebase(asserts, at+"/allOf/"+strconv.Itoa(n))) {
			return true
		}
		n++
	}
	return false
}

// inert reports whether members can be added to a schema without a change to what its other members mean.
func inert(existing []byte, d dialect) bool {
	for m := range wire.Members(existing) {
		switch m.Name {
		case "unevaluatedProperties", "unevaluatedItems":
			return false
		case "$ref":
			if d.refAlone() {
				return false
			}
		}
	}
	return true
}

// refers reports whether a fragment has parts that must know where they are.
func refers(fragment []byte) bool { return len(references(fragment)) > 0 }

// enwrap is the conjunction of any two schemas. What clients look for at the argument itself stays there, unless a $ref
// makes it void.
func enwrap(existing, asserts []byte, d dialect) []byte {
	out := []byte("{}")
	shown := []string{"title", "description", "default", "type", "x-mcp-header"}
	if has(existing, "$ref") && d.refAlone() {
		shown = shown[:3]
	}
	for _, name := range shown {
		if raw, ok := wire.Lookup(existing, name); ok {
			out = wire.Set(out, name, raw)
		}
	}
	list := slices.Concat([]byte("["), wire.Delete(existing, "x-mcp-header", "default"), []byte(","), asserts, []byte("]"))
	return wire.Set(out, "allOf", list)
}

// annotations are the keywords that assert nothing; those of a fragment replace those of the schema.
func annotations() []string {
	return []string{"title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "$comment"}
}

func annotate(schema, fragment []byte) []byte {
	for m := range wire.Members(fragment) {
		if old, _ := wire.Lookup(schema, m.Name); slices.Contains(annotations(), m.Name) && !bytes.Equal(old, m.Value) {
			schema = wire.Set(schema, m.Name, m.Value)
		}
	}
	return schema
}

// withoutDefault removes a default that the fragment does not allow.
func (f *fragment) withoutDefault(schema []byte) []byte {
	raw, ok := wire.Lookup(schema, "default")
	if !ok || f.judge == nil {
		return schema
	}
	v, err := decode(raw)
	r := f.judge.run(len(raw))
	if err == nil && r.eval(f.judge.root, v, nil) == nil && !r.over() {
		return schema
	}
	return wire.Delete(schema, "default")
}
