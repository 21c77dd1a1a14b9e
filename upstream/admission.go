// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"sync/atomic"

	"golang.org/x/sync/semaphore"
)

// admission bounds the calls in flight and the calls that wait for a slot, first come first served.
type admission struct {
	slots   *semaphore.Weighted
	queue   int64
	waiting atomic.Int64
	running atomic.Int64
	lent    atomic.Int64 // see place
}

func newAdmission(slots int) *admission {
	return &admission{slots: semaphore.NewWeighted(int64(slots)), queue: int64(slots) * queuePerSlot}
}

// enter waits for a slot until ctx ends. It returns false at once when too many wait already.
func (a *admission) enter(ctx context.Context) bool {
	if a.tryEnter() {
		return true
	}
	if a.waiting.Add(1) > a.queue {
		a.waiting.Add(-1)
		return false
	}
	err := a.slots.Acquire(ctx, 1)
	a.waiting.Add(-1)
	if err != nil {
		return false
	}
	a.running.Add(1)
	return true
}

// tryEnter takes a slot if that takes no waiting.
func (a *admission) tryEnter() bool {
	if !a.slots.TryAcquire(1) {
		return false
	}
	a.running.Add(1)
	return true
}

func (a *admission) leave() {
	a.running.Add(-1)
	a.slots.Release(1)
}

// inFlight is the number of calls running or waiting, for whatever.
func (a *admission) inFlight() int { return int(a.running.Load() + a.waiting.Load() + a.lent.Load()) }

// place is the slot of one call that entered. While the call only waits, for its caller or for another call, it lends the slot
// to others: people who take their time to answer must not keep an upstream busy that has nothing to do.
type place struct {
	gate *admission
	away atomic.Bool // lent, or lost because the call ended before there was a slot again
}

// lend gives the slot to whoever needs one. It returns false when that has been done already.
func (p *place) lend() bool {
	if !p.away.CompareAndSwap(false, true) {
		return false
	}
	p.gate.lent.Add(1)
	p.gate.leave()
	return true
}

// back waits for a slot until ctx, which is over no later than the call, ends.
func (p *place) back(ctx context.Context) {
	if p.gate.slots.Acquire(ctx, 1) != nil {
		return
	}
	p.gate.running.Add(1)
	p.gate.lent.Add(-1)
	p.away.Store(false)
}

// leave ends the call's stay.
func (p *place) leave() {
	if p.away.Load() {
		p.gate.lent.Add(-1)
		return
	}
	p.gate.leave()
}
