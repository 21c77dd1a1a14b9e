// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/open-policy-agent/opa/v1/ast"
	"pgregory.net/rapid"
)

func TestDecide(t *testing.T) {
	e := load(t, &Options{Modules: calls(t, `
# METADATA
# title: Force
deny contains "force is not for you" if input.arguments.force == true

deny contains {"reason": "too many", "detail": sprintf("%d of 10", [input.arguments.n])} if input.arguments.n > 10

deny contains {"reason": "quietly"} if input.session.origin == "code"

deny contains input.arguments.odd

deny contains "at night" if time.clock(time.now_ns())[0] < 6

deny contains "another clock" if time.parse_rfc3339_ns(input.time) != time.now_ns()`)})
	for _, tt := range []struct {
		arguments string
		change    func(*Input)
		want      Decision
	}{
		{`{}`, nil, Decision{Allow: true}},
		{``, nil, Decision{Allow: true}},
		{`{"force": false, "n": 10}`, nil, Decision{Allow: true}},
		{`{"force": true}`, nil, Decision{Code: CodeDenied, Reasons: []string{"force is not for you"}}},
		{`{"force": true, "n": 11}`, nil, Decision{Code: CodeDenied, Reasons: []string{"force is not for you", "too many"}, Detail: "11 of 10"}},
		{`{}`, func(in *Input) { in.Session.Origin = "code" }, Decision{Code: CodeDenied, Reasons: []string{"quietly"}}},
		{`{"odd": 1}`, nil, Decision{Code: CodeDenied, Detail: "mine.rego:12: a deny rule gave 1, want a sentence or {reason, detail}"}},
		{`{}`, func(in *Input) { in.Time = in.Time.Add(-6 * time.Hour) }, Decision{Code: CodeDenied, Reasons: []string{"at night"}}},
		{`[1]`, nil, Decision{Code: CodeArguments, Detail: "the arguments are not an object of JSON, or hold a number that is out of range"}},
		{`{}`, func(in *Input) { in.Object.Upstream = "a/b" }, Decision{Code: CodeObject, Detail: `bad upstream name "a/b"`}},
		{`{}`, func(in *Input) { in.Principal = nil }, Decision{Code: CodeEvaluation, Detail: "a call without a principal or object"}},
	} {
		in := call(tool("u", "x"), tt.arguments)
		if tt.change != nil {
			tt.change(in)
		}
		if diff := cmp.Diff(tt.want, e.Decide(t.Context(), in)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.arguments, diff)
		}
	}
}

// TestNoDecisionRefuses: each way to have no answer has its own code.
func TestNoDecisionRefuses(t *testing.T) {
	own := func(decision string) map[string]string {
		return map[string]string{"p.rego": "package tollgate.access\n\nallow := true\n", "q.rego": "package tollgate.call\n\n" + decision + "\n"}
	}
	for _, tt := range []struct {
		name         string
		modules      map[string]string
		code, detail string
	}{
		{"undefined", own(`decision := {"allow": true} if input.arguments.x == 2`), CodeUndefined, "decision is undefined"},
		{"no allow", own(`decision := {"allowed": input.arguments.x == 1}`), CodeUndefined, "decision.allow is undefined"},
		{"not an object", own(`decision := input.arguments.x`), CodeWrongType, "decision is number, not an object"},
		{"not boolean", own(`decision := {"allow": input.arguments.x}`), CodeWrongType, "decision.allow is number, not boolean"},
		{"reasons", own(`decision := {"allow": false, "reasons": input.arguments.x}`), CodeWrongType, "decision.reasons is number, not a set"},
		{"constant", own(`decision := {"allow": "yes"}`), CodeWrongType, "decision.allow is string, not boolean"},
		{"a builtin", calls(t, `deny contains "x" if to_number(input.action) > 3`), CodeEvaluation, "to_number"},
		{"conflict", calls(t, "deny contains \"x\" if grade == 7\n\ngrade := 1 if input.arguments.x == 1\n\ngrade := 2 if input.arguments.x > 0"), CodeEvaluation, "conflict"},
		{"obligation", calls(t, `obligations contains {"reason": input.arguments.x} if true`), CodeWrongType, "mine.rego:3: obligation {\"reason\": 1} has reason 1, want true or false"},
		{"slow", calls(t, "deny contains \"x\" if {\n\tinput.arguments.x\n\tsome i in numbers.range(1, 3000)\n\tsome j in numbers.range(1, 3000)\n\ti * j < 0\n}"),
			CodeTimeout, "longer than 50ms"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := load(t, &Options{Modules: tt.modules}).Decide(t.Context(), call(tool("u", "x"), `{"x":1}`))
			if d.Allow || d.Code != tt.code || !strings.Contains(d.Detail, tt.detail) || len(d.Reasons) > 0 {
				t.Errorf("%+v, want %s and %q", d, tt.code, tt.detail)
			}
		})
	}
}

