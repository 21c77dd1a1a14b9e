// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"tollgate/aggregator/auth"
	"tollgate/aggregator/catalog"
	"tollgate/policy"
	"tollgate/policy/limit"
	"tollgate/store/audit"
	"tollgate/store/ledger"
)

// account is one account of a budget that is in force.
type account struct {
	budget *limit.Budget
	name   string
	// anyOrg says that nobody said whose organization: the first part of name is a guess.
	anyOrg bool
}

// about are the accounts that calls are charged to for having all labels of what is asked for, and for nothing else: a team
// has the budgets of the team, not those of its members nor those of everybody. org is the caller's, and that of a team or a
// user of which no other is named.
func (s *Server) about(of *audit.Labels, org string, tool *policy.Object) []account {
	var found []account
	who := &policy.Principal{Org: cmp.Or(of.Org, org), Team: of.Team, Subject: of.User, KeyID: of.Key}
	object := policy.Object{Kind: "tool", Upstream: of.Upstream}
	if tool != nil {
		object = *tool
	}
	for _, b := range s.opts.Budgets().All() {
		r := b.Rule()
		if !b.Holds(who) || !covers(&r, of, tool != nil) {
			continue
		}
		per := slices.Contains(r.Per, "team") || slices.Contains(r.Per, "user")
		found = append(found, account{b, b.Account(&policy.Input{Principal: who, Object: &object}), of.Org == "" && per})
	}
	return found
}

// covers reports whether a budget is about the labels that of has, and no other ones.
func covers(r *limit.BudgetRule, of *audit.Labels, tool bool) bool {
	per := func(word string) bool { return slices.Contains(r.Per, word) }
	some := of.Team+of.User+of.Key != ""
	switch {
	case of.Team != "" != (r.Team != "" || per("team")), of.User != "" != (r.User != "" || per("user")), of.Key != "" != (r.Key != "" || per("key")):
		return false
	case tool != per("tool"), !tool && of.Upstream != "" != per("upstream"):
		return false
	case some: // that they belong to an organization is no limit of its own
		return true
	}
	return of.Org != "" == (r.Org != "" || per("org"))
}

// tightest is the balance of the budget that is about exactly what the report is about, in the same unit of time: with
// several, the one with the least left. nil when there is none.
func (s *Server) tightest(ctx context.Context, caller *auth.Principal, rep *report) (*ledger.Balance, *problem) {
	tool, known := s.object(ctx, caller, rep.scope)
	if rep.unit == "" || !known {
		return nil, nil
	}
	var least *ledger.Balance
	for _, a := range s.about(&rep.scope.asked, caller.Org, tool) {
		r := a.budget.Rule()
		if r.Period.Unit != rep.unit || len(r.For) > 0 {
			continue
		}
		a.anyOrg = a.anyOrg && rep.scope.whole
		b, p := s.balance(ctx, &a)
		if p != nil {
			return nil, p
		}
		if b != nil && (least == nil || b.Remaining() < least.Remaining()) {
			least = b
		}
	}
	return least, nil
}

// object is the tool that a report is about, nil for no tool; false when it is none that the caller may know, or several.
func (s *Server) object(ctx context.Context, caller *auth.Principal, sc *scope) (*policy.Object, bool) {
	if sc.tool == "" {
		return nil, true
	}
	view, err := s.gate.View(ctx, caller, "")
	if err != nil {
		return nil, false
	}
	found := view.Meant(catalog.Tool, sc.of.Upstream, sc.tool)
	if len(found) != 1 {
		return nil, false
	}
	return &found[0].Object, true
}

// balance is an account as it is now; one that nothing was charged to yet has all of its limit. nil when several
// organizations have such an account.
func (s *Server) balance(ctx context.Context, a *account) (*ledger.Balance, *problem) {
	q := &ledger.BalanceQuery{Budget: a.budget.ID(), Account: a.name}
	if a.anyOrg {
		q.Account, q.Limit = "", maxAccounts
	}
	all, err := s.opts.Ledger.Balances(ctx, q)
	if err != nil {
		return nil, s.unread("budgets", err)
	}
	_, rest, _ := strings.Cut(a.name, "/")
	all = slices.DeleteFunc(all, func(b ledger.Balance) bool {
		_, other, _ := strings.Cut(b.Account, "/")
		return b.Account != a.name && !(a.anyOrg && other == rest)
	})
	switch len(all) {
	case 0:
		return &ledger.Balance{Budget: a.budget.ID(), Name: a.budget.Name(), Account: a.name, Limit: a.budget.Limit()}, nil
	case 1:
		return &all[0], nil
	}
	return nil, nil
}

// maxAccounts bounds the accounts of one budget that are looked through.
const maxAccounts = 100_000

// accountsOf are the accounts of the caller, and those of the teams whose numbers it may read.
func (s *Server) accountsOf(caller *auth.Principal, reads *Reads) []account {
	found := s.about(&audit.Labels{User: caller.Subject}, caller.Org, nil)
	if caller.Team != "" {
		found = append(found, s.about(&audit.Labels{User: caller.Subject, Team: caller.Team}, caller.Org, nil)...)
	}
	if caller.KeyID != "" && caller.Actor == "" {
		found = append(found, s.about(&audit.Labels{Key: caller.KeyID}, caller.Org, nil)...)
	}
	for _, team := range reads.Teams {
		found = append(found, s.about(&audit.Labels{Team: team}, caller.Org, nil)...)
	}
	for i := range found {
		found[i].anyOrg = false
	}
	return found
}
