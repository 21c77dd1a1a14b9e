// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"tollgate/store/audit"
)

// book is what the records on disk add up to, in their order: the same whether they are folded as they are written, or read
// again. The writer of the log owns it; readers and checkpoints take mu for as long as it takes to copy.
type book struct {
	rollups *rollups // safe by itself

	mu sync.Mutex // guards the rest
	state
	dirty dirty
	// checkpointed is the sequence that ledger.db has.
	checkpointed uint64
}

// state is what the book knows.
type state struct {
	next        uint64    // sequence of the record to fold next
	latest      time.Time // of all records
	running     bool      // a process has started and not stopped
	accounts    map[pair][]*entry
	open        map[string]*openCall
	rates       map[audit.RateUse]*uses
	overrides   overrides
	definitions definitions
}

// entry is one account in one period.
type entry struct {
	tally
	begin time.Time // zero = rolling
}

// openCall is an intent without its last outcome. In ledger.db it is JSON.
type openCall struct {
	Time    time.Time          `json:"time"`
	Class   audit.Class        `json:"class"`
	Of      *audit.Labels      `json:"of,omitempty"`
	Cost    int64              `json:"cost,omitempty"`
	Charges []audit.AccountRef `json:"charges,omitempty"`
	Release bool               `json:"release,omitempty"`
	Round   bool               `json:"round,omitempty"` // it goes on with a call that has been counted
}

// dirty is what has changed since the last checkpoint.
type dirty struct {
	accounts map[accountKey]struct{}
	open     map[string]struct{}
	rates    map[audit.RateUse]struct{}
	pairs    map[pair]struct{} // of overrides
	defs     bool
}

// accountKey names an account in one period.
type accountKey struct {
	pair
	begin int64 // Unix seconds; 0 = rolling
}

func newDirty() dirty {
	return dirty{
		accounts: map[accountKey]struct{}{}, open: map[string]struct{}{}, rates: map[audit.RateUse]struct{}{}, pairs: map[pair]struct{}{},
	}
}

func newState() state {
	return state{
		accounts: map[pair][]*entry{}, open: map[string]*openCall{}, rates: map[audit.RateUse]*uses{}, overrides: overrides{},
		definitions: definitions{},
	}
}

// fold adds the record with the sequence next. An error says that the record does not fit what is known; the book is of
// no use any more. The caller holds mu.
func (b *book) fold(r *audit.Record) error {
	if err := b.foldKind(r); err != nil {
		return fmt.Errorf("record %d (%s %q): %w", b.next, r.Kind, r.ID, err)
	}
	b.next++
	if r.Time.After(b.latest) {
		b.latest = r.Time
	}
	return nil
}

func (b *book) foldKind(r *audit.Record) error {
	switch r.Kind {
	case audit.Intent:
		return b.foldIntent(r)
	case audit.Outcome:
		return b.foldOutcome(r)
	case audit.Refusal:
		b.rollups.apply(r.Time, labels(r.Of), &Usage{Refused: 1})
	case audit.Lease:
		if r.Lease == nil {
			return errors.New("no lease")
		}
		return b.foldLease(r.Time, r.Lease)
	case audit.Admin:
		if isAdjustment(r.Action) {
			return b.foldAdjustment(r)
		}
	case audit.Start:
		b.running = true
		b.forget(r.Time)
	case audit.Stop:
		b.running = false
	}
	return nil
}

func labels(of *audit.Labels) *audit.Labels {
	if of == nil {
		return &audit.Labels{}
	}
	return of
}

func (b *book) foldIntent(r *audit.Record) error {
	if b.open[r.ID] != nil {
		return errors.New("the call is open already")
	}
	call := &openCall{Time: r.Time, Class: r.Class, Of: r.Of, Round: r.Continues != ""}
	b.open[r.ID] = call
	b.dirty.open[r.ID] = struct{}{}
	if r.Reserve == nil {
		return nil
	}
	call.Cost, call.Charges, call.Release = r.Reserve.Cost, r.Reserve.Charges, r.Reserve.Release
	for _, ref := range call.Charges {
		err := b.change(ref, func(t *tally) error {
			if r.Reserve.Leased {
				t.leased -= call.Cost
			}
			t.reserved += call.Cost
			return nil
		})
		if err != nil {
			return err
		}
	}
	for _, use := range r.Reserve.Rates {
		u := b.rates[use]
		if u == nil {
			u = &uses{}
			b.rates[use] = u
		}
		u.add(&use, r.Time)
		b.dirty.rates[use] = struct{}{}
	}
	return nil
}

