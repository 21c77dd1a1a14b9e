// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tollgate/upstream"
	"tollgate/upstream/wire"
)

func appTool(name, meta string) upstream.Item {
	return item(name, "", fmt.Sprintf(`{"name":%s, "_meta" : %s,"x":9007199254740993}`, quote(name), meta))
}

// TestAppClash: only the address changes, in the list of resources and in the tools that name it.
func TestAppClash(t *testing.T) {
	first := offer{resources: []string{"ui://card"}, templates: []string{"ui://v/{id}"}}.source("first")
	first.Snapshot.Tools = []upstream.Item{appTool("t", `{"ui":{"resourceUri":"ui://card"}}`)}
	second := offer{resources: []string{"ui://card", "ui://own"}, templates: []string{"ui://v/{id}"}}.source("sec_ond")
	second.Snapshot.Tools = []upstream.Item{
		appTool("both", `{"n":1.0, "ui":{"visibility":["app"], "resourceUri" : "ui://card","z":{}},"ui/resourceUri":"ui://card" }`),
		appTool("escaped", `{"ui":{"resource\u0055ri":"ui:\/\/card"}}`),
		appTool("own", `{"ui":{"resourceUri":"ui://own"}}`),
		appTool("web", `{"ui":{"resourceUri":"https://card"}}`),
		appTool("twice", `{"ui":{"resourceUri":"ui://own","resourceUri":"ui://card"}}`),
	}
	snap := Build(nil, []Source{first, second})
	want := map[string]string{"ui://card": "first ui://card", "ui://sec_ond--card": "sec_ond ui://card", "ui://own": "sec_ond ui://own"}
	if diff := cmp.Diff(want, owners(snap, Resource)); diff != "" {
		t.Errorf("resources (-want +got):\n%s", diff)
	}
	v := everything(snap, nil)
	for name, want := range map[string]string{
		"first__t":         `{"name":"first__t", "_meta" : {"ui":{"resourceUri":"ui://card"}},"x":9007199254740993}`,
		"sec_ond__both":    `{"name":"sec_ond__both", "_meta" : {"n":1.0, "ui":{"visibility":["app"], "resourceUri" : "ui://sec_ond--card","z":{}},"ui/resourceUri":"ui://sec_ond--card" },"x":9007199254740993}`,
		"sec_ond__escaped": `{"name":"sec_ond__escaped", "_meta" : {"ui":{"resource\u0055ri":"ui://sec_ond--card"}},"x":9007199254740993}`,
		"sec_ond__own":     `{"name":"sec_ond__own", "_meta" : {"ui":{"resourceUri":"ui://own"}},"x":9007199254740993}`,
		"sec_ond__web":     `{"name":"sec_ond__web", "_meta" : {"ui":{"resourceUri":"https://card"}},"x":9007199254740993}`,
	} {
		if e, ok := v.Tool(name); !ok || string(e.Definition) != want {
			t.Errorf("%s: %+v, want %s", name, e, want)
		}
	}
	if got := problems(snap); len(got) != 1 || !strings.Contains(got[0], `tool "twice"`) || !strings.Contains(got[0], `two members "resourceUri"`) {
		t.Errorf("problems: %q", got)
	}
	if e, own, ok := v.Resource("ui://sec_ond--v/7"); !ok || e.Upstream != "sec_ond" || own != "ui://v/7" {
		t.Errorf("a template under an alias: %+v %q %v", e, own, ok)
	}
}

// TestUnlistedApps: what only tools name has an owner too, and the alias does not depend on whether it is listed.
func TestUnlistedApps(t *testing.T) {
	first := offer{resources: []string{"ui://listed", "ui://last--taken"}}.source("first")
	first.Snapshot.Tools = []upstream.Item{appTool("t", `{"ui":{"resourceUri":"ui://card"}}`), appTool("u", `{"ui":{"resourceUri":"ui://taken"}}`)}
	last := offer{}.source("last")
	for i, uri := range []string{"ui://card", "ui://card", "ui://listed", "ui://free", "ui://taken"} {
		last.Snapshot.Tools = append(last.Snapshot.Tools, appTool(fmt.Sprint(i), `{"ui":{"resourceUri":"`+uri+`"}}`))
	}
	snap := Build(nil, []Source{first, last})
	want := map[string]appURI{
		"ui://card": {"first", "ui://card"}, "ui://taken": {"first", "ui://taken"}, "ui://free": {"last", "ui://free"},
		"ui://last--card": {"last", "ui://card"}, "ui://last--listed": {"last", "ui://listed"},
	}
	if diff := cmp.Diff(want, snap.apps, cmp.AllowUnexported(appURI{})); diff != "" {
		t.Errorf("apps (-want +got):\n%s", diff)
	}
	if _, own, ok := snap.App("ui://last--card"); !ok || own != "ui://card" {
		t.Errorf("App: %q %v", own, ok)
	}
	e, _ := everything(snap, nil).Tool("last__4")
	if strings.Contains(string(e.Definition), "ui://") || len(snap.Problems) != 1 || snap.Problems[0].Item != "ui://taken" {
		t.Errorf("an app without an address: %s, problems %q", e.Definition, problems(snap))
	}
	// The list and the tool change with who else is there, and nothing else does.
	alone := Build(snap, []Source{last})
	if got, _ := everything(alone, nil).Tool("last__0"); !strings.Contains(string(got.Definition), `"ui://card"`) {
		t.Errorf("alone: %s", got.Definition)
	}
	if everything(alone, nil).Hash(Tool) == everything(snap, nil).Hash(Tool) || alone.Revision == snap.Revision {
		t.Error("a changed address is no change")
	}
	both := Build(alone, []Source{offer{resources: []string{"ui://free"}}.source("other"), last})
	before, _ := everything(alone, nil).Tool("last__0")
	after, _ := everything(both, nil).Tool("last__0")
	moved, _ := everything(both, nil).Tool("last__3")
	if before != after || !strings.Contains(string(moved.Definition), `"ui://last--free"`) {
		t.Errorf("entries: %p %p %s", before, after, moved.Definition)
	}
}

