// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// ParamHeader is one x-mcp-header annotation of a tool's input schema: an argument that clients repeat in a header.
type ParamHeader struct {
	Header string   // as annotated, without [HeaderParamPrefix]
	Path   []string // of the argument: names of properties from the outside in
	Type   string   // as declared: string, integer or boolean
}

// Value answers what the header must say for these arguments, before [EncodeHeaderValue]: a string as it is, true or false,
// an integer in decimal notation (42 for 42.0 and 4.2e1, exact at any size up to 64 digits). It answers false when the
// argument is absent, null or something else; the header is then left out. The value as sent decides, not the declared type.
func (p ParamHeader) Value(arguments []byte) (value string, present bool) {
	raw, ok := Lookup(arguments, p.Path...)
	if !ok {
		return "", false
	}
	switch Kind(raw) {
	case '"':
		return String(raw)
	case 't', 'f':
		return string(raw), true
	case '0':
		return integerText(string(raw))
	}
	return "", false
}

// check compares numbers as numbers, which the specification asks for, and everything else as text.
func (p ParamHeader) check(h http.Header, arguments []byte) error {
	name := HeaderParamPrefix + p.Header
	field := "arguments." + strings.Join(p.Path, ".")
	body, inBody := p.Value(arguments)
	if raw, _ := Lookup(arguments, p.Path...); Kind(raw) == '0' {
		value, present, err := decodedHeader(h, name)
		if err != nil {
			return err
		}
		if number, ok := integerText(value); present && inBody && ok && number == body {
			return nil
		}
	}
	return compareHeader(h, name, field, body, inBody, inBody)
}

// integerText writes a JSON number in decimal notation without fraction and exponent. It answers false when s is no JSON
// number, is not whole, or has more than 64 digits, which no schema needs and an exponent could make arbitrarily many.
func integerText(s string) (string, bool) {
	const most = 64
	c := checker{b: []byte(s)}
	if s == "" || s[0] != '-' && !isDigit(s[0]) || c.number(0) != len(s) {
		return "", false
	}
	s, negative := strings.CutPrefix(s, "-")
	exponent := 0
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		n, err := strconv.Atoi(s[i+1:])
		if err != nil {
			return "", false
		}
		s, exponent = s[:i], n
	}
	whole, fraction, _ := strings.Cut(s, ".")
	digits := strings.TrimLeft(whole+fraction, "0")
	if digits == "" {
		return "0", true
	}
	short := strings.TrimRight(digits, "0")
	exponent += len(digits) - len(short) - len(fraction)
	if exponent < 0 || exponent > most || len(short)+exponent > most {
		return "", false
	}
	text := short + strings.Repeat("0", exponent)
	if negative {
		text = "-" + text
	}
	return text, true
}

// checkToken holds a header name against the token syntax of RFC 9110, which excludes line breaks and anything else that
// could end a header early.
func checkToken(name string) error {
	if name == "" {
		return fmt.Errorf("x-mcp-header is empty")
	}
	for i := range len(name) {
		ch := name[i]
		letter := 'a' <= ch|0x20 && ch|0x20 <= 'z'
		if !letter && !isDigit(ch) && strings.IndexByte("!#$%&'*+-.^_`|~", ch) < 0 {
			return fmt.Errorf("x-mcp-header %q has characters that a header name cannot have", shorten(name))
		}
	}
	return nil
}
