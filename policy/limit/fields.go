// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"tollgate/policy"
	"tollgate/upstream/wire"
)

// The names of the document's types; spelled without the prefix in messages.
const (
	typePrefix    = "tollgate."
	typePrincipal = typePrefix + "principal"
	typeObject    = typePrefix + "object"
	typeSession   = typePrefix + "session"
	typeClient    = typePrefix + "client"
)

type fields map[string]*types.FieldType

// field reads one member of T. Nothing is converted that is not read.
func field[T any](typ *cel.Type, get func(*T) any, set func(*T) bool) *types.FieldType {
	return &types.FieldType{
		Type: typ,
		IsSet: func(target any) bool {
			v, ok := target.(*T)
			return ok && set(v)
		},
		GetFrom: func(target any) (any, error) {
			v, ok := target.(*T)
			if !ok {
				return nil, errors.New("not a part of the decision input document")
			}
			out := get(v)
			if err, failed := out.(error); failed {
				return nil, err
			}
			return out, nil
		},
	}
}

func text[T any](get func(*T) string) *types.FieldType {
	return field(cel.StringType, func(v *T) any { return types.String(get(v)) }, func(v *T) bool { return get(v) != "" })
}

func texts[T any](get func(*T) []string) *types.FieldType {
	return field(cel.ListType(cel.StringType),
		func(v *T) any { return types.NewStringList(types.DefaultTypeAdapter, get(v)) },
		func(v *T) bool { return len(get(v)) > 0 })
}

// person is the principal of one call. What takes work to read is read once.
type person struct {
	*policy.Principal
	lists [3]ref.Val
}

// sorted is a list as the document has it, so that no limit depends on the order
// in which a token lists its roles, or on how often.
func sorted(i int, get func(*policy.Principal) []string) *types.FieldType {
	return field(cel.ListType(cel.StringType), func(p *person) any {
		if p.lists[i] == nil {
			p.lists[i] = types.NewStringList(types.DefaultTypeAdapter, slices.Compact(slices.Sorted(slices.Values(get(p.Principal)))))
		}
		return p.lists[i]
	}, func(p *person) bool { return len(get(p.Principal)) > 0 })
}

// thing is the object of one call.
type thing struct {
	*policy.Object
	annotations any
}

func documentTypes() map[string]fields {
	return map[string]fields{
		typePrincipal: {
			"subject":     text(func(p *person) string { return p.Subject }),
			"roles":       sorted(0, func(p *policy.Principal) []string { return p.Roles }),
			"groups":      sorted(1, func(p *policy.Principal) []string { return p.Groups }),
			"scopes":      sorted(2, func(p *policy.Principal) []string { return p.Scopes }),
			"team":        text(func(p *person) string { return p.Team }),
			"org":         text(func(p *person) string { return p.Org }),
			"auth_method": text(func(p *person) string { return p.AuthMethod }),
			"key_id":      text(func(p *person) string { return p.KeyID }),
			"issuer":      text(func(p *person) string { return p.Issuer }),
			"actor":       text(func(p *person) string { return p.Actor }),
		},
		typeObject: {
			"id":              text(func(o *thing) string { return identity(o.Object) }),
			"kind":            text(func(o *thing) string { return o.Kind }),
			"name":            text(func(o *thing) string { return o.Name }),
			"uri":             text(func(o *thing) string { return o.URI }),
			"upstream":        text(func(o *thing) string { return o.Upstream }),
			"original_name":   text(func(o *thing) string { return o.OriginalName }),
			"definition_hash": text(func(o *thing) string { return o.DefinitionHash }),
			"tags":            texts(func(o *thing) []string { return o.Tags }),
			"annotations": field(cel.MapType(cel.StringType, cel.DynType), annotations,
				func(o *thing) bool { return len(o.Annotations) > 0 }),
		},
		typeSession: {
			"origin":         text(func(s *policy.Session) string { return s.Origin }),
			"transport":      text(func(s *policy.Session) string { return s.Transport }),
			"parent_call_id": text(func(s *policy.Session) string { return s.ParentCallID }),
			"depth": field(cel.IntType, func(s *policy.Session) any { return types.Int(s.Depth) },
				func(s *policy.Session) bool { return s.Depth != 0 }),
		},
		typeClient: {
			"name":    text(func(c *policy.Client) string { return c.Name }),
			"version": text(func(c *policy.Client) string { return c.Version }),
		},
	}
}

