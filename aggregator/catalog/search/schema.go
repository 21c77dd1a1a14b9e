// SPDX-License-Identifier: Apache-2.0

package search

import (
	"encoding/json"

	"tollgate/upstream/wire"
)

const (
	maxProperties = 128 // names taken from one schema
	maxSchemas    = 512 // schemas looked at inside of one
	maxNesting    = 8
)

// properties yields the names of the properties of a JSON Schema, those of the outermost objects first.
func properties(schema json.RawMessage, yield func(name string)) {
	if !json.Valid(schema) {
		return
	}
	names, seen := 0, 0
	level := [][]byte{schema}
	for depth := 0; depth < maxNesting && len(level) > 0; depth++ {
		var next [][]byte
		for _, s := range level {
			if seen++; seen > maxSchemas {
				return
			}
			for m := range wire.Members(s) {
				if m.Name == "properties" {
					for p := range wire.Members(m.Value) {
						if names++; names > maxProperties {
							return
						}
						yield(p.Name)
					}
				}
				next = inside(next, &m)
			}
		}
		level = next
	}
}

// inside appends the schemas that a member of a schema holds.
func inside(found [][]byte, m *wire.Member) [][]byte {
	if len(found) > maxSchemas {
		return found
	}
	switch m.Name {
	case "properties", "patternProperties", "$defs", "definitions", "dependentSchemas":
		for p := range wire.Members(m.Value) {
			found = append(found, p.Value)
		}
	case "items", "additionalProperties", "unevaluatedProperties", "contains", "if", "then", "else":
		found = append(found, m.Value)
	}
	switch m.Name {
	case "items", "prefixItems", "allOf", "anyOf", "oneOf":
		for s := range wire.Elements(m.Value) {
			found = append(found, s)
		}
	}
	return found
}
