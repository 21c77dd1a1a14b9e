// SPDX-License-Identifier: Apache-2.0

package narrow

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCheckFragment(t *testing.T) {
	deep := strings.Repeat(`{"items":`, 40) + `{}` + strings.Repeat(`}`, 40)
	wide := `{"anyOf":[` + strings.Repeat(`{},`, 2100) + `{}]}`
	const only = `only references into the same schema (#/...) are followed, nothing is fetched`
	for _, tc := range []struct{ fragment, pointer, message, hint string }{
		{`{"enum":["eu-west-1"]}`, "", "", ""},
		{`{}`, "", "", ""},
		{` {"maximum": 100, "description": "at most a page"} `, "", "", ""},
		{`{"type":"string","format":"email","pattern":"@example[.]com$"}`, "", "", ""},
		{`{"$ref":"#/$defs/node","$defs":{"node":{"type":"object","properties":{"and":{"items":{"$ref":"#/$defs/node"}}}}}}`, "", "", ""},
		{`true`, "", "it must be an object with JSON Schema keywords", `such as {"enum": ["eu-west-1"]}`},
		{``, "", "it must be an object with JSON Schema keywords", `such as {"enum": ["eu-west-1"]}`},
		{`{"a":1,"a":2}`, "", `invalid JSON at byte 7: duplicate member "a"`, ""},
		{`{"maximun":100}`, "/maximun", `unknown keyword "maximun"`, `did you mean "maximum"?`},
		{`{"max":100}`, "/max", `unknown keyword "max"`, `did you mean "maximum"?`},
		{`{"max_length":100}`, "/max_length", `unknown keyword "max_length"`, `did you mean "maxLength"?`},
		{`{"regex":"a"}`, "/regex", `unknown keyword "regex"`, `did you mean "pattern"?`},
		{`{"x-mcp-header":"A"}`, "/x-mcp-header", `unknown keyword "x-mcp-header"`, "it would constrain nothing"},
		{`{"properties":{"a/b":{"minimun":1}}}`, "/properties/a~1b/minimun", `unknown keyword "minimun"`, `did you mean "minimum"?`},
		{`{"anyOf":[{},{"item":1}]}`, "/anyOf/1/item", `unknown keyword "item"`, `did you mean "items"?`},
		{`{"type":"string","maximum":5}`, "/maximum", `"maximum" does not apply to the type that is given`, "it looks at numbers only"},
		{`{"type":["integer","null"],"maxLength":5}`, "/maxLength", `"maxLength" does not apply to the type that is given`, "it looks at strings only"},
		{`{"type":"string","format":"uri"}`, "/format", "format only describes a value and is never checked", "add a pattern"},
		{`{"enum":[]}`, "/enum", "must list at least one value", `to forbid an argument, use "not": {} and mark it optional`},
		{`{"enum":[1,1.0]}`, "/enum", "1.0 is listed twice", ""},
		{`{"type":"string","enum":["a",1]}`, "/enum", "1 is listed, but the rest of the schema does not allow it", ""},
		{`{"maximum":5,"default":6}`, "/default", "6 is not a value that the schema allows", ""},
		{`{"minimum":5,"maximum":4}`, "/minimum", `"minimum" is above "maximum", so nothing is allowed`, ""},
		{`{"maximum":"5"}`, "/maximum", "must be a number", ""},
		{`{"maximum":1e99999999}`, "", "it holds a number that is too long", "numbers may have up to 2000 digits and exponents up to a million"},
		{`{"minLength":-1}`, "/minLength", "must be a whole number, 0 or more", ""},
		{`{"type":"strng"}`, "/type", `"strng" is no type of JSON`, `did you mean "string"?`},
		{`{"type":["string","int"]}`, "/type/1", `"int" is no type of JSON`, `did you mean "integer"?`},
		{`{"items":{"type":"Bool"}}`, "/items/type", `"Bool" is no type of JSON`, `did you mean "boolean"?`},
		{`{"type":"date"}`, "/type", `"date" is no type of JSON`, "types are null, boolean, integer, number, string, array, object"},
		{`{"maximum":5,"default":"6"}`, "/default", `"6" is not a value that the schema allows`, ""},
		{`{"pattern":"(?<=a)b"}`, "/pattern", `not a regular expression of RE2: invalid named capture in "(?<=a)b"`, ""},
		{`{"then":{}}`, "/then", `"then" says nothing without "if"`, ""},
		{`{"description":5}`, "/description", "must be a string", ""},
		{`{"$ref":"http://169.254.169.254/x"}`, "", `$ref "http://169.254.169.254/x": ` + only, ""},
		{`{"$ref":"other.json"}`, "", `$ref "other.json": ` + only, ""},
		{`{"$ref":"#"}`, "", "a $ref leads to itself without end", ""},
		{`{"$id":"https://example.com/a"}`, "/$id", `constraints cannot use "$id"`, "leave it out: constraints are JSON Schema 2020-12, and references lead to #/$defs/..."},
		{`{"dependentRequired":{}}`, "/dependentRequired", `constraints cannot use "dependentRequired"`, "use if and then"},
		{`{"unevaluatedProperties":false}`, "/unevaluatedProperties", `constraints cannot use "unevaluatedProperties"`, "use additionalProperties"},
		{deep, strings.Repeat("/items", 33), "its subschemas are nested deeper than 32", ""},
		{wide, "/anyOf/1999", "it has more than 2000 subschemas", ""},
		{`{"enum":["` + strings.Repeat("a", maxSchemaBytes) + `"]}`, "", "it has 262157 bytes, at most 262144 are allowed", ""},
	} {
		err := CheckFragment([]byte(tc.fragment))
		name := tc.fragment[:min(len(tc.fragment), 80)]
		if tc.message == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		got, ok := errors.AsType[*FragmentError](err)
		if !ok {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(&FragmentError{tc.pointer, tc.message, tc.hint}, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestFragmentErrorText(t *testing.T) {
	err := CheckFragment([]byte(`{"items":{"maximun":3}}`))
	if want := `at "/items/maximun": unknown keyword "maximun" (did you mean "maximum"?)`; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}
