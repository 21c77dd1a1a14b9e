// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bytes"
	"unicode/utf8"
)

// fold finds a text, whatever the case.
type fold struct {
	want  []byte // in lower case; nothing is everywhere
	lower []byte // memory for in
}

func newFold(text string) *fold { return &fold{want: bytes.ToLower([]byte(text))} }

// in tells whether text has it. Nearly all records are ASCII, for which no other memory is needed.
func (f *fold) in(text []byte) bool {
	if len(f.want) == 0 {
		return true
	}
	f.lower = append(f.lower[:0], text...)
	for i, c := range f.lower {
		switch {
		case c >= utf8.RuneSelf:
			return bytes.Contains(bytes.ToLower(text), f.want)
		case 'A' <= c && c <= 'Z':
			f.lower[i] = c + 'a' - 'A'
		}
	}
	return bytes.Contains(f.lower, f.want)
}
