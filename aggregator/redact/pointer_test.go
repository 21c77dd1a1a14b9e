// SPDX-License-Identifier: Apache-2.0

package redact_test

import (
	"errors"
	"strings"
	"testing"

	"tollgate/aggregator/redact"
	"tollgate/policy"
)

func TestCheckPointer(t *testing.T) {
	for _, good := range []string{"", "/a", "/a/0/b", "/*", "/**", "/**/a", "/a~0b/~1c", "/é", "/ ", "/$", "/a.b", "/-"} {
		if err := redact.CheckPointer(good); err != nil {
			t.Errorf("CheckPointer(%q) = %v", good, err)
		}
	}
	for _, tt := range []struct{ pointer, reason, hint string }{
		{"ssn", `must begin with "/"`, `write "/ssn", or "/**/ssn" for wherever it stands`},
		{"customer/ssn", `must begin with "/"`, `write "/customer/ssn", or "/**/ssn" for wherever it stands`},
		{"$.customers[*].ssn", `must begin with "/"`, `"/customers/*/ssn"`},
		{"$..ssn", `must begin with "/"`, `write "/**/ssn"`},
		{"#/a", `must begin with "/"`, `"/a"`},
		{"customers[0]['ssn']", `must begin with "/"`, `"/customers/0/ssn"`},
		{"*", `must begin with "/"`, `write "/*"`},
		{"$", `must begin with "/"`, `such as "/customer/email"`},
		{"a~", `must begin with "/"`, `such as "/customer/email"`},
		{"/", "empty segment", `"" alone means everything`},
		{"/a/", "empty segment", `take away the "/" too many`},
		{"//a", "empty segment", `take away the "/" too many`},
		{"/a~b", `"~" in "a~b" is not followed by 0 or 1`, `write "~0" for "~"`},
		{"/a~", `"~" in "a~" is not followed by 0 or 1`, `write "~0" for "~"`},
		{"/a*", `"*" in "a*" must be a segment of its own`, `"/*/"`},
		{"/***", `"*" in "***" must be a segment of its own`, `"/**/"`},
		{"/a\xff", "not valid UTF-8", "UTF-8"},
		{strings.Repeat("/a", 64), "it has 64 segments, the most is 63", `"**"`},
	} {
		err := redact.CheckPointer(tt.pointer)
		var bad *redact.PointerError
		if !errors.As(err, &bad) {
			t.Errorf("CheckPointer(%q) = %v, want a *PointerError", tt.pointer, err)
			continue
		}
		if bad.Pointer != tt.pointer || !strings.Contains(bad.Reason, tt.reason) || !strings.Contains(bad.Hint, tt.hint) {
			t.Errorf("CheckPointer(%q) = %v, want %q and the hint %q", tt.pointer, err, tt.reason, tt.hint)
		}
		if _, err := redact.Compile(&policy.Obligations{Redact: []string{"/fine", tt.pointer}}); !errors.As(err, &bad) {
			t.Errorf("Compile with %q = %v, want a *PointerError", tt.pointer, err)
		}
	}
}

func TestCompileNothing(t *testing.T) {
	for name, o := range map[string]*policy.Obligations{"nil": nil, "empty": {}, "text only": {KeepText: true, MaxResultBytes: 5}} {
		r, err := redact.Compile(o)
		if r != nil || err != nil {
			t.Errorf("%s: Compile = %v, %v, want nothing to do", name, r, err)
		}
		const result = `{"content":[{"type":"text","text":"as it is"}]}`
		if got := string(r.Result("tools/call", []byte(result))); got != result {
			t.Errorf("%s: a rule that does nothing makes %s", name, got)
		}
	}
}

