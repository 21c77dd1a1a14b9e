// SPDX-License-Identifier: Apache-2.0

package codemode

import (
	"cmp"
	"fmt"
	"slices"
	"unicode/utf8"

	"tollgate/upstream/wire"
)

const (
	maxCutDepth   = 16   // levels that are cut inside of each other; what is deeper goes as a whole
	maxCutMembers = 1000 // members of an object that are looked at
	room          = 48   // bytes that a mark takes
)

// truncate shortens a JSON value to at most so many bytes, as JSON: arrays keep their first elements, objects share what there
// is among their members, strings keep their beginning. A mark, always a string, says what is missing where.
func truncate(b []byte, most int) []byte {
	out := cut(nil, bytesTrim(b), most, maxCutDepth)
	if len(out) > most { // only when most is smaller than a mark
		return []byte(`"[cut]"`)
	}
	return out
}

func cut(dst, v []byte, most, depth int) []byte {
	if len(v) <= most {
		return append(dst, v...)
	}
	if depth == 0 || most < 2*room || len(v) == 0 {
		return mark(dst, fmt.Sprintf("[cut: %d bytes]", len(v)))
	}
	switch v[0] {
	case '"':
		return cutString(dst, v, most)
	case '[':
		return cutArray(dst, v, most, depth)
	case '{':
		return cutObject(dst, v, most, depth)
	}
	return mark(dst, "[cut: a long number]")
}

func mark(dst []byte, text string) []byte {
	dst = append(dst, '"')
	dst = append(dst, text...)
	return append(dst, '"')
}

// cutString keeps the beginning, in whole characters and whole escapes.
func cutString(dst, v []byte, most int) []byte {
	end := most - room
	for end > 1 && !utf8.RuneStart(v[end]) {
		end--
	}
	// A backslash at most a surrogate pair back may begin what would be cut.
	for i := 1; i < end; {
		next := i + 1
		if v[i] == '\\' {
			if next = i + 2; v[i+1] == 'u' {
				next = i + 6
			}
			if high(v[i:]) {
				next = i + 12
			}
		}
		if next > end {
			end = i
			break
		}
		i = next
	}
	dst = append(dst, v[:end]...)
	return append(dst, fmt.Sprintf(`… [cut: %d more bytes]"`, len(v)-1-end)...)
}

// high reports whether an escape is the first half of a pair.
func high(v []byte) bool {
	return len(v) >= 12 && v[1] == 'u' && (v[2] == 'd' || v[2] == 'D') && v[3] >= '8' && v[6] == '\\' && v[7] == 'u'
}

// cutArray keeps elements from the beginning as long as they fit.
func cutArray(dst, v []byte, most, depth int) []byte {
	start, kept, all := len(dst), 0, 0
	dst = append(dst, '[')
	full := false
	for e := range wire.Elements(v) {
		all++
		left := most - (len(dst) - start) - room
		switch {
		case full:
		case len(e)+1 <= left:
			dst = append(append(dst, e...), ',')
			kept++
		case kept == 0 && left > 2*room: // better a part of the first one than nothing
			dst = append(cut(dst, e, left-1, depth-1), ',')
			kept, full = 1, true
		default:
			full = true
		}
	}
	if kept < all {
		dst = mark(dst, fmt.Sprintf("[cut: %d of %d elements]", all-kept, all))
	} else {
		dst = dst[:len(dst)-1]
	}
	return append(dst, ']')
}

// cutObject gives every member the same room, and what small members leave to the large ones.
func cutObject(dst, v []byte, most, depth int) []byte {
	var members []wire.Member
	all := 0
	for m := range wire.Members(v) {
		if all++; all <= maxCutMembers {
			members = append(members, m)
		}
	}
	share := shares(members, most-2-room)
	dst = append(dst, '{')
	kept := 0
	for i, m := range members {
		if share[i] > 0 {
			dst = append(append(dst, m.Key...), ':')
			dst = append(cut(dst, m.Value, share[i]-len(m.Key)-2, depth-1), ',')
			kept++
		}
	}
	if kept < all {
		dst = append(dst, fmt.Sprintf(`"…":"[cut: %d of %d members]"`, all-kept, all)...)
	} else {
		dst = dst[:len(dst)-1]
	}
	return append(dst, '}')
}

// shares says how many bytes each member gets; none when that is too little for more than its name.
func shares(members []wire.Member, left int) []int {
	size := func(i int) int { return len(members[i].Key) + len(members[i].Value) + 2 }
	order := make([]int, len(members))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(size(a), size(b)) })
	share := make([]int, len(members))
	for n, i := range order {
		fair := left / (len(order) - n)
		if size(i) <= fair {
			share[i] = size(i)
		} else if fair >= len(members[i].Key)+2+2*room {
			share[i] = fair
		}
		left -= share[i]
	}
	return share
}

func bytesTrim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\n' || b[0] == '\t' || b[0] == '\r') {
		b = b[1:]
	}
	return b
}

// cutText shortens a text to at most so many bytes, in whole characters.
func cutText(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most]
}
