// SPDX-License-Identifier: Apache-2.0

package narrow

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"strconv"
)

// Values are what encoding/json makes of a text with numbers kept as they are written: nil, bool, string, json.Number,
// []any and map[string]any.

func decode(raw []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("text after the value")
	}
	return v, nil
}

// The types of JSON Schema as a set.
const (
	typeNull = 1 << iota
	typeBoolean
	typeInteger
	typeNumber // every number, whole or not
	typeString
	typeArray
	typeObject
)

// typeNames are the names of the types in the order of their bits.
func typeNames() []string {
	return []string{"null", "boolean", "integer", "number", "string", "array", "object"}
}

// typeNamed answers the bit of a name, 0 for none.
func typeNamed(name string) int {
	if i := slices.Index(typeNames(), name); i >= 0 {
		return 1 << i
	}
	return 0
}

// typesOf is the set of the types that a value has: a whole number has two.
func typesOf(v any) int {
	switch v := v.(type) {
	case nil:
		return typeNull
	case bool:
		return typeBoolean
	case string:
		return typeString
	case []any:
		return typeArray
	case map[string]any:
		return typeObject
	case json.Number:
		if parseDecimal(string(v)).integer() {
			return typeNumber | typeInteger
		}
	}
	return typeNumber
}

// equal is equality as JSON Schema has it: numbers by their value, members in any order.
func equal(a, b any) bool {
	switch a := a.(type) {
	case json.Number:
		b, ok := b.(json.Number)
		return ok && (a == b || parseDecimal(string(a)) == parseDecimal(string(b)))
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, equal)
	case map[string]any:
		b, ok := b.(map[string]any)
		return ok && maps.EqualFunc(a, b, equal)
	default:
		switch b.(type) {
		case []any, map[string]any:
			return false
		}
		return a == b
	}
}

// size is the number of values in v, itself included.
func size(v any) int {
	n := 1
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			n += size(e)
		}
	case map[string]any:
		for _, e := range v {
			n += size(e)
		}
	}
	return n
}

// key appends a text that equal values share and others do not have.
func key(dst []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(dst, 'z')
	case bool:
		return strconv.AppendBool(dst, v)
	case string:
		return strconv.AppendQuote(dst, v)
	case json.Number:
		return parseDecimal(string(v)).key(dst)
	case []any:
		dst = append(dst, '[')
		for _, e := range v {
			dst = append(key(dst, e), ',')
		}
		return append(dst, ']')
	case map[string]any:
		dst = append(dst, '{')
		for _, name := range slices.Sorted(maps.Keys(v)) {
			dst = append(strconv.AppendQuote(dst, name), ':')
			dst = append(key(dst, v[name]), ',')
		}
		return append(dst, '}')
	}
	return dst
}
