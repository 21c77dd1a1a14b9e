// SPDX-License-Identifier: Apache-2.0

package narrow

import (
	"fmt"
	"strings"
	"testing"
)

// chain is a schema whose definitions each apply the next one twice, so that 2^n of them apply at the end.
func chain(n int, twice string) string {
	var b strings.Builder
	b.WriteString(`{"type":"object","properties":{"x":{"$ref":"#/$defs/0"}},"$defs":{`)
	for i := range n {
		fmt.Fprintf(&b, `"%d":`+twice+`,`, i, i+1, i+1)
	}
	fmt.Fprintf(&b, `"%d":{"const":1}}}`, n)
	return b.String()
}

const recursiveTwice = `{"type":"object","properties":{"x":{"$ref":"#/$defs/n"}},"$defs":{"n":{"items":{"anyOf":[{"$ref":"#/$defs/n"},{"$ref":"#/$defs/n"}]},"minItems":1}}}`

// TestBombs: whatever an upstream's schema is, narrowing and checking end, and the constraints hold (bad inputs 32 and 33).
// A schema that would expand too far is refused as a whole; one that expands along a value is given up for that call.
func TestBombs(t *testing.T) {
	nested := strings.Repeat("[", 200) + strings.Repeat("]", 200)
	for _, tc := range []struct {
		name, schema, x string
		problem         string // "" = compiles, and is given up when a call needs too long
	}{
		{"2^20 anyOf", chain(20, `{"anyOf":[{"$ref":"#/$defs/%d"},{"$ref":"#/$defs/%d"}]}`), `2`, "more than 10000 of its schemas apply to one value"},
		{"2^20 not", chain(20, `{"not":{"$ref":"#/$defs/%d"},"allOf":[{"$ref":"#/$defs/%d"}]}`), `2`, "more than 10000 of its schemas apply to one value"},
		{"2^20 along items", chain(20, `{"items":{"$ref":"#/$defs/%d"},"contains":{"$ref":"#/$defs/%d"}}`), strings.Repeat("[", 20) + "2" + strings.Repeat("]", 20), ""},
		{"recursion that doubles", recursiveTwice, nested, ""},
		{"reference to itself", `{"type":"object","properties":{"x":{"$ref":"#/properties/x"}}}`, `1`, "leads to itself without end"},
		{"reference around", `{"type":"object","properties":{"x":{"anyOf":[{"$ref":"#/$defs/a"}]}},"$defs":{"a":{"allOf":[{"$ref":"#/properties/x"}]}}}`, `1`, "leads to itself without end"},
		{"backtracking", `{"type":"object","properties":{"x":{"pattern":"^(a+)+$"}}}`, `"` + strings.Repeat("a", 1<<16) + `!"`, ""},
		{"large pattern", `{"type":"object","properties":{"x":{"pattern":"(a{1,900}b{1,900}c{1,900})*$"}}}`, `""`, "regular expression is too large"},
		{"long pattern and long text", `{"type":"object","properties":{"x":{"pattern":"(a{1,900}|b)*c"}}}`, `"` + strings.Repeat("ab", 1<<18) + `"`, ""},
		{"remote", `{"type":"object","properties":{"x":{"$ref":"http://169.254.169.254/latest"}}}`, `1`, "nothing is fetched"},
		{"file", `{"type":"object","properties":{"x":{"$ref":"file:///etc/passwd#/a"}}}`, `1`, "nothing is fetched"},
		{"deep", `{"type":"object","properties":{"x":` + strings.Repeat(`{"items":`, 100) + `{}` + strings.Repeat(`}`, 100) + `}}`, nested, "nested deeper than 32"},
		{"wide", `{"type":"object","properties":{"x":{"anyOf":[` + strings.Repeat(`{"const":1},`, 3000) + `{}]}}}`, `1`, "more than 2000 subschemas"},
		{"long", `{"type":"object","properties":{"x":{"enum":["` + strings.Repeat("a", 300<<10) + `"]}}}`, `1`, "at most 262144 are allowed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := constraints("y", `{"maximum":5}`)
			if again := mustSchema(t, string(mustSchema(t, tc.schema, c)), c); len(again) == 0 {
				t.Fatal("no schema")
			}
			check, err := NewCheck([]byte(tc.schema), c)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(check.Problem(), tc.problem) || (tc.problem == "") != (check.Problem() == "") {
				t.Errorf("problem %q, want %q", check.Problem(), tc.problem)
			}
			if v := check.Arguments([]byte(`{"x":` + tc.x + `,"y":6}`)); v == nil || v.Argument != "y" {
				t.Errorf("the constraint does not hold: %v", v)
			}
			v := check.Arguments([]byte(`{"x":` + tc.x + `,"y":5}`))
			if tc.problem != "" && v != nil {
				t.Errorf("a schema that is not used refuses: %v", v)
			}
		})
	}
}

// TestFuelDecidesNothing: a value that the tool's schema cannot judge in time passes, one that a fragment cannot judge in time does not.
func TestFuelDecidesNothing(t *testing.T) {
	nested := strings.Repeat("[", 200) + strings.Repeat("]", 200)
	check, err := NewCheck([]byte(recursiveTwice), constraints("y?", `{}`))
	if err != nil {
		t.Fatal(err)
	}
	if v := check.Arguments([]byte(`{"x":[[],[]]}`)); v == nil {
		t.Error("a small value that does not fit passes")
	}
	if v := check.Arguments([]byte(`{"x":` + nested + `}`)); v != nil {
		t.Errorf("%v", v)
	}
	check, err = NewCheck([]byte(`{"type":"object"}`), constraints("x", `{"$ref":"#/$defs/n","$defs":{"n":{"items":{"anyOf":[{"$ref":"#/$defs/n"},{"$ref":"#/$defs/n"}]},"minItems":1}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if v := check.Arguments([]byte(`{"x":` + nested + `}`)); v == nil || v.Message != `argument "x" takes too long to check: make it shorter or simpler` {
		t.Errorf("%v", v)
	}
}
