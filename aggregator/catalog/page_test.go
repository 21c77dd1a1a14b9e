// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tollgate/upstream"
)

func TestPageBytes(t *testing.T) {
	s := offer{tools: []string{"x", "y"}, templates: []string{"f:{x}"}}.source("a")
	s.Snapshot.TTL = 5 * time.Second
	o := &ViewOptions{PageSize: 1, ServerInfo: []byte(`{"name":"tollgate","version":"1"}`)}
	v := everything(Build(nil, []Source{s}), o)
	const tail = `"resultType":"complete","ttlMs":5000,"cacheScope":"private","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"tollgate","version":"1"}}}`
	for _, c := range []struct {
		kind   Kind
		cursor string
		modern bool
		want   string
	}{
		{Tool, "", true, `{"tools":[{"name":"a__x","inputSchema":{"type":"object"}}],"nextCursor":"AWFfX3g",` + tail},
		{Tool, "", false, `{"tools":[{"name":"a__x","inputSchema":{"type":"object"}}],"nextCursor":"AWFfX3g"}`},
		{Tool, "AWFfX3g", true, `{"tools":[{"name":"a__y","inputSchema":{"type":"object"}}],` + tail},
		{Prompt, "", true, `{"prompts":[],` + tail},
		{Resource, "", false, `{"resources":[]}`},
		{Template, "", false, `{"resourceTemplates":[{"uriTemplate":"f:{x}","name":"label"}]}`},
	} {
		got, err := v.Page(c.kind, c.cursor, c.modern)
		if err != nil || string(got) != c.want || !json.Valid(got) {
			t.Errorf("Page(%s, %q, %v) = %s, %v\nwant %s", c.kind, c.cursor, c.modern, got, err, c.want)
		}
	}
	plain := everything(Build(nil, []Source{tools("a")}), nil)
	if got, _ := plain.Page(Tool, "", true); string(got) != `{"tools":[],"resultType":"complete","ttlMs":60000,"cacheScope":"private"}` {
		t.Errorf("with defaults: %s", got)
	}
}

func TestTTLIsTheShortestShown(t *testing.T) {
	short, long, silent := tools("short", "x"), tools("long", "x"), tools("silent", "x")
	short.Snapshot.TTL, long.Snapshot.TTL = time.Second, time.Hour
	snap := Build(nil, []Source{short, long, silent})
	for hidden, want := range map[string]time.Duration{"none": time.Second, "short__x": time.Minute} {
		if got := without(snap, nil, hidden).ttl; got != want {
			t.Errorf("without %s the list may be kept %s, want %s", hidden, got, want)
		}
	}
}

func TestPagesAreShared(t *testing.T) {
	v := everything(Build(nil, []Source{tools("a", "1", "2", "3", "4", "5")}), &ViewOptions{PageSize: 2})
	_, next := readPage(t, v, "")
	for _, cursor := range []string{"", next} {
		for _, modern := range []bool{false, true} {
			a, _ := v.Page(Tool, cursor, modern)
			b, _ := v.Page(Tool, cursor, modern)
			if &a[0] != &b[0] {
				t.Errorf("page %q (modern %v) is encoded for every caller", cursor, modern)
			}
		}
	}
}

// A stale cursor points into a page. The rest of that page comes first, then the pages everybody gets.
func TestStaleCursorFindsBackToSharedPages(t *testing.T) {
	v := everything(Build(nil, []Source{tools("a", "1", "2", "3", "4", "5")}), &ViewOptions{PageSize: 2})
	_, second := readPage(t, v, "")
	names, next := readPage(t, v, encodeCursor("a__1"))
	if diff := cmp.Diff([]string{"a__2"}, names); diff != "" || next != second {
		t.Errorf("after a stale cursor comes %q, then %q; want the rest of the page, then %q", names, next, second)
	}
}

func TestBadCursor(t *testing.T) {
	v := everything(Build(nil, []Source{tools("a", "x")}), nil)
	encode := base64.RawURLEncoding.EncodeToString
	for _, cursor := range []string{
		" ", "0", "null", "a__x", "!!!!", encode([]byte{cursorVersion}), encode([]byte("\x00a__x")), encode([]byte("\x02a__x")),
		encode([]byte("\x01ab")) + "=", "AWFfX3g\n", "AWFf\r\nX3g", "AWFfX3h",
	} {
		if body, err := v.Page(Tool, cursor, true); !errors.Is(err, ErrBadCursor) || body != nil {
			t.Errorf("Page(%q) = %s, %v, want ErrBadCursor", cursor, body, err)
		}
	}
}

