// SPDX-License-Identifier: Apache-2.0

package edge

import (
	"bufio"
	"context"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"tollgate/upstream/upstreamtest"
)

// stdioClient is a client on pipes.
type stdioClient struct {
	t     *testing.T
	in    *io.PipeWriter
	lines *bufio.Scanner
	done  chan error
}

func (g *gateway) stdio(t *testing.T, role string) *stdioClient {
	t.Helper()
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	c := &stdioClient{t: t, in: inW, lines: bufio.NewScanner(outR), done: make(chan error, 1)}
	go func() {
		c.done <- g.edge.ServeStdio(context.Background(), inR, outW, principal(role), "")
		outW.Close()
		inR.Close()
	}()
	t.Cleanup(func() {
		inW.Close()
		outR.Close()
		inR.Close()
	})
	return c
}

func (c *stdioClient) send(lines ...string) {
	c.t.Helper()
	for _, l := range lines {
		if _, err := io.WriteString(c.in, l+"\n"); err != nil {
			c.t.Fatal(err)
		}
	}
}

func (c *stdioClient) next() string {
	c.t.Helper()
	if !c.lines.Scan() {
		return ""
	}
	return c.lines.Text()
}

const initialize = `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`

func TestStdioServesBothEras(t *testing.T) {
	g := start(t, named{"up", true, echo()})
	c := g.stdio(t, "reader")
	for _, tt := range []struct{ send, want string }{
		{modernRequest(`"d"`, "server/discover", ""), `{"jsonrpc":"2.0","id":"d","result":{"supportedVersions":["2026-07-28"],`},
		{`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, `-32602`}, // neither era
		{initialize, `"protocolVersion":"2025-11-25"`},
		{initialize, `initialize was already done`},
		{`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"up__echo"}}`, `{"jsonrpc":"2.0","id":2,"result":{"content":[{"type":"text","text":"hi"}]}}`},
		{`{"jsonrpc":"2.0","id":3,"method":"ping"}`, `{"jsonrpc":"2.0","id":3,"result":{}}`},
		{modernRequest("4", "tools/call", `"name":"up__echo"`), `{"jsonrpc":"2.0","id":4,"result":{"content":[{"type":"text","text":"hi"}],"resultType":"complete"}}`},
		{modernRequest("5", "ping", ""), `-32601`},
		{`not json`, `-32700`},
		{`{"jsonrpc":"2.0","id":9007199254740993,"method":"tools/call","params":{"name":"up__secret"}}`, `"id":9007199254740993,"error":{"code":-32602,"message":"Unknown tool: up__secret"}`},
		{`{"jsonrpc":"2.0","id":6,"method":"logging/setLevel","params":{"level":"loud"}}`, `unknown log level`},
		{`{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"` + strings.Repeat("x", 2<<20) + `"}}`, `larger than 1048576 bytes`},
		{`{"jsonrpc":"2.0","id":8,"method":"ping"}`, `"id":8`},
	} {
		c.send(tt.send)
		if got := c.next(); !strings.Contains(got, tt.want) {
			t.Errorf("sent %.200s\ngot  %s\nwant %s", tt.send, got, tt.want)
		}
	}
}

// TestStdioAnswersAfterEOF: a client may write everything and close its side.
func TestStdioAnswersAfterEOF(t *testing.T) {
	up := echo()
	release := make(chan struct{})
	up.Handle = func(r *upstreamtest.Request) bool {
		if r.Method == "tools/call" {
			<-release
		}
		return false
	}
	g := start(t, named{"up", true, up})
	c := g.stdio(t, "reader")
	c.send(modernRequest("1", "tools/call", `"name":"up__echo"`), modernRequest("2", "subscriptions/listen", `"notifications":{"toolsListChanged":true}`))
	if got := c.next(); !strings.Contains(got, "acknowledged") {
		t.Errorf("listen: %s", got)
	}
	c.in.Close()
	close(release)
	if got := c.next(); !strings.Contains(got, `"id":1,"result"`) {
		t.Errorf("after EOF: %s", got)
	}
	if err := <-c.done; err != nil {
		t.Errorf("ServeStdio: %v", err)
	}
}

// TestStdioListens: several subscriptions on one pipe; ending one leaves the others.
func TestStdioListens(t *testing.T) {
	up := echo()
	g := start(t, named{"up", true, up})
	c := g.stdio(t, "admin")
	listen := func(id string) string {
		return modernRequest(id, "subscriptions/listen", `"notifications":{"toolsListChanged":true}`)
	}
	c.send(listen("1"))
	first := c.next()
	c.send(listen("2"))
	second := c.next()
	if !strings.Contains(first, `subscriptionId":1`) || !strings.Contains(second, `subscriptionId":2`) {
		t.Fatalf("acknowledged %s and %s", first, second)
	}
	change := func(name string) {
		up.Set("tools/list", `{"tools":[{"name":"`+name+`","inputSchema":{"type":"object"}}],"resultType":"complete","ttlMs":0,"cacheScope":"private"}`)
		up.Notify("notifications/tools/list_changed", `{}`)
	}
	change("a")
	got := []string{c.next(), c.next()}
	slices.Sort(got)
	for i, want := range []string{`subscriptionId":1`, `subscriptionId":2`} {
		if !strings.Contains(got[i], want) || !strings.Contains(got[i], "tools/list_changed") {
			t.Errorf("got %v", got)
		}
	}
	c.send(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`, modernRequest("3", "server/discover", ""))
	if got := c.next(); !strings.Contains(got, `"id":3`) {
		t.Errorf("got %s", got)
	}
	change("b")
	if got := c.next(); !strings.Contains(got, `subscriptionId":2`) {
		t.Errorf("got %s", got)
	}
}

func TestStdioCancel(t *testing.T) {
	up := echo()
	running, told := make(chan struct{}), make(chan struct{})
	up.Handle = func(r *upstreamtest.Request) bool {
		if r.Method != "tools/call" {
			return false
		}
		close(running)
		<-r.Context.Done()
		close(told)
		return true
	}
	g := start(t, named{"up", true, up})
	c := g.stdio(t, "reader")
	c.send(modernRequest(`"x"`, "tools/call", `"name":"up__echo"`))
	<-running
	c.send(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"x"}}`, modernRequest("2", "server/discover", ""))
	// The cancelled request gets no answer.
	if got := c.next(); !strings.Contains(got, `"id":2`) {
		t.Errorf("got %s", got)
	}
	<-told
}

// TestStdioEndsAtEOF: a session of an earlier revision must not hold a pipe open whose client has closed its side.
func TestStdioEndsAtEOF(t *testing.T) {
	g := start(t, named{"up", true, echo()})
	g.edge.opts.Drain = time.Hour
	c := g.stdio(t, "reader")
	c.send(initialize, `{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	if got := c.next(); !strings.Contains(got, `"id":0,"result"`) {
		t.Fatalf("initialize: %s", got)
	}
	c.in.Close()
	select {
	case err := <-c.done:
		if err != nil {
			t.Errorf("ServeStdio: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("the pipe still waits for a client that is gone")
	}
}
