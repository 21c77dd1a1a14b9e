// SPDX-License-Identifier: Apache-2.0

package edge

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/aggregator"
	"tollgate/aggregator/auth"
	"tollgate/upstream/upstreamtest"
	"tollgate/upstream/wire"
)

// TestSlowCallOverHTTP2: over HTTP/2 a write deadline that passes ends the stream although nobody was writing.
func TestSlowCallOverHTTP2(t *testing.T) {
	up := echo()
	up.Handle = func(r *upstreamtest.Request) bool {
		if r.Method == "tools/call" {
			<-time.After(200 * time.Millisecond)
			if token, ok := lookup(r.Params, "_meta", "progressToken"); ok {
				r.Send(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":` + token + `,"progress":1}}`)
				<-time.After(200 * time.Millisecond)
			}
		}
		return false
	}
	g := start(t, named{"up", true, up})
	g.edge.opts.WriteTimeout = 50 * time.Millisecond
	server := httptest.NewUnstartedServer(g.edge)
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	for _, meta := range []string{modernMeta, strings.Replace(modernMeta, "{", `{"progressToken":1,`, 1)} {
		body := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"up__echo",` + meta + `}}`
		req, err := http.NewRequest(http.MethodPost, server.URL+"/mcp", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		e, err := wire.Parse([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer reader")
		wire.SetHeaders(req.Header, wire.R20260728, e.Method, e.Params, nil)
		resp, err := server.Client().Do(req)
		if err != nil {
			t.Errorf("%s: %v", meta, err)
			continue
		}
		answer, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.ProtoMajor != 2 || !strings.Contains(string(answer), `"text":"hi"`) {
			t.Errorf("%s: HTTP/%d, %s, %v", meta, resp.ProtoMajor, answer, err)
		}
	}
}

// revocable accepts test tokens until it is told not to.
type revocable struct {
	tokens
	revoked atomic.Bool
}

func (a *revocable) Request(r *http.Request) (*auth.Principal, *auth.Challenge) {
	if a.revoked.Load() {
		return nil, &auth.Challenge{Status: http.StatusUnauthorized, Message: "revoked"}
	}
	return a.tokens.Request(r)
}

// TestRevokedKeyEndsStreams: who may no longer ask may no longer be told either.
func TestRevokedKeyEndsStreams(t *testing.T) {
	g := start(t, named{"up", true, echo()})
	keys := &revocable{}
	g.edge.opts.Auth, g.edge.opts.KeepAlive = keys, 10*time.Millisecond
	session := newEvents(t, g.get(t, "GET", "reader", g.open(t, "reader")))
	listen := newEvents(t, g.post(t, "reader", modernRequest("1", "subscriptions/listen", `"notifications":{"toolsListChanged":true}`), nil))
	if got := listen.next(); !strings.Contains(got, "acknowledged") {
		t.Fatalf("listen: %s", got)
	}
	keys.revoked.Store(true)
	if got := session.next() + listen.next(); got != "" {
		t.Errorf("after the key was revoked: %s", got)
	}
}

// TestUnknownVersionFirst: what a client of a version we do not know sends besides is not ours to judge.
func TestUnknownVersionFirst(t *testing.T) {
	g := start(t)
	for _, body := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`,
		`{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2031-01-01"}}}`,
	} {
		status, answer := g.ask(t, "reader", body, func(h http.Header) {
			h.Set("MCP-Protocol-Version", "2031-01-01")
			h.Set("Mcp-Method", "tools/list")
		})
		if status != http.StatusBadRequest || !strings.Contains(answer, `"code":-32022`) || !strings.Contains(answer, `{"supported":["2026-07-28"],"requested":"2031-01-01"}`) {
			t.Errorf("%s: %d %s", body, status, answer)
		}
	}
}

func TestListenNeedsEvents(t *testing.T) {
	g := start(t)
	status, answer := g.ask(t, "reader", modernRequest("1", "subscriptions/listen", `"notifications":{}`), func(h http.Header) {
		h.Set("Accept", "application/json")
	})
	if status != http.StatusNotAcceptable || !strings.Contains(answer, "text/event-stream") {
		t.Errorf("%d %s", status, answer)
	}
}

