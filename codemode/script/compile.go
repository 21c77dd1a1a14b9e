// SPDX-License-Identifier: Apache-2.0

package script

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/evanw/esbuild/pkg/api"
)

// Program is a script as JavaScript. It may be used by many goroutines.
type Program struct {
	// JavaScript evaluates to an async function that takes no arguments.
	JavaScript string

	source   *text
	printed  *text
	wrapped  *wrapped
	written  *text // wrapped, whole
	segments func() []segment
	hint     string
}

// Compile makes JavaScript of what a model wrote: the body of an async function, a function, which is called, or an object or
// array, bare or in a fenced block. The error is a [*SyntaxError].
func Compile(source string) (*Program, error) {
	t := newText(source)
	p, err := compile(t)
	if err != nil {
		return nil, err
	}
	return p, nil
}

func compile(t *text) (*Program, *SyntaxError) {
	if len(t.s) > maxSource {
		return nil, newError(t, 0, fmt.Sprintf("the script has %d bytes, at most %d are allowed", len(t.s), maxSource), "let the tools filter, and keep data out of the script")
	}
	if !utf8.ValidString(t.s) {
		return nil, newError(t, strings.IndexFunc(t.s, func(r rune) bool { return r == utf8.RuneError }), "the script is not valid UTF-8", "")
	}
	b, tag, mistake := code(t)
	if mistake != nil {
		return nil, mistake
	}
	p, mistake := compileBlock(t, b)
	if mistake != nil && foreign(tag) {
		mistake.Hint = fmt.Sprintf("the fence says %q: write JavaScript or TypeScript", tag)
	}
	return p, mistake
}

func compileBlock(t *text, b block) (*Program, *SyntaxError) {
	o := read(t.s[b.start:b.end])
	if o.err != nil {
		return nil, outlineError(t, b, o.err)
	}
	if o.end == 0 {
		return nil, newError(t, b.start, "the script is empty", "write statements that call tools, and return what is needed")
	}
	w, form := wrap(t.s, b, o)
	out := transform(w.b.String())
	if len(out.Errors) > 0 {
		return nil, parseError(t, b, w, &out.Errors[0])
	}
	if o.exports >= 0 && form == body {
		return nil, newError(t, b.start+o.exports, "there are statements behind export default", "end the script with the function, or write statements only and return the result")
	}
	js := strings.TrimSpace(string(out.Code))
	return &Program{
		JavaScript: js, source: t, printed: newText(js), wrapped: w, written: newText(w.b.String()), hint: hintFor(t, b, o, form),
		segments: sync.OnceValue(func() []segment {
			segments, err := decodeMap(out.Map)
			if err != nil {
				return nil // places are unknown then
			}
			return segments
		}),
	}, nil
}

// transform prints one statement per line. Columns of QuickJS are off by a few characters now and then: with lines of their
// own, statements are not mistaken for their neighbours.
func transform(code string) api.TransformResult {
	return api.Transform(code, api.TransformOptions{
		Loader: api.LoaderTS, Target: api.ES2023, LogLevel: api.LogLevelSilent, LegalComments: api.LegalCommentsNone,
		Sourcemap: api.SourceMapExternal, SourcesContent: api.SourcesContentExclude,
	})
}

// form is how a script is written.
type form int

const (
	body form = iota
	expression
	function
)

// wrap puts code into an async function, in front of which no line is added.
func wrap(source string, b block, o *outline) (*wrapped, form) {
	w := &wrapped{source: source}
	first, end := b.start+o.first, b.start+o.end
	switch f := formOf(source, b, o); {
	case o.exports >= 0:
		w.add("(async()=>{").copy(b.start, b.start+o.exports)
		if f == expression {
			w.add("return ").copy(b.start+o.exported, end).add("\n})")
		} else {
			w.add("const __script=").copy(b.start+o.exported, end).add("\n;return await __script()})")
		}
		return w, f
	case f == function:
		w.add("(async()=>{const __script=").copy(first, end).add("\n;return await __script()})")
		return w, f
	case f == expression:
		w.add("(async()=>{return ").copy(first, end).add("\n})")
		return w, f
	}
	w.add("(async()=>{").copy(b.start, b.end).add("\n})")
	return w, body
}

// formOf asks esbuild whether the code, or what it exports, is a function or another expression. Where names are kept, a
// function that is the value of a variable gets one.
func formOf(source string, b block, o *outline) form {
	from := b.start + o.first
	switch {
	case o.exports >= 0:
		from = b.start + o.exported
	case o.statements || beginsStatement(o.opening):
		return body
	}
	const probe = "(async()=>{let __script="
	out := api.Transform(probe+"("+source[from:b.start+o.end]+"\n)})", api.TransformOptions{
		Loader: api.LoaderTS, Target: api.ES2023, LogLevel: api.LogLevelSilent, MinifyWhitespace: true, KeepNames: true,
	})
	switch {
	case len(out.Errors) > 0:
		return body
	case strings.Contains(string(out.Code), probe+"__name("):
		return function
	case o.exports >= 0 || o.opening == "{" || o.opening == "[" || calledAtOnce.MatchString(string(out.Code)):
		return expression
	}
	return body // one statement whose value nobody asked for, as where there are several
}

// calledAtOnce fits a probe whose value is that of a function which is called where it stands.
var calledAtOnce = regexp.MustCompile(`\{let __script=(?:await)?\((?:async\b|function\b|\(\)=>)`)

// beginsStatement reports whether no expression begins with a word.
func beginsStatement(word string) bool {
	switch word {
	case "const", "let", "var", "if", "for", "while", "do", "switch", "try", "throw", "return", "interface", "type", "enum", "declare", "export":
		return true
	}
	return false
}

// Locate answers the place in what the model wrote of a place in JavaScript. Lines and columns count from 1; a column of
// JavaScript counts bytes, as QuickJS does, one of the source characters. It answers false where the model wrote nothing.
func (p *Program) Locate(line, column int) (int, int, bool) {
	if line < 1 || line > len(p.printed.starts) {
		return 0, 0, false
	}
	s, ok := find(p.segments(), line-1, units(p.printed.line(line), column-1))
	if !ok {
		return 0, 0, false
	}
	at, exact := p.wrapped.origin(p.written.unitsIn(s.fromLine+1, s.fromColumn))
	if !exact {
		return 0, 0, false
	}
	line, column = p.source.place(at)
	return line, column, true
}

// Line is line n of what the model wrote, cut when it is long; "" when there is none.
func (p *Program) Line(n int) string { return p.source.shown(n, 1) }

// Hint says what to change when the script ran and returned nothing.
func (p *Program) Hint() string { return p.hint }
