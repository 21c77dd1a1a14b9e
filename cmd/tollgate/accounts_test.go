// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"tollgate/cmd/internal/control"
)

const accountsYAML = `version: 1
roles:
  clerk:
    allow: ["orders/*"]
    reports: team
    limits:
      - {for: orders/list_orders, cost: 0.01}
      - {name: slow, for: orders/get_order, rate: 1/minute}
budgets:
  - {name: team-month, per: team, limit: $0.02, period: month}
`

// asked is one request to the HTTP API.
func asked(t *testing.T, server *httptest.Server, key, method, path, body string) (status int, answer map[string]any, h http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil {
		err = json.Unmarshal(text, &answer)
	}
	if err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return resp.StatusCode, answer, resp.Header
}

// TestAccounts: what the configuration says of money holds over HTTP, also after a restart, and the numbers are those of the
// records.
func TestAccounts(t *testing.T) {
	dir := t.TempDir()
	execute := func(tool string) string {
		return `{"tool_call":{"tool_name":"` + tool + `","params":{"id":"1002"}}}`
	}
	var key string
	for start := range 2 {
		g := configured(t, dir, accountsYAML)
		if err := g.authenticate(g.current().cfg); err != nil {
			t.Fatal(err)
		}
		if start == 0 {
			made, err := g.CreateKey(t.Context(), &control.Key{Subject: "ann", Team: "growth", Roles: []string{"clerk"}})
			if err != nil {
				t.Fatal(err)
			}
			key = made.Secret
		}
		api, err := g.restServer()
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewServer(g.routes(api))
		expect := func(tool string, want int, says string) http.Header {
			t.Helper()
			status, answer, h := asked(t, server, key, http.MethodPost, "/v1/mcp/tool/execute", execute(tool))
			if status != want || says != "" && answer["error"] != says {
				t.Errorf("start %d: %s: %d %v, want %d %s", start, tool, status, answer, want, says)
			}
			return h
		}
		if start == 0 {
			expect("list_orders", http.StatusOK, "")
			expect("list_orders", http.StatusOK, "")
			expect("get_order", http.StatusOK, "")
			if h := expect("get_order", http.StatusTooManyRequests, "Rate Limit Exceeded"); h.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
		}
		expect("list_orders", http.StatusPaymentRequired, "Budget Exceeded")
		expect("nothing", http.StatusForbidden, "Access Denied")
		_, costs, _ := asked(t, server, key, http.MethodGet, "/v1/analytics/costs?team_id=growth&period=month", "")
		if costs["total_cost"] != "$0.02" || costs["budget"] != "$0.02" || costs["remaining"] != "$0.00" || costs["calls"] != 3.0 {
			t.Errorf("start %d: costs %v", start, costs)
		}
		_, found, _ := asked(t, server, key, http.MethodGet, "/v1/audit?kind=outcome", "")
		if records, _ := found["records"].([]any); len(records) != 3 {
			t.Errorf("start %d: %d outcomes, want 3: %v", start, len(records), found)
		}
		server.Close()
		for _, err := range g.accounts.engine.Check(t.Context()) {
			t.Error(err)
		}
		if err := g.close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
