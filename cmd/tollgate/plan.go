// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"tollgate/aggregator"
	"tollgate/aggregator/auth"
	"tollgate/aggregator/catalog"
	"tollgate/cmd/internal/cli"
	"tollgate/cmd/internal/config"
	"tollgate/policy"
	rules "tollgate/policy/alert"
	"tollgate/policy/bundle"
	"tollgate/policy/limit"
	"tollgate/rego"
	"tollgate/upstream"
)

// plan is what a gateway is made of, from a configuration file or from the demo.
type plan struct {
	cfg       *config.Config // never nil; the demo has the defaults
	upstreams []upstream.Config
	sources   []catalog.Source // without snapshots, in configuration order
	roles     map[string]policy.Role
	everyone  policy.Role
	scopes    []policy.ScopeRule
	data      map[string]any
	modules   map[string]string // Rego by file name, the shipped ones included
	bundle    *bundle.Bundle    // in force beside modules; nil = none
	limits    []limit.Rule
	bindings  *aggregator.Bindings
	acting    map[string]auth.Delegation // by role
	toolsets  map[string]*catalog.Toolset
	demo      bool
	browser   upstream.BrowserFunc // opens login pages unasked; nil = nothing does
}

// planOf reads everything a configuration names. Errors name files and positions.
func planOf(cfg *config.Config) (*plan, error) {
	p := &plan{
		cfg: cfg, roles: cfg.PolicyRoles(), everyone: cfg.Everyone(), scopes: cfg.Scopes(), limits: cfg.LimitRules(),
		bindings: bindingsOf(cfg), acting: delegationsOf(cfg),
	}
	for i := range cfg.Upstreams {
		u := &cfg.Upstreams[i]
		p.upstreams = append(p.upstreams, upstreamConfig(u))
		src := catalog.Source{Upstream: u.Name, Prefix: u.Name, Tags: u.Tags}
		if u.Prefix != nil {
			src.Prefix, src.PrefixSet = *u.Prefix, true
		}
		p.sources = append(p.sources, src)
	}
	var err error
	if p.toolsets, err = toolsetsOf(cfg); err != nil {
		return nil, err
	}
	return p, p.readPolicy()
}

// toolsetsOf compiles the toolsets of a configuration.
func toolsetsOf(cfg *config.Config) (map[string]*catalog.Toolset, error) {
	all := map[string]*catalog.Toolset{}
	for name, t := range cfg.Toolsets {
		var patterns []string
		for _, s := range t.Tools {
			patterns = append(patterns, "tool:"+s)
		}
		for _, s := range t.Prompts {
			patterns = append(patterns, "prompt:"+s)
		}
		for _, s := range t.Resources {
			patterns = append(patterns, "resource:"+s, "template:"+s)
		}
		set, err := catalog.NewToolset(name, patterns)
		if err != nil {
			line, col := cfg.At("toolsets." + name)
			return nil, &cli.Error{Code: cli.ExitConfig, Err: fmt.Errorf("%s:%d:%d: %w", cfg.File(), line, col, err)}
		}
		all[name] = set
	}
	return all, nil
}

// readPolicy reads the policy files, the data they read and a bundle that is a file.
func (p *plan) readPolicy() error {
	files, err := p.cfg.PolicyFiles()
	if err != nil {
		return cli.WithCode(err, cli.ExitPolicy)
	}
	if p.data, err = p.cfg.PolicyData(); err != nil {
		return cli.WithCode(err, cli.ExitPolicy)
	}
	if p.modules, err = regoModules(files); err != nil {
		return err
	}
	if b := p.cfg.Policy.Bundle; b != nil && b.File != "" {
		p.bundle, err = readBundle(b)
	}
	return cli.WithCode(err, cli.ExitPolicy)
}

func bindingsOf(cfg *config.Config) *aggregator.Bindings {
	var all []aggregator.Binding
	for i := range cfg.Bindings {
		b := &cfg.Bindings[i]
		all = append(all, aggregator.Binding{Subject: b.Subject, Team: b.Team, Org: b.Org, Group: b.Group, Issuer: b.Issuer, Roles: b.Roles, Until: b.Until})
	}
	return aggregator.NewBindings(all)
}

func delegationsOf(cfg *config.Config) map[string]auth.Delegation {
	out := map[string]auth.Delegation{}
	for name, r := range cfg.Roles {
		if r.ActAs != nil {
			out[name] = auth.Delegation{Subjects: r.ActAs.Subjects, Roles: r.ActAs.Roles, Teams: r.ActAs.Teams, Orgs: r.ActAs.Orgs}
		}
	}
	return out
}

func upstreamConfig(u *config.Upstream) upstream.Config {
	r := u.Reveal()
	return upstream.Config{
		OAuth: oauthConfig(u, r),
		Name:  u.Name, Command: u.Command, Args: r.Args, Env: r.Env, Dir: u.Dir, URL: r.URL, Headers: r.Headers,
		Transport: u.Transport, Era: u.Era, Tools: u.Tools, Timeout: u.Timeout, StartTimeout: u.StartTimeout,
		ProbeTimeout: u.ProbeTimeout, Concurrency: u.Concurrency, MaxReplyBytes: int64(u.MaxReplyBytes),
		Sessions: u.Sessions, SessionIdle: u.SessionIdle, MaxSessions: u.MaxSessions, MaxCall: u.MaxCall,
		RefreshEvery: u.Refresh, Disabled: u.Disabled,
	}
}

