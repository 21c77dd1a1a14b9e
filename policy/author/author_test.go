// SPDX-License-Identifier: Apache-2.0

package author

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/open-policy-agent/opa/v1/ast"

	"tollgate/policy"
	"tollgate/rego"
)

// shipped returns the policy that ships with its tests, and more.
func shipped(t *testing.T, more map[string]string) map[string]string {
	t.Helper()
	modules, err := rego.Modules()
	if err != nil {
		t.Fatal(err)
	}
	paths, err := filepath.Glob("../../rego/*_test.rego")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no Rego tests: %v", err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		modules[filepath.Base(path)] = string(text)
	}
	maps.Copy(modules, more)
	return modules
}

func wantError(t *testing.T, err error, texts ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error, want one with %q", texts)
		return
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("error %q, want %q in it", err, text)
		}
	}
}

// TestSameBuiltinsAsTheGateway asks policy.Load of each builtin whether it has
// it, and compares that with what tests and queries get here.
func TestSameBuiltinsAsTheGateway(t *testing.T) {
	var text strings.Builder
	text.WriteString("package probe\n\n")
	for _, b := range ast.CapabilitiesForThisVersion().Builtins {
		if b.Infix == "" && !b.Relation && !strings.HasPrefix(b.Name, "internal.") {
			text.WriteString("p if " + b.Name + "()\n")
		}
	}
	_, err := policy.Load(t.Context(), &policy.Options{Modules: map[string]string{"probe.rego": text.String()}})
	var found policy.Diagnostics
	if !errors.As(err, &found) {
		t.Fatalf("Load: %v", err)
	}
	var want []string
	for _, d := range found {
		if name, ok := strings.CutSuffix(d.Message, " is not available"); ok {
			want = append(want, name)
		}
	}
	has := map[string]bool{}
	for _, b := range capabilities().Builtins {
		has[b.Name] = true
	}
	var got []string
	for _, b := range ast.CapabilitiesForThisVersion().Builtins {
		if !has[b.Name] {
			got = append(got, b.Name)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if len(want) < 4 {
		t.Errorf("policy.Load withholds only %q", want)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("withheld builtins (-gateway +here):\n%s", diff)
	}
}

// TestMistakesHaveTheirPlace: every tool says file, line and column.
func TestMistakesHaveTheirPlace(t *testing.T) {
	run := func(modules map[string]string) error {
		_, err := Test(t.Context(), &TestOptions{Modules: modules})
		return err
	}
	for _, tt := range []struct {
		text string
		want string
	}{
		{"package a\n\nallow = = true\n", "a_test.rego:3:9: "},
		{"package a\n\ntest_x if http.send({}) == {}\n", "a_test.rego:3:11: http.send is not available"},
		{"package a\n\ntest_x if input.principal.rols == []\n", "a_test.rego:3:11: undefined ref: input.principal.rols"},
		{"package a\n\ntest_x if \"s\" in bad\n\nbad := true\n\np contains s if some s in bad\n", "a_test.rego:7:27: undefined ref: data.a.bad[_]"},
		{"package a\n\ntest_x if y == 1\n", "a_test.rego:3:11: y is not defined"},
	} {
		err := run(map[string]string{"a_test.rego": tt.text, "b.rego": "package b\n"})
		wantError(t, err, tt.want)
		var d policy.Diagnostics
		if !errors.As(err, &d) {
			t.Errorf("%v is no policy.Diagnostics", err)
		}
	}
	wantError(t, run(map[string]string{"a.rego": "package a\n\np if {\n", "b.rego": "p\n"}), "a.rego:4:1: ", "b.rego:1:1: ")
	_, err := Format("a.rego", "package a\n\np if {{\n")
	wantError(t, err, "a.rego:4:1: ", "rego_parse_error")
	_, err = Eval(t.Context(), &EvalOptions{
		Modules: map[string]string{"a.rego": "package a\n\np := 1\n"}, Data: map[string]any{"a": map[string]any{"p": 2}}, Query: "data.a.p",
	})
	wantError(t, err, "a.rego:3:1: conflicting rule for data path a/p found")
}

func TestFormat(t *testing.T) {
	got, err := Format("a.rego", "package a\nimport rego.v1\n# why\np   if {   input.x==1 }\n")
	if err != nil {
		t.Fatal(err)
	}
	want := "package a\n\nimport rego.v1\n\n# why\np if input.x == 1\n"
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("formatted (-want +got):\n%s", diff)
	}
	for file, text := range shipped(t, nil) {
		got, err := Format(file, text)
		if err != nil || string(got) != text {
			t.Errorf("%s is not formatted (%v):\n%s", file, err, cmp.Diff(text, string(got)))
		}
	}
}

// TestFormatKeepsTheMeaning: OPA's formatter drops parentheses that matter.
func TestFormatKeepsTheMeaning(t *testing.T) {
	_, err := Format("a.rego", "package a\n\np if true\n\nq if input.is == (input.x == 1)\n")
	wantError(t, err, "a.rego:5:1: opa fmt would change what this rule means (tollgate_format)", "hint: ")
	got, err := Format("a.rego", "package a\n\np = 1\n\nq = x if { x := 2 } else = 3\n")
	if err != nil || !strings.Contains(string(got), "p := 1\n") {
		t.Errorf("%s, %v", got, err)
	}
}

// FuzzFormat: what is formatted parses, and means the same.
func FuzzFormat(f *testing.F) {
	f.Add("package a\np if {   input.x==1 }\n")
	f.Add("package a\n\n# c\ndeny contains {\"reason\": sprintf(\"%d\", [1])} if not input.x # d\n")
	f.Add("package a\np := {\"a\":[1,{2}]} if { some x in input\n every y in x { y>1 } } else := 3\n")
	f.Fuzz(func(t *testing.T, text string) {
		once, err := Format("a.rego", text)
		if err != nil {
			return
		}
		before, err := ast.ParseModule("a.rego", text)
		if err != nil {
			t.Fatal(err)
		}
		after, err := ast.ParseModule("a.rego", string(once))
		if err != nil || len(before.Rules) != len(after.Rules) {
			t.Fatalf("%q becomes %q: %v", text, once, err)
		}
	})
}
