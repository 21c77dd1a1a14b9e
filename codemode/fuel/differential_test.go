// SPDX-License-Identifier: Apache-2.0

package fuel_test

import (
	"fmt"
	"strings"
	"testing"
)

// FuzzInstrument writes scripts from a grammar, one for every input, and compares what the published engine and the rewritten
// one make of them. The scripts always end: loops count to small numbers and functions call only those before them.
func FuzzInstrument(f *testing.F) {
	for _, seed := range []string{"", "a", "loops and calls", "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09", strings.Repeat("\xfe\x17\x83\x31", 60)} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		w := &writer{data: data, left: 120}
		sharedPair(t).same(t, w.program())
	})
}

// TestGrammar looks at a few programs, so that the fuzzer does not run on scripts that all fail at their first character.
func TestGrammar(t *testing.T) {
	p, fine := sharedPair(t), 0
	programs := 60
	if testing.Short() {
		programs = 15
	}
	for i := range programs {
		w := &writer{data: fmt.Appendf(nil, "%d:%x", i, i*i*7919+i*104729), left: 120}
		if got := p.same(t, w.program()); strings.HasPrefix(got, "=") && len(got) > 8 {
			fine++
		}
	}
	if fine < programs/2 {
		t.Errorf("%d of %d generated scripts have a value, want at least half", fine, programs)
	}
}

// writer turns bytes into decisions, and decisions into a script. When the bytes run out a counter goes on.
type writer struct {
	data  []byte
	at    int
	names int
	funcs int
	left  int // parts that the program may still get, so that it ends soon
}

func (w *writer) pick(n int) int {
	v := w.at*w.at*31 + w.at
	if len(w.data) > 0 {
		v = int(w.data[w.at%len(w.data)]) + w.at/len(w.data)*w.at
	}
	w.at++
	return v % n
}

func (w *writer) one(of ...string) string { return of[w.pick(len(of))] }

func (w *writer) program() string {
	var b strings.Builder
	b.WriteString("const out = []; let a = 1, b = 'x', c = [3, 1, 2], d = { k: 1 }, n = 0;\n")
	for range 1 + w.pick(3) {
		fmt.Fprintf(&b, "%s f%d(p, q = %s) { %s; return %s }\n", w.one("function", "function", "function*", "async function"), w.funcs, w.expr(1), w.statement(2), w.expr(2))
		w.funcs++
	}
	for range 2 + w.pick(5) {
		fmt.Fprintf(&b, "try { %s } catch (e) { out.push(String(e)) }\n", w.statement(0))
		fmt.Fprintf(&b, "try { out.push(JSON.stringify(%s)) } catch (e) { out.push(e.name) }\n", w.expr(0))
	}
	b.WriteString("JSON.stringify([out, a, String(b), c, d, n].map(String))")
	return b.String()
}

func (w *writer) statement(depth int) string {
	if w.left--; depth > 3 || w.left < 0 {
		return w.one("a", "b", "n") + " = " + w.expr(depth)
	}
	switch w.pick(12) {
	case 0:
		w.names++
		return fmt.Sprintf("for (let i%d = 0; i%d < %d; i%d++) { %s }", w.names, w.names, 1+w.pick(5), w.names, w.statement(depth+1))
	case 1:
		w.names++
		return fmt.Sprintf("for (const v%d of %s) { n++; if (n > 300) break; %s }", w.names, w.iterable(depth+1), w.statement(depth+1))
	case 2:
		return fmt.Sprintf("if (%s) { %s } else { %s }", w.expr(depth+1), w.statement(depth+1), w.statement(depth+1))
	case 3:
		return fmt.Sprintf("try { %s; throw %s } catch (e) { a = String(e) } finally { %s }", w.statement(depth+1), w.expr(depth+1), w.statement(depth+1))
	case 4:
		return fmt.Sprintf("switch (%s) { case %s: %s; break; default: %s }", w.expr(depth+1), w.expr(depth+2), w.statement(depth+1), w.statement(depth+1))
	case 5:
		return fmt.Sprintf("d[%s] = %s", w.expr(depth+1), w.expr(depth+1))
	case 6:
		return fmt.Sprintf("c.%s(%s)", w.one("push", "unshift", "fill", "indexOf", "concat"), w.expr(depth+1))
	case 7:
		return fmt.Sprintf("c = (%s).slice(0, 50)", w.iterable(depth+1))
	case 8:
		return fmt.Sprintf("const [x, y] = %s; n += x === y ? 1 : 2", w.iterable(depth+1))
	case 9:
		return fmt.Sprintf("{ const u = new Uint8Array(%d); u.fill(%s, %d); u.copyWithin(%d, %d, %d); b = u.reduce((s, x) => (s * 31 + x) | 0, 7) }",
			1+w.pick(90)*w.pick(90)*50, w.expr(depth+1), w.pick(300), w.pick(999), w.pick(999), w.pick(99999))
	}
	return w.one("a", "b", "n", "d.k") + " " + w.one("=", "+=", "??=", "||=") + " " + w.expr(depth+1)
}

