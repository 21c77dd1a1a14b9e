// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"slices"
)

// usualBalances is how many balances a query returns unless it says otherwise.
const usualBalances = 1000

// Balances implements [Ledger]: by budget as they are configured, then by account. An account is there once something was
// charged to it; the only one of a budget always is.
func (e *Engine) Balances(ctx context.Context, q *BalanceQuery) ([]Balance, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if q == nil {
		q = &BalanceQuery{}
	}
	most := q.Limit
	if most <= 0 {
		most = usualBalances
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.moment(e.wall())
	var all []Balance
	for _, id := range e.order {
		b := e.budgets[id]
		if q.Budget != "" && q.Budget != id && q.Budget != b.conf.Name {
			continue
		}
		for _, name := range b.names(q.Account) {
			if len(all) == most {
				return all, nil
			}
			all = append(all, e.balance(b, name, b.peek(name, now), now))
		}
	}
	return all, nil
}

// names are the accounts of b in order, or the one that is asked for, if there is one.
func (b *budget) names(only string) []string {
	if only != "" {
		if b.accounts[only] == nil {
			return nil
		}
		return []string{only}
	}
	names := make([]string, 0, len(b.accounts)+1)
	for name := range b.accounts {
		names = append(names, name)
	}
	if !b.several() && b.accounts[""] == nil {
		names = append(names, "")
	}
	slices.Sort(names)
	return names
}

// Costs implements [Ledger].
func (e *Engine) Costs(ctx context.Context, q *CostQuery) (*CostReport, error) {
	if q == nil {
		q = &CostQuery{}
	}
	return e.book.rollups.costs(ctx, e.db, q)
}
