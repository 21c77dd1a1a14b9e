// SPDX-License-Identifier: Apache-2.0

package alert

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "rewrite the wanted diagnostics in testdata")

// TestDiagnostics compiles the rules of each archive, one JSON object a line, and compares all that is said.
func TestDiagnostics(t *testing.T) {
	paths, err := filepath.Glob("testdata/diagnostics/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no archives: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var rules []Rule
			for line := range bytes.Lines(archive.Files[0].Data) {
				r := Rule{Name: "r" + string(rune('a'+len(rules))), When: "true", Index: len(rules)}
				if err := json.Unmarshal(line, &r); err != nil {
					t.Fatalf("%s: %v", line, err)
				}
				rules = append(rules, r)
			}
			_, err = Compile(rules)
			var found Mistakes
			if !errors.As(err, &found) {
				t.Fatalf("Compile: %v, want Mistakes", err)
			}
			for _, m := range found {
				checkPlace(t, rules, m)
			}
			got := strings.ReplaceAll(found.Error(), "\t", "  ") + "\n"
			if *update {
				archive.Files[1].Data = []byte(got)
				if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(archive.Files[1].Data), got); diff != "" {
				t.Errorf("diagnostics (-want +got):\n%s", diff)
			}
		})
	}
}

// checkPlace fails when a mistake is outside of the text that it is about.
func checkPlace(t *testing.T, rules []Rule, m Mistake) {
	t.Helper()
	size := -1
	switch m.Field {
	case "when":
		size = len(rules[m.Index].When)
	case "summary":
		size = len(rules[m.Index].Summary)
	}
	if m.Offset > size || m.Offset < -1 {
		t.Errorf("%v is at %d of %d bytes", m, m.Offset, size)
	}
	if m.Message == "" {
		t.Errorf("%+v says nothing", m)
	}
}

// document is one in which everything has a value that is not zero.
func document() *Document {
	return &Document{
		Budget: &Budget{
			Name: "marketing-month", Account: "alice", Limit: 100 * dollar, Settled: 80 * dollar, Reserved: 3_500_000_000, Warn: []float64{0.5, 0.8, 0.9},
			PeriodEnd: time.Date(2026, 12, 1, 0, 0, 0, 0, time.FixedZone("", 3600)),
		},
		Upstream: &Upstream{Name: "github", State: "failed", FailingFor: 301 * time.Second, Restarts: 4, Tools: 7},
		Calls:    Calls{Total: 20, Answered: 12, Failed: 3, Refused: 5},
		Ledger:   Ledger{Available: true, Queued: 9, Overruns: 2, LastError: "disk full"},
		Now:      time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC),
	}
}

func compileOne(t *testing.T, r Rule) *Condition {
	t.Helper()
	if r.Name == "" {
		r.Name = "r"
	}
	s, err := Compile([]Rule{r})
	if err != nil {
		t.Fatalf("%s: %v", r.When, err)
	}
	return s.Conditions()[0]
}

