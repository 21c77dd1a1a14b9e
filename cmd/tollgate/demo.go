// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"

	"tollgate/aggregator/catalog"
	"tollgate/cmd/internal/config"
	"tollgate/cmd/internal/control"
	"tollgate/policy"
	"tollgate/upstream"
	"tollgate/upstream/demo"
)

// The roles of the demo, from least to most.
const (
	demoReader = "reader"
	demoClerk  = "clerk"
	demoAdmin  = "admin"
)

// demoConfig gives the calls of the demo a price, so that costs and budgets show something. The budget is too large to be spent
// by hand. At /mcp/code the same tools are called by programs.
const demoConfig = `version: 1
policy:
  everyone:
    limits:
      - {name: price of orders, for: orders/*, cost: 0.01}
      - {name: price of documents, for: library/*, cost: 0.001}
budgets:
  - {name: demo-day, per: user, limit: $100, period: day, warn: [80%]}
toolsets:
  code: {tools: ["*"], mode: code}
`

// demoPlan is the gateway that starts without a configuration: two embedded upstreams and three roles.
func demoPlan() (*plan, error) {
	cfg, err := config.Parse("demo", []byte(demoConfig), nil)
	if err != nil {
		return nil, err
	}
	modules, err := regoModules(nil)
	if err != nil {
		return nil, err
	}
	toolsets, err := toolsetsOf(cfg)
	if err != nil {
		return nil, err
	}
	return &plan{
		demo: true, cfg: cfg, limits: cfg.LimitRules(), modules: modules,
		upstreams: []upstream.Config{
			{Name: "library", InProcess: demo.Library},
			{Name: "orders", InProcess: demo.Orders},
		},
		sources: []catalog.Source{{Upstream: "library"}, {Upstream: "orders"}},
		roles: map[string]policy.Role{
			demoReader: {Allow: []string{"tollgate/*", "upstream:library", "orders/get_*", "orders/list_*"}},
			demoClerk:  {Includes: []string{demoReader}, Allow: []string{"upstream:orders"}, Deny: []string{"orders/delete_*"}},
			demoAdmin:  {Allow: []string{"*"}},
		},
		toolsets: toolsets,
	}, nil
}

// greet says where the endpoint is and, the first time a demo runs, its keys.
func (a *app) greet(g *gateway, endpoint string) error {
	out := a.streams.Out
	fmt.Fprintf(out, "Tollgate %s\n\n  MCP endpoint  %s\n", version(), endpoint)
	p := g.current()
	if !p.demo {
		fmt.Fprintf(out, "  configuration %s (%d upstreams)\n", g.path, len(p.upstreams))
	} else {
		fmt.Fprintln(out, "  configuration none: the demo, with the upstreams library and orders (`tollgate init` writes one)")
		if err := a.demoKeys(g); err != nil {
			return err
		}
	}
	keys, err := g.Keys(g.ctx)
	if err != nil {
		return err
	}
	switch {
	case p.cfg.Anonymous != nil:
		fmt.Fprintf(out, "  anonymous     role %s, from this machine only\n", p.cfg.Anonymous.Role)
	case len(keys) == 0 && !otherCredentials(p.cfg):
		fmt.Fprintln(out, "\nNo API key exists yet, so nobody can connect. Create one:\n  tollgate key create --role ROLE --subject NAME")
	}
	fmt.Fprintln(out)
	return nil
}

// demoKeys makes the three keys of the demo unless they exist, and prints them this once.
func (a *app) demoKeys(g *gateway) error {
	ctx, cancel := context.WithTimeout(g.ctx, 10*time.Second)
	defer cancel()
	keys, err := g.Keys(ctx)
	if err != nil {
		return err
	}
	have := map[string]bool{}
	for _, k := range keys {
		if k.Label == demoLabel && k.Revoked.IsZero() {
			have[k.Roles[0]] = true
		}
	}
	out := a.streams.Out
	if len(have) == 3 {
		fmt.Fprintln(out, "\nThe demo's API keys were shown at its first start. Make another: tollgate key create --role reader --subject me")
		return nil
	}
	fmt.Fprintln(out, "\nAPI keys, shown only this once:")
	for _, role := range []string{demoReader, demoClerk, demoAdmin} {
		if have[role] {
			continue
		}
		made, err := g.CreateKey(ctx, &control.Key{Subject: role + "@demo", Roles: []string{role}, Label: demoLabel})
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "  %-7s %s\n", role, made.Secret)
	}
	fmt.Fprintf(out, "\nTry:  curl -s %s -H 'Authorization: Bearer KEY' -H 'Content-Type: application/json' -H 'MCP-Protocol-Version: 2026-07-28' -H 'Mcp-Method: tools/list' -d '%s'\n",
		g.url, `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`)
	return nil
}

const demoLabel = "demo"
