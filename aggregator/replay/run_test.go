// SPDX-License-Identifier: Apache-2.0

package replay_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"tollgate/aggregator"
	"tollgate/aggregator/replay"
	"tollgate/policy"
	"tollgate/store/audit"
)

// given are the texts of records.
func given(t testing.TB, records ...*audit.Record) iter.Seq2[[]byte, error] {
	t.Helper()
	var all [][]byte
	for _, r := range records {
		text, err := r.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, text)
	}
	return func(yield func([]byte, error) bool) {
		for _, text := range all {
			if !yield(text, nil) {
				return
			}
		}
	}
}

func intent(id, user, tool, arguments string, moment time.Time) *audit.Record {
	in := &policy.Input{
		Action: "call", Principal: &policy.Principal{Subject: user, Roles: []string{"reader"}, Team: "t"}, Arguments: json.RawMessage(arguments), Time: moment,
		Object: &policy.Object{Kind: "tool", Upstream: "db", OriginalName: tool, Name: "db__" + tool},
	}
	return &audit.Record{
		Version: 1, Kind: audit.Intent, ID: id, Time: moment, Method: aggregator.MethodCallTool, Input: in.JSON(), Arguments: &audit.Arguments{Level: audit.LevelFull},
	}
}

func refused(r *audit.Record, code, rule, sentence string) *audit.Record {
	r.Kind, r.Code, r.Rule, r.Sentence = audit.Refusal, code, rule, sentence
	return r
}

