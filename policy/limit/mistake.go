// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"tollgate/policy/internal/wording"
)

// Mistake is one mistake in a limit. Whoever read the limits from a file can
// point at its place: the limit by Role and Index, then Field and Offset.
type Mistake struct {
	Role  string // "" = everyone
	Index int    // of the limit in its role, from 0
	// Field is name, for[0], match, require, message, rate, durable, per[0],
	// concurrency, cost, settle, timeout or max_result_bytes; "" is the limit as a whole.
	Field string
	// Offset counts bytes from the start of the field's text; -1 = all of it.
	Offset        int
	Message, Hint string
}

func (m Mistake) Error() string {
	at := fmt.Sprintf("limits[%d]", m.Index)
	if m.Role != "" {
		at = fmt.Sprintf("roles[%q].%s", m.Role, at)
	}
	if m.Field != "" {
		at += "." + m.Field
	}
	if m.Offset >= 0 {
		at += fmt.Sprintf(" at %d", m.Offset+1)
	}
	text := at + ": " + m.Message
	if m.Hint != "" {
		text += "\n\thint: " + m.Hint
	}
	return text
}

// Mistakes are all mistakes found, ordered by role, limit, field and offset.
type Mistakes []Mistake

func (m Mistakes) Error() string {
	return wording.Lines(m)
}

func (m Mistakes) sorted() Mistakes {
	slices.SortStableFunc(m, func(a, b Mistake) int {
		return cmp.Or(strings.Compare(a.Role, b.Role), cmp.Compare(a.Index, b.Index),
			strings.Compare(a.Field, b.Field), cmp.Compare(a.Offset, b.Offset), strings.Compare(a.Message, b.Message))
	})
	return slices.Compact(m)
}
