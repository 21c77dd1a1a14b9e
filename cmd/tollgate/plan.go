// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"tollgate/aggregator/catalog"
	"tollgate/cmd/internal/cli"
	"tollgate/cmd/internal/config"
	"tollgate/policy"
	"tollgate/rego"
	"tollgate/upstream"
)

// plan is what a gateway is made of, from a configuration file or from the demo.
type plan struct {
	cfg       *config.Config // never nil; the demo has the defaults
	upstreams []upstream.Config
	sources   []catalog.Source // without snapshots, in configuration order
	roles     map[string]policy.Role
	modules   map[string]string // Rego by file name, the shipped ones included
	toolsets  map[string]*catalog.Toolset
	demo      bool
	browser   upstream.BrowserFunc // opens login pages unasked; nil = nothing does
}

// planOf reads everything a configuration names. Errors name files and positions.
func planOf(cfg *config.Config) (*plan, error) {
	p := &plan{cfg: cfg, roles: map[string]policy.Role{}, toolsets: map[string]*catalog.Toolset{}}
	for i := range cfg.Upstreams {
		u := &cfg.Upstreams[i]
		p.upstreams = append(p.upstreams, upstreamConfig(u))
		src := catalog.Source{Upstream: u.Name, Prefix: u.Name, Tags: u.Tags}
		if u.Prefix != nil {
			src.Prefix, src.PrefixSet = *u.Prefix, true
		}
		p.sources = append(p.sources, src)
	}
	for name, r := range cfg.Roles {
		p.roles[name] = policy.Role{Includes: r.Includes, Allow: r.Allow, Deny: r.Deny}
	}
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
		p.toolsets[name] = set
	}
	files, err := cfg.PolicyFiles()
	if err != nil {
		return nil, cli.WithCode(err, cli.ExitPolicy)
	}
	p.modules, err = regoModules(files)
	return p, err
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

// decider compiles the policy. Mistakes in roles get the position of the configuration file.
func (p *plan) decider() (*policy.Engine, error) {
	engine, err := policy.Load(context.Background(), &policy.Options{Modules: p.modules, Roles: p.roles})
	if err == nil {
		return engine, nil
	}
	var roles policy.RoleErrors
	if errors.As(err, &roles) && !p.demo {
		return nil, &cli.Error{Code: cli.ExitConfig, Err: roleDiagnostics(p.cfg, roles)}
	}
	return nil, &cli.Error{Code: cli.ExitPolicy, Err: err}
}

func roleDiagnostics(cfg *config.Config, roles policy.RoleErrors) config.Diagnostics {
	var ds config.Diagnostics
	for _, r := range roles {
		path := fmt.Sprintf("roles.%s.%s[%d]", r.Role, r.Field, r.Index)
		line, col := cfg.At(path)
		ds = append(ds, config.Diagnostic{File: cfg.File(), Line: line, Col: col, Path: path, Message: r.Message, Hint: r.Hint})
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
