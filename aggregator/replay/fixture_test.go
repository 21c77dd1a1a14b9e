// SPDX-License-Identifier: Apache-2.0

package replay_test

import (
	"context"
	"maps"
	"testing"
	"time"

	"tollgate/aggregator"
	"tollgate/aggregator/auth"
	"tollgate/aggregator/bridge"
	"tollgate/aggregator/catalog"
	"tollgate/aggregator/replay"
	"tollgate/policy"
	"tollgate/policy/limit"
	"tollgate/rego"
	"tollgate/store/audit"
	"tollgate/store/ledger"
	"tollgate/upstream"
	"tollgate/upstream/wire"
)

// book is a ledger that admits everything and hands the records of decisions on.
type book struct {
	ledger.Ledger
	decisions chan *audit.Record
}

func (b *book) Available() error { return nil }

func (b *book) Reserve(_ context.Context, r *ledger.Request) (ledger.Reservation, error) {
	b.decisions <- r.Record
	return settled{}, nil
}

func (b *book) Record(_ context.Context, r *audit.Record) error {
	b.decisions <- r
	return nil
}

func (b *book) Stats() ledger.Stats { return ledger.Stats{} }

type settled struct{ ledger.Reservation }

func (settled) Settle(context.Context, *audit.Record) error { return nil }

// silent is an upstream that answers everything alike.
type silent struct{}

func (silent) Call(context.Context, string, *upstream.Request) (*upstream.Reply, error) {
	return &upstream.Reply{Result: []byte(`{"content":[]}`), Revision: wire.R20260728}, nil
}
func (silent) Subscribe(context.Context, string, string) error   { return nil }
func (silent) Unsubscribe(context.Context, string, string) error { return nil }
func (silent) Settled(context.Context) error                     { return nil }

// definitions are the tools of the upstreams, by upstream.
func definitions() map[string][]string {
	return map[string][]string{
		"db": {
			`{"name":"query","inputSchema":{"type":"object","properties":{"sql":{"type":"string"},"region":{"type":"string"},"limit":{"type":"integer"}},"required":["sql"]}}`,
			`{"name":"login","inputSchema":{"type":"object","properties":{"user":{"type":"string"},"password":{"type":"string","format":"password"}}}}`,
		},
		"web": {`{"name":"search","inputSchema":{"type":"object","properties":{"query":{"type":"string"}}}}`},
	}
}

// schemaOf is the input schema of a tool of definitions.
func schemaOf(o *policy.Object) ([]byte, bool) {
	for _, raw := range definitions()[o.Upstream] {
		if wire.Digest([]byte(raw)) == o.DefinitionHash {
			return wire.Lookup([]byte(raw), "inputSchema")
		}
	}
	return nil, false
}

// ruleSet is what an operator configures.
type ruleSet struct {
	roles     map[string]policy.Role
	scopes    []policy.ScopeRule
	rego      string
	toolset   []string
	recording *aggregator.RecordingOptions
}

func (r *ruleSet) compile(t testing.TB) aggregator.Rules {
	t.Helper()
	modules, err := rego.Modules()
	if err != nil {
		t.Fatal(err)
	}
	if r.rego != "" {
		maps.Copy(modules, map[string]string{"own.rego": "package tollgate.call\n\n" + r.rego + "\n"})
	}
	engine, err := policy.Load(t.Context(), &policy.Options{Modules: modules, Roles: r.roles, Scopes: r.scopes, Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	var limits []limit.Rule
	for name, role := range r.roles {
		for i, l := range role.Limits {
			limits = append(limits, limit.Rule{Role: name, Index: i, LimitRule: l})
		}
	}
	out := aggregator.Rules{Decider: engine}
	if out.Limits, err = limit.Compile(limits); err != nil {
		t.Fatal(err)
	}
	if out.Recording, err = aggregator.NewRecording(r.recording); err != nil {
		t.Fatal(err)
	}
	if r.toolset != nil {
		set, err := catalog.NewToolset("few", r.toolset)
		if err != nil {
			t.Fatal(err)
		}
		out.Toolsets = map[string]*catalog.Toolset{"few": set}
	}
	return out
}

// site is a gate under rules, and what it writes down.
type site struct {
	*aggregator.Gate
	rules aggregator.Rules
	book  *book
}

// digestKey is that of all sites.
const digestKey = "key of the tests"

func newSite(t testing.TB, r *ruleSet) *site {
	t.Helper()
	s := &site{rules: r.compile(t), book: &book{decisions: make(chan *audit.Record, 8)}}
	accounting, err := aggregator.NewAccounting(&aggregator.AccountingOptions{Ledger: s.book, DigestKey: []byte(digestKey)})
	if err != nil {
		t.Fatal(err)
	}
	if s.Gate, err = aggregator.New(&aggregator.Options{Upstreams: silent{}, Ledger: accounting}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		if err := accounting.Close(); err != nil {
			t.Error(err)
		}
	})
	var sources []catalog.Source
	for name, tools := range definitions() {
		snapshot := &upstream.Snapshot{Upstream: name, Revision: wire.R20260728, Capabilities: []byte(`{"tools":{}}`)}
		for _, raw := range tools {
			tool, _ := wire.Lookup([]byte(raw), "name")
			own, _ := wire.String(tool)
			snapshot.Tools = append(snapshot.Tools, upstream.Item{Name: own, Raw: []byte(raw), Hash: wire.Digest([]byte(raw))})
		}
		sources = append(sources, catalog.Source{Upstream: name, Prefix: name, Snapshot: snapshot})
	}
	s.Refresh(sources)
	if err := s.Publish(s.rules); err != nil {
		t.Fatal(err)
	}
	s.Start(t.Context(), nil)
	return s
}

// call makes a call and returns the record of what was decided, as it is read from a log.
func (s *site) call(t testing.TB, caller *auth.Principal, tool, arguments, toolset string) *audit.Record {
	t.Helper()
	params := wire.Set(nil, "name", wire.AppendString(nil, tool))
	params = wire.Set(params, "arguments", []byte(arguments))
	s.Call(t.Context(), caller, &aggregator.Call{
		Method: aggregator.MethodCallTool, Params: params, Toolset: toolset, Transport: "http", SourceIP: "192.0.2.1",
		Client: bridge.Client{Revision: wire.R20260728, Info: []byte(`{"name":"test","version":"1"}`), Capabilities: []byte("{}")},
	})
	text, err := (<-s.book.decisions).Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := audit.Decode(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// recorded is the case of a record that has one.
func recorded(t testing.TB, r *audit.Record) *replay.Case {
	t.Helper()
	c, code, err := replay.Recorded(r, replay.EmptyDigest([]byte(digestKey)))
	if err != nil || c == nil {
		t.Fatalf("no case of %+v: %q, %v", r, code, err)
	}
	return c
}

func newJudge(t testing.TB, rules aggregator.Rules) *replay.Judge {
	t.Helper()
	j, err := replay.NewJudge(&aggregator.WeigherOptions{Rules: rules, Schema: schemaOf})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func compare(t testing.TB, j *replay.Judge, c *replay.Case) *replay.Answer {
	t.Helper()
	a, err := j.Compare(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return a
}
