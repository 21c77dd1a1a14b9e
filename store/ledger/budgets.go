// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"tollgate/store"
	"tollgate/store/audit"
)

// SetBudgets implements [Ledger]. What the budgets were is in the log, so that it can be understood without the
// configuration. Leases of accounts whose limit changes are given back.
func (e *Engine) SetBudgets(budgets []*Budget) error {
	next := make(map[string]*Budget, len(budgets))
	defs := make(definitions, len(budgets))
	var order []string
	for _, b := range budgets {
		if err := b.check(); err != nil {
			return err
		}
		if next[b.ID] != nil {
			return fmt.Errorf("budget %q: its id %q is that of budget %q too", b.Name, b.ID, next[b.ID].Name)
		}
		own := *b
		own.Warn, own.Per = slices.Clone(b.Warn), slices.Clone(b.Per)
		next[b.ID], defs[b.ID] = &own, define(&own)
		order = append(order, b.ID)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for e.paused {
		e.wake.Wait()
	}
	if e.closed {
		return unavailable(store.ErrClosed)
	}
	for id, to := range next {
		if !e.counts(to) {
			return fmt.Errorf("budget %q: its period is another one under the same id %q", to.Name, id)
		}
	}
	if err := e.define(defs, order); err != nil {
		return err
	}
	e.put(next, order)
	return nil
}

// check refuses what is no budget.
func (b *Budget) check() error {
	switch {
	case b == nil:
		return errors.New("a budget is nil")
	case b.ID == "" || len(b.ID) > maxName:
		return fmt.Errorf("budget %q has an id of %d bytes, want 1 to %d", b.Name, len(b.ID), maxName)
	case b.Limit < 0:
		return fmt.Errorf("budget %q: a limit of %s is less than nothing", b.Name, FormatUSD(b.Limit))
	}
	if err := b.Period.Validate(); err != nil {
		return fmt.Errorf("budget %q: %w", b.Name, err)
	}
	return nil
}

// counts tells whether the accounts that there are of to's id go on under to. The caller holds mu.
func (e *Engine) counts(to *Budget) bool {
	if d := e.definitions[to.ID]; d != nil && (d.Period != to.Period.Unit || d.Window != to.Period.Window) {
		return false
	}
	if b := e.budgets[to.ID]; b != nil {
		for _, a := range b.accounts {
			if a.window != nil && a.window.window != to.Period.Window {
				return false
			}
		}
	}
	return true
}

// define records the budgets that come into force, unless they are the same. The caller holds mu.
func (e *Engine) define(defs definitions, order []string) error {
	same, err := defs.equal(e.definitions)
	if err != nil || same {
		return err
	}
	all := configured{Budgets: make([]*definition, 0, len(defs))}
	for _, id := range order {
		all.Budgets = append(all.Budgets, defs[id])
	}
	details, err := json.Marshal(&all)
	if err != nil {
		return fmt.Errorf("budgets: %w", err)
	}
	r := &audit.Record{Kind: audit.Admin, Action: actionConfigure, Details: details}
	if _, err := e.append(r, true, r); err != nil {
		return err
	}
	e.definitions = defs
	return nil
}

// equal compares definitions as the log has them.
func (d definitions) equal(other definitions) (bool, error) {
	a, err := json.Marshal(d)
	if err != nil {
		return false, err
	}
	b, err := json.Marshal(other)
	return bytes.Equal(a, b), err
}

// put makes budgets the configured ones. The caller holds mu.
func (e *Engine) put(next map[string]*Budget, order []string) {
	for id, b := range e.budgets {
		to := next[id]
		if b.conf != nil && (to == nil || to.Limit != b.conf.Limit) {
			e.giveAllBack(b)
		}
		if to == nil {
			b.conf = nil
		}
	}
	for id, to := range next {
		b := e.budgets[id]
		if b == nil {
			b = &budget{id: id, accounts: map[string]*account{}}
			e.budgets[id] = b
		}
		b.conf, b.overridden = to, e.overrides.about(id)
		b.begin, b.end = time.Time{}, time.Time{} // the zone may have changed
	}
	e.order = order
}

// giveAllBack returns the leases of all accounts of b. The caller holds mu.
func (e *Engine) giveAllBack(b *budget) {
	for _, a := range b.accounts {
		e.giveBackLogged(a)
	}
}

// about tells whether there are overrides of a budget.
func (o overrides) about(budget string) bool {
	for key := range o {
		if key.budget == budget {
			return true
		}
	}
	return false
}
