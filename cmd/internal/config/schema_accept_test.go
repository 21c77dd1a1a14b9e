// SPDX-License-Identifier: Apache-2.0

package config

import (
	"encoding/json"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
	"go.yaml.in/yaml/v4"
)

// TestSchemaAgreesWithDecoder changes every value of a complete file in a dozen ways and holds that the published schema and
// the decoder refuse the same results. Ranges of durations, and whether what looks like a time or an address is one, are what a
// schema cannot say.
func TestSchemaAgreesWithDecoder(t *testing.T) {
	var schema jsonschema.Schema
	if err := json.Unmarshal(Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	resolved, err := schema.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	var full any
	if err := yaml.Load([]byte(readArchive(t, filepath.Join("testdata", "full.txtar")).section("tollgate.yaml")), &full); err != nil {
		t.Fatal(err)
	}
	checked, refused := 0, 0
	compare := func(doc any) {
		checked++
		text, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		var value any
		if err := json.Unmarshal(text, &value); err != nil {
			t.Fatal(err)
		}
		invalid := resolved.Validate(value)
		strict, all := decoderRefuses(text)
		if invalid != nil {
			refused++
		}
		if invalid != nil && !all {
			t.Errorf("the schema refuses what the decoder accepts: %v\n%s", invalid, text)
		}
		if invalid == nil && strict {
			_, err := Parse("tollgate.yaml", text, &Options{Unresolved: true})
			t.Errorf("the decoder refuses what the schema accepts: %v\n%s", err, text)
		}
	}
	for _, part := range split(full.(map[string]any)) {
		mutate(part, compare)
	}
	if checked < 1000 || refused < checked/4 || refused == checked {
		t.Fatalf("%d documents, %d refused: the mutations have lost their point", checked, refused)
	}
}

// split makes a file of each top-level key, of each upstream and of each key and rule of the larger groups, so that the test does not
// read the same values over and over.
func split(full map[string]any) []map[string]any {
	var parts []map[string]any
	each := func(group any, wrap func(inner any) map[string]any) {
		for key, value := range sorted(group.(map[string]any)) {
			rules, isList := value.([]any)
			if !isList {
				parts = append(parts, wrap(map[string]any{key: value}))
			}
			for _, rule := range rules {
				parts = append(parts, wrap(map[string]any{key: []any{rule}}))
			}
		}
	}
	for key, value := range sorted(full) {
		whole := func(inner any) map[string]any { return map[string]any{key: inner} }
		switch key {
		case "upstreams", "bindings", "budgets":
			for _, u := range value.([]any) {
				parts = append(parts, whole([]any{u}))
			}
		case "policy", "auth", "audit", "alerts":
			each(value, whole)
		case "roles":
			for name, role := range sorted(value.(map[string]any)) {
				each(role, func(inner any) map[string]any { return whole(map[string]any{name: inner}) })
			}
		default:
			parts = append(parts, whole(value))
		}
	}
	return parts
}

// decoderRefuses reports whether the decoder finds anything that a schema could also say, and anything at all.
func decoderRefuses(text []byte) (strict, all bool) {
	d := &decoder{source: newSource("tollgate.yaml", text), nodes: map[string]*yaml.Node{}, failed: map[string]bool{}}
	c := &Config{}
	root := d.document(text)
	if root == nil {
		return false, true
	}
	d.object(root, "", reflect.ValueOf(c).Elem(), "")
	for i := range c.Upstreams {
		at := Path("upstreams", i)
		if !d.failed[at] && (d.nodes[at+".url"] == nil) == (d.nodes[at+".command"] == nil) {
			strict = true
		}
	}
	for _, found := range d.diagnostics {
		strict = strict || slices.Contains([]Code{CodeShape, CodeValue, CodeMissing, CodeConflict}, found.Code)
	}
	return strict, strict || len(d.diagnostics) > 0
}

// mutate calls f with the document after each single change. It leaves the document as it was.
func mutate(doc any, f func(doc any)) {
	f(doc)
	for _, v := range alternatives() {
		f(v)
	}
	var walk func(node any)
	change := func(set func(v any), old any) {
		for _, v := range alternatives() {
			set(v)
			f(doc)
		}
		set(old)
	}
	walk = func(node any) {
		switch node := node.(type) {
		case map[string]any:
			for _, key := range slices.Sorted(maps.Keys(node)) {
				old := node[key]
				change(func(v any) { node[key] = v }, old)
				delete(node, key)
				f(doc)
				node[key] = old
				walk(old)
			}
			for _, extra := range []string{"extra", "", "a b", "é", "x__y", "X-Y", "url", "command", "name", "tools"} {
				if _, taken := node[extra]; !taken {
					node[extra] = "x"
					f(doc)
					delete(node, extra)
				}
			}
		case []any:
			for i, old := range node {
				change(func(v any) { node[i] = v }, old)
				walk(old)
			}
		}
	}
	walk(doc)
}

func alternatives() []any {
	return []any{nil, true, 7, -1, 0, 65536, 1.5, "", "x", "a__b", "30s", "16MiB", "$5", "50%", "stdio", "http", "auto", "info", []any{}, []any{"a"}, []any{1}, map[string]any{}, map[string]any{"a": "b"}}
}
