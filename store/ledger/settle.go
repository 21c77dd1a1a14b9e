// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"errors"

	"tollgate/store"
	"tollgate/store/audit"
)

// The ends that the ledger itself gives a call, and those that count as answered.
const (
	endCancelled     = "cancelled"
	endLost          = "lost"
	endAnswered      = "answered"
	endTask          = "task"
	endInputRequired = "input_required"
)

// ID implements [Reservation].
func (r *reservation) ID() string { return r.id }

// Settle implements [Reservation]. The record belongs to the ledger from then on. When ctx ends while Settle waits, the
// outcome is written all the same.
func (r *reservation) Settle(ctx context.Context, out *audit.Record) error {
	if out == nil {
		return errors.New("settlement without a record")
	}
	e := r.engine
	e.mu.Lock()
	for e.paused {
		e.wake.Wait()
	}
	receipt, err := e.settle(r, out)
	e.mu.Unlock()
	if err != nil || receipt == nil || r.class == audit.Async {
		return err
	}
	return e.wait(ctx, receipt)
}

// errLate says that an outcome takes its time.
var errLate = errors.New("the outcome is not on disk yet; it will be written as soon as that is possible")

// wait waits for an outcome, but not for ever: a disk that is full may stay so, and who made the call has to be told.
func (e *Engine) wait(ctx context.Context, receipt *audit.Receipt) error {
	bounded, cancel := context.WithTimeout(ctx, e.opts.SettleWait)
	defer cancel()
	err := receipt.Wait(bounded)
	if err != nil && ctx.Err() == nil && bounded.Err() != nil {
		err = errLate
	}
	return unavailable(err)
}

// settle writes an outcome and, unless the call goes on, charges its cost and gives the rest back. A nil receipt without
// an error says that this was done before. The caller holds mu.
func (e *Engine) settle(r *reservation, out *audit.Record) (*audit.Receipt, error) {
	switch {
	case r.settled:
		return nil, nil
	case e.closed:
		return nil, unavailable(store.ErrClosed)
	}
	out.Kind, out.ID, out.Class, out.Of, out.Began = audit.Outcome, r.id, r.class, r.of, r.began
	out.Time = e.wall()
	out.Cost, out.Overrun = max(0, out.Cost), max(0, out.Overrun)
	switch {
	case out.Open:
		out.Cost, out.Overrun = 0, 0 // known at the end
	case out.Cost > r.cost:
		out.Overrun = addCapped(out.Overrun, out.Cost-r.cost)
		out.Cost = r.cost
	}
	// An outcome is kept whatever the disk does: what happened has happened.
	receipt, err := e.append(out, true, out)
	if err != nil || out.Open {
		return receipt, err
	}
	r.settled = true
	delete(e.open, r.id)
	if out.Overrun > 0 {
		e.stats.Overruns++
	}
	for _, a := range r.accounts {
		a.reserved -= r.cost
		if err := a.settle(out.Time, out.Cost); err != nil {
			e.broken = err
		}
	}
	r.admitted.Release()
	return receipt, nil
}
