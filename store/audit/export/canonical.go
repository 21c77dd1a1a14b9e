// SPDX-License-Identifier: Apache-2.0

package export

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"tollgate/upstream/wire"
)

// object is a JSON object that is being built. Its values are objects, slices, strings, booleans, nil and numbers.
type object map[string]any

// text adds a member unless it is empty.
func (o object) text(name, value string) object {
	if value != "" {
		o[name] = value
	}
	return o
}

// number adds a member unless it is 0. What a reader with floating point would change becomes a string.
func (o object) number(name string, n int64) object {
	if n > maxInteger || n < -maxInteger {
		return o.text(name, strconv.FormatInt(n, 10))
	}
	if n != 0 {
		o[name] = n
	}
	return o
}

// json adds a document unless there is none. One that a reader could not give back as it was becomes a string.
func (o object) json(name string, document []byte) object {
	if len(document) == 0 {
		return o
	}
	if value, ok := parse(document); ok {
		o[name] = value
		return o
	}
	return o.text(name, string(document))
}

const (
	maxInteger  = 1<<53 - 1 // that floating point has exactly
	maxDigits   = 15        // of a decimal number, that floating point keeps
	maxExponent = 300
)

// parse reads a document whose numbers survive floating point, with unique names and no half characters.
func parse(document []byte) (value any, ok bool) {
	if wire.Check(document) != nil {
		return nil, false
	}
	d := json.NewDecoder(bytes.NewReader(document))
	d.UseNumber()
	if d.Decode(&value) != nil {
		return nil, false
	}
	return value, exact(value)
}

func exact(value any) bool {
	switch v := value.(type) {
	case map[string]any:
		for _, member := range v {
			if !exact(member) {
				return false
			}
		}
	case []any:
		for _, element := range v {
			if !exact(element) {
				return false
			}
		}
	case json.Number:
		return exactNumber(string(v))
	}
	return true
}

// exactNumber tells whether a number survives floating point: any decimal of up to 15 digits does, and integers up to 2^53.
func exactNumber(text string) bool {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n <= maxInteger && n >= -maxInteger
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return false
	}
	mantissa, exponent, _ := strings.Cut(strings.ToLower(text), "e")
	digits := strings.Trim(strings.NewReplacer("-", "", ".", "").Replace(mantissa), "0")
	if digits == "" {
		return true
	}
	shift := 0
	if exponent != "" {
		if shift, err = strconv.Atoi(exponent); err != nil {
			return false
		}
	}
	return f != 0 && len(digits) <= maxDigits && len(mantissa) < maxExponent && shift > -maxExponent && shift < maxExponent
}

// appendCanonical writes a value as RFC 8785 says (JSON Canonicalization Scheme), so that everybody who reads it can write the
// same bytes again.
func appendCanonical(dst []byte, value any) []byte {
	switch v := value.(type) {
	case object:
		return appendMembers(dst, v)
	case map[string]any:
		return appendMembers(dst, v)
	case []any:
		dst = append(dst, '[')
		for i, element := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendCanonical(dst, element)
		}
		return append(dst, ']')
	case string:
		return wire.AppendString(dst, v)
	case bool:
		return strconv.AppendBool(dst, v)
	case int:
		return strconv.AppendInt(dst, int64(v), 10)
	case int64:
		return strconv.AppendInt(dst, v, 10)
	case json.Number:
		return appendNumber(dst, string(v))
	}
	return append(dst, "null"...)
}

func appendMembers(dst []byte, members map[string]any) []byte {
	names := make([]string, 0, len(members))
	for name := range members {
		names = append(names, name)
	}
	slices.SortFunc(names, compareUTF16)
	dst = append(dst, '{')
	for i, name := range names {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(wire.AppendString(dst, name), ':')
		dst = appendCanonical(dst, members[name])
	}
	return append(dst, '}')
}

// compareUTF16 compares by the units of UTF-16, where characters beyond the basic plane come before U+E000.
func compareUTF16(a, b string) int {
	for a != "" && b != "" {
		r, n := utf8.DecodeRuneInString(a)
		s, m := utf8.DecodeRuneInString(b)
		if r != s {
			return place(r) - place(s)
		}
		a, b = a[n:], b[m:]
	}
	return len(a) - len(b)
}

func place(r rune) int {
	if r >= 0xE000 && r < 0x10000 {
		return int(r) + utf8.MaxRune
	}
	return int(r)
}

// appendNumber writes a number that is exact in the shortest way, as ECMAScript does.
func appendNumber(dst []byte, text string) []byte {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return strconv.AppendInt(dst, n, 10)
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f == 0 {
		return append(dst, '0')
	}
	b, err := json.Marshal(f) // has the same form
	if err != nil {
		return append(dst, "null"...)
	}
	return append(dst, b...)
}
