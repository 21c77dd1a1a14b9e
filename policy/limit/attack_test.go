// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"context"
	"encoding/json"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tollgate/policy"
	"tollgate/upstream/wire"
)

// longList is a JSON array as long as arguments may be.
func longList() string {
	return "[" + strings.Repeat("1,", policy.MaxArguments/2-100) + "1]"
}

// TestAttack holds bad input 65: what would take without bound is refused, and
// soon. The time is generous: the machine may be slow, the attack is not.
func TestAttack(t *testing.T) {
	text := `"` + strings.Repeat("a", policy.MaxArguments-100) + `"`
	long := longList()
	many := `{` + strings.Repeat(`"k":1,`, 9000) // repeated names: not what a client may send, but nothing may break
	for _, tt := range []struct{ name, require, arguments, want string }{
		{"nested search", `args.l.all(a, args.l.all(b, args.l.all(c, a + b + c > 0)))`, `{"l":` + long + `}`, CodeTooDear},
		{"two searches", `args.l.exists(a, args.l.exists(b, a + b == 3))`, `{"l":` + long + `}`, CodeTooDear},
		{"nested map", `args.l.map(a, args.l.map(b, args.l)).size() > 0`, `{"l":` + long + `}`, CodeTooDear},
		{"doubling text", `[args.t]` + strings.Repeat(`.map(x, x + x)`, 40) + `.size() == 1`, `{"t":` + text + `}`, CodeTooDear},
		{"doubling lists", `[args.l]` + strings.Repeat(`.map(x, x + x)`, 40) + `[0].all(x, x > 0)`, `{"l":` + long + `}`, CodeTooDear},
		{"text in a loop", `args.l.map(x, args.t + args.t).size() > 0`, `{"l":[` + strings.Repeat("1,", 9000) + `1],"t":` + text[:30000] + `"}`, CodeTooDear},
		{"comparing in a loop", `args.l.all(x, args.l == args.l)`, `{"l":` + long + `}`, CodeTooDear},
		{"comparing deep", `args.l.all(x, args.d == args.d)`, `{"l":[` + strings.Repeat("1,", 9000) + `1],"d":` + strings.Repeat("[", 400) + `"` + strings.Repeat("x", 40000) + `"` + strings.Repeat("]", 400) + `}`, CodeTooDear},
		{"membership in a loop", `args.l.all(x, !(2 in args.l))`, `{"l":` + long + `}`, CodeTooDear},
		{"regexp in a loop", `args.l.all(x, args.t.matches("(a|aa)+b") == false)`, `{"l":[` + strings.Repeat("1,", 9000) + `1],"t":` + text[:30000] + `"}`, CodeTooDear},
		{"catastrophic regexp", `args.t.matches("^(a+)+$b")`, `{"t":` + text + `}`, CodeRequire},
		{"large regexp", `args.t.matches("(a?b?){30}c")`, `{"t":` + text + `}`, CodeTooDear},
		{"split in a loop", `args.t.split("").all(a, args.t.split("").size() > 5)`, `{"t":` + text + `}`, CodeTooDear},
		{"one pass", `args.l.all(x, x > 0)`, `{"l":` + long + `}`, ""},
		{"one regexp", `args.t.matches("^a+$")`, `{"t":` + text + `}`, ""},
		{"repeated names", `args.k == 1`, many + `"k":2}`, ""},
		{"search", `args.t.indexOf("` + strings.Repeat("a", 500) + `b") < 0`, `{"t":` + text + `}`, ""},
		{"too large", `size(args.t) > 0`, `{"t":` + text + text + `}`, CodeTooLarge},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			_, refusal := evaluate(t, call(tt.arguments), policy.LimitRule{Require: tt.require})
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			got := ""
			if refusal != nil {
				got = refusal.Code
			}
			t.Logf("%v, %d KiB, %s", took, (after.TotalAlloc-before.TotalAlloc)>>10, got)
			if got != tt.want {
				t.Errorf("%+v, want %q", refusal, tt.want)
			}
			if took > 10*time.Second || after.TotalAlloc-before.TotalAlloc > 256<<20 {
				t.Errorf("took %v and %d MiB", took, (after.TotalAlloc-before.TotalAlloc)>>20)
			}
		})
	}
}

