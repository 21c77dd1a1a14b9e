// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"tollgate/policy"
)

// BudgetRule is one budget as an operator writes it: a limit on what calls may
// cost in a period. It holds for calls that cost something, see [Admission.Cost].
type BudgetRule struct {
	Index int    // in the list, from 0
	Name  string // required; no two budgets share one
	// Org, Team, User and Key select whose calls it holds for; "" = any. User is
	// the subject of the principal, Key the id of its API key.
	Org, Team, User, Key string
	For                  []string // patterns; none = everything
	// Per is what each account of the budget belongs to: org, team, user, key,
	// tool or upstream, or several of them. all, or none, is a single account.
	Per    []string
	Limit  int64 // nano-USD, of each account
	Period BudgetPeriod
	Warn   []float64 // shares of Limit at which an alert is due, such as 0.8
}

// BudgetPeriod is how long a budget counts: a day, a week (from Monday) or a month
// of the calendar in a zone, or a rolling window, which has no zone.
type BudgetPeriod struct {
	Unit   string         // day, week or month; "" = rolling
	Zone   *time.Location // of Unit; nil = UTC
	Window time.Duration  // of a rolling period, 1 second to 3660 days
}

// String spells the period for a sentence: "month (Europe/Berlin)", "24 hours".
func (p BudgetPeriod) String() string {
	switch {
	case p.Unit == "" && p.Window > 0 && p.Window%(24*time.Hour) == 0:
		return fmt.Sprintf("%d hours", p.Window/time.Hour) // a day is one of the calendar
	case p.Unit == "":
		return spell(p.Window)
	}
	return p.Unit + " (" + p.zone() + ")"
}

func (p BudgetPeriod) zone() string {
	if p.Zone == nil {
		return time.UTC.String()
	}
	return p.Zone.String()
}

// Budget is one compiled budget. It is immutable and safe for concurrent use.
type Budget struct {
	rule     BudgetRule
	id       string
	patterns []*policy.Pattern
	parts    []string // of account names, see accountParts
}

// ID is the same across reloads as long as the budget counts the same: the digest
// of its name, period, selectors, patterns, and of what its accounts belong to.
// Another limit, or other warnings, keep the ID and with it what was spent.
func (b *Budget) ID() string { return b.id }

// Name is the given name.
func (b *Budget) Name() string { return b.rule.Name }

// Index is the position in the list of rules.
func (b *Budget) Index() int { return b.rule.Index }

// Limit is that of each account, in nano-USD.
func (b *Budget) Limit() int64 { return b.rule.Limit }

// Period is how long it counts. The zone of a rolling one is nil.
func (b *Budget) Period() BudgetPeriod { return b.rule.Period }

// Warn are the shares of the limit at which an alert is due, ascending.
func (b *Budget) Warn() []float64 { return slices.Clone(b.rule.Warn) }

// Per is what each account belongs to, as it was written; nil = a single account.
func (b *Budget) Per() []string {
	if b.Single() {
		return nil
	}
	return slices.Clone(b.rule.Per)
}

// Single reports whether the budget has one account for all calls.
func (b *Budget) Single() bool { return len(b.parts) == 0 }

// Rule is what the budget was made of, for those who show it.
func (b *Budget) Rule() BudgetRule {
	r := b.rule
	r.For, r.Per, r.Warn = slices.Clone(r.For), slices.Clone(r.Per), slices.Clone(r.Warn)
	return r
}

// Describe says in a few words what the budget allows: "$100 per month (UTC) per
// user of team growth".
func (b *Budget) Describe() string {
	r := &b.rule
	text := spellDollars(r.Limit) + " per " + r.Period.String()
	if b.Single() {
		text += " in total"
	} else {
		text += " per " + strings.Join(r.Per, " and ")
	}
	var of []string
	for _, s := range [...]struct{ what, name string }{{"org", r.Org}, {"team", r.Team}, {"user", r.User}, {"key", r.Key}} {
		if s.name != "" {
			of = append(of, s.what+" "+s.name)
		}
	}
	if len(of) > 0 {
		text += " of " + strings.Join(of, ", ")
	}
	if len(r.For) > 0 {
		text += " for " + strings.Join(r.For, ", ")
	}
	return text
}

// Holds reports whether the budget is about a principal. It allocates nothing.
func (b *Budget) Holds(p *policy.Principal) bool {
	r := &b.rule
	return (r.Org == "" || r.Org == p.Org) && (r.Team == "" || r.Team == p.Team) &&
		(r.User == "" || r.User == p.Subject) && (r.Key == "" || r.Key == p.KeyID)
}

func (b *Budget) matches(o *policy.Object) bool {
	return len(b.patterns) == 0 || slices.ContainsFunc(b.patterns, func(p *policy.Pattern) bool { return p.Match(o) })
}

// Budgets are those of one configuration. They are immutable and safe for
// concurrent use; nil Budgets are none.
type Budgets struct {
	budgets  []*Budget
	revision string
}

// All are all budgets, as they were written.
func (s *Budgets) All() []*Budget {
	if s == nil {
		return nil
	}
	return slices.Clone(s.budgets)
}

// Revision changes whenever a budget does.
func (s *Budgets) Revision() string {
	if s == nil {
		return ""
	}
	return s.revision
}

// About are the budgets about an object, whoever calls it. That is the dear part
// of [Budgets.For], and the same until the object changes: keep it per object, and
// ask [Budget.Holds] per call.
func (s *Budgets) About(o *policy.Object) []*Budget {
	if s == nil {
		return nil
	}
	var out []*Budget
	for _, b := range s.budgets {
		if b.matches(o) {
			out = append(out, b)
		}
	}
	return out
}

// For are the budgets that a call of the object by the principal needs room in,
// all of them: they do not depend on roles. The result is nil when there are none.
func (s *Budgets) For(p *policy.Principal, o *policy.Object) []*Budget {
	if s == nil {
		return nil
	}
	var out []*Budget
	for _, b := range s.budgets {
		if b.Holds(p) && b.matches(o) {
			out = append(out, b)
		}
	}
	return out
}
