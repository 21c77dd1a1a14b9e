// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"tollgate/aggregator"
	"tollgate/policy"
	"tollgate/policy/limit"
	"tollgate/rego"
	"tollgate/upstream"
	"tollgate/upstream/upstreamtest"
	"tollgate/upstream/wire"
)

const benchCall = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"0123456789abcdef0123456789abcdef"},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"bench","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}}}`

func benchUpstream() *upstreamtest.Server {
	return &upstreamtest.Server{Results: map[string]string{
		"tools/list": `{"tools":[{"name":"echo","inputSchema":{"type":"object","properties":{"text":{"type":"string"}}}}],"resultType":"complete","ttlMs":0,"cacheScope":"private"}`,
		"tools/call": `{"content":[{"type":"text","text":"0123456789abcdef0123456789abcdef"}],"resultType":"complete"}`,
	}}
}

// benchHandler posts body to h, without a network, and fails unless the answer holds want.
func benchHandler(b *testing.B, h http.Handler, body, want string) {
	b.Helper()
	header := http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"}}
	e, err := wire.Parse([]byte(body))
	if err != nil {
		b.Fatal(err)
	}
	wire.SetHeaders(header, wire.R20260728, e.Method, e.Params, nil)
	serve := func(w http.ResponseWriter) {
		r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1/mcp", strings.NewReader(body))
		r.Header = header
		h.ServeHTTP(w, r)
	}
	w := httptest.NewRecorder()
	if serve(w); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), want) {
		b.Fatalf("%d %.500s", w.Code, w.Body)
	}
	b.ReportAllocs()
	for b.Loop() {
		serve(&sink{header: http.Header{}})
	}
}

// sink takes an answer and forgets it: a recorder that grows would be what is measured.
type sink struct{ header http.Header }

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }
func (s *sink) WriteHeader(int)             {}
func (s *sink) Flush()                      {}

// BenchmarkCall is one proxied tools/call without network: the HTTP handler is called directly, the upstream is a scripted
// server on a pipe in this process. naive is the same made of go-sdk's server and client as its documentation shows.
func BenchmarkCall(b *testing.B) {
	b.Run("tollgate", func(b *testing.B) {
		s := newStack(b, upstream.Config{Name: "up", InProcess: benchUpstream().InProcess})
		benchHandler(b, s.edge, benchCall, "0123456789abcdef")
	})
	// With an argument constraint, a CEL check and two rates; then also with a Rego rule that reads the arguments.
	for name, own := range map[string]string{
		"ruled":      "",
		"ruled/rego": "package tollgate.call\n\ndeny contains \"too long\" if count(input.arguments.text) > 1000\n",
	} {
		b.Run(name, func(b *testing.B) {
			s := newStack(b, upstream.Config{Name: "up", InProcess: benchUpstream().InProcess})
			if err := s.gate.Publish(ruled(b, own)); err != nil {
				b.Fatal(err)
			}
			benchHandler(b, s.edge, benchCall, "0123456789abcdef")
		})
	}
	b.Run("naive", func(b *testing.B) { benchHandler(b, naive(b, benchUpstream()), benchCall, "0123456789abcdef") })
}

// ruled are rules that look at every call. own is a Rego file beside the shipped ones.
func ruled(b *testing.B, own string) aggregator.Rules {
	b.Helper()
	modules, err := rego.Modules()
	if err != nil {
		b.Fatal(err)
	}
	if own != "" {
		modules["own.rego"] = own
	}
	limits := []policy.LimitRule{
		{Name: "hour", Rate: "1000000000/hour"}, {Name: "team", Rate: "1000000000/day", Per: []string{"team"}}, {Name: "short", Require: "size(args.text) < 1000"},
	}
	roles := map[string]policy.Role{"all": {
		Allow: []string{"*"}, Constraints: []policy.ConstraintRule{{Arguments: map[string]json.RawMessage{"text": []byte(`{"type":"string","maxLength":1000}`)}}},
	}}
	engine, err := policy.Load(b.Context(), &policy.Options{Modules: modules, Roles: roles})
	if err != nil {
		b.Fatal(err)
	}
	var rules []limit.Rule
	for i, l := range limits {
		rules = append(rules, limit.Rule{Role: "all", Index: i, LimitRule: l})
	}
	set, err := limit.Compile(rules)
	if err != nil {
		b.Fatal(err)
	}
	return aggregator.Rules{Decider: engine, Limits: set}
}

// naive is a proxy made of go-sdk parts.
func naive(b *testing.B, up *upstreamtest.Server) http.Handler {
	b.Helper()
	ctx := context.Background()
	pipe, err := up.InProcess(ctx)
	if err != nil {
		b.Fatal(err)
	}
	c := mcp.NewClient(&mcp.Implementation{Name: "naive", Version: "1"}, nil)
	session, err := c.Connect(ctx, &mcp.IOTransport{Reader: pipe, Writer: pipe}, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { session.Close() })
	tools, err := session.ListTools(ctx, nil)
	if err != nil {
		b.Fatal(err)
	}
	server := mcp.NewServer(&mcp.Implementation{Name: "naive", Version: "1"}, nil)
	for _, tool := range tools.Tools {
		server.AddTool(tool, func(ctx context.Context, r *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			return session.CallTool(ctx, &mcp.CallToolParams{Name: r.Params.Name, Arguments: r.Params.Arguments})
		})
	}
	return mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, &mcp.StreamableHTTPOptions{Stateless: true, JSONResponse: true})
}

// BenchmarkList is tools/list of 10,000 tools through the HTTP handler; the figures must not depend on how many upstreams
// the tools come from.
func BenchmarkList(b *testing.B) {
	for _, upstreams := range []int{10, 200, 1000} {
		for _, page := range []int{200, 10_000} {
			b.Run(fmt.Sprintf("upstreams=%d/page=%d", upstreams, page), func(b *testing.B) {
				s := newStack(b, fakes(upstreams, 10_000/upstreams)...)
				if err := s.gate.Publish(aggregator.Rules{Decider: shipped(b, map[string]policy.Role{"all": {Allow: []string{"*"}}}), PageSize: page}); err != nil {
					b.Fatal(err)
				}
				list := strings.Replace(strings.Replace(benchCall, "tools/call", "tools/list", 1), `"name":"echo","arguments":{"text":"0123456789abcdef0123456789abcdef"},`, "", 1)
				benchHandler(b, s.edge, list, fmt.Sprintf("tool-%04d", 0))
			})
		}
	}
}

// fakes are in-process upstreams with tools of about 550 bytes.
func fakes(n, tools int) []upstream.Config {
	cfgs := make([]upstream.Config, n)
	for i := range cfgs {
		var list strings.Builder
		list.WriteString(`{"tools":[`)
		for j := range tools {
			if j > 0 {
				list.WriteByte(',')
			}
			fmt.Fprintf(&list, `{"name":"u%04d-tool-%04d","description":%q,"inputSchema":{"type":"object","properties":{"query":{"type":"string"},"limit":{"type":"integer"}}}}`, i, j, strings.Repeat("words ", 70))
		}
		list.WriteString(`],"resultType":"complete","ttlMs":0,"cacheScope":"private"}`)
		up := &upstreamtest.Server{Capabilities: `{"tools":{}}`, Results: map[string]string{"tools/list": list.String()}}
		cfgs[i] = upstream.Config{Name: fmt.Sprintf("u%04d", i), InProcess: up.InProcess}
	}
	return cfgs
}
