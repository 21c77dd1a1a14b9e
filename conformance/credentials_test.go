// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"tollgate/upstream"
	"tollgate/upstream/wire"
)

// TestCredentialsStay: what a client sends to identify itself never reaches an upstream, and an upstream's own credential
// never reaches a client.
func TestCredentialsStay(t *testing.T) {
	server := mcp.NewServer(&mcp.Implementation{Name: "up", Version: "1"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "echo"}, func(_ context.Context, _ *mcp.CallToolRequest, _ map[string]any) (*mcp.CallToolResult, any, error) {
		return &mcp.CallToolResult{}, nil, nil
	})
	inner := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, &mcp.StreamableHTTPOptions{Stateless: true})
	var mu sync.Mutex // guards seen
	var seen []http.Header
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		seen = append(seen, r.Header.Clone())
		mu.Unlock()
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(up.Close) // after the gateway
	s := newStack(t, upstream.Config{Name: "up", URL: up.URL, Headers: map[string]string{"Authorization": "Bearer upstream-canary"}})
	body := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`
	req, err := http.NewRequest(http.MethodPost, s.http.URL+"/mcp", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range map[string]string{
		"Content-Type": "application/json", "Authorization": "Bearer client-canary", "Cookie": "client-canary=1", "X-Forwarded-For": "client-canary",
		"Proxy-Authorization": "client-canary", wire.HeaderProtocolVersion: "2026-07-28", wire.HeaderMethod: "tools/call", wire.HeaderName: "echo",
	} {
		req.Header.Set(k, v)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer := readAll(t, resp)
	if resp.StatusCode != http.StatusOK || strings.Contains(answer, "canary") {
		t.Errorf("%s %s", resp.Status, answer)
	}
	mu.Lock()
	defer mu.Unlock()
	called := false
	for _, h := range seen {
		called = called || h.Get(wire.HeaderMethod) == "tools/call"
		for k, values := range h {
			if strings.Contains(strings.Join(values, " "), "client-canary") {
				t.Errorf("the client's credential went up in %s", k)
			}
		}
		if h.Get("Authorization") != "Bearer upstream-canary" {
			t.Errorf("the upstream got %q", h.Get("Authorization"))
		}
	}
	if !called {
		t.Error("the upstream was not called")
	}
}
