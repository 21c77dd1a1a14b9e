// SPDX-License-Identifier: Apache-2.0

package alert

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"tollgate/policy/internal/wording"
)

// Mistake is one mistake in a rule. Whoever read the rules from a file can point at its place: the rule by Index, then Field
// and Offset.
type Mistake struct {
	Index int // of the rule, from 0
	// Field is name, when, for, cooldown, severity or summary.
	Field string
	// Offset counts bytes from the start of the field's text; -1 = all of it.
	Offset        int
	Message, Hint string
}

func (m Mistake) Error() string {
	text := fmt.Sprintf("rules[%d].%s", m.Index, m.Field)
	if m.Offset >= 0 {
		text += fmt.Sprintf(" at %d", m.Offset+1)
	}
	text += ": " + m.Message
	if m.Hint != "" {
		text += "\n\thint: " + m.Hint
	}
	return text
}

// Mistakes are all mistakes found, ordered by rule, field and offset.
type Mistakes []Mistake

func (m Mistakes) Error() string {
	return wording.Lines(m)
}

func (m Mistakes) sorted() Mistakes {
	slices.SortStableFunc(m, func(a, b Mistake) int {
		return cmp.Or(cmp.Compare(a.Index, b.Index), strings.Compare(a.Field, b.Field), cmp.Compare(a.Offset, b.Offset))
	})
	return slices.Compact(m)
}
