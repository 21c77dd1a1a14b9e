// SPDX-License-Identifier: Apache-2.0

package narrow

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"tollgate/upstream/wire"
)

// fragmentKeywords are those that a fragment may have, with the types of values that they look at; 0 = all.
func fragmentKeywords() map[string]int {
	const numbers = typeInteger | typeNumber
	return map[string]int{
		"type": 0, "enum": 0, "const": 0, "not": 0, "allOf": 0, "anyOf": 0, "oneOf": 0, "if": 0, "then": 0, "else": 0,
		"$ref": 0, "$defs": 0,
		"title": 0, "description": 0, "default": 0, "examples": 0, "deprecated": 0, "readOnly": 0, "writeOnly": 0, "$comment": 0,
		"minimum": numbers, "maximum": numbers, "exclusiveMinimum": numbers, "exclusiveMaximum": numbers, "multipleOf": numbers,
		"minLength": typeString, "maxLength": typeString, "pattern": typeString, "format": typeString,
		"items": typeArray, "contains": typeArray, "minItems": typeArray, "maxItems": typeArray, "uniqueItems": typeArray,
		"properties": typeObject, "patternProperties": typeObject, "additionalProperties": typeObject, "propertyNames": typeObject,
		"required": typeObject, "minProperties": typeObject, "maxProperties": typeObject,
	}
}

// substitute is what to use instead of a keyword of JSON Schema that fragments may not have; "" for other words.
func substitute(keyword string) string {
	switch keyword {
	case "$id", "$schema", "$anchor", "$vocabulary", "$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor":
		return "leave it out: constraints are JSON Schema 2020-12, and references lead to #/$defs/..."
	case "definitions":
		return "use $defs"
	case "dependentRequired", "dependentSchemas", "dependencies":
		return "use if and then"
	case "prefixItems", "additionalItems", "minContains", "maxContains":
		return "use items, contains, minItems and maxItems"
	case "unevaluatedProperties":
		return "use additionalProperties"
	case "unevaluatedItems":
		return "use items"
	case "contentEncoding", "contentMediaType", "contentSchema":
		return "use pattern: it is never checked"
	}
	return ""
}

// checkSchema looks at the keywords of one schema. Its Pointer is relative to the schema.
func checkSchema(raw []byte, outermost bool) *FragmentError {
	known := fragmentKeywords()
	set := 0
	if kind, ok := wire.Lookup(raw, "type"); ok {
		if err := checkTypes(kind); err != nil {
			return err
		}
		set, _ = typeSet(kind)
	}
	for m := range wire.Members(raw) {
		applies, ok := known[m.Name]
		switch hint := substitute(m.Name); {
		case hint != "":
			return &FragmentError{"/" + escapeStep(m.Name), "constraints cannot use " + clip(m.Name), hint}
		case !ok:
			return &FragmentError{"/" + escapeStep(m.Name), "unknown keyword " + clip(m.Name), meant(m.Name, known)}
		case applies != 0 && set != 0 && widen(set)&applies == 0:
			message := fmt.Sprintf("%q does not apply to the type that is given", m.Name)
			return &FragmentError{"/" + m.Name, message, "it looks at " + plural(applies) + " only"}
		case m.Name == "enum" && len(slices.Collect(wire.Elements(m.Value))) == 0:
			return &FragmentError{"/enum", "must list at least one value", "to forbid an argument, use \"not\": {} and mark it optional"}
		case m.Name == "default" && !outermost:
			return &FragmentError{"/default", "a default is only for the argument itself", "leave it out"}
		case m.Name == "format" && !has(raw, "pattern") && !has(raw, "enum") && !has(raw, "const"):
			return &FragmentError{"/format", "format only describes a value and is never checked", "add a pattern"}
		case (m.Name == "then" || m.Name == "else") && !has(raw, "if"):
			return &FragmentError{"/" + m.Name, fmt.Sprintf("%q says nothing without \"if\"", m.Name), ""}
		}
		if message := checkForm(m); message != "" {
			return &FragmentError{"/" + escapeStep(m.Name), message, ""}
		}
	}
	return checkOrder(raw)
}

