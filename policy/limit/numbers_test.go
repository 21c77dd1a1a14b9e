// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"encoding/json"
	"math"
	"math/big"
	"strconv"
	"strings"
	"testing"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/traits"
	"pgregory.net/rapid"

	"tollgate/policy"
)

const numbersSchema = `{"type":"object","properties":{
	"whole":{"type":"integer"},"real":{"type":"number"},"either":{"type":["number","string"]},"maybe":{"type":["integer","null"]},
	"wholes":{"type":"array","items":{"type":"integer"}},"nested":{"type":"object","properties":{"real":{"type":"number"}}}}}`

// TestNumbers holds bad input 12: no spelling of a number gets past a limit.
func TestNumbers(t *testing.T) {
	for _, tt := range []struct {
		arguments, require string
		want               string // code of the refusal, "" = passes
	}{
		{`{"x":100}`, `args.x <= 100`, ""},
		{`{"x":101}`, `args.x <= 100`, CodeRequire},
		{`{"x":100.0}`, `args.x <= 100`, ""},
		{`{"x":100.5}`, `args.x <= 100`, CodeRequire},
		{`{"x":1E+2}`, `args.x <= 100`, ""},
		{`{"x":1.01E+2}`, `args.x <= 100`, CodeRequire},
		{`{"x":1e999}`, `args.x <= 100`, CodeError},
		{`{"x":-1e999}`, `args.x <= 100`, CodeError},
		{`{"x":1e999}`, `!(args.x > 100)`, CodeError},
		{`{"x":-0}`, `args.x == 0 && 1 / int(args.x + 1) == 1`, ""},
		{`{"x":-0.0}`, `args.x == 0`, ""},
		{`{"x":9007199254740993}`, `args.x <= 9007199254740992`, CodeRequire},
		{`{"x":9007199254740993}`, `args.x == 9007199254740993`, ""},
		{`{"x":9007199254740993.0}`, `args.x <= 9007199254740992`, CodeError},
		{`{"x":9223372036854775807}`, `args.x > 0`, ""},
		{`{"x":9223372036854775808}`, `args.x > 0`, CodeError},
		{`{"x":-9223372036854775808}`, `args.x < 0`, ""},
		{`{"x":1e300}`, `args.x <= 100`, CodeRequire},
		{`{"x":9223372036854775807}`, `args.x + 1 <= 100`, CodeError},
		{`{"x":-9223372036854775808}`, `-args.x <= 100`, CodeError},
		{`{"x":0}`, `100 / args.x <= 100`, CodeError},
		{`{"x":[1,1e999]}`, `args.x[0] <= 100`, CodeError},
		{`{"x":true}`, `args.x <= 100`, CodeError},
		{`{"x":null}`, `args.x <= 100`, CodeError},
		{`{"x":"100"}`, `args.x <= 100`, CodeError},
		{`{"x":[100]}`, `args.x <= 100`, CodeError},
		{`{"whole":100}`, `args.whole <= 100`, ""},
		{`{"whole":1E+2}`, `args.whole % 7 == 2`, ""},
		{`{"whole":100.00}`, `args.whole % 7 == 2`, ""},
		{`{"whole":100.5}`, `args.whole <= 1000`, CodeError},
		{`{"whole":1e1000000000000000000000}`, `args.whole <= 1000`, CodeError},
		{`{"whole":1e-1000000000000000000000}`, `args.whole <= 1000`, CodeError},
		{`{"whole":0e1000000000000000000000}`, `args.whole <= 1000`, ""},
		{`{"whole":18446744073709551617}`, `args.whole <= 1000`, CodeError},
		{`{"whole":9007199254740993}`, `args.whole <= 9007199254740992`, CodeRequire},
		{`{"real":100}`, `args.real * 0.5 <= 50.0`, ""},
		{`{"real":101}`, `args.real <= 100`, CodeRequire},
		{`{"real":9007199254740993}`, `args.real <= 9007199254740992.0`, CodeError},
		{`{"real":18446744073709551617}`, `args.real > 1.0`, CodeError},
		{`{"real":1e999}`, `args.real <= 100`, CodeError},
		{`{"either":3}`, `args.either * 0.5 == 1.5`, ""},
		{`{"maybe":3.0}`, `args.maybe % 2 == 1`, ""},
		{`{"maybe":null}`, `args.maybe == null`, ""},
		{`{"wholes":[1.0,2e0]}`, `args.wholes.all(x, x % 1 == 0)`, ""},
		{`{"nested":{"real":1}}`, `args.nested.real * 0.5 == 0.5`, ""},
		{`{"\u0078":5}`, `args.x == 5`, ""}, // an escaped name is the same name
		{`{"x":100.00000000000000000001}`, `args.x <= 100`, CodeError},
		{`{"x":99.999999999999999999999}`, `args.x < 100`, CodeError},
		{`{"x":-1e-400}`, `args.x < 0`, CodeError},
		{`{"x":1e-400}`, `args.x == 0`, CodeError},
		{`{"real":0.1000000000000000055511151231257827}`, `args.real == 0.1`, CodeError},
		{`{"x":0.10}`, `args.x == 0.1`, ""},
		{`{"x":1000000e-7}`, `args.x == 0.1`, ""},
		{`{"x":0.30000000000000004}`, `args.x > 0.3`, ""},
		{`{"x":5e-324}`, `args.x > 0`, ""},
		{`{"x":1.7976931348623157e308}`, `args.x > 100`, ""},
		{`{"real":0.000e-999}`, `args.real == 0`, ""},
		// CEL takes what is not unequal for equal, so an error inside of a value must not get there.
		{`{"x":{"n":1e999}}`, `args.x == {"n": 5}`, CodeError},
		{`{"x":{"n":1e999}}`, `args.x != {"n": 5}`, CodeError},
		{`{"x":{"n":1e999}}`, `{"n": 5} == args.x`, CodeError},
		{`{"x":[{"n":{"m":[1e999]}}]}`, `args.x == [{"n": {"m": [5]}}]`, CodeError},
		{`{"x":{"n":1e999}}`, `!(args.x in [{"n": 5}])`, CodeError},
		{`{"x":[{"n":1e999}]}`, `{"n": 5} in args.x`, CodeError},
		{`{"x":{"n":1e999}}`, `args.x.exists(k, k == "n")`, ""}, // the number is not read
	} {
		c := call(tt.arguments)
		c.InputSchema = []byte(numbersSchema)
		_, refusal := evaluate(t, c, policy.LimitRule{Require: tt.require})
		got := ""
		if refusal != nil {
			got = refusal.Code
		}
		if got != tt.want {
			t.Errorf("%s with %s: %q, want %q (%+v)", tt.require, tt.arguments, got, tt.want, refusal)
		}
	}
}