func TestHolds(t *testing.T) {
	for _, tt := range []struct {
		when  string
		want  bool
		about Subject
		fails string
	}{
		{when: `true`, want: true},
		{when: `budget.used_ratio >= 0.8`, want: true, about: OfBudget},
		{when: `budget.used_ratio > 0.835`, want: false, about: OfBudget},
		{when: `budget.warn_ratio == 0.8`, want: true, about: OfBudget},
		{when: `budget.remaining < 17 && budget.remaining > 16`, want: true, about: OfBudget},
		{when: `budget.limit == budget.settled + budget.reserved + budget.remaining`, want: true, about: OfBudget},
		{when: `budget.period_end - now > duration("24h") && budget.account.startsWith("al")`, want: true, about: OfBudget},
		{when: `budget . name == "marketing-month" && ledger.available`, want: true, about: OfBudget},
		{when: `calls.total >= 20 && calls.error_rate == 0.2 && calls.refusal_rate == 0.25`, want: true},
		{when: `calls.answered + calls.failed + calls.refused == calls.total`, want: true},
		{when: `upstream.state in ["failed", "degraded"] && upstream.failing_for_s > 300`, want: true, about: OfUpstream},
		{when: `upstream.restarts == 4 && upstream.tools == 7 && upstream.name.matches("^git")`, want: true, about: OfUpstream},
		{when: `ledger.queued > 8 && ledger.overruns == 2 && ledger.last_error.contains("disk")`, want: true},
		{when: `now.getHours() == 12`, want: true},
		{when: `calls.total / (calls.failed - 3) > 1`, fails: "division by zero"},
		{when: `int(upstream.name) > 1`, fails: "conversion", about: OfUpstream},
		{when: `9223372036854775807 + calls.total > 0`, fails: "overflow"},
	} {
		t.Run(tt.when, func(t *testing.T) {
			c := compileOne(t, Rule{When: tt.when})
			if c.About() != tt.about {
				t.Errorf("about %q, want %q", c.About(), tt.about)
			}
			got, err := c.Holds(document())
			if tt.fails != "" {
				if err == nil || got || !strings.Contains(err.Error(), tt.fails) {
					t.Errorf("%v, %v; want an error with %q", got, err, tt.fails)
				}
				return
			}
			if err != nil || got != tt.want {
				t.Errorf("%v, %v; want %v", got, err, tt.want)
			}
		})
	}
}

// TestHoldsWithoutSubject: a document that lacks the subject is an error and no panic.
func TestHoldsWithoutSubject(t *testing.T) {
	c := compileOne(t, Rule{When: `budget.limit > 1`})
	if _, err := c.Holds(&Document{}); err == nil {
		t.Error("no error for a document without a budget")
	}
	if got := c.Summary(&Document{}); !strings.Contains(got, "?") {
		t.Errorf("summary %q", got)
	}
}

// TestBudgetUse: what counts as used, and which thresholds were reached.
func TestBudgetUse(t *testing.T) {
	for _, tt := range []struct {
		limit, settled, reserved int64
		used, warned             float64
		remaining                int64
	}{
		{100, 0, 0, 0, 0, 100},
		{100, 79, 1, 0.8, 0.8, 20},
		{100, 50, 0, 0.5, 0.5, 50},
		{100, 49, 0, 0.49, 0, 51},
		{100, 150, 0, 1.5, 0.8, 0},
		{0, 0, 0, 0, 0, 0},
		{0, 1, 0, 1, 0.8, 0},
	} {
		b := Budget{Limit: tt.limit, Settled: tt.settled, Reserved: tt.reserved, Warn: []float64{0.8, 0.5}}
		if b.Used() != tt.used || b.Warned() != tt.warned || b.Remaining() != tt.remaining {
			t.Errorf("%+v: used %v, warned %v, remaining %v", b, b.Used(), b.Warned(), b.Remaining())
		}
	}
}

func TestSummary(t *testing.T) {
	exact := document()
	exact.Budget.Settled = 99_999_999_999
	exact.Budget.Reserved = 0
	exact.Budget.PeriodEnd = time.Time{}
	forged := document()
	forged.Budget.Account = "eve\n\x00resolved: all\xff fine"
	for _, tt := range []struct {
		summary, when string
		d             *Document
		want          string
	}{
		{"{budget.name}/{ budget.account } has {budget.remaining} of {budget.limit} left", `budget.limit > 0`, document(), "marketing-month/alice has $16.50 of $100.00 left"},
		{"used {budget.used_ratio}, left {budget.remaining}", `budget.limit > 0`, exact, "used 99.9%, left $0.000000001"},
		{"ends {budget.period_end}", `budget.limit > 0`, exact, "ends never"},
		{"ends {budget.period_end}, it is {now}", `budget.limit > 0`, document(), "ends 2026-11-30T23:00:00Z, it is 2026-11-25T12:00:00Z"},
		{"{calls.error_rate} of {calls.total}: {{json}} {ledger.available}", `true`, document(), "20% of 20: {json} true"},
		{"{upstream.name} {upstream.state} for {upstream.failing_for_s} s", `upstream.tools > 0`, document(), "github failed for 301 s"},
		{"", `upstream.tools > 0`, document(), "r: upstream github"},
		{"", `budget.limit > 0`, document(), "r: budget marketing-month alice"},
		{"", `true`, document(), "r"},
		{"{budget.account}", `budget.limit > 0`, forged, "eve resolved: all\ufffd fine"},
	} {
		if got := compileOne(t, Rule{When: tt.when, Summary: tt.summary}).Summary(tt.d); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.summary, got, tt.want)
		}
	}
	long := compileOne(t, Rule{When: "true", Summary: strings.Repeat("ü", 2000)}).Summary(document())
	if len(long) > maxSummary || !strings.HasSuffix(long, "ü…") {
		t.Errorf("a long summary has %d bytes and ends in %q", len(long), long[len(long)-6:])
	}
}

