// SPDX-License-Identifier: Apache-2.0

package wording

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestOffset(t *testing.T) {
	const source = "a\nüb c\n"
	for _, tt := range []struct{ line, column, want int }{
		{1, 0, 0}, {1, 1, 1}, {2, 0, 2}, {2, 1, 4}, {2, 3, 6}, {3, 0, 8}, {2, 99, len(source)}, {4, 0, -1}, {0, 0, -1}, {1, -1, -1},
	} {
		if got := Offset(source, tt.line, tt.column); got != tt.want {
			t.Errorf("line %d, column %d: %d, want %d", tt.line, tt.column, got, tt.want)
		}
	}
}

// FuzzOffset: an offset is between two characters of the text, or -1.
func FuzzOffset(f *testing.F) {
	f.Add("a\nü", 2, 1)
	f.Add("\xff\n", 1, 1)
	f.Fuzz(func(t *testing.T, source string, line, column int) {
		column %= 1 << 10
		got := Offset(source, line, column)
		if got < -1 || got > len(source) {
			t.Fatalf("%d of %d bytes", got, len(source))
		}
		if utf8.ValidString(source) && got > 0 && got < len(source) && !utf8.RuneStart(source[got]) {
			t.Errorf("%d is inside of a character", got)
		}
	})
}

func TestPlaces(t *testing.T) {
	if got := NameBefore("size(x)", "size", 4); got != 0 {
		t.Errorf("NameBefore = %d", got)
	}
	if got := NameBefore("x + 1", "size", -1); got != -1 {
		t.Errorf("NameBefore = %d", got)
	}
	if got := PastDot("a.b", 1); got != 2 {
		t.Errorf("PastDot = %d", got)
	}
	if got := PastDot("a.b", -1); got != -1 {
		t.Errorf("PastDot = %d", got)
	}
}

// TestIssue: CEL's messages, as its checker has them.
func TestIssue(t *testing.T) {
	for message, want := range map[string][2]string{
		`found no matching overload for '_+_' applied to '(int, double)'`:                             {"+ does not work on a whole number and a number", "both must be of one kind"},
		`found no matching overload for '_+_' applied to '(string, int)'`:                             {"+ does not work on text and a whole number", "write string(...)"},
		`found no matching overload for '_==_' applied to '(list(string), map(string, dyn))'`:         {"== does not work on a list and an object", ""},
		`found no matching overload for '@in' applied to '(string, string)'`:                          {"in does not work on text and text", ""},
		`found no matching overload for '_[_]' applied to '(int, int)'`:                               {"[] does not work on a whole number and a whole number", ""},
		`found no matching overload for '_?_:_' applied to '(int, int, int)'`:                         {"?: does not work on a whole number", ""},
		`found no matching overload for '!_' applied to '(int)'`:                                      {"! does not work on a whole number", ""},
		`found no matching overload for 'startsWith' applied to 'string.(int)'`:                       {"startsWith does not work on text with a whole number", ""},
		`found no matching overload for 'size' applied to 'bool.()'`:                                  {"size does not work on true or false", ""},
		`type 'google.protobuf.Timestamp' does not support field selection`:                           {"a time has no members", ""},
		`expression of type 'int' cannot be range of a comprehension (must be list, map, or dynamic)`: {"only a list or an object can be searched, this is a whole number", ""},
		`expected type 'bool' but found 'null_type'`:                                                  {"this must be true or false, it is null", ""},
		`something else`: {"something else", ""},
	} {
		plain, hint := Issue(message)
		if !strings.HasPrefix(plain, want[0]) || !strings.HasPrefix(hint, want[1]) || (hint == "") != (want[1] == "") {
			t.Errorf("%s: %q, %q", message, plain, hint)
		}
	}
	if name, ok := Undeclared(`undeclared reference to 'foo' (in container '')`); name != "foo" || !ok {
		t.Errorf("Undeclared = %q, %v", name, ok)
	}
	if name, ok := Undefined(`undefined field 'foo'`); name != "foo" || !ok {
		t.Errorf("Undefined = %q, %v", name, ok)
	}
	if name, ok := Undefined(`undefined field`); ok {
		t.Errorf("Undefined = %q", name)
	}
}

// TestSyntax: CEL's messages, as its parser has them.
func TestSyntax(t *testing.T) {
	for message, want := range map[string][2]string{
		`Syntax error: mismatched input '<EOF>' expecting {'[', '{'}`: {"the expression ends too early", ""},
		`Syntax error: token recognition error at: '= '`:              {"unexpected '='", "to compare, write =="},
		`Syntax error: token recognition error at: '"abc'`:            {`unexpected '"abc'`, "close the quote"},
		`Syntax error: extraneous input 'and' expecting <EOF>`:        {"unexpected 'and'", "write && for and"},
		`Syntax error: token recognition error at: '& '`:              {"unexpected '&'", "write && and ||"},
		`Syntax error: no viable alternative at input 'x y'`:          {"unexpected 'x y'", ""},
		`Syntax error: reserved identifier: loop`:                     {"reserved identifier: loop", ""},
		`expression code point size exceeds limit: size: 10, limit 5`: {"expression code point size exceeds limit: size: 10, limit 5", ""},
	} {
		plain, hint := Syntax(message)
		if plain != want[0] || !strings.HasPrefix(hint, want[1]) || (hint == "") != (want[1] == "") {
			t.Errorf("%s: %q, %q", message, plain, hint)
		}
	}
}

func FuzzWords(f *testing.F) {
	f.Add("Syntax error: mismatched input 'x' expecting y")
	f.Add("found no matching overload for '_+_' applied to 'list(int).(map(string, int), ()'")
	f.Fuzz(func(t *testing.T, message string) {
		if plain, _ := Issue(message); plain == "" && message != "" {
			t.Errorf("Issue(%q) says nothing", message)
		}
		Syntax(message)
		Undeclared(message)
		Undefined(message)
	})
}
