// SPDX-License-Identifier: Apache-2.0

package replay_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"tollgate/aggregator"
	"tollgate/aggregator/auth"
	"tollgate/aggregator/replay"
	"tollgate/policy"
	"tollgate/store/audit"
)

func roles(r policy.Role) map[string]policy.Role {
	return map[string]policy.Role{"reader": r, "nobody": {}}
}

// ruleSets are configurations that differ in everything that decides.
func ruleSets() []ruleSet {
	all := []string{"db/*", "web/*"}
	bounds := policy.ConstraintRule{For: []string{"db/query"}, Arguments: map[string]json.RawMessage{
		"region": json.RawMessage(`{"enum":["eu","us"]}`), "limit": json.RawMessage(`{"maximum":100}`)}, Optional: []string{"limit"}}
	return []ruleSet{
		{roles: roles(policy.Role{Allow: all})},
		{roles: roles(policy.Role{Allow: all, Deny: []string{"db/login"}})},
		{roles: roles(policy.Role{Allow: all, Constraints: []policy.ConstraintRule{bounds}})},
		{roles: roles(policy.Role{Allow: all}), scopes: []policy.ScopeRule{{For: []string{"db/*"}, Scopes: []string{"db:write"}}}},
		{roles: roles(policy.Role{Allow: all, Obligations: []policy.ObligationRule{{For: []string{"db/*"}, Reason: true}}})},
		{roles: roles(policy.Role{Allow: all}), rego: `deny contains sprintf("no %s", [input.arguments.sql]) if {
	input.object.id == "tool:db/query"
	startswith(input.arguments.sql, "drop")
}`},
		{roles: roles(policy.Role{Allow: all}), rego: "deny contains \"weak\" if {\n\tinput.object.original_name == \"login\"\n\tcount(input.arguments.password) < 4\n}"},
		{roles: roles(policy.Role{Allow: all}), rego: "obligations contains {\"reason\": true} if input.arguments.limit > 50"},
		{roles: roles(policy.Role{Allow: all}), rego: `deny contains "too many" if count(input.arguments) > 2`},
		{roles: roles(policy.Role{Allow: all, Limits: []policy.LimitRule{{For: []string{"db/query"}, Require: "has(args.limit) && args.limit <= 10"}}})},
		{roles: roles(policy.Role{Allow: []string{"web/*"}, Constraints: []policy.ConstraintRule{{For: []string{"web/*"},
			Arguments: map[string]json.RawMessage{"query": json.RawMessage(`{"maxLength":5}`)}}}})},
	}
}

// randomArguments are those of some call: in order, out of order, misspelt, of wrong types.
func randomArguments(r *rand.Rand) string {
	values := map[string][]string{
		"sql": {`"select 1"`, `"drop t"`, `7`}, "region": {`"eu"`, `"cn"`}, "limit": {`5`, `60`, `200`, `"60"`}, "user": {`"ann"`},
		"password": {`"abc"`, `"secret"`, `9`, `{"x":"yz"}`}, "query": {`"tea"`, `"coffee"`}, "reason": {`"because"`, `" "`}, "SQL": {`"drop t"`}, "other": {`{"Limit":1}`},
	}
	out := []byte("{")
	for _, name := range slices.Sorted(slicesOf(values)) {
		if odds := map[string]int{"sql": 2, "SQL": 12, "other": 12}[name]; r.IntN(max(odds, 3)) == 0 || name == "sql" && r.IntN(3) > 0 {
			if len(out) > 1 {
				out = append(out, ',')
			}
			v := values[name]
			out = fmt.Appendf(out, "%q:%s", name, v[r.IntN(len(v))])
		}
	}
	return string(append(out, '}'))
}

