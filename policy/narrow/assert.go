// SPDX-License-Identifier: Apache-2.0

package narrow

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"tollgate/upstream/wire"
)

// The keywords in this file look at a value alone. Their sentences are made when they are compiled.

// never is the schema false.
type never struct{}

func (never) eval(r *run, _ any, _ *seen) *miss { return r.missOf(noValue, "") }

// types is the keyword type.
type types struct {
	set  int
	text string
}

func (k types) eval(r *run, v any, _ *seen) *miss {
	if k.set&typesOf(v) != 0 {
		return nil
	}
	m := r.missOf(wrong, k.text)
	m.types = k.set
	return m
}

// typeSet reads the value of type.
func typeSet(raw []byte) (int, error) {
	names, err := stringList(raw)
	if s, ok := wire.String(raw); ok {
		names, err = []string{s}, nil
	}
	set := 0
	for _, name := range names {
		bit := typeNamed(name)
		if bit == 0 {
			return 0, fmt.Errorf("%s is no type of JSON", clip(name))
		}
		set |= bit
	}
	if err == nil && set == 0 {
		err = errors.New("must name a type")
	}
	return set, err
}

func compileTypes(raw []byte) (keyword, error) {
	set, err := typeSet(raw)
	return types{set, typeText(set)}, err
}

// oneOfValues are the keywords enum and const.
type oneOfValues struct {
	values []any
	size   int
	text   string
}

func (k oneOfValues) eval(r *run, v any, _ *seen) *miss {
	r.spend(k.size / 4)
	for _, allowed := range k.values {
		if equal(allowed, v) {
			return nil
		}
	}
	return r.miss(k.text)
}

func compileEnum(raw []byte) (keyword, error) {
	v, err := decode(raw)
	if err != nil {
		return nil, err
	}
	values, ok := v.([]any)
	if !ok {
		return nil, errors.New("must be an array")
	}
	var literals []string
	for e := range wire.Elements(raw) {
		literals = append(literals, string(e))
	}
	return oneOfValues{values, size(v), valuesText(literals)}, nil
}

func compileConst(raw []byte) (keyword, error) {
	v, err := decode(raw)
	return oneOfValues{[]any{v}, size(v), valuesText([]string{string(raw)})}, err
}

// bound is one of minimum, maximum, exclusiveMinimum and exclusiveMaximum.
type bound struct {
	limit  decimal
	name   string
	phrase string
}

func (k bound) eval(r *run, v any, _ *seen) *miss {
	literal, ok := v.(json.Number)
	if !ok {
		return nil
	}
	r.spend(len(literal) / 16)
	if keeps(k.name, parseDecimal(string(literal)), k.limit) {
		return nil
	}
	return r.miss(k.phrase)
}

// keeps reports whether n is within the bound.
func keeps(name string, n, limit decimal) bool {
	c := n.cmp(limit)
	switch name {
	case "minimum":
		return c >= 0
	case "maximum":
		return c <= 0
	case "exclusiveMinimum":
		return c > 0
	}
	return c < 0
}

func compileBound(name string, raw []byte) (keyword, error) {
	if wire.Kind(raw) != '0' {
		return nil, errors.New("must be a number")
	}
	return bound{parseDecimal(string(raw)), name, boundText(name) + literal(string(raw))}, nil
}

// multiple is the keyword multipleOf.
type multiple struct {
	of   decimal
	text string
}

func (k multiple) eval(r *run, v any, _ *seen) *miss {
	literal, ok := v.(json.Number)
	if !ok {
		return nil
	}
	r.spend(20 + len(literal))
	if parseDecimal(string(literal)).multipleOf(k.of) {
		return nil
	}
	return r.miss(k.text)
}

func compileMultiple(raw []byte) (keyword, error) {
	if wire.Kind(raw) != '0' || len(raw) > maxDigits || parseDecimal(string(raw)).sign() <= 0 {
		return nil, errors.New("must be a number above 0")
	}
	return multiple{parseDecimal(string(raw)), "must be a multiple of " + literal(string(raw))}, nil
}

// count is one of minLength, maxLength, minItems, maxItems, minProperties and maxProperties.
type count struct {
	limit int64
	name  string
	text  string
}

func (k count) eval(r *run, v any, _ *seen) *miss {
	n := -1
	switch v := v.(type) {
	case string:
		if strings.HasSuffix(k.name, "Length") {
			r.spend(len(v) / 64)
			n = utf8.RuneCountInString(v)
		}
	case []any:
		if strings.HasSuffix(k.name, "Items") {
			n = len(v)
		}
	case map[string]any:
		if strings.HasSuffix(k.name, "Properties") {
			n = len(v)
		}
	}
	if n < 0 || (k.name[:3] == "min" && int64(n) >= k.limit) || (k.name[:3] == "max" && int64(n) <= k.limit) {
		return nil
	}
	return r.miss(k.text)
}

// countOf reads a whole number that is not negative. Larger ones than any count are all the same.
func countOf(raw []byte) (int64, error) {
	d := parseDecimal(string(raw))
	if wire.Kind(raw) != '0' || d.negative || !d.integer() {
		return 0, errors.New("must be a whole number, 0 or more")
	}
	n := int64(0)
	for i := range d.exp + int64(len(d.digits)) {
		if n *= 10; i < int64(len(d.digits)) {
			n += int64(d.digits[i] - '0')
		}
		if n > maxExponent {
			return maxExponent, nil
		}
	}
	return n, nil
}

func compileCount(name string, raw []byte) (keyword, error) {
	n, err := countOf(raw)
	return count{n, name, countText(name, n)}, err
}

// matches is the keyword pattern.
type matches struct{ *pattern }

func (k matches) eval(r *run, v any, _ *seen) *miss {
	if s, ok := v.(string); ok && !k.match(r, s) {
		return r.miss("must match the pattern " + clip(k.source))
	}
	return nil
}

// unique is the keyword uniqueItems.
type unique struct{}

func (unique) eval(r *run, v any, _ *seen) *miss {
	items, ok := v.([]any)
	if !ok || len(items) < 2 {
		return nil
	}
	known := make(map[string]bool, len(items))
	var buf []byte
	for _, e := range items {
		buf = key(buf[:0], e)
		r.spend(1 + len(buf)/8)
		if known[string(buf)] {
			return r.miss("must not hold the same item twice")
		}
		if known[string(buf)] = true; r.over() {
			return &miss{kind: overdone}
		}
	}
	return nil
}

// required is the keyword of that name.
type required []string

func (k required) eval(r *run, v any, _ *seen) *miss {
	if members, ok := v.(map[string]any); ok {
		for _, name := range k {
			if _, ok := members[name]; !ok {
				return r.missOf(missing, name)
			}
		}
	}
	return nil
}

func stringList(raw []byte) ([]string, error) {
	if wire.Kind(raw) != '[' {
		return nil, errors.New("must be an array of strings")
	}
	var names []string
	for e := range wire.Elements(raw) {
		s, ok := wire.String(e)
		if !ok {
			return nil, errors.New("must be an array of strings")
		}
		names = append(names, s)
	}
	return names, nil
}

func boolean(raw []byte) error {
	if s := string(raw); s != "true" && s != "false" {
		return errors.New("must be true or false")
	}
	return nil
}