// TestCallersMayLeave: a watched program ends with the call's context.
func TestCallersMayLeave(t *testing.T) {
	s := compile(t, policy.LimitRule{Require: `args.l.all(x, args.l.exists(y, x == y))`})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, refusal := Evaluate(ctx, s.limits, call(`{"l":`+longList()+`}`)); refusal == nil || refusal.Code != CodeTooDear {
		t.Errorf("%+v, want %s", refusal, CodeTooDear)
	}
}

// TestFree says up to how many bytes of arguments programs run without a cost
// limit and a deadline.
func TestFree(t *testing.T) {
	for expression, want := range map[string]int{
		`true`: 64, `args.limit <= 100 && size(args.query) < 2000`: 64,
		`has(args.x) && args.x in ["a", "b"] && args.y.matches("^[a-z]+$") && size(args.z) < 9`: 64,
		`principal.roles.exists(r, r == "admin")`:                                               64,
		`object.annotations.readOnlyHint && principal.team + "/" + args.x == "a/b"`:             64,
		`args.x.matches("[a-z]{1,60}")`:                                                         64, `args.x.matches("[a-z]{1,100}")`: 32, `args.ids.all(i, i > 0)`: 64, `args.x.split(",").size() < 5`: 64,
		`args.to.filter(x, !x.endsWith("@acme.example")).size() <= 10`: 64,
		`args.ids.all(i, i in principal.groups)`:                       1,
		`args.a.all(x, args.b.exists(y, x == y))`:                      0,
		`args.x.split(",").exists(s, s == "a")`:                        64,
		`args.x.split(",").exists(s, s + s == s)`:                      2,
		`args.a.map(x, x + x).map(x, x + x).size() > 1`:                1,
	} {
		p := compile(t, policy.LimitRule{Require: expression}).limits[0].require
		got := min(p.free>>10, policy.MaxArguments>>10)
		if got != want || (p.watched == nil) != (want == 64) {
			t.Errorf("%s: free up to %d KiB (%d), watched above %v, want %d", expression, got, p.free, p.watched != nil, want)
		}
	}
}

// expressions use everything that reads arguments.
func expressions() []string {
	return []string{
		`args.a == 1`, `args["a"].b.c > 2.0`, `has(args.a.b) && args.a.b`, `args.a.all(x, x == args.b)`, `args.a in args.b`, `args == args.a`,
		`size(args) > 1`, `args.exists(k, args[k] == "x")`, `args.a.matches("a+")`, `string(args.a) == "1"`, `args.a + args.b == args.b`,
		`args.a[0] < args.b[1]`, `int(args.a) * 2 > 1`, `args.a.map(x, x.b).size() > 0`, `-args.a < 3`, `args.a ? args.b : args.a`, `type(args.a) == int`,
		`dyn(args.a).b == [1, 2.0, "x", null, {"a": 1}]`, `args.a.split(",")[0].substring(1) == ""`, `timestamp(args.a) < time`,
	}
}

// jsonValue draws JSON, mostly small.
func jsonValue() *rapid.Generator[string] {
	leaf := rapid.OneOf(rapid.SampledFrom([]string{"null", "true", "false", `""`, `"a"`, "0", "-0", "1", "1e999", "1E+2", "0.5", "9007199254740993", "18446744073709551616", `"\ud800"`, `"2026-01-01T00:00:00Z"`}),
		rapid.Map(rapid.String(), func(s string) string { return string(wire.AppendString(nil, s)) }),
		rapid.StringMatching(`-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,30})?`))
	list := rapid.Map(rapid.SliceOfN(leaf, 0, 4), func(v []string) string { return "[" + strings.Join(v, ",") + "]" })
	object := func(of *rapid.Generator[string]) *rapid.Generator[string] {
		return rapid.Map(rapid.SliceOfN(of, 0, 3), func(v []string) string {
			var members []string
			for i, value := range v {
				members = append(members, string("\"abc"[0])+string("abc"[i])+`":`+value)
			}
			return "{" + strings.Join(members, ",") + "}"
		})
	}
	inner := rapid.OneOf(leaf, list, object(leaf))
	return object(rapid.OneOf(inner, object(inner), rapid.Map(object(inner), func(s string) string { return "[" + s + ",1]" })))
}

