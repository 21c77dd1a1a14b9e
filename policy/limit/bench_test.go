// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"fmt"
	"strings"
	"testing"

	"tollgate/policy"
)

// small are 244 bytes of arguments.
const small = `{"query":"SELECT id, name, amount FROM invoices WHERE region = 'eu-west-1' AND state = 'open' ORDER BY amount DESC",` +
	`"limit":100,"region":"eu-west-1","format":"json","options":{"timeout_ms":5000,"retries":2,"tags":["a","b","c"]},"dry":false}`

const smallSchema = `{"type":"object","properties":{"query":{"type":"string","description":"a query in the dialect of the database"},` +
	`"limit":{"type":"integer","minimum":1},"region":{"type":"string"},"format":{"type":"string","enum":["json","csv"]},` +
	`"options":{"type":"object"},"dry":{"type":"boolean"}},"required":["query"]}`

// large are 10 KB, what is asked for in front.
func large() string {
	return small[:len(small)-1] + `,"rows":[` + strings.Repeat(`{"id":123,"name":"a name"},`, 370) + `{}]}`
}

func BenchmarkEvaluate(b *testing.B) {
	for _, bb := range []struct {
		name, arguments string
		rule            policy.LimitRule
	}{
		{"true", small, policy.LimitRule{Require: `true`}},
		{"args/244B", small, policy.LimitRule{Require: `args.limit <= 100 && size(args.query) < 2000`}},
		{"args/10KB", large(), policy.LimitRule{Require: `args.limit <= 100 && size(args.query) < 2000`}},
		{"no args/10KB", large(), policy.LimitRule{Require: `principal.team == "growth" && object.annotations.readOnlyHint`}},
		{"last member/10KB", `{"x":` + large() + `,"limit":1}`, policy.LimitRule{Require: `args.limit <= 100`}},
		{"regexp", small, policy.LimitRule{Require: `has(args.region) && args.region in ["eu-west-1", "eu-central-1"] && args.region.matches("^eu-[a-z]+-[0-9]$") && size(args.query) < 2000`}},
		{"all of 50", `{"ids":[` + strings.Repeat("1,", 49) + `1]}`, policy.LimitRule{Require: `args.ids.all(i, i > 0)`}},
		{"watched", small, policy.LimitRule{Require: `args.options.tags.all(x, args.options.tags.exists(y, x == y))`}},
		{"cost", small, policy.LimitRule{Cost: `0.001 + double(args.limit) * 0.00001`}},
		{"fixed cost", small, policy.LimitRule{Cost: `0.01`}},
		{"rate per user", small, policy.LimitRule{Rate: "100/minute"}},
		{"rate key", small, policy.LimitRule{Rate: "100/minute", Per: []string{`principal.org + "/" + principal.team + "/" + args.region`}}},
		{"whole map/10KB", large(), policy.LimitRule{Require: `args.all(k, size(k) < 100)`}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			c := call(bb.arguments)
			c.InputSchema = []byte(smallSchema)
			limits := compile(b, bb.rule).For([]string{"marketing"}, c.Input.Object)
			b.ReportAllocs()
			for b.Loop() {
				if _, refusal := Evaluate(b.Context(), limits, c); refusal != nil {
					b.Fatalf("%+v", refusal)
				}
			}
		})
	}
}

func BenchmarkSettle(b *testing.B) {
	limits := compile(b, policy.LimitRule{Cost: "1", Settle: "double(result.structuredContent.tokens) * 0.00001"}).limits
	a, refusal := Evaluate(b.Context(), limits, call(small))
	if refusal != nil {
		b.Fatalf("%+v", refusal)
	}
	result := []byte(`{"content":[{"type":"text","text":"` + strings.Repeat("x", 2000) + `"}],"structuredContent":{"tokens":1234}}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := a.Settle(b.Context(), result); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	rule := Rule{Role: "a", LimitRule: policy.LimitRule{For: []string{"db/*"}, Require: `args.limit <= 100 && size(args.query) < 2000`, Rate: "100/minute", Cost: "double(args.limit) * 0.01"}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Compile([]Rule{rule}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCheckTools checks 10,000 tools with schemas of their own.
func BenchmarkCheckTools(b *testing.B) {
	tools := make([]Tool, 10_000)
	for i := range tools {
		schema := strings.Replace(smallSchema, "a query in", fmt.Sprintf("query %d in", i), 1)
		tools[i] = Tool{tool(fmt.Sprintf("t%d", i)), []byte(schema)}
	}
	for name, rule := range map[string]policy.LimitRule{
		"no arguments": {Rate: "100/minute"},
		"arguments":    {Require: `args.limit <= 100 && size(args.query) < 2000`},
	} {
		b.Run(name, func(b *testing.B) {
			s := compile(b, rule)
			b.ReportAllocs()
			for b.Loop() {
				if found := s.CheckTools(tools); len(found) > 0 {
					b.Fatal(found)
				}
			}
		})
	}
}
