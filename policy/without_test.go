// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tollgate/upstream/wire"
)

// TestDecideWithout: a rule looks at a missing place when it is evaluated as far as that, and not before.
func TestDecideWithout(t *testing.T) {
	for _, tt := range withoutCases() {
		t.Run(tt.name, func(t *testing.T) {
			e := load(t, &Options{Modules: shipped(t, map[string]string{"more.rego": "package tollgate.call\n\n" + tt.rule + "\n"})})
			var missing []string
			if tt.missing != "" {
				missing = []string{strings.TrimPrefix(tt.missing, "*")}
			}
			d, depends := e.DecideWithout(t.Context(), call(tool("u", "x"), tt.arguments), missing)
			got := map[bool]string{true: "allow", false: "deny"}[d.Allow]
			if len(depends) > 0 {
				got = strings.Join(depends, " ")
			}
			if got == "" {
				got = "*"
			}
			if got != tt.want && !(tt.want == "*" && slices.Equal(depends, []string{""})) {
				t.Errorf("answer %s (%+v), want %s", got, d, tt.want)
			}
		})
	}
}

type withoutCase struct {
	name, rule, arguments, missing string
	want                           string // deny, allow, or the places it depends on; * is all arguments
}

func withoutCases() []withoutCase {
	return []withoutCase{
		{"nothing is missing", `deny contains "no" if input.arguments.a == 1`, `{"a":1}`, ``, "deny"},
		{"another argument", `deny contains "no" if input.arguments.a == 1`, `{"a":1,"b":"x"}`, `/b`, "deny"},
		{"this argument", `deny contains "no" if input.arguments.a == 1`, `{"a":"x"}`, `/a`, "/a"},
		{"a part of it", `deny contains "no" if input.arguments.a == 1`, `{"a":{"b":"x"}}`, `/a/b`, "/a/b"},
		{"around it", `deny contains "no" if input.arguments.a.b == 1`, `{"a":"x"}`, `/a`, "/a"},
		{"beside it", `deny contains "no" if input.arguments.a.b == 1`, `{"a":{"b":1,"c":"x"}}`, `/a/c`, "deny"},
		{"all arguments", `deny contains "no" if input.arguments.a == 1`, ``, `*`, "*"},
		{"a guard before it", "deny contains \"no\" if {\n\tinput.object.upstream == \"other\"\n\tinput.arguments.a == 1\n}", ``, `*`, "allow"},
		{"a guard that holds", "deny contains \"no\" if {\n\tinput.object.upstream == \"u\"\n\tinput.arguments.a == 1\n}", ``, `*`, "*"},
		{"not", `deny contains "no" if not input.arguments.a`, ``, `*`, "*"},
		{"not another", `deny contains "no" if not input.arguments.a`, `{"b":"x"}`, `/b`, "deny"},
		{"a computed name", `deny contains "no" if { some name in ["a", "c"]; input.arguments[name] == 1 }`, `{"a":1,"b":"x"}`, `/b`, "deny"},
		{"any name", `deny contains "no" if { some name; input.arguments[name] == 1 }`, `{"a":1,"b":"x"}`, `/b`, "/b"},
		{"an alias", `deny contains "no" if { args := input.arguments; args.a == 1 }`, `{"a":1,"b":"x"}`, `/b`, "deny"},
		{"the whole input", `deny contains "no" if { x := input; walk(x, [_, 1]) }`, `{"a":1,"b":"x"}`, `/b`, "/b"},
		{"a list", `deny contains "no" if input.arguments.l[1].a == 1`, `{"l":[{"a":"x"},{"a":1}]}`, `/l/0/a`, "deny"},
		{"an element of it", `deny contains "no" if input.arguments.l[1].a == 1`, `{"l":[{"a":1},{"a":"x"}]}`, `/l/1/a`, "/l/1/a"},
		{"some element", `deny contains "no" if { some x in input.arguments.l; x.a == 1 }`, `{"l":[{"a":"x"},{"a":1}]}`, `/l/0/a`, "/l/0/a"},
		{"a function", "f(x) if x.a == 1\n\ndeny contains \"no\" if f(input.arguments)", `{"a":1,"b":"x"}`, `/b`, "/b"},
		{"a function of a part", "f(x) if x == 1\n\ndeny contains \"no\" if f(input.arguments.a)", `{"a":1,"b":"x"}`, `/b`, "deny"},
		{"object.get", `deny contains "no" if object.get(input.arguments, "a", 1) == 1`, `{"b":"x"}`, `/b`, "deny"},
		{"object.get of it", `deny contains "no" if object.get(input.arguments, "b", 1) == 1`, `{"b":"x"}`, `/b`, "/b"},
		{"object.get of a path", `deny contains "no" if object.get(input.arguments, ["a", "c"], 1) == 1`, `{"a":{"b":"x"}}`, `/a/b`, "deny"},
		{"a comprehension", `deny contains "no" if count([1 | input.arguments.a == 1]) == 1`, `{"a":1,"b":"x"}`, `/b`, "deny"},
		{"the sentence", `deny contains sprintf("no %v", [input.arguments.b]) if input.arguments.a == 1`, `{"a":1,"b":"x"}`, `/b`, "/b"},
		{"a sentence that is not said", `deny contains sprintf("no %v", [input.arguments.b]) if input.arguments.a == 2`, `{"a":1,"b":"x"}`, `/b`, "allow"},
		{"an alias of a part", `deny contains "no" if { x := input.arguments.a; x.c == 1 }`, `{"a":{"b":"x","c":1}}`, `/a/b`, "deny"},
		{"an alias that goes on", `deny contains "no" if { x := input.arguments; y := x.a; y.c == 1 }`, `{"a":{"b":"x","c":1}}`, `/a/b`, "deny"},
		{"an alias that is given away", `deny contains "no" if { x := input.arguments; count(x) == 2 }`, `{"a":1,"b":"x"}`, `/b`, "/b"},
		{"an alias that is told", `deny contains x if { x := input.arguments.b }`, `{"a":1,"b":"x"}`, `/b`, "/b"},
		{"an alias in a comprehension", `deny contains "no" if { x := input.arguments; count([y | y := x.b]) == 1 }`, `{"a":1,"b":"x"}`, `/b`, "/b"},
		{"an alias that is compared", `deny contains "no" if { some x in ["x"]; x == input.arguments.b }`, `{"a":1,"b":"x"}`, `/b`, "/b"},
		{"an alias that is searched", `deny contains "no" if { x := input.arguments; some y in x; y == 1 }`, `{"a":1,"b":"x"}`, `/b`, "/b"},
		{"a helper", "args := input.arguments\n\ndeny contains \"no\" if args.a == 1", `{"a":1,"b":"x"}`, `/b`, "/b"},
		{"a builtin that fails", `deny contains "no" if { startswith(input.arguments.a, "x"); input.arguments.b == "y" }`, `{"a":1,"b":"x"}`, `/b`, "/b"},
		{"and another rule", "deny contains \"no\" if startswith(input.arguments.a, \"x\")\n\ndeny contains \"b\" if input.arguments.b == 1", `{"a":1,"b":"x"}`, `/b`, "/b"},
		{"with", `deny contains "no" if input.arguments.a == 1 with input.arguments as {"a": 1}`, `{"a":2}`, `*`, "*"},
		{"else", "low if input.arguments.a < 5\n\nelse if input.arguments.b\n\ndeny contains \"no\" if low", `{"a":1,"b":"x"}`, `/b`, "deny"},
		{"else that is reached", "low if input.arguments.a < 5\n\nelse if input.arguments.b\n\ndeny contains \"no\" if low", `{"a":9,"b":"x"}`, `/b`, "/b"},
		{"escapes", `deny contains "no" if input.arguments["a/b~c"] == 1`, `{"a/b~c":"x"}`, `/a~1b~0c`, "/a~1b~0c"},
		{"no rule", `deny contains "no" if input.principal.subject == "eve"`, ``, `*`, "allow"},
		{"the time", `deny contains "no" if input.time > "2026"`, ``, `*`, "deny"},
	}
}

