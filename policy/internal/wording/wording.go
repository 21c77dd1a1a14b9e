// SPDX-License-Identifier: Apache-2.0

package wording

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"tollgate/policy"
)

// DidYouMean is a hint at the candidate that looks like word, "" when none does.
func DidYouMean(word string, candidates []string) string {
	if near := policy.Closest(word, candidates); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return ""
}

// Lines are mistakes, one below the other.
func Lines[M error](mistakes []M) string {
	lines := make([]string, len(mistakes))
	for i, m := range mistakes {
		lines[i] = m.Error()
	}
	return strings.Join(lines, "\n")
}

// Offset is where a line, from 1, and a column in characters, from 0, are in source; -1 when there is no such line.
func Offset(source string, line, column int) int {
	if line < 1 || column < 0 {
		return -1
	}
	offset := 0
	for range line - 1 {
		i := strings.IndexByte(source[offset:], '\n')
		if i < 0 {
			return -1
		}
		offset += i + 1
	}
	for range column {
		_, n := utf8.DecodeRuneInString(source[offset:])
		offset += n
	}
	return min(offset, len(source))
}

// NameBefore is where the name of a function starts; CEL points at its parenthesis.
func NameBefore(source, name string, offset int) int {
	if offset > 0 && strings.HasSuffix(source[:offset], name) {
		return offset - len(name)
	}
	return offset
}

// PastDot is where the name of a member starts; CEL points at the dot.
func PastDot(source string, offset int) int {
	if offset >= 0 && strings.HasPrefix(source[offset:], ".") {
		return offset + 1
	}
	return offset
}

// Type words one of CEL's types. Others are named as they are.
func Type(t string) string {
	name, _, _ := strings.Cut(t, "(")
	switch typeName(name) {
	case "bool":
		return "true or false"
	case "int", "uint":
		return "a whole number"
	case "double":
		return "a number"
	case "string":
		return "text"
	case "bytes":
		return "bytes"
	case "list":
		return "a list"
	case "map":
		return "an object"
	case "timestamp", "google.protobuf.Timestamp":
		return "a time"
	case "duration", "google.protobuf.Duration":
		return "a duration"
	case "null", "null_type":
		return "null"
	case "dyn":
		return "a value of any type"
	case "type":
		return "a type"
	}
	return t
}

// typeName is the first name in text.
func typeName(text string) string {
	start := strings.IndexFunc(text, isLetter)
	if start < 0 {
		return ""
	}
	text = text[start:]
	if end := strings.IndexFunc(text, func(r rune) bool { return !isLetter(r) && r != '.' && (r < '0' || r > '9') }); end >= 0 {
		return text[:end]
	}
	return text
}

func isLetter(r rune) bool { return r == '_' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' }