// TestNumbersCompareExactly: a bound on an argument holds for the number as it
// is written, whatever the schema says and however many digits it has. CEL compares
// a double with a whole number as doubles, so bounds are those that doubles tell
// apart.
func TestNumbersCompareExactly(t *testing.T) {
	kept := 0
	rapid.Check(t, func(t *rapid.T) {
		literal := rapid.StringMatching(`-?(0|[1-9][0-9]{0,20})(\.(0{0,20}|9{0,20})[0-9]{1,4})?([eE][+-]?[0-9]{1,2})?`).Draw(t, "number")
		exact, ok := new(big.Rat).SetString(literal)
		if !ok {
			t.Fatalf("no number: %s", literal)
		}
		bound := rapid.Int64Range(-maxExact, maxExact).Draw(t, "bound")
		if near := new(big.Int).Quo(exact.Num(), exact.Denom()); near.IsInt64() && rapid.Bool().Draw(t, "near") {
			bound = min(max(near.Int64(), 1-maxExact), maxExact-1) + rapid.Int64Range(-1, 1).Draw(t, "beside")
		}
		v := number([]byte(literal), rapid.SampledFrom([]numeric{unsaid, integer, real}).Draw(t, "schema"))
		if types.IsError(v) {
			return // refused
		}
		kept++
		want := exact.Cmp(new(big.Rat).SetInt64(bound))
		if got := v.(traits.Comparer).Compare(types.Int(bound)); got != types.Int(want) {
			t.Fatalf("%s compared with %d is %v, want %d", literal, bound, got, want)
		}
	})
	if kept == 0 {
		t.Error("every number was refused")
	}
}

// TestPlainNumbers: numbers as programs write them are not refused.
func TestPlainNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := rapid.Float64().Draw(t, "number")
		text, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		v := number(text, real)
		if types.IsError(v) && (math.Abs(f) < maxExact || math.Abs(f) > math.MaxInt64 && strings.Contains(string(text), "e")) {
			t.Fatalf("%s is refused: %v", text, v)
		}
		if got, ok := v.(types.Double); ok && float64(got) != f {
			t.Fatalf("%s became %v", text, got)
		}
	})
}

