// SPDX-License-Identifier: Apache-2.0

package codemode_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tollgate/codemode"
)

func TestValues(t *testing.T) {
	for source, want := range map[string]string{
		"return 1 + 1": "2",
		"return {a: [1, null, 'x'], b: undefined, c: new Date(0)}":                                                                 `{"a":[1,null,"x"],"c":"1970-01-01T00:00:00.000Z"}`,
		"return (await github.get_issue({n: 1})).n":                                                                                "1",
		"const {a} = await files.read({a: 'é😀\\u2028'}); return a":                                                                 `"é😀` + "\u2028" + `"`,
		"return await Promise.all([1, 2, 3].map((n) => github.x({n})))":                                                            `[{"n":1},{"n":2},{"n":3}]`,
		"interface I { n: number }\nconst x: I = {n: 4}; enum E { A = 7 }\nreturn x.n + E.A":                                       "11",
		"async () => { return await github.x() }":                                                                                  "{}",
		"```ts\nreturn 'fenced'\n```":                                                                                              `"fenced"`,
		"return '\\ud800'":                                                                                                         `"\ud800"`,
		"return 'a\\u0000b'":                                                                                                       `"a\u0000b"`,
		"let s = 0; for (let i = 0; i < 100000; i++) s += i; return s":                                                             "4999950000",
		"return [typeof fetch, typeof require, typeof process, typeof std, typeof os, typeof github]":                              `["undefined","undefined","undefined","undefined","undefined","object"]`,
		"return [Object.isFrozen(github), 'x' in github, 'then' in github, String(github), await github]":                          `[true,true,false,"[server github]",{}]`,
		"const f = github.list; return f === github.list && Object.isFrozen(f)":                                                    "true",
		"try { github.x = 1 } catch (e) { return e.message }":                                                                      `"github is read-only"`,
		"try { delete github.x } catch (e) { return e.message }":                                                                   `"github is read-only"`,
		"try { console.log = 1 } catch (e) { return e.name }":                                                                      `"TypeError"`,
		"try { globalThis.github = 1 } catch (e) { return e.name }":                                                                `"TypeError"`,
		"try { await github.x([1]) } catch (e) { return e.message }":                                                               `"github.x takes one object with named arguments, as in github.x({name: value})"`,
		"try { await github.x({a: 1n}) } catch (e) { return e.name }":                                                              `"TypeError"`,
		"try { await github.x({toJSON: () => 5}) } catch (e) { return e.message }":                                                 `"github.x takes one object with named arguments, as in github.x({name: value})"`,
		"const a = {}; a.a = a; try { await github.x(a) } catch (e) { return e.name }":                                             `"TypeError"`,
		"try { await github.x({a: '\\ud800'}) } catch (e) { return e.code }":                                                       `"invalid_arguments"`,
		"return (await github.x({['__proto__']: 1, constructor: 2})).constructor":                                                  "2",
		"let n = 0; setTimeout(() => n++, 1); const id = setTimeout(() => n += 10, 1); clearTimeout(id); await sleep(5); return n": "1",
		"let o = ''; queueMicrotask(() => o += 'm'); await null; return o":                                                         `"m"`,
		"return await Promise.race([sleep(5000).then(() => 'late'), github.x({a: 1})])":                                            `{"a":1}`,
		"return (await Promise.allSettled([github.x({}), Promise.reject(1)])).map((r) => r.status)":                                `["fulfilled","rejected"]`,
		"return await (await Promise.any([github.x({a: 1})])).a":                                                                   "1",
		"return [Error.prepareStackTrace, Object.getOwnPropertyDescriptor(Error, 'prepareStackTrace').writable]":                   "[null,false]",
		"return [new Date().getTimezoneOffset(), typeof Intl, typeof WebAssembly]":                                                 `[0,"undefined","undefined"]`,
	} {
		if got := value(t, program(source)); got != want {
			t.Errorf("%s\n\tgot  %s\n\twant %s", source, got, want)
		}
	}
	if r := run(t, program("const x = 1")); !r.Empty || string(r.Value) != "null" {
		t.Errorf("a script without return: %+v", r)
	}
}

