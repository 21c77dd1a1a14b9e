// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"tollgate/aggregator"
	"tollgate/aggregator/auth"
	"tollgate/aggregator/bridge"
	"tollgate/aggregator/catalog"
	"tollgate/cmd/internal/cli"
	"tollgate/cmd/internal/control"
	"tollgate/store"
	"tollgate/upstream/wire"
)

// A gateway serves its operator.
var _ control.Operations = (*gateway)(nil)

// Request authenticates an HTTP request; it is a part of the edge's Authenticator.
func (g *gateway) Request(r *http.Request) (*auth.Principal, *auth.Challenge) {
	return g.auth.Load().Request(r)
}

// InsufficientScope is a part of the edge's Authenticator.
func (g *gateway) InsufficientScope(p *auth.Principal, needed []string) *auth.Challenge {
	return g.auth.Load().InsufficientScope(p, needed)
}

// Source is a part of the edge's Authenticator.
func (g *gateway) Source(r *http.Request) string { return g.auth.Load().Source(r) }

// Status implements [control.Operations].
func (g *gateway) Status(context.Context) (*control.Status, error) {
	g.mu.Lock()
	s := &control.Status{PID: os.Getpid(), Version: version(), URL: g.url, Config: g.path, Failure: g.failure}
	g.mu.Unlock()
	s.Revision, s.Ready, s.Sessions = g.gate.Revision(), g.gate.Ready(), g.edge.Sessions()
	for _, u := range g.set.Status() {
		up := control.Upstream{
			Name: u.Name, State: string(u.State), Transport: u.Transport, Revision: string(u.Revision),
			Tools: u.Tools, Prompts: u.Prompts, Resources: u.Resources, Templates: u.Templates,
			Login: string(u.Login), Failure: u.Failure, Stderr: u.Stderr, Restarts: u.Restarts, PID: u.PID,
		}
		for _, d := range u.Dropped {
			up.Dropped = append(up.Dropped, control.Problem{Item: d.Item, Reason: d.Reason})
		}
		s.Upstreams = append(s.Upstreams, up)
	}
	s.Problems = problems(g.gate.Problems())
	g.mu.Lock()
	s.Misfits = g.misfits
	g.mu.Unlock()
	if a := g.auth.Load(); a != nil {
		for _, i := range a.Issuers() {
			s.Issuers = append(s.Issuers, control.Issuer{Issuer: i.Issuer, Keys: i.Keys, Failure: i.Failure})
		}
	}
	if f := g.following.Load(); f != nil {
		b := f.fetcher.State()
		s.Bundle = &control.Bundle{
			URL: b.URL, Revision: b.Revision, Verified: b.Verified, FromCopy: b.FromCopy, LastSuccess: b.LastSuccess, LastError: b.LastError,
		}
	}
	return s, nil
}

func problems(in []catalog.Problem) []control.Problem {
	var out []control.Problem
	for _, p := range in {
		out = append(out, control.Problem{Item: p.Upstream + ": " + p.Item, Reason: p.Reason})
	}
	return out
}

// Keys implements [control.Operations].
func (g *gateway) Keys(context.Context) ([]control.Key, error) {
	keys, err := g.db.Keys()
	if err != nil {
		return nil, err
	}
	out := make([]control.Key, 0, len(keys))
	for _, k := range keys {
		out = append(out, controlKey(k))
	}
	return out, nil
}

func controlKey(k store.Key) control.Key {
	return control.Key{
		ID: k.ID, Subject: k.Subject, Org: k.Org, Team: k.Team, Label: k.Label, Roles: k.Roles,
		Created: k.Created, Expires: k.Expires, LastUsed: k.LastUsed, Revoked: k.Revoked, ReplacedBy: k.ReplacedBy,
	}
}

func (g *gateway) checkRoles(roles []string) error {
	known := g.current().roleNames()
	for _, r := range roles {
		if !slices.Contains(known, r) {
			return &control.Error{Message: fmt.Sprintf("unknown role %q", r), Hint: fmt.Sprintf("roles: %v", known), Exit: cli.ExitUsage}
		}
	}
	return nil
}

// Reload implements [control.Operations].
func (g *gateway) Reload(ctx context.Context) (*control.Reloaded, error) {
	waiting, err := g.reload()
	if err != nil {
		return nil, controlError(err)
	}
	if err := g.recordReload(ctx, localUser()); err != nil {
		return nil, unrecorded("the configuration is in force", err)
	}
	return &control.Reloaded{Revision: g.gate.Revision(), NeedRestart: waiting}, nil
}

