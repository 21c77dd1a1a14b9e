// SPDX-License-Identifier: Apache-2.0

package narrow

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"tollgate/policy"
	"tollgate/upstream/wire"
)

func TestDefinition(t *testing.T) {
	const plain = `{"name":"q", "inputSchema": {"type":"object"}, "outputSchema":{"type":"object"},"x":1e2}`
	const withReason = `{"type":"object","properties":{"reason":` + addedReason + `},"required":["reason"]}`
	for _, tc := range []struct {
		name       string
		conditions *policy.Conditions
		want       string
	}{
		{"nothing", nil, plain},
		{"only scopes", &policy.Conditions{Scopes: []string{"a"}}, plain},
		{"constraint", constraints("a", `{"enum":["eu"]}`),
			`{"name":"q", "inputSchema": {"type":"object","properties":{"a":{"enum":["eu"]}},"required":["a"]}, "outputSchema":{"type":"object"},"x":1e2}`},
		{"redact", &policy.Conditions{Obligations: policy.Obligations{Redact: []string{"/email"}}}, `{"name":"q", "inputSchema": {"type":"object"},"x":1e2}`},
		{"reason", &policy.Conditions{Obligations: policy.Obligations{Reason: true}}, `{"name":"q", "inputSchema": ` + withReason + `, "outputSchema":{"type":"object"},"x":1e2}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, hash, err := Definition([]byte(plain), tc.conditions)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, string(got)); diff != "" {
				t.Error(diff)
			}
			schema, _ := wire.Lookup(got, "inputSchema")
			if want := wire.Digest(schema); hash != want {
				t.Errorf("hash %s, want %s", hash, want)
			}
		})
	}
}

func TestDefinitionKeepsItself(t *testing.T) {
	definition := []byte(`{"name":"q"}`)
	got, hash, err := Definition(definition, &policy.Conditions{})
	if err != nil || &got[0] != &definition[0] {
		t.Errorf("%s, %v", got, err)
	}
	if want := wire.Digest([]byte(`{"type":"object"}`)); hash != want {
		t.Errorf("hash %s, want %s", hash, want)
	}
}

// TestReason: the argument is added where the tool has none, and sharpened where it has one.
func TestReason(t *testing.T) {
	ask := func(c *policy.Conditions) *policy.Conditions {
		c.Obligations.Reason = true
		return c
	}
	for _, tc := range []struct {
		name, schema string
		conditions   *policy.Conditions
		want         string // of the argument
		call         string
		upstream     string // what it gets, "" = the call is refused
	}{
		{"added", `{"type":"object"}`, ask(constraints()), addedReason, `{"reason":"for the report", "a":1}`, `{"a":1}`},
		{"added to a closed tool", `{"type":"object","properties":{"a":{}},"additionalProperties":false}`, ask(constraints()), addedReason, `{"a":1,"reason":"x"}`, `{"a":1}`},
		{"added to a closed part", `{"type":"object","allOf":[{"properties":{"a":{}},"additionalProperties":false}]}`, ask(constraints()), addedReason, `{"a":1,"reason":"x"}`, `{"a":1}`},
		{"added with a constraint", `{"type":"object"}`, ask(constraints("reason", `{"minLength":9}`)), `{"type":"string","minLength":9,"pattern":"\\S"}`, `{"reason":"a long reason"}`, `{}`},
		{"added with a constraint, too short", `{"type":"object"}`, ask(constraints("reason", `{"minLength":9}`)), `{"type":"string","minLength":9,"pattern":"\\S"}`, `{"reason":"short"}`, ``},
		{"missing", `{"type":"object"}`, ask(constraints()), addedReason, `{}`, ``},
		{"empty", `{"type":"object"}`, ask(constraints()), addedReason, `{"reason":""}`, ``},
		{"white space", `{"type":"object"}`, ask(constraints()), addedReason, `{"reason":" \t\n "}`, ``},
		{"no string", `{"type":"object"}`, ask(constraints()), addedReason, `{"reason":1}`, ``},
		{"the tool's own", `{"type":"object","properties":{"reason":{"type":"string","maxLength":9}}}`, ask(constraints()), `{"type":"string","maxLength":9,"minLength":1,"pattern":"\\S"}`, `{"reason":"x"}`, `{"reason":"x"}`},
		{"the tool's own, empty", `{"type":"object","properties":{"reason":{"type":"string"}}}`, ask(constraints()), `{"type":"string","minLength":1,"pattern":"\\S"}`, `{"reason":""}`, ``},
		{"the tool's own, white space", `{"type":"object","properties":{"reason":{"type":"string"}}}`, ask(constraints()), `{"type":"string","minLength":1,"pattern":"\\S"}`, `{"reason":"  "}`, ``},
		{"the tool's own, elsewhere", `{"type":"object","$ref":"#/$defs/t","$defs":{"t":{"properties":{"reason":{}}}}}`, ask(constraints()), `{"type":"string","minLength":1,"pattern":"\\S"}`, `{"reason":"x"}`, `{"reason":"x"}`},
		{"the tool's own code", `{"type":"object","properties":{"reason":{"type":"integer"}}}`, ask(constraints()), `{"type":"integer"}`, `{"reason":4}`, `{"reason":4}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			narrowed := mustSchema(t, tc.schema, tc.conditions)
			got, _ := wire.Lookup(narrowed, "properties", ReasonArgument)
			if diff := cmp.Diff(tc.want, string(got)); diff != "" {
				t.Error(diff)
			}
			if list, _ := wire.Lookup(narrowed, "required"); string(list) != `["reason"]` {
				t.Errorf("required %s", list)
			}
			check, err := NewCheck([]byte(tc.schema), tc.conditions)
			if err != nil {
				t.Fatal(err)
			}
			if v := check.Arguments([]byte(tc.call)); (v == nil) != (tc.upstream != "") {
				t.Errorf("violation %v", v)
			}
			if up := string(check.Upstream([]byte(tc.call))); tc.upstream != "" && up != tc.upstream {
				t.Errorf("upstream gets %s, want %s", up, tc.upstream)
			}
		})
	}
}
