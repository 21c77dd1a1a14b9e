// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"tollgate/store/audit"
)

// The actions of admin records that the ledger writes.
const (
	actionSet       = "budget.set"
	actionRaise     = "budget.raise"
	actionReset     = "budget.reset"
	actionConfigure = "budget.configure"
)

// isAdjustment tells whether admin records of an action change the ledger.
func isAdjustment(action string) bool {
	switch action {
	case actionSet, actionRaise, actionReset, actionConfigure:
		return true
	}
	return false
}

// override is a limit that was changed by hand. In ledger.db it is JSON.
type override struct {
	Set    *int64    `json:"set,omitempty"`   // instead of the configured limit; nil = that one
	Raise  int64     `json:"raise,omitempty"` // on top, in one period
	Period time.Time `json:"period,omitzero"` // of Raise: when it began, of a calendar period
	Until  time.Time `json:"until,omitzero"`  // of Raise: when it ends, of a rolling one
}

// pair names the accounts of one name of a budget, whatever their periods. Of overrides, "" are all accounts of it.
type pair struct{ budget, account string }

// overrides are the limits set by hand.
type overrides map[pair]*override

// adjusted are the details of an admin record that changes a limit.
type adjusted struct {
	Budget  string    `json:"budget"`
	Name    string    `json:"name,omitempty"`
	Account string    `json:"account,omitempty"`
	Set     *int64    `json:"set,omitempty"`
	Raise   int64     `json:"raise,omitempty"`
	Period  time.Time `json:"period,omitzero"`
	Until   time.Time `json:"until,omitzero"`
}

// limit is what is left of a configured limit and the overrides of an account, in its period that begins at begin.
func (o overrides) limit(configured int64, budget, account string, begin, now time.Time) (limit, raised int64) {
	all, own := o[pair{budget, ""}], o[pair{budget, account}]
	if account == "" {
		all = nil // it is own
	}
	limit = configured
	switch {
	case own != nil && own.Set != nil:
		limit = *own.Set
	case all != nil && all.Set != nil:
		limit = *all.Set
	}
	raised = addCapped(own.raised(begin, now), all.raised(begin, now))
	return addCapped(limit, raised), raised
}

// raised is what o adds to a limit in the period that begins at begin.
func (o *override) raised(begin, now time.Time) int64 {
	switch {
	case o == nil, begin.IsZero() && !now.Before(o.Until), !begin.IsZero() && !begin.Equal(o.Period):
		return 0
	}
	return o.Raise
}

// apply changes the overrides as an admin record says.
func (o overrides) apply(action string, a *adjusted) error {
	key := pair{a.Budget, a.Account}
	if action == actionReset {
		delete(o, key)
		return nil
	}
	have := override{}
	if old := o[key]; old != nil {
		have = *old
	}
	switch action {
	case actionSet:
		if a.Set == nil {
			return errors.New("no limit to set")
		}
		have.Set = a.Set
	case actionRaise:
		if !a.Period.Equal(have.Period) || a.Period.IsZero() && a.Until.IsZero() {
			have.Raise = 0
		}
		sum, ok := addChecked(have.Raise, a.Raise)
		if !ok {
			return errors.New("the sum of what was raised is too large")
		}
		have.Raise, have.Period, have.Until = sum, a.Period, a.Until
	}
	o[key] = &have
	return nil
}

// definition is what the log must know of a budget to be understood without the configuration.
type definition struct {
	ID     string        `json:"id"`
	Name   string        `json:"name,omitempty"`
	Limit  int64         `json:"limit"`
	Period string        `json:"period,omitempty"` // unit of the calendar
	Zone   string        `json:"zone,omitempty"`
	Window time.Duration `json:"window_ns,omitempty"`
	Per    []string      `json:"per,omitempty"`
}

// definitions are those of the budgets that are in force, by id.
type definitions map[string]*definition

// configured are the details of an admin record that puts budgets in force.
type configured struct {
	Budgets []*definition `json:"budgets"`
}

func define(b *Budget) *definition {
	d := &definition{ID: b.ID, Name: b.Name, Limit: b.Limit, Period: b.Period.Unit, Window: b.Period.Window, Per: b.Per}
	if b.Period.Unit != "" {
		d.Zone = b.Period.zone().String()
	}
	return d
}

// decodeAdjusted reads the details of an admin record that changes a limit.
func decodeAdjusted(r *audit.Record) (*adjusted, error) {
	a := &adjusted{}
	if err := json.Unmarshal(r.Details, a); err != nil {
		return nil, fmt.Errorf("details of %s: %w", r.Action, err)
	}
	return a, nil
}

// decodeConfigured reads the details of an admin record that puts budgets in force.
func decodeConfigured(r *audit.Record) (definitions, error) {
	c := &configured{}
	if err := json.Unmarshal(r.Details, c); err != nil {
		return nil, fmt.Errorf("details of %s: %w", r.Action, err)
	}
	defs := make(definitions, len(c.Budgets))
	for _, d := range c.Budgets {
		if d.Period == "" && (d.Window < minWindow || d.Window > maxWindow) {
			return nil, fmt.Errorf("details of %s: budget %q has a window of %s", r.Action, d.ID, d.Window)
		}
		defs[d.ID] = d
	}
	return defs, nil
}
