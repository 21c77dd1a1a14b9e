// SPDX-License-Identifier: Apache-2.0

package codetools_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"tollgate/aggregator"
	"tollgate/aggregator/auth"
	"tollgate/aggregator/bridge"
	"tollgate/aggregator/catalog"
	"tollgate/aggregator/codetools"
	"tollgate/policy"
	"tollgate/policy/limit"
	"tollgate/rego"
	"tollgate/store"
	"tollgate/store/audit"
	"tollgate/store/ledger"
	"tollgate/upstream"
	"tollgate/upstream/upstreamtest"
	"tollgate/upstream/wire"
)

const githubTools = `{"tools":[
{"name":"search_repositories","title":"Search repositories","description":"Finds repositories by words.\nSecond line.","inputSchema":{"type":"object","properties":{"query":{"type":"string"},"per_page":{"type":"integer"}},"required":["query"]},"annotations":{"readOnlyHint":true}},
{"name":"create_issue","description":"Opens an issue.","inputSchema":{"type":"object","properties":{"title":{"type":"string"}},"required":["title"]},"annotations":{"destructiveHint":true}},
{"name":"fail","description":"Always fails.","inputSchema":{"type":"object"}},
{"name":"list_secrets","description":"Lists zebra secrets.","inputSchema":{"type":"object","properties":{"zebra":{"type":"string"}}}}]}`

const notesTools = `{"tools":[
{"name":"read","description":"Reads a note.","inputSchema":{"type":"object","properties":{"id":{"type":"string"}}},"outputSchema":{"type":"object","properties":{"text":{"type":"string"}},"required":["text"]}}]}`

const vaultTools = `{"tools":[{"name":"open","description":"Opens the vault.","inputSchema":{"type":"object"}}]}`

// setup is what a test may want otherwise.
type setup struct {
	mode    string
	tools   codetools.Options
	scripts aggregator.ScriptBounds
	limits  []policy.LimitRule
	budget  int64
	more    []server // upstreams beside the usual ones
	confirm string   // question about issues; "" = Open it?
	deny    []string // more that a reader may not call
	keeper  func(k codetools.Keeper) codetools.Keeper
	reach   func(u aggregator.Upstreams) aggregator.Upstreams

	concurrency int // of each upstream; 0 = 4
}

// server is an upstream of a test.
type server struct {
	name, tools string
	bare        bool // its tools have no prefix
}

// toolsets are those of all tests.
func toolsets() (map[string]*catalog.Toolset, error) {
	set, err := catalog.NewToolset("notes", []string{"notes__*"})
	return map[string]*catalog.Toolset{"notes": set}, err
}

// stack is a gate with Code Mode over scripted upstreams, recorded on disk.
type stack struct {
	t      testing.TB
	gate   *aggregator.Gate
	set    *upstream.Set
	engine *ledger.Engine
	tools  *codetools.Tools
	calls  atomic.Int64 // that upstreams saw
	at     atomic.Int64 // that they see at the moment
	peak   atomic.Int64
	books  *aggregator.Accounting
	hold   func(r *upstreamtest.Request)      // before an upstream answers
	reply  func(r *upstreamtest.Request) bool // instead of the usual answer, when it says true
}

