// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"encoding/json"
	"fmt"
	"testing"

	"tollgate/upstream"
	"tollgate/upstream/wire"
)

// offer is what a test upstream has, as names or URIs.
type offer struct {
	tools, prompts, resources, templates []string
	instructions, capabilities           string
}

func (o offer) source(name string) Source {
	snap := &upstream.Snapshot{Upstream: name, Instructions: o.instructions}
	if o.capabilities != "" {
		snap.Capabilities = []byte(o.capabilities)
	}
	for _, n := range o.tools {
		snap.Tools = append(snap.Tools, tool(n))
	}
	for _, n := range o.prompts {
		snap.Prompts = append(snap.Prompts, item(n, "", fmt.Sprintf(`{"name":%s}`, quote(n))))
	}
	for _, u := range o.resources {
		snap.Resources = append(snap.Resources, item("label", u, fmt.Sprintf(`{"uri":%s,"name":"label"}`, quote(u))))
	}
	for _, u := range o.templates {
		snap.Templates = append(snap.Templates, item("label", u, fmt.Sprintf(`{"uriTemplate":%s,"name":"label"}`, quote(u))))
	}
	return Source{Upstream: name, Snapshot: snap}
}

func tools(name string, names ...string) Source { return offer{tools: names}.source(name) }

// bare is s without a prefix.
func bare(s Source) Source {
	s.PrefixSet = true
	return s
}

func tool(name string) upstream.Item {
	return item(name, "", fmt.Sprintf(`{"name":%s,"inputSchema":{"type":"object"}}`, quote(name)))
}

func item(name, uri, raw string) upstream.Item {
	return upstream.Item{Name: name, URI: uri, Raw: []byte(raw), Hash: wire.Digest([]byte(raw))}
}

func quote(s string) string { return string(wire.AppendString(nil, s)) }

func keys(s *Snapshot, k Kind) []string {
	var out []string
	for _, e := range s.Entries(k) {
		out = append(out, e.Key())
	}
	return out
}

func owners(s *Snapshot, k Kind) map[string]string {
	out := map[string]string{}
	for _, e := range s.Entries(k) {
		out[e.Key()] = e.Upstream + " " + e.OriginalName
	}
	return out
}

func problems(s *Snapshot) []string {
	var out []string
	for _, p := range s.Problems {
		out = append(out, p.String())
	}
	return out
}

// everything is a view of all of s.
func everything(s *Snapshot, o *ViewOptions) *View { return s.NewView(s.Everything(), o) }

// without is a view of s that hides the entries with the given keys, whatever their kind.
func without(s *Snapshot, o *ViewOptions, hidden ...string) *View {
	visible := s.Everything()
	for k := range Kind(Kinds) {
		for i, e := range s.Entries(k) {
			for _, key := range hidden {
				if e.Key() == key {
					visible[k].Clear(i)
				}
			}
		}
	}
	return s.NewView(visible, o)
}

// pageOf is a list result as a client reads it.
type pageOf struct {
	Tools []struct {
		Name string `json:"name"`
	} `json:"tools"`
	NextCursor *string `json:"nextCursor"`
}

func readPage(t *testing.T, v *View, cursor string) (names []string, next string) {
	t.Helper()
	body, err := v.Page(Tool, cursor, true)
	if err != nil {
		t.Fatalf("Page(%q): %v", cursor, err)
	}
	var p pageOf
	if err := json.Unmarshal(body, &p); err != nil {
		t.Fatalf("page is no JSON: %v\n%s", err, body)
	}
	for _, e := range p.Tools {
		names = append(names, e.Name)
	}
	if p.NextCursor != nil {
		next = *p.NextCursor
	}
	return names, next
}