func (b *book) foldOutcome(r *audit.Record) error {
	call := b.open[r.ID]
	switch {
	case call == nil:
		return errors.New("there is no open call of this id")
	case r.Open:
		return nil
	case r.Cost < 0 || r.Cost > call.Cost:
		return fmt.Errorf("the call costs %d, it has reserved %d nano-USD", r.Cost, call.Cost)
	}
	delete(b.open, r.ID)
	b.dirty.open[r.ID] = struct{}{}
	for _, ref := range call.Charges {
		err := b.change(ref, func(t *tally) error {
			t.reserved -= call.Cost
			return t.settle(r.Time, r.Cost)
		})
		if err != nil {
			return err
		}
	}
	u := Usage{Cost: r.Cost, Overrun: r.Overrun, Bytes: r.Bytes, Micros: r.Micros}
	if !call.Round {
		u.Calls = 1
		switch r.End {
		case endAnswered, endTask, endInputRequired:
			u.Answered = 1
		default:
			u.Failed = 1
		}
	}
	b.rollups.apply(call.Time, labels(call.Of), &u)
	return nil
}

func (b *book) foldLease(at time.Time, l *audit.LeaseChange) error {
	if l.Amount < 0 {
		return fmt.Errorf("a lease of %d nano-USD", l.Amount)
	}
	return b.change(l.Of, func(t *tally) error {
		switch l.Action {
		case audit.LeaseGrant:
			t.leased += l.Amount
			return nil
		case audit.LeaseReturn:
			t.leased -= l.Amount
			return nil
		case audit.LeaseCharge:
			t.leased -= l.Amount
			return t.settle(at, l.Amount)
		}
		return fmt.Errorf("unknown change %q of a lease", l.Action)
	})
}

func (b *book) foldAdjustment(r *audit.Record) error {
	if r.Action == actionConfigure {
		defs, err := decodeConfigured(r)
		if err != nil {
			return err
		}
		b.definitions, b.dirty.defs = defs, true
		return nil
	}
	a, err := decodeAdjusted(r)
	if err != nil {
		return err
	}
	b.dirty.pairs[pair{a.Budget, a.Account}] = struct{}{}
	return b.overrides.apply(r.Action, a)
}

// change changes one account and checks what is left. Periods that are over are forgotten once nothing is held in them.
func (b *book) change(ref audit.AccountRef, fn func(*tally) error) error {
	name := pair{ref.Budget, ref.Account}
	list := b.accounts[name]
	i := slices.IndexFunc(list, func(x *entry) bool { return x.begin.Equal(ref.Period) })
	if i < 0 {
		x := &entry{begin: ref.Period}
		if x.begin.IsZero() {
			d := b.definitions[ref.Budget]
			if d == nil || d.Window == 0 {
				return fmt.Errorf("budget %q: nothing says how long its window is", ref.Budget)
			}
			x.window = newRolling(d.Window)
		}
		i = len(list)
		list = append(list, x)
		b.accounts[name] = list
	}
	x := list[i]
	err := fn(&x.tally)
	if err == nil {
		err = x.negative()
	}
	if err != nil {
		return fmt.Errorf("budget %q, account %q: %w", ref.Budget, ref.Account, err)
	}
	b.touch(name, x)
	if len(list) > 1 {
		b.supersede(name)
	}
	return nil
}

func (b *book) touch(name pair, x *entry) { b.dirty.accounts[x.key(name)] = struct{}{} }

func (x *entry) key(name pair) accountKey {
	if x.begin.IsZero() {
		return accountKey{pair: name}
	}
	return accountKey{name, x.begin.Unix()}
}

// supersede forgets the periods before the newest one in which nothing is held.
func (b *book) supersede(name pair) {
	list := b.accounts[name]
	var newest time.Time
	for _, x := range list {
		if x.begin.After(newest) {
			newest = x.begin
		}
	}
	b.accounts[name] = slices.DeleteFunc(list, func(x *entry) bool {
		gone := x.begin.Before(newest) && x.idle()
		if gone {
			b.touch(name, x)
		}
		return gone
	})
}

// longestPeriod is longer than any period of the calendar.
const longestPeriod = 40 * 24 * time.Hour

// forget drops at a start what cannot count any more, of callers who never came again.
func (b *book) forget(now time.Time) {
	for name, list := range b.accounts {
		list = slices.DeleteFunc(list, func(x *entry) bool {
			over := x.idle() && x.over(now)
			if over {
				b.touch(name, x)
			}
			return over
		})
		if b.accounts[name] = list; len(list) == 0 {
			delete(b.accounts, name)
		}
	}
	for use, u := range b.rates {
		if !u.count(&use, now) {
			delete(b.rates, use)
			b.dirty.rates[use] = struct{}{}
		}
	}
}

// over tells whether nothing that was spent counts at now or later.
func (x *entry) over(now time.Time) bool {
	if x.window != nil {
		return x.window.over(now)
	}
	return now.After(x.begin.Add(longestPeriod))
}

// over tells whether nothing of r counts, not even at a time well before now: the clock may be ahead.
func (r *rolling) over(now time.Time) bool {
	n := len(r.cells)
	return n == 0 || now.After(r.until(r.cells[n-1].index).Add(longestPeriod))
}