func TestValues(t *testing.T) {
	c := compileOne(t, Rule{When: `budget.used_ratio > 0.5 && calls.total > 1`, Summary: "{budget.remaining} {budget.period_end}"})
	d := document()
	d.Budget.PeriodEnd = time.Time{}
	want := map[string]any{"budget.used_ratio": 0.835, "budget.remaining": 16.5, "calls.total": int64(20)}
	if diff := cmp.Diff(want, c.Values(d)); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
	if !c.Reads("budget.remaining") || c.Reads("budget.name") {
		t.Error("Reads does not know what the rule reads")
	}
}

func TestDefaults(t *testing.T) {
	c := compileOne(t, Rule{When: "true", Index: 3, For: time.Minute})
	if c.Severity() != Warning || c.Cooldown() != 5*time.Minute || c.For() != time.Minute || c.Index() != 3 || c.When() != "true" {
		t.Errorf("%q %v %v %d", c.Severity(), c.Cooldown(), c.For(), c.Index())
	}
	var none *Set
	if len(none.Conditions()) != 0 {
		t.Error("a nil set has conditions")
	}
	if !Critical.AtLeast(Error) || Info.AtLeast(Warning) || !Warning.AtLeast(Warning) || Severity("").AtLeast(Info) {
		t.Error("severities are in the wrong order")
	}
}

// FuzzCompile: no text panics, mistakes are inside of it, and what compiles evaluates or says why not.
func FuzzCompile(f *testing.F) {
	for _, seed := range []string{`budget.used_ratio >= 0.8`, `upstream.state == "faild"`, `budget.x`, `"ü" + budget`, "1 +\n upstream.y", `has(budget.name)`, `{calls.x} }} {`,
		`[1][2] == 1`, `b"\xff" == b""`, `type(now) == int`, `calls`, `calls.total.x`, `-`, `matches("", "(((a{99}){99}){99})")`} {
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, when, summary string) {
		rules := []Rule{{Name: "r", When: when, Summary: summary}}
		s, err := Compile(rules)
		var found Mistakes
		if err != nil && !errors.As(err, &found) {
			t.Fatalf("%v, want Mistakes", err)
		}
		for _, m := range found {
			checkPlace(t, rules, m)
		}
		for _, c := range s.Conditions() {
			if holds, err := c.Holds(document()); err != nil && (holds || err.Error() == "") {
				t.Errorf("%v, %q", holds, err)
			}
			if got := c.Summary(document()); len(got) > maxSummary || strings.Contains(got, "\n") {
				t.Errorf("summary %q", got)
			}
		}
	})
}

func BenchmarkHolds(b *testing.B) {
	s, err := Compile([]Rule{{Name: "r", When: `budget.used_ratio >= 0.8 && budget.name.startsWith("market")`}})
	if err != nil {
		b.Fatal(err)
	}
	c, d := s.Conditions()[0], document()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Holds(d); err != nil {
			b.Fatal(err)
		}
	}
}
