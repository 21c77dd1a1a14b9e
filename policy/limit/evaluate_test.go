// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tollgate/policy"
)

// TestDocument reads every part of the document in one expression each.
func TestDocument(t *testing.T) {
	for _, expression := range []string{
		`principal.subject == "ada" && principal.team == "growth" && principal.org == "acme"`,
		`principal.roles == ["marketing", "reader"] && principal.groups == ["g"] && principal.scopes.exists(s, s == "s")`,
		`principal.auth_method == "api_key" && principal.key_id == "k1" && principal.actor == "" && !has(principal.actor)`,
		`object.kind == "tool" && object.name == "db__query" && object.upstream == "db" && object.original_name == "query"`,
		`object.id == "tool:db/query" && object.uri == "" && object.definition_hash == "" && "pii" in object.tags`,
		`object.annotations.readOnlyHint && !has(object.annotations.destructiveHint) && object.annotations["title"].startsWith("Q")`,
		`session.origin == "mcp" && session.transport == "http" && session.parent_call_id == "" && session.depth == 1`,
		`client.name == "ide" && client.version.startsWith("1.")`,
		`time > timestamp("2026-11-25T00:00:00Z") && time.getHours() == 9 && time.getHours("Europe/Berlin") == 10`,
		`source_ip == "10.0.0.7" && action == "call"`,
		`args.a == 1 && arguments.a == args["a"] && has(args.a) && !has(args.b) && "a" in args && !("b" in args)`,
		`args.o.p.q == "deep" && args.l[1] == 2 && args.l.all(x, x > 0) && args.n == null && args.t`,
		`size(args) == 6 && args.exists(k, k == "a") && args.o == {"p": {"q": "deep"}} && size(args.l) == 3`,
		`dyn(principal).subject == "ada" && dyn(object).tags[0] == "data" && size([session, client]) == 2`,
		`args.l.map(x, x * 2) == [2, 4, 6] && args.l.filter(x, x > 1).size() == 2 && args.l.exists_one(x, x == 3)`,
		`args["ü"] == 2 && "ü" in args`, // names in expressions are ASCII
	} {
		c := call(`{"a":1,"o":{"p":{"q":"deep"}},"l":[1,2,3],"n":null,"t":true,"\u00fc":2}`)
		if _, refusal := evaluate(t, c, policy.LimitRule{Require: expression}); refusal != nil {
			t.Errorf("%s: %+v", expression, refusal)
		}
	}
}

// TestRequire says what callers and operators are told.
func TestRequire(t *testing.T) {
	limit := policy.LimitRule{Require: "args.limit <= 100 &&\n  args.mode != \"all\""}
	named := limit
	named.Name, named.Message = "page size", "ask for at most 100 rows"
	for _, tt := range []struct {
		name, arguments string
		rule            policy.LimitRule
		want            *Refusal
	}{
		{"fits", `{"limit":100,"mode":"x"}`, limit, nil},
		{"does not fit", `{"limit":101,"mode":"x"}`, limit, &Refusal{"marketing limit 1", CodeRequire,
			`limit "marketing limit 1" requires args.limit <= 100 && args.mode != "all"`, ""}},
		{"own message", `{"limit":101}`, named, &Refusal{"page size", CodeRequire, "ask for at most 100 rows", ""}},
		{"missing argument", `{"limit":7}`, named, &Refusal{"page size", CodeError, `limit "page size" needs argument "mode"`, ""}},
		{"no arguments", ``, named, &Refusal{"page size", CodeError, `limit "page size" needs argument "limit"`, ""}},
		{"another type", `{"limit":"7","mode":"x"}`, named, &Refusal{"page size", CodeError, `limit "page size" could not be checked for this call`, ""}},
		{"not true or false", `{"x":"secret"}`, policy.LimitRule{Require: "args.x"}, &Refusal{"marketing limit 1", CodeError, `limit "marketing limit 1" could not be checked for this call`, ""}},
		{"false hides an error", `{"limit":101}`, policy.LimitRule{Require: "args.limit < 5 && args.none"}, &Refusal{"marketing limit 1", CodeRequire,
			`limit "marketing limit 1" requires args.limit < 5 && args.none`, ""}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, got := evaluate(t, call(tt.arguments), tt.rule)
			if diff := cmp.Diff(tt.want, got, cmpopts.IgnoreFields(Refusal{}, "Detail")); diff != "" {
				t.Errorf("refusal (-want +got):\n%s", diff)
			}
			if got != nil && got.Detail == "" {
				t.Error("operators are told nothing")
			}
		})
	}
}

