// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"log/slog"
	"runtime"
	"testing"

	"tollgate/aggregator"
	"tollgate/policy"
	"tollgate/store/audit"
)

// TestShadowKeepsNoSecrets: a sentence of the candidate quotes no argument that the records of calls do not keep.
func TestShadowKeepsNoSecrets(t *testing.T) {
	roles := map[string]policy.Role{"dba": {Allow: []string{"db/*"}}}
	live := loadEngine(t, "", policy.Options{Roles: roles})
	candidate := loadEngine(t, "package tollgate.call\n\ndeny contains sprintf(\"no %s in %s\", [input.arguments.pin, input.arguments.place])\n", policy.Options{Roles: roles})
	secret := `{"type":"object","properties":{"pin":{"type":"string","format":"password"},"place":{"type":"string"}}}`
	for _, tt := range []struct {
		name, schema string
		recording    *aggregator.RecordingOptions
		want         string
	}{
		{"full", `{}`, nil, "no hunter2 in Paris"},
		{"a secret of the tool", secret, nil, "no [redacted] in Paris"},
		{"redacted", `{}`, &aggregator.RecordingOptions{Rules: []aggregator.RecordingRule{{Redact: []string{"/place"}}}}, "no hunter2 in [redacted]"},
		{"a tool that nobody knows", "", nil, "no [redacted] in [redacted]"},
		{"digest", `{}`, &aggregator.RecordingOptions{Arguments: audit.LevelDigest}, "no [redacted] in [redacted]"},
	} {
		recording, err := aggregator.NewRecording(tt.recording)
		if err != nil {
			t.Fatal(err)
		}
		var records []*audit.Record
		s, err := newShadow(&shadowOptions{
			candidate: candidate, rules: &aggregator.Rules{Decider: live, Recording: recording}, log: slog.New(slog.DiscardHandler),
			schema: func(*policy.Object) ([]byte, bool) { return []byte(tt.schema), tt.schema != "" },
			record: func(_ context.Context, r *audit.Record) error { records = append(records, r); return nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		s.Compare("D1", aggregator.MethodCallTool, &policy.Input{
			Action: "call", Principal: &policy.Principal{Subject: "ann", Roles: []string{"dba"}}, Arguments: []byte(`{"pin":"hunter2","place":"Paris"}`),
			Object: &policy.Object{Kind: "tool", Upstream: "db", OriginalName: "query", Name: "db__query"},
		}, true, "", "")
		if err := s.compare(t.Context(), <-s.queue); err != nil {
			t.Fatal(err)
		}
		if len(records) != 1 || records[0].Sentence != tt.want {
			t.Errorf("%s: recorded %+v, want the sentence %q", tt.name, records, tt.want)
		}
	}
}

// TestShadowQueueIsBounded: what waits to be compared is bounded in bytes, and what was compared makes room again.
func TestShadowQueueIsBounded(t *testing.T) {
	engine := loadEngine(t, "", policy.Options{Roles: map[string]policy.Role{"dba": {Allow: []string{"db/*"}}}})
	s, err := newShadow(&shadowOptions{candidate: engine, rules: &aggregator.Rules{Decider: engine}, log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	large := append(append([]byte(`{"a":"`), bytes.Repeat([]byte("x"), 1<<20)...), `"}`...)
	fill := func() {
		for range shadowBytes>>20 + 8 {
			s.Compare("D1", aggregator.MethodCallTool, &policy.Input{
				Action: "call", Principal: &policy.Principal{Subject: "ann", Roles: []string{"dba"}}, Arguments: large,
				Object: &policy.Object{Kind: "tool", Upstream: "db", OriginalName: "query", Name: "db__query"},
			}, true, "", "")
		}
	}
	fill()
	waiting, dropped := len(s.queue), s.dropped.Load()
	if waiting == 0 || waiting*len(large) > shadowBytes || dropped != int64(shadowBytes>>20+8-waiting) {
		t.Fatalf("%d decisions wait and %d were dropped", waiting, dropped)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); s.run(ctx) }()
	for s.bytes.Load() > 0 {
		runtime.Gosched()
	}
	cancel()
	<-done
	if fill(); len(s.queue) != waiting {
		t.Errorf("%d wait after those before were compared, want %d", len(s.queue), waiting)
	}
}
