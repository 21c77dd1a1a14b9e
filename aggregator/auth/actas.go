// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"tollgate/upstream/wire"
)

// ActAs names the person for whom a trusted program makes a request. It is a wish: [Principal.As] says whether it is granted.
type ActAs struct {
	Subject string // never empty
	Role    string // "" = no role but those that bindings give
	Team    string // "" = that of the program
	Org     string // "" = that of the program
}

// MetaActAs is the member of _meta that [ParseActAs] reads: an object with user, role, team and org.
const MetaActAs = "tollgate/act_as"

// Delegation is what a role lets its holders do for others.
type Delegation struct {
	Subjects []string // whom they may name; "*" stands for any text; none = anybody
	// Roles are those that they may name, and the only ones that a person may have while they speak for it; none = they name
	// no role, and the person has those that bindings give it.
	Roles []string
	// Teams and Orgs are those that they may name beside their own; "*" stands for any text.
	Teams, Orgs []string
}

// ErrMayNotAct is returned by [Principal.As] for a caller that may act for nobody. Its names are then ignored.
var ErrMayNotAct = errors.New("the caller may not act for others")

// actAsFields are the fields of a, each with its member of _meta and its header.
func (a *ActAs) fields() []actAsField {
	return []actAsField{
		{"user", "Tollgate-User", &a.Subject}, {"role", "Tollgate-Role", &a.Role},
		{"team", "Tollgate-Team", &a.Team}, {"org", "Tollgate-Org", &a.Org},
	}
}

type actAsField struct {
	member, header string
	value          *string
}

// ParseActAs reads whom a request is made for, from its _meta and its headers; nil when neither names anybody. Where both
// do, they must agree. meta must have passed a check of package wire; both may be nil.
func ParseActAs(meta []byte, h http.Header) (*ActAs, error) {
	inMeta, err := actAsIn(meta)
	if err != nil {
		return nil, err
	}
	inHeaders, err := actAsOf(h)
	switch {
	case err != nil:
		return nil, err
	case inMeta == nil:
		return inHeaders, nil
	case inHeaders != nil && *inHeaders != *inMeta:
		return nil, fmt.Errorf("the headers Tollgate-* and _meta[%q] name different callers: send one of them", MetaActAs)
	}
	return inMeta, nil
}

func actAsIn(meta []byte) (*ActAs, error) {
	raw, ok := wire.Lookup(meta, MetaActAs)
	if !ok {
		return nil, nil
	}
	if raw[0] != '{' {
		return nil, fmt.Errorf("_meta[%q] is no object: write it as in {\"user\":\"alice\",\"role\":\"reader\"}", MetaActAs)
	}
	a := &ActAs{}
	fields := a.fields()
	for m := range wire.Members(raw) {
		name, _ := wire.String(m.Key)
		i := slices.IndexFunc(fields, func(f actAsField) bool { return f.member == name })
		if i < 0 {
			return nil, fmt.Errorf("_meta[%q] has a member that means nothing: it may have user, role, team and org", MetaActAs)
		}
		s, ok := wire.String(m.Value)
		if !ok {
			return nil, fmt.Errorf("_meta[%q].%s is no text", MetaActAs, name)
		}
		if err := checkName(s); err != nil {
			return nil, fmt.Errorf("_meta[%q].%s %w", MetaActAs, name, err)
		}
		*fields[i].value = s
	}
	if a.Subject == "" {
		return nil, fmt.Errorf("_meta[%q] names no user", MetaActAs)
	}
	return a, nil
}

func actAsOf(h http.Header) (*ActAs, error) {
	a, found := &ActAs{}, false
	for _, f := range a.fields() {
		values := h.Values(f.header)
		switch len(values) {
		case 0:
			continue
		case 1:
		default:
			return nil, fmt.Errorf("the header %s is there more than once", f.header)
		}
		if err := checkName(values[0]); err != nil {
			return nil, fmt.Errorf("the header %s %w", f.header, err)
		}
		*f.value, found = values[0], true
	}
	switch {
	case !found:
		return nil, nil
	case a.Subject == "":
		return nil, errors.New("the header Tollgate-User is missing beside other Tollgate-* headers: they say for whom a request is made")
	}
	return a, nil
}

// As is the person a as the program p may act for it: with the named role and none of the program's, with the program's
// credential and what that is restricted to, and with the program as the actor. d are the delegations of all roles of p;
// one of them must allow the person and the role together. Without any, the error is [ErrMayNotAct].
func (p *Principal) As(a *ActAs, d []Delegation) (*Principal, error) {
	switch {
	case len(d) == 0:
		return nil, ErrMayNotAct
	case p.Actor != "":
		return nil, errors.New("a person that somebody acts for cannot act for others")
	}
	missing := fmt.Errorf("the caller may not act for %q: add it to act_as.subjects of one of the caller's roles", a.Subject)
	for i := range d {
		if !d[i].covers(a.Subject) {
			continue
		}
		if err := d[i].allows(p, a); err != nil {
			missing = err
			continue
		}
		out := *p
		out.Subject, out.Actor, out.Roles, out.Groups, out.Within = a.Subject, p.Subject, nil, nil, d[i].Roles
		if a.Role != "" {
			out.Roles = []string{a.Role}
		}
		if a.Team != "" {
			out.Team = a.Team
		}
		if a.Org != "" {
			out.Org = a.Org
		}
		return &out, nil
	}
	return nil, missing
}

// allows says why p may not name what a names beside the person. A team or an organization that a program makes up could
// give the person whatever roles are bound to it.
func (d *Delegation) allows(p *Principal, a *ActAs) error {
	const advice = "add it to act_as.%s of one of the caller's roles"
	switch {
	case a.Role != "" && !slices.Contains(d.Roles, a.Role):
		return fmt.Errorf("the caller may not give %q the role %q: "+advice, a.Subject, a.Role, "roles")
	case a.Team != "" && a.Team != p.Team && !anyMatches(d.Teams, a.Team):
		return fmt.Errorf("the caller may not name the team %q: "+advice, a.Team, "teams")
	case a.Org != "" && a.Org != p.Org && !anyMatches(d.Orgs, a.Org):
		return fmt.Errorf("the caller may not name the organization %q: "+advice, a.Org, "orgs")
	}
	return nil
}

func anyMatches(patterns []string, s string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool { return matches(pattern, s) })
}

func (d *Delegation) covers(subject string) bool {
	return len(d.Subjects) == 0 || anyMatches(d.Subjects, subject)
}

// matches reports whether s is pattern with some text for every "*". It takes the first place where each piece fits, which
// leaves the most for the rest.
func matches(pattern, s string) bool {
	first, rest, wild := strings.Cut(pattern, "*")
	if !wild {
		return pattern == s
	}
	s, ok := strings.CutPrefix(s, first)
	for ok {
		piece, more, again := strings.Cut(rest, "*")
		if !again {
			return strings.HasSuffix(s, piece)
		}
		_, s, ok = strings.Cut(s, piece)
		rest = more
	}
	return false
}
