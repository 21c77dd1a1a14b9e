// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"slices"
	"time"

	"tollgate/aggregator/auth"
	"tollgate/policy"
)

// Binding gives roles to principals. Those of Subject, Team, Org, Group and Issuer that are set must all fit.
type Binding struct {
	Subject, Team, Org, Group string
	Issuer                    string // of the access token; narrows the others, of which one is set
	Roles                     []string
	Until                     time.Time // from then on it gives nothing; zero = no end
}

func (b *Binding) fits(p *auth.Principal) bool {
	return (b.Subject == "" || b.Subject == p.Subject) && (b.Team == "" || b.Team == p.Team) &&
		(b.Org == "" || b.Org == p.Org) && (b.Issuer == "" || b.Issuer == p.Issuer) && (b.Group == "" || slices.Contains(p.Groups, b.Group))
}

// Bindings are all bindings of a configuration, filed by the narrowest thing each names. The zero value gives nothing.
// It never changes and is safe for concurrent use.
type Bindings struct {
	bySubject, byTeam, byOrg, byGroup map[string][]Binding
	ends                              []time.Time // of those that end, sorted
}

// NewBindings files all. A binding that names nobody gives its roles to nobody.
func NewBindings(all []Binding) *Bindings {
	b := &Bindings{map[string][]Binding{}, map[string][]Binding{}, map[string][]Binding{}, map[string][]Binding{}, nil}
	for _, x := range all {
		switch {
		case x.Subject != "":
			b.bySubject[x.Subject] = append(b.bySubject[x.Subject], x)
		case x.Team != "":
			b.byTeam[x.Team] = append(b.byTeam[x.Team], x)
		case x.Group != "":
			b.byGroup[x.Group] = append(b.byGroup[x.Group], x)
		case x.Org != "":
			b.byOrg[x.Org] = append(b.byOrg[x.Org], x)
		default:
			continue
		}
		if !x.Until.IsZero() {
			b.ends = append(b.ends, x.Until)
		}
	}
	slices.SortFunc(b.ends, time.Time.Compare)
	return b
}

// Resolve is p as policies see it at a moment: with the roles of its credential and, from org over team to the person,
// those that bindings give it.
func (b *Bindings) Resolve(p *auth.Principal, now time.Time) *policy.Principal {
	out := p.Policy()
	if b == nil {
		b = &Bindings{}
	}
	add := func(list []Binding) {
		for i := range list {
			if x := &list[i]; x.fits(p) && (x.Until.IsZero() || now.Before(x.Until)) {
				out.Roles = append(out.Roles, x.Roles...)
			}
		}
	}
	add(b.byOrg[p.Org])
	for _, group := range p.Groups {
		add(b.byGroup[group])
	}
	add(b.byTeam[p.Team])
	add(b.bySubject[p.Subject])
	if len(out.Roles) > len(p.Roles) {
		slices.Sort(out.Roles)
		out.Roles = slices.Compact(out.Roles)
	}
	if p.Within != nil {
		out.Roles = slices.DeleteFunc(out.Roles, func(role string) bool { return !slices.Contains(p.Within, role) })
	}
	return out
}

// nextEnd is the first moment after now at which a binding ends, or zero.
func (b *Bindings) nextEnd(now time.Time) time.Time {
	if b == nil {
		return time.Time{}
	}
	for _, end := range b.ends {
		if end.After(now) {
			return end
		}
	}
	return time.Time{}
}

// Names reports whether some binding is about the subject.
func (b *Bindings) Names(subject string) bool { return b != nil && len(b.bySubject[subject]) > 0 }
