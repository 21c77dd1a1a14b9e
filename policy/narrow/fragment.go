// SPDX-License-Identifier: Apache-2.0

package narrow

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"tollgate/upstream/wire"
)

// FragmentError is a mistake in a constraint's schema.
type FragmentError struct {
	Pointer string // JSON pointer into the fragment, "" for all of it
	Message string
	Hint    string // what to write instead, "" for none
}

func (e *FragmentError) Error() string {
	text := e.Message
	if e.Pointer != "" {
		text = "at " + clip(e.Pointer) + ": " + text
	}
	if e.Hint != "" {
		text += " (" + e.Hint + ")"
	}
	return text
}

// CheckFragment says why a schema cannot be a constraint on an argument, as a *[FragmentError], or nil. Beside what is no
// schema at all it refuses what would silently constrain nothing: unknown keywords, keywords for values of another type than
// the fragment's own, and formats alone. Keywords that draft-07 does not have are refused too, since many tools have schemas
// of that version, in which their clients would pass over them. References may only lead into the fragment.
//
// A schema whose keywords all look at values of one type means that type: {"maximum": 100} is {"type": "number", "maximum":
// 100}, {"pattern": ...} is about strings, {"items": ...} about arrays, {"properties": ...} about objects; so are the schemas
// of members and items in it. A schema with type, enum, const, allOf, anyOf, oneOf, not, if or $ref says itself what it is
// about, as in {"type": ["number", "null"], "maximum": 100}.
func CheckFragment(raw []byte) error {
	_, err := readFragment(raw)
	return err
}

// fragment is the constraint on one argument.
type fragment struct {
	raw   json.RawMessage
	judge *compiled
	rule  string // who says so
}

// fragmentBounds are those of security.md, with room for implied types.
func fragmentBounds() bounds { return bounds{2 * maxSchemaBytes, maxSchemaDepth, maxSubschemas} }

// newFragment compiles a fragment that is known to be good.
func newFragment(raw []byte) (*fragment, error) {
	judge, err := compile(raw, fragmentBounds())
	return &fragment{raw: raw, judge: judge}, err
}

func readFragment(raw []byte) (*fragment, error) {
	raw, _ = wire.Lookup(raw) // without white space around it
	switch {
	case len(raw) > maxSchemaBytes:
		return nil, &FragmentError{Message: fmt.Sprintf("it has %d bytes, at most %d are allowed", len(raw), maxSchemaBytes)}
	case wire.Kind(raw) != '{':
		return nil, &FragmentError{Message: "it must be an object with JSON Schema keywords", Hint: `such as {"enum": ["eu-west-1"]}`}
	}
	if err := wire.Check(raw); err != nil {
		return nil, &FragmentError{Message: err.Error()}
	}
	if err := checkKeywords(raw, nil, 0); err != nil {
		return nil, err
	}
	f, err := newFragment(implied(raw))
	if err != nil {
		mistake := &FragmentError{Message: err.Error()}
		if f, ok := errors.AsType[*fault](err); ok {
			mistake = &FragmentError{Pointer: f.pointer(), Message: f.err.Error()}
		}
		return nil, mistake
	}
	return f, f.consistent()
}

// checkKeywords looks at every schema in a fragment before anything is compiled.
func checkKeywords(raw []byte, path []string, depth int) error {
	if depth > maxSchemaDepth || wire.Kind(raw) != '{' {
		return nil // the compiler says so
	}
	if err := checkSchema(raw, depth == 0); err != nil {
		err.Pointer = (&fault{path: path}).pointer() + err.Pointer
		return err
	}
	for m := range wire.Members(raw) {
		at := append(slices.Clone(path), m.Name)
		switch p := placeOf(m.Name); {
		case p == named:
			for e := range wire.Members(m.Value) {
				if err := checkKeywords(e.Value, append(slices.Clone(at), e.Name), depth+1); err != nil {
					return err
				}
			}
		case p == listed:
			n := 0
			for e := range wire.Elements(m.Value) {
				if err := checkKeywords(e, append(slices.Clone(at), fmt.Sprint(n)), depth+1); err != nil {
					return err
				}
				n++
			}
		case p != nowhere:
			if err := checkKeywords(m.Value, at, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// consistent finds values that the fragment itself names and refuses.
func (f *fragment) consistent() error {
	v, err := decode(f.raw)
	if err != nil || !exact(v) {
		return &FragmentError{
			Message: "it holds a number that is too long",
			Hint:    "numbers may have up to 2000 digits and exponents up to a million",
		}
	}
	members, _ := v.(map[string]any)
	candidates, _ := members["enum"].([]any)
	for _, c := range candidates {
		r := f.judge.run(len(f.raw))
		if m := r.eval(f.judge.root, c, nil); m != nil {
			return &FragmentError{"/enum", fmt.Sprintf("%s is listed, but the rest of the schema does not allow it", shown(c)), ""}
		}
	}
	return f.allows("default", members)
}

// allows checks the value of an annotation.
func (f *fragment) allows(name string, members map[string]any) error {
	v, ok := members[name]
	if !ok {
		return nil
	}
	if m := f.judge.run(len(f.raw)).eval(f.judge.root, v, nil); m != nil {
		return &FragmentError{"/" + name, fmt.Sprintf("%s is not a value that the schema allows", shown(v)), ""}
	}
	return nil
}

func shown(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return "the value"
	}
	return literal(string(raw))
}

// exact reports whether all numbers in v can be compared without loss.
func exact(v any) bool {
	switch v := v.(type) {
	case json.Number:
		d := parseDecimal(string(v))
		return len(d.digits) <= maxDigits && d.exp >= -1_000_000 && d.exp <= 1_000_000
	case []any:
		return !slices.ContainsFunc(v, func(e any) bool { return !exact(e) })
	case map[string]any:
		for _, e := range v {
			if !exact(e) {
				return false
			}
		}
	}
	return true
}
