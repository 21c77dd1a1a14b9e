// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tollgate/policy"
)

// observe is every answer of v to every question the test knows.
func observe(t interface{ Fatalf(string, ...any) }, v *View, asked []string) map[string]string {
	out := map[string]string{"instructions": v.Instructions(), "capabilities": fmt.Sprintf("%+v ttl %s", v.Capabilities(), v.ttl)}
	show := func(e *Entry, own string, ok bool) string {
		if !ok {
			return fmt.Sprintf("%v %q false", e, own)
		}
		return e.Upstream + " " + own + " " + string(e.Definition)
	}
	for _, key := range asked {
		if e, ok := v.Tool(key); ok || e != nil {
			out["tool "+key] = show(e, "", ok)
		}
		if e, ok := v.Prompt(key); ok || e != nil {
			out["prompt "+key] = show(e, "", ok)
		}
		out["resource "+key] = show(v.Resource(key))
		out["reference "+key] = show(v.Reference(key))
	}
	for k := range Kind(Kinds) {
		out["hash "+k.String()] = fmt.Sprint(v.Hash(k), v.Count(k))
		for _, modern := range []bool{false, true} {
			for _, last := range append(asked, "") {
				cursor := ""
				if last != "" {
					cursor = encodeCursor(last)
				}
				body, err := v.Page(k, cursor, modern)
				if err != nil {
					t.Fatalf("Page(%s, after %q): %v", k, last, err)
				}
				out[fmt.Sprintf("page %s %v after %q", k, modern, last)] = string(body)
			}
		}
	}
	return out
}

// Hiding an entry must look exactly as if its upstream had never offered it.
func TestHiddenIsMissing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hidden := rapid.SampledFrom([]string{"tool", "prompt", "resource", "template"}).Draw(t, "hidden")
		with := offer{tools: []string{"x", "y"}, prompts: []string{"x"}, resources: []string{"f:1", "f:2"}, templates: []string{"g:{x}"}, capabilities: `{"completions":{},"resources":{"subscribe":true}}`}
		gone, missing := with, map[string][]string{"tool": {"a__x"}, "prompt": {"a__x"}, "resource": {"f:1"}, "template": {"g:{x}"}}
		switch hidden {
		case "tool":
			gone.tools = with.tools[1:]
		case "prompt":
			gone.prompts = nil
		case "resource":
			gone.resources = with.resources[1:]
		case "template":
			gone.templates = nil
		}
		o := &ViewOptions{PageSize: rapid.IntRange(1, 3).Draw(t, "page size")}
		full, part := Build(nil, []Source{with.source("a")}), Build(nil, []Source{gone.source("a")})
		visible := full.Everything()
		for k := range Kind(Kinds) {
			for i, e := range full.Entries(k) {
				if k.String() == hidden && slices.Contains(missing[hidden], e.Key()) {
					visible[k].Clear(i)
				}
			}
		}
		asked := []string{"a__x", "a__y", "A__X", "f:1", "f:2", "g:{x}", "g:1", "none", "~"}
		if diff := cmp.Diff(observe(t, everything(part, o), asked), observe(t, full.NewView(visible, o), asked)); diff != "" {
			t.Fatalf("a hidden %s can be told from a missing one (-missing +hidden):\n%s", hidden, diff)
		}
	})
}

func TestHiddenUpstreamIsMissing(t *testing.T) {
	quiet := tools("a", "x")
	loud := offer{tools: []string{"s"}, prompts: []string{"s"}, templates: []string{"s:{x}"}, instructions: "SECRET", capabilities: `{"completions":{},"resources":{"subscribe":true}}`}.source("b")
	loud.Snapshot.TTL = time.Second
	asked := []string{"a__x", "b__s", "s:1", "s:{x}"}
	want := observe(t, everything(Build(nil, []Source{quiet}), nil), asked)
	got := observe(t, without(Build(nil, []Source{quiet, loud}), nil, "b__s", "s:{x}"), asked)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("a hidden upstream can be told from a missing one (-missing +hidden):\n%s", diff)
	}
}

