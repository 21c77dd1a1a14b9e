// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"tollgate/upstream/wire"
)

// mapping turns the claims of a token into a principal.
type mapping struct {
	subject, org, team, groups, roles pointer
	rules                             []roleRule
}

// roleRule is a [RoleMapping], read.
type roleRule struct {
	claim pointer
	text  string
	list  bool // contains; else equals
	role  string
}

func newMapping(o *Issuer) (mapping, error) {
	var m mapping
	var errs []error
	for _, c := range []struct {
		to                   *pointer
		name, text, fallback string
	}{
		{&m.subject, "subject", o.Claims.Subject, "/sub"},
		{&m.org, "org", o.Claims.Org, ""},
		{&m.team, "team", o.Claims.Team, ""},
		{&m.groups, "groups", o.Claims.Groups, "/groups"},
		{&m.roles, "roles", o.Claims.Roles, ""},
	} {
		p, err := parsePointer(c.text, c.fallback)
		if err != nil {
			errs = append(errs, fmt.Errorf("claims.%s: %w", c.name, err))
		}
		*c.to = p
	}
	if m.subject == nil {
		errs = append(errs, errors.New("claims.subject: without it nobody is known who calls"))
	}
	for i, r := range o.Roles {
		claim, err := parsePointer(r.Claim, "")
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("roles[%d].claim: %w", i, err))
		case claim == nil || r.Role == "":
			errs = append(errs, fmt.Errorf("roles[%d] needs a claim and a role", i))
		case (r.Contains == "") == (r.Equals == ""):
			errs = append(errs, fmt.Errorf("roles[%d] needs either contains or equals", i))
		}
		m.rules = append(m.rules, roleRule{claim, r.Contains + r.Equals, r.Contains != "", r.Role})
	}
	return m, errors.Join(errs...)
}

// principal reads who is calling out of the claims c. What is there but cannot be used is a refusal and never a
// principal with less: a policy may deny by group.
func (m *mapping) principal(c []byte) (*Principal, *refusal) {
	if f := m.elsewhere(c); f != nil {
		return nil, f
	}
	p := &Principal{}
	for _, n := range []struct {
		to   *string
		from pointer
	}{{&p.Subject, m.subject}, {&p.Org, m.org}, {&p.Team, m.team}} {
		raw := n.from.in(c)
		if len(raw) == 0 || string(raw) == "null" {
			continue
		}
		s, ok := wire.String(raw)
		if err := checkName(s); !ok || err != nil {
			return nil, unusable(fmt.Sprintf("the claim %s of the access token is no name that can be used", n.from))
		}
		*n.to = s
	}
	if p.Subject == "" {
		return nil, notAccepted(fmt.Sprintf("the access token does not say who is calling: it has no claim %s", m.subject))
	}
	var f *refusal
	if p.Groups, f = readTexts(c, m.groups); f != nil {
		return nil, f
	}
	if p.Roles, f = readTexts(c, m.roles); f != nil {
		return nil, f
	}
	for i := range m.rules {
		if r := &m.rules[i]; r.fits(c) {
			p.Roles = append(p.Roles, r.role)
		}
	}
	slices.Sort(p.Roles)
	p.Roles = slices.Compact(p.Roles)
	if p.Scopes, f = readScopes(c); f != nil {
		return nil, f
	}
	return p, nil
}

func readTexts(c []byte, from pointer) ([]string, *refusal) {
	all, err := texts(from.in(c))
	switch {
	case errors.Is(err, errTooMany):
		return nil, unusable(fmt.Sprintf("the claim %s of the access token %v: "+
			"let the authorization server send only the groups that matter to the gateway", from, err))
	case err != nil:
		return nil, unusable(fmt.Sprintf("the claim %s of the access token %v", from, err))
	}
	return all, nil
}

// fits reports whether r gives its role. A claim of another shape gives nothing.
func (r *roleRule) fits(c []byte) bool {
	raw := r.claim.in(c)
	if r.list {
		all, err := texts(raw)
		return err == nil && slices.Contains(all, r.text)
	}
	s, ok := wire.String(raw)
	return ok && s == r.text
}

// readScopes reads scope (RFC 9068 §2.2.3) or, where it is missing, scp: a text with spaces, or a list.
func readScopes(c []byte) ([]string, *refusal) {
	for _, name := range []string{"scope", "scp"} {
		all, f := readTexts(c, pointer{name})
		if f != nil {
			return nil, f
		}
		if len(all) == 1 {
			all = strings.FieldsFunc(all[0], func(r rune) bool { return r == ' ' })
		}
		if len(all) > 0 {
			return all, nil
		}
	}
	return nil, nil
}

// elsewhere refuses a token that leaves out a claim that counts because it was too large, and says where it is instead
// (OpenID Connect Core §5.6.2; "group overage" of Microsoft Entra). The caller may be in groups that nobody sees here.
func (m *mapping) elsewhere(c []byte) *refusal {
	reads := []pointer{m.groups, m.roles, m.org, m.team}
	for i := range m.rules {
		reads = append(reads, m.rules[i].claim)
	}
	has, _ := wire.Lookup(c, "hasgroups")
	for _, p := range reads {
		if p == nil {
			continue
		}
		if _, ok := wire.Lookup(c, "_claim_names", p[0]); !ok && !(p[0] == "groups" && string(has) == "true") {
			continue
		}
		return unusable(fmt.Sprintf("the claim %s was too large for the access token: let the authorization server send only the groups that "+
			"are assigned to the application, or map application roles instead", p))
	}
	return nil
}
