// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// tolerance is how far a number may be from that of golden.json.
const tolerance = 0.02

// programsFor finds Node and the real servers, or skips; where everything must run (CI=true) the test fails.
func programsFor(t *testing.T) paths {
	t.Helper()
	if testing.Short() {
		t.Skip("real servers are left out with -short")
	}
	p, err := locate(filepath.Join("..", "npm", "node_modules"))
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatalf("this must not be skipped here: %v", err)
	}
	if err != nil {
		t.Skip(err)
	}
	p.tollgate = os.Getenv("TOLLGATE_BIN")
	return p
}

// started is a bench that ends with the test.
func started(ctx context.Context, t *testing.T, p paths) *bench {
	t.Helper()
	dir, err := folder()
	if err != nil {
		t.Fatal(err)
	}
	b, err := open(ctx, dir, p)
	if err != nil {
		t.Fatal(err, os.RemoveAll(dir))
	}
	t.Cleanup(func() {
		if err := errors.Join(b.close(), os.RemoveAll(dir)); err != nil {
			t.Error(err)
		}
	})
	return b
}

// TestTable does every task in every arm, and holds the numbers against those of golden.json. UPDATE=1 writes them anew.
func TestTable(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	b := started(ctx, t, programsFor(t))
	if missing := unlisted(t, b.sessions["all"]); len(missing) > 0 {
		t.Errorf("the gateway does not list %q", missing)
	}
	rows, err := b.rows(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := table(&out, b, rows); err != nil {
		t.Error(err)
	}
	t.Log("\n" + out.String())
	golden := filepath.Join("testdata", "golden.json")
	if os.Getenv("UPDATE") != "" {
		raw, err := json.MarshalIndent(rows, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, append(raw, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	var want []*row
	if err := json.Unmarshal(raw, &want); err != nil {
		t.Fatal(err)
	}
	if len(want) != len(rows) {
		t.Fatalf("%d arms, want %d", len(rows), len(want))
	}
	for i, r := range rows {
		for j, m := range r.Tasks {
			for _, diff := range differences(m, want[i].Tasks[j]) {
				t.Errorf("%s, %s: %s; UPDATE=1 writes golden.json anew when this is meant", tasks()[j].name, r.Arm, diff)
			}
		}
	}
}

// differences are the numbers of got that are too far from want.
func differences(got, want *measure) []string {
	var out []string
	for _, n := range []struct {
		name      string
		got, want float64
		exact     bool
	}{
		{"turns", float64(got.Turns), float64(want.Turns), true},
		{"input", float64(got.Input), float64(want.Input), false},
		{"output", float64(got.Output), float64(want.Output), false},
		{"peak", float64(got.Peak), float64(want.Peak), false},
		{"cached_eq", got.CachedEq, want.CachedEq, false},
	} {
		allowed := max(3, tolerance*n.want)
		if n.exact {
			allowed = 0
		}
		if math.Abs(n.got-n.want) > allowed {
			out = append(out, n.name+" "+thousands(int(n.got))+" instead of "+thousands(int(n.want)))
		}
	}
	return out
}

// unlisted are the tools of the snapshots that s does not list; of real servers these are what they list today.
func unlisted(t *testing.T, s *session) []string {
	t.Helper()
	have := map[string]bool{}
	for _, tool := range s.tools {
		have[tool.Name] = true
	}
	names, err := catalogNames()
	if err != nil {
		t.Fatal(err)
	}
	var missing []string
	for _, name := range names {
		for _, tool := range toolsOf(t, name) {
			if full := name + "__" + tool; !have[full] {
				missing = append(missing, full)
			}
		}
	}
	return missing
}

func toolsOf(t *testing.T, name string) []string {
	t.Helper()
	raw, err := catalog(name)
	if err != nil {
		t.Fatal(err)
	}
	var list struct{ Tools []struct{ Name string } }
	if err := json.Unmarshal(raw, &list); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, tool := range list.Tools {
		out = append(out, tool.Name)
	}
	return out
}

// TestCatalogs pins the snapshots: with others the numbers of the table mean something else.
func TestCatalogs(t *testing.T) {
	pins := map[string]string{
		"everything": "03e47cb8ec627fb38af5a313beb3e691e4ff500b0f4f54748b032780322cf79f", "filesystem": "406bf403496e7973b8b71609184e25f7bcc9f2261d03607032c2b6b8bf63c6bd",
		"firecrawl": "834b6a324b5030e9e716808aea0c0db470fd7104dc4c4598c54223abd4550377", "github": "f9c8cd6ceecea77cb93d7d207a4ef7d234a848433650bb5fe0be7740f4073bee",
		"gitlab": "6f13ab6a2eb0d992cb9862040d8b45c2bdf4ff90d5362459b80a85803a83edc9", "memory": "66fd82a5c5a416b813d805114ba4b92b9895c22d963a8670254dfcf7bf5142cb",
		"mongodb": "2dfa87a720f0a11455d0740ded94d707f52dda4f2c0c4b4df614d310dda4c5b7", "notion": "eebcffb201a013b078c9dc5e51c22c8d71b265a11462351651ce201ff92206f2",
		"playwright": "3136352f58d8736ae2b63a05d874c27fee8ef5d5d01dc47c514853fc48979354", "sentry": "2340be95c852452332c194593f5ea1fc15e95416c97b1a82c9de3e21a5f91552",
		"sequentialthinking": "6508ec93fdccf46069f1d3b1a90e1401fac109e50cc55931f670ae6d46110777", "slack": "7e4ffbece4f32df409e6808a45835d24f4a6a33d3095bbf167954978f91c229b",
	}
	names, err := catalogNames()
	if err != nil {
		t.Fatal(err)
	}
	if len(names) != len(pins) {
		t.Errorf("%d catalogs, want %d", len(names), len(pins))
	}
	total := 0
	for _, name := range names {
		raw, err := catalog(name)
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(raw); hex.EncodeToString(sum[:]) != pins[name] {
			t.Errorf("catalog %s has hash %x, not %s", name, sum, pins[name])
		}
		total += len(toolsOf(t, name))
	}
	if total != 291 {
		t.Errorf("%d tools, want 291", total)
	}
}

// TestTranscript follows a conversation of three turns by hand.
func TestTranscript(t *testing.T) {
	c, err := newCounter()
	if err != nil {
		t.Fatal(err)
	}
	words := func(n int) string { return strings.Repeat(" hello", n) } // one token each
	tr := &transcript{counter: c}
	tr.reads(definitions, words(100))
	tr.reads(prompt, words(10))
	tr.writes(words(5)) // reads 110
	tr.reads(results, words(50))
	tr.writes(words(7)) // reads 165, 55 of it new
	tr.reads(results, words(20))
	tr.writes(words(9)) // reads 192, 27 of it new
	if tr.err != nil {
		t.Fatal(tr.err)
	}
	want := measure{
		Turns: 3, Input: 110 + 165 + 192, Output: 21, Peak: 201,
		CachedEq: 1.25*110 + 0.1*110 + 1.25*55 + 0.1*165 + 1.25*27,
		Parts:    [parts]int{prompt: 30, definitions: 300, calls: 5 + 12, results: 50 + 70},
	}
	got := tr.measure
	if math.Abs(got.CachedEq-want.CachedEq) > 1e-6 {
		t.Errorf("cached %v, want %v", got.CachedEq, want.CachedEq)
	}
	got.CachedEq = want.CachedEq
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	sum := &measure{}
	sum.add(&want)
	sum.add(&measure{Turns: 1, Input: 1, Output: 2, Peak: 3})
	if sum.Turns != 4 || sum.Input != want.Input+1 || sum.Peak != 201 || sum.Output != 23 {
		t.Errorf("the sum is %+v", sum)
	}
}

// TestSavesTooLittle has programs that save 89 %.
func TestSavesTooLittle(t *testing.T) {
	var rows []*row
	for _, a := range arms() {
		r := &row{Arm: a.name}
		for range tasks() {
			m := &measure{Turns: 2, Input: 1000, Output: 10, CachedEq: 500}
			if a.name == headline {
				m.Input = 110
			}
			r.Tasks = append(r.Tasks, m)
		}
		rows = append(rows, r)
	}
	if err := conclude(io.Discard, rows); err == nil || !strings.Contains(err.Error(), "89.0 %") {
		t.Errorf("89 %% is enough: %v", err)
	}
	find(rows, headline).Tasks[0].Input = 10
	if err := conclude(io.Discard, rows); err != nil {
		t.Error(err)
	}
}

// TestHub asks the answers of GitHub's shapes that tasks build on, and that mistakes are told.
func TestHub(t *testing.T) {
	h := newHub()
	if again := newHub(); again.commits[0].SHA != h.commits[0].SHA || again.commits[9].Stats.Total != h.commits[9].Stats.Total || again.repos[3].FullName != h.repos[3].FullName {
		t.Error("the history is not the same every time")
	}
	for _, x := range []struct {
		tool, in, want string
		failed         bool
	}{
		{"list_commits", `{"owner":"acme","repo":"rocket","perPage":1,"fields":["sha"]}`, `[{"sha":"` + h.commits[0].SHA + `"}]`, false},
		{"get_commit", `{"owner":"acme","repo":"rocket","sha":"` + h.commits[1].SHA + `"}`, `"stats":{"additions":`, false},
		{"get_commit", `{"owner":"acme","repo":"rocket","sha":"0"}`, "422", true},
		{"list_commits", `{"owner":"acme","repo":"other"}`, "404", true},
		{"create_issue", `{}`, "only listed", true},
		{"search_repositories", `{"query":"mcp","perPage":2}`, `"total_count":30`, false},
	} {
		got, failed := h.answer(x.tool, json.RawMessage(x.in))
		if failed != x.failed || !strings.Contains(got, x.want) {
			t.Errorf("%s %s: failed %t: %.200s", x.tool, x.in, failed, got)
		}
	}
	if !slices.IsSortedFunc(h.commits, func(a, b commit) int { return b.Commit.Author.Date.Compare(a.Commit.Author.Date) }) {
		t.Error("the last commit is not the first of the list")
	}
}
