// SPDX-License-Identifier: Apache-2.0

package config

import (
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// piece is a part of a text that stands on one line of the file as it is.
type piece struct {
	offset    int // of the text's bytes
	line, col int
	text      string
}

// pieces are the parts of one text, in order. Between them is white space only.
type pieces []piece

// pieces finds where the text of a value stands, whether on one line, on several or in a block (| or >). There are none unless
// the file has all of the text as it is, without escapes and doubled quotes.
func (f *source) pieces(n *yaml.Node) pieces {
	if n.Kind != yaml.ScalarNode {
		return nil
	}
	line, skip := n.Line, n.Column-1
	switch {
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		line, skip = n.Line+1, 0
	case n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0:
		skip++
	}
	var out pieces
	for offset := 0; line <= len(f.lines); line++ {
		offset += leading(n.Value[offset:], " \t\n")
		left := strings.TrimRight(n.Value[offset:], " \t\n")
		whole := []rune(f.lines[line-1])
		if left == "" || skip > len(whole) {
			break
		}
		text := string(whole[skip:])
		col := skip + leading(text, " \t") + 1
		switch text = strings.Trim(text, " \t"); {
		case strings.HasPrefix(text, left):
			return append(out, piece{offset, line, col, left})
		case !strings.HasPrefix(left, text):
			return nil
		case text != "":
			out = append(out, piece{offset, line, col, text})
		}
		offset, skip = offset+len(text), 0
	}
	return nil
}

// leading is how many bytes at the start of s are among cutset.
func leading(s, cutset string) int { return len(s) - len(strings.TrimLeft(s, cutset)) }

// place is where a byte of the text stands, or the end of the line before when it is white space that the file does not have.
func (ps pieces) place(offset int) (line, col, width int) {
	at := &ps[0]
	for i := range ps {
		if ps[i].offset <= offset {
			at = &ps[i]
		}
	}
	within := min(max(offset-at.offset, 0), len(at.text))
	return at.line, at.col + utf8.RuneCountInString(at.text[:within]), 1
}

// reveal lets diagnostics show the further lines of a text, which [source.excerpt] keeps back otherwise: only who asks knows
// that the text is not confidential. One that an alias also puts where confidential values belong stays hidden.
func (f *source) reveal(n *yaml.Node, ps pieces) {
	if col, ok := f.cuts[n.Line]; ok && col <= n.Column {
		return
	}
	for _, p := range ps {
		if col, ok := f.starts[p.line]; !ok || p.col < col {
			f.starts[p.line] = p.col
		}
	}
}