func TestMatch(t *testing.T) {
	rule := policy.LimitRule{Match: `object.annotations.readOnlyHint == false`, Require: "false"}
	if _, refusal := evaluate(t, call(`{}`), rule); refusal != nil {
		t.Errorf("a limit that does not match refuses: %+v", refusal)
	}
	rule.Match = `object.annotations.destructiveHint`
	if _, refusal := evaluate(t, call(`{}`), rule); refusal == nil || refusal.Code != CodeError {
		t.Errorf("match fails: %+v, want %s", refusal, CodeError)
	}
	for _, annotations := range []string{`"text"`, `{"readOnlyHint":false,"x":"` + strings.Repeat("x", maxAnnotations) + `"}`} {
		c := call(`{}`)
		c.Input.Object.Annotations = json.RawMessage(annotations)
		if _, refusal := evaluate(t, c, policy.LimitRule{Require: `!object.annotations.readOnlyHint`}); refusal == nil || refusal.Code != CodeError {
			t.Errorf("annotations of %d bytes: %+v, want %s", len(annotations), refusal, CodeError)
		}
	}
}

// TestAdmission puts several limits together.
func TestAdmission(t *testing.T) {
	a, refusal := evaluate(t, call(`{"rows":3}`),
		policy.LimitRule{Name: "burst", Rate: "5/10s", Timeout: 30 * time.Second, MaxResultBytes: 1000},
		policy.LimitRule{Name: "team", Rate: "100/hour", Per: []string{"team", "args.region == '' ? 'none' : 'x'"}, Match: "false", Timeout: time.Second},
		policy.LimitRule{Name: "slots", Rate: "1/s", Concurrency: 2, Per: []string{"all"}, Timeout: 10 * time.Second, MaxResultBytes: 2000},
		policy.LimitRule{Name: "price", Cost: "0.01"},
		policy.LimitRule{Name: "rows", Cost: "double(args.rows) * 0.001"},
	)
	if refusal != nil {
		t.Fatalf("refused: %+v", refusal)
	}
	want := &Admission{
		Claims: []Claim{
			{Limit: "burst", Rate: 5, Window: 10 * time.Second},
			{Limit: "slots", Rate: 1, Window: time.Second},
			{Limit: "slots", Concurrency: 2},
		},
		Timeout: 10 * time.Second, MaxResultBytes: 1000, Cost: 13_000_000,
	}
	if diff := cmp.Diff(want, a, cmpopts.IgnoreUnexported(Admission{}), cmpopts.IgnoreFields(Claim{}, "ID", "Key")); diff != "" {
		t.Errorf("admission (-want +got):\n%s", diff)
	}
	seen := map[string]bool{}
	for _, c := range a.Claims {
		if seen[c.ID] || seen[c.Key] || !strings.Contains(c.Key, strings.Split(c.ID, "/")[0]) {
			t.Errorf("claim %+v shares an id or key, or its key lacks the id", c)
		}
		seen[c.ID], seen[c.Key] = true, true
	}
	if cost, overrun, err := a.Settle(t.Context(), nil); cost != 13_000_000 || overrun != 0 || err != nil {
		t.Errorf("without settle: %d, %d, %v; want the ceiling", cost, overrun, err)
	}
}

func TestNoLimits(t *testing.T) {
	a, refusal := Evaluate(t.Context(), (*Set)(nil).For(nil, tool("x")), call(`{}`))
	if refusal != nil || a == nil || len(a.Claims) != 0 || a.Cost != 0 {
		t.Errorf("got %+v, %+v", a, refusal)
	}
	if _, refusal := Evaluate(t.Context(), compile(t, policy.LimitRule{Rate: "1/s"}).limits, &Call{Input: &policy.Input{}}); refusal == nil {
		t.Error("a call without principal passes")
	}
}

func TestFor(t *testing.T) {
	rules := []Rule{
		{Role: "b", Index: 0, LimitRule: policy.LimitRule{Name: "b0", Rate: "1/s", For: []string{"db/*"}}},
		{Role: "a", Index: 1, LimitRule: policy.LimitRule{Name: "a1", Rate: "1/s", For: []string{"web/*", "db/que*"}}},
		{Role: "a", Index: 0, LimitRule: policy.LimitRule{Name: "a0", Rate: "1/s", For: []string{"web/*"}}},
		{Role: "", Index: 0, LimitRule: policy.LimitRule{Name: "all", Rate: "1/s"}},
	}
	s, err := Compile(rules)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ roles, want string }{
		{"a b", "all a1 b0"}, {"b a", "all a1 b0"}, {"b", "all b0"}, {"", "all"}, {"x", "all"},
	} {
		var got []string
		for _, l := range s.For(strings.Fields(tt.roles), tool("query")) {
			got = append(got, l.Name())
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("For(%s) = %v, want %s", tt.roles, got, tt.want)
		}
	}
}

// TestTruncated: what was cut off cannot satisfy a limit.
func TestTruncated(t *testing.T) {
	large := `{"x":"` + strings.Repeat("a", policy.MaxArguments) + `"}`
	for name, c := range map[string]*Call{"too large": call(large), "truncated": call("")} {
		c.Input.Truncated = name == "truncated"
		if _, refusal := evaluate(t, c, policy.LimitRule{Require: `!has(args.x)`}); refusal == nil || refusal.Code != CodeTooLarge {
			t.Errorf("%s: %+v, want %s", name, refusal, CodeTooLarge)
		}
		if _, refusal := evaluate(t, c, policy.LimitRule{Require: `principal.team == "growth"`, Rate: "1/s"}); refusal != nil {
			t.Errorf("%s: a limit that does not read the arguments refuses: %+v", name, refusal)
		}
	}
}

