// SPDX-License-Identifier: Apache-2.0

package author

import (
	"strings"

	"github.com/open-policy-agent/opa/v1/topdown"
)

// maxTrace bounds a trace, in events: a loop makes millions.
const maxTrace = 10_000

func prettyTrace(events []*topdown.Event) string {
	var b strings.Builder
	cut := len(events) > maxTrace
	topdown.PrettyTraceWithLocation(&b, events[:min(len(events), maxTrace)])
	if cut {
		b.WriteString("... and more\n")
	}
	return b.String()
}

// prettyEvent shows an expression and the values of its variables below.
func prettyEvent(e *topdown.Event) string {
	var b strings.Builder
	if err := topdown.PrettyEvent(&b, e, topdown.PrettyEventOpts{PrettyVars: true}); err != nil {
		return string(e.Location.Text)
	}
	return strings.TrimRight(b.String(), "\n")
}
