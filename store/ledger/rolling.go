// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"
)

const (
	// rollingCells is the most cells that count at a time.
	rollingCells = 64
	// rollingVersion is the first byte of an encoded window.
	rollingVersion = 1
)

// rolling adds up the amounts of a rolling window. Time is cut into cells of equal width, the same ones whoever looks, and
// an amount counts from the moment it is added until its cell as a whole is older than the window: for one window at
// least, and for one width (a 62nd of the window) longer at most. So the limit is never exceeded, in any window. Questions
// are about the time of the newest amount or later: what counts no more by then is forgotten. A reservation whose call
// takes longer than the window must be held elsewhere as well. Not safe for concurrent use.
type rolling struct {
	window, width time.Duration
	cells         []cell // ascending; at most rollingCells
}

// cell holds what was spent from index*width (since 1970) on, for one width.
type cell struct {
	index  int64
	amount int64 // above zero
}

// newRolling returns an empty window. Its length is that of a period that [Period.Validate] accepts.
func newRolling(window time.Duration) *rolling {
	// window/width is at most 62; the cells that count at a time are two more: the newest one, and one that is partly too old.
	return &rolling{window: window, width: (window-1)/(rollingCells-2) + 1}
}

func (r *rolling) index(at time.Time) int64 { return floorDiv(at.UnixNano(), int64(r.width)) }

// until is when cell i counts no more.
func (r *rolling) until(i int64) time.Time {
	return time.Unix(0, (i+1)*int64(r.width)+int64(r.window)).UTC()
}

// counts tells whether cell i counts at now.
func (r *rolling) counts(i int64, now time.Time) bool { return now.Before(r.until(i)) }

// add counts an amount that was spent at at, which may be some time ago. ok is false, and nothing is added, when the cell
// would overflow.
func (r *rolling) add(at time.Time, amount int64) (ok bool) {
	i := r.index(at)
	if n := len(r.cells); amount <= 0 || n > 0 && i <= r.cells[n-1].index-rollingCells {
		return amount >= 0 // nothing to count, or too old to count
	}
	n, found := r.find(i)
	if !found {
		r.cells = slices.Insert(r.cells, n, cell{index: i})
	}
	sum, ok := addChecked(r.cells[n].amount, amount)
	if ok {
		r.cells[n].amount = sum
	}
	// What is that much older than the newest cell counts at no time from now on.
	oldest := r.cells[len(r.cells)-1].index - rollingCells
	drop := 0
	for r.cells[drop].index <= oldest {
		drop++
	}
	r.cells = slices.Delete(r.cells, 0, drop)
	return ok
}

// lower takes back what was added at at and not spent after all: a reservation that settles for less. Amounts that count
// no more are no longer there to be lowered, and no cell gets below zero.
func (r *rolling) lower(at time.Time, amount int64) {
	n, found := r.find(r.index(at))
	if !found || amount <= 0 {
		return
	}
	if r.cells[n].amount -= amount; r.cells[n].amount <= 0 {
		r.cells = slices.Delete(r.cells, n, n+1)
	}
}

func (r *rolling) find(i int64) (int, bool) {
	return slices.BinarySearchFunc(r.cells, i, func(c cell, i int64) int {
		switch {
		case c.index < i:
			return -1
		case c.index > i:
			return 1
		}
		return 0
	})
}

// sum is what counts at now, at most what int64 holds.
func (r *rolling) sum(now time.Time) (total int64) {
	for _, c := range r.cells {
		if r.counts(c.index, now) {
			total = addCapped(total, c.amount)
		}
	}
	return total
}

// free is the first time at which so much of what counts at now counts no more. ok is false when less than that counts.
func (r *rolling) free(now time.Time, amount int64) (at time.Time, ok bool) {
	if amount <= 0 {
		return now, true
	}
	for _, c := range r.cells {
		if !r.counts(c.index, now) {
			continue
		}
		if amount -= c.amount; amount <= 0 {
			return r.until(c.index), true
		}
	}
	return time.Time{}, false
}

// end is when nothing that counts at now will count any more; now when nothing does.
func (r *rolling) end(now time.Time) time.Time {
	if n := len(r.cells); n > 0 && r.counts(r.cells[n-1].index, now) {
		return r.until(r.cells[n-1].index)
	}
	return now
}

// clone returns a copy that shares nothing.
func (r *rolling) clone() *rolling {
	c := *r
	c.cells = slices.Clone(r.cells)
	return &c
}

// encode writes the window for a record of ledger.db.
func (r *rolling) encode() []byte {
	b := append(make([]byte, 0, 16+6*len(r.cells)), rollingVersion)
	b = binary.AppendUvarint(b, uint64(r.window))
	last := int64(0)
	for _, c := range r.cells {
		b = binary.AppendVarint(b, c.index-last)
		b = binary.AppendUvarint(b, uint64(c.amount))
		last = c.index
	}
	return b
}

var errRolling = errors.New("not an encoded rolling window")

// decodeRolling reads what encode wrote. Cells that no window has are an error.
func decodeRolling(b []byte) (*rolling, error) {
	if len(b) == 0 || b[0] != rollingVersion {
		return nil, errRolling
	}
	b = b[1:]
	window, n := binary.Uvarint(b)
	if n <= 0 || window < uint64(minWindow) || window > uint64(maxWindow) {
		return nil, fmt.Errorf("%w: window of %d ns", errRolling, window)
	}
	b = b[n:]
	r := newRolling(time.Duration(window))
	bound := int64(1<<62) / int64(r.width) // an index beyond has no time
	last := int64(0)
	for len(b) > 0 {
		step, n := binary.Varint(b)
		if n <= 0 || step > bound || step < -bound {
			return nil, fmt.Errorf("%w: cell %d", errRolling, len(r.cells))
		}
		amount, m := binary.Uvarint(b[n:])
		last += step
		if m <= 0 || amount == 0 || amount > 1<<63-1 || last > bound || last < -bound || len(r.cells) > 0 && step <= 0 {
			return nil, fmt.Errorf("%w: cell %d", errRolling, len(r.cells))
		}
		r.cells = append(r.cells, cell{index: last, amount: int64(amount)})
		b = b[n+m:]
	}
	if n := len(r.cells); n > rollingCells || n > 0 && r.cells[n-1].index-r.cells[0].index >= rollingCells {
		return nil, fmt.Errorf("%w: %d cells", errRolling, n)
	}
	return r, nil
}