// TestDollars holds bad input 64 and the exactness of money.
func TestDollars(t *testing.T) {
	for _, tt := range []struct {
		cost, arguments string
		want            int64 // -1 = refused
	}{
		{"0.01", `{}`, 10_000_000}, {"2", `{}`, 2_000_000_000}, {"0", `{}`, 0}, {"00.100", `{}`, 100_000_000},
		{"0.000000001", `{}`, 1}, {"0.0000000001", `{}`, 1}, {"0.0000000010000001", `{}`, 2},
		{"9223372036.854775807", `{}`, math.MaxInt64},
		{"0.1 + 0.2", `{}`, 300_000_000}, {"0.01 * 3.0", `{}`, 30_000_000}, {"0.1 * 3.0", `{}`, 300_000_000},
		{"args.n", `{"n":3}`, 3_000_000_000}, {"args.n", `{"n":0.01}`, 10_000_000}, {"args.n", `{"n":1e-300}`, 1},
		{"uint(args.n)", `{"n":3}`, 3_000_000_000}, {"args.n", `{"n":-0.0}`, 0},
		{"double(args.n) * 0.000001", `{"n":1}`, 1000}, {"args.n / 3.0", `{"n":0.01}`, 3_333_334},
		{"args.n", `{"n":-1}`, -1}, {"args.n", `{"n":-1e-9}`, -1}, {"args.n", `{"n":1e999}`, -1}, {"args.n", `{"n":"1"}`, -1}, {"args.n", `{}`, -1},
		{"args.n", `{"n":9223372037}`, -1}, {"args.n", `{"n":1e10}`, -1}, {"args.n * 1e300 * 1e300", `{"n":1.0}`, -1},
		{"args.n * 1e300 * 1e300 * 0.0", `{"n":1.0}`, -1}, {"double(args.n)", `{"n":"NaN"}`, -1}, {"double(args.n)", `{"n":"Inf"}`, -1},
		{"args.n / 0.0", `{"n":1.0}`, -1}, {"args.n", `{"n":9223372036854775807}`, -1}, {"uint(18446744073709551615u)", `{}`, -1},
	} {
		a, refusal := evaluate(t, call(tt.arguments), policy.LimitRule{Cost: tt.cost})
		switch {
		case tt.want < 0 && (refusal == nil || refusal.Code != CodeCost && refusal.Code != CodeError):
			t.Errorf("%s of %s = %+v, want a refusal", tt.cost, tt.arguments, a)
		case tt.want >= 0 && (refusal != nil || a.Cost != tt.want):
			t.Errorf("%s of %s = %+v, %+v; want %d", tt.cost, tt.arguments, a, refusal, tt.want)
		}
	}
	half := policy.LimitRule{Cost: "9000000000"}
	if _, refusal := evaluate(t, call(`{}`), half, half); refusal == nil || refusal.Code != CodeCost {
		t.Errorf("the sum of two costs overflows: %+v", refusal)
	}
}

// TestDollarsAreDecimal: what a literal says is charged, to the nano-dollar and
// never less, as text and as a float.
func TestDollarsAreDecimal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		literal := rapid.StringMatching(`(0|[1-9][0-9]{0,4})\.[0-9]{1,10}`).Draw(t, "usd")
		exact, _ := new(big.Rat).SetString(literal)
		exact.Mul(exact, big.NewRat(nano, 1))
		want := new(big.Int).Div(new(big.Int).Add(exact.Num(), new(big.Int).Sub(exact.Denom(), big.NewInt(1))), exact.Denom()).Int64()
		if got, ok, err := literalDollars(literal); got != want || !ok || err != nil {
			t.Fatalf("literalDollars(%s) = %d, %v, %v; want %d", literal, got, ok, err, want)
		}
		var f float64
		if err := json.Unmarshal([]byte(literal), &f); err != nil {
			t.Fatal(err)
		}
		if got, err := dollars(types.Double(f)); got != want || err != nil {
			t.Fatalf("dollars(%s) = %d, %v; want %d", literal, got, err, want)
		}
	})
}

func TestRates(t *testing.T) {
	for text, want := range map[string]string{
		"100/minute": "100 per minute", "5/10s": "5 per 10 seconds", "1000/h": "1000 per hour", "20/day": "20 per day", "1/s": "1 per second",
		" 7 / 2 weeks ": "7 per 14 days", "3/1h30m": "3 per 90 minutes", "1000000000/31d": "1000000000 per 31 days", "2/MIN": "2 per minute",
		"1/1500ms": "1 per 1.5s", "01/60 seconds": "1 per minute",
	} {
		r, fault := parseRate(text)
		if fault != nil || r.String() != want {
			t.Errorf("parseRate(%q) = %v, %+v; want %s", text, r, fault, want)
		}
	}
	for _, text := range []string{"", "/", "1/", "1/0s", "1/-1s", "1/1.5", "1//s", "1/s/s", "1.5/s", "1e3/s", "+1/s", "1/9999999999999999999d", "1/9223372036d", "99999999999999999999/s", "1/0", "１/s"} {
		if r, fault := parseRate(text); fault == nil {
			t.Errorf("parseRate(%q) = %v, want a mistake", text, r)
		} else if fault.hint == "" || fault.offset >= len(text) && fault.offset > 0 && !strings.HasSuffix(text, "/") {
			t.Errorf("parseRate(%q): %+v", text, fault)
		}
	}
}

func FuzzRate(f *testing.F) {
	for _, text := range []string{"100/minute", "5/10s", "1/1h30m", "x/y", "1/９s"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, fault := parseRate(text)
		if fault != nil {
			if fault.message == "" || fault.hint == "" || fault.offset > len(text) {
				t.Fatalf("fault %+v", fault)
			}
			return
		}
		if r.calls < 1 || r.calls > maxRate || r.window < minWindow || r.window > maxWindow {
			t.Fatalf("%q = %+v", text, r)
		}
		again, fault := parseRate(strconv.FormatInt(r.calls, 10) + "/" + r.window.String())
		if fault != nil || again != r {
			t.Fatalf("%q = %+v, spelled out %+v, %+v", text, r, again, fault)
		}
	})
}