func TestNothingSaidIsHidden(t *testing.T) {
	snap := Build(nil, []Source{offer{tools: []string{"x"}, resources: []string{"f:1"}}.source("a")})
	v := snap.NewView(Visible{}, nil)
	if _, ok := v.Tool("a__x"); ok || v.Count(Resource) != 0 {
		t.Error("a view without any decision shows something")
	}
	far := Visible{Tool: AllBits(1000)}
	if got := snap.NewView(far, nil).Count(Tool); got != 1 {
		t.Errorf("with decisions for more than there is, %d tools are shown, want 1", got)
	}
}

func TestViewCopiesItsDecisions(t *testing.T) {
	snap := Build(nil, []Source{tools("a", "x", "y")})
	visible := snap.Everything()
	v := snap.NewView(visible, nil)
	visible[Tool].Clear(0)
	if _, ok := v.Tool("a__x"); !ok {
		t.Error("a view changes with the bits it was made of")
	}
}

func TestShows(t *testing.T) {
	snap := Build(nil, []Source{offer{tools: []string{"x", "y"}, prompts: []string{"x"}}.source("a")})
	v := without(snap, nil, "a__y")
	for k, want := range map[Kind][]bool{Tool: {true, false}, Prompt: {true}} {
		for i, e := range snap.Entries(k) {
			if got := v.Shows(e); got != want[i] {
				t.Errorf("Shows(%s %s) = %v", k, e.Key(), got)
			}
		}
	}
	if v.Shows(Build(nil, []Source{tools("a", "x")}).Entries(Tool)[0]) {
		t.Error("a view shows an entry of another snapshot")
	}
}

func TestLookupIsExact(t *testing.T) {
	v := everything(Build(nil, []Source{tools("gh", "Get", "a b")}), nil)
	for _, name := range []string{"gh__get", "GH__Get", "gh__Get ", "Get", "gh_Get", "gh__a b", ""} {
		if e, ok := v.Tool(name); ok {
			t.Errorf("Tool(%q) finds %q", name, e.Name)
		}
	}
	if e, ok := v.Tool("gh__Get"); !ok || e.OriginalName != "Get" {
		t.Errorf("Tool(gh__Get) = %v, %v", e, ok)
	}
}

func TestLookupDoesNotAllocate(t *testing.T) {
	snap := Build(nil, []Source{offer{tools: []string{"x", "hidden"}, resources: []string{"f:1"}, templates: []string{"f:{x}"}}.source("a")})
	v := without(snap, nil, "a__hidden")
	allocs := testing.AllocsPerRun(100, func() {
		v.Tool("a__x")
		v.Tool("a__hidden")
		v.Tool("missing")
		v.Prompt("missing")
		v.Resource("f:1")
	})
	if allocs != 0 {
		t.Errorf("exact lookups allocate %v times", allocs)
	}
}

func TestResourceThroughTemplate(t *testing.T) {
	first := offer{resources: []string{"file:///listed"}, templates: []string{"file:///{+path}", "any:{+x}"}}.source("first")
	second := offer{templates: []string{"file:///{+path}", "file:///docs/{name}", "file:///~me/{name}", "{+everything}"}}.source("second")
	snap := Build(nil, []Source{first, second})
	for _, c := range []struct {
		uri, upstream, own string
		hidden             []string
	}{
		{"file:///listed", "first", "file:///listed", nil},
		{"file:///other", "first", "file:///other", nil},
		{"second+file:///other", "second", "file:///other", nil},
		{"file:///docs/a", "second", "file:///docs/a", nil},
		{"file:///~me/a", "second", "file:///~me/a", nil},
		{"file:///docs/a/b", "first", "file:///docs/a/b", nil},
		{"http://x", "second", "http://x", nil},
		{"file:///docs/a", "first", "file:///docs/a", []string{"file:///docs/{name}"}},
		{"file:///listed", "second", "file:///listed", []string{"file:///listed"}},
		{"file:///listed", "", "", []string{"file:///listed", "{+everything}"}},
		{"http://x", "", "", []string{"{+everything}"}},
		{"file:///" + strings.Repeat("x", maxTemplateURI), "", "", nil},
	} {
		e, own, ok := without(snap, nil, c.hidden...).Resource(c.uri)
		got := ""
		if ok {
			got = e.Upstream
		}
		if got != c.upstream || own != c.own {
			t.Errorf("Resource(%.40q) without %q = %q of %q, want %q of %q", c.uri, c.hidden, own, got, c.own, c.upstream)
		}
	}
}

