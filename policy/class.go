// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"strconv"
	"strings"
)

// Class is the same for two principals whenever neither access nor static
// conditions can tell them apart: it spells out the members that these may read,
// and they are shown no others. p must not be nil. It is safe for concurrent use.
func (e *Engine) Class(p *Principal) string {
	var b []byte
	for _, field := range principalFields() {
		if !e.reads.principal[field] && !e.conditions.reads.principal[field] {
			continue
		}
		b = append(append(b, field...), '=')
		v := p.value(field)
		for i, text := range v.texts {
			if i > 0 {
				b = append(b, ',')
			}
			b = strconv.AppendQuote(b, text)
		}
		b = append(b, ' ')
	}
	return strings.TrimSuffix(string(b), " ")
}