// TestDecideWithoutIsCertain: what a decision does not depend on can be anything.
func TestDecideWithoutIsCertain(t *testing.T) {
	var engines []*Engine
	for _, tt := range withoutCases() {
		engines = append(engines, load(t, &Options{Timeout: time.Minute, Modules: shipped(t, map[string]string{"more.rego": "package tollgate.call\n\n" + tt.rule + "\n"})}))
	}
	values := rapid.SampledFrom([]string{`1`, `"x"`, `{}`, `{"b":1}`, `{"c":1,"b":"x"}`, `[]`, `[{"a":1}]`, `null`, `false`, `7.5`})
	decided := 0
	rapid.Check(t, func(t *rapid.T) {
		e := rapid.SampledFrom(engines).Draw(t, "rule")
		build := func(hidden map[string]string) string {
			text := "{}"
			for _, name := range []string{"a", "b", "l", "a/b~c"} {
				if value, ok := hidden[name]; ok {
					text = string(wire.Set([]byte(text), name, []byte(value)))
				}
			}
			return text
		}
		arguments := rapid.MapOf(rapid.SampledFrom([]string{"a", "b", "l", "a/b~c"}), values).Draw(t, "arguments")
		known, missing := build(arguments), []string(nil)
		for name := range arguments {
			if rapid.Bool().Draw(t, name) {
				known = string(wire.Set([]byte(known), name, []byte(`"[redacted]"`)))
				missing = append(missing, "/"+strings.NewReplacer("~", "~0", "/", "~1").Replace(name))
			}
		}
		all := rapid.Bool().Draw(t, "all")
		if all {
			known, missing = "", []string{""}
		}
		got, depends := e.DecideWithout(t.Context(), call(tool("u", "x"), known), missing)
		if len(depends) > 0 {
			return
		}
		decided++
		for range 5 {
			other := map[string]string{}
			for name, value := range arguments {
				if other[name] = value; slices.Contains(missing, "/"+strings.NewReplacer("~", "~0", "/", "~1").Replace(name)) {
					other[name] = values.Draw(t, "other")
				}
			}
			if all {
				other = rapid.MapOf(rapid.SampledFrom([]string{"a", "b", "l"}), values).Draw(t, "others")
			}
			if want := e.Decide(t.Context(), call(tool("u", "x"), build(other))); !cmp.Equal(got, want) {
				t.Fatalf("without %q: %+v; with %s: %+v", missing, got, build(other), want)
			}
		}
	})
	if decided == 0 {
		t.Error("no decision was certain")
	}
}

