// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"errors"
	"slices"
	"time"
)

const (
	// sweepEvery is how often idle leases and accounts are looked for.
	sweepEvery = time.Minute
	// pruneEvery is how often records are looked for that are older than the retention.
	pruneEvery = time.Hour
)

// maintain does what has time, until stop. It is the only goroutine of a ledger that lives as long as that does.
func (e *Engine) maintain() {
	checkpoints, sweeps, prunes := time.NewTicker(e.opts.CheckpointEvery), time.NewTicker(sweepEvery), time.NewTicker(pruneEvery)
	defer checkpoints.Stop()
	defer sweeps.Stop()
	defer prunes.Stop()
	for {
		var err error
		select {
		case <-e.stop:
			return
		case <-sweeps.C:
			e.sweep()
		case <-prunes.C:
			err = e.prune()
		case <-checkpoints.C:
			err = e.checkpoint()
		case <-e.due:
			err = e.checkpoint()
		}
		if err != nil {
			e.slog.Error("the ledger could not keep its files short", "error", err)
		}
	}
}

// sweep gives back the leases that nobody draws on or whose period is over, and forgets accounts that count nothing.
func (e *Engine) sweep() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.paused || e.ready() != nil {
		return
	}
	now := e.moment(e.wall())
	for _, b := range e.budgets {
		for _, a := range b.accounts {
			switch over := a.over(now); {
			case over && a.idle() && a.grant == nil:
				delete(b.accounts, a.name)
			case over || now.money.Sub(a.touched) >= e.opts.Idle:
				e.giveBackLogged(a)
			}
		}
	}
	e.ended = slices.DeleteFunc(e.ended, func(a *account) bool {
		e.giveBackLogged(a)
		return a.idle()
	})
}

// over tells whether nothing that was spent can count any more.
func (a *account) over(now moment) bool {
	switch {
	case a.window != nil:
		return a.window.over(now.wall) && now.money.Sub(a.touched) >= a.window.window
	case !a.end.IsZero():
		return !now.money.Before(a.end)
	}
	return now.money.After(a.begin.Add(longestPeriod))
}

func (e *Engine) giveBackLogged(a *account) {
	if err := e.giveBack(a); err != nil {
		e.slog.Warn("a lease is not given back", "budget", a.budget.id, "error", err)
	}
}

// prune removes the parts of the log that are older than the retention, and the costs of months that are. What the records
// added up to for accounts is in ledger.db before.
func (e *Engine) prune() error {
	if e.opts.Retention <= 0 {
		return nil
	}
	if err := e.checkpoint(); err != nil {
		return err
	}
	oldest := e.wall().Add(-e.opts.Retention)
	_, err := e.log.Prune(oldest)
	e.checkpointing.Lock()
	defer e.checkpointing.Unlock()
	return errors.Join(err, pruneRows(e.db, dayAt(oldest, e.book.rollups.zone).month()))
}
