// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"tollgate/aggregator/auth"
	"tollgate/cmd/internal/cli"
	"tollgate/cmd/internal/config"
	"tollgate/cmd/internal/control"
)

// identity is the principal that an operator acts as: in a role, or as a subject that a key or a binding knows.
func (g *gateway) identity(q *control.Identity) (*auth.Principal, error) {
	if q.As == "" && len(q.Roles) == 0 && len(q.Groups) == 0 && q.Team == "" && q.Org == "" {
		if s := g.current().cfg.Stdio; s == nil {
			return nil, &control.Error{
				Message: "who is calling?", Hint: fmt.Sprintf("add --as ROLE; roles: %v", g.current().roleNames()), Exit: cli.ExitUsage,
			}
		}
		p, err := g.stdioCaller("", "")
		if err != nil {
			return nil, controlError(err)
		}
		return p, nil
	}
	if err := g.checkRoles(q.Roles); err != nil {
		return nil, err
	}
	p := &auth.Principal{Subject: q.As, Method: auth.MethodAPIKey, Roles: slices.Clone(q.Roles), Groups: q.Groups, Team: q.Team, Org: q.Org}
	if q.Scopes != nil {
		p.Method, p.Scopes = auth.MethodOAuth, *q.Scopes
		p.Roles = append(p.Roles, mappedRoles(g.current().cfg, q.Groups)...)
	}
	known, err := g.recognise(p)
	if err != nil {
		return nil, err
	}
	if !known && q.As != "" && len(q.Roles) == 0 && len(q.Groups) == 0 && q.Team == "" && q.Org == "" {
		return nil, &control.Error{
			Message: fmt.Sprintf("nobody is known as %q: it is no role, and no API key and no binding names it", q.As),
			Hint:    "roles: " + strings.Join(g.current().roleNames(), ", ") + "; `tollgate policy explain` also takes --role, --team, --org and --group", Exit: cli.ExitUsage,
		}
	}
	return p, nil
}

// mappedRoles are those that the issuers of access tokens give for groups.
func mappedRoles(cfg *config.Config, groups []string) []string {
	if cfg.Auth.OAuth == nil {
		return nil
	}
	var roles []string
	for i := range cfg.Auth.OAuth.Issuers {
		in := &cfg.Auth.OAuth.Issuers[i]
		for _, m := range in.Roles {
			if m.Claim == in.Claims.Groups && m.Contains != "" && slices.Contains(groups, m.Contains) {
				roles = append(roles, m.Role)
			}
		}
	}
	return roles
}

// recognise adds to p what its subject stands for: a role of that name, and the roles of the keys and bindings of that
// subject. Bindings themselves are applied by the gate.
func (g *gateway) recognise(p *auth.Principal) (known bool, err error) {
	plan := g.current()
	if _, ok := plan.roles[p.Subject]; ok {
		p.Roles = append(p.Roles, p.Subject)
		return true, nil
	}
	keys, err := g.db.Keys()
	if err != nil {
		return false, err
	}
	now := time.Now()
	for i := range keys {
		k := &keys[i]
		if k.Subject != p.Subject || !k.Revoked.IsZero() || !k.Expires.IsZero() && !k.Expires.After(now) {
			continue
		}
		known = true
		p.Roles = append(p.Roles, k.Roles...)
		if p.Team == "" {
			p.Team = k.Team
		}
		if p.Org == "" {
			p.Org = k.Org
		}
	}
	slices.Sort(p.Roles)
	p.Roles = slices.Compact(p.Roles)
	return known || plan.bindings.Names(p.Subject), nil
}
