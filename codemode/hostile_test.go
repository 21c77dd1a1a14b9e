// SPDX-License-Identifier: Apache-2.0

package codemode_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"tollgate/codemode"
)

const (
	soon = 60 * time.Millisecond // of a script that computes without end
	late = 20 * time.Second      // of one that must end for another reason
)

// attack is a script that wants more than it may have, and how it must end.
type attack struct {
	name, source string
	kind         codemode.Kind // "": with a value
	value        string        // part of it, or of the message
	limits       codemode.Limits
}

// TestNativeLoops stops loops inside of the JavaScript engine, where no interrupt handler looks.
func TestNativeLoops(t *testing.T) {
	huge := "{length: 2**53 - 1}"
	loops := []string{
		"Array.prototype.reverse.call(" + huge + ")",
		"Array.prototype.fill.call(" + huge + ", 1)",
		"Array.prototype.sort.call(" + huge + ")",
		"Array.prototype.indexOf.call(" + huge + ", 1)",
		"Array.prototype.lastIndexOf.call(" + huge + ", 1)",
		"Array.prototype.includes.call(" + huge + ", 1)",
		"Array.prototype.join.call(" + huge + ", '')",
		"Array.prototype.copyWithin.call(" + huge + ", 1, 0)",
		"Array.prototype.unshift.call({length: 2**53 - 2}, 1)",
		"Array.prototype.splice.call(" + huge + ", 0, 1)",
		"Array.prototype.shift.call(" + huge + ")",
		"Array.prototype.every.call(" + huge + ", () => true)",
		"Array.prototype.findLast.call(" + huge + ", () => false)",
		"Array.from({length: 2**32 - 2}, () => 0)",
		"const a = []; a.length = 2**32 - 1; a.join()",
		"const a = []; a[2**32 - 2] = 1; a.sort(); a.reverse(); a.toString()",
		"let x = 3n ** 70000n; for (;;) x = x * x % (x - 1n) + 3n ** 60000n",
		"const x = 7n ** 200000n; for (;;) x.toString()",
		"/^(a+)+$/.test('a'.repeat(60) + 'b')",
		"/(x+x+)+y/.exec('x'.repeat(60))",
		"'a'.repeat(1e6).replaceAll('a', () => 'b'.repeat(3)).replaceAll('b', 'cc'); for (;;) 'a'.repeat(1e6).replaceAll('a', 'bb')",
		"for (;;) 'a'.repeat(1e6).lastIndexOf('ab')",
		"const s = 'ab'.repeat(5e5); for (;;) s.indexOf('ba'.repeat(4e5) + 'c')",
		"const r = new FinalizationRegistry(() => {}); for (;;) r.register({}, 1)",
		"const b = new Uint8Array(2e7); for (;;) { b.fill(1); b.copyWithin(0, 1) }",
		"const b = new Float64Array(1e6).map((_, i) => -i); for (;;) b.sort()",
		"for (;;) JSON.stringify(new Array(1e6).fill(0))",
		"const s = '[' + '0,'.repeat(5e5) + '0]'; for (;;) JSON.parse(s)",
		"for (;;) ('x'.repeat(1e6) + 'é').normalize('NFD')",
		"for (;;) encodeURIComponent('é'.repeat(1e5))",
	}
	for i, source := range loops {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			p := program("return " + source)
			if strings.Contains(source, ";") {
				p.Source = source
			}
			p.Limits = codemode.Limits{CPU: soon, Memory: 256 << 20}
			r := run(t, p)
			if r.Failure == nil || r.Failure.Kind != codemode.KindCPU {
				t.Fatalf("value %.100s, failure %+v: want one of kind cpu\n%s", r.Value, r.Failure, source)
			}
			if r.Usage.CPU > 40*soon { // the machine may be busy, but not that busy
				t.Errorf("stopped after %v, the limit is %v\n%s", r.Usage.CPU, soon, source)
			}
		})
	}
}

