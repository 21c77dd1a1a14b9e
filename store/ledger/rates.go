// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"time"

	"tollgate/store"
	"tollgate/store/audit"
)

const (
	// exactUses is the highest rate whose uses are remembered one by one, as the limiter does.
	exactUses = 1000
	// useCells is how many groups hold those of a higher rate.
	useCells = 64
)

// uses are those of one durable rate that may count still, by time. In ledger.db they are JSON.
type uses struct {
	Times  []int64 `json:"times"`  // Unix nanoseconds
	Counts []int64 `json:"counts"` // at each of them
}

// add counts one use. Those of a high rate that are close together count as if all were at the time of the last one: never
// for less than a window.
func (u *uses) add(of *audit.RateUse, at time.Time) {
	now := at.UnixNano()
	n := len(u.Times)
	if n > 0 {
		now = max(now, u.Times[n-1])
	}
	drop := 0
	for drop < n && (u.Times[drop]+int64(of.Window) <= now || int64(n-drop) >= exactUses) {
		drop++
	}
	u.Times, u.Counts = u.Times[drop:], u.Counts[drop:]
	n -= drop
	if of.Rate > exactUses && n > 1 && now-u.Times[n-2] < int64(of.Window)/(useCells-1) {
		u.Times[n-1] = now
		u.Counts[n-1]++
		return
	}
	u.Times, u.Counts = append(u.Times, now), append(u.Counts, 1)
}

// count tells whether any use counts at now.
func (u *uses) count(of *audit.RateUse, now time.Time) bool {
	n := len(u.Times)
	return n > 0 && u.Times[n-1]+int64(of.Window) > now.UnixNano()
}

// restore tells the limiter of the uses.
func (u *uses) restore(l *store.Limiter, of *audit.RateUse) {
	c := store.Claim{ID: of.ID, Key: of.Key, Rate: of.Rate, Window: of.Window, Durable: true}
	for i, at := range u.Times {
		l.Restore(&c, time.Unix(0, at), u.Counts[i])
	}
}

func (u *uses) clone() *uses {
	return &uses{append([]int64(nil), u.Times...), append([]int64(nil), u.Counts...)}
}