func (w *writer) iterable(depth int) string {
	switch w.pick(6) {
	case 0:
		return fmt.Sprintf("Array.from({ length: %d }, (_, i) => %s)", w.pick(12), w.expr(depth+1))
	case 1:
		return fmt.Sprintf("c.map((x, i) => %s)", w.expr(depth+1))
	case 2:
		return fmt.Sprintf("c.toSorted((x, y) => %s)", w.one("x - y", "y - x", "0", "String(x) < String(y) ? -1 : 1"))
	case 3:
		return "Object.entries(d)"
	case 4:
		return fmt.Sprintf("String(%s).split('')", w.expr(depth+1))
	}
	return fmt.Sprintf("[...new Set([%s, %s, %s])]", w.expr(depth+1), w.expr(depth+1), w.expr(depth+1))
}

func (w *writer) expr(depth int) string {
	if w.left--; depth > 4 || w.left < 0 {
		return w.one("a", "b", "c", "d", "n", "1", "-0", "'é😀'", "null", "undefined", "1n", "1e308", "NaN", "this", "true")
	}
	e := func() string { return w.expr(depth + 1) }
	switch w.pick(16) {
	case 0, 1:
		return "(" + e() + " " + w.one("+", "-", "*", "/", "%", "**", "<<", ">>>", "&", "^", "<", "==", "===", "&&", "||", "??", ",") + " " + e() + ")"
	case 2:
		return "(" + w.one("-", "!", "~", "typeof ", "void ", "+") + e() + ")"
	case 3:
		return "(" + e() + " ? " + e() + " : " + e() + ")"
	case 4:
		return fmt.Sprintf("String(%s).%s", e(), w.one("length", "toUpperCase()", "slice(1, 9)", "padEnd(12, 'ab')", "repeat(3).length", "charCodeAt(0)", "replaceAll('1', '22').length", "normalize('NFD')"))
	case 5:
		return fmt.Sprintf("/%s/%s.%s(String(%s))", w.one("a+b?", "(\\d)(\\w)", "[^x]*$", "(?:1|2)+?", "\\p{L}", "(?<n>.)\\k<n>"), w.one("u", "v", "iu", "su"), w.one("test", "exec"), e())
	case 6:
		return fmt.Sprintf("[%s, %s]", e(), e())
	case 7:
		return fmt.Sprintf("({ k: %s, [%s]: %s, ...d })", e(), e(), e())
	case 8:
		return fmt.Sprintf("Math.%s(%s, %s)", w.one("max", "imul", "atan2", "pow", "hypot", "round", "clz32", "fround"), e(), e())
	case 9:
		if w.funcs > 0 {
			return fmt.Sprintf("f%d(%s, %s)", w.pick(w.funcs), e(), e())
		}
	case 10:
		return fmt.Sprintf("JSON.parse(JSON.stringify(%s) ?? '0')", e())
	case 11:
		return fmt.Sprintf("(() => { %s; return n })()", w.statement(depth+2))
	case 12:
		return fmt.Sprintf("new %s(%s).%s", w.one("Map", "Set", "Date", "Uint16Array", "Float64Array", "Array"), w.one("c", "[]", "3", "[[1, 2]]"), w.one("size", "length", "toString()", "valueOf()"))
	case 13:
		return fmt.Sprintf("BigInt.asIntN(%d, BigInt(Math.trunc(Number(%s)) || 7) ** %dn)", 1+w.pick(99), w.one("n", "a", "3", "123456789"), w.pick(60))
	case 14:
		return fmt.Sprintf("Reflect.ownKeys(Object(%s)).length", e())
	}
	return w.one("a", "b", "c[0]", "d.k", "n", "7", "0.5", "'s'", "[]", "1e21", "-1", "c.length", "`t${a}`")
}
