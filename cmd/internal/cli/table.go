// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"io"
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// Table aligns rows under a header with two spaces between columns. Cells are cleaned, so they are one line each. The zero
// Table prints nothing.
type Table struct {
	header []string
	rows   [][]string
}

// NewTable starts a table. Headers are by convention upper case.
func NewTable(header ...string) *Table { return &Table{header: header} }

// Row adds a row. Missing cells are empty; an empty cell is shown as "-".
func (t *Table) Row(cells ...string) {
	row := make([]string, max(len(t.header), len(cells)))
	copy(row, cells)
	for i, c := range row {
		if row[i] = Clean(c); c == "" {
			row[i] = "-"
		}
	}
	t.rows = append(t.rows, row)
}

// Len is the number of rows.
func (t *Table) Len() int { return len(t.rows) }

// WriteTo writes the table, without a space at the end of any line.
func (t *Table) WriteTo(w io.Writer) (int64, error) {
	lines := t.rows
	if len(t.header) > 0 {
		lines = append([][]string{t.header}, t.rows...)
	}
	var widths []int
	for _, row := range lines {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], displayWidth(c))
		}
	}
	var b strings.Builder
	for _, row := range lines {
		line := ""
		for i, c := range row {
			line += c + strings.Repeat(" ", widths[i]-displayWidth(c)+2)
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	n, err := io.WriteString(w, b.String())
	return int64(n), err
}

// displayWidth counts terminal columns: two for East Asian wide characters, none for combining marks.
func displayWidth(s string) int {
	n := 0
	for _, r := range s {
		switch kind := width.LookupRune(r).Kind(); {
		case unicode.Is(unicode.Mn, r):
		case kind == width.EastAsianWide || kind == width.EastAsianFullwidth:
			n += 2
		default:
			n++
		}
	}
	return n
}
