// SPDX-License-Identifier: Apache-2.0

package rest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/aggregator"
	"tollgate/aggregator/edge"
	"tollgate/aggregator/rest"
	"tollgate/policy"
	"tollgate/policy/limit"
	"tollgate/store"
	"tollgate/store/audit"
	"tollgate/store/ledger"
	"tollgate/upstream/upstreamtest"
	"tollgate/upstream/wire"
)

// accounted is a stack whose calls cost a cent each and are accounted for on disk.
type accounted struct {
	*stack
	engine *ledger.Engine
	calls  *atomic.Int64 // that the upstream saw
}

// withLedger is a stack with the real ledger, in which the team growth may spend limit in a month.
func withLedger(t *testing.T, most int64, rules ...policy.LimitRule) *accounted {
	t.Helper()
	dir := t.TempDir()
	engine, err := ledger.Open(&ledger.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	replies, err := store.OpenReplies(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	books, err := aggregator.NewAccounting(&aggregator.AccountingOptions{Ledger: engine})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := books.Close(); err != nil {
			t.Error(err)
		}
		for _, err := range engine.Check(context.Background()) {
			t.Error(err)
		}
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
		if err := replies.Close(); err != nil {
			t.Error(err)
		}
	})
	set := budgetsOf(t, limit.BudgetRule{Name: "growth-month", Team: "growth", Limit: most, Period: limit.BudgetPeriod{Unit: "month"}})
	one := set.All()[0]
	if err := engine.SetBudgets([]*ledger.Budget{{ID: one.ID(), Name: one.Name(), Limit: one.Limit(), Period: ledger.Period{Unit: "month"}}}); err != nil {
		t.Fatal(err)
	}
	limits := []limit.Rule{{LimitRule: policy.LimitRule{Name: "price", Cost: "0.01"}}}
	for i, r := range rules {
		limits = append(limits, limit.Rule{Index: i + 1, LimitRule: r})
	}
	priced, err := limit.Compile(limits)
	if err != nil {
		t.Fatal(err)
	}
	a := &accounted{engine: engine, calls: &atomic.Int64{}}
	up := answering("")
	up.Handle = func(r *upstreamtest.Request) bool {
		if r.Method == "tools/call" {
			a.calls.Add(1)
			r.Result(`{"content":[{"type":"text","text":"hi"}],"resultType":"complete"}`)
		}
		return r.Method == "tools/call"
	}
	a.stack = start(t, &setup{
		servers: map[string]*upstreamtest.Server{"up": up},
		gate:    aggregator.Options{Ledger: books, Replies: replies},
		rules:   aggregator.Rules{Limits: priced, Budgets: set},
		rest:    rest.Options{Ledger: engine, Audit: engine.Log(), Budgets: func() *limit.Budgets { return set }},
	})
	return a
}

