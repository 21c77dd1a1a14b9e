// SPDX-License-Identifier: Apache-2.0

package codemode

import (
	"slices"
	"time"
)

// timer is a timer of a script.
type timer struct {
	id    int
	due   time.Time
	drift time.Duration // of a fixed clock when it fires
}

// timers are in the order in which they fire.
type timers []timer

func (t *timers) add(n timer) {
	at, _ := slices.BinarySearchFunc(*t, n, func(a, b timer) int {
		if a.due.After(b.due) {
			return 1
		}
		return -1 // those that are due at the same time fire in the order they were made
	})
	*t = slices.Insert(*t, at, n)
}

func (t *timers) remove(id int) {
	*t = slices.DeleteFunc(*t, func(x timer) bool { return x.id == id })
}

// take removes and returns the timers that are due.
func (t *timers) take(now time.Time) []timer {
	n := 0
	for n < len(*t) && !(*t)[n].due.After(now) {
		n++
	}
	due := slices.Clone((*t)[:n])
	*t = slices.Delete(*t, 0, n)
	return due
}
