// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"fmt"
	"strings"
	"testing"

	"tollgate/upstream"
)

// crowd is n upstreams that have 10 000 tools of some 560 bytes together.
func crowd(n int) []Source {
	out := make([]Source, n)
	for i := range out {
		snap := &upstream.Snapshot{Capabilities: []byte(`{"tools":{"listChanged":true}}`), Instructions: "Prefer search over list."}
		for j := range 10000 / n {
			name := fmt.Sprintf("do_something_%d", j)
			raw := fmt.Sprintf(`{"name":%q,"description":%q,"inputSchema":{"type":"object","properties":{"owner":{"type":"string","description":"Repository owner"},`+
				`"repo":{"type":"string","description":"Repository name"},"page":{"type":"integer","minimum":1}},"required":["owner","repo"]},`+
				`"annotations":{"readOnlyHint":true,"title":"Do something"}}`, name, strings.Repeat("Does something useful. ", 10))
			snap.Tools = append(snap.Tools, item(name, "", raw))
		}
		out[i] = Source{Upstream: fmt.Sprintf("upstream%04d", i), Snapshot: snap}
	}
	return out
}

// half shows every other entry.
func half(s *Snapshot) Visible {
	visible := s.Everything()
	for i := range s.Entries(Tool) {
		if i%2 == 1 {
			visible[Tool].Clear(i)
		}
	}
	return visible
}

// BenchmarkList10000Tools is tools/list on a warm view: the cost must not depend on the number of upstreams.
func BenchmarkList10000Tools(b *testing.B) {
	for _, upstreams := range []int{20, 200, 2000} {
		snap := Build(nil, crowd(upstreams))
		for _, page := range []int{200, 1000, 10000} {
			b.Run(fmt.Sprintf("upstreams=%d/page=%d/warm", upstreams, page), func(b *testing.B) {
				v := snap.NewView(half(snap), &ViewOptions{PageSize: page})
				b.ReportAllocs()
				for b.Loop() {
					if body, err := v.Page(Tool, "", true); err != nil || len(body) == 0 {
						b.Fatal(err)
					}
				}
			})
		}
		b.Run(fmt.Sprintf("upstreams=%d/page=10000/cold", upstreams), func(b *testing.B) {
			b.ReportAllocs()
			visible := half(snap)
			for b.Loop() {
				body, err := snap.NewView(visible, &ViewOptions{PageSize: 10000}).Page(Tool, "", true)
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(int64(len(body)))
			}
		})
	}
}

// BenchmarkWalk10000Tools is one client paging through everything it sees, on a warm view.
func BenchmarkWalk10000Tools(b *testing.B) {
	snap := Build(nil, crowd(200))
	v := snap.NewView(half(snap), &ViewOptions{PageSize: 1000})
	entries := v.Count(Tool)
	cursors := []string{""}
	list := v.list(Tool)
	for i := 1000; i < entries; i += 1000 {
		cursors = append(cursors, encodeCursor(snap.Entries(Tool)[list.at[i-1]].Key()))
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, c := range cursors {
			if _, err := v.Page(Tool, c, true); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkNewView(b *testing.B) {
	snap := Build(nil, crowd(200))
	set, err := NewToolset("some", []string{"*search*", "prompt:*", "upstream0001__*", "*_something_1*", "upstream:upstream0150"})
	if err != nil {
		b.Fatal(err)
	}
	visible := half(snap)
	for name, o := range map[string]*ViewOptions{"all": nil, "toolset": {Toolset: set}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				snap.NewView(visible, o)
			}
		})
	}
	b.Run("hash", func(b *testing.B) {
		for b.Loop() {
			snap.NewView(visible, nil).Hash(Tool)
		}
	})
}

func BenchmarkBuild10000(b *testing.B) {
	sources := crowd(200)
	b.Run("first", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			Build(nil, sources)
		}
	})
	b.Run("one upstream changed", func(b *testing.B) {
		prev := Build(nil, sources)
		changed := append([]Source(nil), sources...)
		changed[7] = tools(changed[7].Upstream, "new")
		b.ReportAllocs()
		for b.Loop() {
			Build(prev, changed)
		}
	})
}

func BenchmarkLookup(b *testing.B) {
	snap := Build(nil, crowd(200))
	v := everything(snap, nil)
	names := keys(snap, Tool)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, ok := v.Tool(names[i%len(names)]); !ok {
			b.Fatal("not found")
		}
	}
}
