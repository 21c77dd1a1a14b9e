// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"fmt"

	"tollgate/cmd/internal/cli"
	"tollgate/cmd/internal/control"
	"tollgate/store/audit"
	"tollgate/store/ledger"
)

// Budgets implements [control.Accounts].
func (g *gateway) Budgets(ctx context.Context, q *control.BudgetQuery) ([]control.Budget, error) {
	all, err := g.accounts.engine.Balances(ctx, &ledger.BalanceQuery{Budget: q.Budget, Account: q.Account})
	if err != nil {
		return nil, err
	}
	if len(all) == 0 && q.Budget != "" {
		return nil, g.unknownBudget(q.Budget, q.Account)
	}
	out := make([]control.Budget, 0, len(all))
	for i := range all {
		out = append(out, controlBudget(&all[i]))
	}
	return out, nil
}

// unknownBudget says what there is instead.
func (g *gateway) unknownBudget(name, account string) error {
	var names []string
	for _, b := range g.budgets().All() {
		if b.Name() == name {
			return &control.Error{Message: fmt.Sprintf("nothing has been charged to an account %q of the budget %q", account, name), Hint: "`tollgate budget show` lists the accounts", Exit: cli.ExitUsage}
		}
		names = append(names, b.Name())
	}
	return &control.Error{Message: fmt.Sprintf("no budget is called %q", name), Hint: fmt.Sprintf("budgets: %v", names), Exit: cli.ExitUsage}
}

func controlBudget(b *ledger.Balance) control.Budget {
	out := control.Budget{
		Budget: b.Name, Account: b.Account, Limit: ledger.FormatUSD(b.Limit), Spent: ledger.FormatUSD(b.Settled), Reserved: ledger.FormatUSD(b.Reserved),
		Leased: ledger.FormatUSD(b.Leased), Remaining: ledger.FormatUSD(b.Remaining()), Begins: b.Begin, Resets: b.End,
	}
	if b.Raised != 0 {
		out.Raised = ledger.FormatUSD(b.Raised)
	}
	return out
}

// AdjustBudget implements [control.Accounts].
func (g *gateway) AdjustBudget(ctx context.Context, a *control.BudgetChange) (*control.Budget, error) {
	change := &ledger.Adjustment{Budget: a.Budget, Account: a.Account, Reset: a.Reset, Reason: a.Reason, Actor: a.Actor}
	if a.Set != "" {
		n, err := ledger.ParseUSD(a.Set)
		if err != nil {
			return nil, &control.Error{Message: err.Error(), Exit: cli.ExitUsage}
		}
		change.Set = &n
	}
	if a.Raise != "" {
		n, err := ledger.ParseUSD(a.Raise)
		if err != nil {
			return nil, &control.Error{Message: err.Error(), Exit: cli.ExitUsage}
		}
		change.Raise = n
	}
	known := false
	for _, b := range g.budgets().All() {
		known = known || b.Name() == a.Budget || b.ID() == a.Budget
	}
	if !known {
		return nil, g.unknownBudget(a.Budget, a.Account)
	}
	b, err := g.accounts.engine.Adjust(ctx, change)
	if err != nil {
		return nil, err
	}
	out := controlBudget(b)
	return &out, nil
}

// Records implements [control.Accounts].
func (g *gateway) Records(ctx context.Context, q *control.RecordQuery) (*control.Records, error) {
	page, err := g.accounts.engine.Log().Query(ctx, auditQuery(q))
	if err != nil {
		return nil, err
	}
	out := &control.Records{Records: make([]control.Record, 0, len(page.Records)), Next: page.Next}
	for _, f := range page.Records {
		out.Records = append(out.Records, control.Record{Seq: f.Seq, Record: f.Text})
	}
	return out, nil
}

// Verify implements [control.Accounts].
func (g *gateway) Verify(ctx context.Context, q *control.VerifyQuery) (*control.Verification, error) {
	log := g.accounts.engine.Log()
	own, err := log.VerifierKey()
	if err != nil {
		return nil, err
	}
	o := &audit.VerifyOptions{Key: cmp.Or(q.Key, own)}
	if q.Checkpoint != "" {
		o.Checkpoint = []byte(q.Checkpoint)
	}
	v, err := log.Verify(ctx, o)
	if err != nil {
		return nil, err
	}
	out := &control.Verification{
		Origin: v.Origin, Key: own, First: v.First, Size: v.Size, Root: v.Root.String(), Checked: v.Checked, Checkpoints: v.Checkpoints, Elsewhere: v.Elsewhere,
	}
	if v.Problem != nil {
		out.Problem, out.FirstBad = v.Problem.Error(), v.Problem.From
	}
	return out, nil
}

// CheckStore implements [control.Accounts].
func (g *gateway) CheckStore(ctx context.Context) (*control.StoreCheck, error) {
	out := &control.StoreCheck{Records: g.accounts.engine.Log().Size(), Problems: []string{}}
	errs := append(g.db.Check(), g.accounts.engine.Check(ctx)...)
	for _, err := range append(errs, g.accounts.replies.Check()...) {
		out.Problems = append(out.Problems, err.Error())
	}
	return out, nil
}