// TestEvaluateNeverPanics: any JSON gets an answer, with any expression and with
// schemas that do not fit.
func TestEvaluateNeverPanics(t *testing.T) {
	var rules []policy.LimitRule
	for _, e := range expressions() {
		rules = append(rules, policy.LimitRule{Match: e, Require: e, Per: []string{"string(" + strings.ReplaceAll(e, " = ", " ") + ")"}, Rate: "1/s"},
			policy.LimitRule{Cost: "args.a", Settle: "result.a.b + args.a"})
	}
	s := compile(t, rules...)
	schemas := []string{``, `{}`, `{"properties":{"a":{"type":"integer"},"b":{"type":"number"}}}`, `{"properties":{"a":{"items":{"type":"integer"},"properties":{"b":{"type":"integer"}}}}}`, `[]`, `{"properties":[1]}`}
	rapid.Check(t, func(rt *rapid.T) {
		c := call(jsonValue().Draw(rt, "arguments"))
		c.InputSchema = []byte(rapid.SampledFrom(schemas).Draw(rt, "schema"))
		checkAnswers(rt, s, c, rapid.SampledFrom([]string{`{"a":{"b":1}}`, `{"a":1}`, ``, `{`, `null`}).Draw(rt, "result"))
	})
}

type fataler interface{ Fatalf(string, ...any) }

func checkAnswers(t fataler, s *Set, c *Call, result string) {
	for _, l := range s.limits {
		a, refusal := Evaluate(context.Background(), []*Limit{l}, c)
		if (a == nil) == (refusal == nil) {
			t.Fatalf("%s: %+v and %+v", l.Describe(), a, refusal)
		}
		if refusal != nil {
			if refusal.Limit != l.name || refusal.Code == "" || refusal.Message == "" || strings.Contains(refusal.Detail, "internal error") {
				t.Fatalf("%s: refusal %+v", l.Describe(), refusal)
			}
			continue
		}
		cost, overrun, err := a.Settle(context.Background(), []byte(result))
		if cost < 0 || cost > a.Cost || overrun < 0 || err != nil && cost != a.Cost {
			t.Fatalf("%s: Settle = %d, %d, %v with ceiling %d", l.Describe(), cost, overrun, err, a.Cost)
		}
	}
}

// FuzzEvaluate: bytes that are not JSON do no harm either.
func FuzzEvaluate(f *testing.F) {
	var rules []policy.LimitRule
	for _, e := range expressions() {
		rules = append(rules, policy.LimitRule{Require: e})
	}
	s := compile(f, append(rules, policy.LimitRule{Cost: "args.a", Settle: "result.a"})...)
	for _, text := range []string{`{"a":1}`, `{"a":[1,{"b":2}],"b":"x"}`, `{"a`, `{"a":[`, `{"a":1e999,"b":{"c":-}}`, "{\"a\":\"\xff\\"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, arguments []byte) {
		if len(arguments) < 4096 {
			checkAnswers(t, s, call(string(arguments)), string(arguments))
		}
	})
}

// FuzzCompile: any text is an expression or a mistake with a place in it.
func FuzzCompile(f *testing.F) {
	for _, text := range append(expressions(), `args.x = 1`, "a\n.b", `"ä" == foo`, `((`, `x.matches(`, `[1].map(a, b)`, `has(`, "r'", `"\u{110000}"`, `b"x"`, `args.x.matches("a{1000}")`) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		_, err := Compile([]Rule{{Role: "a", LimitRule: policy.LimitRule{Require: text, Cost: text, Rate: text, Per: []string{text}, Settle: text}}})
		var found Mistakes
		if err != nil && !errors.As(err, &found) {
			t.Fatalf("%v is no Mistakes", err)
		}
		for _, m := range found {
			if m.Message == "" || m.Offset > len(text) || m.Offset < -1 {
				t.Fatalf("mistake %+v", m)
			}
		}
		if text != "" && err == nil {
			t.Fatalf("%q cannot be all of true, a number, a rate and text", text)
		}
	})
}

// TestInputIsNotChanged: limits read the call and keep nothing of it.
func TestInputIsNotChanged(t *testing.T) {
	c := call(`{"a":{"b":[1,2]},"c":"x"}`)
	before, _ := json.Marshal(c)
	for _, e := range expressions() {
		_, _ = evaluate(t, c, policy.LimitRule{Require: e})
	}
	if after, _ := json.Marshal(c); string(after) != string(before) {
		t.Errorf("was %s\nis %s", before, after)
	}
}
