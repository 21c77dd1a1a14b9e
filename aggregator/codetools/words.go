// SPDX-License-Identifier: Apache-2.0

package codetools

import (
	"fmt"
	"strings"
	"unicode"

	"tollgate/aggregator"
	"tollgate/upstream/wire"
)

// maxAnswer bounds what search and read say, in bytes: the types of a hundred tools fit.
const maxAnswer = 128 << 10

// text is a result of one text.
func text(s string) aggregator.OwnReply {
	return aggregator.OwnReply{Result: result(false, bounded(s))}
}

// failure is a result that says what went wrong.
func failure(s string) aggregator.OwnReply {
	return aggregator.OwnReply{Result: result(true, bounded(s))}
}

// bounded is s, cut off after a line where it is too long, with a mark.
func bounded(s string) string {
	if len(s) <= maxAnswer {
		return s
	}
	kept := s[:strings.LastIndexByte(s[:maxAnswer], '\n')+1]
	if kept == "" {
		kept = strings.ToValidUTF8(s[:maxAnswer], "") + "\n"
	}
	return kept + fmt.Sprintf("(cut: %d more bytes; ask for less at once)", len(s)-len(kept))
}

// plainLine is the first line of what an upstream says, without characters that could make it look like more than that.
func plainLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r), r == '\u2028', r == '\u2029':
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}

// result is one of tools/call with some texts.
func result(failed bool, texts ...string) []byte {
	b := []byte(`{"resultType":"complete","content":[`)
	for i, s := range texts {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"type":"text","text":`...)
		b = append(wire.AppendString(b, strings.ToValidUTF8(s, "\ufffd")), '}')
	}
	b = append(b, ']')
	if failed {
		b = append(b, `,"isError":true`...)
	}
	return append(b, '}')
}

// clip is s, cut off after most bytes.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// maxCompared bounds the names that are compared, in bytes.
const maxCompared = 64

// within is the distance between two names, or more than most when their lengths alone say so.
func within(a, b string, most int) int {
	if far := min(len(a), maxCompared) - min(len(b), maxCompared); far > most || -far > most {
		return most + 1
	}
	return distance(a, b)
}

// distance is the least number of inserted, removed, replaced or swapped bytes between two names, case aside.
func distance(a, b string) int {
	a, b = clip(strings.ToLower(a), maxCompared), clip(strings.ToLower(b), maxCompared)
	var rows [3][maxCompared + 8]int
	before, above, row := &rows[0], &rows[1], &rows[2]
	for j := range len(b) + 1 {
		above[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(above[j]+1, row[j-1]+1, above[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, above, row = above, row, before
	}
	return above[len(b)]
}
