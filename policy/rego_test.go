// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/cover"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/tester"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// modulesOf parses texts as "opa test" would.
func modulesOf(t *testing.T, texts map[string]string) map[string]*ast.Module {
	t.Helper()
	modules := map[string]*ast.Module{}
	for file, text := range texts {
		m, err := ast.ParseModuleWithOpts(file, text, ast.ParserOptions{ProcessAnnotation: true})
		if err != nil {
			t.Fatal(err)
		}
		modules[file] = m
	}
	return modules
}

// runTests runs the test rules in the files and returns what they covered and
// how many there were.
func runTests(t *testing.T, texts map[string]string) (cover.Report, int) {
	t.Helper()
	modules := modulesOf(t, texts)
	coverage, store := cover.New(), inmem.New()
	txn, err := store.NewTransaction(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Abort(context.WithoutCancel(t.Context()), txn)
	results, err := tester.NewRunner().SetStore(store).SetModules(modules).SetCompiler(ast.NewCompiler().WithCapabilities(capabilities())).
		SetCoverageQueryTracer(coverage).CapturePrintOutput(true).RaiseBuiltinErrors(true).RunTests(t.Context(), txn)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for r := range results {
		n++
		if !r.Pass() {
			t.Errorf("%s\n%s", r, r.Output)
		}
	}
	return coverage.Report(modules), n
}

func shippedTests(t *testing.T) map[string]string {
	t.Helper()
	paths, err := filepath.Glob("../rego/*_test.rego")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no Rego tests: %v", err)
	}
	texts := map[string]string{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		texts[filepath.Base(path)] = string(text)
	}
	return texts
}

// TestShippedPolicyIsCovered runs the tests that ship beside the policy.
func TestShippedPolicyIsCovered(t *testing.T) {
	policies := shipped(t, nil)
	report, n := runTests(t, shipped(t, shippedTests(t)))
	for file := range policies {
		r := report.Files[file]
		if r == nil {
			t.Errorf("%s: no rule of it was evaluated", file)
			continue
		}
		t.Logf("%s: %d Rego tests, coverage %.1f %% of %d lines", file, n, r.Coverage, r.CoveredLines+r.NotCoveredLines)
		for _, gap := range r.NotCovered {
			t.Errorf("%s:%d-%d is not covered by a test", file, gap.Start.Row, gap.End.Row)
		}
		if r.Coverage < 100 {
			t.Errorf("%s: coverage is %.1f %%, want 100", file, r.Coverage)
		}
	}
}

// TestRegoTestsUseTheRealConfig: the data that the Rego tests spell out is what
// Load makes of the configuration they name.
func TestRegoTestsUseTheRealConfig(t *testing.T) {
	for module, o := range map[string]*Options{
		"access_test": {Roles: map[string]Role{
			"reader":  {Allow: []string{"github/get_*", "github/list_issues", "prompt:docs/*", "*/search_*"}},
			"writer":  {Includes: []string{"reader"}, Allow: []string{"github/*"}, Deny: []string{"github/delete_*"}},
			"auditor": {Allow: []string{"*"}, Deny: []string{"tool:github/get_secret", "*:*/*_internal"}},
			"careful": {Allow: []string{"*[readOnlyHint]", "db/run[!destructiveHint,tag=code]"}, Deny: []string{"db/*[tag=pii]", "*[tag=old]"}},
		}},
		"call_test": {
			Roles: map[string]Role{
				"reader": {
					Constraints: []ConstraintRule{{
						For: []string{"db/query"}, Arguments: map[string]json.RawMessage{"limit": []byte(`{"maximum":100}`)}, Optional: []string{"limit"},
					}},
					Obligations: []ObligationRule{{For: []string{"db/*[!readOnlyHint]"}, Confirm: "Go on?"}},
				},
				"writer": {
					Includes:    []string{"reader"},
					Constraints: []ConstraintRule{{For: []string{"db/*"}, Arguments: map[string]json.RawMessage{"region": []byte(`{"enum":["eu"]}`)}}},
				},
			},
			Everyone: Role{Obligations: []ObligationRule{{Redact: []string{"/email"}, MaxResultBytes: 1000}}},
			Scopes:   []ScopeRule{{For: []string{"db/run"}, Scopes: []string{"db:write"}}},
		},
	} {
		all, errs := flatten(o)
		if errs != nil {
			t.Fatal(errs)
		}
		want := configDocument(o.Roles, all)
		delete(want, "roles") // the policy does not read them as written
		got := regoValue(t, "data.tollgate."+module+".config")
		if diff := cmp.Diff(any(want), got); diff != "" {
			t.Errorf("config in %s.rego (-Load +tests):\n%s", module, diff)
		}
	}
}