func TestCapabilities(t *testing.T) {
	all := offer{tools: []string{"t"}, prompts: []string{"p"}, resources: []string{"r:1"}, templates: []string{"r:{x}"}, capabilities: `{"completions":{},"resources":{"subscribe":true}}`}
	snap := Build(nil, []Source{all.source("a"), offer{tools: []string{"t"}, resources: []string{"s:1"}, capabilities: `{"resources":{"subscribe":false}}`}.source("b")})
	for _, c := range []struct {
		hidden []string
		want   Capabilities
	}{
		{nil, Capabilities{Tools: true, Prompts: true, Resources: true, Templates: true, Completions: true, Subscribe: true}},
		{[]string{"a__p", "r:{x}"}, Capabilities{Tools: true, Resources: true, Subscribe: true}},
		{[]string{"a__p", "r:{x}", "r:1"}, Capabilities{Tools: true, Resources: true}},
		{[]string{"a__p", "r:{x}", "r:1", "s:1", "a__t", "b__t"}, Capabilities{}},
	} {
		if diff := cmp.Diff(c.want, without(snap, nil, c.hidden...).Capabilities()); diff != "" {
			t.Errorf("without %q (-want +got):\n%s", c.hidden, diff)
		}
	}
	if diff := cmp.Diff([]string{"a", "b"}, Build(nil, []Source{all.source("a"), tools("c", "t"), offer{resources: []string{"x:1"}}.source("b")}).ResourceUpstreams()); diff != "" {
		t.Errorf("ResourceUpstreams (-want +got):\n%s", diff)
	}
}

func TestInstructions(t *testing.T) {
	long := strings.Repeat("é", maxInstructions)
	snap := Build(nil, []Source{
		offer{tools: []string{"x"}, instructions: "\nfirst use a\n"}.source("b"), offer{tools: []string{"x"}, instructions: "then c"}.source("a"),
		tools("silent", "x"), offer{instructions: "nothing to show"}.source("empty"), offer{tools: []string{"x"}, instructions: "secret"}.source("hidden"),
	})
	want := "## b\n\nfirst use a\n\n## a\n\nthen c"
	if got := without(snap, nil, "hidden__x").Instructions(); got != want {
		t.Errorf("Instructions() = %q, want %q", got, want)
	}
	snap = Build(nil, []Source{
		offer{tools: []string{"x"}, instructions: long}.source("loud"), offer{tools: []string{"x"}, instructions: "short"}.source("calm"),
		offer{tools: []string{"x"}, instructions: long}.source("noisy"),
	})
	got := everything(snap, nil).Instructions()
	if len(got) > maxInstructions || len(got) < maxInstructions-10 || !utf8.ValidString(got) {
		t.Errorf("merged instructions have %d bytes (valid UTF-8: %v), want nearly %d", len(got), utf8.ValidString(got), maxInstructions)
	}
	for _, part := range []string{"## loud\n\né", cutMark + "\n\n## calm\n\nshort\n\n## noisy\n\né"} {
		if !strings.Contains(got, part) {
			t.Errorf("merged instructions lack %q", part)
		}
	}
	var many []Source
	for i := range 2000 {
		many = append(many, offer{tools: []string{"x"}, instructions: long}.source(fmt.Sprintf("upstream%d", i)))
	}
	if got := len(everything(Build(nil, many), nil).Instructions()); got > maxInstructions {
		t.Errorf("merged instructions of 2000 upstreams have %d bytes", got)
	}
}

