// SPDX-License-Identifier: Apache-2.0

package narrow

import (
	"bytes"
	"slices"

	"tollgate/upstream/wire"
)

// values merges enum and const. The order and the spelling of the schema's own list stay.
func (m *merger) values(name string, value []byte) bool {
	allowed, _ := valueList(m.asserts)
	old, has := valueList(m.before)
	if !has {
		m.set(name, value)
		return true
	}
	if allowed == nil || old == nil { // enum and const at once
		before, _ := wire.Lookup(m.before, name)
		return same(before, value)
	}
	var left [][]byte
	for _, literal := range old {
		if contained(literal, allowed) {
			left = append(left, literal)
		}
	}
	switch {
	case len(left) == 0:
		m.empty = true
	case len(left) < len(old):
		m.set("enum", slices.Concat([]byte("["), bytes.Join(left, []byte(",")), []byte("]")))
	}
	return true
}

// valueList answers the values of enum or const. With both of them, or with a list that is none, it answers nil and true.
func valueList(schema []byte) (literals [][]byte, ok bool) {
	enum, isEnum := wire.Lookup(schema, "enum")
	value, isConst := wire.Lookup(schema, "const")
	switch {
	case isEnum && (isConst || wire.Kind(enum) != '['):
		return nil, true
	case isEnum:
		return append([][]byte{}, slices.Collect(wire.Elements(enum))...), true
	case isConst:
		return [][]byte{value}, true
	}
	return nil, false
}

func contained(literal []byte, in [][]byte) bool {
	v, err := decode(literal)
	return err == nil && slices.ContainsFunc(in, func(o []byte) bool {
		w, err := decode(o)
		return err == nil && equal(v, w)
	})
}

// types merges two values of type.
func (m *merger) types(old []byte, has bool, value []byte) bool {
	if !has {
		m.set("type", value)
		return true
	}
	a, err := typeSet(old)
	b, err2 := typeSet(value)
	if err != nil || err2 != nil {
		return false
	}
	a, b = widen(a), widen(b)
	switch left := a & b; {
	case left == 0:
		m.empty = true
	case left == a:
	case left == b:
		m.set("type", value)
	default:
		m.set("type", typeNamesOf(left))
	}
	return true
}

// widen adds that every whole number is a number.
func widen(set int) int {
	if set&typeNumber != 0 {
		set |= typeInteger
	}
	return set
}

func typeNamesOf(set int) []byte {
	if set&typeNumber != 0 {
		set &^= typeInteger
	}
	var names [][]byte
	for i, name := range typeNames() {
		if set&(1<<i) != 0 {
			names = append(names, wire.AppendString(nil, name))
		}
	}
	if len(names) == 1 {
		return names[0]
	}
	return slices.Concat([]byte("["), bytes.Join(names, []byte(",")), []byte("]"))
}
