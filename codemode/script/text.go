// SPDX-License-Identifier: Apache-2.0

package script

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// maxLine is how many bytes of a line are shown.
const maxLine = 200

// text is source text with the places where its lines begin. Lines end as in JavaScript: at \n, \r\n, \r, U+2028 and U+2029.
type text struct {
	s      string
	starts []int
}

func newText(s string) *text {
	t := &text{s: s, starts: []int{0}}
	for i := 0; i < len(s); {
		n := lineBreak(s[i:])
		if n == 0 {
			i++
			continue
		}
		i += n
		t.starts = append(t.starts, i)
	}
	return t
}

// lineBreak is the length of the line break that s begins with, 0 for none.
func lineBreak(s string) int {
	switch s[0] {
	case '\n':
		return 1
	case '\r':
		if len(s) > 1 && s[1] == '\n' {
			return 2
		}
		return 1
	case 0xE2:
		if len(s) > 2 && s[1] == 0x80 && (s[2] == 0xA8 || s[2] == 0xA9) {
			return 3
		}
	}
	return 0
}

// place is the line and the column of an offset, both from 1. Columns count characters.
func (t *text) place(off int) (line, column int) {
	off = min(max(off, 0), len(t.s))
	i, found := slices.BinarySearch(t.starts, off)
	if !found {
		i--
	}
	return i + 1, utf8.RuneCountInString(t.s[t.starts[i]:off]) + 1
}

// line is line n, from 1, without its end; "" when there is none.
func (t *text) line(n int) string {
	if n < 1 || n > len(t.starts) {
		return ""
	}
	end := len(t.s)
	if n < len(t.starts) {
		end = t.starts[n]
	}
	return strings.TrimRight(t.s[t.starts[n-1]:end], "\r\n\u2028\u2029")
}

// shown is line n cut to what an error may quote, around column.
func (t *text) shown(n, column int) string {
	s := t.line(n)
	if len(s) <= maxLine {
		return s
	}
	from := 0
	for c := 1; c < column-maxLine/2 && from < len(s); c++ {
		_, size := utf8.DecodeRuneInString(s[from:])
		from += size
	}
	if rest := len(s) - maxLine; from > rest {
		from = rest
	}
	to := from + maxLine
	for from > 0 && !utf8.RuneStart(s[from]) {
		from++
	}
	for to < len(s) && !utf8.RuneStart(s[to]) {
		to--
	}
	out := s[from:to]
	if from > 0 {
		out = "…" + out
	}
	if to < len(s) {
		out += "…"
	}
	return out
}

// bytesIn is the offset in line n that is column bytes behind its start, within the text.
func (t *text) bytesIn(n, column int) int {
	n = min(max(n, 1), len(t.starts))
	return min(t.starts[n-1]+max(column, 0), len(t.s))
}

// unitsIn is the offset in line n that is column UTF-16 units behind its start, within the line.
func (t *text) unitsIn(n, column int) int {
	n = min(max(n, 1), len(t.starts))
	off, units := t.starts[n-1], 0
	for _, r := range t.line(n) {
		if units >= column {
			break
		}
		units++
		if r > 0xFFFF {
			units++
		}
		off += utf8.RuneLen(r)
	}
	return off
}

// units is how many UTF-16 units the first n bytes of s are.
func units(s string, n int) int {
	count := 0
	for _, r := range s[:min(max(n, 0), len(s))] {
		count++
		if r > 0xFFFF {
			count++
		}
	}
	return count
}

// wrapped is code with text put around and into it. Nothing of the code itself changes but what is left out.
type wrapped struct {
	b      strings.Builder
	source string
	pieces []piece
}

// piece says that n bytes at at are those of the source at from.
type piece struct{ at, from, n int }

func (w *wrapped) add(s string) *wrapped {
	w.b.WriteString(s)
	return w
}

// copy adds the source from one offset to another.
func (w *wrapped) copy(from, to int) *wrapped {
	w.pieces = append(w.pieces, piece{w.b.Len(), from, to - from})
	w.b.WriteString(w.source[from:to])
	return w
}

// origin is the offset in the source of an offset in the wrapped text; exact tells that it is not in what was put there. An
// offset in added text becomes the nearest one in the source.
func (w *wrapped) origin(off int) (at int, exact bool) {
	for i := len(w.pieces) - 1; i >= 0; i-- {
		p := w.pieces[i]
		if off >= p.at {
			return p.from + min(off-p.at, p.n), off < p.at+p.n
		}
	}
	return w.pieces[0].from, false
}
