// SPDX-License-Identifier: Apache-2.0

package declare

import (
	"net/url"
	"strconv"
	"strings"

	"tollgate/upstream/wire"
)

const (
	maxRefs   = 500 // references of one schema
	shortType = 40  // bytes of a type that is repeated rather than named
)

// ref is a part of a schema that something refers to.
type ref struct {
	uses      int
	open      bool // its type is being made
	inside    int  // objects and arrays around it then
	recursive bool // it refers to itself
	done      bool
	name      string
	typ       typ
}

// count finds what a schema refers to, and how often.
func (k *maker) count(raw []byte, depth int) {
	switch wire.Kind(raw) {
	case '{':
		for m := range wire.Members(raw) {
			target, ok := wire.String(m.Value)
			switch {
			case m.Name != "$ref" || !ok:
				k.count(m.Value, depth+1)
			case k.refs[target] != nil:
				k.refs[target].uses++
			case len(k.refs) < maxRefs:
				k.refs[target] = &ref{uses: 1}
			}
		}
	case '[':
		for e := range wire.Elements(raw) {
			k.count(e, depth+1)
		}
	}
}

// ref is the type of what target leads to: its name when it refers to itself or is long and used again, else the type itself.
// Nothing is ever fetched.
func (k *maker) ref(target, indent string, depth int) typ {
	r := k.refs[target]
	if r == nil {
		return named(unknown)
	}
	if r.done {
		return r.typ
	}
	if r.open {
		if k.inside == r.inside {
			return named(unknown) // it would be a type that is nothing but itself
		}
		if !r.recursive {
			r.recursive, r.name = true, k.nameOf(target)
		}
		return named(r.name)
	}
	raw, ok := follow(k.root, target)
	if !ok {
		return named(unknown)
	}
	mayName := r.uses > 1 || recursive(target)
	at, within := indent, depth
	if mayName {
		at, within = "", 0 // where a type of its own is
	}
	r.open, r.inside = true, k.inside
	k.naming++
	t := k.make(raw, at, within)
	k.naming--
	r.open, r.done, r.typ = false, true, t
	if !r.recursive && (!mayName || len(t.text) <= shortType) {
		return r.typ
	}
	if r.name == "" {
		r.name = k.nameOf(target)
	}
	k.method.types.WriteString("type " + r.name + " = " + t.text + ";\n")
	r.typ = typ{text: r.name, optional: t.optional}
	return r.typ
}

// recursive reports whether a reference leads to the whole schema, which contains it.
func recursive(target string) bool { return target == "#" }

// nameOf is a name for a type that nothing else in the declarations has.
func (k *maker) nameOf(target string) string {
	base := k.name
	if i := strings.LastIndexByte(target, '/'); i >= 0 {
		last := identifier(target[i+1:], func(string) bool { return false })
		base = k.method.member + "_" + strings.ToUpper(last[:1]) + last[1:]
	}
	name := base
	for n := 2; k.method.used[name]; n++ {
		name = base + "_" + strconv.Itoa(n)
	}
	k.method.used[name] = true
	return name
}

// follow answers the part of root that a JSON pointer in a fragment leads to.
func follow(root []byte, target string) ([]byte, bool) {
	pointer, ok := strings.CutPrefix(target, "#")
	if !ok {
		return nil, false
	}
	pointer, err := url.PathUnescape(pointer)
	if err != nil {
		return nil, false
	}
	at := root
	if pointer == "" {
		return at, true
	}
	if pointer[0] != '/' {
		return nil, false
	}
	for part := range strings.SplitSeq(pointer[1:], "/") {
		part = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
		if at, ok = child(at, part); !ok {
			return nil, false
		}
	}
	return at, true
}

func child(at []byte, part string) ([]byte, bool) {
	if wire.Kind(at) != '[' {
		return wire.Lookup(at, part)
	}
	i := 0
	for e := range wire.Elements(at) {
		if strconv.Itoa(i) == part {
			return e, true
		}
		i++
	}
	return nil, false
}