func attacks() []attack {
	cpu, small := codemode.Limits{CPU: soon}, codemode.Limits{CPU: late, Memory: 16 << 20}
	return []attack{
		// Loops without end.
		{"loop", "for (;;) {}", "cpu", "", cpu},
		{"finally", "try { for (;;) {} } finally { for (;;) {} }", "cpu", "", cpu},
		{"catch", "for (;;) { try { for (;;) {} } catch {} }", "cpu", "", cpu},
		{"microtask", "const f = () => Promise.resolve().then(f); await f()", "cpu", "", cpu},
		{"await chain", "for (;;) await null", "cpu", "", cpu},
		{"generator", "function* g() { for (;;) yield 1 }; for (const x of g()) {}", "cpu", "", cpu},
		{"getter", "return {get x() { for (;;) {} }}", "cpu", "", cpu},
		{"toJSON", "return {toJSON() { for (;;) {} }}", "cpu", "", cpu},
		{"thenable", "return {then(r) { for (;;) {} }}", "cpu", "", cpu},
		{"recursive thenable", "const t = {then(r) { r(t) }}; await t", "cpu", "", cpu},
		{"message getter", "throw {get message() { for (;;) {} }}", "cpu", "", cpu},
		{"proxy thrown", "throw new Proxy({}, {get() { for (;;) {} }})", "cpu", "", cpu},
		{"log getter", "console.log({get x() { for (;;) {} }})", "cpu", "", cpu},
		{"timer", "setTimeout(() => { for (;;) {} }, 1); await sleep(50)", "cpu", "", cpu},
		{"argument getter", "await github.x({get a() { for (;;) {} }})", "cpu", "", cpu},
		{"exponential calls", "const f = (n) => { if (n) { f(n - 1); f(n - 1) } }; f(60)", "cpu", "", cpu},
		{"sort comparator", "[3, 1, 2].sort(() => { for (;;) {} })", "cpu", "", cpu},
		{"symbol iterator", "const [a] = {[Symbol.iterator]() { for (;;) {} }}", "cpu", "", cpu},
		{"finalizers", "for (;;) { new FinalizationRegistry(() => {}).register({}, 1) }", "cpu", "", cpu},
		{"regex", "/(a|aa)+$/.test('a'.repeat(100) + 'b')", "cpu", "", cpu},
		{"nested regex", "return new RegExp('('.repeat(100000) + ')'.repeat(100000)).test('x')", "exception", "SyntaxError", small},
		{"eval loop", "eval('for (;;) {}')", "cpu", "", cpu},
		{"before it runs", "} ); for (;;) {} (async () => {", "syntax", "", cpu},

		// Memory.
		{"array bomb", "const a = []; for (;;) a.push(new Array(1000).fill(a))", "memory", "16 MiB", small},
		{"string bomb", "let s = 'x'; for (;;) s += s + 'y'", "exception", "string too long", small},
		{"buffer bomb", "const a = []; for (;;) a.push(new ArrayBuffer(1e6))", "memory", "", small},
		{"caught and tried again", "const a = []; for (let i = 0; i < 30; i++) { try { for (;;) a.push(new ArrayBuffer(5e5)) } catch {} } return a.length > 5", "", "true", small},
		{"2^40 buffer", "new ArrayBuffer(2**40)", "exception", "RangeError", small},
		{"resizable", "const b = new ArrayBuffer(1, {maxByteLength: 2**30}); b.resize(2**29)", "memory", "", small},
		{"map bomb", "const m = new Map(); for (let i = 0; ; i++) m.set(i, {i})", "memory", "", small},
		{"closure bomb", "let f = () => 1; for (;;) { const g = f; f = () => g }", "memory", "", small},
		{"stringify bomb", "const a = new Array(2e6).fill('xxxxxxxx'); return JSON.stringify([a, a])", "memory", "", small},
		{"shared buffer", "const a = []; for (;;) a.push(new SharedArrayBuffer(1e6))", "memory", "", small},

		// Stack.
		{"recursion", "const f = () => f(); f()", "stack", "", small},
		{"async recursion", "const f = async () => { await f() }; await f()", "stack", "", small},
		{"toString recursion", "const o = {toString() { return '' + o }}; '' + o", "stack", "", small},
		{"getter recursion", "const o = {get x() { return o.x }}; o.x", "stack", "", small},
		{"proxy chain", "let p = {}; for (let i = 0; i < 1e5; i++) p = new Proxy(p, {}); p.x", "memory", "", small},
		{"bind chain", "let f = () => 1; for (let i = 0; i < 1e5; i++) f = f.bind(null); f()", "memory", "", small},
		{"deep JSON", "JSON.parse('['.repeat(1e6))", "stack", "", small},
		{"deep result", "let a = []; for (let i = 0; i < 6e3; i++) a = [a]; return a", "result", "levels", small},
		{"deeper result", "let a = []; for (let i = 0; i < 2e4; i++) a = [a]; return a", "stack", "", small},
		{"deep source", "return eval('('.repeat(20000) + ')'.repeat(20000))", "stack", "", small},
		{"deep arguments", "let a = {}; for (let i = 0; i < 6e3; i++) a = {a}; await github.x(a)", "tool_error", "levels", small},
		{"deep pattern", "new RegExp('(?:'.repeat(1e4) + ')'.repeat(1e4))", "exception", "stack overflow", small},
		{"too many arguments", "Reflect.apply(Math.max, null, {length: 2**53 - 1})", "exception", "too many arguments", small},
		{"long number", "BigInt('9'.repeat(900000))", "exception", "BigInt is too large", small},
		{"concat", "return String.prototype.concat.apply('', Array(60000).fill('x'.repeat(1000))).split('')", "memory", "", small},
		{"promise chain", "let p = Promise.resolve(1); for (let i = 0; i < 1e4; i++) p = p.then((x) => x + 1); return await p", "", "10001", small},

		// Amounts.
		{"large result", "return 'x'.repeat(1e6)", "", "cut:", codemode.Limits{CPU: late}},
		{"huge result", "return 'x'.repeat(9e6)", "limit", "bytes of JSON", codemode.Limits{CPU: late, Memory: 200 << 20}},
		{"large log", "for (let i = 0; i < 10; i++) console.log('x'.repeat(1e6)); return 'ok'", "", "ok", codemode.Limits{CPU: late}},
		{"large arguments", "await github.x({a: 'x'.repeat(5e6)})", "limit", "arguments", codemode.Limits{CPU: late}},
		{"calls at once", "await Promise.all(Array.from({length: 10000}, (_, i) => github.x({i})))", "limit", "100 calls", codemode.Limits{CPU: late}},
		{"calls in a loop", "for (;;) await github.x({})", "limit", "100 calls", codemode.Limits{CPU: late}},
		{"calls and errors", "for (;;) { try { await github.x({}) } catch {} }", "limit", "", codemode.Limits{CPU: late}},
		{"timers", "for (;;) sleep(1000)", "limit", "timers", codemode.Limits{CPU: late}},
		{"long sleep", "await sleep(1e9)", "limit", "timer", codemode.Limits{CPU: late}},
		{"infinite sleep", "await sleep(Infinity)", "limit", "", codemode.Limits{CPU: late}},
		{"not a time", "await sleep(NaN); await sleep(-5); await sleep('2'); return 1", "", "1", codemode.Limits{CPU: late}},
		{"source", "return '" + strings.Repeat("x", 70000) + "'", "limit", "70009 bytes", codemode.Limits{}},

		// Waiting.
		{"never", "await new Promise(() => {})", "deadlock", "", codemode.Limits{}},
		{"sleeps for ever", "for (;;) await sleep(5)", "timeout", "", codemode.Limits{Wall: 50 * time.Millisecond}},
		{"polls for ever", "for (;;) { await github.x({}); await sleep(1) }", "timeout", "", codemode.Limits{Wall: 50 * time.Millisecond, Calls: 10000}},
		{"atomics", "Atomics.wait(new Int32Array(new SharedArrayBuffer(8)), 0, 0)", "exception", "", codemode.Limits{}},
	}
}

