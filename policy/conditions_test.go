// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// calls are the shipped files with one more of package tollgate.call, and
// others given by name and text.
func calls(t testing.TB, rules string, others ...string) map[string]string {
	more := map[string]string{"mine.rego": "package tollgate.call\n\n" + rules + "\n"}
	for i := 0; i < len(others); i += 2 {
		more[others[i]] = others[i+1]
	}
	return shipped(t, more)
}

func schemas(pairs ...string) map[string]json.RawMessage {
	out := map[string]json.RawMessage{}
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i]] = json.RawMessage(pairs[i+1])
	}
	return out
}

func conditionsOf(t testing.TB, e *Engine, p *Principal, o Object) (Conditions, error) {
	t.Helper()
	got, err := e.Conditions(t.Context(), p, []Object{o})
	if len(got) != 1 {
		t.Fatalf("%d conditions, %v", len(got), err)
	}
	return got[0], err
}

func TestConditions(t *testing.T) {
	e := load(t, &Options{
		Roles: map[string]Role{
			"reader": {
				Constraints: []ConstraintRule{
					{For: []string{"db/*"}, Arguments: schemas("limit", `{"maximum": 100.0}`, "region", `{"enum": ["eu"]}`), Optional: []string{"limit"}},
					{For: []string{"db/query", "db/q*"}, Arguments: schemas("limit", `{"maximum":10}`)},
				},
				Obligations: []ObligationRule{{For: []string{"*[tag=pii]"}, Redact: []string{"/b", "/a"}, KeepText: true, MaxResultBytes: 500}},
			},
			"writer": {
				Includes:    []string{"reader"},
				Obligations: []ObligationRule{{For: []string{"db/*"}, Redact: []string{"/a"}, MaxResultBytes: 800, Confirm: "Go on?"}},
			},
		},
		Everyone: Role{Obligations: []ObligationRule{{For: []string{"web/*"}, Reason: true}}},
		Scopes:   []ScopeRule{{For: []string{"*[!readOnlyHint]"}, Scopes: []string{"write", "read"}}, {For: []string{"db/*"}, Scopes: []string{"read"}}},
		Modules: calls(t, `constraints contains {"argument": "team", "schema": {"const": input.principal.team}} if input.object.upstream == "db"

scopes contains "own" if input.principal.org == "acme"`),
	})
	limits := func(rule string) []Constraint {
		return []Constraint{
			{Argument: "limit", Schema: []byte(`{"maximum":100.0}`), Optional: true, Rule: rule},
			{Argument: "limit", Schema: []byte(`{"maximum":10}`), Rule: rule},
			{Argument: "region", Schema: []byte(`{"enum":["eu"]}`), Rule: rule},
			{Argument: "team", Schema: []byte(`{"const":"t"}`), Rule: "policy"},
		}
	}
	for name, tt := range map[string]struct {
		role string
		o    Object
		want Conditions
	}{
		"role": {"reader", described(tool("db", "query"), `{"readOnlyHint":true}`), Conditions{Constraints: limits("reader"), Scopes: []string{"own", "read"}}},
		"included": {"writer", described(tool("db", "query"), `{}`, "pii"), Conditions{
			Constraints: limits("writer > reader"), Scopes: []string{"own", "read", "write"},
			Obligations: Obligations{Redact: []string{"/a", "/b"}, MaxResultBytes: 500, Confirm: []string{"Go on?"}},
		}},
		"everyone": {"guest", described(tool("web", "get"), `{"readOnlyHint":true}`), Conditions{Obligations: Obligations{Reason: true}, Scopes: []string{"own"}}},
		"text is kept": {"reader", described(tool("x", "y"), `{"readOnlyHint":true}`, "pii"), Conditions{
			Obligations: Obligations{Redact: []string{"/a", "/b"}, KeepText: true, MaxResultBytes: 500}, Scopes: []string{"own"},
		}},
	} {
		p := everyone()
		p.Roles = []string{tt.role}
		got, err := conditionsOf(t, e, p, tt.o)
		if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
}

// TestConditionsRefuse: what a rule gives and nobody can make sense of refuses
// the calls of that object, and operators are told what is wrong, and where.
func TestConditionsRefuse(t *testing.T) {
	for _, tt := range []struct{ set, element, detail string }{
		{"constraints", `"x"`, `constraint "x" is string, not an object`},
		{"constraints", `{"schema": {}}`, "has no argument"},
		{"constraints", `{"argument": "x"}`, "has no schema"},
		{"constraints", `{"argument": "", "schema": {}}`, "has argument"},
		{"constraints", `{"argument": "x", "schema": true}`, "has schema true, want an object"},
		{"constraints", `{"argument": "x", "schema": {}, "optinal": true}`, `has a member "optinal"; did you mean "optional"?`},
		{"constraints", `{"argument": "x", "schema": {}, "optional": "yes"}`, "want true or false"},
		{"scopes", `"a b"`, `scope "a b" is no OAuth scope`},
		{"scopes", `7`, "scope 7"},
		{"obligations", `{"redact": "/x"}`, "want a list"},
		{"obligations", `{"redact": ["x"]}`, "does not begin with /"},
		{"obligations", `{"redact": [7]}`, "has 7 in redact"},
		{"obligations", `{"max_result_bytes": 1.5}`, "whole number above 0"},
		{"obligations", `{"max_result_bytes": "10"}`, "whole number above 0"},
		{"obligations", `{"confirm": ""}`, "has confirm"},
		{"obligations", `{"reson": true}`, `did you mean "reason"?`},
	} {
		rule := tt.set + " contains json.unmarshal(`" + tt.element + "`) if input.object.kind == \"tool\""
		refused(t, rule, CodeWrongType, "mine.rego:5: ", tt.detail)
	}
	refused(t, `scopes contains "x" if to_number(input.object.name) > 3`, CodeEvaluation, "mine.rego:5: ", "to_number")
}

// refused loads one rule, at line 5, and wants its conditions to refuse.
func refused(t *testing.T, rule, code, place, detail string) {
	t.Helper()
	e := load(t, &Options{Modules: calls(t, "scopes contains \"fine\" if true\n\n"+rule)})
	got, err := e.Conditions(t.Context(), everyone(), []Object{tool("u", "x"), tool("u", "x")})
	var failures *AccessError
	for _, c := range got {
		if c.Refuse != code || c.Empty() || !strings.HasPrefix(c.Detail, place) || !strings.Contains(c.Detail, detail) {
			t.Errorf("%s: %+v; want %s, and %s%s", rule, c, code, place, detail)
		}
	}
	if !errors.As(err, &failures) || !strings.Contains(err.Error(), detail) || !strings.Contains(err.Error(), "tool:u/x: "+place) {
		t.Errorf("%s: %v; want %q", rule, err, detail)
	}
}

func TestConditionsOfNobodyAndEndedContext(t *testing.T) {
	e := load(t, &Options{Modules: calls(t, `scopes contains "x" if input.object.kind == "tool"`)})
	if got, err := conditionsOf(t, e, nil, tool("u", "x")); err == nil || got.Refuse == "" {
		t.Errorf("nobody: %+v, %v", got, err)
	}
	if got, err := conditionsOf(t, e, everyone(), Object{Kind: "tol", Upstream: "u"}); err == nil || got.Refuse != CodeObject {
		t.Errorf("a malformed object: %+v, %v", got, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := e.Conditions(ctx, everyone(), []Object{tool("u", "x")}); got != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("ended: %v, %v", got, err)
	}
}

func TestRuleMistakes(t *testing.T) {
	errs := CheckRules(&Options{
		Roles: map[string]Role{"r": {
			Constraints: []ConstraintRule{
				{For: []string{"db/*", "db"}, Arguments: schemas("region", `{"enum":["eu"]}`, "x", `7`), Optional: []string{"regoin"}},
				{},
			},
			Obligations: []ObligationRule{{}, {Redact: []string{"/a", "b", "/~2", "/a//b", "/x*"}}, {Reason: true, KeepText: true, MaxResultBytes: -1}},
		}},
		Everyone: Role{Constraints: []ConstraintRule{{For: []string{"*[tag=]"}, Arguments: schemas("x", `{}`)}}},
		Scopes:   []ScopeRule{{}, {Scopes: []string{"ok", "a b"}}},
	})
	want := strings.TrimSpace(`
everyone.constraints[0].for[0]: pattern "*[tag=]": bad tag in condition "tag="
scopes[0].scopes: a rule without scopes
scopes[1].scopes[1]: "a b" is no OAuth scope
roles["r"].constraints[0].for[1]: pattern "db": want <kind>:<upstream>/<name>
roles["r"].constraints[0].arguments["x"]: the constraint on argument "x" is no JSON Schema
roles["r"].constraints[0].optional[0]: argument "regoin" is not constrained here
roles["r"].constraints[1].arguments: a constraint on no argument
roles["r"].obligations[0]: an obligation to nothing
roles["r"].obligations[1].redact[1]: "b" is no path into a result: it does not begin with /
roles["r"].obligations[1].redact[2]: "/~2" is no JSON pointer: after ~ comes 0 or 1
roles["r"].obligations[1].redact[3]: "/a//b" has an empty segment
roles["r"].obligations[1].redact[4]: "/x*": * stands for a whole segment, ** for any number of them
roles["r"].obligations[2].keep_text: keep_text without redact
roles["r"].obligations[2].max_result_bytes: max_result_bytes is -1`)
	var got []string
	for _, e := range errs {
		line, _, _ := strings.Cut(e.Error(), "\n")
		got = append(got, line)
	}
	if diff := cmp.Diff(want, strings.Join(got, "\n")); diff != "" {
		t.Errorf("mistakes (-want +got):\n%s", diff)
	}
	if e := errs[5]; e.Hint != `did you mean "region"?` || !cmp.Equal(e.Below, []any{"optional", 0}) {
		t.Errorf("error %+v", e)
	}
}

// TestConditionalIsSound: of an object that is not conditional, nothing is asked
// of anyone.
func TestConditionalIsSound(t *testing.T) {
	pattern := rapid.SampledFrom([]string{"a/*", "a/x", "b/x?", "upstream:b", "*/y", "resource:a/*", "a/*[readOnlyHint]", "*[tag=k]", "b/x[!tag=k]"})
	conditional, free := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		rule := func() []ConstraintRule {
			return []ConstraintRule{{For: rapid.SliceOfN(pattern, 1, 3).Draw(rt, "for"), Arguments: schemas("x", `{}`)}}
		}
		e := load(t, &Options{
			Roles:    map[string]Role{"r": {Constraints: rule()}, "s": {Includes: []string{"r"}, Constraints: rule()}},
			Everyone: Role{Obligations: []ObligationRule{{For: rapid.SliceOfN(pattern, 1, 1).Draw(rt, "everyone"), Reason: true}}},
		})
		for _, up := range []string{"a", "b", "c"} {
			for _, name := range []string{"x", "xx", "y"} {
				for _, o := range []Object{tool(up, name), described(tool(up, name), `{"readOnlyHint":true}`, "k"), {Kind: "resource", Upstream: up, URI: name}} {
					// Asked of the policy itself, which the prefilter would spare.
					index := e.conditions.index
					e.conditions.index = nil
					got, err := conditionsOf(t, e, &Principal{Roles: []string{"s"}}, o)
					e.conditions.index = index
					if err != nil {
						rt.Fatal(err)
					}
					if want := e.Conditional(&o); !got.Empty() && !want {
						rt.Fatalf("%s has %+v and is not conditional", o.id(), got)
					} else if want {
						conditional++
					} else {
						free++
					}
				}
			}
		}
	})
	if conditional < 100 || free < 100 {
		t.Errorf("%d conditional, %d not: the comparison is lopsided", conditional, free)
	}
}

