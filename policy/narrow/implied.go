// SPDX-License-Identifier: Apache-2.0

package narrow

import (
	"slices"

	"tollgate/upstream/wire"
)

// implied is a fragment with the types that it means and does not write down.
func implied(raw []byte) []byte {
	if slices.ContainsFunc(references(raw), func(to string) bool { return !within(to, "/$defs") }) {
		return raw // a part of it serves elsewhere, perhaps under a "not"
	}
	return typed(raw)
}

// typed adds the type to a schema whose keywords all look at values of one type, and to those of its members and items. It
// leaves alone what stands under "not" and the like, where a stricter schema would allow more.
func typed(raw []byte) []byte {
	if wire.Kind(raw) != '{' {
		return raw
	}
	inside := eachMember(raw, func(m wire.Member) []byte {
		switch m.Name {
		case "items", "additionalProperties", "contains":
			return typed(m.Value)
		case "properties", "patternProperties":
			return eachMember(m.Value, func(m wire.Member) []byte { return typed(m.Value) })
		}
		return m.Value
	})
	name := impliedType(raw)
	if name == "" {
		return inside
	}
	return slices.Concat([]byte(`{"type":"`+name+`",`), inside[1:])
}

// impliedType is the one type of values that the keywords of a schema look at, "" when there are several, or when another
// keyword says what values it is about.
func impliedType(schema []byte) string {
	all, known := 0, fragmentKeywords()
	for m := range wire.Members(schema) {
		switch m.Name {
		case "type", "enum", "const", "allOf", "anyOf", "oneOf", "not", "if", "$ref":
			return ""
		}
		all |= known[m.Name]
	}
	switch all {
	case typeInteger | typeNumber:
		return "number"
	case typeString:
		return "string"
	case typeArray:
		return "array"
	case typeObject:
		return "object"
	}
	return ""
}
