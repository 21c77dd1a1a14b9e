// SPDX-License-Identifier: Apache-2.0

package wire

import "slices"

// Revision is an MCP protocol revision as it is written on the wire: a date, so that string order is age order.
type Revision string

// The revisions this gateway speaks.
const (
	R20241105 Revision = "2024-11-05"
	R20250326 Revision = "2025-03-26"
	R20250618 Revision = "2025-06-18"
	R20251125 Revision = "2025-11-25"
	R20260728 Revision = "2026-07-28"
)

// Revisions returns every revision this gateway speaks, newest first. The slice is the caller's.
func Revisions() []Revision {
	return []Revision{R20260728, R20251125, R20250618, R20250326, R20241105}
}

// Known reports whether r is one of [Revisions].
func (r Revision) Known() bool { return slices.Contains(Revisions(), r) }

// Modern reports whether r is a known revision without handshake and sessions: 2026-07-28 or newer.
func (r Revision) Modern() bool { return r.Known() && r >= R20260728 }

// Negotiate answers a legacy initialize request: the revision asked for when it is a known legacy one, else the newest
// legacy revision. It never answers with a modern revision, because those have no initialize.
func Negotiate(asked Revision) Revision {
	if asked.Known() && !asked.Modern() {
		return asked
	}
	return R20251125
}
