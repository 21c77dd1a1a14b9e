// SPDX-License-Identifier: Apache-2.0

package wire_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"tollgate/upstream/wire"
)

func TestCheckAccepts(t *testing.T) {
	for _, text := range []string{
		`{}`, `[]`, `""`, `0`, `-0`, `1.5e+10`, `1E400`, `true`, `false`, `null`, " \t\r\n{} \n",
		`{"a":{"a":[{"a":1},{"a":2}]}}`,
		`{"a":1,"A":2,"":3," a":4}`,
		`{"aaaaaaaa":1,"aaaaaaab":2,"aaaaaaaa1":3}`,
		`"\"\\\/\b\f\n\r\t\u0041\ud83d\ude00"`,
		"\"\u007f\u0080ä€😀\"",
		`9007199254740993`, `0.1234567890123456789`,
	} {
		if err := wire.Check([]byte(text)); err != nil {
			t.Errorf("Check(%s) = %v, want nil", text, err)
		}
		if err := wire.CheckReply([]byte(text)); err != nil {
			t.Errorf("CheckReply(%s) = %v, want nil", text, err)
		}
	}
}

// refusal is a text that Check refuses, and a part of the reason.
type refusal struct{ name, text, want string }

// The numbers are those of the list of bad inputs in the threat model.
func TestCheckRefusesWhatReadsTwoWays(t *testing.T) {
	testRefusals(t, []refusal{
		{"1 duplicate name in params", `{"params":{"name":"safe","name":"danger"}}`, `at byte 25: duplicate member "name"`},
		{"2 duplicate deep in arguments", `{"a":[1,{"b":{"c":1,"d":2,"c":3}}]}`, `at byte 26: duplicate member "c"`},
		{"3 duplicate through an escape", `{"\u0061":1,"a":2}`, `at byte 12: duplicate member "a"`},
		{"3 duplicate through two escapes", `{"\u00e9":1,"\u00E9":2}`, `at byte 12: duplicate member "é"`},
		{"3 duplicate through a surrogate pair", `{"😀":1,"\ud83d\ude00":2}`, `duplicate member "😀"`},
		{"duplicate that only differs in the escape of a slash", `{"a/b":1,"a\/b":2}`, `duplicate member "a/b"`},
		{"duplicate empty name", `{"":1,"":2}`, `duplicate member ""`},
		{"5 invalid UTF-8", "{\"a\":\"\xff\"}", `at byte 6: invalid UTF-8`},
		{"5 truncated UTF-8", "\"\xe2\x82\"", `invalid UTF-8`},
		{"5 surrogate in UTF-8", "\"\xed\xa0\x80\"", `invalid UTF-8`},
		{"5 overlong UTF-8", "\"\xc0\xaf\"", `invalid UTF-8`},
		{"5 invalid UTF-8 in a name", "{\"\xff\":1}", `invalid UTF-8`},
		{"6 lone high surrogate", `"\ud800"`, `at byte 1: lone surrogate escape`},
		{"6 lone low surrogate", `"x\udc00"`, `at byte 2: lone surrogate escape`},
		{"6 two high surrogates", `"\ud800\ud800"`, `lone surrogate escape`},
		{"6 high surrogate before another escape", `"\ud800\n"`, `lone surrogate escape`},
		{"7 deep arrays", strings.Repeat("[", 200_000), `more than 512 levels`},
		{"7 deep objects", strings.Repeat(`{"a":`, 200_000), `more than 512 levels`},
		{"8 two values", `{}{}`, `at byte 2: unexpected text after the value`},
		{"8 two values in lines", "{}\n{}", `at byte 3: unexpected text after the value`},
	})
}

func TestCheckRefusesBrokenSyntax(t *testing.T) {
	testRefusals(t, []refusal{
		{"nothing", ``, `at byte 0: unexpected end`},
		{"blank", ` `, `at byte 1: unexpected end`},
		{"byte order mark", "\ufeff{}", `at byte 0: unexpected character`},
		{"open object", `{"a":1`, `unexpected end`},
		{"open array", `[1,`, `unexpected end`},
		{"open string", `"abc`, `unterminated string`},
		{"open escape", `"abc\`, `unterminated string`},
		{"short escape", `"\u12`, `expected four hexadecimal digits`},
		{"bad hexadecimal digit", `"\u12g4"`, `expected four hexadecimal digits`},
		{"unknown escape", `"\x41"`, `unknown escape`},
		{"line break in a string", "\"a\nb\"", `at byte 2: control character`},
		{"zero byte in a long string", `"` + strings.Repeat("a", 20) + "\x00\"", `at byte 21: control character`},
		{"comma before the brace", `{"a":1,}`, `expected a member name`},
		{"comma before the bracket", `[1,]`, `unexpected character`},
		{"no comma", `[1 2]`, `expected a comma`},
		{"no colon", `{"a" 1}`, `expected a colon`},
		{"wrong bracket", `{"a":1]`, `expected a comma`},
		{"single quotes", `{'a':1}`, `expected a member name`},
		{"comment", `{/**/}`, `expected a member name`},
		{"leading zero", `01`, `unexpected text`},
		{"leading plus", `+1`, `unexpected character`},
		{"no digits", `-`, `expected a digit`},
		{"no fraction", `1.`, `expected a digit`},
		{"no exponent", `1e+`, `expected a digit`},
		{"hexadecimal", `0x10`, `unexpected text`},
		{"NaN", `NaN`, `unexpected character`},
		{"Infinity", `-Infinity`, `expected a digit`},
		{"broken literal", `tru`, `unexpected character`},
		{"glued literal", `truely`, `unexpected text`},
	})
}

func testRefusals(t *testing.T, tests []refusal) {
	t.Helper()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := wire.Check([]byte(tt.text))
			var syntax *wire.SyntaxError
			if !errors.As(err, &syntax) {
				t.Fatalf("Check = %v, want a *SyntaxError", err)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Check = %q, want it to contain %q", err, tt.want)
			}
			if syntax.Offset > len(tt.text) {
				t.Errorf("offset %d is outside of a text of %d bytes", syntax.Offset, len(tt.text))
			}
		})
	}
}

