// SPDX-License-Identifier: Apache-2.0

package redact

import (
	"bytes"
	"slices"
	"strings"
	"unicode"
)

// mayHoldJSON looks quickly at a string as written, with its quotes: false when it cannot be a document and [judge] would
// call it prose.
func mayHoldJSON(raw []byte) bool {
	c := raw[1] | 0x20 // letters as small ones
	if 'a' <= c && c <= 'z' && strings.IndexByte("tfnui", c) < 0 {
		return false // words, but for those of JSON and its relatives
	}
	return bytes.IndexByte(raw, '{') >= 0 || bytes.IndexByte(raw, '[') >= 0 || bytes.Contains(raw, []byte(`\u`))
}

// judge tells of text that is not one valid JSON document whether it is prose, or unreadable. It is unreadable when it begins
// with a brace, or with a bracket that is no tag. What comes before does not count: what parsers read over (see blank), plain
// values, punctuation. Such text is JSON that was cut off at one end or both, goes on with more, has a constant like NaN in
// it, or is written in one of the looser dialects.
func judge(text string) verdict {
	if isNotice(text) {
		return prose
	}
	for b := []byte(text); ; {
		b = bytes.TrimLeftFunc(b, func(r rune) bool { return blank(r) || strings.ContainsRune(",:;)(]}'", r) })
		if len(b) == 0 {
			return prose
		}
		switch b[0] {
		case '{':
			return unreadable
		case '[':
			if tagged(string(b)) {
				return prose
			}
			return unreadable
		case '"':
			end := stringEnd(b, 0)
			if holdsBracket(b[1:end]) {
				return unreadable
			}
			b = b[end:]
		default:
			rest := bytes.TrimLeft(b, letters+digits+"+-.")
			if word := string(b[:len(b)-len(rest)]); !isNumber(word) && !isConstant(word) {
				return prose
			}
			b = rest
		}
	}
}

// holdsBracket reports whether what stands in a string, which may have been cut off, begins like an object or array.
func holdsBracket(inner []byte) bool {
	for {
		inner = bytes.TrimLeftFunc(inner, blank)
		if len(inner) < 2 || inner[0] != '\\' || strings.IndexByte("bfnrt", inner[1]) < 0 {
			break
		}
		inner = inner[2:]
	}
	return len(inner) > 0 && strings.IndexByte(`{[\`, inner[0]) >= 0
}

// isNumber reports whether word is a number, in whatever notation.
func isNumber(word string) bool {
	return strings.ContainsAny(word, digits) && strings.Trim(word, digits+"+-.eE") == ""
}

// isConstant reports whether JSON or one of its relatives has word for a value.
func isConstant(word string) bool {
	return slices.Contains([]string{"true", "false", "null", "nan", "infinity", "inf", "undefined", "none", "nil"},
		strings.ToLower(strings.TrimLeft(word, "+-")))
}

// tagged reports whether text with brackets is plainly prose, such as "[info] done" or "[a](b)": each bracket opens a tag of
// words or an empty one, and there is no brace at all. No dialect of JSON has a member or an element in it.
func tagged(text string) bool {
	if strings.ContainsRune(text, '{') {
		return false
	}
	for {
		_, rest, more := strings.Cut(text, "[")
		if !more {
			return true
		}
		tag, after, closed := strings.Cut(rest, "]")
		if !closed || !isTag(tag) {
			return false
		}
		text = after
	}
}

func isTag(tag string) bool {
	for i, word := range strings.Fields(tag) {
		for j, r := range word {
			if !unicode.IsLetter(r) && (i+j == 0 || !unicode.IsDigit(r) && !strings.ContainsRune("-_./#!", r)) {
				return false
			}
		}
		if isConstant(word) {
			return false
		}
	}
	return true
}
