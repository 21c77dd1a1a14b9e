// SPDX-License-Identifier: Apache-2.0

package rest_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
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
	during func()        // called in each of them; nil = nothing
}

// terms are what a test may want of a stack with a ledger.
type terms struct {
	most   int64  // that the team growth may spend in a month
	price  string // of each call; "" = a cent
	class  audit.Class
	limits []policy.LimitRule // beside the price
	ledger ledger.Options
}

// withLedger is a stack with the real ledger.
func withLedger(t *testing.T, o terms) *accounted {
	t.Helper()
	o.ledger.Dir = t.TempDir()
	engine, err := ledger.Open(&o.ledger)
	if err != nil {
		t.Fatal(err)
	}
	replies, err := store.OpenReplies(o.ledger.Dir, nil)
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
	set := budgetsOf(t, limit.BudgetRule{Name: "growth-month", Team: "growth", Limit: o.most, Period: limit.BudgetPeriod{Unit: "month"}})
	one := set.All()[0]
	if err := engine.SetBudgets([]*ledger.Budget{{ID: one.ID(), Name: one.Name(), Limit: one.Limit(), Period: ledger.Period{Unit: "month"}}}); err != nil {
		t.Fatal(err)
	}
	limits := []limit.Rule{{LimitRule: policy.LimitRule{Name: "price", Cost: cmp.Or(o.price, "0.01")}}}
	for i, r := range o.limits {
		limits = append(limits, limit.Rule{Index: i + 1, LimitRule: r})
	}
	priced, err := limit.Compile(limits)
	if err != nil {
		t.Fatal(err)
	}
	recording, err := aggregator.NewRecording(&aggregator.RecordingOptions{Durability: string(o.class)})
	if err != nil {
		t.Fatal(err)
	}
	a := &accounted{engine: engine, calls: &atomic.Int64{}}
	up := answering("")
	up.Handle = func(r *upstreamtest.Request) bool {
		if r.Method == "tools/call" {
			a.calls.Add(1)
			if a.during != nil {
				a.during()
			}
			r.Result(`{"content":[{"type":"text","text":"hi"}],"resultType":"complete"}`)
		}
		return r.Method == "tools/call"
	}
	a.stack = start(t, &setup{
		servers: map[string]*upstreamtest.Server{"up": up},
		gate:    aggregator.Options{Ledger: books, Replies: replies, MaxInFlight: 1 << 14},
		rules:   aggregator.Rules{Limits: priced, Budgets: set, Recording: recording},
		rest:    rest.Options{Ledger: engine, Audit: engine.Log(), Budgets: func() *limit.Budgets { return set }},
	})
	return a
}

