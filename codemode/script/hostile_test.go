// SPDX-License-Identifier: Apache-2.0

package script

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// nested is a source of a given size: before, then one part as often as fits, a middle, then another part as often.
type nested struct{ before, open, middle, end, after string }

func (n nested) source(size int) string {
	k := size / (len(n.open) + len(n.end))
	return n.before + strings.Repeat(n.open, k) + n.middle + strings.Repeat(n.end, k) + n.after
}

// hostile are shapes, each of which is slow in esbuild in one way or another, or looks as if it could be.
func hostile() []nested {
	var out []nested
	for _, open := range []string{
		"(", "[", "{", "!", "-", "~", "a=>", "`${", "a<", "<T>(", "a?", "if(a)", "a?(b):", "async<T>(", "async(", "new ", "x:", "/a/;", "a<b>(", "function f(a=",
		"class A extends ", "a?.", "@a(", "(a,(", "a?(a,b):(c)=>", "a?(a):a=>", "(a:", "((a:(", "a?(a:", "a?(a):b?(a):", "async (a=async (", "x=<T>(a=", "a<(b)=>",
		"a<{a:", "let x:", "a as ", "a!", "a satisfies ", "x as (a)=>", "a<b,", "(a)<", "for(", "a\n<", "0,", "'a'+", "let a;", "let a\n", "using a=b;", "@a class A{}", "var a;",
		"{let a;", "a=", "a**", "a??", "a+", "a||=", "await ", "typeof ", "a()", "()", "a[0]", "[0]", "a.b.", "a``", "``", "!\n", "a\n,", "0\n,", "else ", "if(a);else ", "do ", "a.b;",
		"[a<b,", "{0,0,", ";{0,0}", "a\n{0,0,", "case (a):", "return ", "return\n", "a<b>", "a<b>>", "f<{a:b<", "a<b*", "{a,b,", "enum A{a,", "enum A{}", "a<[a<", "a<(a<", "(a<b)/", "`a<${",
		"a\n/", "}\n", "\\", "\\u{", "#", "#!", "'", "\"\\\n", "/*", "//", "<!--", "-->", "\u2028", "\ufeff", "import(", "import ", "export ", "export default ", "```\n", "~~~", "label:{",
		"try{", "function ", "async ", "yield ", "0.", "0x", "1_", "a\u00a0", "/[", "/\\", "a?.[", "...", "...a,", "class{", "get ", "static{", "accessor ", "declare ", "abstract ", "namespace a{",
	} {
		out = append(out, nested{open: open})
	}
	for _, types := range []string{
		"A<", "(", "infer U extends ", "A extends infer U extends ", "({a:", "[a:", "()=>", "new()=>", "a extends b?", "((a:", "(a?:", "(...a:", "(this:", "asserts x is ", "A|", "A&", "A[", "{a:",
		"[infer U extends ", "[inf\\u0065r U extends ", "`${", "typeof a.", "import('a').", "keyof ", "{[a in ", "<T>(a:", "<T extends ", "-1|", "A.", "unique ",
	} {
		out = append(out, nested{before: "type X=", open: types})
	}
	return append(out,
		nested{strings.Repeat("{", 240), "a;", "", "", strings.Repeat("}", 240)}, nested{"", "if(a)\n", "b", "", ""}, nested{"", "for(;;)", "b", "", ""}, nested{"", "do ", "b", ";while(a)", ""},
		nested{"", "(", "a", ")", ""}, nested{"", "[", "a", "]", ""}, nested{"x=", "{a:", "a", "}", ""}, nested{"", "{", "a", "}", ""}, nested{"", "(a=", "a", ")=>a", ""},
		nested{"", "((a)=>", "a", ")", ""}, nested{"", "a?(b):c=>", "d", ":e", ""}, nested{"", "a?(b,", "b", "):c", ""}, nested{"", "function f(a=", "b", "){}", ""},
		nested{"", "(class{[", "b", "](){}})", ""}, nested{"", "`${", "b", "}`", ""}, nested{"", "()=>{", "b", "}", ""}, nested{"", "if(a){", "b", "}", ""}, nested{"", "a?", "b", ":c", ""},
		nested{"", "{using a=b;", "", "}", ""}, nested{"", "class A{#a=", "a", "}", ""}, nested{"", "class A{static{", "a", "}}", ""}, nested{"", "async()=>{for await(let a of b){", "a", "}}", ""},
		nested{"type X=", "[infer U extends ", "x", "?a:b]", ""}, nested{"type X=", "(", "x", ")", ""}, nested{"", "a<b<", "c", ">>d", ""}, nested{"x=[", "0,", "", "", "]"}, nested{"x=", "0,", "0", "", ""},
		nested{"f(", "0,", "", "", ")"}, nested{"(", "0,", "0", "", ")"}, nested{"x={", "a:0,", "", "", "}"}, nested{"{", "0,", "0", "", "}"}, nested{"a<", "A|", "A", "", ""}, nested{"a<{", "a:A;", "", "", ""},
		nested{strings.Repeat("a<", 300) + "{", "a:A;", "", "", ""}, nested{strings.Repeat("a<", 300) + "[", "a,", "", "", "]"}, nested{"x=`", "${a}", "", "", "`"}, nested{"let ", "a=1,", "b", "", ""},
		nested{"x", ".a", "", "", ""}, nested{"x", "?.a", "", "", ""}, nested{"x", "()", "", "", ""}, nested{"x", "[0]", "", "", ""}, nested{"x", "!", "", "", ""}, nested{"x", "``", "", "", ""}, nested{"x", ".a()", "", "", ""},
	)
}

// TestHostileSource: no source keeps Compile busy for long. What is slow there cannot be stopped, in no goroutine.
func TestHostileSource(t *testing.T) {
	size := 24 << 10
	if testing.Short() {
		size = 8 << 10
	}
	const longest = 3 * time.Second // a loaded machine; what this guards against takes minutes
	var slowest time.Duration
	for _, n := range hostile() {
		source := n.source(size)
		start := time.Now()
		p, err := Compile(source)
		took := time.Since(start)
		slowest = max(slowest, took)
		name := fmt.Sprintf("%.40q %q %q %q", n.before, n.open, n.middle, n.end)
		if took > longest {
			t.Errorf("%s took %v", name, took)
		}
		if took > 500*time.Millisecond {
			t.Logf("%s took %v: %.100v", name, took, err)
		}
		if err == nil && len(p.JavaScript) > 600*len(source) {
			t.Errorf("%s became %d bytes", name, len(p.JavaScript))
		}
	}
	t.Logf("slowest %v", slowest)
}