func start(t testing.TB, o setup) *stack {
	t.Helper()
	s := &stack{t: t}
	dir := t.TempDir()
	var err error
	if s.engine, err = ledger.Open(&ledger.Options{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	books, err := aggregator.NewAccounting(&aggregator.AccountingOptions{Ledger: s.engine})
	if err != nil {
		t.Fatal(err)
	}
	kept, err := store.OpenPrograms(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := books.Close(); err != nil {
			t.Error(err)
		}
		for _, err := range slices.Concat(s.engine.Check(context.Background()), kept.Check()) {
			t.Error(err)
		}
		if err := s.engine.Close(); err != nil {
			t.Error(err)
		}
		if err := kept.Close(); err != nil {
			t.Error(err)
		}
	})
	engine, err := theEngine()
	if err != nil {
		t.Fatal(err)
	}
	o.tools.Engine, o.tools.Keeper, o.tools.Key = engine, kept, make([]byte, 32)
	if o.keeper != nil {
		o.tools.Keeper = o.keeper(kept)
	}
	if s.tools, err = codetools.New(&o.tools); err != nil {
		t.Fatal(err)
	}
	s.books = books
	s.open(&o)
	return s
}

// open makes the gate, as after a restart when there was one.
func (s *stack) open(o *setup) {
	s.t.Helper()
	set := upstream.NewSet(&upstream.Options{})
	reach := aggregator.Upstreams(set)
	if o.reach != nil {
		reach = o.reach(set)
	}
	gate, err := aggregator.New(&aggregator.Options{
		Upstreams: reach, Ledger: s.books, Log: slog.New(slog.NewTextHandler(s.t.Output(), nil)), SealingKey: make([]byte, 32),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.gate = gate
	s.t.Cleanup(func() {
		gate.Close()
		if err := set.Close(context.Background()); err != nil {
			s.t.Error(err)
		}
	})
	var cfgs []upstream.Config
	names, bare := []string{}, map[string]bool{}
	for _, u := range append([]server{{name: "github", tools: githubTools}, {name: "notes", tools: notesTools}, {name: "vault", tools: vaultTools}}, o.more...) {
		names, bare[u.name] = append(names, u.name), u.bare
		server := &upstreamtest.Server{Results: map[string]string{"tools/list": listing(u.tools)}, Handle: s.answer}
		cfgs = append(cfgs, upstream.Config{Name: u.name, InProcess: server.InProcess, Concurrency: cmp.Or(o.concurrency, 4)})
	}
	s.set = set
	set.Apply(cfgs)
	if err := set.Settled(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	if err := gate.Publish(s.rules(o)); err != nil {
		s.t.Fatal(err)
	}
	sources := s.sources(names...)
	for i := range sources {
		sources[i].PrefixSet = bare[sources[i].Upstream]
	}
	for _, p := range gate.Refresh(append(sources, s.tools.Source())) {
		s.t.Fatal(p)
	}
	gate.Start(s.t.Context(), nil)
}

// sources are some upstreams as the catalog takes them.
func (s *stack) sources(names ...string) (all []catalog.Source) {
	for _, snapshot := range s.set.Snapshots() {
		if slices.Contains(names, snapshot.Upstream) {
			all = append(all, catalog.Source{Upstream: snapshot.Upstream, Snapshot: snapshot})
		}
	}
	return all
}

// rules are those of the roles reader and admin: reader sees neither the vault nor secrets, and issues are confirmed.
func (s *stack) rules(o *setup) aggregator.Rules {
	s.t.Helper()
	var more []string
	for _, u := range o.more {
		more = append(more, u.name+"/*")
	}
	modules, err := rego.Modules()
	if err != nil {
		s.t.Fatal(err)
	}
	decider, err := policy.Load(s.t.Context(), &policy.Options{Modules: modules, Roles: map[string]policy.Role{
		"reader": {Allow: append(more, "tollgate/*", "github/*", "notes/*"), Deny: append(o.deny, "github/list_secrets"),
			Obligations: []policy.ObligationRule{{For: []string{"github/create_issue"}, Confirm: cmp.Or(o.confirm, "Open it?")}}},
		"admin":    {Allow: []string{"*"}},
		"toolless": {Allow: []string{"github/*", "notes/*"}},
		"told": {Allow: []string{"*"}, Obligations: []policy.ObligationRule{
			{For: []string{"tollgate/execute_code", "notes/*"}, Reason: true}, {For: []string{"notes/*"}, Redact: []string{"/text"}},
		}},
	}})
	if err != nil {
		s.t.Fatal(err)
	}
	r := aggregator.Rules{Decider: decider, Own: s.tools, Modes: &aggregator.Modes{Default: o.mode}, Scripts: o.scripts}
	if r.Toolsets, err = toolsets(); err != nil {
		s.t.Fatal(err)
	}
	var all []limit.Rule
	for i, l := range o.limits {
		all = append(all, limit.Rule{Index: i, LimitRule: l})
	}
	if r.Limits, err = limit.Compile(all); err != nil {
		s.t.Fatal(err)
	}
	if o.budget > 0 {
		rule := limit.BudgetRule{Name: "all", Limit: o.budget, Period: limit.BudgetPeriod{Unit: "month"}}
		if r.Budgets, err = limit.CompileBudgets([]limit.BudgetRule{rule}); err != nil {
			s.t.Fatal(err)
		}
		one := r.Budgets.All()[0]
		if err := s.engine.SetBudgets([]*ledger.Budget{{ID: one.ID(), Name: one.Name(), Limit: one.Limit(), Period: ledger.Period{Unit: "month"}}}); err != nil {
			s.t.Fatal(err)
		}
	}
	return r
}

// listing is a result of tools/list on one line.
func listing(tools string) string {
	return strings.TrimSuffix(strings.ReplaceAll(tools, "\n", ""), "}") + `,"resultType":"complete","ttlMs":0,"cacheScope":"private"}`
}

// answer is what the upstreams do.
func (s *stack) answer(r *upstreamtest.Request) bool {
	if r.Method != "tools/call" {
		return false
	}
	s.calls.Add(1)
	now := s.at.Add(1)
	for {
		peak := s.peak.Load()
		if now <= peak || s.peak.CompareAndSwap(peak, now) {
			break
		}
	}
	if s.hold != nil {
		s.hold(r)
	}
	s.at.Add(-1)
	if s.reply != nil && s.reply(r) {
		return true
	}
	name, _ := wire.Lookup(r.Params, "name")
	switch string(name) {
	case `"search_repositories"`:
		r.Result(`{"content":[{"type":"text","text":"{\"items\":[{\"name\":\"tea\",\"id\":12345678901234567890},{\"name\":\"pot\",\"id\":7}]}"}],"resultType":"complete"}`)
	case `"read"`:
		r.Result(`{"content":[{"type":"text","text":"ignored"}],"structuredContent":{"text":"{\"a\":1}"},"resultType":"complete"}`)
	case `"fail"`:
		r.Result(`{"content":[{"type":"text","text":"no such thing"}],"isError":true,"resultType":"complete"}`)
	default:
		r.Result(`{"content":[{"type":"text","text":"done"}],"resultType":"complete"}`)
	}
	return true
}

func caller(role string) *auth.Principal {
	return &auth.Principal{Subject: role, Method: auth.MethodAPIKey, KeyID: "k_" + role, Roles: []string{role}}
}

// asks is a modern client that can be asked for a confirmation.
func asks() bridge.Client {
	return bridge.Client{Revision: wire.R20260728, Capabilities: []byte(`{"elicitation":{"form":{}}}`)}
}

// call calls a tool with arguments that are a Go value.
func (s *stack) call(role, name string, arguments any, more ...string) aggregator.Reply {
	s.t.Helper()
	raw, err := json.Marshal(arguments)
	if err != nil {
		s.t.Fatal(err)
	}
	params := fmt.Sprintf(`{"name":%q,"arguments":%s%s}`, name, raw, strings.Join(more, ""))
	return s.gate.Call(s.t.Context(), caller(role), &aggregator.Call{Method: aggregator.MethodCallTool, Params: []byte(params), Client: asks()})
}

// run runs a program and returns its texts.
func (s *stack) run(role, code string) (texts []string, failed bool) {
	s.t.Helper()
	reply := s.call(role, "execute_code", map[string]string{"code": code})
	if reply.Error != nil {
		s.t.Fatalf("execute_code: %v", reply.Error)
	}
	return textsOf(reply.Result), strings.Contains(string(reply.Result), `"isError":true`)
}

func textsOf(result []byte) (texts []string) {
	content, _ := wire.Lookup(result, "content")
	for block := range wire.Elements(content) {
		raw, _ := wire.Lookup(block, "text")
		text, _ := wire.String(raw)
		texts = append(texts, text)
	}
	return texts
}

// listed are the tools of tools/list.
func (s *stack) listed(role string) (names []string, page string) {
	s.t.Helper()
	view, err := s.gate.View(s.t.Context(), caller(role), "")
	if err != nil {
		s.t.Fatal(err)
	}
	body, err := view.Page(catalog.Tool, "", true)
	if err != nil {
		s.t.Fatal(err)
	}
	tools, _ := wire.Lookup(body, "tools")
	for tool := range wire.Elements(tools) {
		raw, _ := wire.Lookup(tool, "name")
		name, _ := wire.String(raw)
		names = append(names, name)
	}
	return names, string(body)
}

// records are those of the log, once all are written.
func (s *stack) records(q *audit.Query) []*audit.Record {
	s.t.Helper()
	q.Limit = 10000
	page, err := s.engine.Log().Query(s.t.Context(), q)
	if err != nil {
		s.t.Fatal(err)
	}
	var out []*audit.Record
	for _, f := range page.Records {
		out = append(out, f.Record)
	}
	return out
}

// mustTool is the tool that view shows under a name.
func mustTool(t *testing.T, view *catalog.View, name string) *catalog.Entry {
	t.Helper()
	e, ok := view.Tool(name)
	if !ok {
		t.Fatalf("there is no %s", name)
	}
	return e
}
