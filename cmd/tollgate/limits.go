// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"tollgate/aggregator/catalog"
	"tollgate/cmd/internal/cli"
	"tollgate/cmd/internal/control"
	"tollgate/policy/limit"
	"tollgate/upstream/wire"
)

// catalogTools are the tools that upstreams offer at the moment, as limits are checked against them.
func (g *gateway) catalogTools() []limit.Tool {
	entries := g.gate.Catalog().Entries(catalog.Tool)
	tools := make([]limit.Tool, 0, len(entries))
	for _, e := range entries {
		schema, _ := wire.Lookup(e.Definition, "inputSchema")
		tools = append(tools, limit.Tool{Object: &e.Object, InputSchema: schema})
	}
	return tools
}

// checkLimits refuses rules whose limits read arguments that a known tool does not have.
func (g *gateway) checkLimits(p *plan, r *ruleset) error {
	mistakes := r.rules.Limits.CheckTools(g.catalogTools())
	if len(mistakes) == 0 {
		return nil
	}
	return &cli.Error{Code: cli.ExitConfig, Err: p.limitDiagnostics(mistakes)}
}

// noteMisfits says once which rules in force do not fit what the upstreams offer by now. Calls of a tool whose limit reads
// arguments that it does not have are refused; a pattern that matches nothing restricts nothing.
func (g *gateway) noteMisfits() {
	g.mu.Lock()
	p, set := g.plan, g.limits
	g.mu.Unlock()
	var found []control.Problem
	for _, m := range set.CheckTools(g.catalogTools()) {
		item := "limit"
		if !p.demo {
			line, _ := p.cfg.At(limitPath(m.Role, m.Index))
			item = fmt.Sprintf("%s:%d", p.cfg.File(), line)
		}
		found = append(found, control.Problem{Item: item, Reason: m.Error()})
	}
	found = append(found, patternMisfits(p, g.gate.Catalog())...)
	g.mu.Lock()
	known := g.misfits
	g.misfits = found
	g.mu.Unlock()
	for _, problem := range found {
		if !contains(known, problem) {
			g.log.Warn("a rule does not fit what the upstreams offer", "at", problem.Item, "reason", problem.Reason)
		}
	}
}

func contains(list []control.Problem, p control.Problem) bool {
	for _, x := range list {
		if x == p {
			return true
		}
	}
	return false
}
