// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tollgate/policy"
	"tollgate/upstream"
)

func TestDefinitionBytes(t *testing.T) {
	s := Source{Upstream: "gh", Snapshot: &upstream.Snapshot{}}
	odd := `{ "zeta":12345678901234567890, "name" : "get" ,"inputSchema":{"type":"object","properties":{"name":{"const":1e400}}},` +
		`"execution":{"taskSupport":"optional"},"description":"\u00e9\/ <b>&\ud83d\ude00","_meta":{"name":"x","n":1.0},"a":null}`
	s.Snapshot.Tools = []upstream.Item{item("get", "", odd)}
	s.Snapshot.Prompts = []upstream.Item{item("get", "", odd)}
	s.Snapshot.Resources = []upstream.Item{item("get", "file:///x", `{"size":9007199254740993, "uri":"file:\/\/\/x"}`)}
	want := strings.Replace(odd, `"get"`, `"gh__get"`, 1)

	snap := Build(nil, []Source{s})
	for _, k := range []Kind{Tool, Prompt} {
		if diff := cmp.Diff(want, string(snap.Entries(k)[0].Definition)); diff != "" {
			t.Errorf("definition of the %s (-want +got):\n%s", k, diff)
		}
	}
	if got, want := string(snap.Entries(Resource)[0].Definition), string(s.Snapshot.Resources[0].Raw); got != want {
		t.Errorf("definition of the resource = %s, want %s", got, want)
	}
	for _, modern := range []bool{false, true} {
		body, err := everything(snap, nil).Page(Tool, "", modern)
		if err != nil || !strings.HasPrefix(string(body), `{"tools":[`+want+`]`) {
			t.Errorf("Page(modern %v) = %s, %v; want the definition in it byte for byte", modern, body, err)
		}
	}
	if got := string(Build(nil, []Source{bare(s)}).Entries(Tool)[0].Definition); got != odd {
		t.Errorf("without prefix the definition is %s, want it untouched", got)
	}
}

func TestOrder(t *testing.T) {
	b, a := tools("b", "z", "a"), tools("a", "m", "B", "b")
	want := []string{"a__B", "a__b", "a__m", "b__a", "b__z"}
	for _, sources := range [][]Source{{a, b}, {b, a}} {
		if diff := cmp.Diff(want, keys(Build(nil, sources), Tool)); diff != "" {
			t.Errorf("order (-want +got):\n%s", diff)
		}
	}
}

