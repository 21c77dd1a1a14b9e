// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"time"

	"tollgate/aggregator"
	"tollgate/aggregator/bridge"
	"tollgate/aggregator/catalog"
	"tollgate/aggregator/codetools"
	"tollgate/cmd/internal/cli"
	"tollgate/cmd/internal/config"
	"tollgate/cmd/internal/control"
	"tollgate/codemode"
	"tollgate/store"
	"tollgate/upstream/wire"
)

// programs are what Code Mode is made of. The engine and what waits outlive reloads.
type programs struct {
	engine *codemode.Engine
	kept   *store.Programs
	key    []byte

	config *config.CodeMode // that tools was made of
	tools  *codetools.Tools // nil while nobody is shown tools otherwise than as they are
}

// engineFolder holds the compiled engine in the state directory.
const engineFolder = "codemode"

// openPrograms opens what Code Mode needs. The engine itself is compiled when the first program runs.
func (g *gateway) openPrograms() (err error) {
	p := &programs{}
	if p.engine, err = codemode.New(&codemode.Options{Cache: filepath.Join(g.dir, engineFolder)}); err != nil {
		return err
	}
	g.programs = p
	if p.kept, err = store.OpenPrograms(g.dir, nil); err != nil {
		return err
	}
	p.key, err = g.db.SealingKey("programs that wait")
	return err
}

// close cancels the programs that run, and waits for their end.
func (p *programs) close(ctx context.Context) error {
	if p == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
	defer cancel()
	err := p.engine.Close(ctx)
	if p.kept != nil {
		err = errors.Join(err, p.kept.Close())
	}
	return err
}

// apply puts the configuration of Code Mode into the rules. Tools whose configuration did not change stay: what they chose
// for a class holds on.
func (p *programs) apply(cfg *config.Config, rules *aggregator.Rules) error {
	if !cfg.Codes() {
		p.tools = nil
		return nil
	}
	c := &cfg.Code
	if p.tools == nil || !reflect.DeepEqual(p.config, c) {
		l := &c.Limits
		embed := c.EmbedTokens
		if embed == 0 {
			embed = -1
		}
		tools, err := codetools.New(&codetools.Options{
			Engine: p.engine, Keeper: p.kept, Key: p.key, Names: c.Names, AutoTokens: c.AutoTokens, EmbedTokens: embed, Deterministic: c.Deterministic,
			Limits: codemode.Limits{
				Source: int(l.Source), Result: int(l.Result), Logs: int(l.Logs), Memory: int64(l.Memory), CPU: l.CPU, Wall: l.Wall, Calls: l.Calls,
				Concurrent: l.Concurrent,
			},
		})
		if err != nil {
			return err
		}
		p.tools, p.config = tools, c
	}
	rules.Own, rules.Modes = p.tools, modes(cfg)
	rules.Scripts = aggregator.ScriptBounds{Spend: int64(c.Limits.Spend), Bytes: int64(c.Limits.Bytes)}
	return nil
}

// modes are those of roles and toolsets.
func modes(cfg *config.Config) *aggregator.Modes {
	m := &aggregator.Modes{Default: cfg.Code.Mode, Roles: map[string]string{}, Toolsets: map[string]string{}}
	for name, r := range cfg.Roles {
		m.Roles[name] = r.Mode
	}
	for name, t := range cfg.Toolsets {
		m.Toolsets[name] = t.Mode
	}
	return m
}

// tools are the gateway's own tools as they are now; nil without Code Mode.
func (g *gateway) tools() *codetools.Tools {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.own
}

func noCodeMode() error {
	return &control.Error{Message: "Code Mode is not configured", Hint: "add `code: {mode: code}` to the configuration, or `mode: code` to a role or toolset", Exit: cli.ExitConfig}
}

// Run implements [control.Coder].
func (g *gateway) Run(ctx context.Context, p *control.Program) (*control.Outcome, error) {
	tools := g.tools()
	if tools == nil {
		return nil, noCodeMode()
	}
	if p.Toolset != "" && !g.gate.HasToolset(p.Toolset) {
		return nil, &control.Error{Message: fmt.Sprintf("unknown toolset %q", p.Toolset), Exit: cli.ExitUsage}
	}
	caller, err := g.identity(&control.Identity{As: p.Role})
	if err != nil {
		return nil, err
	}
	if err := g.set.Settled(ctx); err != nil {
		return nil, fmt.Errorf("waiting for the upstreams: %w", err)
	}
	g.refresh()
	arguments := wire.Set(nil, "code", wire.AppendString(nil, p.Code))
	if p.Timeout > 0 {
		arguments = wire.Set(arguments, "timeout_ms", fmt.Append(nil, p.Timeout))
	}
	params := wire.Set(nil, "name", wire.AppendString(nil, tools.ExecuteTool()))
	reply := g.gate.Call(ctx, caller, &aggregator.Call{
		Method: aggregator.MethodCallTool, Params: wire.Set(params, "arguments", arguments), Toolset: p.Toolset, Mode: codetools.Code,
		Client: bridge.Client{Revision: wire.R20260728, Info: []byte(`{"name":"tollgate run","version":` + string(wire.AppendString(nil, version())) + `}`), Capabilities: []byte("{}")},
	})
	out := &control.Outcome{Result: reply.Result}
	if reply.Error != nil {
		out.Error = wire.AppendError(nil, []byte("0"), reply.Error)
	}
	return out, nil
}

// typesTime bounds the wait for upstreams that are still starting.
const typesTime = 30 * time.Second

// Types implements [control.Coder].
func (g *gateway) Types(ctx context.Context, q *control.TypesQuery) (*control.Types, error) {
	tools := g.tools()
	if tools == nil {
		return nil, noCodeMode()
	}
	ctx, cancel := context.WithTimeout(ctx, typesTime)
	defer cancel()
	if err := g.set.Settled(ctx); err != nil {
		return nil, fmt.Errorf("waiting for the upstreams: %w", err)
	}
	g.refresh()
	snapshot := g.gate.Catalog()
	view := snapshot.NewView(snapshot.Everything(), &catalog.ViewOptions{Own: aggregator.OwnUpstream})
	if q.Role != "" {
		caller, err := g.identity(&control.Identity{As: q.Role})
		if err != nil {
			return nil, err
		}
		if view, err = g.gate.View(ctx, caller, ""); err != nil {
			return nil, err
		}
	}
	text, err := tools.Types(view, q.Server, q.Compact)
	if err != nil {
		return nil, &control.Error{Message: err.Error(), Exit: cli.ExitUsage}
	}
	return &control.Types{Text: text}, nil
}
