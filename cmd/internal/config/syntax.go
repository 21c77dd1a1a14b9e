// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

const (
	maxFile  = 1 << 20 // bytes
	maxDepth = 32      // of nested YAML values; the shape needs 5
	maxNodes = 100_000 // values after all aliases are followed
)

// document parses the bytes of a file into the root node. It returns nil when nothing can be decoded; what is wrong is then
// among the diagnostics. Duplicate keys and the like are reported but do not stop the decoder.
func (f *source) document(data []byte) *yaml.Node {
	if len(data) > maxFile {
		f.add(Diagnostic{Code: CodeRange, Message: fmt.Sprintf("%s is more than the limit of %s", Size(len(data)), Size(maxFile)),
			Hint: "is this the right file?"})
		return nil
	}
	if !f.checkCharacters(data) {
		return nil
	}
	loader, err := yaml.NewLoader(bytes.NewReader(data))
	if err != nil {
		f.addSyntax(err)
		return nil
	}
	var doc, second yaml.Node
	switch err := loader.Load(&doc); {
	case errors.Is(err, io.EOF):
		f.add(Diagnostic{Line: 1, Col: 1, Code: CodeSyntax, Message: "the file is empty", Hint: "tollgate init writes a file to start from"})
		return nil
	case err != nil:
		f.addSyntax(err)
		return nil
	}
	switch err := loader.Load(&second); {
	case err == nil:
		f.add(Diagnostic{Line: second.Line, Col: second.Column, Code: CodeSyntax, Message: "a second document starts here",
			Hint: `keep one document: remove the "---" line or move the rest to another file`})
	case !errors.Is(err, io.EOF):
		f.addSyntax(err)
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		return nil
	}
	root := doc.Content[0]
	before := len(f.diagnostics)
	expanded := expansion{f: f, sizes: map[*yaml.Node]int{}}
	expanded.size(root, 1)
	if len(f.diagnostics) > before {
		return nil
	}
	f.checkNode(root, "")
	return root
}

// checkCharacters refuses bytes that are no text and the line breaks that only some programs count as such: positions would
// be off by a line.
func (f *source) checkCharacters(data []byte) bool {
	line, col := 1, 1
	for i := 0; i < len(data); {
		r, n := utf8.DecodeRune(data[i:])
		bare := r == '\r' && (i+1 == len(data) || data[i+1] != '\n')
		switch {
		case r == utf8.RuneError && n == 1:
			f.add(Diagnostic{Line: line, Col: col, Code: CodeSyntax, Message: fmt.Sprintf("byte 0x%02x is not UTF-8", data[i]), Hint: "save the file as UTF-8"})
			return false
		case bare, r < ' ' && r != '\t' && r != '\n' && r != '\r', r >= 0x7f && r <= 0x9f, r == '\u2028', r == '\u2029', r == '\ufffe', r == '\uffff',
			r == '\ufeff':
			f.add(Diagnostic{Line: line, Col: col, Code: CodeSyntax, Message: fmt.Sprintf("the character %U is not allowed", r),
				Hint: `remove it, or write it as an escape in double quotes`})
			return false
		}
		if r == '\n' {
			line, col = line+1, 0
		}
		col, i = col+1, i+n
	}
	return true
}

