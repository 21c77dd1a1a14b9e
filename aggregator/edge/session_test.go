// SPDX-License-Identifier: Apache-2.0

package edge

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"tollgate/upstream/upstreamtest"
	"tollgate/upstream/wire"
)

func newCancel(t *testing.T) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	return ctx, cancel
}

func lookup(obj []byte, path ...string) (string, bool) {
	v, ok := wire.Lookup(obj, path...)
	return string(v), ok
}

func (g *gateway) get(t *testing.T, method, role, session string) *http.Response {
	t.Helper()
	ctx, _ := newCancel(t)
	req, _ := http.NewRequestWithContext(ctx, method, g.http.URL+"/mcp", nil)
	req.Header.Set("Authorization", "Bearer "+role)
	req.Header.Set("Accept", "text/event-stream")
	if session != "" {
		req.Header.Set("Mcp-Session-Id", session)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

func TestSessionBelongsToItsCredential(t *testing.T) {
	g := start(t, named{"up", true, echo()})
	session := g.open(t, "reader")
	list := `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`
	if status, answer := g.ask(t, "reader", list, in(session)); status != 200 || !strings.Contains(answer, "up__echo") {
		t.Fatalf("own session: %d %s", status, answer)
	}
	status, other := g.ask(t, "admin", list, in(session))
	wrongStatus, wrong := g.ask(t, "admin", list, in("nothing"))
	if status != 404 || status != wrongStatus || other != wrong {
		t.Errorf("somebody else's session: %d %s; no session: %d %s", status, other, wrongStatus, wrong)
	}
	if resp := g.get(t, "DELETE", "admin", session); resp.StatusCode != 404 {
		t.Errorf("DELETE of somebody else's session: %s", resp.Status)
	}
	if resp := g.get(t, "DELETE", "reader", session); resp.StatusCode != 204 {
		t.Errorf("DELETE: %s", resp.Status)
	}
	if status, _ := g.ask(t, "reader", list, in(session)); status != 404 {
		t.Errorf("after DELETE: %d", status)
	}
	if resp := g.get(t, "GET", "reader", ""); resp.StatusCode != 405 {
		t.Errorf("GET without a session: %s", resp.Status)
	}
}

func TestInitializeNegotiates(t *testing.T) {
	g := start(t)
	for asked, want := range map[string]string{
		"2025-11-25": "2025-11-25", "2025-06-18": "2025-06-18", "2025-03-26": "2025-03-26", "2024-11-05": "2024-11-05",
		"2026-07-28": "2025-11-25", "1999-01-01": "2025-11-25",
	} {
		_, answer := g.ask(t, "reader", `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"`+asked+`","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`, nil)
		if !strings.Contains(answer, `"protocolVersion":"`+want+`"`) {
			t.Errorf("asked %s: %s", asked, answer)
		}
	}
}

// TestListChanged: only those are told whose own list changed.
func TestListChanged(t *testing.T) {
	up := echo()
	g := start(t, named{"up", true, up})
	session := g.open(t, "reader")
	legacy := newEvents(t, g.get(t, "GET", "reader", session))
	reader := newEvents(t, g.post(t, "reader", modernRequest(`"r"`, "subscriptions/listen", `"notifications":{"toolsListChanged":true}`), nil))
	admin := newEvents(t, g.post(t, "admin", modernRequest("8", "subscriptions/listen", `"notifications":{"toolsListChanged":true,"resourceSubscriptions":[]}`), nil))
	for e, want := range map[*events]string{
		reader: `{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"notifications":{"toolsListChanged":true},"_meta":{"io.modelcontextprotocol/subscriptionId":"r"}}}`,
		admin:  `{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"notifications":{"toolsListChanged":true,"resourceSubscriptions":[]},"_meta":{"io.modelcontextprotocol/subscriptionId":8}}}`,
	} {
		if got := e.next(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	// First a tool that only the admin sees, then one that everybody sees: the reader hears of the second only.
	tools := `{"tools":[{"name":"echo","inputSchema":{"type":"object"}},{"name":"secret","inputSchema":{"type":"object"}},{"name":"secret2","inputSchema":{"type":"object"}}%s],"resultType":"complete","ttlMs":0,"cacheScope":"private"}`
	change := func(more string) {
		up.Set("tools/list", strings.Replace(tools, "%s", more, 1))
		up.Notify("notifications/tools/list_changed", `{}`)
	}
	change("")
	if got := admin.next(); !strings.Contains(got, "notifications/tools/list_changed") || !strings.Contains(got, `"io.modelcontextprotocol/subscriptionId":8`) {
		t.Errorf("admin got %s", got)
	}
	change(`,{"name":"open","inputSchema":{"type":"object"}}`)
	if got := reader.next(); !strings.Contains(got, `"io.modelcontextprotocol/subscriptionId":"r"`) {
		t.Errorf("reader got %s", got)
	}
	if got := legacy.next(); got != `{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}` {
		t.Errorf("session got %s", got)
	}
	if _, list := g.ask(t, "reader", modernRequest("1", "tools/list", ""), nil); !strings.Contains(list, "up__open") {
		t.Errorf("reader was told of a change its list does not show: %s", list)
	}
	// A graceful end answers the listen.
	g.edge.Drain()
	if got := reader.next(); !strings.Contains(got, `"id":"r","result":{"resultType":"complete","_meta":{"io.modelcontextprotocol/subscriptionId":"r"}}`) {
		t.Errorf("at the end: %s", got)
	}
}

func TestResourceUpdates(t *testing.T) {
	for _, legacyUp := range []bool{false, true} {
		up := &upstreamtest.Server{Legacy: legacyUp, Results: map[string]string{
			"resources/list": `{"resources":[{"uri":"test://a","name":"a"},{"uri":"test://secret","name":"s"}],"resultType":"complete","ttlMs":0,"cacheScope":"private"}`,
		}}
		g := start(t, named{"up", true, up})
		session := g.open(t, "reader")
		stream := newEvents(t, g.get(t, "GET", "reader", session))
		if status, answer := g.ask(t, "reader", `{"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{"uri":"test://a"}}`, in(session)); status != 200 || !strings.Contains(answer, `"result":{}`) {
			t.Fatalf("subscribe: %d %s", status, answer)
		}
		_, hidden := g.ask(t, "reader", `{"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{"uri":"test://secret"}}`, in(session))
		_, missing := g.ask(t, "reader", `{"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{"uri":"test://sekret"}}`, in(session))
		if strings.ReplaceAll(hidden, "secret", "") != strings.ReplaceAll(missing, "sekret", "") || !strings.Contains(hidden, "-32002") {
			t.Errorf("hidden %s, missing %s", hidden, missing)
		}
		params := `{"uri":"test://a","extra":9007199254740993}`
		if !legacyUp {
			listens := up.Seen("subscriptions/listen")
			params = `{"uri":"test://a","extra":9007199254740993,"_meta":{"io.modelcontextprotocol/subscriptionId":` + string(listens[len(listens)-1].ID) + `}}`
		}
		up.Notify("notifications/resources/updated", params)
		if got := stream.next(); !strings.Contains(got, `"uri":"test://a","extra":9007199254740993`) {
			t.Errorf("legacy upstream %v: got %s", legacyUp, got)
		}
	}
}

func TestLegacyCancel(t *testing.T) {
	up := echo()
	running, cancelled := make(chan struct{}), make(chan struct{})
	up.Handle = func(r *upstreamtest.Request) bool {
		if r.Method != "tools/call" {
			return false
		}
		close(running)
		<-r.Context.Done()
		close(cancelled)
		return true
	}
	g := start(t, named{"up", true, up})
	session := g.open(t, "admin")
	done := make(chan struct{})
	go func() {
		defer close(done)
		g.ask(t, "admin", `{"jsonrpc":"2.0","id":77,"method":"tools/call","params":{"name":"up__echo"}}`, in(session))
	}()
	<-running
	if status, _ := g.ask(t, "admin", `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":77}}`, in(session)); status != 202 {
		t.Errorf("cancel: %d", status)
	}
	<-cancelled
	<-done
}

// TestAnnouncedChange: an upstream that announces a change which its list does not show is taken at its word.
func TestAnnouncedChange(t *testing.T) {
	up := echo()
	g := start(t, named{"up", true, up})
	e := newEvents(t, g.post(t, "reader", modernRequest("1", "subscriptions/listen", `"notifications":{"toolsListChanged":true}`), nil))
	e.next()
	up.Notify("notifications/tools/list_changed", `{}`)
	if got := e.next(); !strings.Contains(got, "notifications/tools/list_changed") {
		t.Errorf("got %s", got)
	}
}
