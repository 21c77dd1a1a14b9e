// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"tollgate/upstream"
	"tollgate/upstream/wire"
)

// offering is a source of tools with these names.
func offering(name string, prefixSet bool, tools ...string) Source {
	snap := &upstream.Snapshot{Upstream: name}
	for _, tool := range tools {
		raw := []byte(`{"name":` + string(wire.AppendString(nil, tool)) + `,"inputSchema":{"type":"object"}}`)
		snap.Tools = append(snap.Tools, upstream.Item{Name: tool, Raw: raw, Hash: wire.Digest(raw)})
	}
	return Source{Upstream: name, PrefixSet: prefixSet, Snapshot: snap}
}

// hiding is a view of s that hides the tools that have part in their name.
func hiding(s *Snapshot, part string) *View {
	var visible Visible
	entries := s.Entries(Tool)
	visible[Tool] = NewBits(len(entries))
	for i, e := range entries {
		if !strings.Contains(e.OriginalName, part) {
			visible[Tool].Set(i)
		}
	}
	return s.NewView(visible, nil)
}

// TestMeant: a name means the tool that is displayed so, or else all that may be called so; never one that is hidden.
func TestMeant(t *testing.T) {
	v := hiding(Build(nil, []Source{
		offering("a", false, "find", "only", "gone_secret", "a__find"), offering("b", false, "find", "gone"), offering("bare", true, "b/find", "only2", "find"),
	}), "secret")
	for _, c := range []struct{ upstream, name, want string }{
		{"", "a__find", "a/find"}, {"", "a/find", "a/find"}, {"", "only", "a/only"}, {"", "bare/only2", "bare/only2"},
		{"", "find", "bare/find"}, // displayed so
		{"", "b/find", "bare/b/find"},
		{"a", "find", "a/find"}, {"a", "a__find", "a/a__find a/find"}, {"b", "a__find", ""}, {"b", "b__gone", "b/gone"},
		{"", "gone_secret", ""}, {"", "a__gone_secret", ""}, {"a", "gone_secret", ""}, {"", "a/gone_secret", ""},
		{"", "", ""}, {"", "/", ""}, {"", "a/", ""}, {"nobody", "find", ""},
	} {
		var got []string
		for _, e := range v.Meant(Tool, c.upstream, c.name) {
			got = append(got, e.Upstream+"/"+e.OriginalName)
		}
		slices.Sort(got)
		if strings.Join(got, " ") != c.want {
			t.Errorf("%q of %q means %v, want %s", c.name, c.upstream, got, c.want)
		}
	}
	if two := hiding(Build(nil, []Source{offering("a", false, "find"), offering("b", false, "find")}), "x").Meant(Tool, "", "find"); len(two) != 2 {
		t.Errorf("ambiguous: %v", two)
	}
}

// TestSlice: the parts are the list, whatever their size, and a cursor of a page is good for a part.
func TestSlice(t *testing.T) {
	var names []string
	for i := range 23 {
		names = append(names, fmt.Sprintf("t%02d", i))
	}
	v := hiding(Build(nil, []Source{offering("up", false, names...)}), "t05")
	whole := slices.Collect(v.All(Tool))
	for _, limit := range []int{1, 4, 22, 23, 1000} {
		var got []*Entry
		for cursor := ""; ; {
			part, next, err := v.Slice(Tool, cursor, limit)
			if err != nil || len(part) > limit || len(part) == 0 {
				t.Fatalf("limit %d: %d entries, %v", limit, len(part), err)
			}
			if got = append(got, part...); next == "" {
				break
			}
			cursor = next
		}
		if !slices.Equal(got, whole) {
			t.Errorf("limit %d: %d of %d entries", limit, len(got), len(whole))
		}
	}
	if part, next, err := hiding(Build(nil, nil), "x").Slice(Tool, "", 5); len(part) != 0 || next != "" || err != nil {
		t.Errorf("nothing: %v %q %v", part, next, err)
	}
	if _, _, err := v.Slice(Tool, "x", 5); !errors.Is(err, ErrBadCursor) {
		t.Errorf("got %v", err)
	}
}

// BenchmarkMeant measures a name that is no displayed one among 10,000 tools.
func BenchmarkMeant(b *testing.B) {
	var sources []Source
	for i := range 100 {
		var names []string
		for j := range 100 {
			names = append(names, fmt.Sprintf("tool_number_%d", i*100+j))
		}
		sources = append(sources, offering(fmt.Sprintf("upstream%d", i), false, names...))
	}
	v := hiding(Build(nil, sources), "never")
	b.ReportAllocs()
	for b.Loop() {
		if len(v.Meant(Tool, "", "upstream50/tool_number_5050")) != 1 {
			b.Fatal("not found")
		}
	}
}
