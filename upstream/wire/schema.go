// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The bounds of a tool's input schema. They keep what an upstream may make others parse, validate and hold in memory small.
const (
	maxSchemaBytes = 256 << 10
	maxSchemaDepth = 32 // subschemas inside of each other
	maxSubschemas  = 2000
)

// ValidateToolSchema says why a tool with this input schema cannot be offered, or nil: the root must be an object schema
// with "type": "object", within the bounds above, without repeated names, with valid x-mcp-header annotations. References
// are never followed.
func ValidateToolSchema(inputSchema []byte) error {
	if len(inputSchema) > maxSchemaBytes {
		return fmt.Errorf("inputSchema has %d bytes, at most %d are allowed", len(inputSchema), maxSchemaBytes)
	}
	if Kind(inputSchema) != '{' {
		return errors.New("inputSchema must be an object")
	}
	if err := CheckUnique(inputSchema); err != nil {
		return fmt.Errorf("inputSchema: %w", err)
	}
	raw, _ := Lookup(inputSchema, "type")
	if kind, ok := String(raw); !ok || kind != "object" {
		return errors.New(`inputSchema.type must be "object"`)
	}
	_, err := ParamHeaders(inputSchema)
	return err
}

// ParamHeaders collects the x-mcp-header annotations of a tool's input schema in the order of the text. An error means that
// the tool must not be offered (2026-07-28 §Custom Headers from Tool Parameters): an annotation is on something other than a
// string, integer or boolean, cannot be reached from the root through properties alone, is no header name, or is there
// twice; or the schema is larger than [ValidateToolSchema] allows. inputSchema must have passed a check.
func ParamHeaders(inputSchema []byte) ([]ParamHeader, error) {
	var w schemaWalk
	if err := w.schema(inputSchema, nil, true, 0); err != nil {
		return nil, fmt.Errorf("inputSchema: %w", err)
	}
	return w.headers, nil
}

// schemaWalk visits every subschema of a schema, and only these: values under enum, const, default, examples or unknown
// keywords are no schemas, and a property may be called x-mcp-header.
type schemaWalk struct {
	headers []ParamHeader
	count   int
}

// schema visits one schema. direct tells that path leads there through properties alone.
func (w *schemaWalk) schema(s []byte, path []string, direct bool, depth int) error {
	if depth > maxSchemaDepth {
		return fmt.Errorf("more than %d subschemas inside of each other", maxSchemaDepth)
	}
	if w.count++; w.count > maxSubschemas {
		return fmt.Errorf("more than %d subschemas", maxSubschemas)
	}
	var annotation, kind []byte
	for m := range Members(s) {
		var err error
		switch m.Name {
		case "x-mcp-header":
			annotation = m.Value
		case "type":
			kind = m.Value
		case "properties":
			err = w.named(m.Value, path, direct, depth+1)
		case "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies":
			err = w.named(m.Value, path, false, depth+1)
		case "items", "prefixItems", "additionalItems", "unevaluatedItems", "contains", "additionalProperties",
			"unevaluatedProperties", "propertyNames", "allOf", "anyOf", "oneOf", "not", "if", "then", "else", "contentSchema":
			err = w.unnamed(m.Value, path, depth+1)
		}
		if err != nil {
			return err
		}
	}
	if annotation == nil {
		return nil
	}
	if err := w.annotate(annotation, kind, path, direct); err != nil {
		return fmt.Errorf("property %q: %w", shorten(strings.Join(path, ".")), err)
	}
	return nil
}

// named visits the values of an object of schemas.
func (w *schemaWalk) named(schemas []byte, path []string, direct bool, depth int) error {
	for m := range Members(schemas) {
		if err := w.schema(m.Value, append(path, m.Name), direct, depth); err != nil {
			return err
		}
	}
	return nil
}

// unnamed visits a schema or an array of schemas.
func (w *schemaWalk) unnamed(schemas []byte, path []string, depth int) error {
	if Kind(schemas) != '[' {
		return w.schema(schemas, path, false, depth)
	}
	for s := range Elements(schemas) {
		if err := w.schema(s, path, false, depth); err != nil {
			return err
		}
	}
	return nil
}

func (w *schemaWalk) annotate(annotation, kind []byte, path []string, direct bool) error {
	header, ok := String(annotation)
	if !ok {
		return errors.New("x-mcp-header must be a string")
	}
	if err := checkToken(header); err != nil {
		return err
	}
	if !direct {
		return fmt.Errorf("x-mcp-header %q cannot be reached from the root through properties alone", header)
	}
	p := ParamHeader{Header: header, Path: slices.Clone(path)}
	switch p.Type, _ = String(kind); p.Type {
	case "string", "integer", "boolean":
	default:
		return fmt.Errorf("x-mcp-header %q needs a property of type string, integer or boolean", header)
	}
	if slices.ContainsFunc(w.headers, func(o ParamHeader) bool { return strings.EqualFold(o.Header, header) }) {
		return fmt.Errorf("x-mcp-header %q is used more than once", header)
	}
	w.headers = append(w.headers, p)
	return nil
}
