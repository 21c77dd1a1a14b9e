// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestExplain(t *testing.T) {
	e := load(t, &Options{
		Roles: map[string]Role{
			"reader": {Allow: []string{"github/get_*"}, Deny: []string{"github/get_secret"}},
			"writer": {Includes: []string{"reader"}, Allow: []string{"upstream:jira"}},
			"admin":  {Includes: []string{"writer"}},
		},
		Modules: shipped(t, map[string]string{"more.rego": `package tollgate.access

permit if input.object.upstream == input.principal.team

deny contains "others" if input.object.upstream == "other"

# METADATA
# title: Moves
deny contains "wikis are being moved" if input.object.upstream == "wiki"
`}),
	})
	for _, tt := range []struct {
		roles  string
		object Object
		want   Explanation
	}{
		{"reader", tool("github", "get_issue"), Explanation{Allowed: true, Rule: "allow", Effect: "allow", Role: "reader", Pattern: "github/get_*"}},
		{"admin", tool("github", "get_issue"), Explanation{Allowed: true, Rule: "allow", Effect: "allow", Role: "admin > writer > reader", Pattern: "github/get_*"}},
		{"admin", tool("jira", "x"), Explanation{Allowed: true, Rule: "allow", Effect: "allow", Role: "admin > writer", Pattern: "upstream:jira"}},
		{"admin", tool("github", "get_secret"), Explanation{Allowed: false, Rule: "deny", Effect: "deny", Role: "admin > writer > reader", Pattern: "github/get_secret"}},
		{"reader", tool("jira", "x"), Explanation{Allowed: false, Rule: "none", Reason: "no pattern of the principal's roles matches"}},
		{"reader", tool("t", "x"), Explanation{Allowed: true, Rule: "permit", Reason: "a permit rule of another policy file", File: "more.rego", Line: 3}},
		{"reader", tool("wiki", "x"), Explanation{Allowed: false, Rule: "deny", Reason: "wikis are being moved", File: "more.rego", Line: 9, Title: "Moves"}},
		{"reader", tool("a/b", "x"), Explanation{Allowed: false, Rule: CodeObject, Reason: `bad upstream name "a/b"`}},
	} {
		got, err := e.Explain(t.Context(), &Principal{Roles: []string{tt.roles}, Team: "t"}, tt.object)
		if err != nil || got != tt.want {
			t.Errorf("%s, %s: %+v, %v\nwant %+v", tt.roles, tt.object.id(), got, err, tt.want)
		}
	}
}

// TestExplainOwnPolicy: a policy of one's own may give reasons or not, and its
// reason may read more than its decision does.
func TestExplainOwnPolicy(t *testing.T) {
	const allow = "allow := input.object.upstream == \"u\"\n\n"
	for _, tt := range []struct {
		rego string
		want Explanation
	}{
		{allow, Explanation{Allowed: true, File: "p.rego", Line: 3, Reason: "the policy gives no reason"}},
		{allow + `reason := "text"`, Explanation{Allowed: true, File: "p.rego", Line: 3, Reason: "the policy gives no reason"}},
		{allow + `reason := {"rule": "mine", "role": 7, "reason": concat(" ", ["because of", input.principal.subject])}`,
			Explanation{Allowed: true, File: "p.rego", Line: 3, Rule: "mine", Reason: "because of ada"}},
		{allow + `reason := {"rule": to_number(input.principal.subject)}`,
			Explanation{Allowed: true, File: "p.rego", Line: 3, Reason: `no reason: p.rego:5: eval_builtin_error: to_number: strconv.ParseFloat: parsing "ada": invalid syntax`}},
	} {
		e := custom(t, tt.rego)
		got, err := e.Explain(t.Context(), everyone(), tool("u", "x"))
		if err != nil || got != tt.want {
			t.Errorf("%s\n%+v, %v\nwant %+v", tt.rego, got, err, tt.want)
		}
		if c := e.Class(everyone()); c != "" {
			t.Errorf("%s\nclass %s, want none: the decision reads no principal", tt.rego, c)
		}
	}
}