// overMCP is the URL of the MCP endpoint in front of the same gate.
func (s *accounted) overMCP(t *testing.T) string {
	t.Helper()
	mcp, err := edge.New(&edge.Options{Gate: s.gate, Auth: tokens{}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(mcp)
	t.Cleanup(func() {
		server.Close()
		mcp.Close()
	})
	return server.URL + "/mcp"
}

// TestBudgetHolds: of 2,000 calls at once that cost a cent each, over MCP and REST, exactly 100 spend the dollar that the budget
// has, whatever the durability class; the others are refused as a budget refuses, what is spent and held is never more than
// the limit, and the numbers of the API are those of the log.
func TestBudgetHolds(t *testing.T) {
	calls := 2000
	if testing.Short() {
		calls = 400
	}
	for _, class := range []audit.Class{audit.Strict, audit.Durable, audit.Async} {
		t.Run(string(class), func(t *testing.T) {
			s := withLedger(t, terms{most: ledger.Dollar, class: class})
			stop := s.sample(t)
			answered, refused := s.rush(t, calls)
			stop()
			if answered != 100 || s.calls.Load() != 100 || refused != int64(calls-100) {
				t.Fatalf("%d answered, %d at the upstream, %d refused", answered, s.calls.Load(), refused)
			}
			s.tally(t, calls-100+1)
		})
	}
}

// rush makes calls at once, every other one over MCP, and counts those that were answered and those that the budget refused.
func (s *accounted) rush(t *testing.T, calls int) (answered, refused int64) {
	t.Helper()
	url := s.overMCP(t)
	var yes, no atomic.Int64
	var work sync.WaitGroup
	begin := make(chan struct{})
	for i := range calls {
		work.Go(func() {
			who := []string{"alice", "bob"}[i/2%2]
			<-begin
			ok := false
			if i%2 == 0 {
				a := s.call(t, who, `{"tool":"up__echo"}`)
				if ok = a.status == http.StatusOK; !ok {
					a.says(t, http.StatusPaymentRequired, "Budget Exceeded", "growth-month")
				}
			} else {
				a := callOverMCP(t, url, who)
				ok = a.Error == nil && !a.Result.IsError
				if !ok && (a.Error != nil || len(a.Result.Content) != 1 || !strings.Contains(a.Result.Content[0].Text, `budget "growth-month" has $0.`)) {
					t.Errorf("over MCP: %+v", a)
				}
			}
			if ok {
				yes.Add(1)
			} else {
				no.Add(1)
			}
		})
	}
	close(begin)
	work.Wait()
	return yes.Load(), no.Load()
}

// sample reads the balances all the time until stop is called, and fails the test when more is spent and held than the limit.
// The upstream does not answer until it has read the balance with a call under way.
func (s *accounted) sample(t *testing.T) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	samples, most := 0, int64(0)
	seen := make(chan struct{})
	s.during = func() {
		select {
		case <-seen:
		case <-ctx.Done():
		case <-time.After(10 * time.Second): // the end of sample says what is wrong
		}
	}
	work.Go(func() {
		for ctx.Err() == nil {
			all, err := s.engine.Balances(context.Background(), &ledger.BalanceQuery{})
			if err != nil {
				t.Error(err)
				return
			}
			for _, b := range all {
				if samples++; most == 0 && b.Reserved > 0 {
					close(seen)
				}
				most = max(most, b.Reserved)
				if b.Settled+b.Reserved+b.Leased > b.Limit || min(b.Settled, b.Reserved, b.Leased) < 0 {
					t.Errorf("spent %d, reserved %d, leased %d of %d", b.Settled, b.Reserved, b.Leased, b.Limit)
					return
				}
			}
			runtime.Gosched()
		}
	})
	return func() {
		cancel()
		work.Wait()
		if t.Logf("%d samples, up to %s reserved", samples, ledger.FormatUSD(most)); samples < 100 || most == 0 {
			t.Errorf("%d samples, up to %d reserved: nothing was seen", samples, most)
		}
	}
}

// tally compares what the API says of a dollar that was spent by a hundred calls with the log.
func (s *accounted) tally(t *testing.T, refused int) {
	t.Helper()
	a := s.call(t, "alice", `{"tool":"up__echo"}`)
	for name, want := range map[string]string{"budget": "growth-month", "limit": "$1.00", "spent": "$1.00", "reserved": "$0.00", "remaining": "$0.00", "needed": "$0.01"} {
		if a.member(name) != want {
			t.Errorf("%s is %q, want %q: %s", name, a.member(name), want, a.body)
		}
	}
	if at, err := time.Parse(time.RFC3339, a.member("resets_at")); err != nil || at.Day() != 1 {
		t.Errorf("resets_at %q", a.member("resets_at"))
	}
	s.settled(t)
	a = s.get(t, "lead", "/v1/analytics/costs?team_id=growth&period=month&group_by=origin")
	if a.member("total_cost") != "$1.00" || a.member("budget") != "$1.00" || a.member("remaining") != "$0.00" || a.member("calls") != "100" ||
		a.member("usage_by_tool") != `[{"tool":"up__echo","calls":100,"cost":"$1.00"}]` || !strings.Contains(a.body, `"origin":"mcp"`) {
		t.Errorf("got %s", a.body)
	}
	if sum, records := s.audited(t, audit.Outcome); sum != ledger.Dollar || records != 100 {
		t.Errorf("the log says that %d calls cost %s", records, ledger.FormatUSD(sum))
	}
	if _, records := s.audited(t, audit.Refusal); records != refused {
		t.Errorf("the log has %d refusals, want %d", records, refused)
	}
}

// settled returns when all that was recorded is on disk.
func (s *accounted) settled(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; { // a log that failed looks at its disk again by itself
		err := s.engine.Record(context.Background(), &audit.Record{Kind: audit.Admin, Action: "test", Class: audit.Strict})
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		<-time.After(time.Millisecond)
	}
}

// toolAnswer is what a tools/call is answered over MCP.
type toolAnswer struct {
	Result struct {
		IsError bool
		Content []struct{ Text string }
	}
	Error *struct {
		Code    int
		Message string
		Data    struct{ Outcome, Decision string }
	}
}

// callOverMCP calls the tool over MCP.
func callOverMCP(t testing.TB, url, who string) (out toolAnswer) {
	t.Helper()
	body := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"up__echo","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`
	e, err := wire.Parse([]byte(body))
	if err != nil {
		t.Error(err)
		return out
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return out
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+who)
	wire.SetHeaders(req.Header, wire.R20260728, e.Method, e.Params, nil)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Error(err)
		return out
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		t.Errorf("over MCP: %v", err)
	}
	return out
}

