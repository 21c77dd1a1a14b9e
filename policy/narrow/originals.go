// SPDX-License-Identifier: Apache-2.0

package narrow

import (
	"bytes"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"tollgate/upstream/wire"
)

// keepOriginals makes sure that references mean what they meant before. A generator may write the type of one argument as
// "#/properties/<other>", and a recursive tool refers to "#". Where such a target is about to be narrowed, a copy of it as it
// was is kept among the definitions, and references lead there.
func (e *edit) keepOriginals(arguments []argument) {
	pointers := references(e.schema)
	if len(pointers) == 0 {
		return
	}
	var moves []move
	changes := false
	for _, a := range arguments {
		at := "/properties/" + escapeStep(a.name)
		old, ok := wire.Lookup(e.schema, "properties", a.name)
		if ok && bytes.Equal(old, e.narrowed(a)) {
			continue
		}
		changes = true
		if ok && slices.ContainsFunc(pointers, func(p string) bool { return within(p, at) }) {
			moves = append(moves, move{from: at})
		}
	}
	root := slices.Contains(pointers, "") || slices.Contains(pointers, "/properties")
	if root && (changes || e.requiresMore(arguments)) {
		moves = append(moves, move{})
	}
	if len(moves) > 0 {
		e.copyOut(moves)
	}
}

// move is the way from a place that changes to the copy of it as it was. The place of the root is "".
type move struct{ from, to string }

func within(pointer, place string) bool {
	rest, ok := strings.CutPrefix(pointer, place)
	return ok && (rest == "" || rest[0] == '/')
}

func (e *edit) requiresMore(arguments []argument) bool {
	list, _ := wire.Lookup(e.schema, "required")
	names, _ := stringList(list)
	return slices.ContainsFunc(arguments, func(a argument) bool { return a.required && !slices.Contains(names, a.name) })
}

func (e *edit) copyOut(moves []move) {
	defs := e.dialect.defs(e.schema)
	kept, _ := wire.Lookup(e.schema, defs)
	free := func() string {
		for n := 1; ; n++ {
			name := "original"
			if n > 1 {
				name += strconv.Itoa(n)
			}
			_, taken := wire.Lookup(kept, name)
			if !taken && !slices.ContainsFunc(moves, func(m move) bool { return m.to == "/"+defs+"/"+name }) {
				return name
			}
		}
	}
	for i := range moves {
		moves[i].to = "/" + defs + "/" + free()
	}
	e.schema = relocate(e.schema, func(pointer string) string {
		for _, m := range moves {
			switch {
			case m.from != "" && within(pointer, m.from):
				return m.to + pointer[len(m.from):]
			case m.from == "" && (pointer == "" || pointer == "/properties"):
				return m.to + pointer
			}
		}
		return pointer
	})
	for _, m := range moves {
		original, err := follow(e.schema, "#"+fragmentOf(m.from), stepInto)
		if err != nil {
			continue
		}
		if m.from == "" {
			original = wire.Delete(original, "$schema", "$id", "$defs", "definitions")
		}
		kept, _ = wire.Lookup(e.schema, defs)
		_, name, _ := strings.Cut(m.to[1:], "/")
		e.schema = wire.Set(e.schema, defs, wire.Set(kept, name, withoutHeaders(original)))
	}
}

// references lists the pointers of all references in a schema that lead to a place in it.
func references(schema []byte) []string {
	var pointers []string
	eachSchema(schema, func(s []byte) []byte {
		raw, _ := wire.Lookup(s, "$ref")
		to, _ := wire.String(raw)
		if p, ok := pointerOf(to); ok && raw != nil {
			pointers = append(pointers, p)
		}
		return s
	})
	return pointers
}

// tangled reports whether parts of a schema may be referred to by other means than pointers.
func tangled(schema []byte) bool {
	found := false
	_, identified := wire.Lookup(schema, "$id")
	eachSchema(schema, func(s []byte) []byte {
		for m := range wire.Members(s) {
			switch m.Name {
			case "$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveAnchor", "$recursiveRef":
				found = true
			case "$id":
				found = found || len(s) != len(bytes.TrimSpace(schema))
			case "$ref":
				to, _ := wire.String(m.Value)
				found = found || (identified && !strings.HasPrefix(to, "#"))
			}
		}
		return s
	})
	return found
}

// relocate rewrites the pointers of all references.
func relocate(schema []byte, to func(pointer string) string) []byte {
	return eachSchema(schema, func(s []byte) []byte {
		raw, ok := wire.Lookup(s, "$ref")
		text, _ := wire.String(raw)
		pointer, local := pointerOf(text)
		if !ok || !local || to(pointer) == pointer {
			return s
		}
		return wire.Set(s, "$ref", wire.AppendString(nil, "#"+fragmentOf(to(pointer))))
	})
}

// withoutHeaders removes annotations that are only valid where a client finds the argument itself.
func withoutHeaders(schema []byte) []byte {
	return eachSchema(schema, func(s []byte) []byte { return wire.Delete(s, "x-mcp-header") })
}

// rebase writes a fragment as it must be at another place in another text: its references lead to its parts there, and none
// has members beside it, which older dialects would ignore.
func rebase(fragment []byte, at string) []byte {
	moved := relocate(fragment, func(pointer string) string { return at + pointer })
	return eachSchema(moved, func(s []byte) []byte {
		to, ok := wire.Lookup(s, "$ref")
		rest := wire.Delete(s, "$ref")
		if !ok || same(rest, []byte("{}")) {
			return s
		}
		list, _ := wire.Lookup(rest, "allOf")
		return wire.Set(rest, "allOf", appendElement(list, wire.Set(nil, "$ref", to)))
	})
}

// eachSchema maps every schema in a schema, inner ones first, and answers the result; bytes that no change concerns stay. It
// does not enter schemas with an identity of their own, in which a pointer means something else.
func eachSchema(schema []byte, f func([]byte) []byte) []byte {
	if wire.Kind(schema) != '{' {
		return schema
	}
	return f(eachMember(schema, func(m wire.Member) []byte { return mapPlace(placeOf(m.Name), m.Value, f) }))
}

// eachMember replaces the values of an object in one pass, however many change.
func eachMember(object []byte, f func(wire.Member) []byte) []byte {
	var out []byte
	done := 0
	for m := range wire.Members(object) {
		if value := f(m); !bytes.Equal(value, m.Value) {
			out = append(append(out, object[done:m.End-len(m.Value)]...), value...)
			done = m.End
		}
	}
	if out == nil {
		return object
	}
	return append(out, object[done:]...)
}

func mapPlace(p place, value []byte, f func([]byte) []byte) []byte {
	kind := wire.Kind(value)
	switch {
	case kind == '{' && p == named:
		return eachMember(value, func(m wire.Member) []byte { return mapPlace(oneSchema, m.Value, f) })
	case kind == '[' && (p == listed || p == either):
		var elements [][]byte
		changed := false
		for e := range wire.Elements(value) {
			schema := mapPlace(oneSchema, e, f)
			changed = changed || !bytes.Equal(schema, e)
			elements = append(elements, schema)
		}
		if changed {
			value = slices.Concat([]byte("["), bytes.Join(elements, []byte(",")), []byte("]"))
		}
	case kind == '{' && (p == oneSchema || p == either):
		if _, ok := wire.Lookup(value, "$id"); ok {
			f(value)
			return value
		}
		return eachSchema(value, f)
	}
	return value
}

func escapeStep(name string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(name) }

// fragmentOf writes a pointer as the fragment of a URI.
func fragmentOf(pointer string) string {
	u := url.URL{Fragment: pointer}
	return u.EscapedFragment()
}