// TestAppsLeadHome: whatever upstreams offer, the app of a tool is its own upstream's.
func TestAppsLeadHome(t *testing.T) {
	uris := []string{"ui://x", "ui://y", "ui://a--x", "ui://a--b--x", "ui://b--x"}
	rapid.Check(t, func(rt *rapid.T) {
		var sources []Source
		for _, name := range []string{"a", "b", "a--b"} {
			o := offer{resources: rapid.SliceOfNDistinct(rapid.SampledFrom(uris), 0, 4, rapid.ID).Draw(rt, "listed")}
			s := bare(o.source(name))
			for _, uri := range rapid.SliceOfNDistinct(rapid.SampledFrom(uris), 0, 4, rapid.ID).Draw(rt, "named") {
				s.Snapshot.Tools = append(s.Snapshot.Tools, appTool(name+uri[5:], `{"ui":{"resourceUri":"`+uri+`"}}`))
			}
			sources = append(sources, s)
		}
		snap := Build(nil, sources)
		v := everything(snap, nil)
		for _, e := range snap.Entries(Tool) {
			raw, _ := wire.Lookup(e.Definition, "_meta", "ui", "resourceUri")
			uri, ok := wire.String(raw)
			if !ok {
				continue // no address was left
			}
			up, own, found := snap.App(uri)
			if r, name, listed := v.Resource(uri); listed {
				if up, own = r.Upstream, name; found {
					rt.Fatalf("%s is listed and not listed", uri)
				}
			}
			if up != e.Upstream || e.OriginalName != e.Upstream+own[5:] {
				rt.Fatalf("the app %s of %s's tool %q is %q of %q", uri, e.Upstream, e.OriginalName, own, up)
			}
		}
	})
}

// TestExtensions: the first modern upstream that the view shows something of says what an extension's settings are.
func TestExtensions(t *testing.T) {
	source := func(name string, rev wire.Revision, extensions string) Source {
		s := offer{tools: []string{"t"}, capabilities: `{"extensions":` + extensions + `}`}.source(name)
		s.Snapshot.Revision = rev
		return s
	}
	snap := Build(nil, []Source{
		source("old", wire.R20251125, `{"a/x":{"from":"old"}}`),
		source("one", wire.R20260728, `{"a/x":{"n":1.0},"a/bad":7}`),
		source("two", wire.R20260728, `{"a/x":{"n":2},"a/y":{"k":[ ]},"no":{}}`),
	})
	keep := func(id string) bool { return strings.HasPrefix(id, "a/") }
	for _, tt := range []struct {
		hidden, want string
	}{
		{"", `{"a/x":{"n":1.0},"a/y":{"k":[ ]}}`},
		{"one__t", `{"a/x":{"n":2},"a/y":{"k":[ ]}}`},
		{"two__t", `{"a/x":{"n":1.0}}`},
	} {
		if got := without(snap, nil, tt.hidden).Extensions(keep); string(got) != tt.want || !json.Valid(got) {
			t.Errorf("without %q: %s, want %s", tt.hidden, got, tt.want)
		}
	}
	if got := without(snap, nil, "one__t", "two__t").Extensions(keep); got != nil {
		t.Errorf("of an upstream of an earlier revision: %s", got)
	}
}

// TestToolOf: by identity, whatever the display; hidden is missing.
func TestToolOf(t *testing.T) {
	s := tools("gh", "a.b", "x")
	s.Prefix = "g"
	snap := Build(nil, []Source{s})
	if e, ok := everything(snap, nil).ToolOf("gh", "a.b"); !ok || !strings.HasPrefix(e.Name, "g__a_b") {
		t.Errorf("got %+v", e)
	}
	v := without(snap, nil, "g__x")
	for _, original := range []string{"x", "g__x", "none"} {
		if e, ok := v.ToolOf("gh", original); ok {
			t.Errorf("%q: %+v", original, e)
		}
	}
}
