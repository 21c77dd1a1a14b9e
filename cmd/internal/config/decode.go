// SPDX-License-Identifier: Apache-2.0

package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// decoder fills a Config from nodes, guided by the types and tags of config.go. It keeps going after a mistake; what could
// not be decoded stays zero.
type decoder struct {
	*source
	dir      string                // of the file; relative paths start here
	nodes    map[string]*yaml.Node // by dotted path, as they stand in the file
	failed   map[string]bool       // paths whose value was refused; checks leave them alone
	resolver *resolver             // nil = references are only checked for their form
	schemas  int                   // bytes of JSON Schema so far, see fragment
}

// problem records a mistake at the value of path.
func (d *decoder) problem(n *yaml.Node, path string, code Code, message, hint string) {
	d.failed[path] = true
	d.at(n, path, code, message, hint)
}

// value decodes n into v. tag is that of the field, or of the list or map that holds the value.
func (d *decoder) value(n *yaml.Node, path string, v reflect.Value, tag reflect.StructTag) {
	if _, ok := d.nodes[path]; !ok {
		d.nodes[path] = n
	}
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if holdsSecret(v.Type()) {
		d.hide(n)
	}
	switch target := v.Addr().Interface().(type) {
	case *Secret, *string, *bool, *int, *Size, *time.Duration, *Expr, *time.Time, *netip.Prefix, *Money, *Share:
		d.scalar(n, path, v, tag)
		return
	case *json.RawMessage:
		d.fragment(n, path, target)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		p := reflect.New(v.Type().Elem())
		d.value(n, path, p.Elem(), tag)
		v.Set(p)
	case reflect.Struct:
		d.object(n, path, v, tag)
	case reflect.Slice:
		d.list(n, path, v, tag)
	case reflect.Map:
		d.mapping(n, path, v, tag)
	default:
		panic("config: no decoder for " + v.Type().String())
	}
}

func holdsSecret(t reflect.Type) bool {
	if t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	return t == reflect.TypeFor[Secret]()
}

