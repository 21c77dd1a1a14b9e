// SPDX-License-Identifier: Apache-2.0

package codetools_test

import (
	"bufio"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"tollgate/aggregator/auth"
	"tollgate/aggregator/codetools"
	"tollgate/aggregator/edge"
	"tollgate/upstream/wire"
)

// roleTokens take the bearer token for the role.
type roleTokens struct{}

func (roleTokens) Request(r *http.Request) (*auth.Principal, *auth.Challenge) {
	return caller(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")), nil
}

func (roleTokens) InsufficientScope(*auth.Principal, []string) *auth.Challenge { return nil }

func (roleTokens) Source(*http.Request) string { return "192.0.2.1" }

// door is an HTTP endpoint before a stack.
type door struct {
	t       *testing.T
	url     string
	session string // of an earlier revision
}

func (s *stack) door(t *testing.T) *door {
	t.Helper()
	server, err := edge.New(&edge.Options{Gate: s.gate, Auth: roleTokens{}, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	h := httptest.NewServer(server)
	t.Cleanup(func() {
		server.Drain()
		h.Close()
		server.Close()
	})
	return &door{t: t, url: h.URL + "/mcp"}
}

// post sends a request, with headers as a client of its revision does.
func (d *door) post(body string) *http.Response {
	d.t.Helper()
	req, err := http.NewRequestWithContext(d.t.Context(), http.MethodPost, d.url, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	req.Header.Set("Authorization", "Bearer reader")
	if d.session != "" {
		req.Header.Set("Mcp-Session-Id", d.session)
		req.Header.Set("MCP-Protocol-Version", "2025-11-25")
	} else if e, err := wire.Parse([]byte(body)); err == nil && e.Method != "initialize" {
		wire.SetHeaders(req.Header, wire.R20260728, e.Method, e.Params, nil)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// messages are those of an answer, one by one, be it JSON or a stream of events.
func messages(t *testing.T, resp *http.Response) func() string {
	t.Helper()
	r := bufio.NewReader(resp.Body)
	if !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		return func() string {
			b, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			return string(b)
		}
	}
	return func() string {
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				t.Fatalf("the stream ends: %v", err)
			}
			if data, ok := strings.CutPrefix(strings.TrimSpace(line), "data:"); ok && strings.TrimSpace(data) != "" {
				return strings.TrimSpace(data)
			}
		}
	}
}

const doorMeta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"elicitation":{"form":{}}},"progressToken":"p"}`

func modernCall(name, arguments, more string) string {
	return `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"` + name + `","arguments":` + arguments + more + `,` + doorMeta + `}}`
}

// TestModernClient: over HTTP a client of 2026-07-28 lists, runs a program, hears how far it is, confirms a call in a second
// request, and calls through call_tool with the headers of that.
func TestModernClient(t *testing.T) {
	s := start(t, setup{mode: codetools.Code})
	d := s.door(t)
	list := messages(t, d.post(`{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{`+doorMeta+`}}`))()
	if !strings.Contains(list, `"execute_code"`) || strings.Contains(list, `"notes__read"`) || strings.Contains(list, "zebra") {
		t.Errorf("list: %s", list)
	}
	code := string(wire.AppendString(nil, waits))
	next := messages(t, d.post(modernCall("execute_code", `{"code":`+code+`}`, "")))
	progress, last := 0, next()
	for ; strings.Contains(last, "notifications/progress"); last = next() {
		progress++
	}
	if progress != 2 || !strings.Contains(last, `"input_required"`) {
		t.Fatalf("after %d progress notifications: %s", progress, last)
	}
	raw, _ := wire.Lookup([]byte(last), "result", "requestState")
	answers := `,"inputResponses":{"confirm_2":{"action":"accept"},"confirm_4":{"action":"accept"}},"requestState":` + string(raw)
	next = messages(t, d.post(modernCall("execute_code", `{"code":`+code+`}`, answers)))
	for last = next(); strings.Contains(last, "notifications/progress"); last = next() {
		progress++
	}
	if !strings.Contains(last, `\"fulfilled \",\"fulfilled \",\"fulfilled \"`) || progress != 4 || s.calls.Load() != 4 {
		t.Errorf("in the end, with %d notifications and %d calls: %s", progress, s.calls.Load(), last)
	}
}

// TestModernSearch: call_tool goes through the check of headers under its own name, and asks like the tool it calls.
func TestModernSearch(t *testing.T) {
	s := start(t, setup{mode: codetools.Search})
	d := s.door(t)
	issue := `{"name":"github__create_issue","arguments":{"title":"one"}}`
	first := messages(t, d.post(modernCall("call_tool", issue, "")))()
	raw, _ := wire.Lookup([]byte(first), "result", "requestState")
	if !strings.Contains(first, "github__create_issue") || len(raw) == 0 {
		t.Fatalf("first: %s", first)
	}
	again := messages(t, d.post(modernCall("call_tool", issue, `,"inputResponses":{"tollgate_confirm":{"action":"accept"}},"requestState":`+string(raw))))()
	if !strings.Contains(again, `"done"`) || s.calls.Load() != 1 {
		t.Errorf("confirmed: %s", again)
	}
}

// TestLegacyClient: over HTTP a client of 2025-11-25 is asked within its call.
func TestLegacyClient(t *testing.T) {
	s := start(t, setup{mode: codetools.Code})
	d := s.door(t)
	resp := d.post(`{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"elicitation":{}},"clientInfo":{"name":"t","version":"1"}}}`)
	messages(t, resp)()
	d.session = resp.Header.Get("Mcp-Session-Id")
	d.post(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	next := messages(t, d.post(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"execute_code","arguments":{"code":`+string(wire.AppendString(nil, waits))+`}}}`))
	var last string
	for range 3 {
		if last = next(); !strings.Contains(last, "elicitation/create") {
			break
		}
		id, _ := wire.Lookup([]byte(last), "id")
		if resp := d.post(`{"jsonrpc":"2.0","id":` + string(id) + `,"result":{"action":"accept","content":{}}}`); resp.StatusCode != http.StatusAccepted {
			t.Fatalf("an answer: %s", resp.Status)
		}
	}
	if strings.Count(last, "fulfilled") != 3 || strings.Contains(last, "resultType") || s.calls.Load() != 4 {
		t.Errorf("after %d calls: %s", s.calls.Load(), last)
	}
}
