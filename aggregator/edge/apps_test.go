// SPDX-License-Identifier: Apache-2.0

package edge

import (
	"strings"
	"testing"

	"tollgate/upstream/upstreamtest"
)

// appServer is a modern server with a tool that shows an app. Reading one answers with who was asked for what.
func appServer(who, resources string) *upstreamtest.Server {
	up := echo()
	up.Capabilities = `{"tools":{},"resources":{},"extensions":{"io.modelcontextprotocol/ui":{}}}`
	up.Results["tools/list"] = `{"tools":[{"name":"show","inputSchema":{"type":"object"},"_meta":{"ui":{"visibility":["app"],"resourceUri":"ui://card"},"ui/resourceUri":"ui://card","n":1.0}}],"resultType":"complete","ttlMs":0,"cacheScope":"private"}`
	up.Results["resources/list"] = `{"resources":[` + resources + `],"resultType":"complete","ttlMs":0,"cacheScope":"private"}`
	up.Handle = func(r *upstreamtest.Request) bool {
		uri, _ := lookup(r.Params, "uri")
		if r.Method != "resources/read" || strings.Contains(uri, "none") {
			return false
		}
		r.Result(`{"contents":[{"uri":` + uri + `,"mimeType":"text/html;profile=mcp-app","text":"` + who + `","_meta":{"ui":{"csp":{}}}}],"resultType":"complete","ttlMs":0,"cacheScope":"private"}`)
		return true
	}
	return up
}

// TestAppsOfTwoUpstreams: each tool shows its own upstream's app, listed or not.
func TestAppsOfTwoUpstreams(t *testing.T) {
	const card = `{"uri":"ui://card","name":"card","_meta":{"ui":{"prefersBorder":true}}}`
	for _, listed := range []string{card, ""} {
		g := start(t, named{"one", true, appServer("one", card)}, named{"two", true, appServer("two", listed)})
		_, answer := g.ask(t, "reader", modernRequest("1", "tools/list", ""), nil)
		for _, want := range []string{
			`{"name":"one__show","inputSchema":{"type":"object"},"_meta":{"ui":{"visibility":["app"],"resourceUri":"ui://card"},"ui/resourceUri":"ui://card","n":1.0}}`,
			`{"name":"two__show","inputSchema":{"type":"object"},"_meta":{"ui":{"visibility":["app"],"resourceUri":"ui://two--card"},"ui/resourceUri":"ui://two--card","n":1.0}}`,
		} {
			if !strings.Contains(answer, want) {
				t.Errorf("tools: %s\nwant %s", answer, want)
			}
		}
		_, answer = g.ask(t, "reader", modernRequest("2", "resources/list", ""), nil)
		if shown := strings.Contains(answer, strings.Replace(card, "ui://card", "ui://two--card", 1)); shown != (listed != "") || !strings.Contains(answer, card) {
			t.Errorf("resources: %s", answer)
		}
		for uri, who := range map[string]string{"ui://card": "one", "ui://two--card": "two"} {
			_, answer = g.ask(t, "reader", modernRequest("3", "resources/read", `"uri":"`+uri+`"`), nil)
			want := `{"contents":[{"uri":"ui://card","mimeType":"text/html;profile=mcp-app","text":"` + who + `","_meta":{"ui":{"csp":{}}}}],"resultType":"complete","ttlMs":0,"cacheScope":"private"}`
			if got := result(t, answer); got != want {
				t.Errorf("%s: %s", uri, got)
			}
		}
		if _, answer = g.ask(t, "reader", modernRequest("4", "resources/read", `"uri":"ui://one--card"`), nil); !strings.Contains(answer, `"code":-32602`) {
			t.Errorf("an alias nobody has: %s", answer)
		}
	}
}

// TestHiddenApp: the address that a tool names is no way around the policy, and hidden is missing.
func TestHiddenApp(t *testing.T) {
	up := appServer("two", "")
	up.Results["tools/list"] = strings.ReplaceAll(up.Results["tools/list"], "ui://card", "ui://secret")
	up.Results["tools/list"] = strings.Replace(up.Results["tools/list"], `"tools":[`, `"tools":[{"name":"none","inputSchema":{"type":"object"},"_meta":{"ui":{"resourceUri":"ui://none"}}},`, 1)
	g := start(t, named{"one", true, appServer("one", "")}, named{"two", true, up})
	read := func(role, uri string) string {
		_, answer := g.ask(t, role, modernRequest("1", "resources/read", `"uri":"`+uri+`"`), nil)
		return strings.ReplaceAll(answer, uri, "URI")
	}
	if got := read("admin", "ui://secret"); !strings.Contains(got, `"text":"two"`) {
		t.Errorf("admin: %s", got)
	}
	missing := read("reader", "ui://missing")
	if !strings.Contains(missing, `"code":-32602`) {
		t.Fatalf("missing: %s", missing)
	}
	for _, uri := range []string{"ui://secret", "ui://none"} {
		if got := read("reader", uri); got != missing {
			t.Errorf("%s: %s, want %s", uri, got, missing)
		}
	}
}
