// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func described(o Object, annotations string, tags ...string) Object {
	o.Annotations, o.Tags = []byte(annotations), tags
	return o
}

// TestConditionMatches holds Pattern.Match and the loaded policy against what
// each pattern means.
func TestConditionMatches(t *testing.T) {
	reads, writes := described(tool("db", "q"), `{"readOnlyHint":true,"openWorldHint":false}`), described(tool("db", "w"), `{"destructiveHint":false}`, "code")
	odd := described(tool("db", "odd"), `{"readOnlyHint":"true","destructiveHint":0}`, "pii", "code")
	objects := map[string]Object{
		"bare": tool("db", "bare"), "odd": odd, "reads": reads, "writes": writes,
		"page":    {Kind: "resource", Upstream: "docs", URI: "x://a[1]", Tags: []string{"code"}},
		"bracket": {Kind: "resource", Upstream: "docs", URI: "x://b[readOnly]"},
	}
	for _, tt := range []struct{ pattern, want string }{
		{"db/*[readOnlyHint]", "reads"},
		{"db/*[!readOnlyHint]", "bare odd writes"},
		{"*[destructiveHint]", "bare bracket odd page reads"},
		{"*[!destructiveHint]", "writes"},
		{"*[openWorldHint,!idempotentHint]", "bare bracket odd page writes"},
		{"*[tag=code]", "odd page writes"},
		{"*[tag=code, !tag=pii]", "page writes"},
		{"upstream:db[!tag=code]", "bare reads"},
		{"db/q[readOnlyHint]", "reads"},
		{"db/q[!readOnlyHint]", ""},
		{"resource:docs/x://a[1]", "page"},
		{"resource:docs/x://a[1][tag=code]", "page"},
		{"resource:docs/x://a[1][tag=x]", ""},
		{"resource:docs/x://b[readOnly]", "bracket"},
	} {
		p, err := ParsePattern(tt.pattern)
		if err != nil {
			t.Errorf("%q: %v", tt.pattern, err)
			continue
		}
		e := load(t, &Options{Roles: map[string]Role{
			"allow": {Allow: []string{tt.pattern}}, "all": {Allow: []string{"*"}}, "deny": {Deny: []string{tt.pattern}},
		}})
		var matched, shown, left []string
		for _, name := range sortedKeys(objects) {
			o := objects[name]
			if p.Match(&o) {
				matched = append(matched, name)
			}
			if sees(t, e, o, "allow") {
				shown = append(shown, name)
			}
			if !sees(t, e, o, "all", "deny") {
				left = append(left, name)
			}
		}
		for how, got := range map[string][]string{"matches": matched, "allows": shown, "denies": left} {
			if got := strings.Join(got, " "); got != tt.want {
				t.Errorf("pattern %q %s %q, want %q", tt.pattern, how, got, tt.want)
			}
		}
	}
}

func sees(t testing.TB, e *Engine, o Object, roles ...string) bool {
	t.Helper()
	got, err := e.Access(t.Context(), &Principal{Roles: roles}, []Object{o})
	if err != nil {
		t.Fatal(err)
	}
	return got[0]
}

func TestConditionMistakes(t *testing.T) {
	for _, tt := range []struct{ pattern, message, hint string }{
		{"github/*[readonlyHint]", `unknown condition "readonlyHint"`, `did you mean "readOnlyHint"?`},
		{"github/*[!destructive]", `unknown condition "!destructive"`, `did you mean "destructiveHint"?`},
		{"*[readOnlyHint,teg=x]", `unknown condition "teg=x"`, "tag=<tag>"},
		{"*[tag=]", `bad tag in condition "tag="`, "one whole tag"},
		{"*[tag=a*]", "bad tag", "without wildcards"},
		{"*[]", `unknown condition ""`, "conditions are"},
		{"upstream:db[safe]", `unknown condition "safe"`, "conditions are"},
		{"github/get[abc]", `unknown condition "abc"`, "one pattern each"},
		{"resource:docs/*[readOnlyHnt]", `unknown condition "readOnlyHnt"`, `did you mean "readOnlyHint"?`},
		{"resource:docs/*[tag=a b]", "bad tag", "spaces"},
		{"*[readOnlyHint,!readOnlyHint]", "matches nothing", "remove one"},
		{"[readOnlyHint]", "want <kind>:<upstream>/<name>", ""},
	} {
		_, err := ParsePattern(tt.pattern)
		e, ok := err.(*PatternError)
		if !ok || !strings.Contains(e.Message, tt.message) || !strings.Contains(e.Hint, tt.hint) {
			t.Errorf("pattern %q: %+v, want %q and %q", tt.pattern, err, tt.message, tt.hint)
		}
	}
}

// TestMatchIsThePolicys: a pattern means the same in Go and in Rego.
func TestMatchIsThePolicys(t *testing.T) {
	item := rapid.Custom(func(t *rapid.T) string {
		not := rapid.SampledFrom([]string{"", "!"}).Draw(t, "not")
		return not + rapid.SampledFrom([]string{
			"readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint", "tag=a", "tag=b",
		}).Draw(t, "condition")
	})
	value := rapid.SampledFrom([]string{"true", "false", "null", `"x"`, "0", "{}"})
	rapid.Check(t, func(rt *rapid.T) {
		base := rapid.SampledFrom([]string{"*", "a/*", "a/x", "upstream:a", "*:a/x", "resource:*"}).Draw(rt, "base")
		pattern := base + "[" + strings.Join(rapid.SliceOfN(item, 1, 3).Draw(rt, "conditions"), ",") + "]"
		p, err := ParsePattern(pattern)
		if err != nil {
			return // asks for a condition and its opposite
		}
		o := Object{
			Kind: rapid.SampledFrom([]string{"tool", "resource"}).Draw(rt, "kind"), Upstream: rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "upstream"),
			OriginalName: "x", URI: "x", Tags: rapid.SliceOfDistinct(rapid.SampledFrom([]string{"a", "b"}), rapid.ID[string]).Draw(rt, "tags"),
		}
		var members []string
		for _, h := range hintNames() {
			if rapid.Bool().Draw(rt, h) {
				members = append(members, `"`+h+`":`+value.Draw(rt, "value"))
			}
		}
		o.Annotations = []byte("{" + strings.Join(members, ",") + "}")
		e := load(t, &Options{Roles: map[string]Role{"r": {Allow: []string{pattern}}}})
		if got, want := p.Match(&o), sees(t, e, o, "r"); got != want {
			rt.Fatalf("%s, %s %s %v: Match %t, policy %t", pattern, o.id(), o.Annotations, o.Tags, got, want)
		}
	})
}