// TestToolErrors checks what a script sees of an error, and what the caller sees when the script does not look.
func TestToolErrors(t *testing.T) {
	p := program(`
		try { await github.create({title: 1}) } catch (e) {
			return [e instanceof ToolError, e instanceof Error, e.name, e.code, e.message, e.retryable, e.details, e.server, e.tool, String(e)]
		}`)
	p.Call = func(context.Context, *codemode.Call) codemode.Answer {
		return codemode.Answer{Err: &codemode.ToolError{Code: "rate_limited", Message: "try <later>", Retryable: true, Details: json.RawMessage(`{"after":12345678901234567890}`)}}
	}
	want := `[true,true,"ToolError","rate_limited","try <later>",true,{"after":"12345678901234567890"},"github","create","ToolError: try <later>"]`
	if got := value(t, p); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	p.Source = "const a = 1\nconst b = 2\nawait github.create({title: a})\nreturn b"
	f := failure(t, p, codemode.KindTool)
	if f.Code != "rate_limited" || f.Message != "try <later>" || f.Line != 3 || f.SourceLine != "await github.create({title: a})" {
		t.Errorf("failure %+v, want rate_limited in line 3", *f)
	}
	r := run(t, p)
	if diff := cmp.Diff([]codemode.Made{{Seq: 1, Server: "github", Tool: "create", Status: codemode.Failed, Code: "rate_limited"}}, r.Calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	// The same code twice: thrown by the script itself, and by pollution of what errors inherit.
	p.Source = "Object.defineProperty(Error.prototype, 'code', {set() { throw 'no' }, get: () => 'forged'}); try { await github.x() } catch (e) { return e.code }"
	if got := value(t, p); got != `"rate_limited"` {
		t.Errorf("code %s", got)
	}
}

// TestPlaces checks that failures name the line that the model wrote.
func TestPlaces(t *testing.T) {
	for _, test := range []struct {
		source    string
		kind      codemode.Kind
		line      int
		parts     string
		limits    codemode.Limits
		otherwise string // part of the hint
	}{
		{source: "const a = 1\n\n\nthrow new TypeError('bad ' + a)", kind: codemode.KindException, line: 4, parts: "TypeError: bad 1"},
		{source: "interface X {\n  a: number\n}\nconst x: X = {a: 1}\nx.b.c", kind: codemode.KindException, line: 5, parts: "TypeError"},
		{source: "async () => {\n  const x = 1\n  fetch('y')\n}", kind: codemode.KindException, line: 3, parts: "fetch", otherwise: "no network"},
		{source: "const x = 1\nGitHub.x()", kind: codemode.KindException, line: 2, parts: "GitHub", otherwise: "did you mean github?"},
		{source: "const x = 1\nlet y = ;", kind: codemode.KindSyntax, line: 2},
		{source: "for (let i = 0; ; i++) {\n  const x = await github.x({i})\n}", kind: codemode.KindLimit, line: 2, limits: codemode.Limits{Calls: 3}},
		{source: "await github.x({})\nawait sleep(60000)", kind: codemode.KindLimit, line: 2},
		{source: "const x = 1\n\nawait github.x({big: 'x'.repeat(1e6)})", kind: codemode.KindLimit, line: 3},
		{source: "function f(n) {\n  return f(n + 1) + 1\n}\nf(0)", kind: codemode.KindStack, line: 2},
		{source: "await sleep(1)\nsetTimeout(() => {\n  throw new Error('later')\n}, 1)\nawait sleep(100)", kind: codemode.KindException, line: 3, parts: "later"},
	} {
		p := program(test.source)
		p.Limits = test.limits
		f := failure(t, p, test.kind)
		if f.Line != test.line {
			t.Errorf("%s: line %d, want %d: %+v", test.source, f.Line, test.line, *f)
		}
		contains(t, "message of "+test.source, f.Message, test.parts)
		contains(t, "hint of "+test.source, f.Hint, test.otherwise)
	}
}

// TestPlaceOfLoop looks for the place of an endless loop. QuickJS does not know it for every instruction, so some runs have none.
func TestPlaceOfLoop(t *testing.T) {
	p := program("const add = (x) => x + 1\nlet n = 0\nfor (;;) {\n  n = add(n)\n}")
	p.Limits = codemode.Limits{CPU: 20 * time.Millisecond}
	for range 20 {
		if f := failure(t, p, codemode.KindCPU); f.Line == 4 || f.Line == 1 { // in the loop, or in what it calls
			return
		} else if f.Line != 0 {
			t.Fatalf("%+v", *f)
		}
	}
	t.Error("twenty runs do not know where the loop is")
}

// TestConcurrent checks that Promise.all runs calls at once, never more than allowed, and hands out the others as they end.
func TestConcurrent(t *testing.T) {
	const calls, concurrent = 40, 4
	var now, peak atomic.Int32
	full := make(chan struct{})
	once := sync.OnceFunc(func() { close(full) })
	p := program(fmt.Sprintf("const r = await Promise.all(Array.from({length: %d}, (_, i) => github.x({i}))); return r.map((x) => x.i)", calls))
	p.Limits.Concurrent = concurrent
	p.Call = func(_ context.Context, c *codemode.Call) codemode.Answer {
		n := now.Add(1)
		defer now.Add(-1)
		for old := peak.Load(); n > old && !peak.CompareAndSwap(old, n); old = peak.Load() {
		}
		if n == concurrent {
			once()
		}
		<-full // nobody answers before as many as may run have come
		return codemode.Answer{Value: c.Arguments}
	}
	var order []int
	if err := json.Unmarshal([]byte(value(t, p)), &order); err != nil || len(order) != calls || order[39] != 39 {
		t.Errorf("%v, %v", order, err)
	}
	if peak.Load() != concurrent {
		t.Errorf("%d calls at once, want exactly %d", peak.Load(), concurrent)
	}
}

func TestBuiltins(t *testing.T) {
	p := program(`return [Object.keys(tools), await tools.search('issues', {limit: 3}), await tools.search({query: 'q'}), await tools.describe(['a']), await readToolFile('x.d.ts'),
		await tools.search().catch((e) => e.message), Object.isFrozen(tools), typeof tools.nope]`)
	p.Builtins = []codemode.Builtin{{Name: "search", First: "query"}, {Name: "describe", First: "names"}, {Name: "readToolFile", First: "file", Global: true}}
	want := `[["search","describe"],{"limit":3,"query":"issues"},{"query":"q"},{"names":["a"]},{"file":"x.d.ts"},{},true,"undefined"]`
	if got := value(t, p); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if r := run(t, p); r.Calls[0].Server != "tools" || r.Calls[3].Tool != "readToolFile" {
		t.Errorf("calls %+v", r.Calls)
	}
	p.Servers = append(p.Servers, "JSON", "tools")
	if _, err := engine(t).Run(t.Context(), p); err == nil {
		t.Error("a server took the name of a builtin, want an error")
	}
	p = program("return 1")
	p.Servers = []string{"console"}
	_, err := engine(t).Run(t.Context(), p)
	if err == nil {
		t.Fatal("a server replaced console, want an error")
	}
	contains(t, "error", err.Error(), "name of a global that exists")
}

func TestConsole(t *testing.T) {
	p := program(`console.log('a', 1, {b: [2n]}, null, undefined, new Map([['k', new Set([1])]]), () => 1, Symbol('s'))
		console.warn('w'); console.error(new Error('boom')); console.debug('d'); console.assert(1 === 2, 'math'); console.assert(true)
		const cycle = {}; cycle.c = cycle; console.info(cycle); console.table([1]); console.groupEnd()
		console.log('\ud800 lone', 'nul\u0000')`)
	r := run(t, p)
	var got []string
	for _, l := range r.Logs {
		got = append(got, l.Level+": "+l.Text)
	}
	got[2] = got[2][:len("error: Error: boom\n")]
	want := []string{
		`log: a 1 {"b":["2n"]} null undefined {"k":[1]} [function] Symbol(s)`, "warn: w", "error: Error: boom\n", "debug: d",
		"error: assertion failed math", "info: [an object that cannot be shown]", "log: [1]", "log: \uFFFD lone nul\x00",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("logs (-want +got):\n%s", diff)
	}
	p = program("for (let i = 0; i < 100; i++) console.log('0123456789'); return 'done'")
	p.Limits.Logs = 105
	r = run(t, p)
	if len(r.Logs) != 11 || r.Logs[10].Text != "01234" || r.LogsDropped != 89 || string(r.Value) != `"done"` {
		t.Errorf("%d lines, the last %q, %d dropped, value %s", len(r.Logs), r.Logs[len(r.Logs)-1].Text, r.LogsDropped, r.Value)
	}
}

// TestFixed checks that a fixed clock and seed repeat, and that otherwise nothing does.
func TestFixed(t *testing.T) {
	p := program("const a = Date.now(); await sleep(20); return [a, Date.now(), new Date(a).toISOString(), Math.random(), Math.random()]")
	p.Fixed = &codemode.Fixed{Time: time.UnixMilli(1_800_000_000_000), Seed: 7}
	first, second := value(t, p), value(t, p)
	contains(t, "value", first, `[1800000000000,1800000000020,"2027-01-15T08:00:00.000Z",`)
	if first != second {
		t.Errorf("%s, then %s", first, second)
	}
	p.Fixed.Seed = 8
	if value(t, p) == first {
		t.Error("another seed gives the same numbers")
	}
	random := program("return Array.from({length: 1000}, () => Math.random())")
	if one, other := value(t, random), value(t, random); one == other {
		t.Error("two executions have the same random numbers")
	}
	var numbers []float64
	if err := json.Unmarshal([]byte(value(t, random)), &numbers); err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, n := range numbers {
		if n < 0 || n >= 1 {
			t.Errorf("random number %v", n)
		}
		sum += n
	}
	if sum < 400 || sum > 600 {
		t.Errorf("1000 random numbers sum up to %v", sum)
	}
}

// TestDetached checks that calls nobody waits for are cancelled and told about.
func TestDetached(t *testing.T) {
	started, ended := make(chan struct{}), make(chan error, 1)
	p := program("github.slow({}); await sleep(1); github.never({}); return await files.read({})")
	p.Limits.Concurrent = 2
	p.Call = func(ctx context.Context, c *codemode.Call) codemode.Answer {
		switch c.Tool {
		case "slow":
			close(started)
			<-ctx.Done()
			ended <- ctx.Err()
			return codemode.Answer{Err: &codemode.ToolError{Code: "cancelled"}}
		case "never":
			<-ctx.Done()
			return codemode.Answer{Value: []byte("1")}
		}
		<-started
		return codemode.Answer{Value: []byte(`"text"`)}
	}
	p.Limits.Concurrent = 3
	r := run(t, p)
	if diff := cmp.Diff([]int{1, 2}, r.Detached); diff != "" || string(r.Value) != `"text"` {
		t.Errorf("value %s, detached (-want +got):\n%s", r.Value, diff)
	}
	if err := <-ended; err == nil {
		t.Error("the call did not notice")
	}
	if r.Calls[0].Status != codemode.Cancelled || r.Calls[1].Status != codemode.OK || r.Calls[2].Status != codemode.OK {
		t.Errorf("calls %+v", r.Calls)
	}
}
