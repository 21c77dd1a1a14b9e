// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"sync"
	"time"
)

// clock is the time one call may take. Its timeout stands still while the upstream waits for an answer of the caller, and
// starts anew whenever the upstream reports progress. A maximum ends the call whatever happens. It is safe for concurrent use.
type clock struct {
	cancel  context.CancelCauseFunc
	timeout time.Duration
	most    time.Duration

	mu     sync.Mutex // guards all below
	timer  *time.Timer
	end    time.Time     // of the maximum
	due    time.Time     // end of the timeout, while it runs
	left   time.Duration // of the timeout, while it stands still
	asking int           // reasons to stand still
}

// overdue is the cause of a context that a clock ended. It unwraps to context.DeadlineExceeded.
type overdue struct{ limit string }

func (e *overdue) Error() string { return "nothing within " + e.limit }

func (e *overdue) Unwrap() error { return context.DeadlineExceeded }

// startClock returns a context that ends with ctx or when the time of a call is over. The clock needs a stop.
func startClock(ctx context.Context, timeout, most time.Duration) (context.Context, *clock) {
	ctx, cancel := context.WithCancelCause(ctx)
	now := time.Now()
	k := &clock{cancel: cancel, timeout: timeout, most: most, end: now.Add(most), due: now.Add(timeout)}
	k.mu.Lock() // the timer may fire before it is known
	defer k.mu.Unlock()
	k.timer = time.AfterFunc(min(timeout, most), k.fire)
	return ctx, k
}

// stop releases what the clock holds and ends its context.
func (k *clock) stop() {
	k.mu.Lock()
	k.timer.Stop()
	k.mu.Unlock()
	k.cancel(context.Canceled)
}

// pause stops the timeout until resume was called as often.
func (k *clock) pause() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.asking++; k.asking == 1 {
		k.left = time.Until(k.due)
		k.set()
	}
}

func (k *clock) resume() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.asking--; k.asking == 0 {
		k.due = time.Now().Add(k.left)
		k.set()
	}
}

// restart gives the call its whole timeout again.
func (k *clock) restart() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.left, k.due = k.timeout, time.Now().Add(k.timeout)
	k.set()
}

// next returns when there is something to decide. The caller holds mu.
func (k *clock) next() time.Time {
	if k.asking == 0 && k.due.Before(k.end) {
		return k.due
	}
	return k.end
}

// set arms the timer. The caller holds mu.
func (k *clock) set() { k.timer.Reset(time.Until(k.next())) }

// fire ends the context, unless the end was put off just before.
func (k *clock) fire() {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch now := time.Now(); {
	case !now.Before(k.end):
		k.cancel(&overdue{k.most.String() + ", the most a call may take"})
	case k.asking == 0 && !now.Before(k.due):
		k.cancel(&overdue{k.timeout.String()})
	default:
		k.set()
	}
}
