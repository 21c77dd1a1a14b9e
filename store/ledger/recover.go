// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"tollgate/store/audit"
)

// auditOptions are those of the log.
func (e *Engine) auditOptions() *audit.Options {
	o := e.opts.Audit
	o.Dir = filepath.Join(e.opts.Dir, logName)
	o.Committed = e.committed
	if o.Log == nil {
		o.Log = e.slog
	}
	if o.Now == nil {
		o.Now = e.now
	}
	if o.Node == "" {
		o.Node = e.opts.Node
	}
	return &o
}

// committed folds what has come to the disk. The writer of the log calls it after each commit, in order.
func (e *Engine) committed(first uint64, batch []audit.Entry) {
	var grants []*grant
	b := e.book
	b.mu.Lock()
	err := b.foldBatch(first, batch, &grants)
	due := b.next-b.checkpointed >= e.opts.CheckpointRecords
	b.mu.Unlock()
	if len(grants) > 0 {
		e.arrived(grants)
	}
	if err != nil {
		e.distrust(err)
	}
	if due {
		select {
		case e.due <- struct{}{}:
		default:
		}
	}
}

func (b *book) foldBatch(first uint64, batch []audit.Entry, grants *[]*grant) error {
	if first != b.next {
		return fmt.Errorf("record %d came where record %d was due", first, b.next)
	}
	for i := range batch {
		var r *audit.Record
		switch c := batch[i].Change.(type) {
		case *audit.Record:
			r = c
		case *grant:
			r = c.record
			*grants = append(*grants, c)
		default:
			return fmt.Errorf("record %d is not of the ledger", b.next)
		}
		if err := b.fold(r); err != nil {
			return err
		}
	}
	return nil
}

// distrust ends all admission: what is on disk is not what was meant to be.
func (e *Engine) distrust(err error) {
	e.slog.Error("the ledger does not add up, no call is admitted any more", "error", err)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.broken == nil {
		e.broken = err
	}
}

// recover brings the book to the end of the log, closes what is open in it, and makes the live accounts.
func (e *Engine) recover(ctx context.Context) error {
	if err := e.book.replay(ctx, e.log, e.log.Size()); err != nil {
		return err
	}
	e.latest = e.book.latest
	last, err := e.closeOrphans()
	if err != nil {
		return err
	}
	if err := last.Wait(ctx); err != nil {
		return unavailable(err)
	}
	e.book.mu.Lock()
	defer e.book.mu.Unlock()
	e.revive()
	return e.broken
}

// replay folds the records that are in the log and not in the book.
func (b *book) replay(ctx context.Context, log *audit.Log, size uint64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.next > size:
		return fmt.Errorf("%s knows %d records of the log, which has only %d: restore both of them from the same backup", fileName, b.next, size)
	case b.next < log.First():
		return fmt.Errorf("%s knows %d records of the log, which begins with record %d: restore %s from a backup", fileName, b.next, log.First(), fileName)
	}
	for stored, err := range log.Scan(ctx, b.next, size) {
		if err != nil {
			return err
		}
		r, err := audit.Decode(stored.Text)
		if err != nil {
			return fmt.Errorf("record %d: %w", stored.Seq, err)
		}
		if stored.Seq != b.next {
			return fmt.Errorf("record %d is missing in the log", b.next)
		}
		if err := b.fold(r); err != nil {
			return err
		}
	}
	if b.next != size {
		return fmt.Errorf("record %d is missing in the log", b.next)
	}
	return nil
}

// closeOrphans writes the start record, an outcome for each call whose end is unknown, and after a crash a charge for
// each lease: calls that left no record may have drawn on it. It returns the receipt of the last record.
func (e *Engine) closeOrphans() (*audit.Receipt, error) {
	b := e.book
	b.mu.Lock()
	unclean, lost := b.running, b.lost()
	records := append(lost, b.leftover()...)
	b.mu.Unlock()
	e.mu.Lock()
	defer e.mu.Unlock()
	start := &audit.Record{Kind: audit.Start, Unclean: unclean, Orphans: len(lost)}
	for _, r := range append([]*audit.Record{start}, records...) {
		if _, err := e.append(r, true, r); err != nil {
			return nil, err
		}
	}
	if unclean {
		e.slog.Warn("the process before ended without a stop: records that were not on disk are missing", "lost", len(lost))
	}
	return e.last, nil
}

// lost are outcomes for the calls that are open: what they reserved counts as spent, unless they only read.
func (b *book) lost() (records []*audit.Record) {
	for id, call := range b.open {
		r := &audit.Record{Kind: audit.Outcome, ID: id, Class: call.Class, Of: call.Of, Began: call.Time, End: endLost, Cost: call.Cost}
		if call.Release {
			r.Cost = 0
		}
		records = append(records, r)
	}
	slices.SortFunc(records, func(a, b *audit.Record) int { return cmp.Or(a.Began.Compare(b.Began), cmp.Compare(a.ID, b.ID)) })
	return records
}

// leftover are charges for what is leased. After a stop, nothing is.
func (b *book) leftover() (records []*audit.Record) {
	for name, list := range b.accounts {
		for _, x := range list {
			if x.leased > 0 {
				of := audit.AccountRef{Budget: name.budget, Account: name.account, Period: x.begin}
				records = append(records, &audit.Record{
					Kind: audit.Lease, Lease: &audit.LeaseChange{Action: audit.LeaseCharge, Of: of, Amount: x.leased},
				})
			}
		}
	}
	slices.SortFunc(records, func(a, b *audit.Record) int {
		return cmp.Or(cmp.Compare(a.Lease.Of.Budget, b.Lease.Of.Budget), cmp.Compare(a.Lease.Of.Account, b.Lease.Of.Account), a.Lease.Of.Period.Compare(b.Lease.Of.Period))
	})
	return records
}

// revive makes the live accounts from the book, which holds nothing open any more.
func (e *Engine) revive() {
	b := e.book
	e.latest = b.latest
	e.overrides, e.definitions = maps.Clone(b.overrides), maps.Clone(b.definitions)
	for name, list := range b.accounts {
		newest := list[0]
		for _, x := range list {
			if x.begin.After(newest.begin) {
				newest = x
			}
		}
		have := e.budgets[name.budget]
		if have == nil {
			have = &budget{id: name.budget, accounts: map[string]*account{}}
			e.budgets[name.budget] = have
		}
		a := &account{tally: newest.tally, budget: have, name: name.account, begin: newest.begin, touched: b.latest, most: maxMoney}
		if a.window != nil {
			a.window = a.window.clone()
		}
		have.accounts[name.account] = a
	}
	now := e.wall()
	for use, u := range b.rates {
		if u.count(&use, now) {
			u.restore(e.limiter, &use)
		}
	}
}

// maxMoney is the largest amount.
const maxMoney = int64(1<<63 - 1)
