// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"strings"

	"tollgate/upstream/wire"
)

const (
	// maxSecretDepth bounds how deep schemas are searched for secrets, maxSecrets how many are found.
	maxSecretDepth = 8
	maxSecrets     = 64
)

// secretPointers are the places of arguments that a tool itself calls secret in its schema: format password, or writeOnly.
func secretPointers(schema []byte) []string {
	var out []string
	findSecrets(schema, "", maxSecretDepth, &out)
	return out
}

func findSecrets(schema []byte, at string, depth int, out *[]string) {
	if depth == 0 || wire.Kind(schema) != '{' || len(*out) >= maxSecrets {
		return
	}
	for m := range wire.Members(schema) {
		switch m.Name {
		case "format", "writeOnly":
			if text, _ := wire.String(m.Value); at != "" && (strings.EqualFold(text, "password") || string(m.Value) == "true") {
				*out = append(*out, at)
				return
			}
		case "properties":
			for p := range wire.Members(m.Value) {
				findSecrets(p.Value, at+"/"+pointerSegment(p.Name), depth-1, out)
			}
		case "patternProperties":
			for p := range wire.Members(m.Value) {
				findSecrets(p.Value, at+"/*", depth-1, out)
			}
		case "items", "additionalProperties":
			findSecrets(m.Value, at+"/*", depth-1, out)
		case "anyOf", "oneOf", "allOf":
			for part := range wire.Elements(m.Value) {
				findSecrets(part, at, depth-1, out)
			}
		}
	}
}

// pointerSegment is name in a pointer of package redact. What it cannot say there, such as an asterisk, any member is.
func pointerSegment(name string) string {
	if name == "" || strings.Contains(name, "*") {
		return "*"
	}
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}