// TestBudgetHolds: calls over MCP and REST at once spend what the budget has, to the cent, and the numbers of the API are those
// of the log.
func TestBudgetHolds(t *testing.T) {
	calls := 400
	if testing.Short() {
		calls = 150
	}
	s := withLedger(t, ledger.Dollar)
	mcp, err := edge.New(&edge.Options{Gate: s.gate, Auth: tokens{}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(mcp)
	defer func() {
		server.Close()
		mcp.Close()
	}()
	var answered, refused atomic.Int64
	var work sync.WaitGroup
	turn := make(chan struct{}, 64)
	for i := range calls {
		turn <- struct{}{}
		work.Go(func() {
			defer func() { <-turn }()
			ok := false
			if i%2 == 0 {
				a := s.call(t, []string{"alice", "bob"}[i/2%2], `{"tool":"up__echo"}`)
				if ok = a.status == http.StatusOK; !ok {
					a.says(t, http.StatusPaymentRequired, "Budget Exceeded", "growth-month")
				}
			} else {
				ok = overMCP(t, server.URL)
			}
			if ok {
				answered.Add(1)
			} else {
				refused.Add(1)
			}
		})
	}
	work.Wait()
	if answered.Load() != 100 || s.calls.Load() != 100 || refused.Load() != int64(calls-100) {
		t.Fatalf("%d answered, %d at the upstream, %d refused", answered.Load(), s.calls.Load(), refused.Load())
	}
	a := s.call(t, "alice", `{"tool":"up__echo"}`)
	for name, want := range map[string]string{"budget": "growth-month", "limit": "$1.00", "spent": "$1.00", "reserved": "$0.00", "remaining": "$0.00", "needed": "$0.01"} {
		if a.member(name) != want {
			t.Errorf("%s is %q, want %q: %s", name, a.member(name), want, a.body)
		}
	}
	if at, err := time.Parse(time.RFC3339, a.member("resets_at")); err != nil || at.Day() != 1 {
		t.Errorf("resets_at %q", a.member("resets_at"))
	}
	a = s.get(t, "lead", "/v1/analytics/costs?team_id=growth&period=month&group_by=origin")
	if a.member("total_cost") != "$1.00" || a.member("budget") != "$1.00" || a.member("remaining") != "$0.00" || a.member("calls") != "100" ||
		a.member("usage_by_tool") != `[{"tool":"up__echo","calls":100,"cost":"$1.00"}]` || !strings.Contains(a.body, `"origin":"mcp"`) {
		t.Errorf("got %s", a.body)
	}
	if sum := s.audited(t); sum != ledger.Dollar {
		t.Errorf("the log says that calls cost %s", ledger.FormatUSD(sum))
	}
}

// overMCP calls the tool over MCP and reports whether it was answered.
func overMCP(t testing.TB, url string) bool {
	body := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"up__echo","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/mcp", strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return false
	}
	e, err := wire.Parse([]byte(body))
	if err != nil {
		t.Error(err)
		return false
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer alice")
	wire.SetHeaders(req.Header, wire.R20260728, e.Method, e.Params, nil)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Error(err)
		return false
	}
	defer resp.Body.Close()
	var out struct {
		Result struct{ IsError bool }
		Error  json.RawMessage
	}
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil || out.Error != nil {
		t.Errorf("over MCP: %s %v", out.Error, err)
	}
	return !out.Result.IsError
}

// audited is the sum of the costs of all outcomes, read page by page over the API.
func (s *accounted) audited(t testing.TB) (sum int64) {
	t.Helper()
	for cursor := ""; ; {
		a := s.get(t, "ops", "/v1/audit?kind=outcome&limit=30&cursor="+cursor)
		var page struct {
			Records []audit.Record
			Next    string `json:"next_cursor"`
		}
		if err := json.Unmarshal([]byte(a.body), &page); err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Records {
			sum += r.Cost
		}
		if cursor = page.Next; cursor == "" {
			return sum
		}
	}
}

// TestFourAnswers: the answers that clients have to know, in a row: 403, 429, 402 and the costs.
func TestFourAnswers(t *testing.T) {
	s := withLedger(t, 3*cent, policy.LimitRule{Name: "few", Rate: "2/minute", Per: []string{"user"}})
	s.call(t, "alice", `{"tool_call":{"tool_name":"sql_drop","params":{}},"user_id":"alice","user_role":"alice","team_id":"growth"}`).
		says(t, http.StatusForbidden, "Access Denied", "Tool 'sql_drop' is not allowed for role 'alice'")
	for range 2 {
		if a := s.call(t, "alice", `{"tool":"up__echo"}`); a.status != http.StatusOK || a.member("cost") != "$0.01" || a.member("data") != "hi" {
			t.Fatalf("got %d %s", a.status, a.body)
		}
	}
	a := s.call(t, "alice", `{"tool":"up__echo"}`)
	a.says(t, http.StatusTooManyRequests, "Rate Limit Exceeded", `"few"`)
	if a.member("retryAfter") != a.header.Get("Retry-After") || a.member("retryAfter") == "" {
		t.Errorf("got %v %s", a.header, a.body)
	}
	s.call(t, "bob", `{"tool":"up__echo"}`)
	s.call(t, "bob", `{"tool":"up__echo"}`).says(t, http.StatusPaymentRequired, "Budget Exceeded", "growth-month")
	a = s.get(t, "alice", "/v1/analytics/usage")
	if a.member("calls") != "2" || a.member("answered") != "2" || a.member("cost") != "$0.02" || a.member("refused") != "2" {
		t.Errorf("got %s", a.body)
	}
	a = s.get(t, "lead", "/v1/budgets")
	if a.member("budgets") == "[]" || !strings.Contains(a.body, `"spent":"$0.03"`) {
		t.Errorf("got %s", a.body)
	}
}

// TestOwnRecords: the real log tells a caller no more of a hidden tool than of a missing one.
func TestOwnRecords(t *testing.T) {
	s := withLedger(t, ledger.Dollar)
	hidden := s.call(t, "alice", `{"tool":"up__secret"}`)
	hidden.says(t, http.StatusForbidden, "Access Denied", "up__secret")
	s.call(t, "alice", `{"tool":"up__absent"}`)
	s.call(t, "alice", `{"tool":"up__echo"}`)
	a := s.get(t, "alice", "/v1/audit?order=oldest")
	if strings.Contains(a.body, "hidden") || strings.Contains(a.body, "missing") || strings.Count(a.body, `"kind":"refusal"`) != 2 || strings.Count(a.body, `"kind":"outcome"`) != 1 {
		t.Errorf("got %s", a.body)
	}
	if a := s.get(t, "alice", "/v1/audit?tool=up__secret"); a.body != `{"records":[]}` {
		t.Errorf("got %s", a.body)
	}
	if a := s.get(t, "ops", "/v1/audit?kind=refusal"); !strings.Contains(a.body, `"code":"missing"`) || !strings.Contains(a.body, `"origin":"rest"`) {
		t.Errorf("operator: %s", a.body)
	}
}

// TestIdempotency: a request that is sent again is answered again and not executed again.
func TestIdempotency(t *testing.T) {
	s := withLedger(t, ledger.Dollar)
	send := func(who, key, body string) *answer {
		return s.ask(t, who, http.MethodPost, execute, body, func(h http.Header) { h.Set("Idempotency-Key", key) })
	}
	first := send("alice", "k1", `{"tool":"up__echo","arguments":{"a":1}}`)
	again := send("alice", `"k1"`, `{"server":"up","tool":"echo","arguments":{ "a": 1 }}`)
	if first.status != http.StatusOK || again.status != http.StatusOK || again.header.Get("Idempotency-Replayed") != "true" || first.header.Get("Idempotency-Replayed") != "" {
		t.Errorf("first %d %s, again %d %v %s", first.status, first.body, again.status, again.header, again.body)
	}
	if first.member("decision_id") != again.member("decision_id") || first.member("data") != again.member("data") {
		t.Errorf("first %s, again %s", first.body, again.body)
	}
	send("alice", "k1", `{"tool":"up__echo","arguments":{"a":2}}`).says(t, http.StatusConflict, "Idempotency Conflict", "another request")
	if a := send("bob", "k1", `{"tool":"up__echo","arguments":{"a":2}}`); a.status != http.StatusOK {
		t.Errorf("the key of somebody else: %d %s", a.status, a.body)
	}
	if n := s.calls.Load(); n != 2 {
		t.Errorf("the upstream saw %d calls", n)
	}
	if a := s.get(t, "alice", "/v1/analytics/costs"); a.member("total_cost") != "$0.01" {
		t.Errorf("got %s", a.body)
	}
}

// BenchmarkExecute measures a call over HTTP with the strict ledger's work left out.
func BenchmarkExecute(b *testing.B) {
	s := start(b, nil)
	body := `{"tool_call":{"tool_name":"up__echo","params":{"city":"Rome"}}}`
	b.ReportAllocs()
	b.ResetTimer()
	for b.Loop() {
		req, err := http.NewRequest(http.MethodPost, s.url+execute, strings.NewReader(body))
		if err != nil {
			b.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer reader")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			b.Fatal(err)
		}
		if resp.Body.Close(); resp.StatusCode != http.StatusOK {
			b.Fatal(fmt.Sprint(resp.StatusCode))
		}
	}
}
