// SPDX-License-Identifier: Apache-2.0

package rest_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"tollgate/aggregator"
	"tollgate/aggregator/rest"
	"tollgate/policy/limit"
	"tollgate/store/audit"
	"tollgate/store/ledger"
)

// usage is one call of the books, or several.
type usage struct {
	of audit.Labels
	ledger.Usage
}

// books is a ledger with written numbers; it remembers what it was asked.
type books struct {
	rows     []usage
	balances []ledger.Balance
	down     error
	asked    []ledger.CostQuery
}

func (b *books) Available() error { return b.down }

func (b *books) Balances(_ context.Context, q *ledger.BalanceQuery) ([]ledger.Balance, error) {
	var out []ledger.Balance
	for _, x := range b.balances {
		if (q.Budget == "" || q.Budget == x.Budget || q.Budget == x.Name) && (q.Account == "" || q.Account == x.Account) {
			out = append(out, x)
		}
	}
	return out, b.down
}

func (b *books) Costs(_ context.Context, q *ledger.CostQuery) (*ledger.CostReport, error) {
	b.asked = append(b.asked, *q)
	r := &ledger.CostReport{From: q.From, To: q.To}
	for _, row := range b.rows {
		of := row.of
		fits := func(want, have string) bool { return want == "" || want == have }
		if !fits(q.Org, of.Org) || !fits(q.Team, of.Team) || !fits(q.User, of.User) || !fits(q.Upstream, of.Upstream) || !fits(q.Tool, of.Tool) && !fits(q.Tool, of.Name) {
			continue
		}
		key := map[string]string{}
		for _, word := range q.GroupBy {
			key[word] = map[string]string{"org": of.Org, "team": of.Team, "user": of.User, "upstream": of.Upstream, "tool": cmp.Or(of.Name, of.Tool), "kind": of.Kind, "origin": of.Origin}[word]
		}
		i := slices.IndexFunc(r.Groups, func(g ledger.CostGroup) bool { return sameKey(g.Key, key) })
		if i < 0 {
			i = len(r.Groups)
			r.Groups = append(r.Groups, ledger.CostGroup{Key: key})
		}
		for _, sum := range []*ledger.Usage{&r.Total, &r.Groups[i].Usage} {
			sum.Calls, sum.Answered, sum.Failed = sum.Calls+row.Calls, sum.Answered+row.Answered, sum.Failed+row.Failed
			sum.Refused, sum.Cost, sum.Micros = sum.Refused+row.Refused, sum.Cost+row.Cost, sum.Micros+row.Micros
		}
	}
	if len(q.GroupBy) == 0 {
		r.Groups = nil
	}
	return r, b.down
}

func sameKey(a, b map[string]string) bool {
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return string(x) == string(y)
}

const cent = ledger.Dollar / 100

// written are the books of the tests: two organizations with a team growth and an alice each, and refusals of the tool that
// is hidden.
func written() *books {
	row := func(org, team, user, tool string, calls, refused, cost int64) usage {
		return usage{
			audit.Labels{Org: org, Team: team, User: user, Upstream: "up", Kind: "tool", Tool: tool, Name: "up__" + tool, Origin: "rest"},
			ledger.Usage{Calls: calls, Answered: calls, Refused: refused, Cost: cost, Micros: 1500 * calls},
		}
	}
	return &books{rows: []usage{
		row("acme", "growth", "alice", "echo", 1254, 0, 1254*cent), row("acme", "growth", "alice", "mail", 1, 3, cent),
		row("acme", "growth", "bob", "echo", 100, 0, 100*cent), row("acme", "sales", "eve", "echo", 7, 0, 7*cent),
		row("rival", "growth", "alice", "echo", 9, 0, 900*cent), row("acme", "growth", "alice", "secret", 0, 4, 0),
	}}
}