// TestHostile runs the attacks, and an honest script after each.
func TestHostile(t *testing.T) {
	for _, a := range attacks() {
		t.Run(a.name, func(t *testing.T) {
			p := program(a.source)
			p.Limits = a.limits
			r := run(t, p)
			kind, text := codemode.Kind(""), string(r.Value)
			if r.Failure != nil {
				kind, text = r.Failure.Kind, r.Failure.Message
			}
			if kind != a.kind || !strings.Contains(text, a.value) {
				t.Errorf("kind %q, %.300s: want %q, %q", kind, text, a.kind, a.value)
			}
			if a.limits.Memory > 0 && r.Usage.Memory > a.limits.Memory {
				t.Errorf("%d bytes of memory, the limit is %d", r.Usage.Memory, a.limits.Memory)
			}
			if r.Failure == nil && !json.Valid(r.Value) {
				t.Errorf("the value is not JSON: %.100q", r.Value)
			}
			if got := value(t, program("return (await github.x({n: 42})).n")); got != "42" {
				t.Errorf("the next script answers %s", got)
			}
		})
	}
}

// TestRealm lets scripts change everything they can reach: they harm their own realm, and nobody after them.
func TestRealm(t *testing.T) {
	for name, source := range map[string]string{
		"prototypes":     "for (const c of [Object, Array, Map, String, Function, Number, RegExp]) for (const k of Object.getOwnPropertyNames(c.prototype)) try { c.prototype[k] = () => { throw 'polluted' } } catch {}",
		"promise":        "Promise.prototype.then = () => { throw 1 }; Promise.resolve = Promise.all = () => 7; globalThis.Promise = class {}",
		"json":           "JSON.stringify = () => '{\"forged\":1}'; JSON.parse = () => ({forged: 1}); globalThis.JSON = null",
		"setter 0":       "Object.defineProperty(Array.prototype, 0, {set() { throw 1 }, get: () => 9}); Object.defineProperty(Object.prototype, 'get', {get() { throw 2 }})",
		"species":        "Promise[Symbol.species]; Object.defineProperty(Promise, Symbol.species, {get() { throw 1 }}); Object.defineProperty(Promise.prototype, 'constructor', {get() { return class extends Promise {} }})",
		"toJSON":         "Object.prototype.toJSON = function () { return this.n === undefined ? 'forged' : this }",
		"then":           "Object.prototype.then = function (r) { r = 1 }; delete Object.prototype.then",
		"error":          "Error.prepareStackTrace = (e, s) => s; Error.stackTraceLimit = 0; globalThis.Error = class {}; Error.captureStackTrace = null",
		"globals":        "for (const k of Object.getOwnPropertyNames(globalThis)) try { globalThis[k] = undefined; delete globalThis[k] } catch {}",
		"freeze":         "Object.freeze(Array.prototype); Object.freeze(Promise.prototype); Object.preventExtensions(globalThis)",
		"get prototype":  "try { Object.setPrototypeOf(github, {}) } catch {}; try { Object.setPrototypeOf(ToolError, null) } catch {}; try { Object.setPrototypeOf(console, {}) } catch {}",
		"symbol":         "Object.defineProperty(Function.prototype, Symbol.hasInstance, {value: () => true, configurable: true})",
		"constructor":    "const F = github.constructor ?? (() => {}).constructor; new F('return globalThis')().x = 1; (async () => {}).constructor('return 1')",
		"math":           "Math.max = Math.random = Math.imul = null; Number.prototype.toString = null; globalThis.undefined = 1",
		"host functions": "sleep.call = sleep.apply = null; try { sleep.constructor.prototype.call = null } catch {}; try { github.x.call(null, {}) } catch {}",
	} {
		t.Run(name, func(t *testing.T) {
			p := program("try { " + source + " } catch (e) {}; const r = await github.x({n: 42}); return r.n")
			r := run(t, p)
			if r.Failure == nil && string(r.Value) != "42" && !strings.Contains(string(r.Value), "forged") {
				t.Errorf("the script itself answers %s", r.Value)
			}
			if r.Failure == nil && r.Calls[0] != (codemode.Made{Seq: 1, Server: "github", Tool: "x", Status: codemode.OK}) {
				t.Errorf("calls %+v", r.Calls)
			}
			clean := value(t, program("return [JSON.stringify([[].concat([1]), {}.x, typeof Error.prepareStackTrace]), (await github.x({n: 1})).n]"))
			if clean != `["[[1],null,\"undefined\"]",1]` {
				t.Errorf("the next script sees %s", clean)
			}
		})
	}
}