// Catalog implements [control.Operations].
func (g *gateway) Catalog(ctx context.Context, q *control.CatalogQuery) (*control.Catalog, error) {
	if err := g.set.Settled(ctx); err != nil {
		return nil, fmt.Errorf("waiting for the upstreams: %w", err)
	}
	g.refresh()
	out := &control.Catalog{Role: q.Role, Problems: problems(g.gate.Problems())}
	var caller *auth.Principal
	var view *catalog.View
	if q.Role != "" {
		var err error
		if caller, err = g.identity(&control.Identity{As: q.Role}); err != nil {
			return nil, err
		}
		if view, err = g.gate.View(ctx, caller, q.Toolset); err != nil {
			return nil, err
		}
	}
	snapshot := g.gate.Catalog()
	for k := range catalog.Kind(catalog.Kinds) {
		for _, e := range snapshot.Entries(k) {
			it := item(e)
			if view != nil {
				g.describe(ctx, caller, view, e, &it)
			}
			if it.Visible && k == catalog.Tool {
				out.Tokens += it.Tokens
			}
			if it.Visible || q.Hidden || view == nil {
				out.Entries = append(out.Entries, it)
			}
		}
	}
	return out, nil
}

func item(e *catalog.Entry) control.Item {
	return control.Item{
		Kind: e.Kind.String(), Name: e.Key(), Upstream: e.Upstream, OriginalName: e.OriginalName, Visible: true,
		Bytes: len(e.Definition), Tokens: (len(e.Definition) + 3) / 4, Hash: e.Hash,
	}
}

// describe says whether e is in the view, how, and why.
func (g *gateway) describe(ctx context.Context, caller *auth.Principal, view *catalog.View, e *catalog.Entry, it *control.Item) {
	it.Visible = view.Shows(e)
	if it.Visible {
		shown := view.Definition(e)
		it.Bytes, it.Tokens = len(shown), (len(shown)+3)/4
		it.Narrowed = !bytes.Equal(shown, e.Definition)
	}
	it.Rule = g.why(ctx, caller, e)
}

// why is the rule that shows or hides e, in one line.
func (g *gateway) why(ctx context.Context, caller *auth.Principal, e *catalog.Entry) string {
	g.mu.Lock()
	engine, bindings := g.engine, g.plan.bindings
	g.mu.Unlock()
	x, err := engine.Explain(ctx, bindings.Resolve(caller, time.Now()), e.Object)
	switch {
	case err != nil:
		return err.Error()
	case x.Pattern != "":
		return fmt.Sprintf("%s %q of role %s", x.Rule, x.Pattern, x.Role)
	}
	return x.Reason
}

// Call implements [control.Operations].
func (g *gateway) Call(ctx context.Context, c *control.Call) (*control.Outcome, error) {
	caller, err := g.identity(&control.Identity{As: c.Role})
	if err != nil {
		return nil, err
	}
	arguments := c.Arguments
	if len(arguments) == 0 {
		arguments = json.RawMessage("{}")
	}
	if err := wire.Check(arguments); err != nil || wire.Kind(arguments) != '{' {
		return nil, &control.Error{Message: "the arguments must be a JSON object", Hint: `for example '{"query": "tea"}'`, Exit: cli.ExitUsage}
	}
	params := wire.Set(nil, "name", wire.AppendString(nil, c.Tool))
	params = wire.Set(params, "arguments", arguments)
	// An upstream that is still starting is worth the wait: the operator asked for one answer.
	if err := g.set.Settled(ctx); err != nil {
		return nil, fmt.Errorf("waiting for the upstreams: %w", err)
	}
	g.refresh()
	counter := &countingPeer{}
	reply := g.gate.Call(ctx, caller, &aggregator.Call{
		Method: aggregator.MethodCallTool, Params: params, Peer: counter,
		Client: bridge.Client{Revision: wire.R20260728, Info: []byte(`{"name":"tollgate call","version":` + string(wire.AppendString(nil, version())) + `}`), Capabilities: []byte("{}")},
	})
	out := &control.Outcome{Result: reply.Result, Notifications: int(counter.n.Load())}
	if reply.Error != nil {
		out.Error = wire.AppendError(nil, []byte("0"), reply.Error)
	}
	return out, nil
}

// countingPeer counts what an upstream says during an operator's call.
type countingPeer struct{ n atomic.Int64 }

func (p *countingPeer) Notify(string, []byte) { p.n.Add(1) }

func (p *countingPeer) Ask(context.Context, string, []byte) ([]byte, *wire.Error) {
	return nil, &wire.Error{Code: wire.CodeMethodNotFound, Message: "an operator's call cannot be asked"}
}

// CheckStdio implements [control.Operations].
func (g *gateway) CheckStdio(c *control.StdioClient) error {
	if _, err := g.stdioCaller(c.Role, c.Subject); err != nil {
		return controlError(err)
	}
	if c.Toolset != "" && !g.gate.HasToolset(c.Toolset) {
		return &control.Error{Message: fmt.Sprintf("unknown toolset %q", c.Toolset), Exit: cli.ExitUsage}
	}
	return nil
}

// Stdio implements [control.Operations].
func (g *gateway) Stdio(ctx context.Context, c *control.StdioClient, in io.Reader, out io.Writer) error {
	caller, err := g.stdioCaller(c.Role, c.Subject)
	if err != nil {
		return controlError(err)
	}
	return g.edge.ServeStdio(ctx, in, out, caller, c.Toolset)
}

func (g *gateway) current() *plan {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.plan
}
