// SPDX-License-Identifier: Apache-2.0

package declare

import (
	"strings"

	"tollgate/upstream/wire"
)

// maxTuple is how many elements of a tuple are told apart.
const maxTuple = 32

// object is the type of objects: what is declared, and an index signature where the schema says what else there may be. A
// schema that does not say so is shown as closed, though JSON Schema leaves it open: nobody should invent arguments.
func (k *maker) object(w *keywords, indent string, depth int) typ {
	if w.required == nil && empty(w.properties) {
		return k.record(w, indent, depth)
	}
	required := map[string]bool{}
	for e := range wire.Elements(w.required) {
		if name, ok := wire.String(e); ok {
			required[name] = true
		}
	}
	k.inside++
	defer func() { k.inside-- }()
	o := &members{k: k, indent: indent, inner: indent + "  ", depth: depth}
	optional := true
	for m := range wire.Members(w.properties) {
		o.property(m.Name, m.Value, required[m.Name])
		optional = optional && !required[m.Name]
		delete(required, m.Name)
	}
	for e := range wire.Elements(w.required) {
		if name, ok := wire.String(e); ok && required[name] {
			o.property(name, []byte("{}"), true)
			optional = false
			delete(required, name)
		}
	}
	if o.missing || (w.additional != nil && string(w.additional) != "false") || wire.Kind(w.pattern) == '{' {
		if len(o.parts) == 0 && !o.missing {
			t := k.record(w, indent, depth)
			t.optional = optional
			return t
		}
		o.add("", "[key: string]: unknown")
	}
	return typ{text: o.text(), optional: optional}
}

// empty reports whether no properties are declared.
func empty(properties []byte) bool {
	for range wire.Members(properties) {
		return false
	}
	return true
}

// record is the type of objects without declared properties.
func (k *maker) record(w *keywords, indent string, depth int) typ {
	k.inside++
	defer func() { k.inside-- }()
	closed := string(w.additional) == "false"
	var values []typ
	if !closed && w.additional != nil {
		values = append(values, k.make(w.additional, indent, depth+1))
	}
	for m := range wire.Members(w.pattern) {
		values = append(values, k.make(m.Value, indent, depth+1))
	}
	switch {
	case len(values) > 0 && k.naming > 0: // a named type may not be the argument of another in its own declaration
		return k.spend(typ{text: "{[key: string]: " + union(values).text + "}", optional: true})
	case len(values) > 0:
		return k.spend(typ{text: "Record<string, " + union(values).text + ">", optional: true})
	case closed:
		return k.spend(typ{text: "{}", optional: true})
	}
	return k.spend(typ{text: anyObject, optional: true})
}

// members are the parts of an object type.
type members struct {
	k             *maker
	indent, inner string
	depth         int
	parts         []string
	missing       bool // there are more than fit
}

func (o *members) property(name string, schema []byte, required bool) {
	k := o.k
	if k.left <= 0 || len(name) > maxLiteral {
		o.missing = true
		return
	}
	key := name
	if !plain(name) {
		key = quote(name)
	}
	if !required {
		key += "?"
	}
	k.left -= len(key) + len(o.inner) + 4
	t := k.make(schema, o.inner, o.depth+1)
	note := ""
	if !k.method.how.compact {
		note = cut(noteOf(schema), k.method.how.note)
		k.left -= len(note)
	}
	o.add(note, key+": "+t.text)
}

func (o *members) add(note, part string) {
	if o.k.method.how.compact {
		o.parts = append(o.parts, part)
		return
	}
	var b strings.Builder
	comment(&b, o.inner, note)
	b.WriteString(o.inner + part + ";\n")
	o.parts = append(o.parts, b.String())
}

func (o *members) text() string {
	switch {
	case len(o.parts) == 0:
		return "{}"
	case o.k.method.how.compact:
		return "{" + strings.Join(o.parts, "; ") + "}"
	}
	return "{\n" + strings.Join(o.parts, "") + o.indent + "}"
}

// array is the type of arrays and tuples.
func (k *maker) array(w *keywords, indent string, depth int) typ {
	k.inside++
	defer func() { k.inside-- }()
	prefix, rest := w.prefix, w.items
	if wire.Kind(w.items) == '[' { // as draft-07 writes it
		prefix, rest = w.items, w.additionalItems
	}
	if wire.Kind(prefix) == '[' {
		return k.tuple(prefix, rest, w.minItems, indent, depth)
	}
	element := named(unknown)
	if rest != nil {
		element = k.make(rest, indent, depth+1)
	}
	return k.spend2(typ{text: element.in(tight) + "[]"}, 2)
}

func (k *maker) tuple(prefix, rest, minItems []byte, indent string, depth int) typ {
	least, _ := wire.Int(minItems)
	var parts []string
	for e := range wire.Elements(prefix) {
		if len(parts) == maxTuple || k.left <= 0 {
			rest = nil
			break
		}
		t := k.make(e, indent, depth+1)
		if int64(len(parts)) < least {
			parts = append(parts, t.text)
		} else {
			parts = append(parts, t.in(tight)+"?")
		}
	}
	if string(rest) != "false" {
		t := named(unknown)
		if rest != nil {
			t = k.make(rest, indent, depth+1)
		}
		parts = append(parts, "..."+t.in(tight)+"[]")
	}
	return k.spend2(typ{text: "[" + strings.Join(parts, ", ") + "]"}, 2*len(parts))
}

// spend2 counts n bytes that are not counted with the parts of a type.
func (k *maker) spend2(t typ, n int) typ {
	k.left -= n
	return t
}