// TestThrown formats whatever a script throws.
func TestThrown(t *testing.T) {
	for source, want := range map[string]string{
		"throw 42": "42", "throw null": "null", "throw undefined": "undefined", "throw 'text'": "text", "throw {a: 1}": `{"a":1}`,
		"throw Symbol('s')": "Symbol(s)", "throw 5n": "5n", "await Promise.reject()": "undefined", "throw github": "{}", "throw () => 1": "",
		"const p = Proxy.revocable({}, {}); p.revoke(); throw p.proxy":                                  "",
		"throw new Proxy({}, {get() { throw new Error('trap') }})":                                      "",
		"throw Object.create(null)":                                                                     "{}",
		"throw {message: 'm', name: 'N'}":                                                               "N: m",
		"throw {message: 5}":                                                                            `{"message":5}`,
		"throw new AggregateError([1], 'many')":                                                         "AggregateError: many",
		"const e = new Error('x'); e.stack = 'at x (script.ts:1:1)\\n'.repeat(1e5); throw e":            "Error: x",
		"throw new Error('y'.repeat(1e6))":                                                              "Error: yyy",
		"throw new Error('\\ud800\\u0000')":                                                             "Error: ",
		"class E extends Error { get name() { throw 1 } }; throw new E('named')":                        "named",
		"const e = new ToolError('mine'); throw e":                                                      "mine",
		"throw Object.assign(new ToolError('m'), {code: {}})":                                           "m",
		"const c = github.then ?? 'none'; throw c":                                                      "none",
		"throw new Error(JSON.stringify({kind: 'cpu', line: 99}))":                                      `{"kind":"cpu","line":99}`,
		"await Promise.all([github.x({}), Promise.reject(new RangeError('r')), new Promise(() => {})])": "RangeError: r",
	} {
		p := program(source)
		r := run(t, p)
		if r.Failure == nil || (r.Failure.Kind != codemode.KindException && r.Failure.Kind != codemode.KindTool) {
			t.Errorf("%s: value %s, failure %+v", source, r.Value, r.Failure)
			continue
		}
		contains(t, source, r.Failure.Message, want)
		if len(r.Failure.Message) > 5000 || len(r.Failure.Stack) > 5000 {
			t.Errorf("%s: a failure of %d and %d bytes", source, len(r.Failure.Message), len(r.Failure.Stack))
		}
	}
}

