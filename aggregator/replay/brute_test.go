// SPDX-License-Identifier: Apache-2.0

package replay_test

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tollgate/aggregator"
	"tollgate/aggregator/replay"
	"tollgate/policy"
	"tollgate/store/audit"
)

// weekBegan is the beginning of the window of the tests.
func weekBegan() time.Time { return time.Date(2026, 11, 18, 0, 0, 0, 0, time.UTC) }

// historical makes the record of a random call, some of them refused, unknown or without arguments.
func historical(r *rand.Rand, i int, moment time.Time) *audit.Record {
	who := r.IntN(200)
	p := &policy.Principal{
		Subject: fmt.Sprintf("user-%d", who), Team: fmt.Sprintf("team-%d", who%9), AuthMethod: "api_key", KeyID: "k",
		Roles: [][]string{{"reader"}, {"writer"}, {"reader", "writer"}, {"guest"}}[who%4],
	}
	if who%5 == 0 {
		p.AuthMethod, p.KeyID, p.Scopes = "oauth", "", [][]string{{"db:login"}, {"other"}}[who/5%2]
	}
	o := &policy.Object{Kind: "tool", Upstream: "db", OriginalName: []string{"query", "login", "search", "admin"}[r.IntN(4)]}
	if o.OriginalName == "search" || o.OriginalName == "admin" {
		o.Upstream = "web"
	}
	o.Name = o.Upstream + "__" + o.OriginalName
	arguments := map[string]any{"query": "tea"}
	switch o.OriginalName {
	case "query":
		arguments = map[string]any{"sql": []string{"select 1", "Drop table t", "update t"}[r.IntN(3)]}
		if r.IntN(4) > 0 {
			arguments["region"] = []string{"eu", "us", "cn"}[r.IntN(3)]
		}
		if r.IntN(2) == 0 {
			arguments["limit"] = 1 + r.IntN(150)
		}
	case "login":
		arguments = map[string]any{"user": "x", "password": strings.Repeat("p", 1+r.IntN(6))}
	}
	rec := &audit.Record{
		Version: 1, Kind: audit.Intent, ID: fmt.Sprintf("D%07d", i), Time: moment, Class: audit.Async, Method: aggregator.MethodCallTool, Revision: "then",
		Of: &audit.Labels{User: p.Subject, Team: p.Team, Upstream: o.Upstream, Kind: "tool", Tool: o.OriginalName, Name: o.Name},
	}
	in := &policy.Input{Action: "call", Principal: p, Object: o, Session: policy.Session{Origin: "mcp"}, Time: moment}
	kept := &audit.Arguments{Level: audit.LevelFull}
	switch r.IntN(10) {
	case 0, 1:
		kept = &audit.Arguments{Level: audit.LevelDigest, Digest: "hmac-sha256:00"}
		arguments = nil
	case 2, 3, 4:
		kept.Level = audit.LevelRedacted
		for _, name := range []string{"password", "region"} {
			if _, ok := arguments[name]; ok {
				arguments[name] = "[redacted]"
				kept.Redacted = append(kept.Redacted, "/"+name)
			}
		}
	}
	if arguments != nil {
		in.Arguments, _ = json.Marshal(arguments)
	}
	rec.Input, rec.Arguments = in.JSON(), kept
	if code := []string{"", "", "", "", "", "", policy.CodeDenied, aggregator.CodeHidden, aggregator.CodeRate, aggregator.CodeMissing}[r.IntN(10)]; code != "" {
		rec.Kind, rec.Code, rec.End, rec.Rule, rec.Sentence = audit.Refusal, code, "refused", "deny", "no"
		if code == aggregator.CodeMissing {
			rec.Input, rec.Arguments = nil, nil
		}
	}
	return rec
}

// candidateRules are those that history is replayed under.
func candidateRules() ruleSet {
	return ruleSet{
		roles: map[string]policy.Role{
			"reader": {Allow: []string{"db/query", "web/*"}, Deny: []string{"web/admin"}, Constraints: []policy.ConstraintRule{{
				For: []string{"db/query"}, Optional: []string{"limit"},
				Arguments: map[string]json.RawMessage{"region": json.RawMessage(`{"enum":["eu","us"]}`), "limit": json.RawMessage(`{"maximum":100}`)},
			}}},
			"writer": {Allow: []string{"db/*", "web/*"}},
		},
		scopes: []policy.ScopeRule{{For: []string{"db/login"}, Scopes: []string{"db:login"}}},
		rego: `deny contains "no drops" if {
	input.object.id == "tool:db/query"
	startswith(lower(input.arguments.sql), "drop")
}

deny contains "too short" if {
	input.object.id == "tool:db/login"
	count(input.arguments.password) < 4
}`,
	}
}

