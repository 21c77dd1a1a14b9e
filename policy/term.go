// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"bytes"
	"encoding/json"
	"strconv"
	"unicode/utf8"

	"github.com/open-policy-agent/opa/v1/ast"

	"tollgate/upstream/wire"
)

// maxNumber bounds the length of a number and its exponent. Every float64 is
// within. OPA compares exact numbers, panics where an exponent is beyond what
// big.Float has, and takes its time for many digits.
const maxNumber = 400

// parseObject turns the text of a JSON object into a term, without the detour
// over Go maps that ast.ValueFromReader makes. It answers false for anything
// else, for text that two parsers could read differently, and for numbers beyond
// maxNumber.
func parseObject(raw []byte) (*ast.Term, bool) {
	raw = trim(raw)
	if len(raw) == 0 || raw[0] != '{' || wire.CheckUnique(raw) != nil {
		return nil, false
	}
	r := jsonReader{b: raw}
	t := r.value()
	return t, !r.beyond
}

// trim is raw without the white space that JSON has around a value; bytes.TrimSpace takes more than that away.
func trim(raw []byte) []byte { return bytes.Trim(raw, " \t\r\n") }

// jsonReader walks over text that has passed a check, which bounds its depth.
type jsonReader struct {
	b      []byte
	i      int
	beyond bool // a number is beyond maxNumber
}

// next skips white space and the marks between values; in checked text they
// stand where they must.
func (r *jsonReader) next() byte {
	for {
		switch ch := r.b[r.i]; ch {
		case ' ', '\t', '\r', '\n', ',', ':':
			r.i++
		default:
			return ch
		}
	}
}

func (r *jsonReader) value() *ast.Term {
	switch r.next() {
	case '{':
		return r.object()
	case '[':
		return r.array()
	case '"':
		return ast.StringTerm(r.text())
	case 't':
		r.i += len("true")
		return ast.InternedTerm(true)
	case 'f':
		r.i += len("false")
		return ast.InternedTerm(false)
	case 'n':
		r.i += len("null")
		return ast.NullTerm()
	}
	number := r.number()
	if e := bytes.IndexAny(number, "eE"); e >= 0 {
		exponent, err := strconv.Atoi(string(number[e+1:]))
		r.beyond = r.beyond || err != nil || exponent > maxNumber || exponent < -maxNumber
	}
	r.beyond = r.beyond || len(number) > maxNumber
	return ast.NumberTerm(json.Number(number))
}

func (r *jsonReader) number() []byte {
	start := r.i
	for ; r.i < len(r.b); r.i++ {
		switch r.b[r.i] {
		case ' ', '\t', '\r', '\n', ',', ']', '}':
			return r.b[start:r.i]
		}
	}
	return r.b[start:]
}

func (r *jsonReader) object() *ast.Term {
	var room [8][2]*ast.Term
	members := room[:0]
	r.i++
	for r.next() != '}' {
		key := ast.StringTerm(r.text())
		members = append(members, [2]*ast.Term{key, r.value()})
	}
	r.i++
	return ast.NewTerm(ast.NewObject(members...))
}

func (r *jsonReader) array() *ast.Term {
	var elements []*ast.Term
	r.i++
	for r.next() != ']' {
		elements = append(elements, r.value())
	}
	r.i++
	return ast.ArrayTerm(elements...)
}

// text reads a string at its opening quote.
func (r *jsonReader) text() string {
	start := r.i
	for r.i++; r.b[r.i] != '"'; r.i++ {
		if r.b[r.i] == '\\' {
			r.i++
		}
	}
	r.i++
	s, _ := wire.String(r.b[start:r.i])
	return s
}

// sound is s with every byte that is no UTF-8 replaced, as JSON has it.
func sound(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return string([]rune(s))
}
