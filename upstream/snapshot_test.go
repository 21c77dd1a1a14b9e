// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"tollgate/upstream/wire"
)

// pages answers tools/list with a page per cursor.
func pages(f func(cursor string, first bool) string) func(*scriptedConn, *wire.Envelope) {
	return func(c *scriptedConn, e *wire.Envelope) {
		_, has := wire.Lookup(e.Params, "cursor")
		c.reply(e, f(stringAt(e.Params, "cursor"), !has))
	}
}

func page(next string, tools ...string) string {
	list := make([]string, len(tools))
	for i, name := range tools {
		list[i] = tool(name)
	}
	return `{"tools":[` + strings.Join(list, ",") + `]` + next + `}`
}

func TestPages(t *testing.T) {
	const cursor = `,"nextCursor":`
	endless := 0
	tests := []struct {
		name    string
		page    func(cursor string, first bool) string
		tools   int
		state   State
		trouble string
	}{
		{"two", func(c string, first bool) string {
			if first {
				return page(cursor+`"b"`, "one", "two")
			}
			return page("", "three")
		}, 3, Ready, ""},
		{"empty cursor is a cursor", func(c string, first bool) string {
			switch {
			case first:
				return page(cursor+`""`, "one")
			case c == "":
				return page(cursor+`"c"`, "two")
			}
			return page("", "three")
		}, 3, Ready, ""},
		{"empty cursor means no more", func(string, bool) string { return page(cursor+`""`, "one", "two") }, 2, Ready, ""},
		{"null cursor means no more", func(string, bool) string { return page(cursor+`null`, "one") }, 1, Ready, ""},
		{"same cursor twice", func(c string, first bool) string { return page(cursor+`"b"`, "t"+strconv.FormatBool(first)) }, 2, Degraded,
			`tools/list: the cursor "b" came twice`},
		{"endless", func(string, bool) string {
			endless++
			return page(cursor+strconv.Quote(strconv.Itoa(endless)), fmt.Sprint("t", endless))
		}, maxPages, Degraded, "tools/list: more than 200 pages"},
		{"50,000 tools", func(string, bool) string {
			all := make([]string, 50_000)
			for i := range all {
				all[i] = "t" + strconv.Itoa(i)
			}
			return page("", all...)
		}, maxItems, Degraded, "tools/list: more than 20000 items"},
		{"cursor of a wrong type", func(string, bool) string { return page(cursor+`7`, "one") }, 0, Degraded, "sent a cursor in tools/list that is no string"},
		{"no array", func(string, bool) string { return `{"tools":{}}` }, 0, Degraded, `answered tools/list without an array "tools"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := run(t, nil, (&scripted{on: on("tools/list", pages(tt.page))}).config("demo"))
				st := state(t, s, "demo", tt.state)
				if st.Tools != tt.tools || !strings.Contains(st.Failure, tt.trouble) || (tt.trouble == "") != (st.Dropped == nil) {
					t.Errorf("%d tools, failure %q, dropped %v; want %d, %q", st.Tools, st.Failure, st.Dropped, tt.tools, tt.trouble)
				}
			})
		})
	}
}

func TestItems(t *testing.T) {
	deep := strings.Repeat(`{"properties":{"a":`, 40) + `{}` + strings.Repeat(`}}`, 40)
	tests := []struct{ name, raw, reason string }{
		{"no object", `7`, "it is no object"},
		{"no name", `{"inputSchema":{"type":"object"}}`, "name is missing"},
		{"empty name", `{"name":"","inputSchema":{"type":"object"}}`, "name is empty"},
		{"name is a number", `{"name":7,"inputSchema":{"type":"object"}}`, "name is no string"},
		{"line break in the name", `{"name":"a\r\nb","inputSchema":{"type":"object"}}`, "control characters"},
		{"endless name", `{"name":"` + strings.Repeat("a", 2000) + `","inputSchema":{"type":"object"}}`, "longer than"},
		{"name twice", `{"name":"a","name":"b","inputSchema":{"type":"object"}}`, "duplicate member"},
		{"no schema", `{"name":"a"}`, "inputSchema"},
		{"schema of null", `{"name":"a","inputSchema":null}`, "inputSchema"},
		{"empty schema", `{"name":"a","inputSchema":{}}`, "inputSchema"},
		{"list of types", `{"name":"a","inputSchema":{"type":["object"]}}`, "inputSchema"},
		{"deep schema", `{"name":"a","inputSchema":{"type":"object","properties":{"a":` + deep + `}}}`, "inputSchema"},
		{"header with a line break", `{"name":"a","inputSchema":{"type":"object","properties":{"p":{"type":"string","x-mcp-header":"X\r\nEvil"}}}}`, "x-mcp-header"},
		{"same tool again", tool("good"), "the name appears twice"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := run(t, nil, (&scripted{tools: []string{tool("good"), tt.raw, tool("better")}}).config("demo"))
			st := state(t, s, "demo", Ready)
			if diff := cmp.Diff([]string{"good", "better"}, names(s)); diff != "" {
				t.Errorf("tools (-want +got):\n%s", diff)
			}
			if len(st.Dropped) != 1 || !strings.Contains(st.Dropped[0].Reason, tt.reason) {
				t.Errorf("dropped = %+v, want one with %q", st.Dropped, tt.reason)
			}
		})
	}
}

// A remote reference in a schema is neither followed nor a reason to hide the tool, and every byte of a definition counts.
func TestItemKeepsItsBytes(t *testing.T) {
	const raw = `{ "name":"a","inputSchema":{"type":"object","properties":{"r":{"$ref":"http://169.254.169.254/x"},"p":{"type":"string","x-mcp-header":"Region"}}},"big":12345678901234567890,"annotations":{"readOnlyHint":false}}`
	srv := &scripted{tools: []string{raw}}
	item := run(t, nil, srv.config("demo")).Snapshots()[0].Tools[0]
	if string(item.Raw) != raw {
		t.Errorf("raw = %s\nwant  %s", item.Raw, raw)
	}
	if len(item.ParamHeaders) != 1 || item.ParamHeaders[0].Header != "Region" {
		t.Errorf("param headers = %+v, want Region", item.ParamHeaders)
	}
	for _, other := range []string{strings.Replace(raw, "false", "true", 1), strings.Replace(raw, "890", "891", 1)} {
		srv := &scripted{tools: []string{other}}
		if changed := run(t, nil, srv.config("demo")).Snapshots()[0].Tools[0]; changed.Hash == item.Hash {
			t.Errorf("%s has the same hash", other)
		}
	}
}

func TestIcons(t *testing.T) {
	const https, script, file = `{"src":"https://a.example/i.png","sizes":["16x16"]}`, `{"src":"javascript:alert(1)"}`, `{"src":"FILE:///etc/passwd"}`
	raw := `{"name":"a","icons":[` + script + `, ` + https + `,` + file + `],"inputSchema":{"type":"object"}}`
	s := run(t, nil, (&scripted{tools: []string{raw}}).config("demo"))
	want := `{"name":"a","icons":[` + https + `],"inputSchema":{"type":"object"}}`
	if got := string(s.Snapshots()[0].Tools[0].Raw); got != want {
		t.Errorf("tool = %s\nwant   %s", got, want)
	}
	if st := state(t, s, "demo", Ready); len(st.Dropped) != 2 || !strings.Contains(st.Dropped[0].Reason, "javascript") {
		t.Errorf("dropped = %+v, want both icons", st.Dropped)
	}
}

// Only what was declared is asked for, a list the upstream does not have is no failure, and one that fails harms no other.
func TestLists(t *testing.T) {
	const caps = `{"prompts":{},"resources":{}}`
	srv := &scripted{caps: caps}
	srv.on = on("prompts/list", func(c *scriptedConn, e *wire.Envelope) { c.fail(e, -32603, "database down") })
	srv.on["resources/list"] = func(c *scriptedConn, e *wire.Envelope) {
		c.reply(e, `{"ttlMs":45000,"resources":[{"uri":"a:1","name":"same"},{"uri":"a:2","name":"same"},{"uri":"a:3"},{"name":"x"}]}`)
	}
	s := run(t, nil, srv.config("demo"))
	st := state(t, s, "demo", Degraded)
	if !strings.Contains(st.Failure, "refused prompts/list: database down (code -32603)") {
		t.Errorf("failure = %q", st.Failure)
	}
	snap := s.Snapshots()[0]
	if len(snap.Resources) != 2 || snap.Resources[1].URI != "a:2" || len(snap.Templates) != 0 || snap.TTL != 45*time.Second {
		t.Errorf("snapshot = %+v, want two resources and a TTL of 45s", snap)
	}
	if snap.Instructions != "be kind" || string(snap.Capabilities) != caps || !strings.Contains(string(snap.ServerInfo), "scripted") {
		t.Errorf("snapshot describes the upstream as %q, %s, %s", snap.Instructions, snap.Capabilities, snap.ServerInfo)
	}
	if len(st.Dropped) != 3 {
		t.Errorf("dropped = %+v, want two resources and the list of prompts", st.Dropped)
	}
	if n := srv.count("tools/list"); n != 0 {
		t.Error("tools were asked for without the capability")
	}
}

func TestAllowList(t *testing.T) {
	srv := &scripted{tools: []string{tool("get_a"), tool("get_b"), tool("delete_a"), tool("ping")}}
	cfg := srv.config("demo")
	cfg.Tools = []string{"get_*", "ping", "[broken"}
	s := run(t, nil, cfg)
	if diff := cmp.Diff([]string{"get_a", "get_b", "ping"}, names(s)); diff != "" {
		t.Errorf("tools (-want +got):\n%s", diff)
	}
	if st := state(t, s, "demo", Ready); st.Dropped != nil {
		t.Errorf("what is not wanted is no problem: %+v", st.Dropped)
	}
}

// A refresh that fails keeps the last good list, and is repeated until it succeeds.
func TestFailedRefreshKeepsTheList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex // guards broken
		broken := false
		srv := &scripted{era: "legacy"}
		srv.on = on("tools/list", func(c *scriptedConn, e *wire.Envelope) {
			mu.Lock()
			defer mu.Unlock()
			if broken {
				c.fail(e, -32603, "no")
				return
			}
			c.usual(e)
		})
		s := run(t, nil, srv.config("demo"))
		before := s.Snapshots()[0].Hash
		mu.Lock()
		broken = true
		mu.Unlock()
		srv.last().notify("notifications/tools/list_changed", `{}`)
		elapse(3 * time.Second)
		state(t, s, "demo", Degraded)
		if snap := s.Snapshots()[0]; snap.Hash != before {
			t.Errorf("the snapshot changed to %+v", snap)
		}
		mu.Lock()
		broken = false
		mu.Unlock()
		elapse(time.Minute)
		state(t, s, "demo", Ready)
	})
}
