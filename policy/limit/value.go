// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"errors"
	"fmt"
	"reflect"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"tollgate/upstream/wire"
)

var errNotJSON = errors.New("a value is not JSON")

// value converts a JSON value. Objects are converted only as far as they are
// asked, arrays element by element when they are reached.
func value(raw []byte, s schema) ref.Val {
	switch wire.Kind(raw) {
	case '{':
		return &object{raw: raw, schema: s}
	case '[':
		return list(raw, s)
	case '"':
		text, ok := wire.String(raw)
		if !ok {
			return types.WrapErr(errNotJSON)
		}
		return types.String(text)
	case 't':
		return types.True
	case 'f':
		return types.False
	case 'n':
		return types.NullValue
	case '0':
		return number(raw, s.numeric())
	}
	return types.WrapErr(errNotJSON)
}

func list(raw []byte, s schema) ref.Val {
	elements, items := []ref.Val{}, s.items()
	for e := range wire.Elements(raw) {
		v := value(e, items)
		if types.IsError(v) {
			return v
		}
		elements = append(elements, v)
	}
	return array{types.NewRefValList(types.DefaultTypeAdapter, elements), len(raw)}
}

// array is a list that knows how long its text was, which bounds what comparing
// it costs.
type array struct {
	traits.Lister
	bytes int
}

// object is a JSON object as a CEL map. A member is searched in the text when
// an expression asks for it, then kept. It serves one goroutine at a time.
type object struct {
	raw      []byte // passed a check of package wire
	schema   schema
	found    []member
	searches int           // of the text
	all      traits.Mapper // of every member; nil until something asks for it
	sound    bool          // there is no error in it
}

// maxSearches is after how many searches of its text an object is converted, so
// that a loop over names does not read the text for each.
const maxSearches = 16

type member struct {
	name  string
	value ref.Val
}

// Find answers an error value for a member that cannot be converted.
func (o *object) Find(key ref.Val) (ref.Val, bool) {
	name, ok := key.(types.String)
	if !ok {
		return nil, false
	}
	for i := range o.found {
		if o.found[i].name == string(name) {
			return o.found[i].value, true
		}
	}
	if o.often() {
		return o.whole().Find(key)
	}
	raw, ok := wire.Lookup(o.raw, string(name))
	if !ok {
		return nil, false
	}
	v := value(raw, o.schema.member(string(name)))
	o.found = append(o.found, member{string(name), v})
	return v, true
}

// often counts the searches and reports whether there were too many.
func (o *object) often() bool {
	o.searches++
	return o.all != nil || o.searches > maxSearches
}

// fault is the first error in the object at any depth, nil when there is none.
func (o *object) fault() ref.Val {
	if o.sound {
		return nil
	}
	for it := o.Iterator(); it.HasNext() == types.True; {
		v, _ := o.whole().Find(it.Next())
		if err := fault(v); err != nil {
			return err
		}
	}
	o.sound = true
	return nil
}

// whole converts every member.
func (o *object) whole() traits.Mapper {
	if o.all == nil {
		members := map[ref.Val]ref.Val{}
		for m := range wire.Members(o.raw) {
			members[types.String(m.Name)] = value(m.Value, o.schema.member(m.Name))
		}
		o.all = types.NewRefValMap(types.DefaultTypeAdapter, members)
	}
	return o.all
}

// Get is one member, or an error.
func (o *object) Get(key ref.Val) ref.Val {
	v, ok := o.Find(key)
	if !ok {
		return types.NewErr("no such key: %v", key)
	}
	return v
}

// Contains tells whether there is a member of a name.
func (o *object) Contains(key ref.Val) ref.Val {
	name, ok := key.(types.String)
	if !ok {
		return types.False
	}
	if o.often() {
		return o.whole().Contains(key)
	}
	_, ok = wire.Lookup(o.raw, string(name))
	return types.Bool(ok)
}

// Size is the number of members.
func (o *object) Size() ref.Val { return o.whole().Size() }

// Iterator goes over the names.
func (o *object) Iterator() traits.Iterator { return o.whole().Iterator() }

// Equal compares with another map, member by member.
func (o *object) Equal(other ref.Val) ref.Val { return o.whole().Equal(other) }

// Type is CEL's map.
func (o *object) Type() ref.Type { return types.MapType }

// Value is the object itself: nothing outside of this package reads it.
func (o *object) Value() any { return o }

// ConvertToType converts to nothing but a map.
func (o *object) ConvertToType(t ref.Type) ref.Val {
	switch t {
	case types.MapType:
		return o
	case types.TypeType:
		return types.MapType
	}
	return types.NewErr("type conversion error from '%s' to '%s'", types.MapType, t)
}

// ConvertToNative is not needed: results are plain values.
func (o *object) ConvertToNative(t reflect.Type) (any, error) {
	return nil, fmt.Errorf("type conversion error from map to %q", t)
}
