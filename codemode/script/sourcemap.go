// SPDX-License-Identifier: Apache-2.0

package script

import (
	"cmp"
	"encoding/json"
	"errors"
	"slices"
	"strings"
)

// segment says that what is printed at a line and column comes from a line and column; all count from 0, columns in UTF-16
// units.
type segment struct{ line, column, fromLine, fromColumn int }

// maxPlace bounds every number of a source map.
const maxPlace = 1 << 30

var errMap = errors.New("the source map is broken")

// decodeMap reads the segments of a source map of one file, in the order of what was printed.
func decodeMap(raw []byte) ([]segment, error) {
	var m struct{ Mappings string }
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, errMap
	}
	return decodeMappings(m.Mappings)
}

// decodeMappings reads the mappings of a source map: lines are separated by semicolons, segments by commas, and a segment is
// one, four or five numbers, each the difference to the one before.
func decodeMappings(s string) ([]segment, error) {
	out := make([]segment, 0, len(s)/5)
	at := segment{}
	for i := 0; i < len(s); {
		switch s[i] {
		case ';':
			at.line, at.column = at.line+1, 0
			i++
			continue
		case ',':
			i++
			continue
		}
		var fields [5]int
		n := 0
		for ; i < len(s) && s[i] != ',' && s[i] != ';'; n++ {
			if n == len(fields) {
				return nil, errMap
			}
			var ok bool
			if fields[n], i, ok = decodeNumber(s, i); !ok {
				return nil, errMap
			}
		}
		at.column += fields[0]
		if n >= 4 {
			at.fromLine += fields[2]
			at.fromColumn += fields[3]
		}
		if n == 2 || n == 3 || !at.valid() || (len(out) > 0 && at.before(out[len(out)-1])) {
			return nil, errMap
		}
		if n >= 4 {
			out = append(out, at)
		}
	}
	return out, nil
}

func (s segment) valid() bool {
	return 0 <= s.column && s.column < maxPlace && 0 <= s.fromLine && s.fromLine < maxPlace && 0 <= s.fromColumn && s.fromColumn < maxPlace
}

// before reports whether s is printed in front of o.
func (s segment) before(o segment) bool {
	return cmp.Or(cmp.Compare(s.line, o.line), cmp.Compare(s.column, o.column)) < 0
}

// decodeNumber reads one base64 VLQ number at s[i] and answers the offset after it.
func decodeNumber(s string, i int) (n, next int, ok bool) {
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	for shift := 0; i < len(s) && shift <= 30; shift += 5 {
		d := strings.IndexByte(digits, s[i])
		if d < 0 {
			return 0, 0, false
		}
		i++
		n |= d & 31 << shift
		if d&32 == 0 {
			if n&1 != 0 {
				return -(n >> 1), i, true
			}
			return n >> 1, i, true
		}
	}
	return 0, 0, false
}

// find answers the last segment at or in front of a place of the printed text: on its line, else the first one of the line.
func find(segments []segment, line, column int) (segment, bool) {
	want := segment{line: line, column: column}
	i, found := slices.BinarySearchFunc(segments, want, func(a, b segment) int {
		return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.column, b.column))
	})
	if !found && (i == 0 || (segments[i-1].line != line && i < len(segments) && segments[i].line == line)) {
		i++ // the first of the line
	}
	if !found {
		i--
	}
	if i < 0 || i >= len(segments) {
		return segment{}, false
	}
	return segments[i], segments[i].line == line
}