// TestReadInput: what is read is what was written.
func TestReadInput(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := tool("u", rapid.String().Draw(t, "name"))
		o.Tags, o.DefinitionHash = rapid.SliceOfN(rapid.SampledFrom([]string{"a", "é"}), 0, 2).Draw(t, "tags"), "5f"
		if rapid.Bool().Draw(t, "annotated") {
			o.Annotations = []byte(jsonObject().Draw(t, "annotations"))
		}
		in := call(o, rapid.OneOf(rapid.Just(""), jsonObject()).Draw(t, "arguments"))
		in.Principal, in.Truncated = principals().Draw(t, "principal"), rapid.Bool().Draw(t, "truncated")
		in.Session.Depth, in.Session.ParentCallID = rapid.IntRange(0, 3).Draw(t, "depth"), text().Draw(t, "parent")
		if rapid.Bool().Draw(t, "no time") {
			in.Time = time.Time{}
		}
		want := in.JSON()
		got, err := ReadInput(want)
		if err != nil {
			t.Fatalf("%s: %v", want, err)
		}
		if text := got.JSON(); string(text) != string(want) {
			t.Fatalf("read\n%s\nwant\n%s", text, want)
		}
	})
	for _, bad := range []string{``, `[]`, `{}`, `{"version":2}`, `{"version":1,"principal":7}`, `{"version":1,"time":"noon"}`, `{"version":1`} {
		if in, err := ReadInput([]byte(bad)); err == nil {
			t.Errorf("%q is read as %+v", bad, in)
		}
	}
}

func FuzzReadInput(f *testing.F) {
	f.Add(call(tool("u", "x"), `{"a":1}`).JSON())
	f.Add([]byte(`{"version":1,"object":{"annotations":7}}`))
	f.Fuzz(func(t *testing.T, document []byte) {
		in, err := ReadInput(document)
		if err != nil {
			return
		}
		again, err := ReadInput(in.JSON())
		if err != nil || string(again.JSON()) != string(in.JSON()) {
			t.Errorf("%s\nis written as %s\nand that as %v, %v", document, in.JSON(), again, err)
		}
	})
}

func BenchmarkReadInput(b *testing.B) {
	document := call(tool("github", "create_issue"), `{"title":"a title","body":"some text"}`).JSON()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ReadInput(document); err != nil {
			b.Fatal(err)
		}
	}
}
