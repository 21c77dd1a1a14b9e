// SPDX-License-Identifier: Apache-2.0

package narrow

import (
	"bytes"
	"testing"

	"tollgate/policy"
	"tollgate/upstream/wire"
)

// FuzzSchema: whatever an upstream sends as a schema, the answer is an error or an object schema that is stable, and a check
// that holds the constraint.
func FuzzSchema(f *testing.F) {
	for _, seed := range []string{
		`{"type":"object","properties":{"a":{"type":"string","enum":["x","y"],"default":"z"}}}`, `{"properties":{"a":{"$ref":"#"}}}`, `{"$ref":"#/properties/a","properties":[]}`,
		`{"required":"a","properties":{"a":5},"allOf":{}}`, `{"$schema":"http://json-schema.org/draft-07/schema#","$ref":"#/x","x":{"$id":"y"}}`, `true`, `[]`, `{"$anchor":"a","properties":{"a":true}}`,
		`{"unevaluatedProperties":{"allOf":[1]},"additionalProperties":{}}`, recursiveTwice, `{"properties":{"a":{"allOf":5,"enum":{},"type":7,"items":[],"properties":[],"required":{}}}}`,
	} {
		f.Add([]byte(seed), []byte(`{"enum":["x",1e2],"properties":{"b":{}},"items":{"type":"string"}}`), []byte(`{"a":"x"}`))
	}
	f.Fuzz(func(t *testing.T, schema, fragment, arguments []byte) {
		if wire.CheckReply(schema) != nil || wire.Check(arguments) != nil || CheckFragment(fragment) != nil {
			return
		}
		c := &policy.Conditions{Constraints: []policy.Constraint{{Argument: "a", Schema: fragment, Rule: "reader"}}, Obligations: policy.Obligations{Reason: true}}
		narrowed, err := Schema(schema, c)
		if err != nil {
			return
		}
		if err := wire.CheckReply(narrowed); err != nil {
			t.Fatalf("%v: %s", err, narrowed)
		}
		if kind, _ := wire.Lookup(narrowed, "type"); string(kind) != `"object"` {
			t.Fatalf("no object schema: %s", narrowed)
		}
		if again, err := Schema(schema, c); err != nil || !bytes.Equal(again, narrowed) {
			t.Fatalf("%s and then %s (%v)", narrowed, again, err)
		}
		check, err := NewCheck(schema, c)
		if err != nil {
			t.Fatal(err)
		}
		value, ok := wire.Lookup(arguments, "a")
		fits, err := judgeOurs(fragment, value)
		if v := check.Arguments(arguments); v == nil && (!ok || err == nil && !fits) {
			t.Fatalf("%s passes %s", arguments, fragment)
		}
	})
}
