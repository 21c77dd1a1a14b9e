// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"testing"
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

deny contains "wikis are being moved" if input.object.upstream == "wiki"
`}),
	})
	for _, tt := range []struct {
		roles  string
		object Object
		want   Explanation
	}{
		{"reader", tool("github", "get_issue"), Explanation{true, "allow", "reader", "github/get_*", ""}},
		{"admin", tool("github", "get_issue"), Explanation{true, "allow", "admin > writer > reader", "github/get_*", ""}},
		{"admin", tool("jira", "x"), Explanation{true, "allow", "admin > writer", "upstream:jira", ""}},
		{"admin", tool("github", "get_secret"), Explanation{false, "deny", "admin > writer > reader", "github/get_secret", ""}},
		{"reader", tool("jira", "x"), Explanation{false, "none", "", "", "no pattern of the principal's roles matches"}},
		{"reader", tool("t", "x"), Explanation{true, "permit", "", "", "a permit rule of another policy file"}},
		{"reader", tool("wiki", "x"), Explanation{false, "deny", "", "", "wikis are being moved"}},
		{"reader", tool("a/b", "x"), Explanation{false, CodeObject, "", "", `bad upstream name "a/b"`}},
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
		{allow, Explanation{Allowed: true, Reason: "the policy gives no reason"}},
		{allow + `reason := "text"`, Explanation{Allowed: true, Reason: "the policy gives no reason"}},
		{allow + `reason := {"rule": "mine", "role": 7, "reason": concat(" ", ["because of", input.principal.subject])}`,
			Explanation{Allowed: true, Rule: "mine", Reason: "because of ada"}},
		{allow + `reason := {"rule": to_number(input.principal.subject)}`,
			Explanation{Allowed: true, Reason: `no reason: p.rego:5: eval_builtin_error: to_number: strconv.ParseFloat: parsing "ada": invalid syntax`}},
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