// naive says what candidateRules mean for one record, written down by hand: refuse, allow or undecidable.
func naive(t *testing.T, r *audit.Record) string {
	var in struct {
		Principal struct {
			Roles, Scopes []string
			Method        string `json:"auth_method"`
		}
		Object struct {
			Tool string `json:"original_name"`
		}
		Arguments map[string]any
	}
	if err := json.Unmarshal(r.Input, &in); err != nil {
		t.Fatal(err)
	}
	is := func(role string) bool { return slices.Contains(in.Principal.Roles, role) }
	unknown := func(name string) bool {
		return r.Arguments.Level == audit.LevelDigest || slices.Contains(r.Arguments.Redacted, "/"+name)
	}
	undecidable, tool := false, in.Object.Tool
	switch {
	case !is("reader") && !is("writer"), tool == "admin" && is("reader"), tool == "login" && !is("writer"):
		return "refuse"
	case tool == "login" && in.Principal.Method == "oauth" && !slices.Contains(in.Principal.Scopes, "db:login"):
		return "refuse"
	case tool == "login" && unknown("password"):
		return "undecidable"
	case tool == "login" && len(in.Arguments["password"].(string)) < 4:
		return "refuse"
	case tool == "query":
		if unknown("sql") {
			undecidable = true
		} else if strings.HasPrefix(strings.ToLower(in.Arguments["sql"].(string)), "drop") {
			return "refuse"
		}
		if !is("reader") {
			break
		}
		if limit, ok := in.Arguments["limit"].(float64); ok && limit > 100 {
			return "refuse"
		}
		region, ok := in.Arguments["region"].(string)
		switch {
		case unknown("region"):
			undecidable = true
		case !ok || region == "cn":
			return "refuse"
		}
	}
	if undecidable {
		return "undecidable"
	}
	return "allow"
}

// bruteForce compares one record after the other.
func bruteForce(t *testing.T, r *audit.Record) replay.Change {
	if r.Input == nil || r.Code == aggregator.CodeRate {
		return replay.Same
	}
	refused := r.Kind == audit.Refusal
	switch after := naive(t, r); {
	case after == "undecidable":
		return replay.Undecidable
	case after == "refuse" && !refused:
		return replay.Refused
	case after == "allow" && refused:
		return replay.Allowed
	}
	return replay.Same
}

// history writes n records over ten days into a log.
func history(t testing.TB, n int) *audit.Log {
	t.Helper()
	log, err := audit.Open(&audit.Options{Dir: t.TempDir(), Queue: n + 1, QueueBytes: 1 << 32, SegmentRecords: 30_000})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	})
	random := rand.New(rand.NewPCG(7, 7))
	var last *audit.Receipt
	for i := range n {
		moment := weekBegan().AddDate(0, 0, -3).Add(time.Duration(i) * (10 * 24 * time.Hour / time.Duration(n)))
		text, err := historical(random, i, moment).Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		if last, err = log.Append(audit.Entry{Text: text}); err != nil {
			t.Fatal(err)
		}
	}
	if err := last.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	return log
}

// texts are the decisions of a log in the window.
func texts(ctx context.Context, log replay.Log, from, to time.Time) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for r, err := range replay.Decisions(ctx, log, from, to, nil) {
			if !yield(r.Text, err) {
				return
			}
		}
	}
}

// TestReplayIsBruteForce replays seven of ten days; the changed verdicts are those that a naive loop finds.
func TestReplayIsBruteForce(t *testing.T) {
	n := 143_000 // of which 100,000 are in the window
	if testing.Short() {
		n = 6_000
	}
	log := history(t, n)
	rules := candidateRules()
	type change struct {
		ID     string
		Change replay.Change
	}
	var got, want []change
	began := time.Now()
	report, err := replay.Run(t.Context(), &replay.Options{
		Judge: newJudge(t, rules.compile(t)), Records: texts(t.Context(), log, weekBegan(), time.Time{}), From: weekBegan(),
		Each: func(c *replay.Case, a *replay.Answer) error {
			got = append(got, change{c.ID, a.Change})
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d decisions in %v: %d newly refused, %d newly allowed, %d undecidable, %d as before", report.Decisions, time.Since(began).Round(time.Millisecond),
		report.Refused, report.Allowed, report.Undecidable, report.Same)
	var decisions uint64
	for r, err := range log.Scan(t.Context(), 0, log.Size()) {
		if err != nil {
			t.Fatal(err)
		}
		record, err := audit.Decode(r.Text)
		if err != nil {
			t.Fatal(err)
		}
		if record.Time.Before(weekBegan()) {
			continue
		}
		decisions++
		if c := bruteForce(t, record); c != replay.Same {
			want = append(want, change{record.ID, c})
		}
	}
	if report.Decisions != decisions || decisions < uint64(n)*2/3 || len(want) < int(decisions)/10 {
		t.Errorf("%d decisions, want %d; %d changes", report.Decisions, decisions, len(want))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("changed verdicts (-brute force +replay):\n%.2000s", diff)
	}
	checkSums(t, report)
}

// checkSums holds the counts of a report against each other.
func checkSums(t *testing.T, r *replay.Report) {
	t.Helper()
	sum := r.Same + r.Refused + r.Allowed + r.Undecidable
	for _, o := range r.Otherwise {
		sum += o.Calls
	}
	for _, n := range r.NotDecided {
		sum += n
	}
	if sum != r.Decisions {
		t.Errorf("%d decisions were counted, of %d", sum, r.Decisions)
	}
	grouped := map[replay.Change]uint64{}
	for _, g := range r.Groups {
		grouped[g.Change] += g.Calls
	}
	for change, n := range map[replay.Change]uint64{replay.Refused: r.Refused, replay.Allowed: r.Allowed, replay.Undecidable: r.Undecidable} {
		if grouped[change]+r.Ungrouped[change] != n {
			t.Errorf("%s: %d in groups and %d without, of %d", change, grouped[change], r.Ungrouped[change], n)
		}
	}
}

func BenchmarkReplay(b *testing.B) {
	const n = 20_000
	log := history(b, n)
	rules := candidateRules()
	compiled := rules.compile(b)
	b.ReportAllocs()
	for b.Loop() {
		report, err := replay.Run(b.Context(), &replay.Options{Judge: newJudge(b, compiled), Records: texts(b.Context(), log, time.Time{}, time.Time{})})
		if err != nil || report.Decisions != n {
			b.Fatal(report, err)
		}
	}
	b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "decisions/s")
}
