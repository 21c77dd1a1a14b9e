// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"fmt"
	"strings"
	"time"

	"tollgate/store/audit"
)

// maxName is how long ids of budgets and names of accounts may be.
const maxName = 1024

// budget is one budget in force, or one that was and whose accounts still count should it come back.
type budget struct {
	id         string
	conf       *Budget   // nil = it is not configured any more
	begin, end time.Time // of the calendar period that was asked for last
	accounts   map[string]*account
	overridden bool // there are overrides of it
}

// account is one account of a budget in one period, as calls see it: everything that was admitted counts, on disk or not.
type account struct {
	tally
	budget     *budget
	name       string
	begin, end time.Time // of a calendar period; begin is zero for a rolling one
	grant      *grant    // a lease that is not on disk yet; nil = none
	target     int64     // how much was leased at the last grant
	touched    time.Time // when something was last drawn or leased
	// most is the limit under which money was last set aside: the account never exceeds it.
	most int64
}

// moment is now, in two ways. Periods of the calendar go by money, which is never before a record that there is: none
// opens twice. A rolling window goes by what the clock shows, as its records do, and sees by itself that it never goes back.
type moment struct{ wall, money time.Time }

func (a *account) ref() audit.AccountRef {
	return audit.AccountRef{Budget: a.budget.id, Account: a.name, Period: a.begin}
}

// granting is what a lease under way holds.
func (a *account) granting() int64 {
	if a.grant == nil {
		return 0
	}
	return a.grant.left
}

// used is everything that counts against the limit at now.
func (a *account) used(now moment) int64 {
	return addCapped(addCapped(a.spent(now.wall), a.reserved), addCapped(a.leased, a.granting()))
}

// period is the one that t lies in, or a later one that the account has seen already. The cache spares most calls the
// calendar.
func (b *budget) period(t time.Time) (begin, end time.Time) {
	if b.conf.Period.Unit == "" {
		return time.Time{}, time.Time{}
	}
	if b.begin.IsZero() || t.Before(b.begin) || !t.Before(b.end) {
		b.begin, b.end = b.conf.Period.At(t)
	}
	return b.begin, b.end
}

// account returns the account of a configured budget in the period of now, a new one if need be. The caller holds mu.
func (e *Engine) account(b *budget, name string, now moment) *account {
	begin, end := b.period(now.money)
	a := b.accounts[name]
	if a != nil && (a.window == nil) == !begin.IsZero() && !begin.After(a.begin) {
		if a.end.IsZero() {
			a.end = end
		}
		return a
	}
	if a != nil {
		e.retire(a)
	}
	name = strings.Clone(name) // it may be a part of something large
	a = &account{budget: b, name: name, begin: begin, end: end, touched: now.money}
	if begin.IsZero() {
		a.window = newRolling(b.conf.Period.Window)
	}
	b.accounts[name] = a
	return a
}

// peek is account for readers: it changes nothing. nil = nothing has been counted.
func (b *budget) peek(name string, now moment) *account {
	begin, _ := b.period(now.money)
	if a := b.accounts[name]; a != nil && (a.window == nil) == !begin.IsZero() && !begin.After(a.begin) {
		return a
	}
	return nil
}

// retire puts an account aside whose period is over. The caller holds mu.
func (e *Engine) retire(a *account) {
	delete(a.budget.accounts, a.name)
	if !a.idle() || a.grant != nil {
		e.ended = append(e.ended, a)
	}
}

// charged finds the accounts of charges, which must all be of configured budgets. The caller holds mu.
func (e *Engine) charged(charges []Charge, now moment, into []*account) ([]*account, error) {
	for i, c := range charges {
		b := e.budgets[c.Budget]
		switch {
		case b == nil || b.conf == nil:
			return nil, fmt.Errorf("charge to budget %q: there is no such budget", c.Budget)
		case len(c.Account) > maxName:
			return nil, fmt.Errorf("charge to budget %q: the name of the account has %d bytes, more than %d", b.conf.Name, len(c.Account), maxName)
		}
		for _, earlier := range charges[:i] {
			if earlier == c {
				return nil, fmt.Errorf("charge to budget %q, account %q: it is there twice", b.conf.Name, c.Account)
			}
		}
		into = append(into, e.account(b, c.Account, now))
	}
	return into, nil
}

// limit is what an account of b may use at now in the period that begins at begin, and what of it was raised by hand.
// The caller holds mu.
func (e *Engine) limit(b *budget, name string, begin time.Time, now moment) (limit, raised int64) {
	limit = b.conf.Limit
	if !b.overridden {
		return limit, 0
	}
	return e.overrides.limit(limit, b.id, name, begin, now.money)
}

// free is what an account has left to reserve, below zero when its limit was lowered below what is used.
func (e *Engine) free(a *account, now moment) (free, limit int64) {
	limit, _ = e.limit(a.budget, a.name, a.begin, now)
	return limit - a.used(now), limit
}

// balance describes an account of a configured budget. a is nil when nothing has been counted. The caller holds mu.
func (e *Engine) balance(b *budget, name string, a *account, now moment) Balance {
	begin, end := b.period(now.money)
	if a != nil && !a.end.IsZero() {
		begin, end = a.begin, a.end
	}
	bal := Balance{Budget: b.id, Name: b.conf.Name, Account: name, Begin: begin, End: end, Warn: b.conf.Warn}
	bal.Limit, bal.Raised = e.limit(b, name, begin, now)
	if a != nil {
		bal.Settled, bal.Reserved, bal.Leased = a.spent(now.wall), a.reserved, a.leased+a.granting()
	}
	if begin.IsZero() {
		bal.Begin, bal.End = now.wall.Add(-b.conf.Period.Window), now.wall
		if a != nil {
			bal.End = a.window.end(a.window.clamp(now.wall))
		}
	}
	return bal
}
