// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"tollgate/aggregator"
	"tollgate/cmd/internal/config"
	"tollgate/policy"
	"tollgate/store/audit"
)

func loadEngine(t *testing.T, rego string, o policy.Options) *policy.Engine {
	t.Helper()
	modules, err := regoModules(nil)
	if err != nil {
		t.Fatal(err)
	}
	if rego != "" {
		modules["candidate.rego"] = rego
	}
	o.Modules = modules
	engine, err := policy.Load(t.Context(), &o)
	if err != nil {
		t.Fatal(err)
	}
	return engine
}

// TestShadow: what a candidate decides otherwise is recorded, and nothing else is.
func TestShadow(t *testing.T) {
	live := loadEngine(t, "", policy.Options{Roles: map[string]policy.Role{"dba": {Allow: []string{"db/*", "web/*", "shown/*"}}}})
	candidate := loadEngine(t, "package tollgate.call\n\ndeny contains \"no drops\" if input.arguments.sql == \"drop\"\n", policy.Options{
		Roles: map[string]policy.Role{"dba": {Allow: []string{"db/*", "hidden/*", "shown/*"}, Constraints: []policy.ConstraintRule{{
			For: []string{"db/*"}, Arguments: map[string]json.RawMessage{"limit": json.RawMessage(`{"maximum":10}`)}, Optional: []string{"limit"},
		}}}},
		Scopes: []policy.ScopeRule{{For: []string{"db/*"}, Scopes: []string{"db:write"}}},
	})
	records := make(chan *audit.Record, 16)
	s, err := newShadow(&shadowOptions{
		candidate: candidate, rules: &aggregator.Rules{Decider: live}, log: slog.New(slog.DiscardHandler),
		schema: func(*policy.Object) ([]byte, bool) { return nil, true },
		record: func(_ context.Context, r *audit.Record) error { records <- r; return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); s.run(ctx) }()
	call := func(upstream, arguments, method string) *policy.Input {
		return &policy.Input{
			Action: "call", Principal: &policy.Principal{Subject: "ann", Roles: []string{"dba"}, AuthMethod: method}, Arguments: []byte(arguments),
			Object: &policy.Object{Kind: "tool", Upstream: upstream, OriginalName: "query", Name: upstream + "__query"},
		}
	}
	s.Compare("same", aggregator.MethodCallTool, call("db", `{}`, ""), true, "", "")
	s.Compare("limit", aggregator.MethodCallTool, call("db", `{}`, ""), false, aggregator.CodeRate, "rate")
	s.Compare("toolset", aggregator.MethodCallTool, call("shown", `{}`, ""), false, aggregator.CodeHidden, "")
	s.Compare("drop", aggregator.MethodCallTool, call("db", `{"sql":"drop"}`, ""), true, "", "")
	s.Compare("bound", aggregator.MethodCallTool, call("db", `{"limit":11}`, ""), true, "", "")
	s.Compare("scope", aggregator.MethodCallTool, call("db", `{}`, "oauth"), true, "", "")
	s.Compare("unseen", aggregator.MethodCallTool, call("web", `{}`, ""), true, "", "")
	s.Compare("opened", aggregator.MethodCallTool, call("db", `{}`, ""), false, policy.CodeDenied, "deny")
	s.Compare("seen", aggregator.MethodCallTool, call("hidden", `{}`, ""), false, aggregator.CodeHidden, "")
	for _, want := range []struct{ id, action, sentence, details string }{
		{"drop", wouldRefuse, "no drops", `{"code":"policy_denied","place":"candidate.rego:3","rule":"deny"}`},
		{"bound", wouldRefuse, `argument "limit" must be at most 10`, `{"code":"constraint","rule":"dba"}`},
		{"scope", wouldRefuse, "the access token lacks scopes: this call needs db:write", `{"code":"insufficient_scope","rule":"scopes db:write"}`},
		{"unseen", wouldRefuse, "no pattern of the principal's roles matches", `{"code":"hidden","rule":"none"}`},
		{"opened", wouldAllow, "", `{"code":"policy_denied","rule":"deny"}`},
		{"seen", wouldAllow, "", `{"code":"hidden","rule":""}`},
	} {
		got := <-records
		if got.ID != want.id || got.Action != want.action || got.Sentence != want.sentence || string(got.Details) != want.details ||
			got.Kind != audit.Shadow || got.Of.User != "ann" {
			t.Errorf("recorded %+v with %s, want %+v", got, got.Details, want)
		}
	}
	cancel()
	<-done
	if len(records) > 0 {
		t.Errorf("and %+v", <-records)
	}
}

// TestShadowHasTheBundle: what a bundle says counts for the candidate too.
func TestShadowHasTheBundle(t *testing.T) {
	dir := t.TempDir()
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	w := tar.NewWriter(z)
	rules := "package tollgate.call\n\ndeny contains data.shop.sentence if input.arguments.sql == \"drop\"\n"
	for name, text := range map[string]string{
		".manifest": `{"revision":"1","roots":["tollgate/call","shop"]}`, "deny.rego": rules, "shop/data.json": `{"sentence":"no drops"}`,
	} {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"bundle.tar.gz": packed.String(), "next.rego": "package tollgate.call\n\ndeny contains \"next\" if input.arguments.sql == \"next\"\n",
		"tollgate.yaml": "version: 1\nupstreams: [{name: db, command: none}]\nroles: {dba: {allow: [db/*]}}\npolicy:\n  bundle: {file: bundle.tar.gz}\n  shadow: {files: [next.rego]}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := config.Load(filepath.Join(dir, "tollgate.yaml"), nil)
	if err != nil {
		t.Fatal(err)
	}
	p, err := planOf(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.compile()
	if err != nil {
		t.Fatal(err)
	}
	for arguments, want := range map[string]string{`{"sql":"drop"}`: "no drops", `{"sql":"next"}`: "next", `{}`: ""} {
		d := r.shadow.Decide(t.Context(), &policy.Input{
			Action: "call", Principal: &policy.Principal{Roles: []string{"dba"}}, Arguments: []byte(arguments), Object: &policy.Object{Kind: "tool", Upstream: "db", OriginalName: "x"},
		})
		if got := ""; len(d.Reasons) > 0 && d.Reasons[0] != want || len(d.Reasons) == 0 && got != want {
			t.Errorf("%s: %+v, want %q", arguments, d, want)
		}
	}
}
