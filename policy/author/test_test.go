// SPDX-License-Identifier: Apache-2.0

package author

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const ownersRego = `package tollgate.access

permit if {
	input.object.upstream == input.principal.team
}

deny contains "never" if {
	input.object.upstream == "never"
}
`

const ownersTests = `package owners_test

import data.tollgate.access

test_team if {
	access.permit with input as {"principal": {"team": "db", "roles": []}, "object": {"upstream": "db"}}
}

test_other_team if {
	print("asking for", "db")
	team := "web"
	access.permit with input as {"principal": {"team": team, "roles": []}, "object": {"upstream": "db"}}
}

todo_test_later if false

test_number if to_number("x") == 1

test_cases[name] if {
	some name, team in {"same": "db", "other": "web"}
	access.permit with input as {"principal": {"team": team, "roles": []}, "object": {"upstream": "db"}}
}

test_twice if true

test_twice if 1 == 2
`

// TestShippedTestsPass runs the tests of the policy that ships as an author
// would.
func TestShippedTestsPass(t *testing.T) {
	report, err := Test(t.Context(), &TestOptions{Modules: shipped(t, nil)})
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Tests) < 10 || report.Failed() != 0 {
		t.Errorf("%d tests, %d failed: %+v", len(report.Tests), report.Failed(), report.Tests)
	}
	if report.Coverage.Percent != 100 || len(report.Coverage.Files) == 0 {
		t.Errorf("coverage %+v", report.Coverage)
	}
}

// TestTestReport looks at every kind of outcome.
func TestTestReport(t *testing.T) {
	report, err := Test(t.Context(), &TestOptions{
		Modules: shipped(t, map[string]string{"owners.rego": ownersRego, "owners_test.rego": ownersTests}),
		Run:     "owners_test",
	})
	if err != nil {
		t.Fatal(err)
	}
	type row struct {
		name       string
		line       int
		pass, skip bool
		failedAt   int
	}
	var got []row
	byName := map[string]TestResult{}
	for _, r := range report.Tests {
		if r.Package != "owners_test" || r.File != "owners_test.rego" {
			t.Errorf("test of %s in %s", r.Package, r.File)
		}
		byName[r.Name] = r
		got = append(got, row{r.Name, r.Line, r.Pass, r.Skip, r.FailedAt})
	}
	want := []row{
		{"test_team", 5, true, false, 0}, {"test_other_team", 9, false, false, 12}, {"todo_test_later", 15, false, true, 0},
		{"test_number", 17, false, false, 0}, {"test_cases", 19, false, false, 21},
		{"test_twice", 24, true, false, 0}, {"test_twice#01", 26, false, false, 26},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(row{})); diff != "" {
		t.Errorf("tests (-want +got):\n%s", diff)
	}
	if report.Failed() != 4 {
		t.Errorf("%d failed", report.Failed())
	}
	other := byName["test_other_team"]
	if other.Output != "asking for db\n" || !containsAll(other.Expression, []string{"access.permit with input", `"web"`}) {
		t.Errorf("output %q, expression:\n%s", other.Output, other.Expression)
	}
	for name, want := range map[string][]string{
		"test_team": nil, "todo_test_later": nil, "test_number": {"error: owners_test.rego:17:", "to_number"},
		"test_other_team": {"line 12 is false or undefined:\n", `"web"`, "printed:\nasking for db\n"}, "test_cases": {`case "other" fails`},
	} {
		r := byName[name]
		if got := r.Failure(); want == nil && got != "" || !containsAll(got, want) {
			t.Errorf("failure of %s:\n%s", name, got)
		}
	}
	if !strings.Contains(other.Trace, "owners.rego:4") || !strings.Contains(other.Trace, "Fail") {
		t.Errorf("trace:\n%s", other.Trace)
	}
	if cases := byName["test_cases"].Cases; !cmp.Equal(cases, []string{"other"}) {
		t.Errorf("failed cases %q", cases)
	}
	own := report.Coverage.Of(map[string]string{"owners.rego": "", "owners_test.rego": ""})
	wantCoverage := &Coverage{Percent: 100 * 2.0 / 4, Files: []FileCoverage{{
		File: "owners.rego", Percent: 50, Covered: 2, Lines: 4, NotCovered: []Range{{7, 8}},
	}}}
	if diff := cmp.Diff(wantCoverage, own); diff != "" {
		t.Errorf("coverage (-want +got):\n%s", diff)
	}
	if len(report.Coverage.Files) < 2 || report.Coverage.Percent >= own.Percent {
		t.Errorf("coverage of all files %+v", report.Coverage)
	}
}

func containsAll(text string, parts []string) bool {
	return !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(text, part) })
}

// TestFailedBuiltinIsAnError, as it hides the object in the gateway, even where
// "not" would make it true.
func TestFailedBuiltinIsAnError(t *testing.T) {
	report, err := Test(t.Context(), &TestOptions{Modules: map[string]string{
		"a_test.rego": "package a\n\ntest_x if not to_number(\"x\") == 1\n",
	}})
	if err != nil || len(report.Tests) != 1 || report.Tests[0].Pass {
		t.Fatalf("%+v, %v", report, err)
	}
	if !strings.Contains(report.Tests[0].Err, "a_test.rego:3:15: to_number: strconv.ParseFloat") {
		t.Errorf("error %q", report.Tests[0].Err)
	}
}

// TestDataIsTheWholeDocument: roles come from whoever calls.
func TestDataIsTheWholeDocument(t *testing.T) {
	report, err := Test(t.Context(), &TestOptions{
		Modules: map[string]string{"a_test.rego": "package a\n\ntest_x if data.acme.limit == data.tollgate.config.limit\n"},
		Data: map[string]any{
			"acme": map[string]any{"limit": 10}, "tollgate": map[string]any{"config": map[string]any{"limit": 10}},
		},
	})
	if err != nil || report.Failed() != 0 || len(report.Tests) != 1 {
		t.Errorf("%+v, %v", report, err)
	}
	_, err = Test(t.Context(), &TestOptions{Run: "("})
	wantError(t, err, "names of tests: ")
	_, err = Test(t.Context(), &TestOptions{Data: map[string]any{"f": func() {}}})
	wantError(t, err, "the data document is not JSON")
}

// endless takes longer than any test may.
const endless = `package a

test_x if count([1 | some a in numbers.range(1, 100000); some b in numbers.range(1, 100000); a + b < 0]) == 1
`

func TestTestsEnd(t *testing.T) {
	modules := map[string]string{"a_test.rego": endless}
	report, err := Test(t.Context(), &TestOptions{Modules: modules, Timeout: 50 * time.Millisecond})
	if err != nil || len(report.Tests) != 1 || report.Tests[0].Err != "took too long" {
		t.Errorf("%+v, %v", report, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = Test(ctx, &TestOptions{Modules: map[string]string{"a_test.rego": endless}})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want that of the context", err)
	}
	_, err = Eval(ctx, &EvalOptions{Modules: map[string]string{"a.rego": endless}, Query: "data.a"})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Eval: error %v, want that of the context", err)
	}
}