func TestCheckDepth(t *testing.T) {
	nested := func(n int) []byte { return []byte(strings.Repeat("[", n) + strings.Repeat("]", n)) }
	if err := wire.Check(nested(wire.MaxDepth)); err != nil {
		t.Errorf("Check of %d levels = %v, want nil", wire.MaxDepth, err)
	}
	if err := wire.Check(nested(wire.MaxDepth + 1)); err == nil {
		t.Errorf("Check of %d levels = nil, want an error", wire.MaxDepth+1)
	}
	if err := wire.CheckReply(nested(wire.MaxDepth + 1)); err == nil {
		t.Errorf("CheckReply of %d levels = nil, want an error", wire.MaxDepth+1)
	}
}

// Wherever the two equal names stand in a large object, they are found; pairwise comparison would make this test by far the slowest.
func TestCheckLargeObjects(t *testing.T) {
	const n = 50_000
	build := func(names ...string) []byte {
		var b strings.Builder
		b.WriteString(`{"x":0`)
		for i := range n {
			fmt.Fprintf(&b, `,"common_prefix_%d_and_suffix":1`, i)
		}
		for _, name := range names {
			fmt.Fprintf(&b, `,"%s":2`, name)
		}
		b.WriteString(`}`)
		return []byte(b.String())
	}
	if err := wire.Check(build("y")); err != nil {
		t.Errorf("Check of unique names = %v, want nil", err)
	}
	for _, name := range []string{"x", `\u0078`, "common_prefix_0_and_suffix", "common_prefix_49999_and_suffix"} {
		text := build(name)
		var syntax *wire.SyntaxError
		if err := wire.Check(text); !errors.As(err, &syntax) {
			t.Errorf("Check with a second %q = %v, want a duplicate", name, err)
		} else if want := strings.LastIndex(string(text), `"`+name); syntax.Offset != want {
			t.Errorf("Check with a second %q points to byte %d, want %d", name, syntax.Offset, want)
		}
	}
}

// The limit between pairwise comparison and sorting, and names of every length around the parts that are mixed.
func TestCheckDuplicatesOfAllSizes(t *testing.T) {
	for _, members := range []int{1, 2, 7, 15, 16, 17, 18, 32, 33, 40} {
		for _, length := range []int{1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 40} {
			text := "{"
			for i := range members {
				text += fmt.Sprintf(`"%s":{"%d":0},`, key(i, length), i)
			}
			if err := wire.Check([]byte(text + `"~":0}`)); err != nil {
				t.Fatalf("%d names of %d bytes: %v, want nil", members, length, err)
			}
			for i := range members {
				if err := wire.Check([]byte(text + `"` + key(i, length) + `":0}`)); err == nil {
					t.Fatalf("%d names of %d bytes and name %d again: nil, want a duplicate", members, length, i)
				}
			}
		}
	}
}

// key makes names that differ in one character only, at changing places.
func key(i, length int) string {
	b := []byte(strings.Repeat("-", length))
	b[i%length] = byte('0' + i)
	return string(b)
}

func TestCheckReplyScope(t *testing.T) {
	for _, tt := range []struct {
		text   string
		reply  bool // CheckReply accepts
		unique bool // CheckUnique accepts
	}{
		{`{"id":1,"id":2}`, false, false},
		{`{"result":{"a":1,"a":2}}`, false, false},
		{`{"res\u0075lt":{"a":1,"\u0061":2}}`, false, false},
		{`{"params":{"a":1,"a":2}}`, false, false},
		{`{"error":{"a":1,"a":2}}`, false, false},
		{`{"other":{"a":1,"a":2}}`, true, false},
		{`{"result":{"tools":[{"a":1,"a":2}]}}`, true, false},
		{`{"result":{"result":{"a":1,"a":2}}}`, true, false},
		{`{"result":[{"a":1,"a":2}]}`, true, false},
		{`[{"a":1,"a":2}]`, true, false},
		{`{"a":"\ud800"}`, true, true},
		{`{"a":"\udc00\ud800"}`, true, true},
		{`{"\ud800":1,"\ud801":2}`, true, true},
		{`{"\ud800":1,"\uD800":2}`, false, false},
		{"{\"a\":\"\xff\"}", false, false},
		{`{"a":"\u12"}`, false, false},
		{`{} {}`, false, false},
	} {
		if err := wire.CheckReply([]byte(tt.text)); (err == nil) != tt.reply {
			t.Errorf("CheckReply(%s) = %v, want accepted = %t", tt.text, err, tt.reply)
		}
		if err := wire.CheckUnique([]byte(tt.text)); (err == nil) != tt.unique {
			t.Errorf("CheckUnique(%s) = %v, want accepted = %t", tt.text, err, tt.unique)
		}
	}
}

func TestDuplicateNameInMessageIsShort(t *testing.T) {
	name := strings.Repeat("x", 10_000)
	err := wire.Check([]byte(`{"` + name + `":1,"` + name + `":2}`))
	if err == nil || len(err.Error()) > 200 {
		t.Errorf("Check = %.300v, want an error of at most 200 bytes", err)
	}
}
