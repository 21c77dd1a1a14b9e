// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
)

// typeArguments is the type of args when a schema is known. Types of objects
// inside of it are named by the way to them, such as tollgate.args.filter.
const typeArguments = typePrefix + "args"

// schemaTypes tells CEL's checker the types in one schema at a time. It is for
// checking only: programs are planned without it.
type schemaTypes struct {
	*provider
	objects map[string]schema // type name -> schema of an object
}

func (t *schemaTypes) reset(s schema) {
	t.objects = map[string]schema{typeArguments: s}
}

// FindStructType implements types.Provider.
func (t *schemaTypes) FindStructType(name string) (*types.Type, bool) {
	if t.known(name) {
		return types.NewTypeTypeWithParam(types.NewObjectType(name)), true
	}
	return t.provider.FindStructType(name)
}

// FindStructFieldNames implements types.Provider.
func (t *schemaTypes) FindStructFieldNames(name string) ([]string, bool) {
	if t.known(name) {
		return t.objects[name].properties(), true
	}
	return t.provider.FindStructFieldNames(name)
}

// FindStructFieldType implements types.Provider. Names that a tool does not have
// are of any type: [Set.CheckTools] looks at names itself.
func (t *schemaTypes) FindStructFieldType(name, field string) (*types.FieldType, bool) {
	if !t.known(name) {
		return t.provider.FindStructFieldType(name, field)
	}
	s := t.objects[name]
	if !s.has(field) && s.closed() && name != typeArguments {
		return nil, false
	}
	return &types.FieldType{Type: t.typeOf(name+"."+field, s.member(field))}, true
}

func (t *schemaTypes) known(name string) bool {
	_, ok := t.objects[name]
	return ok
}

// typeOf is the CEL type of what a schema describes, dyn unless it is plain.
func (t *schemaTypes) typeOf(name string, s schema) *cel.Type {
	switch s.kind() {
	case "string":
		return cel.StringType
	case "integer":
		return cel.IntType
	case "number":
		return cel.DoubleType
	case "boolean":
		return cel.BoolType
	case "array":
		return cel.ListType(t.typeOf(name+".items", s.items()))
	case "object":
		if len(s.properties()) > 0 && strings.Count(name, ".") < maxSchemaDepth {
			t.objects[name] = s
			return cel.ObjectType(name)
		}
	}
	return cel.DynType
}