// audited is the sum of the costs of all records of a kind and their number, read page by page over the API.
func (s *accounted) audited(t testing.TB, kind audit.Kind) (sum int64, records int) {
	t.Helper()
	for cursor := ""; ; {
		a := s.get(t, "ops", "/v1/audit?kind="+string(kind)+"&limit=300&cursor="+cursor)
		var page struct {
			Records []audit.Record
			Next    string `json:"next_cursor"`
		}
		if err := json.Unmarshal([]byte(a.body), &page); err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Records {
			sum += r.Cost
			records++
		}
		if cursor = page.Next; cursor == "" {
			return sum, records
		}
	}
}

// TestFourAnswers: the answers that clients have to know, in a row and member by member: 403, 429, 402 and the costs of a team
// in a month, which are to the last nano-dollar those of the log.
func TestFourAnswers(t *testing.T) {
	s := withLedger(t, terms{most: 35 * ledger.Dollar / 1000, price: "0.010000123", limits: []policy.LimitRule{{Name: "few", Rate: "2/minute", Per: []string{"user"}}}})
	body := func(tool, who string) string {
		return `{"tool_call":{"tool_name":"` + tool + `","params":{}},"user_id":"` + who + `","user_role":"` + who + `","team_id":"growth"}`
	}
	a := s.call(t, "alice", body("sql_drop", "alice"))
	if a.status != http.StatusForbidden || a.body != `{"error":"Access Denied","message":"Tool 'sql_drop' is not allowed for role 'alice'"}` {
		t.Errorf("got %d %s", a.status, a.body)
	}
	for range 2 {
		if a := s.call(t, "alice", body("up__echo", "alice")); a.status != http.StatusOK || a.member("success") != "true" || a.member("cost") != "$0.010000123" || a.member("data") != "hi" {
			t.Fatalf("got %d %s", a.status, a.body)
		}
	}
	a = s.call(t, "alice", body("up__echo", "alice"))
	a.says(t, http.StatusTooManyRequests, "Rate Limit Exceeded", `"few": 2 of 2 calls within 1m0s are used`)
	if n, err := strconv.Atoi(a.member("retryAfter")); err != nil || n < 1 || n > 60 || a.member("retryAfter") != a.header.Get("Retry-After") || !strings.Contains(a.body, fmt.Sprintf(`"retryAfter":%d`, n)) {
		t.Errorf("got %v %s", a.header, a.body)
	}
	s.call(t, "bob", body("echo", "bob"))
	a = s.call(t, "bob", body("up__echo", "bob"))
	a.says(t, http.StatusPaymentRequired, "Budget Exceeded", `budget "growth-month" has $0.004999631 left of $0.035 and this call may cost up to $0.010000123`)
	if a.member("remaining") != "$0.004999631" || a.member("spent") != "$0.030000369" || a.header.Get("Retry-After") != "" {
		t.Errorf("got %v %s", a.header, a.body)
	}
	if a := s.call(t, "ops", `{"tool":"up__echo"}`); a.status != http.StatusOK { // of no team
		t.Errorf("got %d %s", a.status, a.body)
	}
	s.sameAsLog(t)
	a = s.get(t, "alice", "/v1/analytics/usage")
	if a.member("calls") != "2" || a.member("answered") != "2" || a.member("cost") != "$0.020000246" || a.member("refused") != "2" {
		t.Errorf("got %s", a.body)
	}
	a = s.get(t, "lead", "/v1/budgets")
	if a.member("budgets") == "[]" || !strings.Contains(a.body, `"spent":"$0.030000369"`) {
		t.Errorf("got %s", a.body)
	}
}

