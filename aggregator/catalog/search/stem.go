// SPDX-License-Identifier: Apache-2.0

package search

import "bytes"

// stem cuts the ending of an English word in place: plurals, -ing, -ed, and then what differs without them: a last e, y and
// double l. Words with anything but a to z stay. What is left need not be a word; it only has to be the same for all forms.
func stem(w []byte) []byte {
	if len(w) < 4 {
		return w
	}
	for _, c := range w {
		if c < 'a' || c > 'z' {
			return w
		}
	}
	w = singular(w)
	if rest, ok := bytes.CutSuffix(w, []byte("ing")); ok {
		w = stripped(w, rest, "")
	} else if rest, ok := bytes.CutSuffix(w, []byte("ed")); ok && !bytes.HasSuffix(w, []byte("eed")) {
		w = stripped(w, rest, "e")
	}
	n := len(w)
	switch {
	case n > 4 && w[n-1] == 'e':
		w = w[:n-1]
	case n > 3 && w[n-1] == 'y' && !vowel(w[n-2]):
		w[n-1] = 'i'
	case n > 5 && w[n-1] == 'l' && w[n-2] == 'l':
		w = w[:n-1]
	}
	return w
}

// singular takes the ending of a plural away.
func singular(w []byte) []byte {
	n := len(w)
	switch {
	case w[n-1] != 's':
	case n > 4 && bytes.HasSuffix(w, []byte("ies")):
		return w[:n-2]
	case bytes.HasSuffix(w, []byte("xes")):
		return w[:n-2]
	case w[n-2] != 's' && w[n-2] != 'u' && w[n-2] != 'i':
		return w[:n-1]
	}
	return w
}

// stripped is rest, which is w without -ing or -ed, as it was before that was added; w itself when rest is no word. A short
// rest gets its e back, as in "using" and "moving"; bare is what w loses when nothing else is left to lose.
func stripped(w, rest []byte, bare string) []byte {
	n := len(rest)
	switch {
	case n < 2 || !bytes.ContainsAny(rest, "aeiouy"):
		return w
	case n == 2 && bare != "":
		return w[:3] // "used"
	case n == 2:
		if vowel(rest[0]) && !vowel(rest[1]) {
			return append(rest, 'e')
		}
		return w // "being"
	case rest[n-1] == 'i':
		return rest // "applied": as "applies"
	case n > 3 && rest[n-1] == rest[n-2] && !bytes.ContainsAny(rest[n-1:], "aeioulsz"):
		return rest[:n-1] // "running"
	case n == 3 && !vowel(rest[0]) && vowel(rest[1]) && !vowel(rest[2]) && !bytes.ContainsAny(rest[2:], "wx"):
		return append(rest, 'e') // "moving"
	}
	return rest
}

func vowel(c byte) bool {
	switch c {
	case 'a', 'e', 'i', 'o', 'u', 'y':
		return true
	}
	return false
}
