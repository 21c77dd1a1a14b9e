// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"slices"
	"strconv"
	"strings"

	"tollgate/aggregator/redact"
	"tollgate/policy"
	"tollgate/upstream/wire"
)

const (
	// minScrubbed is the shortest value that is looked for in sentences: shorter ones stand everywhere.
	minScrubbed = 3
	// maxScrubbed bounds the values that are looked for. With more of them the sentence goes as a whole.
	maxScrubbed = 1 << 10
)

// scrubber takes values of arguments that a record does not keep out of sentences that may quote them, such as those of
// rules. The zero value takes out nothing.
type scrubber struct {
	arguments []byte
	pointers  []string // where the values are
}

func (s scrubber) scrub(text string) string {
	if text == "" || len(s.pointers) == 0 || string(s.arguments) == "{}" {
		return text
	}
	if len(s.arguments) > policy.MaxArguments {
		return redact.Redacted
	}
	var values []string
	for _, pointer := range s.pointers {
		if !scalars(at(s.arguments, pointer), &values) {
			return redact.Redacted
		}
	}
	slices.SortFunc(values, func(a, b string) int { return len(b) - len(a) })
	for _, value := range values {
		text = strings.ReplaceAll(text, value, redact.Redacted)
		if quoted := strconv.Quote(value); quoted != `"`+value+`"` {
			text = strings.ReplaceAll(text, quoted, redact.Redacted)
		}
	}
	return text
}

// at is the value at a pointer that package redact told, nil for none.
func at(value []byte, pointer string) []byte {
	if pointer == "" {
		return value
	}
	for segment := range strings.SplitSeq(pointer[1:], "/") {
		name := strings.ReplaceAll(strings.ReplaceAll(segment, "~1", "/"), "~0", "~")
		switch wire.Kind(value) {
		case '{':
			value, _ = wire.Lookup(value, name)
		case '[':
			n, _ := strconv.Atoi(segment)
			value = element(value, n)
		default:
			return nil
		}
	}
	return value
}

func element(array []byte, n int) []byte {
	for e := range wire.Elements(array) {
		if n == 0 {
			return e
		}
		n--
	}
	return nil
}

// scalars adds the strings and numbers in value to out; false when there are too many.
func scalars(value []byte, out *[]string) bool {
	switch wire.Kind(value) {
	case '{':
		for m := range wire.Members(value) {
			if !scalars(m.Value, out) {
				return false
			}
		}
	case '[':
		for e := range wire.Elements(value) {
			if !scalars(e, out) {
				return false
			}
		}
	case '"':
		if s, _ := wire.String(value); len(s) >= minScrubbed {
			*out = append(*out, s)
		}
	case '0':
		if len(value) >= minScrubbed {
			*out = append(*out, string(value))
		}
	}
	return len(*out) <= maxScrubbed
}
