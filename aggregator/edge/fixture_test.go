// SPDX-License-Identifier: Apache-2.0

package edge

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"tollgate/aggregator"
	"tollgate/aggregator/auth"
	"tollgate/aggregator/catalog"
	"tollgate/policy"
	"tollgate/upstream"
	"tollgate/upstream/upstreamtest"
	"tollgate/upstream/wire"
)

// TestMain fails the package when a goroutine outlives the tests.
func TestMain(m *testing.M) {
	before := runtime.NumGoroutine()
	code := m.Run()
	http.DefaultClient.CloseIdleConnections()
	for range 200 {
		if runtime.NumGoroutine() <= before {
			os.Exit(code)
		}
		runtime.GC()
		<-time.After(10 * time.Millisecond)
	}
	buf := make([]byte, 1<<20)
	os.Stderr.Write(buf[:runtime.Stack(buf, true)])
	os.Stderr.WriteString("goroutines are left after the tests\n")
	os.Exit(1)
}

// tokens authenticates test clients: the bearer token is the role.
type tokens struct{}

func (tokens) Request(r *http.Request) (*auth.Principal, *auth.Challenge) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return nil, &auth.Challenge{Status: http.StatusUnauthorized, Header: `Bearer realm="test"`, Message: "no key"}
	}
	return principal(token), nil
}

func (tokens) InsufficientScope(*auth.Principal, []string) *auth.Challenge {
	return &auth.Challenge{Status: http.StatusForbidden, Header: `Bearer error="insufficient_scope"`}
}

func (tokens) Source(*http.Request) string { return "192.0.2.1" }

func principal(role string) *auth.Principal {
	return &auth.Principal{Subject: role, Method: "api_key", KeyID: role, Roles: []string{role}}
}

// roles decides for tests: "admin" sees everything, any other role what does not contain "secret".
type roles struct{ aggregator.Unconditional }

func (roles) Class(p *policy.Principal) string { return strings.Join(p.Roles, ",") }
func (roles) Revision() string                 { return "test" }

func (roles) Access(_ context.Context, p *policy.Principal, objects []policy.Object) ([]bool, error) {
	out := make([]bool, len(objects))
	for i, o := range objects {
		out[i] = p.Roles[0] == "admin" || !strings.Contains(o.OriginalName+o.URI, "secret")
	}
	return out, nil
}

// gateway is everything between a client and scripted upstreams.
type gateway struct {
	set  *upstream.Set
	gate *aggregator.Gate
	edge *Server
	http *httptest.Server
}

type named struct {
	name   string
	prefix bool // shown with the upstream's name in front
	server *upstreamtest.Server
}

// setup is what a test may want otherwise.
type setup struct {
	key  []byte            // seals what clients bring back; nil: a random one
	urls map[string]string // upstreams that are reached over HTTP, by name
}

// start runs a gateway in front of scripted upstreams and stops it with the test.
func start(t *testing.T, ups ...named) *gateway {
	t.Helper()
	return startWith(t, setup{}, ups...)
}

func startWith(t *testing.T, o setup, ups ...named) *gateway {
	t.Helper()
	g := &gateway{}
	changed := make(chan struct{}, 1)
	g.set = upstream.NewSet(&upstream.Options{
		OnCatalog: func() {
			select {
			case changed <- struct{}{}:
			default:
			}
		},
		OnEvent: func(e upstream.Event) { g.edge.Event(e) },
	})
	var err error
	if g.gate, err = aggregator.New(&aggregator.Options{Upstreams: g.set, Ledger: aggregator.Unmetered{}, ServerInfo: Implementation("test"), SealingKey: o.key}); err != nil {
		t.Fatal(err)
	}
	set, err := catalog.NewToolset("only", []string{"up__echo"})
	if err != nil {
		t.Fatal(err)
	}
	if g.edge, err = New(&Options{Gate: g.gate, Auth: tokens{}, Version: "test", MaxBody: 1 << 20, Drain: 2 * time.Second}); err != nil {
		t.Fatal(err)
	}
	if err := g.gate.Publish(aggregator.Rules{Decider: roles{}, Toolsets: map[string]*catalog.Toolset{"only": set}}); err != nil {
		t.Fatal(err)
	}
	var cfgs []upstream.Config
	for _, u := range ups {
		cfg := upstream.Config{Name: u.name, URL: o.urls[u.name]}
		if cfg.URL == "" {
			cfg.InProcess = u.server.InProcess
		}
		cfgs = append(cfgs, cfg)
	}
	refresh := func() {
		byName := map[string]*upstream.Snapshot{}
		for _, s := range g.set.Snapshots() {
			byName[s.Upstream] = s
		}
		var sources []catalog.Source
		for _, u := range ups {
			sources = append(sources, catalog.Source{Upstream: u.name, PrefixSet: !u.prefix, Snapshot: byName[u.name]})
		}
		g.gate.Refresh(sources)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-ctx.Done():
				return
			case <-changed:
				refresh()
			}
		}
	}()
	g.set.Apply(cfgs)
	if err := g.set.Settled(ctx); err != nil {
		t.Fatal(err)
	}
	g.gate.Start(ctx, refresh)
	g.http = httptest.NewServer(g.edge)
	t.Cleanup(func() {
		g.edge.Drain()
		g.http.Close()
		g.edge.Close()
		g.gate.Close()
		stop()
		<-done
		if err := g.set.Close(context.Background()); err != nil {
			t.Errorf("Set.Close: %v", err)
		}
	})
	return g
}

