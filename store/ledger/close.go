// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"errors"

	"tollgate/store/audit"
)

// Close implements [Ledger]. Calls that are under way stay open in the log; the next start closes them as lost.
func (e *Engine) Close() error {
	e.mu.Lock()
	if e.closing {
		e.mu.Unlock()
		return nil
	}
	e.closing = true
	for e.waiting > 0 || e.paused {
		e.wake.Wait()
	}
	e.mu.Unlock()
	close(e.stop)
	e.workers.Wait()
	stopped := e.writeStop()
	err := errors.Join(stopped, e.log.Close())
	if e.broken == nil {
		err = errors.Join(err, e.checkpoint())
	}
	return errors.Join(err, e.db.Close())
}

// writeStop gives all leases back and ends the log of this process.
func (e *Engine) writeStop() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	if e.broken != nil {
		return e.broken
	}
	for _, b := range e.budgets {
		for _, a := range b.accounts {
			if err := e.giveBack(a); err != nil {
				return err
			}
		}
	}
	for _, a := range e.ended {
		if err := e.giveBack(a); err != nil {
			return err
		}
	}
	r := &audit.Record{Kind: audit.Stop}
	_, err := e.append(r, true, r)
	return err
}
