// SPDX-License-Identifier: Apache-2.0

package export

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"tollgate/store/audit"
)

// testOptions are of a log whose events do not change.
func testOptions(f Format) *Options {
	return &Options{Format: f, Origin: "tollgate/0123456789abcdef", Key: "tollgate/0123456789abcdef+00000000+AAAA", Version: "v1.2.3"}
}

func testTime() time.Time { return time.Date(2026, 11, 25, 8, 30, 0, 123456789, time.UTC) }

func testLabels() *audit.Labels {
	return &audit.Labels{
		Org: "acme", Team: "growth", User: "alice@example.com", Key: "3kTq0XbA", Upstream: "orders", Kind: "tool", Tool: "list_orders",
		Name: "orders__list_orders", Origin: "mcp",
	}
}

// everyKind is one record of each kind, and some of the ends that formats tell apart.
func everyKind() []*audit.Record {
	now, of := testTime(), testLabels()
	input := json.RawMessage(`{"version":1,"action":"call","arguments":{"query":"<tea> & \u2028","limit":10,"price":1.50},` +
		`"client":{"name":"desk","version":"2.0"},"source_ip":"192.0.2.7"}`)
	return []*audit.Record{
		{Kind: audit.Start, ID: "START1", Node: "host-1", Unclean: true, Orphans: 2},
		{Kind: audit.Intent, ID: "CALL1", Node: "host-1", Class: audit.Strict, Of: of, Input: input, Arguments: &audit.Arguments{Level: audit.LevelFull},
			Revision: "r1", Reason: "month end", Method: "tools/call",
			Reserve: &audit.Reserve{Cost: 10_000_000, Charges: []audit.AccountRef{{Budget: "b1", Account: "acme/growth"}}, Leased: true},
			Script:  &audit.Script{Execution: "CALL0", Program: "abcd", Seq: 3}},
		{Kind: audit.Outcome, ID: "CALL1", Class: audit.Strict, Of: of, End: "answered", Bytes: 4096, Result: "ab12", Began: now, Cost: 7_500_000, Overrun: 5, Micros: 1234},
		{Kind: audit.Outcome, ID: "CALL2", Of: of, End: "upstream_failed", Error: "connection reset", Began: now},
		{Kind: audit.Outcome, ID: "CALL3", Of: of, End: "lost", Cost: 10_000_000, Began: now},
		{Kind: audit.Outcome, ID: "CALL4", Of: of, End: "task", Open: true, Began: now},
		{Kind: audit.Refusal, ID: "CALL5", Of: of, Input: input, Arguments: &audit.Arguments{Level: audit.LevelFull}, End: "refused", Code: "budget_exceeded",
			Rule: "budget team-month", Sentence: "the budget team-month has $0.00 left", Detail: "acme/growth", Retry: 1500, Method: "tools/call", Revision: "r1"},
		{Kind: audit.Refusal, ID: "CALL6", Of: &audit.Labels{User: "mallory", Kind: "resource", Tool: "file:///etc/x", Name: "file:///etc/x", Origin: "rest"},
			End: "unknown", Code: "hidden", Method: "resources/read"},
		{Kind: audit.Refusal, ID: "CALL7", Of: of, End: "gateway_failed", Code: "ledger_unavailable", Method: "tools/call"},
		{Kind: audit.Admin, ID: "ADMIN1", Action: "budget.raise", Actor: "local:root", Target: "team-month", Reason: "launch", Details: json.RawMessage(`{"raise":"$5.00"}`)},
		{Kind: audit.Admin, ID: "ADMIN2", Action: "act_as.refused", Actor: "bot", Target: "alice@example.com", Details: json.RawMessage(`{"role":"admin"}`)},
		{Kind: audit.Lease, ID: "LEASE1", Lease: &audit.LeaseChange{Action: audit.LeaseCharge, Of: audit.AccountRef{Budget: "b1", Account: "acme/growth"}, Amount: 250_000_000}},
		{Kind: audit.Shadow, ID: "CALL1", Of: of, Action: "would_refuse", Sentence: "role clerk", Revision: "r2"},
		{Kind: audit.Replay, ID: "CALL8", Of: of, Target: "CALL1", Method: "tools/call"},
		{Kind: "weather", ID: "NEW1", Details: json.RawMessage(`{"sun":12345678901234567890}`)},
		{Kind: audit.Stop, ID: "STOP1"},
	}
}

// stored gives records their places and times.
func stored(t testing.TB, records ...*audit.Record) []audit.Stored {
	t.Helper()
	var all []audit.Stored
	for i, r := range records {
		r.Version = 1
		if r.Time.IsZero() {
			r.Time = testTime().Add(time.Duration(i) * time.Second)
		}
		text, err := r.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, audit.Stored{Seq: uint64(i), Text: text})
	}
	return all
}

// exported is what an export of records is.
func exported(t testing.TB, o *Options, all []audit.Stored) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := New(&out, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		if err := w.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
