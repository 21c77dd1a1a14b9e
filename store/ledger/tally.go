// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"fmt"
	"time"
)

// tally is what counts against one limit in one period. The live accounts and the book count with it alike.
type tally struct {
	settled  int64    // of a calendar period
	window   *rolling // of a rolling one; nil = calendar
	reserved int64    // by calls under way
	leased   int64    // set aside on disk, for calls to draw on
}

// spent is what calls that ended have cost, as far as it counts at now.
func (t *tally) spent(now time.Time) int64 {
	if t.window == nil {
		return t.settled
	}
	return t.window.sum(t.window.clamp(now))
}

// settle counts what a call has cost that ended at at. In a rolling window it counts from the end of the call on: until
// then it was reserved, so no window has more than the limit, whether it goes by beginnings or by ends.
func (t *tally) settle(at time.Time, cost int64) error {
	ok := true
	if t.window != nil {
		ok = t.window.add(t.window.clamp(at), cost)
	} else {
		var sum int64
		if sum, ok = addChecked(t.settled, cost); ok {
			t.settled = sum
		}
	}
	if !ok {
		return fmt.Errorf("more than %s are spent", FormatUSD(1<<63-1))
	}
	return nil
}

// idle tells whether nothing is held.
func (t *tally) idle() bool { return t.reserved == 0 && t.leased == 0 }

// negative names what is below zero, which never is.
func (t *tally) negative() error {
	if t.settled < 0 || t.reserved < 0 || t.leased < 0 {
		return fmt.Errorf("settled %d, reserved %d, leased %d nano-USD: less than nothing", t.settled, t.reserved, t.leased)
	}
	return nil
}

// clamp is t, or the time of the newest cell when that is later: a window never goes back, whatever the clock does.
func (r *rolling) clamp(t time.Time) time.Time {
	if n := len(r.cells); n > 0 {
		if newest := time.Unix(0, r.cells[n-1].index*int64(r.width)).UTC(); newest.After(t) {
			return newest
		}
	}
	return t
}
