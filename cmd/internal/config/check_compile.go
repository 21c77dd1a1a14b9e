// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"tollgate/policy"
	"tollgate/policy/limit"
)

// compileLimits checks all limits by the rules of package limit: their expressions, their rates and what they count.
func (k *checker) compileLimits() {
	rules := k.c.LimitRules()
	if len(rules) == 0 {
		return
	}
	_, err := limit.Compile(rules)
	if err == nil {
		return
	}
	mistakes, ok := errors.AsType[limit.Mistakes](err)
	if !ok {
		k.report("roles", CodeValue, err.Error(), "")
		return
	}
	for _, m := range mistakes {
		at := limitPath(m.Role, m.Index)
		path := at
		if m.Field != "" {
			path += "." + m.Field
		}
		whole := slices.Contains([]string{"", "per", "message", "settle", "durable"}, m.Field)
		if whole && m.Offset < 0 && k.failedBelow(at) {
			continue // it may come of what the decoder left out
		}
		hint := m.Hint
		switch {
		case strings.HasPrefix(m.Field, "for["):
			hint = k.patternHint(path, hint)
		case hint == "" && (m.Field == "cost" || m.Field == "settle") && !strings.ContainsAny(k.node(path).Value, "()[]<>=&|?+*"):
			hint = "write USD as a number, for example 0.25, or CEL that gives one"
		}
		k.reportInside(path, m.Offset, m.Message, hint)
	}
}

func limitPath(role string, index int) string {
	if role == "" {
		return Path("policy", "everyone", "limits", index)
	}
	return Path("roles", role, "limits", index)
}

// failedBelow reports whether the decoder or a check refused a value of the struct at a path.
func (k *checker) failedBelow(at string) bool {
	for path := range k.failed {
		if rest, ok := strings.CutPrefix(path, at); ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			return true
		}
	}
	return false
}

// reportInside records a mistake at a byte of a text, see [source.pieces].
func (k *checker) reportInside(path string, offset int, message, hint string) {
	n := k.node(path)
	if k.failed[path] {
		return
	}
	d := Diagnostic{Line: n.Line, Col: n.Column, Code: CodeValue, Path: path, Message: message, Hint: hint, Width: width(n)}
	if pieces := k.pieces(n); len(pieces) > 0 && offset >= 0 && offset <= len(n.Value) {
		k.reveal(n, pieces)
		d.Line, d.Col, d.Width = pieces.place(offset)
	}
	k.add(d)
	if strings.HasSuffix(path, "]") { // a pattern, which is looked at once more
		k.failed[path] = true
	}
}

// placedText is a text of a limit that the file has as it is.
type placedText struct {
	text    string
	pieces  pieces
	sources map[int]string // by line
}

// placedTexts are those of all limits by their paths, for what package limit finds when it knows the tools.
func (k *checker) placedTexts() map[string]placedText {
	texts := map[string]placedText{}
	for _, r := range k.c.LimitRules() {
		at := limitPath(r.Role, r.Index)
		paths := []string{at + ".match", at + ".require", at + ".rate", at + ".cost", at + ".settle"}
		for i := range r.Per {
			paths = append(paths, joinIndex(at+".per", i))
		}
		for _, path := range paths {
			n := k.nodes[path]
			if n == nil {
				continue
			}
			if pieces := k.pieces(n); len(pieces) > 0 {
				k.reveal(n, pieces)
				t := placedText{n.Value, pieces, map[int]string{}}
				for _, p := range pieces {
					t.sources[p.line] = k.excerpt(p.line)
				}
				texts[path] = t
			}
		}
	}
	return texts
}

// LimitDiagnostic places a mistake of package limit in the file.
func (c *Config) LimitDiagnostic(m limit.Mistake) Diagnostic {
	path := limitPath(m.Role, m.Index)
	if m.Field != "" {
		path += "." + m.Field
	}
	d := Diagnostic{File: c.file, Code: CodeValue, Path: path, Message: m.Message, Hint: m.Hint, Width: 1}
	d.Line, d.Col = c.At(path)
	if t, ok := c.texts[path]; ok {
		first := &t.pieces[0]
		d.Line, d.Col, d.Width = first.line, first.col, utf8.RuneCountInString(first.text)
		if m.Offset >= 0 && m.Offset <= len(t.text) {
			d.Line, d.Col, d.Width = t.pieces.place(m.Offset)
		}
		d.Source = t.sources[d.Line]
	}
	return d
}

// RoleDiagnostic places a mistake of package policy in the file.
func (c *Config) RoleDiagnostic(e policy.RoleError) Diagnostic {
	_, path := rulePath(&e)
	d := Diagnostic{File: c.file, Code: CodeReference, Path: path, Message: e.Message, Hint: e.Hint, Width: 1}
	d.Line, d.Col = c.At(path)
	return d
}
