// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"context"
	"errors"
	"time"

	"tollgate/store/audit"
	"tollgate/store/ledger"
)

// retryRecord is how long to wait before a record is written again that could not be.
const retryRecord = 250 * time.Millisecond

// Refuse implements [Ledger]. A request for an unknown name is recorded by and by: what it takes to describe what exists
// must not be seen in the time of the answer.
func (a *Accounting) Refuse(ctx context.Context, r *RefusedCall) error {
	if r.Replays == "" {
		a.ended(string(r.End))
	}
	if a.silent {
		return nil
	}
	if err := a.book.Available(); err != nil {
		return err
	}
	caller, bytes := r.Caller.Key(), len(r.Call.Params)+laneBase
	if err := a.lane.enter(caller, bytes); err != nil {
		return err
	}
	if r.End == Unknown {
		a.queue <- r // has room for all that is in the lane
		return nil
	}
	return a.write(ctx, a.refusal(r), caller, bytes)
}

// Note implements [Ledger].
func (a *Accounting) Note(ctx context.Context, n *Note) error {
	if a.silent {
		return nil
	}
	if err := a.lane.enter(n.Actor, laneBase); err != nil {
		return err
	}
	return a.write(ctx, a.note(n), n.Actor, laneBase)
}

// write writes a record that is in the lane.
func (a *Accounting) write(ctx context.Context, rec *audit.Record, caller string, bytes int) error {
	class := rec.Class
	err := a.book.Record(ctx, rec)
	if err == nil && class == audit.Async {
		a.lane.hand(caller, bytes)
	} else {
		a.lane.leave(caller, bytes)
	}
	return err
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
	caller, bytes := r.Caller.Key(), len(r.Call.Params)+laneBase
	if r.Reveal != nil {
		r.Reveal(r)
	}
	rec := a.refusal(r)
	for {
		err := a.book.Record(context.Background(), rec)
		var later *ledger.UnavailableError
		switch {
		case err == nil:
			a.lane.hand(caller, bytes)
			return
		case !errors.As(err, &later):
			a.log.Error("a refusal could not be recorded", "decision", rec.ID, "error", err)
			a.lane.leave(caller, bytes)
			return
		}
		select {
		case <-time.After(retryRecord):
		case <-a.stop:
			a.log.Error("a refusal could not be recorded before the end", "decision", rec.ID, "error", err)
			a.lane.leave(caller, bytes)
			return
		}
	}
}
