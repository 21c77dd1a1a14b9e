// SPDX-License-Identifier: Apache-2.0

package narrow

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxShown is how much of a text from elsewhere a sentence shows, in characters, and maxListed of a list of values.
const (
	maxShown  = 80
	maxListed = 400
)

// clip quotes what comes from a schema or a call, so that it cannot pass for a part of the sentence: control characters,
// direction marks and what has no width are escaped, and what is long is cut.
func clip(s string) string {
	if utf8.RuneCountInString(s) > maxShown {
		s = string([]rune(s)[:maxShown-1]) + "…"
	}
	return strconv.Quote(s)
}

// literal shows a JSON value of a schema as it is written.
func literal(s string) string {
	var b strings.Builder
	for _, r := range s {
		if strconv.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		quoted := strconv.QuoteRune(r)
		b.WriteString(quoted[1 : len(quoted)-1])
	}
	plain := b.String()
	if utf8.RuneCountInString(plain) > maxShown {
		plain = string([]rune(plain)[:maxShown-1]) + "…"
	}
	return plain
}

func valuesText(literals []string) string {
	switch len(literals) {
	case 0:
		return "has no allowed value"
	case 1:
		return "must be " + literal(literals[0])
	}
	var b strings.Builder
	b.WriteString("must be one of ")
	for i, l := range literals {
		text := literal(l)
		if b.Len()+len(text) > maxListed {
			fmt.Fprintf(&b, " and %d more", len(literals)-i)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(text)
	}
	return b.String()
}

func typeText(set int) string {
	if set&typeNumber != 0 {
		set &^= typeInteger
	}
	articles := []string{"null", "true or false", "a whole number", "a number", "a string", "an array", "an object"}
	var parts []string
	for i, name := range articles {
		if set&(1<<i) != 0 {
			parts = append(parts, name)
		}
	}
	if n := bits.OnesCount(uint(set)); n > 2 {
		return "must be " + strings.Join(parts[:n-1], ", ") + " or " + parts[n-1]
	}
	return "must be " + strings.Join(parts, " or ")
}

func boundText(name string) string {
	switch name {
	case "minimum":
		return "must be at least "
	case "maximum":
		return "must be at most "
	case "exclusiveMinimum":
		return "must be more than "
	}
	return "must be less than "
}

func countText(name string, n int64) string {
	text := "must have at least "
	if strings.HasPrefix(name, "max") {
		text = "must have at most "
	}
	noun := map[string]string{"Length": "character", "Items": "item", "Properties": "member"}[name[3:]]
	if n != 1 {
		noun += "s"
	}
	return text + strconv.FormatInt(n, 10) + " " + noun
}

// sentence says what is wrong in words for the caller: never with a value of the call, and with at most maxShown characters
// of each name.
func (m *miss) sentence(constrained func(argument string) bool) string {
	switch {
	case m.kind == missing && len(m.path) == 0:
		return "argument " + clip(m.text) + " is required"
	case len(m.path) == 0 && m.kind == wrong:
		return "the arguments " + m.text
	case m.kind == missing:
		return subject(m.path) + " must have the member " + clip(m.text)
	case m.kind != noValue:
		return subject(m.path) + " " + m.text
	case len(m.path) == 1 && constrained(m.path[0]):
		return subject(m.path) + " has no allowed value: the policy leaves none of those that the tool takes"
	}
	return subject(m.path) + " is not allowed"
}

func subject(path []string) string {
	switch len(path) {
	case 0:
		return "the set of arguments"
	case 1:
		return "argument " + clip(path[0])
	}
	steps := make([]string, 0, len(path))
	for _, step := range path[1:] {
		steps = append(steps, strings.NewReplacer("~", "~0", "/", "~1").Replace(step))
	}
	return "argument " + clip(path[0]) + " at " + clip("/"+strings.Join(steps, "/"))
}
