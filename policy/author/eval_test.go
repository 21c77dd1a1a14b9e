// SPDX-License-Identifier: Apache-2.0

package author

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tollgate/policy"
)

// TestEval asks the shipped policy and a file beside it.
func TestEval(t *testing.T) {
	modules := shipped(t, map[string]string{"owners.rego": ownersRego, "broken_test.rego": "package"})
	input := []byte(`{"version": 1, "action": "list", "principal": {"roles": [], "team": "db"},
		"object": {"id": "tool:db/x", "kind": "tool", "upstream": "db"}}`)
	const binding = `[{"expressions":[{"value":true,"text":"x := input.principal.team","location":{"row":1,"col":1}}],` +
		`"bindings":{"x":"db"}}]`
	for _, tt := range []struct {
		query     string
		undefined bool
		value     string
		result    string
	}{
		{"data.tollgate.access.allow", false, "true", ""},
		{"data.tollgate.access.reason.rule", false, `"permit"`, ""},
		{"data.tollgate.access.deny", false, "[]", ""},
		{"data.tollgate.access.nothing", true, "", "[]"},
		{"input.object.kind", false, `"tool"`, ""},
		{"input.object.tags", true, "", "[]"},
		{"input.object.kind == \"prompt\"", false, "false", ""},
		{"x := input.principal.team", false, binding, binding},
		{"some x in [1, 2]; x > 5", true, "", "[]"},
		{"null", false, "null", ""},
	} {
		got, err := Eval(t.Context(), &EvalOptions{Modules: modules, Input: input, Query: tt.query})
		if err != nil {
			t.Errorf("%s: %v", tt.query, err)
			continue
		}
		if got.Defined == tt.undefined || string(got.Value) != tt.value || tt.result != "" && string(got.Result) != tt.result {
			t.Errorf("%s: defined %t, value %s, result %s", tt.query, got.Defined, got.Value, got.Result)
		}
	}
}

func TestEvalMistakes(t *testing.T) {
	for _, tt := range []struct{ query, want string }{
		{"data.", "query:1:"},
		{"", "query: "},
		{"http.send({})", "query:1:1: http.send is not available"},
		{"x", "query:1:1: x is not defined"},
		{"input.principal.rols", "query:1:1: undefined ref: input.principal.rols"},
		{"to_number(\"x\")", "query:1:1: to_number: strconv"},
		{"data.a.p", "a.rego:3:6: to_number: strconv"},
	} {
		_, err := Eval(t.Context(), &EvalOptions{
			Modules: map[string]string{"a.rego": "package a\n\np := to_number(\"x\")\n"}, Query: tt.query,
		})
		wantError(t, err, tt.want)
		if d := (policy.Diagnostics)(nil); !errors.As(err, &d) {
			t.Errorf("%s: %v is no policy.Diagnostics", tt.query, err)
		}
	}
	_, err := Eval(t.Context(), &EvalOptions{Input: []byte("{"), Query: "1"})
	wantError(t, err, "the input document is not JSON")
	_, err = Eval(t.Context(), &EvalOptions{Modules: map[string]string{"a.rego": "package a\n\np if q\n"}, Query: "data.a"})
	wantError(t, err, "a.rego:3:6: q is not defined")
}

// TestEvalTells what an author asks for beside the answer.
func TestEvalTells(t *testing.T) {
	modules := map[string]string{"a.rego": `package a

p if {
	trace("looking")
	print("team", input.principal.team)
	input.principal.team == "db"
}

q if p

r := 1
`}
	eval := func(team string, trace, coverage bool) *Evaluation {
		t.Helper()
		got, err := Eval(t.Context(), &EvalOptions{
			Modules: modules, Input: []byte(`{"principal": {"team": "` + team + `"}}`), Query: "data.a.q", Trace: trace, Coverage: coverage,
		})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	got := eval("db", true, true)
	if !got.Defined || got.Output != "team db\n" || !containsAll(got.Trace, []string{"a.rego:4", `Note "looking"`}) {
		t.Errorf("%+v", got)
	}
	if diff := cmp.Diff([]Range{{11, 11}}, got.Coverage.Files[0].NotCovered); diff != "" {
		t.Errorf("not covered (-want +got):\n%s", diff)
	}
	got = eval("web", true, false)
	if got.Defined || !strings.Contains(got.Trace, `Fail input.principal.team = "db"`) || got.Coverage != nil {
		t.Errorf("%+v", got)
	}
	if plain := eval("web", false, false); plain.Trace != "" {
		t.Errorf("trace unasked:\n%s", plain.Trace)
	}
}

// TestLongTraceIsCut, since a loop makes one that nobody reads.
func TestLongTraceIsCut(t *testing.T) {
	got, err := Eval(t.Context(), &EvalOptions{Query: "count([x | some x in numbers.range(1, 20000)])", Trace: true})
	if err != nil || string(got.Value) != "20000" || !strings.HasSuffix(got.Trace, "... and more\n") {
		t.Errorf("%d bytes of trace, value %s, %v", len(got.Trace), got.Value, err)
	}
}
