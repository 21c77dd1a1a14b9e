// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"iter"
	"math"
)

// Member is one name and value of an object.
type Member struct {
	Name       string // decoded; a copy, safe to keep
	Key, Value []byte // as written; Key with its quotes, Value without surrounding white space
	Start, End int    // Start is the offset of Key in the object, End the offset after Value
}

// Members yields the members of obj in the order of the text. obj must have passed a check; anything but an object yields
// nothing. Key and Value are spans of obj.
func Members(obj []byte) iter.Seq[Member] {
	return func(yield func(Member) bool) {
		for s, ok := firstMember(obj); ok; s, ok = nextMember(obj, s.end) {
			key := obj[s.start:s.keyEnd]
			m := Member{unescape(key[1 : len(key)-1]), key, obj[s.value:s.end], s.start, s.end}
			if !yield(m) {
				return
			}
		}
	}
}

// Lookup follows names from object to object and answers the value at the end as a span of obj, or false when a name is
// missing or something on the way is no object. Names are compared exactly, after unescaping; of several equal ones the
// first counts. obj must have passed a check. Lookup does not allocate.
func Lookup(obj []byte, path ...string) ([]byte, bool) {
	obj = trim(obj)
	for _, name := range path {
		s, ok := find(obj, name)
		if !ok {
			return nil, false
		}
		obj = obj[s.value:s.end]
	}
	return obj, len(obj) > 0
}

// Elements yields the elements of arr as spans without surrounding white space. arr must have passed a check; anything but
// an array yields nothing.
func Elements(arr []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		i := skipSpace(arr, 0)
		if i >= len(arr) || arr[i] != '[' {
			return
		}
		for i = skipSpace(arr, i+1); i < len(arr) && arr[i] != ']'; i = skipSpace(arr, i+1) {
			end := skipValue(arr, i)
			if end == i || !yield(arr[i:end]) {
				return
			}
			if i = skipSpace(arr, end); i >= len(arr) || arr[i] != ',' {
				return
			}
		}
	}
}

// Kind tells what raw is by its first byte: one of { [ " t f n, 0 (the digit) for every number, the zero byte for nothing.
func Kind(raw []byte) byte {
	i := skipSpace(raw, 0)
	if i >= len(raw) {
		return 0
	}
	if ch := raw[i]; ch != '-' && !isDigit(ch) {
		return ch
	}
	return '0'
}

// Int decodes a JSON integer. It answers false for anything else, for a fraction or exponent even when the value is whole,
// and for values outside of int64.
func Int(raw []byte) (int64, bool) {
	raw = trim(raw)
	negative := len(raw) > 0 && raw[0] == '-'
	if negative {
		raw = raw[1:]
	}
	if len(raw) == 0 || len(raw) > 19 {
		return 0, false
	}
	var n uint64
	for _, ch := range raw {
		if !isDigit(ch) {
			return 0, false
		}
		n = n*10 + uint64(ch-'0')
	}
	switch {
	case n <= math.MaxInt64 && negative:
		return -int64(n), true
	case n <= math.MaxInt64:
		return int64(n), true
	case n == math.MaxInt64+1 && negative:
		return math.MinInt64, true
	}
	return 0, false
}

// span is a member as offsets in its object.
type span struct {
	start, keyEnd int // of the name with its quotes
	value, end    int // of the value
}

func find(obj []byte, name string) (span, bool) {
	for s, ok := firstMember(obj); ok; s, ok = nextMember(obj, s.end) {
		if equalKey(obj[s.start+1:s.keyEnd-1], name) {
			return s, true
		}
	}
	return span{}, false
}

func firstMember(obj []byte) (span, bool) {
	i := skipSpace(obj, 0)
	if i >= len(obj) || obj[i] != '{' {
		return span{}, false
	}
	return memberAt(obj, i+1)
}

// nextMember answers the member after the one whose value ends at end.
func nextMember(obj []byte, end int) (span, bool) {
	i := skipSpace(obj, end)
	if i >= len(obj) || obj[i] != ',' {
		return span{}, false
	}
	return memberAt(obj, i+1)
}

func memberAt(obj []byte, i int) (span, bool) {
	i = skipSpace(obj, i)
	if i >= len(obj) || obj[i] != '"' {
		return span{}, false
	}
	s := span{start: i, keyEnd: skipString(obj, i)}
	i = skipSpace(obj, s.keyEnd)
	if i >= len(obj) || obj[i] != ':' {
		return span{}, false
	}
	s.value = skipSpace(obj, i+1)
	s.end = skipValue(obj, s.value)
	return s, s.end > s.value
}

// The skip functions jump over text that is known to be valid. On other text they answer some offset, but never one that
// lies behind the end or before i.

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

func skipValue(b []byte, i int) int {
	if i >= len(b) {
		return i
	}
	switch b[i] {
	case '"':
		return skipString(b, i)
	case '{', '[':
		return skipNested(b, i)
	}
	for i < len(b) {
		switch b[i] {
		case ',', '}', ']', ' ', '\n', '\r', '\t', ':':
			return i
		}
		i++
	}
	return i
}

func skipNested(b []byte, i int) int {
	open := 0
	for i < len(b) {
		switch b[i] {
		case '"':
			i = skipString(b, i)
			continue
		case '{', '[':
			open++
		case '}', ']':
			if open--; open == 0 {
				return i + 1
			}
		}
		i++
	}
	return i
}

// skipString finds the first quote after i that an even number of backslashes precedes.
func skipString(b []byte, i int) int {
	for from := i + 1; ; {
		n := bytes.IndexByte(b[from:], '"')
		if n < 0 {
			return len(b)
		}
		quote := from + n
		slash := quote
		for slash > from && b[slash-1] == '\\' {
			slash--
		}
		from = quote + 1
		if (quote-slash)%2 == 0 {
			return from
		}
	}
}

func trim(b []byte) []byte {
	i, end := skipSpace(b, 0), len(b)
	for end > i && (b[end-1] == ' ' || b[end-1] == '\n' || b[end-1] == '\r' || b[end-1] == '\t') {
		end--
	}
	return b[i:end]
}
