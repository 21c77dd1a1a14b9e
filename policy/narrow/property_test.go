// SPDX-License-Identifier: Apache-2.0

package narrow

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tollgate/policy"
	"tollgate/upstream/wire"
)

// drawn makes random schemas of few keywords and small values, so that they often meet.
type drawn struct {
	*rapid.T
	fragment bool   // only keywords that a fragment may have
	inner    bool   // not the outermost schema
	refs     string // "" or where schemas below may refer to
}

func (d drawn) one(label string, of ...string) string { return rapid.SampledFrom(of).Draw(d.T, label) }

func (d drawn) chance(n int, label string) bool { return rapid.IntRange(0, n-1).Draw(d.T, label) == 0 }

func (d drawn) literal() string {
	return d.one("literal", `0`, `1`, `2`, `3`, `1.5`, `2.0`, `""`, `"a"`, `"b"`, `"ab"`, `null`, `true`, `[]`, `["a"]`, `[1,2]`, `{}`, `{"a":1}`, `{"a":"a","b":2}`)
}

func (d drawn) literals() string {
	var list []byte
	for range rapid.IntRange(1, 5).Draw(d.T, "values") {
		if l := []byte(d.literal()); !contained(l, slices.Collect(wire.Elements(list))) {
			list = appendElement(list, l)
		}
	}
	return string(list)
}

// schema draws one schema; depth is how deep it may nest.
func (d drawn) schema(depth int) string {
	if !d.fragment && d.chance(12, "boolean") {
		return d.one("boolean", "true", "true", "false")
	}
	out := []byte("{}")
	for range rapid.IntRange(0, 3).Draw(d.T, "keywords") {
		name, value := d.keyword(depth)
		if name != "" {
			out = wire.Set(out, name, []byte(value))
		}
	}
	if d.fragment && d.inner {
		out = wire.Delete(out, "default")
	}
	if d.fragment && has(out, "then") && !has(out, "if") {
		out = wire.Delete(out, "then")
	}
	return string(out)
}

func (d drawn) keyword(depth int) (name, value string) {
	simple := []string{"type", "type", "enum", "enum", "const", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength",
		"pattern", "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties", "required", "description", "default"}
	nested := []string{"items", "properties", "properties", "additionalProperties", "patternProperties", "propertyNames", "contains", "allOf", "anyOf", "oneOf", "not", "if", "then", "else"}
	foreign := []string{"prefixItems", "unevaluatedProperties", "unevaluatedItems", "minContains", "maxContains", "dependentRequired", "dependentSchemas", "$ref"}
	switch n := rapid.IntRange(0, 9).Draw(d.T, "kind"); {
	case depth <= 0 || n < 5:
		name = d.one("simple", simple...)
	case n < 8 || d.fragment:
		name = d.one("nested", nested...)
	default:
		name = d.one("foreign", foreign...)
	}
	d.inner = true
	inner := func() string { return d.schema(depth - 1) }
	number := d.one("number", "0", "1", "2", "1.0", "2e0")
	switch name {
	case "type":
		return name, d.one("type", `"string"`, `"integer"`, `"number"`, `"object"`, `"array"`, `["string","null"]`, `["integer","string"]`)
	case "enum":
		return name, d.literals()
	case "const", "default":
		return name, d.literal()
	case "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum":
		return name, d.one("bound", "0", "1", "2", "1.5")
	case "multipleOf":
		return name, d.one("multiple", "1", "2", "0.5")
	case "pattern":
		return name, d.one("pattern", `"^a"`, `"b$"`, `"^$"`)
	case "uniqueItems":
		return name, d.one("unique", "true", "false")
	case "required":
		return name, d.one("required", `["a"]`, `["b"]`, `["a","b"]`)
	case "description":
		return name, d.one("description", `"one"`, `"two"`)
	case "properties", "dependentSchemas":
		return name, fmt.Sprintf(`{%q:%s,"b":%s}`, d.one("property", "a", "c"), inner(), inner())
	case "patternProperties":
		return name, fmt.Sprintf(`{"^a":%s}`, inner())
	case "allOf", "anyOf", "oneOf", "prefixItems":
		return name, fmt.Sprintf(`[%s,%s]`, inner(), inner())
	case "dependentRequired":
		return name, `{"a":["b"]}`
	case "$ref":
		if d.refs == "" {
			return "", ""
		}
		return name, `"` + d.refs + `"`
	case "items", "additionalProperties", "propertyNames", "contains", "not", "if", "then", "else", "unevaluatedProperties", "unevaluatedItems":
		return name, inner()
	}
	return name, number
}