func TestConditionalKnowsOtherRules(t *testing.T) {
	o := tool("u", "x")
	for rules, want := range map[string]bool{
		`deny contains "x" if input.arguments.x == 1`:                  false,
		`scopes contains "x" if input.object.upstream == "other"`:      true,
		`constraints contains {"argument": "x", "schema": {}} if true`: true,
		// Obligations that depend on the call are none of the conditions.
		`obligations contains {"reason": true} if input.arguments.x == 1`: false,
	} {
		if got := load(t, &Options{Modules: calls(t, rules)}).Conditional(&o); got != want {
			t.Errorf("%s: conditional %t, want %t", rules, got, want)
		}
	}
}

// TestClassCoversConditions: principals of one class are asked the same.
func TestClassCoversConditions(t *testing.T) {
	for _, rules := range []string{
		`scopes contains input.principal.team if input.principal.team != ""`,
		"scopes contains \"x\" if {\n\tp := input.principal\n\tp.org == \"a\"\n}",
		`obligations contains {"confirm": concat(" ", ["as", input.principal.actor])} if input.principal.actor != ""`,
		"constraints contains {\"argument\": \"x\", \"schema\": {\"enum\": p.groups}} if {\n\tp := input.principal\n\t\"b\" in p.scopes\n}",
		"scopes contains \"x\" if {\n\tx := data.lib.bad with input.principal.key_id as input.principal.subject\n\tx\n}",
	} {
		modules := calls(t, rules)
		if strings.Contains(rules, "data.lib") {
			modules["lib.rego"] = "package lib\n\nbad if input.principal.key_id == \"a\"\n"
		}
		e := load(t, &Options{Modules: modules})
		rapid.Check(t, func(rt *rapid.T) {
			a, b := principals().Draw(rt, "a"), principals().Draw(rt, "b")
			for _, field := range principalFields() { // mostly alike, else classes differ anyway
				if rapid.IntRange(0, 3).Draw(rt, field) > 0 {
					like(field, a, b)
				}
			}
			if e.Class(a) != e.Class(b) {
				return
			}
			ca, errA := conditionsOf(t, e, a, tool("u", "x"))
			cb, errB := conditionsOf(t, e, b, tool("u", "x"))
			if diff := cmp.Diff(ca, cb); diff != "" || (errA == nil) != (errB == nil) {
				rt.Fatalf("%s\n%+v and %+v are class %s but are asked different things:\n%s", rules, a, b, e.Class(a), diff)
			}
		})
	}
}

