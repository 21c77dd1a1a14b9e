// SPDX-License-Identifier: Apache-2.0

package narrow

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	google "github.com/google/jsonschema-go/jsonschema"
	santhosh "github.com/santhosh-tekuri/jsonschema/v6"

	"tollgate/policy"
)

// judge is an implementation of JSON Schema. It answers whether an instance fits, and an error when it has no opinion.
type judge func(schema, instance []byte) (bool, error)

// judges are this package's own and two that know nothing of it.
func judges() map[string]judge {
	return map[string]judge{"narrow": judgeOurs, "jsonschema-go": judgeGoogle, "santhosh": judgeSanthosh}
}

func judgeOurs(schema, instance []byte) (bool, error) {
	c, err := compile(schema, fragmentBounds())
	if err != nil {
		return false, err
	}
	v, err := decode(instance)
	if err != nil {
		return false, err
	}
	r := c.run(len(instance))
	m := r.eval(c.root, v, nil)
	if r.over() {
		return false, errors.New("out of fuel")
	}
	return m == nil, nil
}

// judgeGoogle reads numbers as float64, since it takes json.Number for a string. It is not asked about references that lead
// to themselves, which overflow its stack.
func judgeGoogle(schema, instance []byte) (bool, error) {
	if _, err := compile(schema, fragmentBounds()); err != nil {
		return false, err
	}
	var s google.Schema
	var v any
	if err := errors.Join(json.Unmarshal(schema, &s), json.Unmarshal(instance, &v)); err != nil {
		return false, err
	}
	resolved, err := s.Resolve(nil)
	if err != nil {
		return false, err
	}
	return resolved.Validate(v) == nil, nil
}

func compileSanthosh(schema []byte) (*santhosh.Schema, error) {
	doc, err := santhosh.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		return nil, err
	}
	c := santhosh.NewCompiler() // checks against the meta-schema of $schema, without it against that of 2020-12
	c.UseLoader(nil)
	if err := c.AddResource("https://test.invalid/schema.json", doc); err != nil {
		return nil, err
	}
	return c.Compile("https://test.invalid/schema.json")
}

func judgeSanthosh(schema, instance []byte) (bool, error) {
	s, err := compileSanthosh(schema)
	if err != nil {
		return false, err
	}
	v, err := santhosh.UnmarshalJSON(bytes.NewReader(instance))
	if err != nil {
		return false, err
	}
	return s.Validate(v) == nil, nil
}

// constraints makes conditions of names and fragments in turn. A name that ends in ? is optional.
func constraints(pairs ...string) *policy.Conditions {
	c := &policy.Conditions{}
	for i := 0; i < len(pairs); i += 2 {
		name, optional := bytes.CutSuffix([]byte(pairs[i]), []byte("?"))
		c.Constraints = append(c.Constraints, policy.Constraint{
			Argument: string(name), Schema: json.RawMessage(pairs[i+1]), Optional: optional, Rule: "reader",
		})
	}
	return c
}

func mustSchema(tb testing.TB, schema string, c *policy.Conditions) []byte {
	tb.Helper()
	out, err := Schema([]byte(schema), c)
	if err != nil {
		tb.Fatalf("Schema(%s): %v", schema, err)
	}
	return out
}
