// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"slices"

	"tollgate/aggregator/auth"
	"tollgate/aggregator/rest"
	"tollgate/policy/limit"
)

// restServer is the plain HTTP API of the gateway.
func (g *gateway) restServer() (*rest.Server, error) {
	p := g.current()
	return rest.New(&rest.Options{
		Gate: g.gate, Auth: g, Ledger: g.accounts.engine, Audit: g.accounts.engine.Log(), Budgets: g.budgets, MayRead: g.mayRead,
		Status: g.restStatus, Zone: p.cfg.Zone(), Log: g.log, Version: version(), MaxBody: int64(p.cfg.Limits.Body),
	})
}

// budgets are those in force.
func (g *gateway) budgets() *limit.Budgets {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.charged
}

// mayRead is whose numbers the roles of p let it read.
func (g *gateway) mayRead(p *auth.Principal) rest.Reads {
	cfg, includes := g.current().cfg, includes(g.current().roles)
	var reads rest.Reads
	for _, role := range g.gate.Roles(p) {
		for _, name := range append([]string{role}, includes[role]...) {
			switch cfg.Roles[name].Reports {
			case "all":
				reads.All = true
			case "team":
				if p.Team != "" && !slices.Contains(reads.Teams, p.Team) {
					reads.Teams = append(reads.Teams, p.Team)
				}
			}
		}
	}
	return reads
}

// restStatus is what only operators are told.
func (g *gateway) restStatus(context.Context) *rest.Status {
	s := &rest.Status{Started: g.accounts.began, Ledger: g.accounts.engine.Stats(), Records: g.accounts.engine.Log().Size()}
	for _, u := range g.set.Status() {
		s.Upstreams = append(s.Upstreams, rest.Upstream{Name: u.Name, State: string(u.State), Tools: u.Tools, Failure: u.Failure})
	}
	return s
}