// regoValue evaluates a reference into the shipped tests.
func regoValue(t *testing.T, ref string) any {
	t.Helper()
	c := ast.NewCompiler()
	if c.Compile(modulesOf(t, shippedTests(t))); c.Failed() {
		t.Fatal(c.Errors)
	}
	query, err := c.QueryCompiler().Compile(ast.MustParseBody(ref + " = x"))
	if err != nil {
		t.Fatal(err)
	}
	results, err := topdown.NewQuery(query).WithCompiler(c).WithStore(inmem.New()).Run(t.Context())
	if err != nil || len(results) != 1 {
		t.Fatalf("%s: %v, %v", ref, results, err)
	}
	value, err := ast.JSON(results[0]["x"].Value)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// guide returns the fenced blocks of one language in the author's guide.
func guide(t *testing.T, language string) []string {
	t.Helper()
	text, err := os.ReadFile("../rego/README.md")
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```").FindAllStringSubmatch(string(text), -1) {
		blocks = append(blocks, m[1])
	}
	if len(blocks) == 0 {
		t.Fatalf("the guide has no %s block", language)
	}
	return blocks
}

func guideFiles(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, block := range guide(t, "rego") {
		first, _, _ := strings.Cut(block, "\n")
		name, ok := strings.CutPrefix(first, "# file: ")
		if !ok || files[name] != "" {
			t.Fatalf("a rego block begins with %q, want a new \"# file: name\"", first)
		}
		files[name] = block
	}
	return files
}

// TestGuideExamplesRun loads the files of the guide as the gateway would, runs
// its tests as opa would, and checks what its sentences claim.
func TestGuideExamplesRun(t *testing.T) {
	files := shipped(t, guideFiles(t))
	if _, n := runTests(t, files); n < 2 {
		t.Errorf("%d tests in the guide, want at least 2", n)
	}
	e := load(t, &Options{Modules: files, Roles: map[string]Role{"operator": {Allow: []string{"*"}}, "reader": {Allow: []string{"db/*"}}}})
	tame := tool("db", "x")
	tame.Annotations = []byte(`{"destructiveHint":false}`)
	reads := tame
	reads.Annotations = []byte(`{"destructiveHint":false,"readOnlyHint":true}`)
	for _, tt := range []struct {
		who  Principal
		o    Object
		want bool
	}{
		{Principal{Roles: []string{"operator"}}, tool("db", "drop"), true},
		{Principal{Roles: []string{"reader"}}, tool("db", "drop"), false},
		{Principal{Roles: []string{"reader"}}, tame, true},
		{Principal{Team: "db"}, tame, true},
		{Principal{Team: "other"}, tame, false},
		{Principal{Roles: []string{"reader"}, AuthMethod: "anonymous"}, tame, false},
		{Principal{Roles: []string{"reader"}, AuthMethod: "anonymous"}, reads, true},
	} {
		got, err := e.Access(t.Context(), &tt.who, []Object{tt.o})
		if err != nil || got[0] != tt.want {
			t.Errorf("%+v sees %s %s: %v, %v; want %t", tt.who, tt.o.id(), tt.o.Annotations, got, err, tt.want)
		}
	}
}

// TestGuideShowsTheRealInput compares the document in the guide with the one
// that policies get, and both with the published schema.
func TestGuideShowsTheRealInput(t *testing.T) {
	var want, schema map[string]any
	if err := json.Unmarshal([]byte(guide(t, "json")[0]), &want); err != nil {
		t.Fatal(err)
	}
	e, full := load(t, nil), everything()
	object, err := e.keys.objectTerm(&Object{
		Kind: "tool", Name: "github__get_issue", Upstream: "github", OriginalName: "get_issue",
		DefinitionHash: "5f3c", Annotations: []byte(`{"readOnlyHint":true}`), Tags: []string{"code"},
	}, full.object)
	if err != nil {
		t.Fatal(err)
	}
	p := &Principal{Subject: "ada", Roles: []string{"reader"}, Team: "payments", Org: "acme", AuthMethod: "api_key", KeyID: "k_01"}
	value, err := ast.JSON(e.keys.document(e.keys.principalTerm(p, full.principal), object).Value)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("input document (-guide +real):\n%s", diff)
	}
	if err := json.Unmarshal(InputSchema(), &schema); err != nil {
		t.Fatal(err)
	}
	properties := schema["properties"].(map[string]any)
	for _, part := range []string{"principal", "object"} {
		declared := properties[part].(map[string]any)["properties"].(map[string]any)
		if diff := cmp.Diff(sortedKeys(got[part].(map[string]any)), sortedKeys(declared)); diff != "" {
			t.Errorf("members of %s (-document +schema):\n%s", part, diff)
		}
	}
}
