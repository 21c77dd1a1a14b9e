// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tollgate/policy"
)

// nest writes maps inside of one another, V being the element.
func nest(n int, start, step string) string {
	for i := range n {
		start += fmt.Sprintf(".map(v%d, %s)", i, strings.ReplaceAll(step, "V", fmt.Sprintf("v%d", i)))
	}
	return start
}

// costly are expressions that look at much more than they seem to: a step inside
// of a loop that passes over a text, and values that hold others many times.
func costly() []string {
	out := []string{
		`args.l.all(i, !args.q.lowerAscii().contains("b"))`, `args.l.map(x, args.q.upperAscii()).size() > 3`, `args.l.map(x, args.q.substring(1)).size() > 3`,
		`args.s.all(w, args.q.lowerAscii() != w)`, `args.s.all(w, args.q.size() >= w.size())`,
		`args.l.all(x, [args.l] == [args.l])`, `args.l.all(x, {"a": args.l} == {"a": args.l})`, `args.l.all(x, args.l + [1] == args.l + [1])`,
		`args.l.all(x, [args.l, args.l] != [args.l, args.s])`, `args.l.map(x, args) == args.l.map(y, args)`, `args.l.all(x, args.l in [args.l])`,
		`args.l.all(i, args.o == args.o)`,
		`args.l.all(i, time.getHours("Asia/Tokyo") == 18)`, `args.l.all(i, timestamp(args.t) < time)`, `args.l.all(i, duration(args.d) > duration("1s"))`,
		`args.l.all(i, double(args.n) < 1.0)`, `args.l.all(i, args.q.matches("(a|b)*c") == false)`,
		`args.l.all(i, args.q.indexOf("` + strings.Repeat("a", 200) + `b") < 0)`, `args.q.matches("(a?b?){30}c") == false`,
		`args.q.indexOf("` + strings.Repeat("a", 1000) + `b") < 0`, `args.l.exists(x, args.l.exists(y, x + y == 7))`,
		nest(14, `[args.l]`, `[V,V]`) + ` == ` + nest(14, `[args.l]`, `[V,V]`),
		nest(40, `[args.l]`, `V+V`) + `[0] == ` + nest(40, `[args.l]`, `V+V`) + `[0]`, `!(7 in ` + nest(40, `[args.l]`, `V+V`) + `[0])`,
	}
	for _, step := range []string{`i < size(args.q)`, `i < args.q.size()`, `args.q.charAt(i) != "z"`, `args.q.substring(i, i + 1) != "z"`, `args.q.lowerAscii() != "z"`,
		`args.q.upperAscii() != "z"`, `args.q.reverse() != "z"`, `args.q.trim() != "z"`, `string(args.q) != "z"`, `bytes(args.q).size() > 1`,
		`args.q.indexOf("z") == -1`, `args.q.lastIndexOf("z") == -1`, `!args.q.contains("z")`, `args.q + args.q != "z"`, `args.q < args.q + "b"`, `!(9 in args.l)`} {
		out = append(out, `args.l.all(i, `+step+`)`)
	}
	return out
}

// mild are expressions that look costly and are answered, if the machine is not
// too slow.
func mild() []string {
	return []string{
		`args.s.all(w, args.q.endsWith(w) == false)`, `args.q.split("").all(c, args.q.startsWith(c))`, `args.l.all(i, !(string(i) in args.o))`,
		`args.l.all(i, !has(args.o.zz))`, `args.o.all(k, args.o[k] == 1)`, `args.l.all(i, principal.roles.size() == 2)`,
		`args.l.all(i, object.annotations == {"readOnlyHint": true, "title": "Query"})`,
	}
}

// crowded are arguments of about a size that have as much as fits of what an
// expression reads.
func crowded(expression string, size int) string {
	used := 0
	for _, name := range []string{"q", "l", "s", "o", "n", "t", "d"} {
		if strings.Contains(expression, "args."+name) {
			used++
		}
	}
	share := size/max(1, used) - 40
	var members []string
	add := func(name, start, each, end string) {
		if strings.Contains(expression, "args."+name) {
			members = append(members, `"`+name+`":`+start+strings.Repeat(each, max(0, share)/len(each))+end)
		}
	}
	add("q", `"`, `a`, `"`)
	add("l", `[`, `1,`, `1]`)
	add("s", `[`, `"b",`, `"b"]`)
	add("n", `"0.`, `3`, `"`)
	add("t", `"2026-01-01T00:00:00.`, `1`, `Z"`)
	add("d", `"`, `1h`, `1h"`)
	var names strings.Builder
	for i := 0; names.Len() < share; i++ {
		fmt.Fprintf(&names, `"k%d":1,`, i)
	}
	if strings.Contains(expression, "args.o") {
		members = append(members, `"o":{`+names.String()+`"a":1}`)
	}
	return `{` + strings.Join(members, ",") + `}`
}

// TestUnits: whatever the arguments are, an expression ends in about the time that
// is promised, without a deadline up to its free size and by cost or deadline
// above. The bound is generous: the machine may be slow and the race detector on.
func TestUnits(t *testing.T) {
	for i, e := range slices.Concat(costly(), mild()) {
		s, err := Compile([]Rule{{LimitRule: policy.LimitRule{Require: e}}})
		if err != nil {
			t.Errorf("%.60s: %v", e, err)
			continue
		}
		p := s.limits[0].require
		for _, size := range []int{p.free, policy.MaxArguments} {
			if size <= 0 {
				continue
			}
			arguments := crowded(e, min(size, policy.MaxArguments))
			c := call(arguments)
			start := time.Now()
			_, refusal := Evaluate(t.Context(), s.limits, c)
			took := time.Since(start)
			code := ""
			if refusal != nil {
				code = refusal.Code
			}
			t.Logf("%6.1f ms at %5d bytes (free %d) %s: %.70s", float64(took.Microseconds())/1000, len(arguments), p.free, code, e)
			if size > p.free && code != CodeTooDear && i < len(costly()) {
				t.Errorf("%.60s is answered for %d bytes of arguments: %+v", e, len(arguments), refusal)
			}
			if took > 60*maxTime {
				t.Errorf("%.60s took %v for %d bytes of arguments, free are %d", e, took, len(arguments), p.free)
			}
		}
	}
}

// TestMisses: looking for names that are not there does not read the text again
// and again, and answers what it answered before.
func TestMisses(t *testing.T) {
	names := make([]string, 400)
	for i := range names {
		names[i] = fmt.Sprintf(`"k%d"`, i)
	}
	arguments := `{"o":{` + strings.Join(names[:200], ":1,") + `:1},"ks":[` + strings.Join(names, ",") + `]}`
	for _, require := range []string{
		`args.ks.filter(k, k in args.o).size() == 200`, `args.ks.all(k, !(k in args.o) || args.o[k] == 1)`, `args.ks.all(k, !has(args.o.none))`,
		`args.ks.exists(k, k in args.o && args.o[k] == 1) && !("none" in args.o)`,
	} {
		c := call(arguments)
		start := time.Now()
		if _, refusal := evaluate(t, c, policy.LimitRule{Require: require}); refusal != nil {
			t.Errorf("%s: %+v after %v", require, refusal, time.Since(start))
		}
	}
}