// identity is what patterns are matched against.
func identity(o *policy.Object) string {
	name := o.OriginalName
	if o.Kind == "resource" || o.Kind == "template" {
		name = o.URI
	}
	return o.Kind + ":" + o.Upstream + "/" + name
}

func annotations(o *thing) any {
	if o.annotations == nil {
		o.annotations = readAnnotations(o.Object)
	}
	return o.annotations
}

func readAnnotations(o *policy.Object) any {
	raw := bytes.TrimSpace(o.Annotations)
	switch {
	case len(raw) == 0 || wire.Kind(raw) == 'n':
		raw = []byte("{}")
	case wire.Kind(raw) != '{':
		return errors.New("annotations are not an object")
	case len(raw) > maxAnnotations:
		return errors.New("annotations are too large")
	}
	return value(raw, nil)
}

// provider tells CEL's checker and planner the types of the document.
type provider struct {
	*types.Registry
	types map[string]fields
}

func newProvider() *provider {
	r := types.NewEmptyRegistry()
	// The names of plain types, for type(x) == int. The error is for types that
	// are declared twice.
	_ = r.RegisterType(types.BoolType, types.BytesType, types.DoubleType, types.DurationType, types.IntType, types.ListType,
		types.MapType, types.NullType, types.StringType, types.TimestampType, types.TypeType, types.UintType)
	return &provider{r, documentTypes()}
}

// FindStructType implements types.Provider.
func (p *provider) FindStructType(name string) (*types.Type, bool) {
	if p.types[name] == nil {
		return p.Registry.FindStructType(name)
	}
	return types.NewTypeTypeWithParam(types.NewObjectType(name)), true
}

// FindStructFieldNames implements types.Provider.
func (p *provider) FindStructFieldNames(name string) ([]string, bool) {
	if p.types[name] == nil {
		return p.Registry.FindStructFieldNames(name)
	}
	return slices.Sorted(maps.Keys(p.types[name])), true
}

// FindStructFieldType implements types.Provider.
func (p *provider) FindStructFieldType(name, field string) (*types.FieldType, bool) {
	if p.types[name] == nil {
		return p.Registry.FindStructFieldType(name, field)
	}
	f, ok := p.types[name][field]
	return f, ok
}

// NewValue implements types.Provider: expressions make no parts of the document.
func (p *provider) NewValue(name string, values map[string]ref.Val) ref.Val {
	if p.types[name] == nil {
		return p.Registry.NewValue(name, values)
	}
	return types.NewErr("a limit cannot make a %s", strings.TrimPrefix(name, typePrefix))
}

// NativeToValue implements types.Adapter. A part of the document that is used as
// a whole becomes a map of all its members.
func (p *provider) NativeToValue(v any) ref.Val {
	switch v.(type) {
	case *person:
		return p.whole(typePrincipal, v)
	case *thing:
		return p.whole(typeObject, v)
	case *policy.Session:
		return p.whole(typeSession, v)
	case *policy.Client:
		return p.whole(typeClient, v)
	}
	return p.Registry.NativeToValue(v)
}

func (p *provider) whole(name string, v any) ref.Val {
	members := map[string]any{}
	for field, f := range p.types[name] {
		member, err := f.GetFrom(v)
		if err != nil {
			return types.WrapErr(err)
		}
		members[field] = member
	}
	return types.NewStringInterfaceMap(p, members)
}
