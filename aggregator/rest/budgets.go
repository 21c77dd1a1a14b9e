// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"context"
	"net/http"
	"time"

	"tollgate/aggregator/auth"
	"tollgate/store/ledger"
)

// budgetAnswer is one account of a budget.
type budgetAnswer struct {
	Budget    string  `json:"budget"`
	Account   string  `json:"account,omitempty"`
	Period    string  `json:"period,omitempty"`
	Limit     string  `json:"limit"`
	Spent     string  `json:"spent"`
	Reserved  string  `json:"reserved"`
	Leased    string  `json:"leased,omitempty"`
	Raised    string  `json:"raised,omitempty"`
	Remaining string  `json:"remaining"`
	Begins    *string `json:"begins_at"`
	Resets    *string `json:"resets_at"`
}

// budgets answers what is left of budgets: all of them to who may read everything, to others those that are about
// themselves and about the teams whose numbers they may read.
func (s *Server) budgets(w http.ResponseWriter, r *http.Request, caller *auth.Principal) *problem {
	if s.opts.Ledger == nil {
		return missing("ledger")
	}
	name := r.URL.Query().Get("budget")
	answer := struct {
		Budgets []*budgetAnswer `json:"budgets"`
	}{[]*budgetAnswer{}}
	if reads := s.opts.MayRead(caller); !reads.All {
		for _, a := range s.accountsOf(caller, &reads) {
			if name != "" && a.budget.Name() != name && a.budget.ID() != name {
				continue
			}
			b, p := s.balance(r.Context(), &a)
			if p != nil {
				return p
			}
			answer.Budgets = append(answer.Budgets, s.budget(b))
		}
		s.json(w, answer)
		return nil
	}
	all, p := s.everyBalance(r.Context(), name)
	if p != nil {
		return p
	}
	for i := range all {
		answer.Budgets = append(answer.Budgets, s.budget(&all[i]))
	}
	s.json(w, answer)
	return nil
}

func (s *Server) everyBalance(ctx context.Context, name string) ([]ledger.Balance, *problem) {
	all, err := s.opts.Ledger.Balances(ctx, &ledger.BalanceQuery{Budget: name})
	if err != nil {
		return nil, s.unread("budgets", err)
	}
	return all, nil
}

func (s *Server) budget(b *ledger.Balance) *budgetAnswer {
	a := &budgetAnswer{
		Budget: b.Name, Account: b.Account, Period: s.period(b.Budget), Limit: ledger.FormatUSD(b.Limit), Spent: ledger.FormatUSD(b.Settled),
		Reserved: ledger.FormatUSD(b.Reserved), Remaining: ledger.FormatUSD(b.Remaining()),
		Begins: s.when(b.Begin), Resets: s.when(b.End),
	}
	if b.Leased > 0 {
		a.Leased = ledger.FormatUSD(b.Leased)
	}
	if b.Raised != 0 {
		a.Raised = ledger.FormatUSD(b.Raised)
	}
	return a
}

// when is t in the zone of the gateway; nil for none.
func (s *Server) when(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	text := t.In(s.opts.Zone).Format(time.RFC3339)
	return &text
}

// period is how long a budget counts, in words; "" for one that is not in force any more.
func (s *Server) period(id string) string {
	for _, b := range s.opts.Budgets().All() {
		if b.ID() == id {
			return b.Period().String()
		}
	}
	return ""
}
