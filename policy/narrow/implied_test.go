// SPDX-License-Identifier: Apache-2.0

package narrow

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestImplied(t *testing.T) {
	for fragment, want := range map[string]string{
		`{"maximum":100}`:                           `{"type":"number","maximum":100}`,
		`{"multipleOf":5,"exclusiveMinimum":0}`:     `{"type":"number","multipleOf":5,"exclusiveMinimum":0}`,
		`{ "pattern":"^eu-","description":"d"}`:     `{"type":"string", "pattern":"^eu-","description":"d"}`,
		`{"maxItems":3}`:                            `{"type":"array","maxItems":3}`,
		`{"required":["a"]}`:                        `{"type":"object","required":["a"]}`,
		`{"properties":{"n":{"maximum":5},"m":{}}}`: `{"type":"object","properties":{"n":{"type":"number","maximum":5},"m":{}}}`,
		`{"type":"object","patternProperties":{"^a":{"minLength":1}},"additionalProperties":{"maximum":1}}`: `{"type":"object",` +
			`"patternProperties":{"^a":{"type":"string","minLength":1}},"additionalProperties":{"type":"number","maximum":1}}`,
		`{"items":{"items":{"minLength":1}},"contains":{"pattern":"a"}}`: `{"type":"array","items":{"type":"array","items":{"type":"string","minLength":1}},` +
			`"contains":{"type":"string","pattern":"a"}}`,
		`{"$ref":"#/$defs/a","$defs":{"a":{"maximum":5}}}`:                         "",
		`{"properties":{"a":{"maximum":5},"b":{"not":{"$ref":"#/properties/a"}}}}`: "",
		`{}`: "", `{"description":"d"}`: "", `{"type":["number","null"],"maximum":5}`: "", `{"maximum":5,"maxLength":5}`: "",
		`{"enum":[1],"maximum":5}`: "", `{"const":1,"maximum":5}`: "", `{"not":{"maximum":5}}`: "", `{"not":{"enum":["prod"]},"minLength":1}`: "",
		`{"anyOf":[{"maximum":5},{"pattern":"a"}]}`: "", `{"if":{"minimum":5},"then":{"multipleOf":5}}`: "", `{"oneOf":[{"items":{}}]}`: "",
		`{"additionalProperties":false,"type":["object","null"]}`: "",
	} {
		if err := CheckFragment([]byte(fragment)); err != nil {
			t.Errorf("%s: %v", fragment, err)
		}
		if want == "" {
			want = fragment
		}
		if diff := cmp.Diff(want, string(implied([]byte(fragment)))); diff != "" {
			t.Errorf("%s: %s", fragment, diff)
		}
	}
}

// TestImpliedTypeHolds: a bound is one whatever the tool says of the argument, in
// what is listed and in what is checked.
func TestImpliedTypeHolds(t *testing.T) {
	values := []string{`"1000"`, `["us-1"]`, `{"a":1}`, `1000`, `null`, `true`, `50`, `"eu-1"`, `"a"`, `[1]`}
	for _, schema := range []string{
		`{"type":"object","properties":{"n":{}}}`, `{"type":"object","properties":{"n":{"anyOf":[{"type":"integer"},{"type":"string"}]}}}`,
		`{"type":"object","properties":{"n":true},"additionalProperties":false}`, `{"type":"object"}`, `{}`, ``,
		`{"$schema":"http://json-schema.org/draft-04/schema#","type":"object","properties":{"n":{"type":"integer"}}}`, // cannot be used
		`{"type":"object","properties":{"n":{},"z":{"$ref":"http://x/y"}}}`,
	} {
		for fragment, fits := range map[string]string{
			`{"maximum":100}`: `50`, `{"pattern":"^eu-"}`: `"eu-1"`, `{"maxLength":2}`: `"a"`, `{"maxItems":1,"items":{"minimum":1}}`: `[1]`,
		} {
			c := constraints("n", fragment)
			check, err := NewCheck([]byte(schema), c)
			if err != nil {
				t.Fatal(err)
			}
			narrowed := mustSchema(t, schema, c)
			for _, v := range values {
				arguments := []byte(`{"n":` + v + `}`)
				if violation := check.Arguments(arguments); violation == nil && v != fits {
					t.Errorf("%s with %s takes %s", schema, fragment, v)
				}
				if listed, err := judgeOurs(narrowed, arguments); err == nil && listed && v != fits {
					t.Errorf("%s with %s is listed as %s, which takes %s", schema, fragment, narrowed, v)
				}
			}
			if violation := check.Arguments([]byte(`{"n":` + fits + `}`)); violation != nil && !strings.Contains(schema, "anyOf") {
				t.Errorf("%s with %s: %+v", schema, fragment, violation)
			}
		}
	}
}

// TestImpliedAllowsLess: types that are added never admit what was refused.
func TestImpliedAllowsLess(t *testing.T) {
	changed, refused := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		d := drawn{T: rt, fragment: true}
		raw := []byte(d.schema(3))
		if CheckFragment(raw) != nil {
			return
		}
		with := implied(raw)
		if string(with) != string(raw) {
			changed++
		}
		if again := implied(with); string(again) != string(with) {
			rt.Fatalf("%s becomes %s", with, again)
		}
		for range 5 {
			value := []byte(d.literal())
			before, err1 := judgeOurs(raw, value)
			after, err2 := judgeOurs(with, value)
			if err1 != nil || err2 != nil || after && !before {
				rt.Fatalf("%s: %s takes it %v, %s takes it %v (%v, %v)", value, raw, before, with, after, err1, err2)
			}
			if before && !after {
				refused++
			}
		}
	})
	if changed == 0 || refused == 0 {
		t.Errorf("%d fragments were changed, %d values refused", changed, refused)
	}
}
