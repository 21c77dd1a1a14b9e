// SPDX-License-Identifier: Apache-2.0

package narrow

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"tollgate/policy"
	"tollgate/upstream/wire"
)

// ReasonArgument is the argument that the obligation reason asks for.
const ReasonArgument = "reason"

// The schemas of a reason, which white space is not: of the argument that is added, and what a tool's own argument must satisfy beside its own schema.
const (
	addedReason = `{"type":"string","minLength":1,"maxLength":500,"pattern":"\\S",` +
		`"description":"Why you make this call, in a sentence. It is recorded."}`
	ownReason = `{"type":"string","minLength":1,"pattern":"\\S"}`
)

// obligation is the rule of what is asked because of an obligation.
const obligation = "obligation"

// Definition is a tool's definition as a principal may see it: with its input schema narrowed, and without its output
// schema when results are redacted, as they may not fit it then. All other bytes stay. When nothing applies the answer is
// definition itself. hash is the digest of the narrowed input schema. definition must have passed a check.
func Definition(definition []byte, c *policy.Conditions) (narrowed []byte, hash string, err error) {
	schema, ok := wire.Lookup(definition, "inputSchema")
	changed, err := Schema(schema, c)
	if err != nil {
		return nil, "", err
	}
	if !ok && changed == nil {
		changed = []byte(emptySchema)
	}
	narrowed = definition
	if !bytes.Equal(changed, schema) && (ok || asks(c)) {
		narrowed = wire.Set(definition, "inputSchema", changed)
	}
	if c != nil && len(c.Obligations.Redact) > 0 {
		narrowed = wire.Delete(narrowed, "outputSchema")
	}
	return narrowed, wire.Digest(changed), nil
}

// Schema is an input schema with the constraints of c, and the argument for a reason when c asks for one. The answer admits
// exactly the arguments that inputSchema admits and the constraints allow; it is inputSchema itself when nothing applies.
// Equal input gives equal bytes. An error means that a constraint or inputSchema is no usable schema, so that the tool must
// not be offered.
func Schema(inputSchema []byte, c *policy.Conditions) (narrowed []byte, err error) {
	if !asks(c) {
		return inputSchema, nil
	}
	schema, err := readInput(inputSchema)
	if err != nil {
		return nil, err
	}
	arguments, err := gather(c)
	if err != nil {
		return nil, err
	}
	schema = apply(schema, arguments)
	if c.Obligations.Reason {
		schema = apply(schema, []argument{reasonFor(schema)})
	}
	return schema, nil
}

// asks reports whether c changes what a tool's arguments may be.
func asks(c *policy.Conditions) bool {
	return c != nil && (len(c.Constraints) > 0 || c.Obligations.Reason)
}

const emptySchema = `{"type":"object"}`

// readInput answers the schema of a tool as an object that can be edited. Only its first level matters here.
func readInput(schema []byte) ([]byte, error) {
	switch raw, _ := wire.Lookup(schema); {
	case len(raw) == 0, string(raw) == "true":
		return []byte(emptySchema), nil
	case string(raw) == "false":
		return []byte(`{"type":"object","not":{}}`), nil
	case raw[0] != '{':
		return nil, fmt.Errorf("the tool's inputSchema is no schema but %s", clip(string(raw)))
	}
	if err := wire.CheckUnique(schema); err != nil {
		return nil, fmt.Errorf("the tool's inputSchema: %w", err)
	}
	return schema, nil
}

// argument is everything that is asked of one argument.
type argument struct {
	name       string
	fragments  []*fragment
	required   bool
	requiredBy string // the first rule that requires it
	added      bool   // the gateway's own: whatever the schema says of arguments it does not name has no say
}

// gather sorts constraints by argument, in the order in which arguments are first named.
func gather(c *policy.Conditions) ([]argument, error) {
	var arguments []argument
	for i := range c.Constraints {
		constraint := &c.Constraints[i]
		f, err := readFragment(constraint.Schema)
		if err != nil {
			return nil, fmt.Errorf("constraint on argument %s by %s: %w", clip(constraint.Argument), clip(constraint.Rule), err)
		}
		f.rule = constraint.Rule
		at := slices.IndexFunc(arguments, func(a argument) bool { return a.name == constraint.Argument })
		if at < 0 {
			at = len(arguments)
			arguments = append(arguments, argument{name: constraint.Argument})
		}
		a := &arguments[at]
		if !constraint.Optional && !a.required {
			a.required, a.requiredBy = true, constraint.Rule
		}
		if !slices.ContainsFunc(a.fragments, func(o *fragment) bool { return bytes.Equal(o.raw, f.raw) }) {
			a.fragments = append(a.fragments, f)
		}
	}
	return arguments, nil
}

// reasonFor is what the obligation reason asks for. Where the tool's own argument of that name cannot be a string, such as
// a code from a list of numbers, it only becomes required: a tool must not become uncallable.
func reasonFor(schema []byte) argument {
	a := argument{name: ReasonArgument, required: true, requiredBy: obligation}
	if !declares(schema, ReasonArgument) {
		a.added = true
		a.fragments = []*fragment{{raw: json.RawMessage(addedReason)}}
		return a
	}
	raw, _ := wire.Lookup(schema, "properties", ReasonArgument, "type")
	if set, err := typeSet(raw); err != nil || set&typeString != 0 {
		a.fragments = []*fragment{{raw: json.RawMessage(ownReason)}}
	}
	return a
}

// declares reports whether a schema names a member, in itself or in a schema that applies to the same object.
func declares(schema []byte, name string) bool {
	budget := 200 // schemas to look at
	var walk func(raw []byte, depth int) bool
	walk = func(raw []byte, depth int) bool {
		if budget--; budget < 0 || depth > maxSchemaDepth {
			return false
		}
		if _, ok := wire.Lookup(raw, "properties", name); ok {
			return true
		}
		for m := range wire.Members(raw) {
			switch m.Name {
			case "allOf", "anyOf", "oneOf":
				for e := range wire.Elements(m.Value) {
					if walk(e, depth+1) {
						return true
					}
				}
			case "then", "else":
				if walk(m.Value, depth+1) {
					return true
				}
			case "$ref":
				to, _ := wire.String(m.Value)
				if target, err := follow(schema, to, stepInto); err == nil && walk(target, depth+1) {
					return true
				}
			}
		}
		return false
	}
	return walk(schema, 0)
}