func TestToolset(t *testing.T) {
	snap := Build(nil, []Source{
		offer{tools: []string{"get", "list", "drop"}, prompts: []string{"get"}, resources: []string{"file:///docs/a/b", "file:///x"}, templates: []string{"file:///{x}"}}.source("a"),
		tools("b", "get"),
	})
	for _, c := range []struct {
		patterns []string
		want     []string
	}{
		{nil, nil},
		{[]string{"a__*"}, []string{"tool a__drop", "tool a__get", "tool a__list"}},
		{[]string{"*__get"}, []string{"tool a__get", "tool b__get"}},
		{[]string{"tool:a__l?st", "prompt:*"}, []string{"tool a__list", "prompt a__get"}},
		{[]string{"resource:file:///docs/*"}, []string{"resource file:///docs/a/b"}},
		{[]string{"template:*", "A__GET", "a__ge"}, []string{"template file:///{x}"}},
		{[]string{"*:*get"}, []string{"tool a__get", "tool b__get", "prompt a__get"}},
		{[]string{"upstream:b"}, []string{"tool b__get"}},
		{[]string{"*"}, []string{"tool a__drop", "tool a__get", "tool a__list", "tool b__get", "prompt a__get", "resource file:///docs/a/b", "resource file:///x", "template file:///{x}"}},
	} {
		set, err := NewToolset("reading", c.patterns)
		if err != nil {
			t.Fatalf("NewToolset(%q): %v", c.patterns, err)
		}
		v := everything(snap, &ViewOptions{Toolset: set})
		var got []string
		for k := range Kind(Kinds) {
			for e := range v.All(k) {
				got = append(got, k.String()+" "+e.Key())
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", c.patterns, diff)
		}
	}
	for _, bad := range []string{"", "tool:", "tols:x", "file:///x"} {
		if _, err := NewToolset("reading", []string{"ok", bad}); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", bad)) || !strings.Contains(err.Error(), "pattern 2") {
			t.Errorf("NewToolset(%q) = %v, want an error that names the pattern", bad, err)
		}
	}
}

func TestToolsetOnlyTakesAway(t *testing.T) {
	snap := Build(nil, []Source{tools("a", "x", "y")})
	set, err := NewToolset("all", []string{"*"})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := without(snap, &ViewOptions{Toolset: set}, "a__x").Tool("a__x"); ok {
		t.Error("a toolset shows what the policy hides")
	}
	if !everything(snap, nil).Includes(policy.Object{Kind: "resource", URI: "f:1"}) {
		t.Error("a view without toolset does not include an unlisted resource")
	}
	set, err = NewToolset("docs", []string{"resource:docs:*", "x__*"})
	if err != nil {
		t.Fatal(err)
	}
	v := everything(snap, &ViewOptions{Toolset: set})
	for o, want := range map[[3]string]bool{
		{"resource", "", "docs:1"}: true, {"resource", "", "other:1"}: false, {"template", "", "docs:1"}: false, {"tool", "x__y", ""}: true, {"other", "x__y", "docs:1"}: false,
	} {
		if got := v.Includes(policy.Object{Kind: o[0], Name: o[1], URI: o[2]}); got != want {
			t.Errorf("Includes(%q) = %v, want %v", o, got, want)
		}
	}
}

// A pattern that backtracks on every star would take years for this.
func TestGlobIsCheap(t *testing.T) {
	if globMatch(strings.Repeat("*a", 2000)+"b", strings.Repeat("a", 4000)) {
		t.Error("matches")
	}
}

func TestConcurrentUse(t *testing.T) {
	snap := Build(nil, []Source{offer{tools: []string{"x", "y", "z"}, resources: []string{"f:1"}, templates: []string{"f:{x}"}, instructions: "i"}.source("a")})
	v := everything(snap, &ViewOptions{PageSize: 2})
	asked := []string{"a__x", "f:1", "f:2"}
	want := observe(t, everything(snap, &ViewOptions{PageSize: 2}), asked)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			<-start
			if diff := cmp.Diff(want, observe(panics{}, v, asked)); diff != "" {
				t.Errorf("concurrent readers differ (-want +got):\n%s", diff)
			}
			if got := observe(panics{}, everything(snap, &ViewOptions{PageSize: 2}), asked); !cmp.Equal(want, got) {
				t.Error("a view made concurrently differs")
			}
		})
	}
	close(start)
	wg.Wait()
}

// panics stands in for a test in a goroutine, where Fatalf may not be called.
type panics struct{}

func (panics) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