func TestDynamic(t *testing.T) {
	for rules, want := range map[string]bool{
		"": false, // what ships
		`constraints contains {"argument": "x", "schema": {}} if input.principal.team == "a"`: false,
		`obligations contains {"reason": true} if input.principal.team == "a"`:                false,
		`obligations contains {"reason": true} if input.arguments.x == 1`:                     true,
		`obligations contains {"reason": true} if late` + "\n\nlate if time.now_ns() > 5":     true,
		`deny contains "x" if input.principal.team == "a"`:                                    true,
		`deny contains "x" if time.now_ns() < 5`:                                              true,
		`deny contains "closed" if true`:                                                      false, // whatever the call
	} {
		e := load(t, &Options{Modules: calls(t, rules)})
		if e.Dynamic() != want {
			t.Errorf("%q: dynamic %t, want %t", rules, !want, want)
		}
		d := e.Decide(t.Context(), call(tool("u", "x"), `{"x":2}`))
		if closed := strings.Contains(rules, "closed"); d.Allow == closed || closed && (d.Code != CodeDenied || !slices.Equal(d.Reasons, []string{"closed"})) {
			t.Errorf("%q: %+v", rules, d)
		}
	}
}

func TestLargeArguments(t *testing.T) {
	large := `{"a":"` + strings.Repeat("x", MaxArguments) + `"}`
	for rules, want := range map[string]string{
		`deny contains "x" if input.arguments.a == "y"`:        CodeArgumentsTooLarge,
		`deny contains "x" if count(json.marshal(input)) == 1`: CodeArgumentsTooLarge,
		`deny contains "x" if input.session.origin == "rest"`:  "",
		"deny contains \"x\" if input.arguments.a == \"y\"\n\ndeny contains \"large\" if {\n\tinput.arguments_truncated\n\tinput.principal.team != \"t\"\n}": "",
		`deny contains "large" if input.arguments_truncated`: CodeDenied,
	} {
		d := load(t, &Options{Modules: calls(t, rules)}).Decide(t.Context(), call(tool("u", "x"), large))
		if d.Code != want || d.Allow != (want == "") {
			t.Errorf("%s: %+v, want code %q", rules, d, want)
		}
	}
}

// TestHugeNumbers: no number that a caller sends ends the process or takes long.
func TestHugeNumbers(t *testing.T) {
	e := load(t, &Options{Modules: calls(t, `deny contains "x" if input.arguments.n > 10

deny contains "y" if input.arguments.n + 1 == 5

deny contains "z" if floor(input.arguments.n) in {1, 2}

deny contains "sum" if input.arguments.n * input.arguments.n * input.arguments.n == 7`)})
	for n, want := range map[string]string{
		"1e10": CodeDenied, "1E+308": CodeDenied, "-1e-307": "", "1e999999999": CodeArguments, "-1e999999999": CodeArguments,
		"1e-999999999": CodeArguments, "1e99999999999999999999": CodeArguments, "1e401": CodeArguments,
		strings.Repeat("9", 60_000): CodeArguments, "0." + strings.Repeat("1", 60_000): CodeArguments, strings.Repeat("9", 400): CodeDenied,
	} {
		if d := e.Decide(t.Context(), call(tool("u", "x"), `{"n":`+n+`}`)); d.Code != want {
			t.Errorf("%.20s: %.200s, want %s", n, fmt.Sprintf("%+v", d), want)
		}
	}
}

// TestPanicIsNoAnswer hands the interpreter a number that makes it panic, past
// the check that keeps such numbers out.
func TestPanicIsNoAnswer(t *testing.T) {
	e := load(t, &Options{Modules: calls(t, `deny contains "x" if input.arguments.n > 10`)})
	n := ast.NewObject([2]*ast.Term{ast.StringTerm("n"), ast.NumberTerm("1e999999999")})
	input := ast.ObjectTerm([2]*ast.Term{ast.StringTerm("arguments"), ast.NewTerm(n)})
	_, f := e.newEvaluation(t.Context(), e.call.body).run(input)
	if f == nil || f.code != CodeEvaluation || !strings.Contains(f.detail, "panic") {
		t.Errorf("%+v, want %s", f, CodeEvaluation)
	}
}

