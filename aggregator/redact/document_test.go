// SPDX-License-Identifier: Apache-2.0

package redact_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tollgate/aggregator/redact"
	"tollgate/policy"
	"tollgate/upstream/wire"
)

// TestDocument: what pointers name in a document is replaced, and it is told where each value was.
func TestDocument(t *testing.T) {
	for _, c := range []struct {
		pointers       []string
		document, want string
		taken          []string
	}{
		{[]string{"/password"}, `{"user":"ada","password":"hunter2"}`, `{"user":"ada","password":"[redacted]"}`, []string{"/password"}},
		{[]string{"/a/*/k"}, ` { "a" : [ {"k":1} , {"k":{"x":2}} , {"z":3} ] } `, ` { "a" : [ {"k":"[redacted]"} , {"k":"[redacted]"} , {"z":3} ] } `, []string{"/a/0/k", "/a/1/k"}},
		{[]string{"/**/t"}, `{"a/b":{"~":{"t":"x"}}}`, `{"a/b":{"~":{"t":"[redacted]"}}}`, []string{"/a~1b/~0/t"}},
		{[]string{"/**/t"}, `{"body":"{\"t\":\"x\",\"n\":1}"}`, `{"body":"{\"t\":\"[redacted]\",\"n\":1}"}`, []string{"/body"}},
		{[]string{"/t"}, `{"u":1}`, `{"u":1}`, nil},
		{[]string{""}, `{"u":1}`, `"[redacted]"`, []string{""}},
	} {
		rule, err := redact.Compile(&policy.Obligations{Redact: c.pointers})
		if err != nil {
			t.Fatal(err)
		}
		got, taken, ok := rule.Document([]byte(c.document))
		if !ok || string(got) != c.want {
			t.Errorf("%v of %s: %s, %v; want %s", c.pointers, c.document, got, ok, c.want)
		}
		if diff := cmp.Diff(c.taken, taken); diff != "" {
			t.Errorf("%v of %s (-want +got):\n%s", c.pointers, c.document, diff)
		}
	}
	rule, _ := redact.Compile(&policy.Obligations{Redact: []string{"/t"}})
	if got, _, ok := rule.Document([]byte(`{"t":`)); ok || got != nil {
		t.Errorf("a text that is no document: %s", got)
	}
}

// TestDocumentTellsAll: whatever a document looks like, a secret at a pointer is gone, and the places that are told are
// those that differ.
func TestDocumentTellsAll(t *testing.T) {
	rule, err := redact.Compile(&policy.Obligations{Redact: []string{"/**/secret", "/list/*/x"}})
	if err != nil {
		t.Fatal(err)
	}
	name := rapid.SampledFrom([]string{"secret", "list", "x", "a", "b/c", "~"})
	var value func(depth int) *rapid.Generator[string]
	value = func(depth int) *rapid.Generator[string] {
		return rapid.Custom(func(t *rapid.T) string {
			kind := 0
			if depth > 0 {
				kind = rapid.IntRange(0, 2).Draw(t, "kind")
			}
			switch kind {
			case 1:
				return "[" + strings.Join(rapid.SliceOfN(value(depth-1), 0, 3).Draw(t, "elements"), " , ") + "]"
			case 2:
				var members []string
				for _, n := range rapid.SliceOfNDistinct(name, 0, 3, rapid.ID).Draw(t, "names") {
					members = append(members, string(wire.AppendString(nil, n))+" : "+value(depth-1).Draw(t, "member"))
				}
				return "{" + strings.Join(members, ",") + "}"
			}
			return rapid.SampledFrom([]string{`1`, `"text"`, `null`, `true`, `""`}).Draw(t, "plain")
		})
	}
	rapid.Check(t, func(rt *rapid.T) {
		document := `{"top":` + value(4).Draw(rt, "document") + `,"secret":"canary"}`
		got, taken, ok := rule.Document([]byte(document))
		if !ok || strings.Contains(string(got), "canary") || len(taken) == 0 {
			rt.Fatalf("%s: %s, %v", document, got, taken)
		}
		if n := strings.Count(string(got), redact.Redacted); n != len(taken) {
			rt.Errorf("%s: %d values are replaced, %d are told: %v", got, n, len(taken), taken)
		}
		if err := wire.Check(got); err != nil {
			rt.Errorf("%s: %v", got, err)
		}
	})
}
