// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"tollgate/policy"
	"tollgate/policy/internal/wording"
)

const (
	minBudgetWindow = time.Second
	maxBudgetWindow = 3660 * 24 * time.Hour // ten years
)

// BudgetMistake is one mistake in a budget.
type BudgetMistake struct {
	Index int // of the budget, from 0
	// Field is name, for[0], per[0], limit, period, warn[0], or "" for the budget as
	// a whole.
	Field         string
	Message, Hint string
}

func (m BudgetMistake) Error() string {
	at := fmt.Sprintf("budgets[%d]", m.Index)
	if m.Field != "" {
		at += "." + m.Field
	}
	text := at + ": " + m.Message
	if m.Hint != "" {
		text += "\n\thint: " + m.Hint
	}
	return text
}

// BudgetMistakes are all mistakes found, ordered by budget.
type BudgetMistakes []BudgetMistake

func (m BudgetMistakes) Error() string {
	return wording.Lines(m)
}

// CompileBudgets checks and compiles budgets. The error is [BudgetMistakes], all of
// them.
func CompileBudgets(rules []BudgetRule) (*Budgets, error) {
	c := &budgetCompiler{names: map[string]int{}}
	s := &Budgets{}
	for _, r := range rules {
		s.budgets = append(s.budgets, c.budget(r))
	}
	if len(c.mistakes) > 0 {
		slices.SortStableFunc(c.mistakes, func(a, b BudgetMistake) int { return cmp.Compare(a.Index, b.Index) })
		return nil, c.mistakes
	}
	var all []any
	for _, b := range s.budgets {
		all = append(all, b.id, b.rule.Limit, b.rule.Warn)
	}
	s.revision = digest(all)
	return s, nil
}

type budgetCompiler struct {
	rule     BudgetRule
	names    map[string]int // name -> index of the budget
	mistakes BudgetMistakes
}

func (c *budgetCompiler) wrong(field, message, hint string) {
	c.mistakes = append(c.mistakes, BudgetMistake{c.rule.Index, field, message, hint})
}

// budget compiles one rule. The result is unusable after a mistake.
func (c *budgetCompiler) budget(r BudgetRule) *Budget {
	if r.Period.Unit == "" {
		r.Period.Zone = nil // a window is as long everywhere
	}
	c.rule = r
	b := &Budget{rule: r}
	c.name()
	for i, text := range r.For {
		b.patterns = append(b.patterns, c.pattern(fmt.Sprintf("for[%d]", i), text))
	}
	c.per()
	if r.Limit < 0 {
		c.wrong("limit", "the limit is negative", "use 0 or more USD")
	}
	c.period()
	b.rule.Warn = c.warn()
	b.parts = accountParts(r.Per)
	b.id = digest([]any{
		"budget", r.Name, r.Period.Unit, r.Period.zone(), r.Period.Window, r.Org, r.Team, r.User, r.Key,
		slices.Compact(slices.Sorted(slices.Values(append([]string{}, r.For...)))), b.parts,
	})[:32]
	return b
}

func (c *budgetCompiler) name() {
	name := c.rule.Name
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.", r)
	}
	switch first, used := c.names[name]; {
	case name == "":
		c.wrong("name", "the budget has no name", "callers are told it, and commands take it: give each budget one")
	case used:
		c.wrong("name", fmt.Sprintf("the name %q is used by budget %d already", name, first+1), "give each budget its own")
		return
	case len(name) > 64 || strings.ContainsFunc(name, func(r rune) bool { return !plain(r) }):
		c.wrong("name", fmt.Sprintf("%q is no name of a budget", name), `use letters, digits, "-", "_" and ".", at most 64 characters`)
	}
	c.names[name] = c.rule.Index
}

func (c *budgetCompiler) pattern(field, text string) *policy.Pattern {
	p, err := policy.ParsePattern(text)
	var fault *policy.PatternError
	if errors.As(err, &fault) {
		c.wrong(field, fault.Message, fault.Hint)
	} else if err != nil {
		c.wrong(field, err.Error(), "")
	}
	return p
}

func (c *budgetCompiler) per() {
	list := c.rule.Per
	for i, word := range list {
		field := fmt.Sprintf("per[%d]", i)
		switch {
		case slices.Contains(list[:i], word):
			c.wrong(field, fmt.Sprintf("%q is there already", word), "remove it")
		case word == "all" && len(list) > 1:
			c.wrong(field, `"all" counts all calls together and stands alone`, "remove it, or the others")
		case word == "role":
			c.wrong(field, "a budget is not counted by role: a caller may have several", "write one budget for each team or org")
		case !slices.Contains(accountWords(), word):
			hint := wording.DidYouMean(word, accountWords())
			if hint == "" {
				hint = "an account belongs to " + strings.Join(accountWords(), ", ")
			}
			c.wrong(field, fmt.Sprintf("%q has no account", word), hint)
		}
	}
}

func (c *budgetCompiler) period() {
	p := c.rule.Period
	units := []string{"day", "week", "month"}
	switch {
	case p.Unit == "" && p.Window == 0:
		c.wrong("period", "the budget has no period", "use day, week or month, or a rolling window such as 24h")
	case p.Unit != "" && !slices.Contains(units, p.Unit):
		hint := wording.DidYouMean(p.Unit, units)
		if hint == "" {
			hint = "use day, week or month, or a rolling window such as 24h"
		}
		c.wrong("period", fmt.Sprintf("%q is no period", p.Unit), hint)
	case p.Unit != "" && p.Window != 0:
		c.wrong("period", fmt.Sprintf("a %s of the calendar has no window", p.Unit), "use one of the two")
	case p.Unit == "" && p.Window < minBudgetWindow:
		c.wrong("period", "the window is shorter than a second", "use a window of at least 1s")
	case p.Window > maxBudgetWindow:
		c.wrong("period", "the window is longer than ten years", "use a shorter one, such as 365d")
	}
}

// warn answers the shares in order, each once.
func (c *budgetCompiler) warn() []float64 {
	for i, share := range c.rule.Warn {
		if !(share > 0) || math.IsInf(share, 0) {
			c.wrong(fmt.Sprintf("warn[%d]", i), "a warning is due at a share of the limit that is more than 0", "write it like 0.8")
		}
	}
	return slices.Compact(slices.Sorted(slices.Values(c.rule.Warn)))
}