func FuzzCursor(f *testing.F) {
	f.Add("")
	f.Add("AWFfX3g")
	v := everything(Build(nil, []Source{tools("a", "x", "y", "z")}), &ViewOptions{PageSize: 2})
	f.Fuzz(func(t *testing.T, cursor string) {
		body, err := v.Page(Tool, cursor, true)
		if err != nil {
			if !errors.Is(err, ErrBadCursor) || body != nil {
				t.Fatalf("Page(%q) = %s, %v", cursor, body, err)
			}
			return
		}
		if !json.Valid(body) {
			t.Fatalf("Page(%q) is no JSON: %s", cursor, body)
		}
		if last, err := decodeCursor(cursor); err == nil && encodeCursor(last) != cursor {
			t.Fatalf("two cursors stand for %q", last)
		}
	})
}

func TestWalkWhileTheCatalogChanges(t *testing.T) {
	o := &ViewOptions{PageSize: 2}
	before := everything(Build(nil, []Source{tools("a", "b", "d", "f", "h")}), o)
	first, cursor := readPage(t, before, "")
	if diff := cmp.Diff([]string{"a__b", "a__d"}, first); diff != "" {
		t.Fatalf("first page (-want +got):\n%s", diff)
	}
	for _, c := range []struct {
		now  []string
		want []string
	}{
		{[]string{"b", "d", "f", "h"}, []string{"a__f", "a__h"}},
		{[]string{"b", "f", "h"}, []string{"a__f", "a__h"}},                                          // the last one shown is gone
		{[]string{"h"}, []string{"a__h"}},                                                            // everything shown is gone
		{[]string{"a", "b", "c", "d", "e", "f", "g", "h"}, []string{"a__e", "a__f", "a__g", "a__h"}}, // more before and after
		{[]string{"a", "b", "c", "d"}, nil},                                                          // nothing left
		{nil, nil},
	} {
		now := everything(Build(nil, []Source{tools("a", c.now...)}), o)
		var rest []string
		for next := cursor; next != ""; {
			var page []string
			page, next = readPage(t, now, next)
			rest = append(rest, page...)
		}
		if diff := cmp.Diff(c.want, rest); diff != "" {
			t.Errorf("rest of the walk over %q (-want +got):\n%s", c.now, diff)
		}
	}
}

// A walk, whatever happens on the way, shows what stayed exactly once, nothing twice, and ends.
func TestWalk(t *testing.T) {
	names := []string{"a", "b", "c", "d", "e", "f", "g", "h", "i"}
	rapid.Check(t, func(t *rapid.T) {
		draw := rapid.SliceOfNDistinct(rapid.SampledFrom(names), 0, len(names), rapid.ID)
		size := rapid.IntRange(1, 4).Draw(t, "page size")
		kept := map[string]bool{}
		for _, n := range names {
			kept["u__"+n] = true
		}
		seen, cursor := map[string]int{}, ""
		for step := 0; step == 0 || cursor != ""; step++ {
			if step > len(names) {
				t.Fatalf("the walk does not end: %v", seen)
			}
			now := draw.Draw(t, "now")
			for n := range kept {
				kept[n] = kept[n] && slices.Contains(now, n[3:])
			}
			v := everything(Build(nil, []Source{tools("u", now...)}), &ViewOptions{PageSize: size})
			body, err := v.Page(Tool, cursor, false)
			if err != nil {
				t.Fatalf("Page(%q): %v", cursor, err)
			}
			var p pageOf
			if err := json.Unmarshal(body, &p); err != nil || len(p.Tools) > size {
				t.Fatalf("a page of %d: %s, %v", size, body, err)
			}
			for _, e := range p.Tools {
				seen[e.Name]++
			}
			cursor = ""
			if p.NextCursor != nil {
				cursor = *p.NextCursor
			}
		}
		for n, stayed := range kept {
			if seen[n] > 1 || stayed && seen[n] != 1 {
				t.Fatalf("%s (stayed: %v) was shown %d times", n, stayed, seen[n])
			}
		}
	})
}

