// SPDX-License-Identifier: Apache-2.0

package clientconfig

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/BurntSushi/toml"
	"github.com/tailscale/hujson"
	"go.yaml.in/yaml/v4"
)

// object is a JSON object, TOML table or YAML mapping in the order of the file. Values are nil, bool, json.Number, string,
// []any and *object.
type object struct {
	keys   []string
	values map[string]any
}

func newObject() *object { return &object{values: map[string]any{}} }

// set adds a member or replaces its value; nil and empty values are left out, which is what an entry for a client wants.
func (o *object) set(key string, value any) *object {
	switch v := value.(type) {
	case nil:
		return o
	case string:
		if v == "" {
			return o
		}
	case *object:
		if v == nil {
			return o
		}
	case []string:
		if v == nil {
			return o
		}
	}
	o.put(key, value)
	return o
}

func (o *object) put(key string, value any) {
	if _, ok := o.values[key]; !ok {
		o.keys = append(o.keys, key)
	}
	o.values[key] = value
}

// get returns a member's value, nil when it is absent. It may be called on nil.
func (o *object) get(key string) any {
	if o == nil {
		return nil
	}
	return o.values[key]
}

func (o *object) object(key string) *object { v, _ := o.get(key).(*object); return v }
func (o *object) list(key string) []any     { v, _ := o.get(key).([]any); return v }

// text returns a member as the text of a scalar.
func (o *object) text(key string) string { return scalarText(o.get(key)) }

func (o *object) isTrue(key string) bool { return o.get(key) == true }

func scalarText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return fmt.Sprint(v)
	default:
		return ""
	}
}

// MarshalJSON writes the members in order.
func (o *object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, key := range o.keys {
		if i > 0 {
			b.WriteByte(',')
		}
		for j, v := range []any{key, o.values[key]} {
			var part bytes.Buffer
			enc := json.NewEncoder(&part)
			enc.SetEscapeHTML(false)
			if err := enc.Encode(v); err != nil {
				return nil, err
			}
			b.Write(bytes.TrimRight(part.Bytes(), "\n"))
			if j == 0 {
				b.WriteByte(':')
			}
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// parseJSON reads JSON with comments and trailing commas.
func parseJSON(data []byte) (*object, error) {
	standard, err := hujson.Standardize(bytes.Clone(data))
	if err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	dec := json.NewDecoder(bytes.NewReader(standard))
	dec.UseNumber()
	value, err := readJSON(dec, 0)
	if err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one JSON value")
	}
	o, ok := value.(*object)
	if !ok {
		return nil, errors.New("not a JSON object")
	}
	return o, nil
}

// maxDepth bounds nesting; files of clients need about six levels.
const maxDepth = 64

func readJSON(dec *json.Decoder, depth int) (any, error) {
	token, err := dec.Token()
	if err != nil {
		return nil, err
	}
	if depth > maxDepth {
		return nil, fmt.Errorf("nested more than %d deep", maxDepth)
	}
	switch token {
	case json.Delim('{'):
		o := newObject()
		for dec.More() {
			name, err := dec.Token()
			if err != nil {
				return nil, err
			}
			key, _ := name.(string)
			if _, twice := o.values[key]; twice {
				return nil, fmt.Errorf("%q is there twice in one object", key)
			}
			value, err := readJSON(dec, depth+1)
			if err != nil {
				return nil, err
			}
			o.put(key, value)
		}
		_, err := dec.Token()
		return o, err
	case json.Delim('['):
		list := []any{}
		for dec.More() {
			value, err := readJSON(dec, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, value)
		}
		_, err := dec.Token()
		return list, err
	default:
		return token, nil
	}
}

// parseTOML reads TOML. Tables that are named in the file keep its order.
func parseTOML(data []byte) (*object, error) {
	var values map[string]any
	md, err := toml.Decode(string(data), &values)
	if err != nil {
		return nil, fmt.Errorf("not TOML: %w", err)
	}
	order := map[string]int{}
	for i, key := range md.Keys() {
		if _, seen := order[key.String()]; !seen {
			order[key.String()] = i
		}
	}
	return fromMap(values, nil, order), nil
}

func fromMap(values map[string]any, path toml.Key, order map[string]int) *object {
	o := newObject()
	keys := slices.Sorted(maps.Keys(values))
	slices.SortStableFunc(keys, func(a, b string) int {
		return order[append(path[:len(path):len(path)], a).String()] - order[append(path[:len(path):len(path)], b).String()]
	})
	for _, key := range keys {
		o.put(key, fromTOML(values[key], append(path[:len(path):len(path)], key), order))
	}
	return o
}

func fromTOML(v any, path toml.Key, order map[string]int) any {
	switch v := v.(type) {
	case map[string]any:
		return fromMap(v, path, order)
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = fromTOML(v[i], path, order)
		}
		return list
	case []map[string]any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = fromMap(v[i], path, order)
		}
		return list
	case bool, string:
		return v
	default:
		return json.Number(fmt.Sprint(v))
	}
}

// parseYAML reads one YAML document without aliases.
func parseYAML(data []byte) (*object, error) {
	var doc yaml.Node
	if err := yaml.Load(data, &doc); err != nil {
		return nil, fmt.Errorf("not YAML: %w", err)
	}
	if len(doc.Content) != 1 {
		return nil, errors.New("not a YAML mapping")
	}
	v, err := fromYAML(doc.Content[0], 0)
	if err != nil {
		return nil, err
	}
	o, ok := v.(*object)
	if !ok {
		return nil, errors.New("not a YAML mapping")
	}
	return o, nil
}

func fromYAML(n *yaml.Node, depth int) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("nested more than %d deep", maxDepth)
	}
	switch n.Kind {
	case yaml.MappingNode:
		o := newObject()
		for i := 0; i+1 < len(n.Content); i += 2 {
			v, err := fromYAML(n.Content[i+1], depth+1)
			if err != nil {
				return nil, err
			}
			o.put(n.Content[i].Value, v)
		}
		return o, nil
	case yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i, c := range n.Content {
			v, err := fromYAML(c, depth+1)
			if err != nil {
				return nil, err
			}
			list[i] = v
		}
		return list, nil
	case yaml.ScalarNode:
		switch n.ShortTag() {
		case "!!null":
			return nil, nil
		case "!!bool":
			return n.Value == "true" || n.Value == "True" || n.Value == "TRUE", nil
		case "!!int", "!!float":
			return json.Number(n.Value), nil
		default:
			return n.Value, nil
		}
	default:
		return nil, fmt.Errorf("line %d: aliases are not supported in a file of a client", n.Line)
	}
}
