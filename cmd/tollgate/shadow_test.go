// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"log/slog"
	"testing"

	"tollgate/aggregator"
	"tollgate/policy"
	"tollgate/store/audit"
)

// TestShadow: what a candidate decides otherwise is recorded, and nothing else is.
func TestShadow(t *testing.T) {
	modules, err := regoModules(nil)
	if err != nil {
		t.Fatal(err)
	}
	modules["candidate.rego"] = `package tollgate.call

deny contains "no drops" if input.arguments.sql == "drop"
`
	engine, err := policy.Load(t.Context(), &policy.Options{Modules: modules, Roles: map[string]policy.Role{"dba": {Allow: []string{"db/*"}}}})
	if err != nil {
		t.Fatal(err)
	}
	records := make(chan *audit.Record, 8)
	s := newShadow(engine, func(_ context.Context, r *audit.Record) error { records <- r; return nil }, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); s.run(ctx) }()
	call := func(tool, arguments string) *policy.Input {
		return &policy.Input{
			Action: "call", Principal: &policy.Principal{Subject: "ann", Roles: []string{"dba"}}, Arguments: []byte(arguments),
			Object: &policy.Object{Kind: "tool", Upstream: tool, OriginalName: "query", Name: tool + "__query"},
		}
	}
	s.Compare("same", call("db", `{}`), true, "", "")
	s.Compare("limit", call("db", `{}`), false, aggregator.CodeRate, "rate")
	s.Compare("drop", call("db", `{"sql":"drop"}`), true, "", "")
	s.Compare("unseen", call("web", `{}`), true, "", "")
	s.Compare("opened", call("db", `{}`), false, policy.CodeDenied, "deny")
	for _, want := range []audit.Record{
		{ID: "drop", Action: wouldRefuse, Sentence: "no drops"}, {ID: "unseen", Action: wouldRefuse, Sentence: "the caller would not see it"},
		{ID: "opened", Action: wouldAllow},
	} {
		got := <-records
		if got.ID != want.ID || got.Action != want.Action || got.Sentence != want.Sentence || got.Kind != audit.Shadow || got.Of.User != "ann" {
			t.Errorf("recorded %+v, want %+v", got, want)
		}
	}
	cancel()
	<-done
	if len(records) > 0 {
		t.Errorf("and %+v", <-records)
	}
}
