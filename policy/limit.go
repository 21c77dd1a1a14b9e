// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"context"
	"time"
)

// pollsPerCheck is how many of the evaluator's polls share one look at the
// clock. Polls come at every expression, well under a microsecond apart.
const pollsPerCheck = 64

// deadline is a topdown.Cancel that needs no timer and no goroutine: the
// evaluation itself polls it. It serves one goroutine, one object at a time.
type deadline struct {
	ctx   context.Context
	now   func() time.Time
	limit time.Duration

	ends  time.Time
	polls int
	over  bool // the limit was reached or ctx ended
}

// start begins the time of the next object.
func (d *deadline) start() {
	d.ends, d.polls, d.over = d.now().Add(d.limit), 0, false
}

// Cancel ends the evaluation at its next poll.
func (d *deadline) Cancel() { d.over = true }

// Cancelled is polled by the evaluator.
func (d *deadline) Cancelled() bool {
	if d.polls++; d.over || d.polls%pollsPerCheck != 0 {
		return d.over
	}
	d.over = d.ctx.Err() != nil || d.now().After(d.ends)
	return d.over
}