func slicesOf(m map[string][]string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func randomCaller(r *rand.Rand) *auth.Principal {
	p := &auth.Principal{Subject: []string{"ann", "bob"}[r.IntN(2)], Team: "t", Org: "o", Method: auth.MethodAPIKey, KeyID: "k", Roles: []string{"reader"}}
	switch r.IntN(6) {
	case 0:
		p.Roles = []string{"nobody"}
	case 1:
		p.Method, p.KeyID, p.Scopes = auth.MethodOAuth, "", []string{"db:write"}
	case 2:
		p.Method, p.KeyID, p.Scopes = auth.MethodOAuth, "", []string{"db:read"}
	}
	return p
}

// expected is how two verdicts differ.
func expected(before, after *replay.Verdict) replay.Change {
	switch {
	case before.Allowed && !after.Allowed:
		return replay.Refused
	case !before.Allowed && after.Allowed:
		return replay.Allowed
	}
	return replay.Same
}

// recordings are how much of the arguments records keep.
func recordings() map[string]*aggregator.RecordingOptions {
	return map[string]*aggregator.RecordingOptions{
		audit.LevelFull:     nil,
		audit.LevelRedacted: {Rules: []aggregator.RecordingRule{{Redact: []string{"/password", "/region", "/other"}}}},
		audit.LevelDigest:   {Arguments: audit.LevelDigest},
	}
}

// TestJudgeIsTheGate makes random calls at two gates: what a judge with the rules of the second says of the records of the
// first is what the second one did. Of records without some arguments, it is that or that it cannot be known.
func TestJudgeIsTheGate(t *testing.T) {
	calls := 30
	if testing.Short() {
		calls = 10
	}
	random := rand.New(rand.NewPCG(1, 2))
	seen := map[string]int{}
	for level, recording := range recordings() {
		var before []*site
		for _, r := range ruleSets() {
			r.recording = recording
			before = append(before, newSite(t, &r))
		}
		for i, r := range ruleSets() {
			after := newSite(t, &r)
			j := newJudge(t, after.rules)
			for k, first := range before {
				for range calls {
					caller, arguments := randomCaller(random), randomArguments(random)
					tool := []string{"db__query", "db__query", "db__login", "web__search"}[random.IntN(4)]
					c := recorded(t, first.call(t, caller, tool, arguments, ""))
					got := compare(t, j, c)
					then := recorded(t, after.call(t, caller, tool, arguments, ""))
					want := expected(&c.Verdict, &then.Verdict)
					seen[level+" "+string(got.Change)]++
					own := then.Verdict.Code == aggregator.CodeConstraint && then.Verdict.Rule == ""
					switch {
					case got.Change == want, got.Change == replay.Undecidable && len(got.Missing) > 0 && len(c.Past.Missing) > 0:
					case own && got.Partly: // the tool's own schema, as the documentation says
					default:
						t.Fatalf("%s, rules %d and then %d: %s(%s) of %+v, before %+v, after %+v: %+v, want %s",
							level, k, i, tool, arguments, caller, c.Verdict, then.Verdict, got, want)
					}
				}
			}
		}
	}
	for _, what := range []string{"full newly_refused", "full newly_allowed", "redacted undecidable", "redacted newly_refused", "digest undecidable", "digest newly_refused", "digest same"} {
		if seen[what] < 10 {
			t.Errorf("%s was seen %d times only: %v", what, seen[what], seen)
		}
	}
}

// TestSameRules: under the rules that were in force, nothing changes.
func TestSameRules(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for i, r := range ruleSets() {
		s := newSite(t, &r)
		j := newJudge(t, s.rules)
		for range 100 {
			c := recorded(t, s.call(t, randomCaller(random), []string{"db__query", "db__login", "web__search"}[random.IntN(3)], randomArguments(random), ""))
			missing := len(c.Past.Missing) > 0 // a secret is never kept
			if a := compare(t, j, c); a.Change != replay.Same && !(missing && a.Change == replay.Undecidable) {
				t.Fatalf("rules %d: %+v of %+v, arguments %s", i, a, c.Verdict, c.Past.Input.Arguments)
			}
		}
	}
}

// TestToolset: what a toolset does not have was not hidden by the rules.
func TestToolset(t *testing.T) {
	r := ruleSets()[0]
	r.toolset = []string{"tool:web/*"}
	s := newSite(t, &r)
	caller := &auth.Principal{Subject: "ann", Method: auth.MethodAPIKey, Roles: []string{"reader"}}
	c := recorded(t, s.call(t, caller, "db__query", `{"sql":"x"}`, "few"))
	if v := c.Verdict; !v.Other || !v.Allowed || v.Code != replay.CodeToolset {
		t.Errorf("verdict %+v, want that the toolset does not have it", v)
	}
	caller.Roles = []string{"nobody"}
	if v := recorded(t, s.call(t, caller, "db__query", `{"sql":"x"}`, "few")).Verdict; v.Other || v.Allowed || v.Code != aggregator.CodeHidden {
		t.Errorf("verdict %+v, want hidden", v)
	}
	record := s.call(t, caller, "db__none", `{}`, "")
	if c, code, err := replay.Recorded(record, ""); c != nil || code != aggregator.CodeMissing || err != nil {
		t.Errorf("a name that does not exist: %+v, %q, %v", c, code, err)
	}
}

// TestAnswers says who or what changes a verdict.
func TestAnswers(t *testing.T) {
	sets := ruleSets()
	before := newSite(t, &sets[0])
	caller := &auth.Principal{Subject: "ann", Method: auth.MethodOAuth, Roles: []string{"reader"}}
	for _, tt := range []struct {
		rules     int
		tool      string
		arguments string
		want      replay.Answer
	}{
		{1, "db__login", `{}`, replay.Answer{Change: replay.Refused, Code: aggregator.CodeHidden, Rule: `deny "db/login" of role reader`}},
		{10, "db__login", `{}`, replay.Answer{Change: replay.Refused, Code: aggregator.CodeHidden, Rule: "none", Reason: "no pattern of the principal's roles matches"}},
		{2, "db__query", `{"sql":"x","region":"cn"}`, replay.Answer{Change: replay.Refused, Code: aggregator.CodeConstraint, Rule: "reader",
			Reason: `argument "region" must be one of "eu", "us"`}},
		{3, "db__query", `{"sql":"x"}`, replay.Answer{Change: replay.Refused, Code: aggregator.CodeScope, Rule: "scopes db:write",
			Reason: "the access token lacks scopes: this call needs db:write"}},
		{5, "db__query", `{"sql":"drop t"}`, replay.Answer{Change: replay.Refused, Code: policy.CodeDenied, Rule: "deny", Place: "own.rego:3", Reason: "no drop t"}},
		{0, "db__query", `{"sql":"drop t"}`, replay.Answer{Change: replay.Same}},
	} {
		a := compare(t, newJudge(t, sets[tt.rules].compile(t)), recorded(t, before.call(t, caller, tt.tool, tt.arguments, "")))
		if fmt.Sprint(*a) != fmt.Sprint(tt.want) {
			t.Errorf("rules %d, %s %s:\n%+v, want\n%+v", tt.rules, tt.tool, tt.arguments, *a, tt.want)
		}
	}
}

// TestPlaceOfOneSentence: of rules that say the same thing, the one that refuses is named.
func TestPlaceOfOneSentence(t *testing.T) {
	sets := ruleSets()
	before := newSite(t, &sets[0])
	next := ruleSet{roles: roles(policy.Role{Allow: []string{"db/*", "web/*"}}), rego: `deny contains "not now" if input.object.original_name == "search"

deny contains "not now" if input.arguments.sql == "drop"

deny contains "not now" if input.arguments.sql == "alter"`}
	j := newJudge(t, next.compile(t))
	caller := &auth.Principal{Subject: "ann", Method: auth.MethodAPIKey, Roles: []string{"reader"}}
	for _, call := range [][3]string{{"web__search", `{}`, "own.rego:3"}, {"db__query", `{"sql":"drop"}`, "own.rego:5"}, {"db__query", `{"sql":"alter"}`, "own.rego:7"}} {
		a := compare(t, j, recorded(t, before.call(t, caller, call[0], call[1], "")))
		if a.Change != replay.Refused || a.Place != call[2] || a.Reason != "not now" {
			t.Errorf("%s %s: %+v, want the rule at %s", call[0], call[1], a, call[2])
		}
	}
}