// addSyntax turns an error of the YAML library into a diagnostic. Errors at the end of the file are placed where the
// unfinished construct starts.
func (f *source) addSyntax(err error) {
	d := Diagnostic{Line: 1, Col: 1, Code: CodeSyntax, Message: err.Error()}
	if le, ok := errors.AsType[*yaml.LoadError](err); ok {
		d.Message = le.Message
		at := le.Mark
		if le.ContextMsg != "" {
			d.Message = le.ContextMsg + ": " + le.Message
			if le.ContextMark.Line > 0 && (at.Line == 0 || at.Line >= len(f.lines)) {
				at = le.ContextMark
			}
		}
		d.Line, d.Col = at.Line, max(at.Column, 1)
	}
	switch m := d.Message; {
	case strings.Contains(m, "unknown anchor"):
		// The library's text repeats the name, which may be a password that starts with an asterisk.
		d.Message, d.Hint = "an alias to an anchor that does not exist", `quote a value that starts with "*"`
	case strings.Contains(m, "mapping values are not allowed"):
		d.Hint = `quote a value that contains ": ", and indent keys of one level alike`
	case strings.Contains(m, "tab character"):
		d.Hint = "indent with spaces"
	case strings.Contains(m, "unknown escape"):
		d.Hint = `write "\\" for a backslash, or use single quotes`
	case strings.Contains(m, "found character that cannot start"):
		d.Hint = `quote a value that starts with "@", "%" or a backquote`
		if strings.HasPrefix(strings.TrimLeft(f.lines[min(max(d.Line, 1), len(f.lines))-1], " "), "\t") {
			d.Hint = "indent with spaces, not with tabs"
		}
	}
	f.addUnparsed(d)
}

// checkNode reports what no part of the file may have: duplicate and composite keys, merge keys, tags. It follows no
// aliases, as their targets are visited where they stand.
func (f *source) checkNode(n *yaml.Node, path string) {
	f.start(n)
	if n.Style&yaml.TaggedStyle != 0 && n.ShortTag() != "!!str" {
		f.at(n, path, CodeSyntax, "tags are not supported", "remove the tag; quote a value to make it a string")
	}
	switch n.Kind {
	case yaml.SequenceNode:
		for i, c := range n.Content {
			f.checkNode(c, joinIndex(path, i))
		}
	case yaml.MappingNode:
		first := map[string]int{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := n.Content[i], n.Content[i+1]
			f.start(key)
			switch name, ok := keyName(key); {
			case key.ShortTag() == "!!merge":
				f.at(key, path, CodeSyntax, `merge keys ("<<") are not supported`, "write the keys out, or use an alias for a whole value")
			case !ok:
				f.at(key, path, CodeSyntax, "a key must be a word", "quote it if it is one")
			default:
				if line, twice := first[name]; twice {
					f.at(key, joinKey(path, name), CodeConflict, fmt.Sprintf("this key is already set at line %d", line), "keep one of them")
				} else {
					first[name] = key.Line
				}
				path := joinKey(path, name)
				f.checkNode(value, path)
				continue
			}
			f.checkNode(value, path)
		}
	}
}

// keyName is the text of a mapping key. Numbers and booleans count as the text they are written in.
func keyName(key *yaml.Node) (string, bool) {
	if key.Kind == yaml.AliasNode {
		key = key.Alias
	}
	if key == nil || key.Kind != yaml.ScalarNode || key.ShortTag() == "!!null" || key.ShortTag() == "!!merge" {
		return "", false
	}
	return key.Value, true
}

// expansion measures how many values a document has once aliases are followed, without following any of them twice.
type expansion struct {
	f     *source
	sizes map[*yaml.Node]int // 0 while being measured
}

func (e *expansion) size(n *yaml.Node, depth int) int {
	if size, seen := e.sizes[n]; seen {
		if size == 0 {
			e.f.at(n, "", CodeSyntax, "an alias inside the value it stands for", "write the value out")
			return 1
		}
		return size
	}
	if depth > maxDepth {
		e.f.at(n, "", CodeRange, fmt.Sprintf("values are nested more than %d deep", maxDepth), "")
		e.sizes[n] = 1
		return 1
	}
	e.sizes[n] = 0
	total := 1
	for _, c := range n.Content {
		total += e.size(c, depth+1)
	}
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		total += e.size(n.Alias, depth)
	}
	if total > maxNodes {
		e.f.at(n, "", CodeRange, fmt.Sprintf("aliases expand to more than %d values", maxNodes), "write the values out")
		total = 1
	}
	e.sizes[n] = total
	return total
}