func TestExplainCall(t *testing.T) {
	e := load(t, &Options{Modules: calls(t, `# METADATA
# title: No force
deny contains "force is not for you" if input.arguments.force == true

deny contains {"reason": "too many", "detail": "n"} if input.arguments.n > 10

deny contains "never" if input.arguments.never`)})
	got, err := e.ExplainCall(t.Context(), call(tool("u", "x"), `{"force":true,"n":11}`))
	want := CallExplanation{
		Decision: Decision{Code: CodeDenied, Reasons: []string{"force is not for you", "too many"}, Detail: "n"},
		Denials: []Fired{
			{Rule: "deny", File: "mine.rego", Line: 5, Title: "No force", Reason: "force is not for you"},
			{Rule: "deny", File: "mine.rego", Line: 7, Reason: "too many", Detail: "n"},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if got, err := e.ExplainCall(t.Context(), call(tool("u", "x"), `{"n":1}`)); err != nil || !got.Allow || got.Denials != nil {
		t.Errorf("allowed: %+v, %v", got, err)
	}
}

// TestExplainConditions: of all that is asked, operators are told who asks it.
func TestExplainConditions(t *testing.T) {
	e := load(t, &Options{
		Roles: map[string]Role{
			"reader": {
				Constraints: []ConstraintRule{{For: []string{"db/*"}, Arguments: schemas("limit", `{"maximum":9}`)}, {For: []string{"web/*"}, Arguments: schemas("x", `{}`)}},
			},
			"writer": {Includes: []string{"reader"}, Obligations: []ObligationRule{{For: []string{"*[!readOnlyHint]"}, Reason: true}}},
			"other":  {Obligations: []ObligationRule{{Reason: true}}},
		},
		Everyone: Role{Obligations: []ObligationRule{{Redact: []string{"/a"}}}},
		Scopes:   []ScopeRule{{For: []string{"db/*"}, Scopes: []string{"db:write"}}},
		Modules: calls(t, `constraints contains {"argument": "team", "schema": {"const": input.principal.team}} if input.object.upstream == "db"

# METADATA
# title: Acme's
scopes contains scope if {
	some scope in ["one", "two"]
	input.principal.org == "acme"
}

scopes contains "never" if input.object.upstream == "x"

obligations contains {"reason": true, "confirm": "Go?"} if input.object.kind == "tool"`)})
	p := everyone()
	p.Roles = []string{"writer"}
	got, err := e.ExplainConditions(t.Context(), p, tool("db", "x"))
	plain, _ := conditionsOf(t, e, p, tool("db", "x"))
	for i := range plain.Constraints {
		if plain.Constraints[i].File != "" {
			t.Errorf("constraint %+v has a place without being asked", plain.Constraints[i])
		}
		if plain.Constraints[i].Argument == "team" {
			plain.Constraints[i].File, plain.Constraints[i].Line = "mine.rego", 3
		}
	}
	want := ConditionsExplanation{Conditions: plain, Sources: []Fired{
		{Rule: "constraints", File: "mine.rego", Line: 3, Detail: `{"argument":"team","schema":{"const":"t"}}`},
		{Rule: "constraints", Reason: "writer > reader", Detail: `{"argument":"limit","optional":false,"schema":{"maximum":9}}`},
		{Rule: "scopes", File: "mine.rego", Line: 7, Title: "Acme's", Detail: "one"},
		{Rule: "scopes", File: "mine.rego", Line: 7, Title: "Acme's", Detail: "two"},
		{Rule: "scopes", Reason: "everyone", Detail: "db:write"},
		{Rule: "obligations", File: "mine.rego", Line: 14, Detail: `{"confirm":"Go?","reason":true}`},
		{Rule: "obligations", Reason: "everyone", Detail: `{"redact":["/a"]}`},
		{Rule: "obligations", Reason: "writer", Detail: `{"reason":true}`},
	}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil || len(got.Constraints) != 2 {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// TestExplainConditionsThatRefuse: what cannot be found out has a cause and no
// sources; so does nothing that is asked.
func TestExplainConditionsThatRefuse(t *testing.T) {
	e := load(t, &Options{Modules: calls(t, `scopes contains input.object.name if input.object.upstream == "u"`)})
	got, err := e.ExplainConditions(t.Context(), everyone(), Object{Kind: "tool", Upstream: "u", Name: "a b"})
	want := ConditionsExplanation{Conditions: Conditions{
		Refuse: CodeWrongType, Detail: `mine.rego:3: scope "a b" is no OAuth scope; want text without spaces`,
	}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if got, err = e.ExplainConditions(t.Context(), everyone(), tool("v", "x")); err != nil || !cmp.Equal(got, ConditionsExplanation{}) {
		t.Errorf("nothing asked: %+v, %v", got, err)
	}
	if _, err = e.ExplainConditions(t.Context(), nil, tool("u", "x")); err == nil {
		t.Error("no error about nobody")
	}
}

// TestExplainObligationsOfACall: those that depend on the call are explained with it.
func TestExplainObligationsOfACall(t *testing.T) {
	e := load(t, &Options{
		Roles:   map[string]Role{"reader": {Obligations: []ObligationRule{{Redact: []string{"/a"}}}}},
		Modules: calls(t, `obligations contains {"confirm": "Delete?"} if input.arguments.delete == true`),
	})
	got, err := e.ExplainCall(t.Context(), call(tool("u", "x"), `{"delete":true}`))
	want := []Fired{
		{Rule: "obligations", File: "mine.rego", Line: 3, Detail: `{"confirm":"Delete?"}`},
		{Rule: "obligations", Reason: "reader", Detail: `{"redact":["/a"]}`},
	}
	if diff := cmp.Diff(want, got.Sources); diff != "" || err != nil || !got.Allow {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestRolesFor(t *testing.T) {
	e := load(t, &Options{
		Roles: map[string]Role{
			"admin":  {Allow: []string{"*"}},
			"broad":  {Allow: []string{"github/*"}},
			"narrow": {Allow: []string{"github/get_issue"}},
			"safe":   {Allow: []string{"*[readOnlyHint]"}},
			"barred": {Allow: []string{"github/get_issue"}, Deny: []string{"github/*"}},
			"parent": {Includes: []string{"broad", "narrow"}},
		},
		Modules: shipped(t, map[string]string{"more.rego": "package tollgate.access\n\ndeny contains \"x\" if input.object.upstream == \"wiki\"\n"}),
	})
	for name, tt := range map[string]struct {
		roles []string
		o     Object
		want  string
	}{
		"none yet":      {nil, tool("github", "get_issue"), "narrow broad parent admin"},
		"seen already":  {[]string{"broad"}, tool("github", "get_issue"), ""},
		"denied":        {[]string{"barred"}, tool("github", "get_issue"), ""},
		"denied by all": {nil, tool("wiki", "x"), ""},
		"conditions":    {[]string{"narrow"}, described(tool("jira", "x"), `{"readOnlyHint":true}`), "admin safe"},
	} {
		got, err := e.RolesFor(t.Context(), &Principal{Roles: tt.roles}, tt.o)
		if err != nil || strings.Join(got, " ") != tt.want {
			t.Errorf("%s: %v, %v; want %s", name, got, err, tt.want)
		}
	}
}