func TestPointers(t *testing.T) {
	const data = `{"a":{"b":[{"c":1},{"c":2}],"0":3},"x/y":4,"m~n":5,"é":6,"c":7}`
	for pointer, want := range map[string]string{
		"/a/b/0/c":    `{"a":{"b":[{"c":"[redacted]"},{"c":2}],"0":3},"x/y":4,"m~n":5,"é":6,"c":7}`,
		"/a/b/00/c":   data,
		"/a/b/2":      data,
		"/a/b/-":      data,
		"/a/0":        `{"a":{"b":[{"c":1},{"c":2}],"0":"[redacted]"},"x/y":4,"m~n":5,"é":6,"c":7}`,
		"/a/b":        `{"a":{"b":"[redacted]","0":3},"x/y":4,"m~n":5,"é":6,"c":7}`,
		"/a/b/*/c":    `{"a":{"b":[{"c":"[redacted]"},{"c":"[redacted]"}],"0":3},"x/y":4,"m~n":5,"é":6,"c":7}`,
		"/a/*/1":      `{"a":{"b":[{"c":1},"[redacted]"],"0":3},"x/y":4,"m~n":5,"é":6,"c":7}`,
		"/**/c":       `{"a":{"b":[{"c":"[redacted]"},{"c":"[redacted]"}],"0":3},"x/y":4,"m~n":5,"é":6,"c":"[redacted]"}`,
		"/a/**/c":     `{"a":{"b":[{"c":"[redacted]"},{"c":"[redacted]"}],"0":3},"x/y":4,"m~n":5,"é":6,"c":7}`,
		"/**/b/**/c":  `{"a":{"b":[{"c":"[redacted]"},{"c":"[redacted]"}],"0":3},"x/y":4,"m~n":5,"é":6,"c":7}`,
		"/**/0":       `{"a":{"b":["[redacted]",{"c":2}],"0":"[redacted]"},"x/y":4,"m~n":5,"é":6,"c":7}`,
		"/a/**":       `{"a":"[redacted]","x/y":4,"m~n":5,"é":6,"c":7}`,
		"/**/**/b/**": `{"a":{"b":"[redacted]","0":3},"x/y":4,"m~n":5,"é":6,"c":7}`,
		"/x~1y":       `{"a":{"b":[{"c":1},{"c":2}],"0":3},"x/y":"[redacted]","m~n":5,"é":6,"c":7}`,
		"/m~0n":       `{"a":{"b":[{"c":1},{"c":2}],"0":3},"x/y":4,"m~n":"[redacted]","é":6,"c":7}`,
		"/é":          `{"a":{"b":[{"c":1},{"c":2}],"0":3},"x/y":4,"m~n":5,"é":"[redacted]","c":7}`,
		"/*":          `{"a":"[redacted]","x/y":"[redacted]","m~n":"[redacted]","é":"[redacted]","c":"[redacted]"}`,
		"/C":          data,
		"/c/d":        data,
		"":            `{"redacted":"[redacted]"}`,
		"/**":         `{"redacted":"[redacted]"}`,
	} {
		r := rule(t, false, pointer)
		got := string(r.Result("tools/call", []byte(`{"structuredContent":`+data+`}`)))
		if want = `{"structuredContent":` + want + `}`; got != want {
			t.Errorf("%q makes\n%s, want\n%s", pointer, got, want)
		}
	}
}

// TestManyPointers has more states than one word holds.
func TestManyPointers(t *testing.T) {
	var pointers []string
	for i := range 40 {
		pointers = append(pointers, "/**/k"+string(rune('A'+i))+"/*/end", "/deep"+strings.Repeat("/*", i))
	}
	pointers = append(pointers, "/**/last", strings.Repeat("/a", 63))
	r := rule(t, false, pointers...)
	in := `{"structuredContent":{"x":{"kB":[{"end":1,"on":2}],"kz":[{"end":3}]},"y":[{"last":4}],"deep":5,"a":` +
		strings.Repeat(`{"a":`, 62) + `6` + strings.Repeat(`}`, 62) + `}}`
	want := `{"structuredContent":{"x":{"kB":[{"end":"[redacted]","on":2}],"kz":[{"end":3}]},"y":[{"last":"[redacted]"}],"deep":"[redacted]","a":` +
		strings.Repeat(`{"a":`, 62) + `"[redacted]"` + strings.Repeat(`}`, 62) + `}}`
	if got := string(r.Result("tools/call", []byte(in))); got != want {
		t.Errorf("got\n%s, want\n%s", got, want)
	}
}

// fataler is a test of the standard library or of rapid.
type fataler interface {
	Helper()
	Fatal(args ...any)
}

func rule(t fataler, keepText bool, pointers ...string) *redact.Rule {
	t.Helper()
	r, err := redact.Compile(&policy.Obligations{Redact: pointers, KeepText: keepText})
	if err != nil {
		t.Fatal(err)
	}
	return r
}