func TestHash(t *testing.T) {
	base := func() []Source {
		return []Source{offer{tools: []string{"x", "y"}, prompts: []string{"p"}, instructions: "i"}.source("a"), tools("b", "x")}
	}
	start := everything(Build(nil, base()), nil)
	hashes := func(change func([]Source), hidden ...string) [Kinds]bool {
		sources := base()
		change(sources)
		v := without(Build(nil, sources), &ViewOptions{PageSize: 1}, hidden...)
		var changed [Kinds]bool
		for k := range Kind(Kinds) {
			changed[k] = v.Hash(k) != start.Hash(k)
		}
		return changed
	}
	none, toolsOnly := [Kinds]bool{}, [Kinds]bool{Tool: true}
	for _, c := range []struct {
		name   string
		change func([]Source)
		hidden []string
		want   [Kinds]bool
	}{
		{"nothing", func([]Source) {}, nil, none},
		{"instructions", func(s []Source) { s[0].Snapshot.Instructions = "j" }, nil, none},
		{"the order of upstreams", func(s []Source) { slices.Reverse(s) }, nil, none},
		{"a hidden tool more", func(s []Source) { s[1].Snapshot.Tools = append(s[1].Snapshot.Tools, tool("new")) }, []string{"b__new"}, none},
		{"a tool more", func(s []Source) { s[1].Snapshot.Tools = append(s[1].Snapshot.Tools, tool("new")) }, nil, toolsOnly},
		{"a tool less", func(s []Source) { s[1].Snapshot.Tools = nil }, nil, toolsOnly},
		{"a tool hidden", func([]Source) {}, []string{"a__y"}, toolsOnly},
		{"a definition", func(s []Source) { s[1].Snapshot.Tools[0] = item("x", "", `{"name":"x","title":"t"}`) }, nil, toolsOnly},
		{"a name", func(s []Source) { s[1].Upstream = "c" }, nil, toolsOnly},
		{"a resource more", func(s []Source) { s[1].Snapshot.Resources = []upstream.Item{item("l", "f:1", `{"uri":"f:1"}`)} }, nil, [Kinds]bool{Resource: true}},
	} {
		if got := hashes(c.change, c.hidden...); got != c.want {
			t.Errorf("after a change of %s the lists that changed are %v, want %v", c.name, got, c.want)
		}
	}
}

func TestTemplates(t *testing.T) {
	for _, c := range []struct {
		template string
		yes, no  []string
	}{
		{"db://{id}", []string{"db://1", "db://a%20b", "db://"}, []string{"db://1/2", "db:/1", "xdb://1", "db://a b", "db://%2"}},
		{"file:///{+path}", []string{"file:///a/b?c#d"}, []string{"file:///a b", "file:///\n"}},
		{"file://{/a,b}", []string{"file:///x", "file:///x/y", "file://"}, []string{"file:///x/y/z"}},
		{"q:{x}{?a,b}", []string{"q:1", "q:1?a=1", "q:1?a=1&b=2", "q:1?b=2&a=1", "q:1?a=1,2"}, []string{"q:1?c=1", "q:1?a=1&c=2", "q:1?a=1&b=2&a=3", "q:1?"}},
		{"q:{x}{?a:3}{&b*}", []string{"q:1?a=1&z=2"}, []string{"q:1?b=1"}},
		{"m:x{;a}", []string{"m:x;a=1", "m:x;a"}, []string{"m:x;b=1"}},
		{"t://a.b/{x}/data", []string{"t://a.b/1/data"}, []string{"t://aXb/1/data", "t://a.b/1/data/"}},
	} {
		p, err := compileTemplate(c.template)
		if err != nil {
			t.Fatalf("compileTemplate(%q): %v", c.template, err)
		}
		for _, uri := range c.yes {
			if !p.matches(uri) {
				t.Errorf("%q does not match %q", c.template, uri)
			}
		}
		for _, uri := range c.no {
			if p.matches(uri) {
				t.Errorf("%q matches %q", c.template, uri)
			}
		}
	}
}

func TestBadTemplates(t *testing.T) {
	many := "x:{v0"
	for i := range maxTemplateVars {
		many += fmt.Sprintf(",v%d", i+1)
	}
	bad := []string{"x:{", "x:{}", "x:{a b}", "x:{=a}", "x:}", "plain:x", "x:{a}\xff", many + "}", "x:{a}" + string(make([]byte, maxTemplateBytes))}
	s := offer{templates: append(bad, "good:{x}")}.source("up")
	snap := Build(nil, []Source{s, offer{templates: []string{"fine:{y}"}}.source("other")})
	if diff := cmp.Diff([]string{"fine:{y}", "good:{x}"}, keys(snap, Template)); diff != "" {
		t.Errorf("shown (-want +got):\n%s", diff)
	}
	if len(snap.Problems) != len(bad) {
		t.Errorf("%d problems for %d bad templates: %q", len(snap.Problems), len(bad), problems(snap))
	}
	s.Snapshot.Templates = nil
	for i := range maxTemplates + 5 {
		s.Snapshot.Templates = append(s.Snapshot.Templates, item("l", fmt.Sprintf("x%d:{x}", i), fmt.Sprintf(`{"uriTemplate":"x%d:{x}"}`, i)))
	}
	if snap := Build(nil, []Source{s}); len(snap.Entries(Template)) != maxTemplates || len(snap.Problems) != 5 {
		t.Errorf("of too many templates %d are shown and %d reported", len(snap.Entries(Template)), len(snap.Problems))
	}
}
