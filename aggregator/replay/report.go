// SPDX-License-Identifier: Apache-2.0

package replay

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// How changes are grouped, beside tool and rule.
const (
	ByUser = "user"
	ByRole = "role"
	ByTeam = "team"
	ByOrg  = "org"
)

const (
	// maxGroups bounds the groups of a report; what has no place is counted in Ungrouped.
	maxGroups = 5000
	// maxReasons bounds the reasons that are told apart for one rule: sentences may hold arguments.
	maxReasons = 8
	// maxUsers bounds the users that are told apart in all groups.
	maxUsers        = 100_000
	defaultExamples = 3
)

// Report is what candidate rules would have changed.
type Report struct {
	From      time.Time `json:"from,omitzero"`
	To        time.Time `json:"to,omitzero"`
	Candidate string    `json:"candidate"` // its revision
	By        string    `json:"by"`
	// Decisions are the intents and refusals that were read. Each is in exactly one of Same, Refused, Allowed, Undecidable,
	// Otherwise and NotDecided.
	Decisions   uint64 `json:"decisions"`
	Same        uint64 `json:"same"`
	Refused     uint64 `json:"newly_refused"`
	Allowed     uint64 `json:"newly_allowed"`
	Undecidable uint64 `json:"undecidable"`
	// Otherwise are calls that something else than these rules stopped, by its code, NotDecided refusals before anything
	// was decided.
	Otherwise  map[string]*Otherwise `json:"otherwise,omitempty"`
	NotDecided map[string]uint64     `json:"not_decided,omitempty"`
	// Partly are decisions in which arguments were held against the constraints alone, see [Answer.Partly].
	Partly     uint64 `json:"without_input_schema,omitempty"`
	Unreadable uint64 `json:"unreadable,omitempty"` // records
	FirstBad   string `json:"first_unreadable,omitempty"`
	// Groups are the changes, those with the most calls first in each kind. Ungrouped counts those that have no place there.
	Groups    []*Group          `json:"groups"`
	Ungrouped map[Change]uint64 `json:"ungrouped,omitempty"`

	examples int
	users    int // told apart so far
	byKey    map[groupKey]*Group
	reasons  map[groupKey]int
}

// Otherwise counts calls that something else stopped: what the candidate would have said before it came to that.
type Otherwise struct {
	Calls       uint64 `json:"calls"`
	Refused     uint64 `json:"candidate_refuses"`
	Undecidable uint64 `json:"undecidable,omitempty"`
}

// Group is one kind of change.
type Group struct {
	Change Change   `json:"change"`
	Who    string   `json:"who"`
	Roles  []string `json:"roles,omitempty"` // of the first call; grouped by user
	Users  int      `json:"users,omitempty"` // at least so many; not grouped by user
	// Object is as patterns have it, Name as it is displayed.
	Object  string    `json:"object"`
	Name    string    `json:"name,omitempty"`
	Code    string    `json:"code,omitempty"`
	Rule    string    `json:"rule,omitempty"`
	Place   string    `json:"place,omitempty"`
	Reason  string    `json:"reason,omitempty"` // "" = several
	Missing []string  `json:"missing,omitempty"`
	Schema  bool      `json:"input_schema_missing,omitempty"`
	Calls   uint64    `json:"calls"`
	First   time.Time `json:"first"`
	Last    time.Time `json:"last"`
	// Examples are ids of decisions.
	Examples []string `json:"examples"`

	users map[string]bool
}

type groupKey struct {
	change                                           Change
	who, object, code, rule, place, missing, reasons string
	schema                                           bool
}

func newReport(o *Options) *Report {
	return &Report{
		From: o.From, To: o.To, By: cmp.Or(o.By, ByUser), examples: cmp.Or(o.Examples, defaultExamples), Otherwise: map[string]*Otherwise{},
		NotDecided: map[string]uint64{}, Ungrouped: map[Change]uint64{}, byKey: map[groupKey]*Group{}, reasons: map[groupKey]int{},
	}
}

// Changed reports whether some verdict would be another.
func (r *Report) Changed() bool { return r.Refused+r.Allowed > 0 }

// Uncertain reports whether some verdict is not known.
func (r *Report) Uncertain() bool { return r.Undecidable+r.Unreadable > 0 }