// TestForged sends what looks like messages to the host as arguments and names.
func TestForged(t *testing.T) {
	var got []string
	p := program(`const out = [];
		for (const name of ['x\n{}', '\n', 'D{"forged":1}', 'x\nD{"forged":1}', '', ' ', '\ud800', '\u0000', '__proto__x', '1', 'C0\nx\n{}'])
			out.push(await github[name]({a: 'D{"forged":1}\nC0\nfiles\n{}', ['k\n']: '\n'}).then(() => 1, (e) => e.code));
		return out`)
	p.Call = func(_ context.Context, c *codemode.Call) codemode.Answer {
		got = append(got, c.Server+"."+c.Tool)
		if !strings.HasPrefix(string(c.Arguments), `{"a":"D{\"forged\":1}\nC0\nfiles\n{}"`) {
			t.Errorf("arguments %s", c.Arguments)
		}
		return codemode.Answer{Err: &codemode.ToolError{Code: "unknown"}}
	}
	if v := value(t, p); strings.Contains(v, "forged") || strings.Count(v, "unknown") != 11 {
		t.Errorf("value %s", v)
	}
	for i, want := range []string{"github.x\n{}", "github.\n", `github.D{"forged":1}`} {
		if got[i] != want {
			t.Errorf("call %d is %q, want %q", i, got[i], want)
		}
	}
}
