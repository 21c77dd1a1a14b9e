// SPDX-License-Identifier: Apache-2.0

package codetools

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestUnwrap: what programs get of results.
func TestUnwrap(t *testing.T) {
	tests := []struct {
		name, result string
		declared     bool
		want         string
	}{
		{"structured", `{"content":[{"type":"text","text":"x"}],"structuredContent":{"a":[1]}}`, true, `{"a":[1]}`},
		{"structured list", `{"structuredContent":[1]}`, false, `[1]`},
		{"no structured content", `{"content":[{"type":"text","text":"x"}],"structuredContent":null}`, true, `"x"`},
		{"object in a text", `{"content":[{"type":"text","text":" {\"a\": 1}\n"}]}`, false, `{"a": 1}`},
		{"list in a text", `{"content":[{"type":"text","text":"[1, 2]"}]}`, false, `[1, 2]`},
		{"a declared text stays", `{"content":[{"type":"text","text":"[1, 2]"}]}`, true, `"[1, 2]"`},
		{"a number stays a text", `{"content":[{"type":"text","text":"17"}]}`, false, `"17"`},
		{"nearly JSON", `{"content":[{"type":"text","text":"{a: 1}"}]}`, false, `"{a: 1}"`},
		{"texts", `{"content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}`, false, `"a\nb"`},
		{"nothing", `{"content":[]}`, false, `""`},
		{"image", `{"content":[{"type":"image","mimeType":"image/png","data":"aGVsbG8="}]}`, false, `{"type":"image","mimeType":"image/png","bytes":5}`},
		{"text and image", `{"content":[{"type":"text","text":"see"},{"type":"image","mimeType":"image/png","data":"aGVs"}]}`, false, `["see",{"type":"image","mimeType":"image/png","bytes":3}]`},
		{"link", `{"content":[{"type":"resource_link","uri":"file:///a","name":"a"}]}`, false, `{"type":"resource_link","uri":"file:///a","name":"a"}`},
		{"embedded text", `{"content":[{"type":"resource","resource":{"uri":"file:///a","text":"hi"}}]}`, false, `{"type":"resource","resource":{"uri":"file:///a","text":"hi"}}`},
		{"embedded blob", `{"content":[{"type":"resource","resource":{"uri":"file:///a","mimeType":"x/y","blob":"aGVsbA=="}}]}`, false, `{"type":"resource","uri":"file:///a","mimeType":"x/y","bytes":4}`},
	}
	for _, tt := range tests {
		if got := string(unwrap([]byte(tt.result), tt.declared)); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

func FuzzUnwrap(f *testing.F) {
	f.Add(`{"content":[{"type":"text","text":"{}"}]}`, false)
	f.Add(`{"content":[{"type":"image","data":"="},{"type":"resource","resource":{}}]}`, true)
	f.Fuzz(func(t *testing.T, result string, declared bool) {
		if !json.Valid([]byte(result)) || !strings.HasPrefix(result, "{") {
			return
		}
		if got := unwrap([]byte(result), declared); !json.Valid(got) {
			t.Fatalf("%s gives %s", result, got)
		}
	})
}

func TestDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"abc", "abc", 0}, {"ABC", "abc", 0}, {"abc", "ab", 1}, {"abc", "acb", 1}, {"create_isue", "create_issue", 1}, {"kitten", "sitting", 3},
	} {
		if got := distance(tt.a, tt.b); got != tt.want {
			t.Errorf("distance(%q, %q) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
	if got := distance(strings.Repeat("İ", 100), strings.Repeat("x", 100)); got < maxCompared/2 {
		t.Errorf("of long names with letters that grow: %d", got)
	}
}
