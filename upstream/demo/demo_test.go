// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

func connect(t *testing.T, dial func(context.Context) (io.ReadWriteCloser, error)) *mcp.ClientSession {
	t.Helper()
	pipe, err := dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s, err := mcp.NewClient(&mcp.Implementation{Name: "t", Version: "1"}, nil).Connect(t.Context(), &mcp.IOTransport{Reader: pipe, Writer: pipe}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// call returns the structured content as JSON, and whether the tool reported an error.
func call(t *testing.T, s *mcp.ClientSession, name string, args map[string]any) (string, bool) {
	t.Helper()
	r, err := s.CallTool(t.Context(), &mcp.CallToolParams{Name: name, Arguments: args})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if r.IsError || r.StructuredContent == nil {
		return r.Content[0].(*mcp.TextContent).Text, r.IsError
	}
	b, err := json.Marshal(r.StructuredContent)
	if err != nil {
		t.Fatal(err)
	}
	return string(b), false
}

func TestLibrary(t *testing.T) {
	s := connect(t, Library)
	for query, first := range map[string]string{"refund": "returns", "sencha water minutes": "brewing", "customs form": "shipping"} {
		got, _ := call(t, s, "search", map[string]any{"query": query})
		var out searchOut
		if err := json.Unmarshal([]byte(got), &out); err != nil || len(out.Hits) == 0 || out.Hits[0].Name != first {
			t.Errorf("search %q: %s, want %s first", query, got, first)
		}
	}
	if got, _ := call(t, s, "search", map[string]any{"query": "zeppelin"}); got != `{"hits":[]}` {
		t.Errorf("search for nothing: %s", got)
	}
	if got, failed := call(t, s, "search", map[string]any{"query": " ?! "}); !failed {
		t.Errorf("search without words: %s", got)
	}
	if got, _ := call(t, s, "read", map[string]any{"name": "returns"}); !strings.Contains(got, "30 days") {
		t.Errorf("read: %s", got)
	}
	r, err := s.ReadResource(t.Context(), &mcp.ReadResourceParams{URI: "library://docs/shipping"})
	if err != nil || !strings.Contains(r.Contents[0].Text, "customs form") {
		t.Errorf("resource: %+v, %v", r, err)
	}
	if _, err := s.ReadResource(t.Context(), &mcp.ReadResourceParams{URI: "library://docs/nothing"}); err == nil {
		t.Error("a missing resource was read")
	}
}

func TestOrders(t *testing.T) {
	s := connect(t, Orders)
	steps := []struct {
		tool string
		args map[string]any
		want string
		fail bool
	}{
		{"list_orders", map[string]any{"status": "open"}, `"total_cents":13300`, false},
		{"create_order", map[string]any{"customer": "A", "item": "matcha", "quantity": 2, "amount_cents": 500}, `"id":1006`, false},
		{"get_order", map[string]any{"id": 1006}, `"status":"open"`, false},
		{"update_order_status", map[string]any{"id": 1006, "status": "paid"}, `"status":"paid"`, false},
		{"update_order_status", map[string]any{"id": 1006, "status": "lost"}, `unknown status`, true},
		{"create_order", map[string]any{"customer": "", "item": "x", "quantity": 0, "amount_cents": 1}, `needs a customer`, true},
		{"delete_order", map[string]any{"id": 1006}, `"left":5`, false},
		{"get_order", map[string]any{"id": 1006}, `there is no order 1006`, true},
		{"delete_order", map[string]any{"id": 1006}, `there is no order 1006`, true},
	}
	for _, st := range steps {
		if got, failed := call(t, s, st.tool, st.args); failed != st.fail || !strings.Contains(got, st.want) {
			t.Errorf("%s %v: %s", st.tool, st.args, got)
		}
	}
	// Another connection has a database of its own.
	if got, _ := call(t, connect(t, Orders), "list_orders", nil); !strings.Contains(got, "1001") || strings.Contains(got, "matcha") {
		t.Errorf("another connection: %s", got)
	}
}