// root draws the schema of a tool. References lead from later arguments to earlier ones, or from inside of items to the
// root, so that none leads to itself for the same value.
func (d drawn) root() string {
	out := []byte(`{"type":"object"}`)
	old := d.chance(4, "draft-07")
	if old {
		out = wire.Set(out, "$schema", []byte(`"http://json-schema.org/draft-07/schema#"`))
	}
	properties := []byte("{}")
	for _, name := range []string{"a", "b", "c"} {
		if d.chance(4, "absent") {
			continue
		}
		schema := d.schema(2)
		if name == "b" && d.chance(3, "refers") {
			schema = fmt.Sprintf(`{"$ref":%q,"minLength":1}`, d.one("target", "#/properties/a", "#/$defs/d"))
		}
		if name == "c" && d.chance(3, "recurs") {
			schema = fmt.Sprintf(`{"items":{"$ref":%q}}`, d.one("target", "#", "#/properties/a", "#/properties/b"))
		}
		properties = wire.Set(properties, name, []byte(schema))
	}
	if !d.chance(8, "bare") {
		out = wire.Set(out, "properties", properties)
	}
	out = wire.Set(out, "$defs", []byte(`{"d":`+d.schema(1)+`}`))
	switch d.one("rest", "none", "none", "false", "schema", "unevaluated", "closed") {
	case "false":
		out = wire.Set(out, "additionalProperties", []byte("false"))
	case "schema":
		out = wire.Set(out, "additionalProperties", []byte(d.schema(1)))
	case "unevaluated":
		out = wire.Set(out, "unevaluatedProperties", []byte(d.schema(1)))
	case "closed":
		out = wire.Set(out, "unevaluatedProperties", []byte("false"))
	}
	for range rapid.IntRange(0, 2).Draw(d.T, "root keywords") {
		if name, value := d.keyword(2); name != "type" && name != "properties" && name != "enum" && name != "const" && name != "$ref" && name != "" {
			out = wire.Set(out, name, []byte(value))
		}
	}
	if d.chance(6, "root $ref") && has(out, "$defs") {
		out = wire.Set(out, "$ref", []byte(`"#/$defs/d"`))
	}
	if !old && d.chance(8, "anchor") {
		out = wire.Set(out, "$anchor", []byte(`"here"`))
	}
	return string(out)
}

func (d drawn) instance() []byte {
	out := []byte("{}")
	for _, name := range []string{"a", "b", "c", "d"} {
		if !d.chance(3, "left out") {
			out = wire.Set(out, name, []byte(d.literal()))
		}
	}
	return out
}

func (d drawn) conditions() *policy.Conditions {
	c := &policy.Conditions{}
	for range rapid.IntRange(1, 3).Draw(d.T, "constraints") {
		f := drawn{T: d.T, fragment: true}.schema(2)
		if CheckFragment([]byte(f)) != nil {
			f = d.one("fragment", `{"enum":["a",1,2]}`, `{"type":"string"}`, `{"minimum":1}`, `{"$ref":"#/$defs/x","description":"three","$defs":{"x":{"not":{"const":"b"}}}}`)
		}
		c.Constraints = append(c.Constraints, policy.Constraint{
			Argument: d.one("argument", "a", "b", "c", "d"), Schema: json.RawMessage(f), Optional: d.chance(2, "optional"), Rule: "reader",
		})
	}
	return c
}

// widens reports whether a constraint names an argument that the schema refuses: then it may be given.
func widens(schema []byte, c *policy.Conditions) bool {
	for _, name := range []string{"additionalProperties", "unevaluatedProperties"} {
		if rest, _ := wire.Lookup(schema, name); string(rest) == "false" {
			for _, x := range c.Constraints {
				if _, ok := wire.Lookup(schema, "properties", x.Argument); !ok {
					return true
				}
			}
		}
	}
	return false
}

