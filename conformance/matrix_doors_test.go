// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"

	"tollgate/aggregator"
	"tollgate/aggregator/auth"
	"tollgate/aggregator/catalog"
	"tollgate/aggregator/edge"
	"tollgate/conformance/harness"
	"tollgate/policy"
	"tollgate/upstream"
)

// hall is the gateway in this process with both principals: a data race anywhere in it fails the matrix under -race.
type hall struct {
	stack
}

// names authenticates by names: the bearer token is the principal, who has the role of that name.
type names struct{ noScopes }

func (names) Request(r *http.Request) (*auth.Principal, *auth.Challenge) {
	return person(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")), nil
}

func person(name string) *auth.Principal {
	return &auth.Principal{Subject: name, Method: "api_key", KeyID: name, Roles: []string{name}}
}

// everybody are the roles of the matrix: each hides the tools that are the other's own.
func everybody() map[string]policy.Role {
	return map[string]policy.Role{
		amber:      {Allow: []string{"*"}, Deny: []string{"*/own-" + clementine + "-*"}},
		clementine: {Allow: []string{"*"}, Deny: []string{"*/own-" + amber + "-*"}},
	}
}

func newHall(t *testing.T, all []*group) *hall {
	t.Helper()
	h := &hall{}
	changed := make(chan struct{}, 1)
	h.set = upstream.NewSet(&upstream.Options{
		OnCatalog: func() {
			select {
			case changed <- struct{}{}:
			default:
			}
		},
		OnEvent: func(e upstream.Event) { h.edge.Event(e) },
	})
	var err error
	if h.gate, err = aggregator.New(&aggregator.Options{Upstreams: h.set, Ledger: aggregator.Unmetered{}}); err != nil {
		t.Fatal(err)
	}
	if h.edge, err = edge.New(&edge.Options{Gate: h.gate, Auth: names{}}); err != nil {
		t.Fatal(err)
	}
	if err := h.gate.Publish(aggregator.Rules{Decider: shipped(t, everybody())}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-ctx.Done():
				return
			case <-changed:
				h.refresh()
			}
		}
	}()
	var ups []upstream.Config
	for _, g := range all {
		ups = append(ups, g.config(t))
	}
	h.set.Apply(ups)
	if err := h.set.Settled(ctx); err != nil {
		t.Fatal(err)
	}
	h.gate.Start(ctx, h.refresh)
	h.stack.http = httptest.NewServer(h.edge)
	t.Cleanup(func() {
		h.edge.Drain()
		h.stack.http.Close()
		h.edge.Close()
		h.gate.Close()
		stop()
		<-done
		if err := h.set.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return h
}

func (h *hall) refresh() {
	var sources []catalog.Source
	for _, snap := range h.set.Snapshots() {
		sources = append(sources, catalog.Source{Upstream: snap.Upstream, Snapshot: snap})
	}
	h.gate.Refresh(sources)
}

func (h *hall) http(who string) link { return newHTTPLink(h.stack.http.URL+"/mcp", who) }

func (h *hall) stdio(_ *testing.T, who string) link {
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := h.edge.ServeStdio(context.Background(), inR, outW, person(who), "")
		_ = outW.Close() // pipes in memory do not fail to close
		_ = inR.Close()
		done <- err
	}()
	return &pipeLink{in: inW, out: outR, wait: func() error { return <-done }}
}

// TestMatrixInProcess runs the matrix against the gateway in this process.
func TestMatrixInProcess(t *testing.T) {
	all := groups(t)
	runMatrix(t, all, newHall(t, all))
}

// house is the built program: `tollgate serve` for everybody, and a `tollgate stdio` process for each stdio client, which
// attaches to it.
type house struct {
	g    *harness.Gateway
	keys map[string]string
}

func newHouse(t *testing.T, all []*group) *house {
	t.Helper()
	var ups []map[string]any
	for _, g := range all {
		c := g.config(t)
		u := map[string]any{"name": c.Name}
		if c.URL != "" {
			u["url"] = c.URL
		} else {
			u["command"], u["env"] = c.Command, c.Env
		}
		ups = append(ups, u)
	}
	config, err := json.Marshal(map[string]any{ // JSON is YAML
		"version": 1, "upstreams": ups, "roles": everybody(), "stdio": map[string]any{"role": amber}, "log": map[string]any{"level": "warn"},
	})
	if err != nil {
		t.Fatal(err)
	}
	h := &house{g: harness.Start(t, bin.Tollgate(t), string(config)), keys: map[string]string{}}
	for _, who := range []string{amber, clementine} {
		h.keys[who] = h.g.Key(t, who)
	}
	return h
}

func (h *house) http(who string) link { return newHTTPLink(h.g.URL, h.keys[who]) }

func (h *house) stdio(t *testing.T, who string) link {
	cmd := exec.Command(h.g.Bin, "stdio", "--config", h.g.Config, "--state-dir", h.g.State, "--role", who, "--subject", who)
	cmd.Stderr = complaints(t)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return &pipeLink{in: in, out: out, wait: func() error { return cmd.Wait() }}
}

// TestMatrix runs the matrix against the built program.
func TestMatrix(t *testing.T) {
	if testing.Short() {
		t.Skip("the matrix in this process is run with -short")
	}
	all := groups(t)
	runMatrix(t, all, newHouse(t, all))
}