// sameAsLog compares the costs of the team growth in this month with the outcomes in the log.
func (s *accounted) sameAsLog(t *testing.T) {
	t.Helper()
	s.settled(t)
	var sum int64
	calls := map[string]int64{}
	log := s.engine.Log()
	for stored, err := range log.Scan(t.Context(), log.First(), log.Size()) {
		if err != nil {
			t.Fatal(err)
		}
		r, err := audit.Decode(stored.Text)
		if err != nil {
			t.Fatal(err)
		}
		if now := time.Now().UTC(); r.Kind == audit.Outcome && r.Of.Team == "growth" && r.Began.Year() == now.Year() && r.Began.Month() == now.Month() {
			sum += r.Cost
			calls[r.Of.Name]++
		}
	}
	a := s.get(t, "lead", "/v1/analytics/costs?team_id=growth&period=month&group_by=tool")
	left := 35*ledger.Dollar/1000 - sum
	want := fmt.Sprintf(`[{"tool":"up__echo","calls":%d,"cost":%q}]`, calls["up__echo"], ledger.FormatUSD(sum))
	if a.member("total_cost") != ledger.FormatUSD(sum) || a.member("budget") != "$0.035" || a.member("remaining") != ledger.FormatUSD(left) || a.member("usage_by_tool") != want || sum != 30_000_369 {
		t.Errorf("got %s, the log says %s", a.body, want)
	}
}

// TestOutcomeNotRecorded: the disk fills up while a tool is executed. Neither API gives its result out, both say that it was
// executed, and none says to try again.
func TestOutcomeNotRecorded(t *testing.T) {
	disk := &fullDisk{}
	s := withLedger(t, terms{most: ledger.Dollar, ledger: ledger.Options{SettleWait: 50 * time.Millisecond, Audit: audit.Options{Disk: disk}}})
	url := s.overMCP(t)
	s.during = func() { disk.full.Store(true) }
	a := s.call(t, "alice", `{"tool":"up__echo"}`)
	a.says(t, http.StatusBadGateway, "Outcome Not Recorded", "the call was made, but the gateway could not record in time how it ended, so its result is withheld")
	if a.header.Get("Retry-After") != "" || a.member("retryAfter") != "" || a.member("outcome_unknown") != "true" || a.member("cost") != "$0.01" ||
		!strings.Contains(a.member("message"), "find out before making it again") || a.member("decision_id") == "" || strings.Contains(a.body, `"hi"`) {
		t.Errorf("got %v %s", a.header, a.body)
	}
	s.call(t, "alice", `{"tool":"up__echo"}`).says(t, http.StatusServiceUnavailable, "Ledger Unavailable", "nothing was done: try again in")
	disk.full.Store(false)
	s.settled(t)
	m := callOverMCP(t, url, "bob")
	if e := m.Error; e == nil || e.Code != wire.CodeInternal || e.Data.Outcome != "unknown" || e.Data.Decision == "" || !strings.Contains(e.Message, "the call was made") {
		t.Errorf("over MCP: %+v", m)
	}
	disk.full.Store(false)
	s.settled(t)
	if sum, records := s.audited(t, audit.Outcome); sum != 2*cent || records != 2 || s.calls.Load() != 2 {
		t.Errorf("the log has %d outcomes of %s, the upstream saw %d calls", records, ledger.FormatUSD(sum), s.calls.Load())
	}
}

// fullDisk has no room for commits while it is full.
type fullDisk struct{ full atomic.Bool }

func (d *fullDisk) Do(op audit.Op, path string, do func() error) error {
	if d.full.Load() && op == audit.OpCommit {
		return &fs.PathError{Op: "write", Path: path, Err: syscall.ENOSPC}
	}
	return do()
}

// TestStrangersLeaveNothing: requests without a credential are not recorded, so nobody fills the log that is not known.
func TestStrangersLeaveNothing(t *testing.T) {
	s := withLedger(t, terms{most: ledger.Dollar})
	url := s.overMCP(t)
	s.settled(t)
	before := s.engine.Log().Size()
	var work sync.WaitGroup
	for range 8 {
		work.Go(func() {
			for range 25 {
				s.call(t, "", `{"tool":"up__echo","user_id":"alice"}`).says(t, http.StatusUnauthorized, "Unauthorized", "")
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"up__echo"}}`))
				if err != nil {
					t.Error(err)
					return
				}
				resp, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Error(err)
					return
				}
				if resp.Body.Close(); resp.StatusCode != http.StatusUnauthorized {
					t.Errorf("over MCP: %d", resp.StatusCode)
				}
			}
		})
	}
	work.Wait()
	if after, queued := s.engine.Log().Size(), s.engine.Stats().Queued; after != before || queued != 0 {
		t.Errorf("the log grew from %d to %d records, %d are queued", before, after, queued)
	}
}

// TestOwnRecords: the real log tells a caller no more of a hidden tool than of a missing one.
func TestOwnRecords(t *testing.T) {
	s := withLedger(t, terms{most: ledger.Dollar})
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
	s := withLedger(t, terms{most: ledger.Dollar})
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