func TestClashOfBareNames(t *testing.T) {
	snap := Build(nil, []Source{bare(tools("one", "search")), bare(tools("two", "search", "other"))})
	if diff := cmp.Diff(map[string]string{"search": "one search", "other": "two other"}, owners(snap, Tool)); diff != "" {
		t.Errorf("owners (-want +got):\n%s", diff)
	}
	want := []string{`tool "search" of upstream "two" is not shown: upstream "one" already shows a tool "search"; give upstream "two" a prefix of its own`}
	if diff := cmp.Diff(want, problems(snap)); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

func TestPrefixedNameIsNotTaken(t *testing.T) {
	thief, gh := bare(tools("thief", "gh__delete")), tools("gh", "delete")
	snap := Build(nil, []Source{thief, gh})
	if diff := cmp.Diff(map[string]string{"gh__delete": "gh delete"}, owners(snap, Tool)); diff != "" {
		t.Errorf("owners (-want +got):\n%s", diff)
	}
	if len(snap.Problems) != 1 || snap.Problems[0].Upstream != "thief" || !strings.Contains(snap.Problems[0].Reason, `"gh"`) {
		t.Errorf("problems = %v, want one of thief that names gh", problems(snap))
	}
}

func TestClashWithinAnUpstream(t *testing.T) {
	s := offer{tools: []string{"a b", DisplayName("", "a b", false)}, resources: []string{"f:1", "f:1"}}.source("u")
	snap := Build(nil, []Source{bare(s)})
	if len(snap.Entries(Tool)) != 1 || len(snap.Entries(Resource)) != 1 {
		t.Errorf("shown: %q %q", keys(snap, Tool), keys(snap, Resource))
	}
	want := []string{
		`tool "a_b_c8687a08" of upstream "u" is not shown: the same upstream already shows "a_b_c8687a08"; rename one of them in upstream "u"`,
		`resource "f:1" of upstream "u" is not shown: the same upstream offers it twice`,
	}
	if diff := cmp.Diff(want, problems(snap)); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

func TestSharedPrefix(t *testing.T) {
	a, b := tools("a", "x"), tools("b", "x", "y")
	a.Prefix, a.PrefixSet, b.Prefix, b.PrefixSet = "team", true, "team", true
	snap := Build(nil, []Source{a, b})
	if diff := cmp.Diff(map[string]string{"team__x": "a x", "team__y": "b y"}, owners(snap, Tool)); diff != "" {
		t.Errorf("owners (-want +got):\n%s", diff)
	}
}

func TestBadSources(t *testing.T) {
	snap := Build(nil, []Source{tools("a__b", "x"), {Upstream: "down"}, tools("ok", "x"), tools("ok", "y")})
	if diff := cmp.Diff([]string{"ok__x"}, keys(snap, Tool)); diff != "" {
		t.Errorf("shown (-want +got):\n%s", diff)
	}
	want := []string{
		`upstream "a__b" is not shown: prefix "a__b" contains "__", which separates it from the name; change its prefix`,
		`upstream "ok" is not shown: another upstream has the same name; rename one of them`,
	}
	if diff := cmp.Diff(want, problems(snap)); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

func TestAmbiguousDefinition(t *testing.T) {
	s := Source{Upstream: "gh", Snapshot: &upstream.Snapshot{Tools: []upstream.Item{
		item("safe", "", `{"name":"safe","n\u0061me":"danger"}`), tool("fine"),
	}}}
	snap := Build(nil, []Source{s})
	if diff := cmp.Diff([]string{"gh__fine"}, keys(snap, Tool)); diff != "" {
		t.Errorf("shown (-want +got):\n%s", diff)
	}
	if len(snap.Problems) != 1 || snap.Problems[0].Item != "safe" || !strings.Contains(snap.Problems[0].Reason, `two members "name"`) {
		t.Errorf("problems = %v", problems(snap))
	}
}

func TestSharedURI(t *testing.T) {
	first := offer{resources: []string{"file:///a", "ui://card", "my-up+file:///b"}, templates: []string{"db://{id}"}}.source("first")
	second := offer{resources: []string{"file:///a", "file:///b", "UI://other", "ui://card"}, templates: []string{"db://{id}"}}.source("my_up")
	third := offer{resources: []string{"file:///b", "file:///a"}}.source("my-up")
	snap := Build(nil, []Source{first, second, third})
	want := map[string]string{
		"file:///a": "first file:///a", "ui://card": "first ui://card", "my-up+file:///b": "first my-up+file:///b",
		"file:///b": "my_up file:///b", "UI://other": "my_up UI://other", "my-up+file:///a": "my_up file:///a",
		"ui://my_up--card": "my_up ui://card",
	}
	if diff := cmp.Diff(want, owners(snap, Resource)); diff != "" {
		t.Errorf("resources (-want +got):\n%s", diff)
	}
	want = map[string]string{"db://{id}": "first db://{id}", "my-up+db://{id}": "my_up db://{id}"}
	if diff := cmp.Diff(want, owners(snap, Template)); diff != "" {
		t.Errorf("templates (-want +got):\n%s", diff)
	}
	wantProblems := []string{
		`resource "file:///b" of upstream "my-up" is not shown: upstream "my_up" already has it, and upstream "first" its alias "my-up+file:///b"; give upstream "my-up" another name`,
		`resource "file:///a" of upstream "my-up" is not shown: upstream "first" already has it, and upstream "my_up" its alias "my-up+file:///a"; give upstream "my-up" another name`,
	}
	if diff := cmp.Diff(wantProblems, problems(snap)); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
	alias, _ := everything(snap, nil).lookup(Resource, "my-up+file:///a")
	if got, want := string(alias.Definition), `{"uri":"my-up+file:///a","name":"label"}`; got != want {
		t.Errorf("definition under an alias = %s, want %s", got, want)
	}
}

func TestObjectIsIdentity(t *testing.T) {
	s := offer{resources: []string{"file:///a"}, templates: []string{"db://{id}"}, prompts: []string{"p"}}.source("up")
	s.Tags = []string{"prod"}
	s.Snapshot.Tools = []upstream.Item{item("t", "", `{"name":"t","annotations":{"readOnlyHint":true}}`)}
	snap := Build(nil, []Source{offer{resources: []string{"file:///a"}, templates: []string{"db://{id}"}}.source("first"), s})
	v := everything(snap, nil)
	tool, _ := v.Tool("up__t")
	prompt, _ := v.Prompt("up__p")
	resource, _, _ := v.Resource("up+file:///a")
	template, _, _ := v.Reference("up+db://{id}")
	want := []policy.Object{
		{Kind: "tool", Name: "up__t", OriginalName: "t", Annotations: []byte(`{"readOnlyHint":true}`)},
		{Kind: "prompt", Name: "up__p", OriginalName: "p"},
		{Kind: "resource", URI: "file:///a", OriginalName: "file:///a"},
		{Kind: "template", URI: "db://{id}", OriginalName: "db://{id}"},
	}
	for i, e := range []*Entry{tool, prompt, resource, template} {
		want[i].Upstream, want[i].Tags, want[i].DefinitionHash = "up", []string{"prod"}, e.Hash
		if diff := cmp.Diff(want[i], e.Object); diff != "" {
			t.Errorf("object (-want +got):\n%s", diff)
		}
	}
}

func TestReadOnly(t *testing.T) {
	for annotations, want := range map[string]bool{
		`{"readOnlyHint":true}`:                           true,
		`{"readOnlyHint":true,"destructiveHint":false}`:   true,
		`{"readOnlyHint":true,"destructiveHint":true}`:    false,
		`{"readOnlyHint":"true"}`:                         false,
		`{"destructiveHint":false,"idempotentHint":true}`: false,
		`{}`: false, `null`: false,
	} {
		raw := fmt.Sprintf(`{"name":"t","annotations":%s}`, annotations)
		s := Source{Upstream: "u", Snapshot: &upstream.Snapshot{Tools: []upstream.Item{item("t", "", raw)}}}
		if got := Build(nil, []Source{s}).Entries(Tool)[0].ReadOnly; got != want {
			t.Errorf("ReadOnly with %s = %v, want %v", annotations, got, want)
		}
	}
}

func TestEntriesAreReused(t *testing.T) {
	full := func() []Source {
		return []Source{
			offer{tools: []string{"a", "b"}, prompts: []string{"p"}, resources: []string{"r://1"}, templates: []string{"r://{x}"}, capabilities: `{"tools":{}}`}.source("one"),
			tools("two", "a"),
		}
	}
	before := Build(nil, full())
	reused := func(change func([]Source)) map[string]bool {
		sources := full()
		change(sources)
		after, out := Build(before, sources), map[string]bool{}
		for k := range Kind(Kinds) {
			old := map[string]*Entry{}
			for _, e := range before.Entries(k) {
				old[e.Key()] = e
			}
			for _, e := range after.Entries(k) {
				out[e.Key()] = old[e.Key()] == e
			}
		}
		return out
	}
	all := func(except ...string) map[string]bool {
		out := map[string]bool{"one__a": true, "one__b": true, "one__p": true, "r://1": true, "r://{x}": true, "two__a": true}
		for _, key := range except {
			out[key] = false
		}
		return out
	}
	for _, c := range []struct {
		name   string
		change func([]Source)
		want   map[string]bool
	}{
		{"nothing", func([]Source) {}, all()},
		{"a definition", func(s []Source) { s[0].Snapshot.Tools[1] = item("b", "", `{"name":"b","title":"new"}`) }, all("one__b")},
		{"white space", func(s []Source) {
			s[0].Snapshot.Tools[1] = item("b", "", `{"name":"b", "inputSchema":{"type":"object"}}`)
		}, all()},
		{"tags", func(s []Source) { s[1].Tags = []string{"x"} }, all("two__a")},
		{"capabilities", func(s []Source) { s[1].Snapshot.Capabilities = []byte(`{}`) }, all("two__a")},
		{"instructions", func(s []Source) { s[1].Snapshot.Instructions = "x" }, all()},
	} {
		if diff := cmp.Diff(c.want, reused(c.change)); diff != "" {
			t.Errorf("after a change of %s (-want +got):\n%s", c.name, diff)
		}
	}
	if Build(before, full()) != before {
		t.Error("a catalog without any change is made anew: views and their pages are lost")
	}
	renamed := full()
	renamed[1].Upstream, renamed[1].Prefix, renamed[1].PrefixSet = "three", "two", true
	e, _ := everything(Build(before, renamed), nil).Tool("two__a")
	if e.Upstream != "three" || e.Object.Upstream != "three" {
		t.Errorf("a tool that moved to another upstream is still %+v", e.Object)
	}
}

func TestRevision(t *testing.T) {
	base := func() []Source {
		s := []Source{offer{tools: []string{"x"}, prompts: []string{"p"}, instructions: "i", capabilities: `{"tools":{}}`}.source("a"), tools("b", "x")}
		s[0].Tags = []string{"t"}
		return s
	}
	start := Build(nil, base()).Revision
	for _, c := range []struct {
		name   string
		change func([]Source)
		same   bool
	}{
		{"nothing", func([]Source) {}, true},
		{"when it was fetched", func(s []Source) { s[0].Snapshot.Fetched = s[0].Snapshot.Fetched.AddDate(1, 0, 0) }, true},
		{"instructions", func(s []Source) { s[0].Snapshot.Instructions = "j" }, false},
		{"capabilities", func(s []Source) { s[0].Snapshot.Capabilities = nil }, false},
		{"time to live", func(s []Source) { s[0].Snapshot.TTL = 1 }, false},
		{"tags", func(s []Source) { s[0].Tags = []string{"u"} }, false},
		{"the split of tags", func(s []Source) { s[0].Tags = []string{"t", ""} }, false},
		{"a definition", func(s []Source) { s[1].Snapshot.Tools[0] = item("x", "", `{"name":"x"}`) }, false},
		{"the upstream behind a name", func(s []Source) { s[1].Upstream, s[1].Prefix = "c", "b" }, false},
		{"the order", func(s []Source) { slices.Reverse(s) }, false},
		{"an upstream", func(s []Source) { s[1].Snapshot = nil }, false},
	} {
		sources := base()
		c.change(sources)
		if got := Build(nil, sources).Revision; (got == start) != c.same {
			t.Errorf("after a change of %s the revision is the same: %v, want %v", c.name, got == start, c.same)
		}
	}
	// Problems alone are no new revision, but they must not be lost.
	prev := Build(nil, []Source{tools("a", "x")})
	next := Build(prev, []Source{tools("a", "x"), tools("bad__name", "x")})
	if next.Revision != prev.Revision || len(next.Problems) != 1 {
		t.Errorf("with a new problem the revision is %s (before: %s) and the problems are %q", next.Revision, prev.Revision, problems(next))
	}
}

// genSources makes a few upstreams with overlapping names and URIs, some of them without prefix.
func genSources(t *rapid.T) []Source {
	names := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c_d", "c-d", "e"}), 0, 5, rapid.ID).Draw(t, "upstreams")
	var out []Source
	for _, name := range names {
		list := func(from ...string) []string {
			return rapid.SliceOfNDistinct(rapid.SampledFrom(from), 0, len(from), rapid.ID).Draw(t, name)
		}
		s := offer{
			tools: list("x", "y", "a__x", "b__y", "x y", "x_y", "e__x"), prompts: list("p", "a__p"),
			resources: list("f:1", "f:2", "ui://x", "a+f:1", "c-d+f:1"), templates: list("f:{x}", "f:{+y}", "{bad"),
			instructions: rapid.SampledFrom([]string{"", "use me"}).Draw(t, "instructions"),
		}.source(name)
		if rapid.IntRange(0, 3).Draw(t, "bare") == 0 {
			s = bare(s)
		}
		out = append(out, s)
	}
	return out
}

// dump is everything that can be seen of a snapshot.
func dump(s *Snapshot) map[string]any {
	out := map[string]any{"revision": s.Revision, "problems": s.Problems, "instructions": everything(s, nil).Instructions()}
	for k := range Kind(Kinds) {
		var list []string
		for _, e := range s.Entries(k) {
			list = append(list, fmt.Sprintf("%s %s %s %s %+v", e.Key(), e.Upstream, e.OriginalName, e.Definition, e.Object))
		}
		out[k.String()] = list
	}
	return out
}

func TestBuildIsAFunction(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		prev, sources := genSources(t), genSources(t)
		fresh, onTop := dump(Build(nil, sources)), dump(Build(Build(nil, prev), sources))
		if diff := cmp.Diff(fresh, onTop); diff != "" {
			t.Fatalf("what came before shows (-fresh +after another):\n%s", diff)
		}
	})
}

func TestNamesStayWhenUpstreamsComeAndGo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := genSources(t)
		some := rapid.SliceOfNDistinct(rapid.IntRange(0, max(0, len(all)-1)), 0, len(all), rapid.ID).Draw(t, "subset")
		var subset []Source
		for _, i := range slices.Sorted(slices.Values(some)) {
			if i < len(all) {
				subset = append(subset, all[i])
			}
		}
		isBare := map[string]bool{}
		for _, s := range all {
			isBare[s.Upstream] = s.PrefixSet
		}
		full, part := Build(nil, all), Build(nil, subset)
		for _, k := range []Kind{Tool, Prompt} {
			want := owners(full, k)
			for name, owner := range owners(part, k) {
				if upstream, _, _ := strings.Cut(owner, " "); !isBare[upstream] && want[name] != owner {
					t.Fatalf("%q is %q among %v but %q among all", name, owner, slices.Collect(maps.Keys(isBare)), want[name])
				}
			}
		}
	})
}
