// SPDX-License-Identifier: Apache-2.0

package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tollgate/policy"
	"tollgate/policy/limit"
)

func parsed(t *testing.T, text string) *Config {
	t.Helper()
	c, err := Parse("tollgate.yaml", []byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestRulesOfTheSeed reads the roles of the first example of the policy guide and compares all of what the packages of the
// policy get.
func TestRulesOfTheSeed(t *testing.T) {
	c := parsed(t, `
roles:
  marketing:
    includes: [reader]
    allow: [web/*]
    constraints:
      - {for: web/search, arguments: {region: {enum: [eu, us]}, limit: {maximum: 1e2}}, optional: limit}
    obligations:
      - {redact: /email, keep_text: true, max_result_bytes: 1KiB, reason: true, confirm: Sure?}
    limits:
      - {for: web/search, rate: 100/minute, timeout: 2s, max_result_bytes: 64KiB, name: searches, concurrency: 3, per: [team]}
      - {cost: 0.25, settle: double(result.cost), match: true, require: args.limit < 5, message: Less.}
  reader: {deny: [web/admin]}
policy:
  everyone:
    constraints: [{arguments: {force: {const: false}}}]
    obligations: [{for: web/*, max_result_bytes: 1MiB}]
    limits: [{rate: 10/s, per: all}]
  scopes: [{for: web/*, scopes: web}]
`)
	marketing := policy.Role{
		Includes: []string{"reader"}, Allow: []string{"web/*"},
		Constraints: []policy.ConstraintRule{{
			For:       []string{"web/search"},
			Arguments: map[string]json.RawMessage{"region": json.RawMessage(`{"enum":["eu","us"]}`), "limit": json.RawMessage(`{"maximum":1e2}`)},
			Optional:  []string{"limit"},
		}},
		Obligations: []policy.ObligationRule{{Redact: []string{"/email"}, KeepText: true, MaxResultBytes: 1024, Reason: true, Confirm: "Sure?"}},
		Limits: []policy.LimitRule{
			{Name: "searches", For: []string{"web/search"}, Rate: "100/minute", Per: []string{"team"}, Concurrency: 3, Timeout: 2 * time.Second, MaxResultBytes: 65536},
			{Match: "true", Require: "args.limit < 5", Message: "Less.", Cost: "0.25", Settle: "double(result.cost)"},
		},
	}
	wantRoles := map[string]policy.Role{"marketing": marketing, "reader": {Deny: []string{"web/admin"}}}
	if diff := cmp.Diff(wantRoles, c.PolicyRoles()); diff != "" {
		t.Errorf("PolicyRoles (-want +got):\n%s", diff)
	}
	everyone := policy.Role{
		Constraints: []policy.ConstraintRule{{Arguments: map[string]json.RawMessage{"force": json.RawMessage(`{"const":false}`)}}},
		Obligations: []policy.ObligationRule{{For: []string{"web/*"}, MaxResultBytes: 1 << 20}},
		Limits:      []policy.LimitRule{{Rate: "10/s", Per: []string{"all"}}},
	}
	if diff := cmp.Diff(everyone, c.Everyone()); diff != "" {
		t.Errorf("Everyone (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]policy.ScopeRule{{For: []string{"web/*"}, Scopes: []string{"web"}}}, c.Scopes()); diff != "" {
		t.Errorf("Scopes (-want +got):\n%s", diff)
	}
	rules := []limit.Rule{{LimitRule: everyone.Limits[0]}, {Role: "marketing", LimitRule: marketing.Limits[0]}, {Role: "marketing", Index: 1, LimitRule: marketing.Limits[1]}}
	if diff := cmp.Diff(rules, c.LimitRules()); diff != "" {
		t.Errorf("LimitRules (-want +got):\n%s", diff)
	}
}

// TestFragments holds that a JSON Schema in the file is the JSON that it stands for, to the digit.
func TestFragments(t *testing.T) {
	tests := []struct{ yaml, want string }{
		{`{}`, `{}`},
		{`{maximum: 100, minimum: -0.10, multipleOf: 1e-2}`, `{"maximum":100,"minimum":-0.10,"multipleOf":1e-2}`},
		{`{maximum: 123456789012345678901234567890}`, `{"maximum":123456789012345678901234567890}`},
		{`{maximum: 1e999}`, `{"maximum":1e999}`},
		{`{const: "100", enum: ['1e3', ~, null, True, no, 2026-01-01, <a&b>]}`, `{"const":"100","enum":["1e3",null,null,true,"no","2026-01-01","<a&b>"]}`},
		{`{z: 1, a: {1: x, true: y}, "q\"": "é\n"}`, `{"z":1,"a":{"1":"x","true":"y"},"q\"":"é\n"}`},
		{`{anyOf: [&x {const: 1}, *x, {not: *x}]}`, `{"anyOf":[{"const":1},{"const":1},{"not":{"const":1}}]}`},
	}
	for _, tt := range tests {
		root := &decoder{source: newSource("x", []byte(tt.yaml))}
		n := root.document([]byte(tt.yaml))
		j := jsonWriter{limit: maxFragment}
		if bad := j.write(n, "", 1); bad != nil {
			t.Errorf("%s: %s", tt.yaml, bad.message)
			continue
		}
		if got := j.out.String(); got != tt.want || !json.Valid(j.out.Bytes()) {
			t.Errorf("%s is %s, want %s", tt.yaml, got, tt.want)
		}
	}
}

// TestFragmentsAreBounded: aliases may not make much of little.
func TestFragmentsAreBounded(t *testing.T) {
	long := strings.Repeat("x", 60<<10)
	all := "a: &a {const: " + long + "}"
	for i := range 100 {
		all += fmt.Sprintf(", b%d: *a", i)
	}
	ten := func(inner string) string { return strings.Repeat("{not: ", 10) + inner + strings.Repeat("}", 10) }
	deep := "a: &a " + ten("{}") + ", b: &b " + ten("*a") + ", c: &c " + ten("*b") + ", d: " + ten("*c")
	for name, text := range map[string]string{"long": "a: {const: [&a " + long + ", *a]}", "all": all, "deep": deep} {
		_, err := Parse("tollgate.yaml", []byte("roles: {r: {constraints: [{arguments: {"+text+"}}]}}\n"), nil)
		ds, ok := errors.AsType[Diagnostics](err)
		if !ok || !slices.ContainsFunc(ds, func(d Diagnostic) bool { return d.Code == CodeRange }) {
			t.Errorf("%s: %.300v", name, err)
		}
	}
}

// TestMistakesInsideExpressions holds that what is wrong with an expression is shown where it is wrong.
func TestMistakesInsideExpressions(t *testing.T) {
	tests := []struct {
		text      string
		line, col int
	}{
		{"require: args.limit > foo", 2, 38},
		{`require: "args.limit > foo"`, 2, 39},
		{`require: 'args.limit > foo'`, 2, 39},
		{`require: "args.limit \u003e foo"`, 2, 25},
		{"message: \"é\", require: \"'é' == foo\"", 2, 47},
	}
	for _, tt := range tests {
		_, err := Parse("tollgate.yaml", []byte("policy:\n  everyone: {limits: [{"+tt.text+"}]}\n"), nil)
		ds, _ := errors.AsType[Diagnostics](err)
		if len(ds) != 1 || ds[0].Line != tt.line || ds[0].Path != "policy.everyone.limits[0].require" {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		start := strings.Index("  everyone: {limits: [{"+tt.text, "foo") // in bytes
		want := len([]rune(("  everyone: {limits: [{" + tt.text)[:start])) + 1
		if strings.Contains(tt.text, `\u`) {
			want = len("  everyone: {limits: [{require: ") + 1
		}
		if ds[0].Col != want {
			t.Errorf("%s: at column %d, want %d", tt.text, ds[0].Col, want)
		}
	}
}

func TestTimesAndAddresses(t *testing.T) {
	c := parsed(t, `
roles: {r: {}}
bindings:
  - {subject: a, roles: r, until: 2999-12-31}
  - {subject: a, roles: r, until: "2999-12-31T18:00:00.5+02:00"}
auth: {proxy: {from: [10.0.0.7, 10.1.2.3/16, "::ffff:10.2.0.0/112", "fd00::1"], user_header: X-User}}
`)
	if got, want := c.Bindings[0].Until, time.Date(3000, 1, 1, 0, 0, 0, 0, time.UTC); !got.Equal(want) {
		t.Errorf("a date ends at %v, want %v", got, want)
	}
	if got, want := c.Bindings[1].Until, time.Date(2999, 12, 31, 16, 0, 0, 5e8, time.UTC); !got.Equal(want) {
		t.Errorf("a time is %v, want %v", got, want)
	}
	var want []netip.Prefix
	for _, s := range []string{"10.0.0.7/32", "10.1.0.0/16", "10.2.0.0/16", "fd00::1/128"} {
		want = append(want, netip.MustParsePrefix(s))
	}
	if !slices.Equal(c.Auth.Proxy.From, want) {
		t.Errorf("from = %v, want %v", c.Auth.Proxy.From, want)
	}
}

func TestResource(t *testing.T) {
	const oauth = "auth: {oauth: {issuers: [{issuer: https://login.example.com}]}}\n"
	tests := []struct{ text, want string }{
		{oauth, "http://127.0.0.1:8080/mcp"},
		{"listen: '[::1]:9'\ntls: {cert: a, key: b}\n" + oauth, "https://[::1]:9/mcp"},
		{"public_url: https://mcp.example.com/gw/\n" + oauth, "https://mcp.example.com/gw/mcp"},
		{"auth: {oauth: {resource: 'https://a.example.com', issuers: [{issuer: https://login.example.com}]}}", "https://a.example.com"},
	}
	for _, tt := range tests {
		c := parsed(t, tt.text)
		if got := c.Resource(); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.text, got, tt.want)
		}
		if o := c.Auth.OAuth; o.Leeway != time.Minute || o.Issuers[0].Claims != (Claims{Subject: "/sub", Groups: "/groups"}) {
			t.Errorf("defaults: %+v", o)
		}
	}
}

// TestLimitDiagnostic places what package limit finds once it knows the tools.
func TestLimitDiagnostic(t *testing.T) {
	c := parsed(t, `
policy: {everyone: {limits: [{require: "args.a < args.limt"}]}}
roles:
  r:
    limits:
      - rate: 1/s
      - require: |
          args.limt < 5
`)
	set, err := limit.Compile(c.LimitRules())
	if err != nil {
		t.Fatal(err)
	}
	schema := []byte(`{"type":"object","properties":{"limit":{"type":"integer"},"a":{"type":"integer"}},"additionalProperties":false}`)
	var got []string
	for _, m := range set.CheckTools([]limit.Tool{{Object: &policy.Object{Kind: "tool", Upstream: "u", OriginalName: "t"}, InputSchema: schema}}) {
		d := c.LimitDiagnostic(m)
		got = append(got, d.String())
		if d.Line == 2 && d.Source != `policy: {everyone: {limits: [{require: "args.a < args.limt"}]}}` {
			t.Errorf("source = %q", d.Source)
		}
		if d.Line == 8 && d.Source != "          args.limt < 5" {
			t.Errorf("source in a block = %q", d.Source)
		}
	}
	want := []string{"tollgate.yaml:2:55: policy.everyone.limits[0].require: ", "tollgate.yaml:8:16: roles.r.limits[1].require: "}
	if len(got) != 2 || !strings.HasPrefix(got[0], want[0]) || !strings.HasPrefix(got[1], want[1]) {
		t.Errorf("diagnostics = %q, want %q", got, want)
	}
	if d := c.LimitDiagnostic(limit.Mistake{Role: "r", Index: 7, Field: "rate", Offset: 3}); d.Line != 6 {
		t.Errorf("a limit that is not there is at line %d", d.Line)
	}
	e := policy.RoleError{Role: "r", Field: "limits", Index: 1, Below: []any{"for", 0}, Message: "m"}
	if d := c.RoleDiagnostic(e); d.String() != "tollgate.yaml:7:9: roles.r.limits[1].for[0]: m" {
		t.Errorf("a mistake in a role is %s", d.String())
	}
}