// like gives b one member of a.
func like(field string, a, b *Principal) {
	switch field {
	case "subject":
		b.Subject = a.Subject
	case "roles":
		b.Roles = a.Roles
	case "groups":
		b.Groups = a.Groups
	case "scopes":
		b.Scopes = a.Scopes
	case "team":
		b.Team = a.Team
	case "org":
		b.Org = a.Org
	case "auth_method":
		b.AuthMethod = a.AuthMethod
	case "issuer":
		b.Issuer = a.Issuer
	case "key_id":
		b.KeyID = a.KeyID
	default:
		b.Actor = a.Actor
	}
}

// TestConfiguredMarkOfOthers: a file of the operator's that carries the mark of
// the shipped rules is evaluated all the same.
func TestConfiguredMarkOfOthers(t *testing.T) {
	e := load(t, &Options{Modules: shipped(t, map[string]string{"own.rego": `package tollgate.call

# METADATA
# scope: rule
# custom:
#   configured: true
constraints contains {"argument": "region", "schema": {"enum": ["eu"]}}
`})})
	o := Object{Kind: "tool", Upstream: "cloud", OriginalName: "deploy"}
	if !e.Conditional(&o) {
		t.Error("nothing is asked")
	}
	got, err := e.Conditions(t.Context(), &Principal{}, []Object{o})
	if err != nil || len(got[0].Constraints) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}