// TestObligationsOfACall: when one obligation depends on the call, all of them
// are found at the call, and none before.
func TestObligationsOfACall(t *testing.T) {
	roles := map[string]Role{"reader": {Obligations: []ObligationRule{{Redact: []string{"/a"}}}}}
	rule := `obligations contains {"confirm": "Delete?"} if %s`
	kept := load(t, &Options{Roles: roles, Modules: calls(t, fmt.Sprintf(rule, `input.object.original_name == "x"`))})
	dynamic := load(t, &Options{Roles: roles, Modules: calls(t, fmt.Sprintf(rule, "input.arguments.delete == true"))})
	both := Obligations{Redact: []string{"/a"}, Confirm: []string{"Delete?"}}
	if c, err := conditionsOf(t, kept, everyone(), tool("u", "x")); err != nil || !cmp.Equal(c.Obligations, both) {
		t.Errorf("kept: %+v, %v", c, err)
	}
	if d := kept.Decide(t.Context(), call(tool("u", "x"), `{}`)); !d.Allow || d.Obligations != nil {
		t.Errorf("kept: %+v", d)
	}
	if c, err := conditionsOf(t, dynamic, everyone(), tool("u", "x")); err != nil || !c.Empty() {
		t.Errorf("dynamic: %+v, %v", c, err)
	}
	if d := dynamic.Decide(t.Context(), call(tool("u", "x"), `{"delete":true}`)); !d.Allow || !cmp.Equal(d.Obligations, &both) {
		t.Errorf("dynamic: %+v", d)
	}
	if d := dynamic.Decide(t.Context(), call(tool("u", "x"), `{}`)); !d.Allow || !cmp.Equal(d.Obligations, &Obligations{Redact: []string{"/a"}}) {
		t.Errorf("dynamic, nothing to confirm: %+v", d)
	}
}

// TestCallsOnlySubtract: more rules about calls never allow more, show more or
// ask less; and what is asked before a call is what the whole decision asks,
// whatever the arguments.
func TestCallsOnlySubtract(t *testing.T) {
	rule := rapid.SampledFrom([]string{
		`deny contains "a" if input.arguments.x == 1`, `deny contains {"reason": "b"} if input.principal.team == "a"`,
		`deny contains "c" if input.session.depth > 0`, `deny contains "d" if not input.arguments`,
		`constraints contains {"argument": "x", "schema": {"maximum": 3}} if input.principal.org == "a"`,
		`scopes contains "s" if input.object.upstream == "u"`, `obligations contains {"reason": true} if input.object.upstream == "u"`,
	})
	roles := map[string]Role{"a": {Allow: []string{"u/*"}, Constraints: []ConstraintRule{{Arguments: schemas("y", `{}`)}}}, "b": {Deny: []string{"*/y"}}}
	engines := map[string]*Engine{}
	with := func(rules []string) *Engine {
		text := strings.Join(slices.Sorted(slices.Values(rules)), "\n\n")
		if engines[text] == nil {
			engines[text] = load(t, &Options{Roles: roles, Modules: calls(t, text)})
		}
		return engines[text]
	}
	rapid.Check(t, func(rt *rapid.T) {
		rules := rapid.SliceOfNDistinct(rule, 0, 6, rapid.ID[string]).Draw(rt, "rules")
		part := rapid.IntRange(0, len(rules)).Draw(rt, "part")
		fewer, more := with(rules[:part]), with(rules)
		in := call(tool("u", rapid.SampledFrom([]string{"x", "y"}).Draw(rt, "tool")), rapid.SampledFrom([]string{"", `{}`, `{"x":1}`}).Draw(rt, "arguments"))
		in.Principal, in.Session.Depth = principals().Draw(rt, "principal"), rapid.IntRange(0, 1).Draw(rt, "depth")
		if !fewer.Decide(t.Context(), in).Allow && more.Decide(t.Context(), in).Allow {
			rt.Fatalf("%q refuses what %q allows", rules[:part], rules)
		}
		for _, e := range []*Engine{fewer, more} {
			if sees(t, e, *in.Object, in.Principal.Roles...) != oracle(roles, in.Principal.Roles, *in.Object) {
				rt.Fatalf("rules about calls change access: %q", rules)
			}
		}
		before, errA := conditionsOf(t, fewer, in.Principal, *in.Object)
		after, errB := conditionsOf(t, more, in.Principal, *in.Object)
		if errA != nil || errB != nil {
			rt.Fatal(errA, errB)
		}
		for _, c := range before.Constraints {
			if !slices.ContainsFunc(after.Constraints, func(x Constraint) bool { return cmp.Equal(c, x) }) {
				rt.Fatalf("constraint %+v is gone with more rules", c)
			}
		}
		if diff := cmp.Diff(after, asked(t, more, in)); diff != "" {
			rt.Fatalf("conditions, and those in the decision on %s (-before +at the call):\n%s", in.Arguments, diff)
		}
	})
}

// asked is what all of the decision on a call says of conditions.
func asked(t testing.TB, e *Engine, in *Input) Conditions {
	full := everything()
	document, f := e.keys.callTerm(in, &full)
	if f != nil {
		t.Fatal(f)
	}
	answer, f := e.callEvaluation(t.Context(), in, e.call.whole).run(document)
	if f != nil {
		t.Fatal(f)
	}
	d := decisionMembers(answer)
	var c Conditions
	for _, entry := range e.conditions.entries {
		if err := c.read(entry, d(entry)); err != nil {
			t.Fatal(err)
		}
	}
	return c
}