// TestDrainAnswersStdio: a gateway that is told to end gives stdio clients the answers to what they have asked.
func TestDrainAnswersStdio(t *testing.T) {
	up := echo()
	running, release := make(chan struct{}), make(chan struct{})
	up.Handle = func(r *upstreamtest.Request) bool {
		if r.Method == "tools/call" {
			close(running)
			<-release
		}
		return false
	}
	g := start(t, named{"up", true, up})
	c := g.stdio(t, "reader")
	c.send(modernRequest("2", "subscriptions/listen", `"notifications":{"toolsListChanged":true}`))
	if got := c.next(); !strings.Contains(got, "acknowledged") {
		t.Fatalf("listen: %s", got)
	}
	c.send(modernRequest("1", "tools/call", `"name":"up__echo"`))
	<-running
	g.edge.Drain()
	if got := c.next(); !strings.Contains(got, `"id":2,"result":{"resultType":"complete"`) {
		t.Errorf("the subscription's end: %s", got)
	}
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := g.edge.Drained(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with a call running: %v", err)
	}
	close(release)
	if got := c.next(); !strings.Contains(got, `"id":1,"result"`) {
		t.Errorf("the running call: %s", got)
	}
	if err := g.edge.Drained(t.Context()); err != nil {
		t.Errorf("at the end: %v", err)
	}
}

// TestStdioIDInUse: a call and a subscription of one id could not be told apart when one is cancelled.
func TestStdioIDInUse(t *testing.T) {
	g := start(t, named{"up", true, echo()})
	c := g.stdio(t, "reader")
	c.send(modernRequest("1", "subscriptions/listen", `"notifications":{}`))
	if got := c.next(); !strings.Contains(got, "acknowledged") {
		t.Fatalf("listen: %s", got)
	}
	c.send(modernRequest("1", "tools/call", `"name":"up__echo"`))
	if got := c.next(); !strings.Contains(got, "in use") {
		t.Errorf("got %s", got)
	}
}

// newListener is a listener that watches test://d/ of up.
func newListener(g *gateway) *listener {
	return &listener{
		hub: g.edge.hub, caller: principal("reader"), wake: make(chan struct{}, 1), fresh: map[string]update{},
		watched: map[string]*aggregator.Subscription{"test://d/": {Upstream: "up", URI: "test://d/", Shown: "test://d/"}},
	}
}

// TestUpdatesAreBounded: an upstream can name any number of parts of what is watched, and a session without a stream
// takes none of them.
func TestUpdatesAreBounded(t *testing.T) {
	l := newListener(start(t))
	for i := range 5 * maxFresh {
		uri := "test://d/" + strconv.Itoa(i)
		l.updated("up", uri, []byte(`{"uri":"`+uri+`"}`))
	}
	if len(l.fresh) > maxFresh+maxWatched {
		t.Errorf("%d updates are kept", len(l.fresh))
	}
	if got := string(l.fresh["test://d/"].params); got != `{"uri":"test://d/"}` {
		t.Errorf("the whole: %s", got)
	}
}

// TestUntoldIsKept: what a broken stream did not take is for the next one.
func TestUntoldIsKept(t *testing.T) {
	up := &upstreamtest.Server{Results: map[string]string{
		"resources/list": `{"resources":[{"uri":"test://d/","name":"d"}],"resultType":"complete","ttlMs":0,"cacheScope":"private"}`,
	}}
	l := newListener(start(t, named{"up", false, up}))
	l.pending[promptList] = true
	l.updated("up", "test://d/", []byte(`{"uri":"test://d/"}`))
	l.updated("up", "test://d/secret", []byte(`{"uri":"test://d/secret"}`))
	l.updated("up", "test://d/part", []byte(`{"uri":"test://d/part"}`))
	broken := errors.New("broken")
	if err := l.tell(t.Context(), func(string, []byte) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("tell: %v", err)
	}
	<-l.wake
	told := map[string]bool{}
	if err := l.tell(t.Context(), func(method string, params []byte) error { told[method+string(params)] = true; return nil }); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"notifications/prompts/list_changed", `notifications/resources/updated{"uri":"test://d/"}`, `notifications/resources/updated{"uri":"test://d/part"}`,
	} {
		if !told[want] {
			t.Errorf("%s was not told: %v", want, told)
		}
	}
	if len(told) != 3 {
		t.Errorf("a hidden part was told: %v", told)
	}
}