const modernMeta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}`

// modernRequest is a request of 2026-07-28; params are the members beside _meta.
func modernRequest(id, method, params string) string {
	if params != "" {
		params += ","
	}
	return `{"jsonrpc":"2.0","id":` + id + `,"method":"` + method + `","params":{` + params + modernMeta + `}}`
}

// post sends body as role with the headers a client of the body's era sends; change may alter them.
func (g *gateway) post(t *testing.T, role, body string, change func(h http.Header)) *http.Response {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, g.http.URL+"/mcp", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	req.Header.Set("Authorization", "Bearer "+role)
	if e, err := wire.Parse([]byte(body)); err == nil && strings.Contains(body, "io.modelcontextprotocol/protocolVersion") {
		wire.SetHeaders(req.Header, wire.R20260728, e.Method, e.Params, nil)
	}
	if change != nil {
		change(req.Header)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// ask is post for a plain JSON answer.
func (g *gateway) ask(t *testing.T, role, body string, change func(h http.Header)) (status int, answer string) {
	t.Helper()
	resp := g.post(t, role, body, change)
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// open starts a session of 2025-11-25 and returns its id.
func (g *gateway) open(t *testing.T, role string) (session string) {
	t.Helper()
	resp := g.post(t, role, `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`, nil)
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("initialize: %s", resp.Status)
	}
	return resp.Header.Get("Mcp-Session-Id")
}

func in(session string) func(http.Header) {
	return func(h http.Header) {
		h.Set("Mcp-Session-Id", session)
		h.Set("MCP-Protocol-Version", "2025-11-25")
	}
}

// events reads the data lines of an event stream.
type events struct {
	t *testing.T
	r *bufio.Reader
}

func newEvents(t *testing.T, resp *http.Response) *events {
	t.Helper()
	if ct := resp.Header.Get("Content-Type"); ct != "text/event-stream" {
		b, _ := io.ReadAll(resp.Body)
		t.Fatalf("Content-Type %q, want an event stream; body %s", ct, b)
	}
	return &events{t, bufio.NewReader(resp.Body)}
}

func (e *events) next() string {
	e.t.Helper()
	for {
		line, err := e.r.ReadString('\n')
		if errors.Is(err, io.EOF) {
			return ""
		}
		if err != nil {
			e.t.Fatal(err)
		}
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			return strings.TrimSuffix(data, "\n")
		}
	}
}

// result cuts the result object out of an answer.
func result(t *testing.T, answer string) string {
	t.Helper()
	r, ok := wire.Lookup([]byte(answer), "result")
	if !ok {
		t.Fatalf("no result in %s", answer)
	}
	return string(r)
}

// echo is a modern server with an open and a secret tool.
func echo() *upstreamtest.Server {
	return &upstreamtest.Server{Results: map[string]string{
		"tools/list": `{"tools":[{"name":"echo","inputSchema":{"type":"object"}},{"name":"secret","inputSchema":{"type":"object"}}],"resultType":"complete","ttlMs":0,"cacheScope":"private"}`,
		"tools/call": `{"content":[{"type":"text","text":"hi"}],"resultType":"complete"}`,
	}}
}