// checkTypes finds words that are no types. Everything else about type is the compiler's.
func checkTypes(raw []byte) *FragmentError {
	check := func(raw []byte, pointer string) *FragmentError {
		word, ok := wire.String(raw)
		if !ok || typeNamed(word) != 0 {
			return nil
		}
		known := map[string]int{}
		for i, name := range typeNames() {
			known[name] = i
		}
		hint := meantOf(word, known, map[string]string{
			"str": "string", "text": "string", "int": "integer", "float": "number", "double": "number", "decimal": "number",
			"bool": "boolean", "list": "array", "map": "object", "dict": "object", "nil": "null", "none": "null",
		})
		if hint == "" {
			hint = "types are " + strings.Join(typeNames(), ", ")
		}
		return &FragmentError{pointer, clip(word) + " is no type of JSON", hint}
	}
	i := 0
	for e := range wire.Elements(raw) {
		if err := check(e, fmt.Sprintf("/type/%d", i)); err != nil {
			return err
		}
		i++
	}
	return check(raw, "/type")
}

// checkForm says what the meta-schemas ask of a value beyond what the compiler does.
func checkForm(m wire.Member) string {
	kind := wire.Kind(m.Value)
	switch m.Name {
	case "title", "description", "$comment", "format":
		if kind != '"' {
			return "must be a string"
		}
	case "deprecated", "readOnly", "writeOnly":
		if kind != 't' && kind != 'f' {
			return "must be true or false"
		}
	case "examples":
		if kind != '[' {
			return "must be an array"
		}
	case "allOf", "anyOf", "oneOf":
		if len(slices.Collect(wire.Elements(m.Value))) == 0 {
			return "must be an array with at least one schema"
		}
	case "enum", "required", "type":
		v, _ := decode(m.Value)
		list, _ := v.([]any)
		known := map[string]bool{}
		for _, e := range list {
			k := string(key(nil, e))
			if known[k] {
				return shown(e) + " is listed twice"
			}
			known[k] = true
		}
	}
	return ""
}

// checkOrder finds ranges that hold nothing.
func checkOrder(raw []byte) *FragmentError {
	for _, pair := range [][2]string{
		{"minimum", "maximum"}, {"minLength", "maxLength"}, {"minItems", "maxItems"}, {"minProperties", "maxProperties"},
	} {
		low, _ := wire.Lookup(raw, pair[0])
		high, _ := wire.Lookup(raw, pair[1])
		if wire.Kind(low) == '0' && wire.Kind(high) == '0' && parseDecimal(string(low)).cmp(parseDecimal(string(high))) > 0 {
			return &FragmentError{"/" + pair[0], fmt.Sprintf("%q is above %q, so nothing is allowed", pair[0], pair[1]), ""}
		}
	}
	return nil
}

func plural(set int) string {
	switch set {
	case typeString:
		return "strings"
	case typeArray:
		return "arrays"
	case typeObject:
		return "objects"
	}
	return "numbers"
}

func has(schema []byte, name string) bool {
	_, ok := wire.Lookup(schema, name)
	return ok
}

// meant is a hint for an unknown keyword.
func meant(word string, known map[string]int) string {
	hint := meantOf(word, known, map[string]string{
		"min": "minimum", "max": "maximum", "regex": "pattern", "regexp": "pattern", "values": "enum", "options": "enum", "in": "enum",
		"allowed": "enum", "equals": "const", "value": "const", "length": "maxLength",
		"gt": "exclusiveMinimum", "lt": "exclusiveMaximum",
	})
	if hint == "" {
		return "it would constrain nothing"
	}
	return hint
}

// meantOf looks for a misspelt word among the known ones; aliases are what others call them.
func meantOf(word string, known map[string]int, aliases map[string]string) string {
	plain := strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(word))
	best := aliases[plain]
	limit := min(2, (len(plain)-1)/2) + 1
	for _, name := range slices.Sorted(maps.Keys(known)) {
		if d := edits(plain, strings.ToLower(name)); d < limit {
			best, limit = name, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("did you mean %q?", best)
}

// edits is the number of letters to insert, delete or replace to make b of a.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		corner := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := corner
			if a[i] != b[j] {
				cost = min(corner, row[j], row[j+1]) + 1
			}
			corner, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
