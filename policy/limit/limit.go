// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"tollgate/policy"
)

// Rule is one limit and where it was written.
type Rule struct {
	Role  string // "" = everyone
	Index int    // in the role's list, from 0
	policy.LimitRule
}

// Limit is one compiled limit. It is immutable and safe for concurrent use.
type Limit struct {
	rule     Rule
	name     string
	id       string // see [Claim.ID], without what it counts
	patterns []*policy.Pattern
	rate     rate
	per      []per
	match    *program
	require  *program
	cost     *program
	fixed    int64 // nano-USD; the cost when there is no program for it
	settle   *program
}

// Name is the given name, or the role and the position: "marketing limit 2".
func (l *Limit) Name() string { return l.name }

// Role is the role that the limit belongs to; "" = everyone.
func (l *Limit) Role() string { return l.rule.Role }

// Index is the position in the role's list, from 0.
func (l *Limit) Index() int { return l.rule.Index }

// Describe says in a few words what the limit asks: "100 per minute per user".
func (l *Limit) Describe() string {
	var out []string
	counted := l.counted()
	if l.rate.calls > 0 {
		text := l.rate.String() + counted
		if l.rule.Durable {
			text += ", also across a crash"
		}
		out = append(out, text)
	}
	if l.rule.Concurrency > 0 {
		out = append(out, fmt.Sprintf("%d at a time%s", l.rule.Concurrency, counted))
	}
	if l.require != nil {
		out = append(out, "requires "+oneLine(l.require.text))
	}
	if l.cost != nil {
		out = append(out, "costs up to "+oneLine(l.cost.text)+" USD")
	} else if l.rule.Cost != "" {
		out = append(out, "costs up to "+spellDollars(l.fixed))
	}
	if l.rule.Timeout > 0 {
		out = append(out, "takes at most "+l.rule.Timeout.String())
	}
	if l.rule.MaxResultBytes > 0 {
		out = append(out, fmt.Sprintf("answers with at most %d bytes", l.rule.MaxResultBytes))
	}
	text := strings.Join(out, "; ")
	if l.match != nil {
		text += " when " + oneLine(l.match.text)
	}
	return text
}

func (l *Limit) counted() string {
	if l.per[0].word == "all" {
		return " in total"
	}
	names := make([]string, len(l.per))
	for i, p := range l.per {
		names[i] = p.String()
	}
	return " per " + strings.Join(names, " and ")
}

// matches reports whether the limit is about an object.
func (l *Limit) matches(o *policy.Object) bool {
	return len(l.patterns) == 0 || slices.ContainsFunc(l.patterns, func(p *policy.Pattern) bool { return p.Match(o) })
}

// programs are those that a call runs, and those of its settlement.
func (l *Limit) programs() []*program {
	all := []*program{l.match, l.require, l.cost, l.settle}
	for _, p := range l.per {
		all = append(all, p.program)
	}
	return slices.DeleteFunc(all, func(p *program) bool { return p == nil })
}

// Set holds the limits of one configuration. It is immutable and safe for
// concurrent use; a nil Set has no limits.
type Set struct {
	limits   []*Limit
	revision string
}

// Revision changes whenever a limit does.
func (s *Set) Revision() string {
	if s == nil {
		return ""
	}
	return s.revision
}

// For answers the limits that hold for an object and a principal with these
// roles, which the caller has expanded by their includes: those of everyone
// first, then by role and position. The result is nil when there are none.
func (s *Set) For(roles []string, o *policy.Object) []*Limit {
	if s == nil {
		return nil
	}
	var out []*Limit
	for _, l := range s.limits {
		if (l.rule.Role == "" || slices.Contains(roles, l.rule.Role)) && l.matches(o) {
			out = append(out, l)
		}
	}
	return out
}

// Claim is what a call needs of one counter: exactly one of Rate and
// Concurrency is more than 0.
type Claim struct {
	Limit string // name, for messages
	// ID is the same across reloads as long as the limit and what it counts stay
	// the same; two limits never share one.
	ID          string
	Key         string // the counter; holds ID
	Rate        int64  // calls in each Window
	Window      time.Duration
	Concurrency int64 // calls at a time
	Durable     bool  // uses of Rate count after a crash too
}