// budgetsOf compiles budgets and puts numbers into their accounts.
func budgetsOf(t *testing.T, rules ...limit.BudgetRule) *limit.Budgets {
	t.Helper()
	for i := range rules {
		rules[i].Index = i
	}
	set, err := limit.CompileBudgets(rules)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// reporting is a stack with books, budgets and a log, at a moment in the middle of November in Berlin.
func reporting(t *testing.T, b *books, set *limit.Budgets, log rest.Audit) *stack {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	o := &setup{rest: rest.Options{
		Ledger: b, Audit: log, Zone: zone, Budgets: func() *limit.Budgets { return set }, Version: "1.2",
		Now: func() time.Time { return time.Date(2026, 11, 25, 23, 30, 0, 0, time.UTC) },
	}}
	if b == nil {
		o.rest.Ledger = nil
	}
	return start(t, o)
}

// TestCostsOfTeam: the numbers of a team and month as the issue shows them.
func TestCostsOfTeam(t *testing.T) {
	b := written()
	month := limit.BudgetPeriod{Unit: "month"}
	set := budgetsOf(t,
		limit.BudgetRule{Name: "team-month", Per: []string{"team"}, Limit: 140 * ledger.Dollar, Period: month},
		limit.BudgetRule{Name: "team-day", Per: []string{"team"}, Limit: ledger.Dollar, Period: limit.BudgetPeriod{Unit: "day"}},
		limit.BudgetRule{Name: "mail", Per: []string{"team"}, For: []string{"up/mail"}, Limit: ledger.Dollar, Period: month},
		limit.BudgetRule{Name: "user-month", Per: []string{"user"}, Limit: 3 * ledger.Dollar, Period: month},
		limit.BudgetRule{Name: "all", Limit: 4 * ledger.Dollar, Period: month})
	b.balances = []ledger.Balance{
		{Budget: set.All()[0].ID(), Name: "team-month", Account: "acme/growth", Limit: 140 * ledger.Dollar, Settled: 1355 * cent, Reserved: 5 * cent},
		{Budget: set.All()[0].ID(), Name: "team-month", Account: "acme/sales", Limit: 140 * ledger.Dollar, Settled: 7 * cent},
	}
	s := reporting(t, b, set, nil)
	a := s.get(t, "lead", "/v1/analytics/costs?team_id=growth&period=month&group_by=user")
	want := `{"period":"month","from":"2026-11-01","to":"2026-11-30","timezone":"Europe/Berlin","team_id":"growth",` +
		`"total_cost":"$13.55","total_cost_nano":13550000000,"calls":1355,"budget":"$140.00","remaining":"$126.40",` +
		`"usage_by_tool":[{"tool":"up__echo","calls":1354,"cost":"$13.54"},{"tool":"up__mail","calls":1,"cost":"$0.01"}],` +
		`"groups":[{"key":{"user":"alice"},"calls":1255,"cost":"$12.55"},{"key":{"user":"bob"},"calls":100,"cost":"$1.00"}]}` + "\n"
	if a.body != want {
		t.Errorf("got  %s\nwant %s", a.body, want)
	}
	for _, q := range b.asked {
		if q.Org != "acme" || q.From.Format(time.DateOnly) != "2026-11-01" || q.To.Format(time.DateOnly) != "2026-11-30" {
			t.Errorf("asked %+v", q)
		}
	}
	// The operator is of no organization: the only team of that name that was charged is meant.
	if a := s.get(t, "ops", "/v1/analytics/costs?team_id=growth&org_id=acme"); a.member("remaining") != "$126.40" || a.member("total_cost") != "$13.55" {
		t.Errorf("operator: %s", a.body)
	}
	if a := s.get(t, "ops", "/v1/analytics/costs?team_id=growth"); a.member("remaining") != "$126.40" || a.member("total_cost") != "$22.55" {
		t.Errorf("operator: %s", a.body)
	}
	if a := s.get(t, "ops", "/v1/analytics/costs"); a.member("budget") != "$4.00" || a.member("total_cost") != "$22.62" {
		t.Errorf("everything: %s", a.body)
	}
	if a := s.get(t, "alice", "/v1/analytics/costs"); a.member("budget") != "$3.00" || a.member("remaining") != "$3.00" || a.member("user_id") != "alice" || a.member("total_cost") != "$12.55" {
		t.Errorf("own: %s", a.body)
	}
	if a := s.get(t, "lead", "/v1/analytics/costs?team_id=growth&period=week"); a.member("budget") != "null" {
		t.Errorf("no weekly budget: %s", a.body)
	}
}

// TestDays: periods and days are those of the zone.
func TestDays(t *testing.T) {
	b := written()
	s := reporting(t, b, nil, nil)
	for query, want := range map[string][3]string{
		"": {"month", "2026-11-01", "2026-11-30"}, "period=day": {"day", "2026-11-26", "2026-11-26"}, // half past midnight in Berlin
		"period=week":                   {"week", "2026-11-23", "2026-11-29"},
		"from=2026-10-25&to=2026-10-25": {"null", "2026-10-25", "2026-10-25"},
		"from=2026-10-25":               {"null", "2026-10-25", "null"},
		"to=2026-02-28&user_id=alice":   {"null", "null", "2026-02-28"},
	} {
		a := s.get(t, "alice", "/v1/analytics/costs?"+query)
		if got := [3]string{a.member("period"), a.member("from"), a.member("to")}; got != want {
			t.Errorf("%q: %v, want %v", query, got, want)
		}
	}
	for query, want := range map[string]string{
		"period=year": "day, week or month", "period=day&from=2026-10-25": "send period, or from and to", "from=yesterday": `"from" must be a day`,
		"from=2026-11-02&to=2026-11-01": "is after", "group_by=day,day": "each once", "group_by=shoe": "group_by", "team=growth": `unknown parameter "team"`,
		"user_id=a&user_id=b": "more than once", "user_id=%ff": "UTF-8", "user_id=" + strings.Repeat("x", 1025): "1024 bytes", "a;b": "malformed",
	} {
		s.get(t, "alice", "/v1/analytics/costs?"+query).says(t, http.StatusBadRequest, "Bad Request", want)
	}
}

// TestWhoReadsWhat: everybody reads its own numbers, a lead those of its team in its organization, an operator all.
func TestWhoReadsWhat(t *testing.T) {
	s := reporting(t, written(), nil, &logged{})
	for _, c := range []struct {
		who, query, total string // "" = not allowed
	}{
		{"alice", "", "$12.55"}, {"alice", "user_id=alice", "$12.55"}, {"alice", "user_id=alice&team_id=growth", "$12.55"},
		{"alice", "user_id=bob", ""}, {"alice", "user_id=nobody", ""}, {"alice", "team_id=growth", ""}, {"alice", "user_id=alice&org_id=rival", ""},
		{"alice", "user_id=bob&team_id=growth", ""}, {"alice", "org_id=acme", "$12.55"},
		{"lead", "", "$0.00"}, {"lead", "team_id=growth", "$13.55"}, {"lead", "team_id=growth&user_id=bob", "$1.00"}, {"lead", "user_id=bob", ""},
		{"lead", "team_id=sales", ""}, {"lead", "team_id=growth&org_id=rival", ""},
		{"ops", "", "$22.62"}, {"ops", "user_id=alice", "$21.55"}, {"ops", "team_id=sales", "$0.07"}, {"ops", "org_id=rival", "$9.00"},
	} {
		a := s.get(t, c.who, "/v1/analytics/costs?"+c.query)
		if c.total == "" {
			a.says(t, http.StatusForbidden, "Access Denied", "you may read your own numbers")
			s.get(t, c.who, "/v1/analytics/usage?"+c.query).says(t, http.StatusForbidden, "Access Denied", "you may read your own numbers")
			s.get(t, c.who, "/v1/audit?"+c.query).says(t, http.StatusForbidden, "Access Denied", "you may read your own numbers")
		} else if a.status != http.StatusOK || a.member("total_cost") != c.total {
			t.Errorf("%s %q: %d %s, want %s", c.who, c.query, a.status, a.body, c.total)
		}
	}
}

// TestUsageHidesTools: how often a tool was refused, or that it was, does not tell a caller that it exists.
func TestUsageHidesTools(t *testing.T) {
	s := reporting(t, written(), nil, nil)
	a := s.get(t, "alice", "/v1/analytics/usage?group_by=upstream,tool")
	if strings.Contains(a.body, "secret") || a.member("refused") != "7" || a.member("calls") != "1255" || a.member("average_ms") != "1.5" {
		t.Errorf("got %s", a.body)
	}
	for _, query := range []string{"tool=secret", "tool=up__secret", "upstream=up&tool=secret"} {
		got := s.get(t, "alice", "/v1/analytics/usage?"+query)
		absent := s.get(t, "alice", "/v1/analytics/usage?"+strings.ReplaceAll(query, "secret", "absent"))
		if strings.ReplaceAll(got.body, "secret", "absent") != absent.body {
			t.Errorf("%s: hidden %s, missing %s", query, got.body, absent.body)
		}
	}
	if a := s.get(t, "ops", "/v1/analytics/usage?tool=secret"); a.member("refused") != "4" {
		t.Errorf("operator: %s", a.body)
	}
}

// TestBudgets: everybody sees its own accounts, a lead those of its team, an operator all.
func TestBudgets(t *testing.T) {
	month := limit.BudgetPeriod{Unit: "month"}
	set := budgetsOf(t,
		limit.BudgetRule{Name: "users", Per: []string{"user"}, Limit: 3 * ledger.Dollar, Period: month},
		limit.BudgetRule{Name: "teams", Per: []string{"team"}, Limit: 9 * ledger.Dollar, Period: month},
		limit.BudgetRule{Name: "alice", User: "alice", Limit: ledger.Dollar, Period: limit.BudgetPeriod{Window: 24 * time.Hour}},
		limit.BudgetRule{Name: "everybody", Limit: 99 * ledger.Dollar, Period: month})
	b := written()
	at := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	account := func(i int, name string, settled int64) ledger.Balance {
		x := set.All()[i]
		return ledger.Balance{Budget: x.ID(), Name: x.Name(), Account: name, Limit: x.Limit(), Settled: settled, Leased: cent, Begin: at, End: at.AddDate(0, 1, 0)}
	}
	b.balances = []ledger.Balance{account(0, "acme/alice", 50*cent), account(0, "acme/bob", cent), account(0, "rival/alice", cent), account(1, "acme/growth", ledger.Dollar), account(3, "", cent)}
	s := reporting(t, b, set, nil)
	a := s.get(t, "alice", "/v1/budgets")
	want := `{"budgets":[{"budget":"users","account":"acme/alice","period":"month (UTC)","limit":"$3.00","spent":"$0.50","reserved":"$0.00","leased":"$0.01","remaining":"$2.50","begins_at":"2026-11-01T01:00:00+01:00","resets_at":"2026-12-01T01:00:00+01:00"},` +
		`{"budget":"alice","period":"24 hours","limit":"$1.00","spent":"$0.00","reserved":"$0.00","remaining":"$1.00","begins_at":null,"resets_at":null}]}` + "\n"
	if a.body != want {
		t.Errorf("got  %s\nwant %s", a.body, want)
	}
	for who, want := range map[string]string{"lead": "acme/lead acme/growth", "ops": "acme/alice acme/bob rival/alice acme/growth  "} {
		var out struct{ Budgets []struct{ Account string } }
		if err := json.Unmarshal([]byte(s.get(t, who, "/v1/budgets").body), &out); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, x := range out.Budgets {
			got = append(got, x.Account)
		}
		if strings.TrimSpace(strings.Join(got, " ")) != strings.TrimSpace(want) {
			t.Errorf("%s sees %q, want %q", who, got, want)
		}
	}
	if a := s.get(t, "ops", "/v1/budgets?budget=everybody"); strings.Count(a.body, `"limit"`) != 1 {
		t.Errorf("one budget: %s", a.body)
	}
}

// TestStatus: everybody sees whether calls are admitted, operators why not.
func TestStatus(t *testing.T) {
	b := written()
	s := reporting(t, b, nil, nil)
	a := s.get(t, "reader", "/v1/status")
	if a.member("status") != "ok" || a.member("version") != "1.2" || a.member("ledger", "available") != "true" || a.member("details") != "" {
		t.Errorf("got %s", a.body)
	}
	b.down = errors.New("no space on /var/lib")
	a = s.get(t, "reader", "/v1/status")
	if a.member("status") != "unavailable" || strings.Contains(a.body, "/var/lib") {
		t.Errorf("got %s", a.body)
	}
	a = s.get(t, "ops", "/v1/status")
	if a.member("ledger", "message") != "no space on /var/lib" || a.member("details", "revision") == "" {
		t.Errorf("got %s", a.body)
	}
	s.get(t, "ops", "/v1/analytics/costs").says(t, http.StatusInternalServerError, "Internal Server Error", "could not be read")
	none := reporting(t, nil, nil, nil)
	for path, what := range map[string]string{"/v1/analytics/costs": "ledger", "/v1/budgets": "ledger", "/v1/audit": "audit log", "/v1/audit/x": "audit log"} {
		none.get(t, "ops", path).says(t, http.StatusServiceUnavailable, "Ledger Unavailable", what)
	}
}

// TestTools: the caller's tools, page by page, as it is shown them.
func TestTools(t *testing.T) {
	s := start(t, nil)
	var names []string
	for cursor := ""; ; {
		a := s.get(t, "reader", "/v1/mcp/tools?limit=2&cursor="+cursor)
		var out struct {
			Tools []struct {
				Name        string
				Upstream    string
				Original    string          `json:"original_name"`
				InputSchema json.RawMessage `json:"inputSchema"`
			}
			Next string `json:"next_cursor"`
		}
		if err := json.Unmarshal([]byte(a.body), &out); err != nil {
			t.Fatal(err)
		}
		for _, tool := range out.Tools {
			names = append(names, tool.Name+"="+tool.Upstream+"/"+tool.Original)
		}
		if cursor = out.Next; cursor == "" {
			break
		}
	}
	if len(names) != 3 || names[0] != "up__echo=up/echo" || names[1] != "up__gr__e_"+strings.TrimPrefix(strings.Split(names[1], "=")[0], "up__gr__e_")+"=up/größe" || names[2] != "up__mail=up/mail" {
		t.Errorf("got %v", names)
	}
	s.get(t, "reader", "/v1/mcp/tools?cursor=x").says(t, http.StatusBadRequest, "Bad Request", "cursor")
	for _, n := range []string{"0", "1001", "-1", "x"} {
		s.get(t, "reader", "/v1/mcp/tools?limit="+n).says(t, http.StatusBadRequest, "Bad Request", `"limit" must be a number from 1 to 1000`)
	}
	a := s.ask(t, "agent", http.MethodGet, "/v1/mcp/tools", "", func(h http.Header) { h.Set("Tollgate-User", "bob"); h.Set("Tollgate-Role", "admin") })
	if strings.Count(a.body, `"name"`) != 4 {
		t.Errorf("as an admin: %s", a.body)
	}
}

// logged is an audit log in memory.
type logged struct{ records []audit.Record }

func (l *logged) found(i int) audit.Found {
	text, _ := json.Marshal(&l.records[i])
	return audit.Found{Stored: audit.Stored{Seq: uint64(i), Text: text}, Record: &l.records[i]}
}

func (l *logged) Find(_ context.Context, id string) ([]audit.Found, error) {
	var out []audit.Found
	for i := range l.records {
		if l.records[i].ID == id {
			out = append(out, l.found(i))
		}
	}
	return out, nil
}

// Query takes the labels user, team, org, tool and upstream, code and kinds; newest first.
func (l *logged) Query(_ context.Context, q *audit.Query) (*audit.Page, error) {
	at := len(l.records) - 1
	if q.Cursor != "" {
		n, err := strconv.Atoi(q.Cursor)
		if err != nil {
			return nil, err
		}
		at = n
	}
	p := &audit.Page{}
	for ; at >= 0; at-- {
		r := &l.records[at]
		of := cmp.Or(r.Of, &audit.Labels{})
		fits := func(want, have string) bool { return want == "" || want == have }
		if !fits(q.Labels.User, of.User) || !fits(q.Labels.Org, of.Org) || !fits(q.Labels.Team, of.Team) || !fits(q.Code, r.Code) || !fits(q.Labels.Upstream, of.Upstream) ||
			!fits(q.Labels.Tool, of.Tool) && !fits(q.Labels.Tool, of.Name) || len(q.Kinds) > 0 && !slices.Contains(q.Kinds, r.Kind) {
			continue
		}
		if len(p.Records) == q.Limit {
			p.Next = strconv.Itoa(at)
			break
		}
		p.Records = append(p.Records, l.found(at))
	}
	return p, nil
}

// history is a log of alice and bob. In one copy alice called a tool that is hidden, in the other one that is missing.
func history(hidden bool) *logged {
	of := func(user, tool string) *audit.Labels {
		return &audit.Labels{Org: "acme", Team: "growth", User: user, Upstream: "up", Kind: "tool", Tool: tool, Name: "up__" + tool, Origin: "rest"}
	}
	unknown := audit.Record{Version: 1, Kind: audit.Refusal, ID: "d3", Of: &audit.Labels{Org: "acme", Team: "growth", User: "alice", Name: "up__secret", Origin: "rest"}, End: string(aggregator.Unknown), Code: "missing", Detail: "nothing of that name", Sentence: "Unknown tool: up__secret"}
	if hidden {
		unknown.Of, unknown.Code, unknown.Detail, unknown.Rule = of("alice", "secret"), "hidden", "role reader does not permit it", "reader"
		unknown.Input = json.RawMessage(`{"object":{"original_name":"secret"}}`)
	}
	return &logged{records: []audit.Record{
		{Version: 1, Kind: audit.Start, ID: "s1"},
		{Version: 1, Kind: audit.Intent, ID: "d1", Of: of("alice", "echo"), Input: json.RawMessage(`{"arguments":{"a":9007199254740993}}`), Revision: "r1"},
		{Version: 1, Kind: audit.Outcome, ID: "d1", Of: of("alice", "echo"), End: "answered", Cost: cent, Error: "for operators"},
		unknown,
		{Version: 1, Kind: audit.Refusal, ID: "d4", Of: of("alice", "echo"), End: "refused", Code: "denied", Rule: "deny", Detail: "for operators", Sentence: "not on weekends"},
		{Version: 1, Kind: audit.Intent, ID: "d5", Of: of("bob", "echo")},
		{Version: 1, Kind: audit.Admin, ID: "a1", Action: "budget.raise", Actor: "ops"},
	}}
}

// TestAuditOfOwn: who calls reads what it was told, not what operators are.
func TestAuditOfOwn(t *testing.T) {
	s := reporting(t, nil, nil, history(true))
	a := s.get(t, "alice", "/v1/audit")
	for _, never := range []string{"for operators", "role reader", "hidden", `"rule"`, `"input"`, `"seq"`, "bob", "ops", "r1", `"tool":"secret"`} {
		if strings.Contains(a.body, never) {
			t.Errorf("alice reads %q in %s", never, a.body)
		}
	}
	if strings.Count(a.body, `"id"`) != 4 || !strings.HasPrefix(a.member("records"), `[{"v":1,"kind":"refusal","id":"d4"`) || !strings.Contains(a.body, "not on weekends") {
		t.Errorf("got %s", a.body)
	}
	for _, path := range []string{"/v1/audit/d5", "/v1/audit/s1", "/v1/audit/nothing"} {
		s.get(t, "alice", path).says(t, http.StatusNotFound, "Not Found", "among those that you may read")
	}
	if a := s.get(t, "alice", "/v1/audit/d1"); strings.Count(a.body, `"id"`) != 2 || strings.Contains(a.body, "operators") {
		t.Errorf("got %s", a.body)
	}
	s.get(t, "alice", "/v1/audit?text=secret").says(t, http.StatusForbidden, "Access Denied", "reports: all")
	s.get(t, "alice", "/v1/audit?kind=intent,admin").says(t, http.StatusForbidden, "Access Denied", "kinds")
	if a := s.get(t, "lead", "/v1/audit?team_id=growth&kind=intent"); strings.Count(a.body, `"id"`) != 2 || strings.Contains(a.body, "input") {
		t.Errorf("lead: %s", a.body)
	}
	a = s.get(t, "ops", "/v1/audit?limit=3")
	if a.member("next_cursor") != "3" || !strings.HasPrefix(a.member("records"), `[{"v":1,"kind":"admin"`) || !strings.Contains(a.body, `"seq":6`) {
		t.Errorf("operator: %s", a.body)
	}
	if a := s.get(t, "ops", "/v1/audit?cursor=3"); strings.Count(a.body, `"id"`) != 4 || !strings.Contains(a.body, "9007199254740993") {
		t.Errorf("operator: %s", a.body)
	}
	s.get(t, "ops", "/v1/audit?cursor=x").says(t, http.StatusBadRequest, "Bad Request", "cursor")
	s.get(t, "ops", "/v1/audit?order=random").says(t, http.StatusBadRequest, "Bad Request", "newest or oldest")
	s.get(t, "ops", "/v1/audit?from=monday").says(t, http.StatusBadRequest, "Bad Request", "from")
}

// TestAuditHidesTools: the log of who called a hidden tool reads like that of who called a missing one, whatever is asked for.
func TestAuditHidesTools(t *testing.T) {
	hidden, missing := reporting(t, nil, nil, history(true)), reporting(t, nil, nil, history(false))
	for _, query := range []string{"", "?tool=secret", "?tool=up__secret", "?upstream=up", "?upstream=up&limit=1", "?code=hidden", "?code=missing", "?id=d3", "/d3", "?tool=secret&limit=1"} {
		h, m := hidden.get(t, "alice", "/v1/audit"+query), missing.get(t, "alice", "/v1/audit"+query)
		if h.status != http.StatusOK || h.body != m.body {
			t.Errorf("%q: hidden %d %s, missing %d %s", query, h.status, h.body, m.status, m.body)
		}
	}
}
