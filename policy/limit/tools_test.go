// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"fmt"
	"strings"
	"testing"

	"tollgate/policy"
)

// TestCheckedTypesHold: an expression that passes the check of a tool's types
// does work on arguments that fit the schema, and the other way round.
func TestCheckedTypesHold(t *testing.T) {
	for _, tt := range []struct {
		schema, arguments, require string
		fits                       bool
	}{
		{`{"type":"integer"}`, `5`, `args.x % 2 == 1`, true},
		{`{"type":"integer"}`, `5.0`, `args.x % 2 == 1`, true},
		{`{"type":"integer"}`, `5`, `args.x * 0.5 > 1.0`, false},
		{`{"type":"integer"}`, `5`, `double(args.x) * 0.5 > 1.0`, true},
		{`{"type":"integer"}`, `5`, `args.x <= 5.5`, true},
		{`{"type":"number"}`, `5`, `args.x * 0.5 > 1.0`, true},
		{`{"type":"number"}`, `5`, `args.x * 2 > 1`, false},
		{`{"type":"number"}`, `5`, `args.x <= 100`, true},
		{`{"type":"string"}`, `"ab"`, `args.x.startsWith("a")`, true},
		{`{"type":"string"}`, `"ab"`, `args.x > 1`, false},
		{`{"type":"boolean"}`, `true`, `args.x`, true},
		{`{"type":"array","items":{"type":"integer"}}`, `[1,2.0]`, `args.x.all(i, i % 1 == 0)`, true},
		{`{"type":"array","items":{"type":"string"}}`, `["a"]`, `args.x.all(i, i > 1)`, false},
		{`{"type":"object","properties":{"y":{"type":"number"}}}`, `{"y":1}`, `args.x.y * 0.5 == 0.5`, true},
		{`{"type":"object","properties":{"y":{"type":"number"}}}`, `{"y":1}`, `args["x"]["y"] + 1 == 2`, false},
		{`{"type":"object"}`, `{"y":1}`, `args.x.y + 1 == 2`, true},
		{`{"type":["integer","null"]}`, `5.0`, `args.x % 2 == 1`, true},
		{`{}`, `"x"`, `args.x == "x"`, true},
	} {
		schema := `{"type":"object","properties":{"x":` + tt.schema + `}}`
		s := compile(t, policy.LimitRule{Require: tt.require})
		found := s.CheckTools([]Tool{{tool("query"), []byte(schema)}})
		c := call(`{"x":` + tt.arguments + `}`)
		c.InputSchema = []byte(schema)
		_, refusal := Evaluate(t.Context(), s.limits, c)
		if (len(found) == 0) != tt.fits || (refusal == nil) != tt.fits {
			t.Errorf("%s with %s: mistakes %v, refusal %+v, want that it fits: %v", tt.require, tt.schema, found, refusal, tt.fits)
		}
	}
}

// TestReads says what of the arguments an expression is seen to read.
func TestReads(t *testing.T) {
	for expression, want := range map[string]string{
		`true`: "", `args.a == args["b"] && arguments.c`: "a b c", `has(args.a) && "b" in args`: "?a ?b", `has(args.a) && args.a`: "?a",
		`has(args.a.b)`: "a", `args.a.b.c[args.d]`: "a d", `size(args) > 1`: "*", `args[principal.team] && args.a`: "a *",
		`principal.roles.all(args, args == "x")`: "", `principal.roles.all(r, args.a == r)`: "a", `args.l.all(args, args.x)`: "l",
		`{"x": args.a} == {args.b: [args.c]}`: "a b c", `args.exists(k, k == "a")`: "*",
	} {
		r := compile(t, policy.LimitRule{Require: expression, Rate: "1/s"}).limits[0].require.reads
		var got []string
		for _, name := range r.names() {
			if r.guarded[name] {
				name = "?" + name
			}
			got = append(got, name)
		}
		if r.escapes {
			got = append(got, "*")
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s reads %q, want %q", expression, got, want)
		}
	}
}

// TestManyTools: one mistake stands for all tools that share it, and tools that
// say the same of what a limit reads are checked once.
func TestManyTools(t *testing.T) {
	var tools []Tool
	for i := range 500 {
		schema := fmt.Sprintf(`{"type":"object","properties":{"x":{"type":"string","description":"%d"},"y%d":{"type":"integer"}}}`, i, i)
		tools = append(tools, Tool{tool(fmt.Sprintf("t%d", i)), []byte(schema)})
	}
	s := compile(t, policy.LimitRule{Require: "args.x < 5"}, policy.LimitRule{Require: "args.z < 5"}, policy.LimitRule{Rate: "1/s"})
	found := s.CheckTools(tools)
	if len(found) != 2 || !strings.Contains(found[0].Message, `tool "db__t0" (and 499 more)`) || !strings.Contains(found[1].Message, `(and 499 more) has no argument "z"`) {
		t.Errorf("found %v", found)
	}
	shapes := map[string]bool{}
	for _, tool := range tools {
		shapes[s.limits[0].outline(tool.InputSchema)] = true
	}
	if len(shapes) != 1 {
		t.Errorf("%d shapes of one", len(shapes))
	}
}

// TestOddSchemas: what is no schema is open.
func TestOddSchemas(t *testing.T) {
	s := compile(t, policy.LimitRule{Require: "args.x.y < 5 && args.z[0].a"})
	for _, schema := range []string{``, `true`, `[]`, `{`, `{"properties":true}`, `{"properties":{"x":true,"z":{"type":"array","items":true}}}`,
		`{"properties":{"x":{"type":["object"]},"z":{"type":"array","items":[{"type":"integer"}]}}}`} {
		if found := s.CheckTools([]Tool{{tool("query"), []byte(schema)}, {nil, nil}}); len(found) > 0 {
			t.Errorf("%s: %v", schema, found)
		}
	}
	deep := strings.Repeat(`{"type":"object","properties":{"x":`, 300) + `{}` + strings.Repeat(`}}`, 300)
	if found := s.CheckTools([]Tool{{tool("query"), []byte(deep)}}); len(found) != 2 {
		t.Errorf("arguments x.y and z that are not there: %v", found)
	}
	if (*Set)(nil).CheckTools(nil) != nil {
		t.Error("no limits, and a mistake")
	}
}
