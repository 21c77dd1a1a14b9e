// SPDX-License-Identifier: Apache-2.0

package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Code groups diagnostics for programs that read them.
type Code string

// The codes. CodeShape to CodeMissing are what the published schema can say too.
const (
	CodeSyntax    Code = "syntax"    // no YAML, or YAML that this file never needs
	CodeShape     Code = "shape"     // a key that does not exist, or a value of another type
	CodeValue     Code = "value"     // a word or form that is not among the allowed ones
	CodeMissing   Code = "missing"   // a required key, or one of a choice of keys, is absent
	CodeRange     Code = "range"     // too small, too large
	CodeConflict  Code = "conflict"  // values that exclude each other, or one used twice
	CodeReference Code = "reference" // names something that does not exist or yields nothing
	CodeUnsafe    Code = "unsafe"    // would open the gateway or its secrets to others
)

// Diagnostic is one mistake (or, from [Config.Warnings], one remark) with its place in the file.
type Diagnostic struct {
	File    string
	Line    int // from 1; 0 when the mistake is the file as a whole
	Col     int // from 1, in characters
	Code    Code
	Path    string // dotted path of the value; may be empty
	Message string
	Hint    string // what to do about it; may be empty
	Source  string // the line of the file, cut before confidential values; may be empty
	Width   int    // characters that the caret line marks, at least 1
}

// String is the diagnostic on one line, without hint and source: file:line:col: path: message.
func (d *Diagnostic) String() string {
	var b strings.Builder
	b.WriteString(d.File)
	if d.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", d.Line, d.Col)
	}
	b.WriteString(": ")
	if d.Path != "" {
		b.WriteString(d.Path + ": ")
	}
	b.WriteString(d.Message)
	return b.String()
}

// Text is the full form for people: the line of [Diagnostic.String], the line of the file with a caret, the hint.
func (d *Diagnostic) Text() string {
	var b strings.Builder
	b.WriteString(d.String())
	if d.Line > 0 && strings.TrimSpace(d.Source) != "" {
		number := fmt.Sprintf("%5d", d.Line)
		fmt.Fprintf(&b, "\n%s | %s", number, d.Source)
		fmt.Fprintf(&b, "\n%s | %s", strings.Repeat(" ", len(number)), d.caret())
	}
	if d.Hint != "" {
		b.WriteString("\nhint: " + d.Hint)
	}
	return b.String()
}

// caret keeps the tabs of the source line, so that the mark stands under the value in any terminal.
func (d *Diagnostic) caret() string {
	var b strings.Builder
	col := 1
	for _, r := range d.Source {
		if col >= d.Col {
			break
		}
		if r != '\t' {
			r = ' '
		}
		b.WriteRune(r)
		col++
	}
	width := min(max(d.Width, 1), max(utf8.RuneCountInString(d.Source)-d.Col+1, 1))
	return b.String() + strings.Repeat("^", width)
}

// Diagnostics are all mistakes of one file in the order of their positions. It is the error type of [Load] and [Parse].
type Diagnostics []Diagnostic

// Error is the full text of all of them, one after the other.
func (ds Diagnostics) Error() string {
	texts := make([]string, len(ds))
	for i := range ds {
		texts[i] = ds[i].Text()
	}
	return strings.Join(texts, "\n")
}

// maxDiagnostics bounds how much a broken file can print.
const maxDiagnostics = 100

func (ds Diagnostics) sorted() Diagnostics {
	slices.SortStableFunc(ds, func(a, b Diagnostic) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
	ds = slices.CompactFunc(ds, func(a, b Diagnostic) bool { return a == b })
	if len(ds) > maxDiagnostics {
		more := len(ds) - maxDiagnostics
		ds = ds[:maxDiagnostics]
		last := &ds[maxDiagnostics-1]
		last.Hint = strings.TrimPrefix(fmt.Sprintf("%s; %d more mistakes follow", last.Hint, more), "; ")
	}
	return ds
}
