// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"tollgate/store/audit"
)

// Adjust implements [Ledger]. The new limit holds from the moment of its record on, and over restarts. When ctx ends
// while Adjust waits for the disk, the change is made all the same.
func (e *Engine) Adjust(ctx context.Context, a *Adjustment) (*Balance, error) {
	action, err := a.action()
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	receipt, bal, err := e.adjust(a, action)
	e.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if err := unavailable(receipt.Wait(ctx)); err != nil {
		return nil, err
	}
	return bal, nil
}

// action refuses what is no adjustment, and says which it is.
func (a *Adjustment) action() (string, error) {
	if a == nil || a.Reason == "" {
		return "", errors.New("a limit is changed for a reason: say which")
	}
	given, action := 0, ""
	if a.Set != nil {
		given, action = given+1, actionSet
	}
	if a.Raise != 0 {
		given, action = given+1, actionRaise
	}
	if a.Reset {
		given, action = given+1, actionReset
	}
	switch {
	case given != 1:
		return "", errors.New("exactly one of set, raise and reset must be given")
	case a.Set != nil && *a.Set < 0:
		return "", fmt.Errorf("a limit of %s is less than nothing", FormatUSD(*a.Set))
	case a.Raise < 0:
		return "", fmt.Errorf("a raise by %s lowers the limit: set a new one instead", FormatUSD(a.Raise))
	case len(a.Account) > maxName:
		return "", fmt.Errorf("the name of the account has %d bytes, more than %d", len(a.Account), maxName)
	}
	return action, nil
}

// adjust records a change and makes it. The caller holds mu.
func (e *Engine) adjust(a *Adjustment, action string) (*audit.Receipt, *Balance, error) {
	if err := e.admits(); err != nil {
		return nil, nil, err
	}
	b, err := e.named(a.Budget)
	if err != nil {
		return nil, nil, err
	}
	if a.Account != "" && !b.several() {
		return nil, nil, fmt.Errorf("budget %q has one account only: leave the account out", b.conf.Name)
	}
	r := &audit.Record{
		Kind: audit.Admin, Class: audit.Strict, Action: action, Actor: a.Actor, Reason: a.Reason, Target: b.conf.Name, Time: e.wall(),
	}
	now := e.moment(r.Time)
	change := &adjusted{Budget: b.id, Name: b.conf.Name, Account: a.Account, Set: a.Set, Raise: a.Raise}
	if action == actionRaise {
		if change.Period, _ = b.period(now.money); change.Period.IsZero() {
			change.Until = now.money.Add(b.conf.Period.Window)
		}
		if err := e.raisable(b, a, change.Period, now); err != nil {
			return nil, nil, err
		}
	}
	if r.Details, err = json.Marshal(change); err != nil {
		return nil, nil, fmt.Errorf("budget %q: %w", b.conf.Name, err)
	}
	e.giveNamedBack(b, a.Account)
	receipt, err := e.append(r, true, r)
	if err != nil {
		return nil, nil, err
	}
	if err := e.overrides.apply(action, change); err != nil {
		return nil, nil, err
	}
	b.overridden = e.overrides.about(b.id)
	bal := e.balance(b, a.Account, b.peek(a.Account, now), now)
	return receipt, &bal, nil
}

// raisable refuses a raise whose limit int64 cannot hold. The caller holds mu.
func (e *Engine) raisable(b *budget, a *Adjustment, begin time.Time, now moment) error {
	limit, _ := e.limit(b, a.Account, begin, now)
	if _, ok := addChecked(limit, a.Raise); !ok {
		return fmt.Errorf("budget %q: %s and %s more are too much", b.conf.Name, FormatUSD(limit), FormatUSD(a.Raise))
	}
	return nil
}

// giveNamedBack returns the lease of one account of b, or of all when it has no name. The caller holds mu.
func (e *Engine) giveNamedBack(b *budget, account string) {
	if account == "" {
		e.giveAllBack(b)
		return
	}
	if a := b.accounts[account]; a != nil {
		e.giveBackLogged(a)
	}
}

// named finds a configured budget by its id or name. The caller holds mu.
func (e *Engine) named(name string) (*budget, error) {
	if b := e.budgets[name]; b != nil && b.conf != nil {
		return b, nil
	}
	var found *budget
	for _, id := range e.order {
		if b := e.budgets[id]; b.conf.Name == name {
			if found != nil {
				return nil, fmt.Errorf("there are several budgets %q: use the id, %q or %q", name, found.id, b.id)
			}
			found = b
		}
	}
	if found == nil {
		return nil, fmt.Errorf("there is no budget %q", name)
	}
	return found, nil
}

// several tells whether b has an account for each of something.
func (b *budget) several() bool {
	for _, word := range b.conf.Per {
		if word != "all" && word != "" {
			return true
		}
	}
	return false
}