// repeats reports whether an argument has several constraints. Only then may narrowing again write what is there once more.
func repeats(c *policy.Conditions) bool {
	known := map[string]bool{}
	for _, x := range c.Constraints {
		if known[x.Argument] {
			return true
		}
		known[x.Argument] = true
	}
	return false
}

func asText(c *policy.Conditions) string {
	var b strings.Builder
	for _, x := range c.Constraints {
		fmt.Fprintf(&b, "%s (optional %v): %s\n", x.Argument, x.Optional, x.Schema)
	}
	return b.String()
}

// satisfies reports whether an instance has the required arguments and each fits its fragments.
func satisfies(j judge, c *policy.Conditions, instance []byte) (bool, error) {
	for _, x := range c.Constraints {
		value, ok := wire.Lookup(instance, x.Argument)
		if !ok && !x.Optional {
			return false, nil
		}
		if ok {
			if fits, err := j(implied(x.Schema), value); err != nil || !fits {
				return false, err
			}
		}
	}
	return true, nil
}

// TestNarrowedIsExact holds for every judge: what the narrowed schema accepts is what the original accepts and the
// constraints allow. Soundness is one direction, completeness the other.
func TestNarrowedIsExact(t *testing.T) {
	decided := map[string]int{}
	rapid.Check(t, func(rt *rapid.T) {
		d := drawn{T: rt, refs: "#/$defs/d"}
		schema, c := []byte(d.root()), d.conditions()
		narrowed, err := Schema(schema, c)
		if err != nil {
			rt.Fatalf("Schema(%s): %v", schema, err)
		}
		again, err := Schema(narrowed, c)
		if err != nil || (!bytes.Equal(again, narrowed) && !repeats(c)) {
			rt.Fatalf("narrowing again changes\n%s to\n%s (%v)", narrowed, again, err)
		}
		check, err := NewCheck(schema, c)
		if err != nil {
			rt.Fatalf("NewCheck(%s): %v", schema, err)
		}
		if _, err := compileSanthosh(schema); err != nil {
			return // the schema refers to itself without end
		}
		if _, err := compileSanthosh(narrowed); err != nil {
			rt.Fatalf("not valid: %v\n%s\nmade of %s", err, narrowed, schema)
		}
		for range 6 {
			instance := d.instance()
			for name, j := range judges() {
				before, err1 := j(schema, instance)
				after, err2 := j(narrowed, instance)
				fits, err3 := satisfies(j, c, instance)
				if err1 != nil || err2 != nil || err3 != nil {
					if err1 == nil && err2 != nil && name != "jsonschema-go" {
						rt.Fatalf("%s: %v\n%s\nmade of %s", name, err2, narrowed, schema)
					}
					continue
				}
				decided[fmt.Sprint(name, after)]++
				if twice, err := j(again, instance); err == nil && twice != after {
					rt.Fatalf("%s: narrowing again changes what fits: %s\n%s\n%s", name, instance, narrowed, again)
				}
				violation := check.Arguments(instance)
				switch {
				case after && !fits:
					rt.Fatalf("%s: unsound for %s\n%s\nmade of %s\nby %s", name, instance, narrowed, schema, asText(c))
				case before && fits && !after:
					rt.Fatalf("%s: incomplete for %s\n%s\nmade of %s\nby %s", name, instance, narrowed, schema, asText(c))
				case after && !before && !widens(schema, c):
					rt.Fatalf("%s: wider for %s\n%s\nmade of %s\nby %s", name, instance, narrowed, schema, asText(c))
				case name == "narrow" && after != (violation == nil):
					rt.Fatalf("check says %v for %s\n%s", violation, instance, narrowed)
				case name == "santhosh" && !fits && violation == nil:
					rt.Fatalf("check lets %s pass\n%s\nby %s", instance, narrowed, asText(c))
				}
			}
		}
	})
	for name := range judges() {
		if testing.Short() {
			break // so few draws may all be of one kind
		}
		if decided[name+"true"] == 0 || decided[name+"false"] == 0 {
			t.Errorf("%s accepted and refused too little to say anything: %v", name, decided)
		}
	}
	t.Log(decided)
}
