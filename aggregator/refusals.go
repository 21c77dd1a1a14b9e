// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"context"
	"errors"
	"time"

	"tollgate/store/ledger"
)

const (
	// maxQueued bounds the requests for unknown names that wait to be recorded; when it is full, the next ones wait.
	maxQueued = 1 << 10
	// queueWait is how long a request waits for room in the queue.
	queueWait = time.Second
	// retryRecord is how long to wait before a record is written again that could not be.
	retryRecord = 250 * time.Millisecond
)

var errClosed = errors.New("the gateway is ending")

// Refuse implements [Ledger]. A request for an unknown name is recorded by and by: what it takes to describe what exists
// must not be seen in the time of the answer.
func (a *Accounting) Refuse(ctx context.Context, r *RefusedCall) error {
	if r.Replays == "" {
		a.ended(string(r.End))
	}
	switch {
	case a.silent:
		return nil
	case r.End != Unknown:
		return a.book.Record(ctx, a.refusal(r))
	}
	if err := a.book.Available(); err != nil {
		return err
	}
	select {
	case a.queue <- r:
		return nil
	default:
	}
	timer := time.NewTimer(queueWait)
	defer timer.Stop()
	select {
	case a.queue <- r:
		return nil
	case <-timer.C:
		return &ledger.UnavailableError{Busy: true, Retry: queueWait, Err: errors.New("too many refusals wait to be recorded")}
	case <-a.stop:
		return &ledger.UnavailableError{Retry: queueWait, Err: errClosed}
	}
}

// Note implements [Ledger].
func (a *Accounting) Note(ctx context.Context, n *Note) error {
	if a.silent {
		return nil
	}
	return a.book.Record(ctx, a.note(n))
}

// recordUnknown records what is queued until no more comes.
func (a *Accounting) recordUnknown() {
	for {
		select {
		case r := <-a.queue:
			a.record(r)
		case <-a.stop:
			for {
				select {
				case r := <-a.queue:
					a.record(r)
				default:
					return
				}
			}
		}
	}
}

// record writes one refusal that its caller does not wait for, however long that takes.
func (a *Accounting) record(r *RefusedCall) {
	if r.Reveal != nil {
		r.Reveal(r)
	}
	rec := a.refusal(r)
	for {
		err := a.book.Record(context.Background(), rec)
		var later *ledger.UnavailableError
		switch {
		case err == nil:
			return
		case !errors.As(err, &later):
			a.log.Error("a refusal could not be recorded", "decision", rec.ID, "error", err)
			return
		}
		select {
		case <-time.After(retryRecord):
		case <-a.stop:
			a.log.Error("a refusal could not be recorded before the end", "decision", rec.ID, "error", err)
			return
		}
	}
}
