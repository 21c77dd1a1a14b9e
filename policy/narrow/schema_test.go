// SPDX-License-Identifier: Apache-2.0

package narrow

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tollgate/policy"
	"tollgate/upstream/wire"
)

// TestArgument shows the narrowed schema of one argument x. An empty schema stands for a tool without that argument.
func TestArgument(t *testing.T) {
	for _, tc := range []struct{ name, schema, fragment, want string }{
		{"enum keeps order and spelling", `{"type":"string", "enum": ["us", "eu-2" ,"eu-1"]}`, `{"enum":["eu-1","eu-2","xx"]}`, `{"type":"string", "enum": ["eu-2","eu-1"]}`},
		{"enum that is not narrower", `{"enum":["a"]}`, `{"enum":["b","a"]}`, `{"enum":["a"]}`},
		{"enum is new", `{"type":"string"}`, `{"enum":["a"]}`, `{"type":"string","enum":["a"]}`},
		{"numbers by value", `{"enum":[1e2,9007199254740993,5]}`, `{"enum":[9007199254740992,100.0]}`, `{"enum":[1e2]}`},
		{"nothing left of an enum", `{"type":"string","enum":["a"],"description":"d"}`, `{"enum":["b"]}`, `{"description":"d","not":{}}`},
		{"const in enum", `{"enum":["a","b"]}`, `{"const":"b"}`, `{"enum":["b"]}`},
		{"const stays", `{"const":"b"}`, `{"enum":["a","b"]}`, `{"const":"b"}`},
		{"const differs", `{"const":1}`, `{"const":2}`, `{"not":{}}`},
		{"tighter", `{"minimum":1,"maximum":1000}`, `{"minimum":0,"maximum":1e2}`, `{"minimum":1,"maximum":1e2,"type":"number"}`},
		{"exact bounds", `{"maximum":9007199254740993}`, `{"maximum":9007199254740992}`, `{"maximum":9007199254740992,"type":"number"}`},
		{"lengths", `{"maxLength":10}`, `{"minLength":1,"maxLength":20}`, `{"maxLength":10,"type":"string","minLength":1}`},
		{"exclusive beside inclusive", `{"minimum":1}`, `{"exclusiveMinimum":1}`, `{"minimum":1,"type":"number","exclusiveMinimum":1}`},
		{"type subset", `{"type":["string","null"]}`, `{"type":"string"}`, `{"type":"string"}`},
		{"type superset", `{"type":"integer"}`, `{"type":["number","string"]}`, `{"type":"integer"}`},
		{"types meet", `{"type":["number","null"]}`, `{"type":["integer","string","null"]}`, `{"type":["null","integer"]}`},
		{"types do not meet", `{"type":"string"}`, `{"type":"integer"}`, `{"not":{}}`},
		{"pattern is new", `{"type":"string"}`, `{"pattern":"^a"}`, `{"type":"string","pattern":"^a"}`},
		{"another pattern", `{"pattern":"b$"}`, `{"pattern":"^a"}`, `{"pattern":"b$","allOf":[{"type":"string","pattern":"^a"}]}`},
		{"same multipleOf", `{"multipleOf":5}`, `{"multipleOf":5.0}`, `{"multipleOf":5,"type":"number"}`},
		{"another multipleOf", `{"multipleOf":5}`, `{"multipleOf":3}`, `{"multipleOf":5,"allOf":[{"type":"number","multipleOf":3}]}`},
		{"allOf grows", `{"pattern":"b$","allOf":[{"minLength":1}]}`, `{"pattern":"^a"}`, `{"pattern":"b$","allOf":[{"minLength":1},{"type":"string","pattern":"^a"}]}`},
		{"description replaces", `{"description":"old","type":"string"}`, `{"description":"new","minLength":1}`, `{"description":"new","type":"string","minLength":1}`},
		{"default that fits", `{"default":"a"}`, `{"enum":["a"]}`, `{"default":"a","enum":["a"]}`},
		{"default that does not", `{"default":5,"type":"integer"}`, `{"maximum":4}`, `{"type":"integer","maximum":4}`},
		{"items merge", `{"type":"array","items":{"type":"string"}}`, `{"items":{"enum":["a"]}}`, `{"type":"array","items":{"type":"string","enum":["a"]}}`},
		{"items by position", `{"prefixItems":[{}]}`, `{"items":{"enum":["a"]}}`, `{"prefixItems":[{}],"allOf":[{"type":"array","items":{"enum":["a"]}}]}`},
		{"members merge", `{"properties":{"a":{"type":"string"}},"additionalProperties":false}`, `{"properties":{"a":{"minLength":1}}}`, `{"properties":{"a":{"type":"string","minLength":1}},"additionalProperties":false,"type":"object"}`},
		{"members that are not named", `{"properties":{},"additionalProperties":false}`, `{"properties":{"a":{"minLength":1}}}`, `{"properties":{},"additionalProperties":false,"allOf":[{"type":"object","properties":{"a":{"type":"string","minLength":1}}}]}`},
		{"closed members", `{"properties":{"a":{}}}`, `{"additionalProperties":false,"properties":{"b":{}}}`, `{"properties":{"a":{}},"allOf":[{"type":"object","additionalProperties":false,"properties":{"b":{}}}]}`},
		{"unevaluated", `{"type":"object","unevaluatedProperties":false,"description":"d"}`, `{"properties":{"a":{}}}`, `{"description":"d","type":"object","allOf":[{"type":"object","unevaluatedProperties":false,"description":"d"},{"type":"object","properties":{"a":{}}}]}`},
		{"contains with counts", `{"contains":{},"minContains":0}`, `{"contains":{"const":1}}`, `{"contains":{},"minContains":0,"allOf":[{"type":"array","contains":{"const":1}}]}`},
		{"anyOf gets a neighbour", `{"anyOf":[{"type":"string"},{"type":"null"}]}`, `{"enum":["a"]}`, `{"anyOf":[{"type":"string"},{"type":"null"}],"enum":["a"]}`},
		{"if with another if", `{"if":{},"then":{}}`, `{"if":{"minimum":1},"then":{"maximum":5}}`, `{"if":{},"then":{},"allOf":[{"if":{"minimum":1},"then":{"maximum":5}}]}`},
		{"true", `true`, `{"enum":["a"]}`, `{"enum":["a"]}`},
		{"false", `false`, `{"enum":["a"]}`, `false`},
		{"absent", ``, `{"enum":["a"]}`, `{"enum":["a"]}`},
		{"header stays in reach", `{"type":"string","x-mcp-header":"Region","unevaluatedItems":false}`, `{"enum":["a"]}`, `{"type":"string","x-mcp-header":"Region","allOf":[{"type":"string","unevaluatedItems":false},{"enum":["a"]}]}`},
		{"references move", `{"minLength":1}`, `{"$ref":"#/$defs/x~1y","maxLength":5,"$defs":{"x/y":{"pattern":"^a"}}}`,
			`{"minLength":1,"allOf":[{"maxLength":5,"$defs":{"x/y":{"pattern":"^a"}},"allOf":[{"$ref":"#/properties/x/allOf/0/$defs/x~1y"}]}]}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			schema := `{"type":"object","properties":{"x":` + tc.schema + `}}`
			if tc.schema == "" {
				schema = `{"type":"object"}`
			}
			narrowed := mustSchema(t, schema, constraints("x?", tc.fragment))
			got, _ := wire.Lookup(narrowed, "properties", "x")
			if diff := cmp.Diff(tc.want, string(got)); diff != "" {
				t.Error(diff)
			}
			if _, err := compileSanthosh(narrowed); err != nil {
				t.Error(err)
			}
			if again := mustSchema(t, string(narrowed), constraints("x?", tc.fragment)); string(again) != string(narrowed) {
				t.Errorf("again: %s", again)
			}
		})
	}
}

// TestRoot shows whole schemas.
func TestRoot(t *testing.T) {
	const eu = `{"enum":["eu"]}`
	for _, tc := range []struct {
		name, schema string
		conditions   *policy.Conditions
		want         string
	}{
		{"bytes stay", "{ \"type\" : \"object\",\n \"properties\": {\"b\" : {}, \"a\": {\"type\":\"string\"} }, \"x-own\": [1e3] }", constraints("a", eu),
			"{ \"type\" : \"object\",\n \"properties\": {\"b\" : {}, \"a\": {\"type\":\"string\",\"enum\":[\"eu\"]} }, \"x-own\": [1e3],\"required\":[\"a\"] }"},
		{"required grows", `{"type":"object","properties":{"a":{}},"required":[ "b" ]}`, constraints("a", eu), `{"type":"object","properties":{"a":{"enum":["eu"]}},"required":[ "b","a" ]}`},
		{"required once", `{"type":"object","required":["a"]}`, constraints("a", eu), `{"type":"object","required":["a"],"properties":{"a":{"enum":["eu"]}}}`},
		{"optional", `{"type":"object"}`, constraints("a?", eu), `{"type":"object","properties":{"a":{"enum":["eu"]}}}`},
		{"optional in one of two", `{"type":"object"}`, constraints("a?", eu, "a", `{"type":"string"}`), `{"type":"object","properties":{"a":{"enum":["eu"],"type":"string"}},"required":["a"]}`},
		{"two constraints", `{"type":"object","properties":{"n":{"type":"integer"}}}`, constraints("n", `{"maximum":5}`, "n", `{"maximum":3,"minimum":1}`),
			`{"type":"object","properties":{"n":{"type":"integer","maximum":3,"minimum":1}},"required":["n"]}`},
		{"closed", `{"type":"object","properties":{},"additionalProperties":false}`, constraints("a", eu), `{"type":"object","properties":{"a":{"enum":["eu"]}},"additionalProperties":false,"required":["a"]}`},
		{"others are judged", `{"type":"object","additionalProperties":{"type":"string"}}`, constraints("a?", eu),
			`{"type":"object","additionalProperties":{"type":"string"},"properties":{"a":{"allOf":[{"$ref":"#/additionalProperties"}],"enum":["eu"]}}}`},
		{"others are judged by pattern", `{"type":"object","patternProperties":{"^a":{}},"additionalProperties":{"type":"string"}}`, constraints("a?", eu),
			`{"type":"object","patternProperties":{"^a":{}},"additionalProperties":{"type":"string"},"properties":{"a":{"enum":["eu"]}}}`},
		{"nothing", ``, constraints("a?", eu), `{"type":"object","properties":{"a":{"enum":["eu"]}}}`},
		{"true", `true`, constraints("a?", eu), `{"type":"object","properties":{"a":{"enum":["eu"]}}}`},
		{"type is missing", `{"anyOf":[{}]}`, constraints("a?", eu), `{"anyOf":[{}],"properties":{"a":{"enum":["eu"]}},"type":"object"}`},
		{"root reference", `{"type":"object","$ref":"#/$defs/t","$defs":{"t":{"properties":{"a":{"type":"string"}}}}}`, constraints("a?", eu),
			`{"type":"object","$ref":"#/$defs/t","$defs":{"t":{"properties":{"a":{"type":"string"}}}},"properties":{"a":{"enum":["eu"]}}}`},
		{"root reference of draft-07", `{"$schema":"http://json-schema.org/draft-07/schema#","$ref":"#/definitions/t","definitions":{"t":{"properties":{"a":{"type":"string"}}}}}`, constraints("a", eu),
			`{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","properties":{"a":{"enum":["eu"]}},"required":["a"],"allOf":[{"$ref":"#/definitions/original"}],` +
				`"definitions":{"original":{"$ref":"#/definitions/original/definitions/t","definitions":{"t":{"properties":{"a":{"type":"string"}}}}}}}`},
		{"reference of draft-07", `{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","properties":{"a":{"$ref":"#/definitions/t","type":"integer"}},"definitions":{"t":{}}}`, constraints("a?", eu),
			`{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","properties":{"a":{"allOf":[{"$ref":"#/definitions/t","type":"integer"},{"enum":["eu"]}]}},"definitions":{"t":{}}}`},
		{"another argument has the same type", `{"type":"object","properties":{"a":{"type":"string"},"b":{"$ref":"#/properties/a"}}}`, constraints("a?", eu),
			`{"type":"object","properties":{"a":{"type":"string","enum":["eu"]},"b":{"$ref":"#/$defs/original"}},"$defs":{"original":{"type":"string"}}}`},
		{"recursive", `{"type":"object","properties":{"a":{"type":"string"},"b":{"items":{"$ref":"#"}}}}`, constraints("a", eu),
			`{"type":"object","properties":{"a":{"type":"string","enum":["eu"]},"b":{"items":{"$ref":"#/$defs/original"}}},` +
				`"$defs":{"original":{"type":"object","properties":{"a":{"type":"string"},"b":{"items":{"$ref":"#/$defs/original"}}}}},"required":["a"]}`},
		{"anchors", `{"type":"object","properties":{"a":{"$anchor":"t"},"b":{"$ref":"#t"}}}`, constraints("a", eu),
			`{"type":"object","properties":{"a":{"$anchor":"t"},"b":{"$ref":"#t"}},"allOf":[{"properties":{"a":{"enum":["eu"]}}}],"required":["a"]}`},
		{"awkward names", `{"type":"object","properties":{"a/b":{"pattern":"x"},"c":{"$ref":"#/properties/a~1b"}}}`, constraints("a/b?", `{"pattern":"^a"}`),
			`{"type":"object","properties":{"a/b":{"pattern":"x","allOf":[{"type":"string","pattern":"^a"}]},"c":{"$ref":"#/$defs/original"}},"$defs":{"original":{"pattern":"x"}}}`},
		{"header of a copy", `{"type":"object","properties":{"a":{"type":"string","x-mcp-header":"A"},"b":{"$ref":"#/properties/a"}}}`, constraints("a?", eu),
			`{"type":"object","properties":{"a":{"type":"string","x-mcp-header":"A","enum":["eu"]},"b":{"$ref":"#/$defs/original"}},"$defs":{"original":{"type":"string"}}}`},
		{"no conditions", `{ "type":"object" }`, nil, `{ "type":"object" }`},
		{"empty conditions", `{ "type":"object" }`, &policy.Conditions{Scopes: []string{"x"}}, `{ "type":"object" }`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := mustSchema(t, tc.schema, tc.conditions)
			if diff := cmp.Diff(tc.want, string(got)); diff != "" {
				t.Error(diff)
			}
			if _, err := compileSanthosh(got); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSchemaRefuses(t *testing.T) {
	for _, tc := range []struct {
		schema     string
		conditions *policy.Conditions
		want       string
	}{
		{`[]`, constraints("a", `{}`), `the tool's inputSchema is no schema but "[]"`},
		{`{"a":1,"a":2}`, constraints("a", `{}`), `the tool's inputSchema: invalid JSON at byte 7: duplicate`},
		{`{}`, constraints("a", `{"maximun":3}`), `constraint on argument "a" by "reader": at "/maximun": unknown keyword "maximun" (did you mean "maximum"?)`},
	} {
		if _, err := Schema([]byte(tc.schema), tc.conditions); err == nil || !strings.HasPrefix(err.Error(), tc.want) {
			t.Errorf("Schema(%s): %v, want %s", tc.schema, err, tc.want)
		}
		if _, err := NewCheck([]byte(tc.schema), tc.conditions); err == nil || !strings.HasPrefix(err.Error(), tc.want) {
			t.Errorf("NewCheck(%s): %v, want %s", tc.schema, err, tc.want)
		}
	}
}