func TestSettle(t *testing.T) {
	rules := []policy.LimitRule{
		{Name: "tokens", Cost: "double(args.max) * 0.00001", Settle: "double(result.structuredContent.usage.tokens) * 0.00001"},
		{Name: "base", Cost: "0.5"},
	}
	for _, tt := range []struct {
		name, result  string
		cost, overrun int64
		fails         bool
	}{
		{"less", `{"structuredContent":{"usage":{"tokens":123}}}`, 501_230_000, 0, false},
		{"free", `{"structuredContent":{"usage":{"tokens":0}}}`, 500_000_000, 0, false},
		{"exactly", `{"structuredContent":{"usage":{"tokens":1000}}}`, 510_000_000, 0, false},
		{"more", `{"structuredContent":{"usage":{"tokens":1500}}}`, 510_000_000, 5_000_000, false},
		{"negative", `{"structuredContent":{"usage":{"tokens":-5}}}`, 510_000_000, 0, true},
		{"missing", `{"content":[]}`, 510_000_000, 0, true},
		{"text", `{"structuredContent":{"usage":{"tokens":"many"}}}`, 510_000_000, 0, true},
		{"not finite", `{"structuredContent":{"usage":{"tokens":1e999}}}`, 510_000_000, 0, true},
		{"no object", `[]`, 510_000_000, 0, true},
		{"nothing", ``, 510_000_000, 0, true},
		{"huge", `{"structuredContent":{"usage":{"tokens":5}},"x":"` + strings.Repeat("a", maxResult) + `"}`, 510_000_000, 0, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, refusal := evaluate(t, call(`{"max":1000}`), rules...)
			if refusal != nil || a.Cost != 510_000_000 {
				t.Fatalf("%+v, %+v", a, refusal)
			}
			cost, overrun, err := a.Settle(t.Context(), []byte(tt.result))
			if cost != tt.cost || overrun != tt.overrun || (err != nil) != tt.fails {
				t.Errorf("Settle = %d, %d, %v; want %d, %d, failure %v", cost, overrun, err, tt.cost, tt.overrun, tt.fails)
			}
		})
	}
}

// TestSettleFails: one expression that fails makes the whole call cost its
// ceiling, whatever the others say.
func TestSettleFails(t *testing.T) {
	a, refusal := evaluate(t, call(`{}`), policy.LimitRule{Cost: "1", Settle: "result.a"}, policy.LimitRule{Cost: "2", Settle: "result.b"})
	if refusal != nil {
		t.Fatalf("%+v", refusal)
	}
	if cost, _, err := a.Settle(t.Context(), []byte(`{"a":0,"b":0.5}`)); cost != nano/2 || err != nil {
		t.Errorf("Settle = %d, %v", cost, err)
	}
	if cost, _, err := a.Settle(t.Context(), []byte(`{"a":0}`)); cost != 3*nano || err == nil {
		t.Errorf("Settle = %d, %v; want both ceilings and why", cost, err)
	}
}

// TestCallerLearnsNothing: values of the call and of the policy stay in Detail.
func TestCallerLearnsNothing(t *testing.T) {
	c := call(`{"x":"tok-secret"}`)
	c.Input.Object.Annotations = json.RawMessage(`"note-secret"`)
	for _, expression := range []string{`int(args.x) > 1`, `timestamp(args.x) < time`, `object.annotations.x == 1`, `duration(args.x) > duration("1s")`, `{}[args.x] == 1`} {
		_, refusal := evaluate(t, c, policy.LimitRule{Require: expression})
		if refusal == nil || strings.Contains(refusal.Message, "secret") || refusal.Detail == "" {
			t.Errorf("%s: %+v", expression, refusal)
		}
	}
}

func TestDescribe(t *testing.T) {
	for _, tt := range []struct {
		rule policy.LimitRule
		want string
	}{
		{policy.LimitRule{Rate: "100/minute"}, "100 per minute per user"},
		{policy.LimitRule{Rate: "5/10s", Concurrency: 2, Per: []string{"team", "tool"}}, "5 per 10 seconds per team and tool; 2 at a time per team and tool"},
		{policy.LimitRule{Rate: "9/90m", Per: []string{"all"}, Match: "args.x ==\n 1"}, "9 per 90 minutes in total when args.x == 1"},
		{policy.LimitRule{Require: "args.n <= 5", Timeout: time.Minute, MaxResultBytes: 10}, "requires args.n <= 5; takes at most 1m0s; answers with at most 10 bytes"},
		{policy.LimitRule{Cost: "0.010"}, "costs up to $0.01"},
		{policy.LimitRule{Cost: "double(args.n) * 0.1"}, "costs up to double(args.n) * 0.1 USD"},
	} {
		if got := compile(t, tt.rule).limits[0].Describe(); got != tt.want {
			t.Errorf("Describe = %q, want %q", got, tt.want)
		}
	}
}
