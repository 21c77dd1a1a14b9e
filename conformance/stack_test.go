// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"tollgate/aggregator"
	"tollgate/aggregator/auth"
	"tollgate/aggregator/bridge"
	"tollgate/aggregator/catalog"
	"tollgate/aggregator/edge"
	"tollgate/policy"
	"tollgate/rego"
	"tollgate/upstream"
	"tollgate/upstream/wire"
)

// stack is the gateway in this process: everything but the command line, with the policy that ships.
type stack struct {
	set  *upstream.Set
	gate *aggregator.Gate
	edge *edge.Server
	http *httptest.Server
}

// oneCaller authenticates everybody as one principal.
type oneCaller struct {
	noScopes
	p *auth.Principal
}

func (o oneCaller) Request(*http.Request) (*auth.Principal, *auth.Challenge) { return o.p, nil }

// noScopes is the part of an authenticator that speaks of access tokens, for those that have none.
type noScopes struct{}

func (noScopes) InsufficientScope(*auth.Principal, []string) *auth.Challenge {
	return &auth.Challenge{Status: http.StatusForbidden}
}

func (noScopes) Source(*http.Request) string { return "" }

// newStack runs a gateway in front of ups; names are shown without prefix.
func newStack(t testing.TB, ups ...upstream.Config) *stack {
	t.Helper()
	return newStackWith(t, nil, ups...)
}

// newStackWith is newStack with bounds for calls that wait for their clients.
func newStackWith(t testing.TB, lot *bridge.LotOptions, ups ...upstream.Config) *stack {
	t.Helper()
	s := &stack{}
	changed := make(chan struct{}, 1)
	s.set = upstream.NewSet(&upstream.Options{
		OnCatalog: func() {
			select {
			case changed <- struct{}{}:
			default:
			}
		},
		OnEvent: func(e upstream.Event) { s.edge.Event(e) },
	})
	engine := shipped(t, map[string]policy.Role{"all": {Allow: []string{"*"}}})
	accounting, err := aggregator.NewAccounting(nil)
	if err != nil {
		t.Fatal(err)
	}
	s.gate, err = aggregator.New(&aggregator.Options{Upstreams: s.set, Ledger: accounting, Lot: lot})
	if err != nil {
		t.Fatal(err)
	}
	s.edge, err = edge.New(&edge.Options{Gate: s.gate, Auth: oneCaller{p: &auth.Principal{Subject: "t", Method: "api_key", Roles: []string{"all"}}}, MaxBody: 64 << 20})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.gate.Publish(aggregator.Rules{Decider: engine}); err != nil {
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
				s.refresh()
			}
		}
	}()
	s.set.Apply(ups)
	if err := s.set.Settled(ctx); err != nil {
		t.Fatal(err)
	}
	s.gate.Start(ctx, s.refresh)
	s.http = httptest.NewServer(s.edge)
	t.Cleanup(func() {
		s.edge.Drain()
		s.http.Close()
		s.edge.Close()
		s.gate.Close()
		if err := accounting.Close(); err != nil {
			t.Error(err)
		}
		stop()
		<-done
		if err := s.set.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *stack) refresh() {
	var sources []catalog.Source
	for _, snap := range s.set.Snapshots() {
		sources = append(sources, catalog.Source{Upstream: snap.Upstream, PrefixSet: true, Snapshot: snap})
	}
	s.gate.Refresh(sources)
}

// shipped loads the policy that ships.
func shipped(t testing.TB, roles map[string]policy.Role) *policy.Engine {
	t.Helper()
	modules, err := rego.Modules()
	if err != nil {
		t.Fatal(err)
	}
	engine, err := policy.Load(context.Background(), &policy.Options{Modules: maps.Clone(modules), Roles: roles})
	if err != nil {
		t.Fatal(err)
	}
	return engine
}

// client is a raw HTTP client of one era.
type client struct {
	t       testing.TB
	url     string
	rev     wire.Revision
	session string
}

func (s *stack) client(t testing.TB, rev wire.Revision) *client {
	c := &client{t: t, url: s.http.URL + "/mcp", rev: rev}
	if !rev.Modern() {
		resp := c.post(`{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"` + string(rev) + `","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`)
		defer resp.Body.Close()
		c.session = resp.Header.Get(wire.HeaderSession)
		if c.session == "" {
			t.Fatalf("initialize: %s", resp.Status)
		}
	}
	return c
}

func (c *client) post(body string) *http.Response {
	c.t.Helper()
	req, err := http.NewRequest(http.MethodPost, c.url, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	if c.rev.Modern() {
		e, err := wire.Parse([]byte(body))
		if err != nil {
			c.t.Fatal(err)
		}
		wire.SetHeaders(req.Header, c.rev, e.Method, e.Params, nil)
	} else if c.session != "" {
		req.Header.Set(wire.HeaderSession, c.session)
		req.Header.Set(wire.HeaderProtocolVersion, string(c.rev))
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp
}

// request sends one request, params being the members beside what the era requires in _meta, and returns the whole body.
func (c *client) request(id, method, params, meta string) string {
	c.t.Helper()
	if c.rev.Modern() {
		if meta != "" {
			meta += ","
		}
		meta += `"io.modelcontextprotocol/protocolVersion":"` + string(c.rev) + `","io.modelcontextprotocol/clientCapabilities":{"elicitation":{},"sampling":{},"roots":{},"extensions":{"io.modelcontextprotocol/tasks":{}}}`
	}
	if meta != "" {
		if params != "" {
			params += ","
		}
		params += `"_meta":{` + meta + `}`
	}
	resp := c.post(`{"jsonrpc":"2.0","id":` + id + `,"method":"` + method + `","params":{` + params + `}}`)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return string(b)
}

func readAll(t testing.TB, resp *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
