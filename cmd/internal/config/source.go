// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// source is a file while it is read: its lines, what was found wrong so far, and which parts of lines may not be shown.
type source struct {
	file        string
	lines       []string // without line ends
	diagnostics Diagnostics
	starts      map[int]int // line -> column of the first value or key that starts on it
	cuts        map[int]int // line -> column from which on the line is confidential
}

func newSource(file string, data []byte) *source {
	lines := strings.Split(string(bytes.ToValidUTF8(data, []byte("?"))), "\n")
	for i, l := range lines {
		lines[i] = strings.TrimSuffix(l, "\r")
	}
	return &source{file: file, lines: lines, starts: map[int]int{}, cuts: map[int]int{}}
}

// add records a diagnostic. Its position is brought into the file; its source line is added by finish.
func (f *source) add(d Diagnostic) {
	d.File = f.file
	if d.Line > 0 || d.Path != "" {
		d.Line = min(max(d.Line, 1), len(f.lines))
		d.Col = min(max(d.Col, 1), utf8.RuneCountInString(f.lines[d.Line-1])+1)
	}
	f.diagnostics = append(f.diagnostics, d)
}

// at records a diagnostic about a node.
func (f *source) at(n *yaml.Node, path string, code Code, message, hint string) {
	f.add(Diagnostic{Line: n.Line, Col: n.Column, Code: code, Path: path, Message: message, Hint: hint, Width: width(n)})
}

// width is how many characters of its line a value takes, as far as that can be told from the node.
func width(n *yaml.Node) int {
	switch {
	case n.Kind != yaml.ScalarNode || n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		return 1
	case n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0:
		return utf8.RuneCountInString(n.Value) + 2
	default:
		return utf8.RuneCountInString(n.Value)
	}
}

// addUnparsed records a mistake in a file that could not be parsed. Which values are confidential is not known then, so of the
// source line only indentation and key are kept.
func (f *source) addUnparsed(d Diagnostic) {
	f.add(d)
	last := &f.diagnostics[len(f.diagnostics)-1]
	line := f.lines[last.Line-1]
	if key, _, found := strings.Cut(line, ": "); found {
		f.cut(last.Line, utf8.RuneCountInString(key)+3)
	} else if !strings.HasSuffix(strings.TrimSpace(line), ":") {
		f.cut(last.Line, 1)
	}
}

func (f *source) start(n *yaml.Node) {
	if col, ok := f.starts[n.Line]; !ok || n.Column < col {
		f.starts[n.Line] = n.Column
	}
}

// cut hides a line from a column on.
func (f *source) cut(line, col int) {
	if old, ok := f.cuts[line]; !ok || col < old {
		f.cuts[line] = col
	}
}

// hide cuts the lines of all scalars under n, keys excepted.
func (f *source) hide(n *yaml.Node) {
	switch n.Kind {
	case yaml.ScalarNode, yaml.AliasNode:
		f.cut(n.Line, n.Column)
		if n.Alias != nil && n.Alias.Kind == yaml.ScalarNode {
			f.cut(n.Alias.Line, n.Alias.Column)
		}
	case yaml.MappingNode:
		for i := 1; i < len(n.Content); i += 2 {
			f.hide(n.Content[i])
		}
	default:
		for _, c := range n.Content {
			f.hide(c)
		}
	}
}

// finish sorts the diagnostics and adds their source lines.
func (f *source) finish() Diagnostics {
	ds := f.diagnostics.sorted()
	for i := range ds {
		if ds[i].Line > 0 {
			ds[i].Source = f.excerpt(ds[i].Line)
		}
	}
	return ds
}

// excerpt is the visible part of a line. When the text before its first value is more than punctuation, the line continues a
// value of an earlier line, which may be confidential, and nothing is shown.
func (f *source) excerpt(line int) string {
	text := []rune(f.lines[line-1])
	if len(text) > 200 {
		text = text[:200]
	}
	if first, ok := f.starts[line]; ok {
		if strings.Trim(string(text[:min(first-1, len(text))]), " \t-[]{},?:&") != "" {
			return ""
		}
	} else if len(f.starts) > 0 {
		return ""
	}
	if col, ok := f.cuts[line]; ok && col <= len(text) {
		if col == 1 {
			return ""
		}
		return string(text[:col-1]) + mask
	}
	return string(text)
}
