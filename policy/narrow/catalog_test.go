// SPDX-License-Identifier: Apache-2.0

package narrow

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"testing"

	"tollgate/policy"
	"tollgate/upstream/wire"
)

// tools are input schemas of servers in common use.
func tools(tb testing.TB) map[string]json.RawMessage {
	tb.Helper()
	raw, err := os.ReadFile("testdata/tools.json")
	if err != nil {
		tb.Fatal(err)
	}
	var tools map[string]json.RawMessage
	if err := json.Unmarshal(raw, &tools); err != nil {
		tb.Fatal(err)
	}
	if len(tools) < 250 {
		tb.Fatalf("only %d tools", len(tools))
	}
	return tools
}

// typical are constraints that an operator might put on any argument.
func typical() []string {
	return []string{
		`{"enum":["eu-west-1","open",1,true]}`, `{"type":"string","maxLength":40,"pattern":"^[a-z-]+$"}`, `{"maximum":100,"minimum":1,"description":"one page"}`,
		`{"not":{"const":"main"}}`, `{"maxItems":5,"items":{"pattern":"^x"}}`, `{"anyOf":[{"type":"string"},{"type":"integer"}]}`,
		`{"type":"object","properties":{"id":{"type":"string"}},"additionalProperties":false}`, `{"const":"a"}`,
		`{"$ref":"#/$defs/s","$defs":{"s":{"type":["string","array"],"items":{"$ref":"#/$defs/s"}}}}`,
	}
}

// TestTools: every tool in common use stays valid and offerable under constraints on its arguments and on one that it does
// not have, and all of it can be checked.
func TestTools(t *testing.T) {
	all := tools(t)
	for i, name := range slices.Sorted(maps.Keys(all)) {
		schema := []byte(all[name])
		arguments := []string{"tollgate-test"}
		properties, _ := wire.Lookup(schema, "properties")
		for m := range wire.Members(properties) {
			arguments = append(arguments, m.Name)
		}
		for j, argument := range arguments {
			if j > 0 && (i+j)%3 != 0 {
				continue // a third of them is enough to meet every fragment often
			}
			fragment := typical()[(i+j/3)%len(typical())]
			c := constraints(argument, fragment)
			c.Obligations = policy.Obligations{Reason: true}
			narrowed := mustSchema(t, string(schema), c)
			if again := mustSchema(t, string(schema), c); !bytes.Equal(narrowed, again) {
				t.Errorf("%s: %s and then %s", name, narrowed, again)
			}
			if again := mustSchema(t, string(narrowed), c); !bytes.Equal(narrowed, again) {
				t.Errorf("%s: narrowing again makes %s of %s", name, again, narrowed)
			}
			if (i+j)%2 == 0 { // the meta-schema is slow
				if _, err := compileSanthosh(narrowed); err != nil {
					t.Errorf("%s.%s: %v", name, argument, err)
				}
			}
			if err := wire.ValidateToolSchema(narrowed); err != nil {
				t.Errorf("%s.%s: %v", name, argument, err)
			}
			if check, err := NewCheck(schema, c); err != nil || check.Problem() != "" {
				t.Errorf("%s.%s: %v %s", name, argument, err, check.Problem())
			}
		}
	}
}

// TestToolsAllArguments narrows all arguments of every tool at once.
func TestToolsAllArguments(t *testing.T) {
	for name, schema := range tools(t) {
		properties, _ := wire.Lookup(schema, "properties")
		for n, fragment := range typical() {
			if (n+len(name))%2 == 0 {
				continue
			}
			c := &policy.Conditions{}
			for m := range wire.Members(properties) {
				c.Constraints = append(c.Constraints, policy.Constraint{Argument: m.Name, Schema: json.RawMessage(fragment), Rule: "reader", Optional: n%4 < 2})
			}
			narrowed := mustSchema(t, string(schema), c)
			if n < 2 {
				if _, err := compileSanthosh(narrowed); err != nil {
					t.Errorf("%s: %v\n%s", name, err, narrowed)
				}
			}
			if _, err := compile(narrowed, bounds{1 << 20, 50, 10_000}); err != nil {
				t.Errorf("%s: %v\n%s", name, err, narrowed)
			}
		}
	}
}