// add counts a case that is not simply the same.
func (r *Report) add(c *Case, a *Answer) {
	if c.Verdict.Other {
		o := r.Otherwise[c.Verdict.Code]
		if o == nil {
			o = &Otherwise{}
			r.Otherwise[c.Verdict.Code] = o
		}
		switch o.Calls++; a.Change {
		case Refused:
			o.Refused++
		case Undecidable:
			o.Undecidable++
		}
		return
	}
	switch a.Change {
	case Refused:
		r.Refused++
	case Allowed:
		r.Allowed++
	case Undecidable:
		r.Undecidable++
	}
	g := r.group(c, a)
	if g == nil {
		r.Ungrouped[a.Change]++
		return
	}
	g.Calls++
	if g.Calls == 1 || c.Time.Before(g.First) {
		g.First = c.Time
	}
	if c.Time.After(g.Last) {
		g.Last = c.Time
	}
	if len(g.Examples) < r.examples {
		g.Examples = append(g.Examples, c.ID)
	}
	if user := c.Past.Input.Principal.Subject; g.users != nil && !g.users[user] && r.users < maxUsers {
		g.users[user] = true
		r.users++
	}
}

// group finds or makes the group of a change; nil when there are too many.
func (r *Report) group(c *Case, a *Answer) *Group {
	o := c.Past.Input.Object
	object := o.Kind + ":" + o.Upstream + "/" + cmp.Or(o.OriginalName, o.URI)
	key := groupKey{
		change: a.Change, who: r.who(c), object: object, code: a.Code, rule: a.Rule, place: a.Place, missing: strings.Join(a.Missing, "\x00"), schema: a.Schema,
	}
	of := key
	key.reasons = a.Reason
	g := r.byKey[key]
	if g == nil && r.reasons[of] >= maxReasons {
		key.reasons = ""
		g = r.byKey[key]
	}
	if g != nil || len(r.byKey) >= maxGroups {
		return g
	}
	r.reasons[of]++
	g = &Group{
		Change: a.Change, Who: key.who, Object: object, Name: o.Name, Code: a.Code, Rule: a.Rule, Place: a.Place, Reason: key.reasons,
		Missing: slices.Clone(a.Missing), Schema: a.Schema, Examples: []string{},
	}
	if r.By == ByUser {
		g.Roles = c.Roles()
	} else {
		g.users = map[string]bool{}
	}
	r.byKey[key] = g
	return g
}

func (r *Report) who(c *Case) string {
	p := c.Past.Input.Principal
	switch r.By {
	case ByRole:
		return strings.Join(c.Roles(), ", ")
	case ByTeam:
		return p.Team
	case ByOrg:
		return p.Org
	}
	return p.Subject
}

// tally adds what a batch counted.
func (r *Report) tally(b *batch) {
	r.Decisions += b.decided
	r.Partly += b.partly
	r.Unreadable += b.unreadable
	if r.FirstBad == "" && b.firstBad != nil {
		r.FirstBad = b.firstBad.Error()
	}
	for code, n := range b.none {
		r.NotDecided[code] += n
	}
}

// finish sorts the groups and counts what stays the same.
func (r *Report) finish(j *Judge) *Report {
	r.Candidate, r.Same = j.Revision(), r.Decisions-r.Refused-r.Allowed-r.Undecidable
	for _, o := range r.Otherwise {
		r.Same -= o.Calls
	}
	for _, n := range r.NotDecided {
		r.Same -= n
	}
	r.Groups = make([]*Group, 0, len(r.byKey))
	for _, g := range r.byKey {
		g.Users = len(g.users)
		r.Groups = append(r.Groups, g)
	}
	order := map[Change]int{Refused: 0, Allowed: 1, Undecidable: 2}
	slices.SortFunc(r.Groups, func(a, b *Group) int {
		return cmp.Or(cmp.Compare(order[a.Change], order[b.Change]), cmp.Compare(b.Calls, a.Calls), strings.Compare(a.Who, b.Who),
			strings.Compare(a.Object, b.Object), strings.Compare(a.Rule, b.Rule), strings.Compare(a.Place, b.Place), strings.Compare(a.Reason, b.Reason),
			strings.Compare(strings.Join(a.Missing, "\x00"), strings.Join(b.Missing, "\x00")))
	})
	return r
}
