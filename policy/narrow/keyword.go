// SPDX-License-Identifier: Apache-2.0

package narrow

import (
	"strings"

	"tollgate/upstream/wire"
)

// place says where subschemas stand in the value of a keyword.
type place int

const (
	nowhere   place = iota // the value is no schema
	oneSchema              // {...} or a boolean
	listed                 // [schema, ...]
	named                  // {name: schema, ...}
	either                 // one schema or a list of them
)

// placeOf says where the subschemas of a keyword are, in any dialect.
func placeOf(keyword string) place {
	switch keyword {
	case "additionalItems", "unevaluatedItems", "contains", "additionalProperties", "unevaluatedProperties", "propertyNames",
		"not", "if", "then", "else", "contentSchema":
		return oneSchema
	case "items":
		return either
	case "allOf", "anyOf", "oneOf", "prefixItems":
		return listed
	case "properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies":
		return named
	}
	return nowhere
}

// dialect is the version of JSON Schema that a text is written in.
type dialect int

const (
	draft2020 dialect = iota // also without $schema, as MCP has it
	draft2019
	draft7
	otherwise // what is older or not known
)

// dialectOf reads $schema at the root of a schema.
func dialectOf(schema []byte) dialect {
	raw, ok := wire.Lookup(schema, "$schema")
	if !ok {
		return draft2020
	}
	uri, _ := wire.String(raw)
	_, uri, _ = strings.Cut(strings.TrimSuffix(uri, "#"), "://")
	switch uri {
	case "json-schema.org/draft/2020-12/schema":
		return draft2020
	case "json-schema.org/draft/2019-09/schema":
		return draft2019
	case "json-schema.org/draft-07/schema":
		return draft7
	}
	return otherwise
}

// refAlone reports whether $ref makes everything beside it void, or may.
func (d dialect) refAlone() bool { return d == draft7 || d == otherwise }

// defs is the member that reusable schemas are kept in.
func (d dialect) defs(schema []byte) string {
	if _, ok := wire.Lookup(schema, "$defs"); ok {
		return "$defs"
	}
	if _, ok := wire.Lookup(schema, "definitions"); ok || d.refAlone() {
		return "definitions"
	}
	return "$defs"
}
