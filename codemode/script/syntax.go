// SPDX-License-Identifier: Apache-2.0

package script

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// SyntaxError says why a script cannot be compiled, in terms of what the model wrote.
type SyntaxError struct {
	Message      string
	Line, Column int // from 1; columns count characters
	SourceLine   string
	Hint         string // what to change; may be ""
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Message)
}

func newError(t *text, off int, message, hint string) *SyntaxError {
	line, column := t.place(off)
	return &SyntaxError{Message: message, Line: line, Column: column, SourceLine: t.shown(line, column), Hint: hint}
}

// outlineError is a mistake that the tokens show.
func outlineError(t *text, b block, m *mistake) *SyntaxError {
	e := newError(t, b.start+m.off, m.message, m.hint)
	if m.open >= 0 {
		line, _ := t.place(b.start + m.open)
		e.Message = fmt.Sprintf(m.message, line)
	}
	if hint := hintOf(t.line(e.Line), ""); hint != "" {
		e.Hint = hint
	}
	return e
}

// parseError is a mistake that esbuild found.
func parseError(t *text, b block, w *wrapped, m *api.Message) *SyntaxError {
	off := b.end
	if m.Location != nil {
		written := newText(w.b.String())
		off, _ = w.origin(written.bytesIn(m.Location.Line, m.Location.Column))
	}
	if off >= b.end { // the wrapper's own brackets say nothing to who did not write them
		off = b.start + len(strings.TrimRight(t.s[b.start:b.end], " \t\r\n"))
		e := newError(t, off, "the script ends too early: something is missing", "finish the last statement")
		if m.Text == unparsable {
			e.Message = m.Text
		}
		return e
	}
	e := newError(t, off, lower(m.Text), "")
	e.Hint = hintOf(t.line(e.Line), m.Text)
	return e
}

// unparsable is what esbuild says of code without a place.
const unparsable = "Unexpected end of file"

// lower begins a message as ours begin.
func lower(s string) string {
	if len(s) > 1 && 'A' <= s[0] && s[0] <= 'Z' && 'a' <= s[1] && s[1] <= 'z' {
		return string(s[0]+'a'-'A') + s[1:]
	}
	return s
}

// advice is what to change where a line looks like something.
type advice struct {
	line, message *regexp.Regexp // nil fits everything
	hint          string
}

var (
	importLine    = regexp.MustCompile(`^\s*import\b`)
	exportLine    = regexp.MustCompile(`^\s*export\b`)
	namespaceLine = regexp.MustCompile(`\b(?:namespace|module)\s+[\w."']+\s*\{`)
	jsxLine       = regexp.MustCompile(`</?[A-Za-z][\w.]*(?:\s[^<>]*)?/?>|<>`)
	pythonLine    = regexp.MustCompile(`^\s*(?:def\s+\w+\s*\(|elif\b|except\b|with\s+\w|from\s+\w+\s+import\b|print\s+["'])|\bf["']|:\s*$|\bNone\b|\bTrue\b|\bFalse\b|^\s*#`)
	escapedLine   = regexp.MustCompile(`\\[nt"]`)
	curlyQuote    = regexp.MustCompile(`[“”‘’]`)
	declared      = regexp.MustCompile(`already been declared`)
	awaitMessage  = regexp.MustCompile(`"await" can only be used inside an "async" function|Top-level await`)
	backslash     = regexp.MustCompile(`^Syntax error "`)
	proseLine     = regexp.MustCompile(`^\s*(?:[A-Z][\w']*|I'll)(?:,? [\w'’]+){2,}[.:,!?]?`)
)

func advices() []advice {
	return []advice{
		{importLine, nil, "modules are not available: servers are global names, call server.tool(arguments) directly"},
		{exportLine, nil, "only export default of one function is available: write the statements themselves and return the result"},
		{namespaceLine, nil, "namespaces are not available: use functions and plain objects"},
		{curlyQuote, nil, "write straight quotes: ' or \""},
		{nil, declared, "rename one of them"},
		{nil, awaitMessage, "make the function around it async"},
		{escapedLine, backslash, "the code holds escapes such as \\n outside of strings: send real line breaks and quotes"},
		{jsxLine, nil, "JSX is not available: return plain data"},
		{pythonLine, nil, "write JavaScript or TypeScript"},
		{proseLine, nil, "send code only, or put it into one fenced block"},
	}
}

func hintOf(line, message string) string {
	for _, a := range advices() {
		if (a.line == nil || a.line.MatchString(line)) && (a.message == nil || a.message.MatchString(message)) {
			return a.hint
		}
	}
	return ""
}

// hintFor is what to change when a script returns nothing.
func hintFor(t *text, b block, o *outline, f form) string {
	const end = "end the script with return and the value that is needed"
	switch {
	case f == function || o.exports >= 0:
		return "the function returned nothing: end it with return and the value that is needed"
	case f == expression || o.returns || beginsStatement(o.lastWord) || o.lastWord == "function" || o.lastWord == "class" || o.lastWord == "}":
		return end
	}
	const shown = 60
	last, _, _ := strings.Cut(t.s[b.start+o.last:b.start+o.end], "\n")
	if r := []rune(last); len(r) > shown {
		last = string(r[:shown]) + "…"
	}
	return fmt.Sprintf("the value of the last statement is dropped: write return %s", strings.TrimSpace(last))
}