func (d *decoder) list(n *yaml.Node, path string, v reflect.Value, tag reflect.StructTag) {
	if tag.Get("scalar") != "" && n.Kind == yaml.ScalarNode && isText(n) {
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		d.value(n, joinIndex(path, 0), v.Index(0), tag)
		return
	}
	if n.Kind != yaml.SequenceNode {
		hint := `write it as a list: "- value" on lines of their own, or [a, b]`
		if n.Kind == yaml.ScalarNode && n.ShortTag() != "!!null" && v.Type().Elem().Kind() != reflect.Struct {
			hint = "write it as a list: [...]"
		}
		d.wrongType(n, path, "a list", hint)
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, c := range n.Content {
		d.value(c, joinIndex(path, i), v.Index(i), tag)
	}
	d.enough(n, path, v, tag)
}

// enough reports a list or map with fewer entries than its tag asks for.
func (d *decoder) enough(n *yaml.Node, path string, v reflect.Value, tag reflect.StructTag) {
	if v.Len() < countTag(tag, "items") {
		hint := tag.Get("required")
		if hint == "" {
			hint = "remove the key or give it a value"
		}
		d.problem(n, path, CodeValue, "must not be empty", hint)
	}
}

func (d *decoder) mapping(n *yaml.Node, path string, v reflect.Value, tag reflect.StructTag) {
	if n.Kind != yaml.MappingNode {
		d.wrongType(n, path, "a map of names to values", "")
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	for key, value := range pairs(n) {
		name, ok := keyName(key)
		if !ok {
			continue // reported by checkNode
		}
		path := joinKey(path, name)
		if pattern := tag.Get("keys"); !matches(pattern, name) {
			d.failed[path] = true
			d.at(key, path, CodeValue, fmt.Sprintf("%q is not a valid name here", name), keyHint(pattern))
		}
		elem := reflect.New(v.Type().Elem()).Elem()
		d.value(value, path, elem, "")
		v.SetMapIndex(reflect.ValueOf(name), elem)
	}
	d.enough(n, path, v, tag)
}

func keyHint(pattern string) string {
	switch {
	case strings.Contains(pattern, "{0,63}"):
		return `use letters, digits, "-" and "_", starting with a letter, at most 64 characters`
	case strings.HasPrefix(pattern, "^.{1,"):
		return "write the name of an argument"
	case strings.Contains(pattern, "!#$"):
		return `the name of an HTTP header has letters, digits and "-"`
	default:
		return `the name of a variable has letters, digits and "_"`
	}
}

func (d *decoder) object(n *yaml.Node, path string, v reflect.Value, tag reflect.StructTag) {
	if n.Kind != yaml.MappingNode {
		d.wrongType(n, path, "keys and values", keysHint(n, v.Type(), tag))
		d.defaults(path, v)
		return
	}
	fields := map[string]reflect.StructField{}
	for _, field := range reflect.VisibleFields(v.Type()) {
		if name := field.Tag.Get("yaml"); name != "" {
			fields[name] = field
		}
	}
	present, meant := map[string]bool{}, map[string]bool{} // meant: by a wrong key
	for key, value := range pairs(n) {
		name, ok := keyName(key)
		if !ok || present[name] {
			continue // reported by checkNode
		}
		field, ok := fields[name]
		if !ok {
			d.hide(value)
			meant[meaning(name, fields)] = true
			d.at(key, path, CodeShape, fmt.Sprintf("unknown key %q", name), unknownKeyHint(name, fields))
			continue
		}
		present[name] = true
		d.value(value, joinKey(path, name), v.FieldByIndex(field.Index), field.Tag)
	}
	for name := range meant {
		if name != "" && !present[name] {
			d.failed[joinKey(path, name)] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if hint := fields[name].Tag.Get("required"); hint != "" && !present[name] && !meant[name] {
			d.failed[joinKey(path, name)] = true
			d.at(n, path, CodeMissing, fmt.Sprintf("%q is missing", name), hint)
		}
	}
	for _, field := range reflect.VisibleFields(v.Type()) {
		d.choice(n, path, field.Tag, present, meant)
	}
	d.defaults(path, v)
}

// keysHint is the hint for something else where keys and values belong.
func keysHint(n *yaml.Node, t reflect.Type, tag reflect.StructTag) string {
	example := tag.Get("example")
	switch {
	case example != "":
		return "write it like " + example
	case n.Kind == yaml.SequenceNode:
		return tag.Get("list")
	}
	var names []string
	for _, field := range reflect.VisibleFields(t) {
		if name := field.Tag.Get("yaml"); name != "" {
			names = append(names, name)
		}
	}
	if len(names) > 10 {
		names = append(names[:10:10], "...")
	}
	return "its keys are " + strings.Join(names, ", ")
}

// choice reports keys of which none is set, or more than may be. The tag is that of a blank field.
func (d *decoder) choice(n *yaml.Node, path string, tag reflect.StructTag, present, meant map[string]bool) {
	one, hint := tag.Get("one"), tag.Get("hint")
	if one == "" && tag.Get("any") == "" {
		return
	}
	names := strings.Split(one+tag.Get("any"), ",")
	set := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !present[name] })
	switch {
	case len(set) == 0 && !slices.ContainsFunc(names, func(name string) bool { return meant[name] }):
		d.failed[path] = true
		d.at(n, path, CodeMissing, "needs "+oneOf(names), hint)
	case len(set) > 1 && one != "":
		path := joinKey(path, set[1])
		d.problem(d.nodes[path], path, CodeConflict, fmt.Sprintf("%q is set too", set[0]), "keep one of them: "+hint)
	}
}

func unknownKeyHint(name string, fields map[string]reflect.StructField) string {
	switch known := meaning(name, fields); {
	case known == "":
		return didYouMean(name, slices.Collect(maps.Keys(fields)), "key here")
	case name == "mcpServers":
		return "tollgate import reads this form; here it is a list under \"upstreams\""
	case name == "budgets" && known == "limits":
		return "budgets stand at the top of the file; a limit gives a call its cost"
	default:
		return fmt.Sprintf("use %q", known)
	}
}

// meaning is the key that people mean by a wrong one, "" when that is not known.
func meaning(name string, fields map[string]reflect.StructField) string {
	for _, known := range slices.Sorted(maps.Keys(fields)) {
		if slices.Contains(strings.Split(fields[known].Tag.Get("aka"), ","), name) {
			return known
		}
	}
	return ""
}

// defaults fills the fields that the file leaves out. Structs are filled too, so that a default holds whether or not the
// file mentions the group.
func (d *decoder) defaults(path string, v reflect.Value) {
	for _, field := range reflect.VisibleFields(v.Type()) {
		name, text := field.Tag.Get("yaml"), field.Tag.Get("default")
		if name == "" {
			continue
		}
		target := v.FieldByIndex(field.Index)
		path := joinKey(path, name)
		if _, present := d.nodes[path]; present {
			continue
		}
		switch target.Interface().(type) {
		case string, int, Size, time.Duration:
			if text != "" {
				setScalar(target, text)
			}
		default:
			if target.Kind() == reflect.Struct && target.Type() != reflect.TypeFor[Secret]() {
				d.defaults(path, target)
			}
		}
	}
}

// pairs iterates over the keys and values of a mapping.
func pairs(n *yaml.Node) func(yield func(key, value *yaml.Node) bool) {
	return func(yield func(key, value *yaml.Node) bool) {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if !yield(n.Content[i], n.Content[i+1]) {
				return
			}
		}
	}
}

func (d *decoder) wrongType(n *yaml.Node, path, want, hint string) {
	if n.Kind != yaml.ScalarNode {
		d.hide(n)
	}
	found := describe(n)
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" {
		d.problem(n, path, CodeShape, "has no value", "remove the key or give it a value")
		return
	}
	d.problem(n, path, CodeShape, fmt.Sprintf("expected %s, found %s", want, found), hint)
}

func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.SequenceNode:
		return "a list"
	case yaml.MappingNode:
		return "a map"
	}
	switch n.ShortTag() {
	case "!!int", "!!float":
		return "a number"
	case "!!bool":
		return "true or false"
	default:
		return "a string"
	}
}

// resolvePath makes a file name of the configuration absolute to the file's directory.
func (d *decoder) resolvePath(n *yaml.Node, path, name string) string {
	switch {
	case name == "" || filepath.IsAbs(name):
		return name
	case name == "~" || strings.HasPrefix(name, "~/") || strings.HasPrefix(name, `~\`):
		d.problem(n, path, CodeReference, `"~" is not expanded`, "write the full path, or one relative to this file")
		return name
	}
	joined := filepath.Join(d.dir, filepath.FromSlash(name))
	if !strings.ContainsRune(joined, filepath.Separator) {
		// Join takes "./" away, and a bare name would be looked for in PATH.
		joined = "." + string(filepath.Separator) + joined
	}
	return joined
}

func quoteIt(n *yaml.Node) string { return "put it in quotes: " + strconv.Quote(n.Value) }