func oauthConfig(u *config.Upstream, r config.Resolved) *upstream.OAuth {
	o := u.OAuth
	if o == nil {
		return nil
	}
	return &upstream.OAuth{
		ClientID: r.OAuthClientID, ClientSecret: r.OAuthSecret, ClientMetadataURL: o.ClientMetadataURL, Scopes: o.Scopes,
		Grant: o.Grant, RedirectURL: o.RedirectURL, PrivateNetwork: o.PrivateNetwork,
	}
}

// regoModules reads the shipped policy and the operator's files.
func regoModules(files []string) (map[string]string, error) {
	modules, err := rego.Modules()
	if err != nil {
		return nil, err
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, cli.WithCode(err, cli.ExitPolicy)
		}
		modules[name] = string(text)
	}
	return modules, nil
}

// ruleset is a plan's policy, compiled.
type ruleset struct {
	engine *policy.Engine
	rules  aggregator.Rules
	alerts *rules.Set
	shadow *policy.Engine // nil = there is no candidate
}

// compile compiles the policy. Mistakes in roles and limits get the position of the configuration file.
func (p *plan) compile() (*ruleset, error) {
	o := &policy.Options{Modules: p.modules, Roles: p.roles, Everyone: p.everyone, Scopes: p.scopes, Data: p.data}
	if p.bundle != nil {
		o.Modules, o.Data = maps.Clone(p.modules), clone(p.data)
		if err := p.bundle.AddTo(o.Modules, o.Data); err != nil {
			return nil, cli.WithCode(err, cli.ExitPolicy)
		}
	}
	engine, err := policy.Load(context.Background(), o)
	var roles policy.RoleErrors
	if errors.As(err, &roles) && !p.demo {
		return nil, &cli.Error{Code: cli.ExitConfig, Err: roleDiagnostics(p.cfg, roles)}
	}
	if err != nil {
		return nil, &cli.Error{Code: cli.ExitPolicy, Err: err}
	}
	limits, err := limit.Compile(p.limits)
	if err != nil {
		return nil, &cli.Error{Code: cli.ExitConfig, Err: p.limitDiagnostics(err)}
	}
	r := &ruleset{engine: engine, rules: aggregator.Rules{
		Decider: engine, Limits: limits, Bindings: p.bindings, Delegations: p.acting, Includes: includes(p.roles),
		Toolsets: p.toolsets, PageSize: p.cfg.Limits.PageSize,
	}}
	return r, p.compileAccounts(r)
}

// compileAccounts adds to r what calls are charged to, how they are recorded and what raises alerts. The check of the file has
// found the mistakes in that already, with their places.
func (p *plan) compileAccounts(r *ruleset) (err error) {
	if r.rules.Budgets, err = limit.CompileBudgets(p.cfg.BudgetRules()); err == nil {
		r.rules.Recording, err = aggregator.NewRecording(p.cfg.RecordingOptions())
	}
	if err == nil {
		r.alerts, err = rules.Compile(p.cfg.AlertRules())
	}
	if err != nil {
		return cli.WithCode(err, cli.ExitConfig)
	}
	r.shadow, err = p.shadowRules()
	return err
}

// clone copies the objects of a data document; what is in them is never changed.
func clone(data map[string]any) map[string]any {
	out := make(map[string]any, len(data))
	for k, v := range data {
		if m, ok := v.(map[string]any); ok {
			v = clone(m)
		}
		out[k] = v
	}
	return out
}

// includes are the roles that each role includes, all the way down.
func includes(roles map[string]policy.Role) map[string][]string {
	out := map[string][]string{}
	for name := range roles {
		seen := map[string]bool{name: true}
		var walk func(string)
		walk = func(at string) {
			for _, next := range roles[at].Includes {
				if !seen[next] {
					seen[next] = true
					out[name] = append(out[name], next)
					walk(next)
				}
			}
		}
		walk(name)
	}
	return out
}

// limitDiagnostics are mistakes in limits at their place in the configuration.
func (p *plan) limitDiagnostics(err error) error {
	var mistakes limit.Mistakes
	if !errors.As(err, &mistakes) || p.demo {
		return err
	}
	var ds config.Diagnostics
	for _, m := range mistakes {
		ds = append(ds, p.cfg.LimitDiagnostic(m))
	}
	return ds
}

// roleDiagnostics are mistakes in roles, and in what holds for everyone, at their place in the configuration.
func roleDiagnostics(cfg *config.Config, roles policy.RoleErrors) config.Diagnostics {
	var ds config.Diagnostics
	for _, r := range roles {
		ds = append(ds, cfg.RoleDiagnostic(r))
	}
	return ds
}

// roleNames are the configured roles, sorted.
func (p *plan) roleNames() []string { return slices.Sorted(maps.Keys(p.roles)) }

// file is the configuration file, "" for the demo.
func (p *plan) file() string {
	if p.demo {
		return ""
	}
	return p.cfg.File()
}