// TestReport: every decision is counted once, changes are grouped, and what was not the policy's doing is told apart.
func TestReport(t *testing.T) {
	at := weekBegan()
	digested := intent("D9", "bob", "query", "", at)
	digested.Arguments = &audit.Arguments{Level: audit.LevelDigest, Digest: "hmac-sha256:01"}
	empty := intent("D10", "bob", "query", "", at)
	empty.Arguments = &audit.Arguments{Level: audit.LevelDigest, Digest: replay.EmptyDigest([]byte(digestKey))}
	late := intent("D11", "bob", "query", `{"sql":"drop"}`, at.AddDate(0, 0, 9))
	records := given(t,
		intent("D1", "ann", "query", `{"sql":"drop a"}`, at), intent("D2", "ann", "query", `{"sql":"drop b"}`, at.Add(time.Hour)),
		intent("D3", "ann", "query", `{"sql":"select"}`, at), intent("D4", "bob", "query", `{"sql":"drop c"}`, at),
		refused(intent("D5", "ann", "query", `{"sql":"x"}`, at), policy.CodeDenied, "deny", "not on fridays"),
		refused(intent("D6", "ann", "query", `{"sql":"drop"}`, at), aggregator.CodeRate, "queries", "slow down"),
		refused(intent("D7", "ann", "query", `{"sql":"x"}`, at), aggregator.CodeBudget, "month", "no money"),
		&audit.Record{Version: 1, Kind: audit.Refusal, ID: "D8", Time: at, Code: aggregator.CodeMissing},
		digested, empty, late, &audit.Record{Version: 1, Kind: audit.Outcome, ID: "D1", Time: at},
		&audit.Record{Version: 1, Kind: audit.Intent, ID: "D12", Time: at, Input: json.RawMessage(`{"version":9}`)},
	)
	set := ruleSet{roles: roles(policy.Role{Allow: []string{"db/*"}}), rego: `deny contains "no drops" if startswith(input.arguments.sql, "drop")`}
	r, err := replay.Run(t.Context(), &replay.Options{
		Judge: newJudge(t, set.compile(t)), Records: records, From: at, To: at.AddDate(0, 0, 7), Examples: 1, Empty: replay.EmptyDigest([]byte(digestKey)),
	})
	if err != nil {
		t.Fatal(err)
	}
	checkSums(t, r)
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var got any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	delete(got.(map[string]any), "candidate")
	var want any
	const group = `"roles":["reader"],"object":"tool:db/query","name":"db__query","first":"2026-11-18T00:00:00Z",`
	if err := json.Unmarshal([]byte(`{"from":"2026-11-18T00:00:00Z","to":"2026-11-25T00:00:00Z","by":"user","decisions":10,"same":2,"newly_refused":3,
		"newly_allowed":1,"undecidable":1,"not_decided":{"missing":1},"otherwise":{"rate_limit":{"calls":1,"candidate_refuses":1},
		"budget_exceeded":{"calls":1,"candidate_refuses":0}},"without_input_schema":9,"unreadable":1,
		"first_unreadable":"record D12: decision input document of version 9, want 1","groups":[
		{"change":"newly_refused","who":"ann",`+group+`"last":"2026-11-18T01:00:00Z","code":"policy_denied","rule":"deny","place":"own.rego:3","reason":"no drops","calls":2,"examples":["D1"]},
		{"change":"newly_refused","who":"bob",`+group+`"last":"2026-11-18T00:00:00Z","code":"policy_denied","rule":"deny","place":"own.rego:3","reason":"no drops","calls":1,"examples":["D4"]},
		{"change":"newly_allowed","who":"ann",`+group+`"last":"2026-11-18T00:00:00Z","code":"policy_denied","rule":"deny","reason":"not on fridays","calls":1,"examples":["D5"]},
		{"change":"undecidable","who":"bob",`+group+`"last":"2026-11-18T00:00:00Z","missing":[""],"calls":1,"examples":["D9"]}]}`), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
	if !r.Changed() || !r.Uncertain() {
		t.Error("nothing has changed, or all is certain")
	}
}

// TestGroupsAreBounded: neither users nor sentences without end make a report without end.
func TestGroupsAreBounded(t *testing.T) {
	set := ruleSet{roles: roles(policy.Role{Allow: []string{"db/*"}}), rego: `deny contains sprintf("no %v", [input.arguments.sql]) if input.arguments.sql`}
	judge := newJudge(t, set.compile(t))
	for _, tt := range []struct {
		by               string
		calls, sentences int
		groups, several  int // of all, and whose reason is not told
	}{{replay.ByUser, 5100, 1, 5000, 0}, {replay.ByRole, 300, 300, 9, 1}, {replay.ByTeam, 300, 8, 8, 0}} {
		texts := func(yield func([]byte, error) bool) {
			for i := range tt.calls {
				text, err := intent(fmt.Sprint("D", i), fmt.Sprint("user-", i), "query", fmt.Sprintf(`{"sql":"%d"}`, i%tt.sentences), weekBegan()).Append(nil)
				if !yield(text, err) {
					return
				}
			}
		}
		r, err := replay.Run(t.Context(), &replay.Options{Judge: judge, Records: texts, By: tt.by})
		if err != nil {
			t.Fatal(err)
		}
		checkSums(t, r)
		several, users := 0, 0
		for _, g := range r.Groups {
			if users += g.Users; g.Reason == "" {
				several++
			}
			if len(g.Examples) > 3 {
				t.Errorf("by %s: %d examples", tt.by, len(g.Examples))
			}
		}
		if len(r.Groups) != tt.groups || several != tt.several || r.Refused != uint64(tt.calls) || tt.by != replay.ByUser && users != tt.calls {
			t.Errorf("by %s: %d groups, %d without a reason, %d users, %d refused; want %+v", tt.by, len(r.Groups), several, users, r.Refused, tt)
		}
	}
}

// TestRunEnds: a run that is cancelled, whose records fail or whose reader wants no more, ends at once and leaves nothing.
func TestRunEnds(t *testing.T) {
	set := ruleSets()[0]
	rules := set.compile(t)
	broken := errors.New("broken")
	text, err := intent("D", "ann", "login", `{}`, weekBegan()).Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	none := ruleSet{roles: roles(policy.Role{})}
	nothing := none.compile(t)
	endless := func(fail error, after int) iter.Seq2[[]byte, error] {
		return func(yield func([]byte, error) bool) {
			for i := 0; ; i++ {
				if i == after && fail != nil {
					yield(nil, fail)
					return
				}
				if !yield(text, nil) {
					return
				}
			}
		}
	}
	synctest.Test(t, func(t *testing.T) { // waits for every goroutine
		ctx, cancel := context.WithCancel(t.Context())
		for _, tt := range []struct {
			name string
			o    *replay.Options
			want error
		}{
			{"records", &replay.Options{Judge: newJudge(t, rules), Records: endless(broken, 5000)}, broken},
			{"each", &replay.Options{Judge: newJudge(t, nothing), Records: endless(nil, 0), Each: func(*replay.Case, *replay.Answer) error { return broken }}, broken},
			{"context", &replay.Options{Judge: newJudge(t, rules), Records: endless(nil, 0), Progress: func(n uint64, _ time.Time) {
				if n > 2000 {
					cancel()
				}
			}}, context.Canceled},
		} {
			if r, err := replay.Run(ctx, tt.o); !errors.Is(err, tt.want) || r != nil {
				t.Errorf("%s: %+v, %v, want %v", tt.name, r, err, tt.want)
			}
		}
	})
	if _, err := replay.Run(t.Context(), nil); err == nil {
		t.Error("a run without a judge")
	}
}

// TestDecisions: the window is found wherever it is, also when the clock was set back.
func TestDecisions(t *testing.T) {
	log, err := audit.Open(&audit.Options{Dir: t.TempDir(), SegmentRecords: 7000, Queue: 1 << 16})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	random := rand.New(rand.NewPCG(1, 9))
	var times []time.Time
	var last *audit.Receipt
	for i := range 20_000 {
		moment := weekBegan().Add(time.Duration(i)*time.Minute - time.Duration(random.IntN(600))*time.Minute)
		r := &audit.Record{Version: 1, Kind: audit.Intent, ID: fmt.Sprint(i), Time: moment}
		if i%3 == 0 {
			r.Kind = audit.Outcome
		} else {
			times = append(times, moment)
		}
		text, err := r.Append(nil)
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
	for _, window := range [][2]int{{0, 20_000}, {19_990, 20_000}, {10_000, 10_500}, {3, 4}, {19_000, 40_000}, {-100, 50}} {
		from, to := weekBegan().Add(time.Duration(window[0])*time.Minute), weekBegan().Add(time.Duration(window[1])*time.Minute)
		want := slices.DeleteFunc(slices.Clone(times), func(m time.Time) bool { return m.Before(from) || !m.Before(to) })
		read := 0
		var got []time.Time
		for r, err := range replay.Decisions(t.Context(), log, from, to, func(_, first, size uint64) { read = int(size - first) }) {
			if err != nil {
				t.Fatal(err)
			}
			record, err := audit.Decode(r.Text)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, record.Time)
		}
		if !slices.EqualFunc(got, want, time.Time.Equal) {
			t.Errorf("window %v: %d decisions, want %d", window, len(got), len(want))
		}
		if window[0] > 19_000 && read > 10_000 {
			t.Errorf("window %v: %d records are read", window, read)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range replay.Decisions(ctx, log, time.Time{}, time.Time{}, nil) {
		if err == nil || !strings.Contains(err.Error(), "canceled") {
			t.Errorf("cancelled: %v", err)
		}
	}
}
