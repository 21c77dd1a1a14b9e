// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// step is one line of the table.
type step struct {
	Op   string          `json:"op"`
	Name string          `json:"name"`
	Args json.RawMessage `json:"args"`
	want []string
}

// readSteps reads the table: the steps for all clients at once, and those that need the gateway for themselves.
func readSteps(t *testing.T, path string, f *fleet) (steps, alone []step) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	calls := map[string]int{}
	for n, line := range strings.Split(string(b), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		cells := strings.Split(strings.ReplaceAll(line, "$FILES", f.files), " | ")
		if len(cells) != 4 {
			t.Fatalf("%s:%d: want 4 columns, got %d", path, n+1, len(cells))
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		s := step{Op: cells[0], Name: cells[1], Args: json.RawMessage(cells[2]), want: strings.Split(cells[3], " & ")}
		if !json.Valid(s.Args) {
			t.Fatalf("%s:%d: the arguments are no JSON", path, n+1)
		}
		if s.Op == "call" {
			calls[s.server()]++
		}
		if op, ok := strings.CutSuffix(s.Op, " alone"); ok {
			s.Op = op
			alone = append(alone, s)
			continue
		}
		steps = append(steps, s)
	}
	for _, u := range f.upstreams {
		if calls[u.name] < 2 {
			t.Errorf("%s: fewer than two calls of %s", path, u.name)
		}
	}
	return steps, alone
}

// someProgress wants the first progress notification only.
func (s step) someProgress() step {
	s.want = slices.Clone(s.want)
	for i, w := range s.want {
		if values, ok := strings.CutPrefix(w, "progress: "); ok {
			first, _, _ := strings.Cut(values, " ")
			s.want[i] = "progress: " + first
		}
	}
	return s
}

// server is the prefix of a displayed name.
func (s step) server() string {
	prefix, _, _ := strings.Cut(s.Name, "__")
	return prefix
}

// firstCalls are the first call of each server.
func firstCalls(steps []step) []step {
	var first []step
	seen := map[string]bool{}
	for _, s := range steps {
		if s.Op == "call" && !seen[s.server()] {
			seen[s.server()] = true
			first = append(first, s)
		}
	}
	return first
}

// missing is the first wanted line that is not in r, "" for none.
func (s step) missing(r looseJSON) string {
	text := r.String()
	for _, w := range s.want {
		if !strings.Contains(text, w) {
			return w
		}
	}
	return ""
}

// looseJSON is a result whichever shape its client gives it; String makes lines "path: value" of it.
type looseJSON json.RawMessage

func (r *looseJSON) UnmarshalJSON(b []byte) error { *r = append((*r)[:0], b...); return nil }

func (r looseJSON) String() string {
	var v any
	if err := json.Unmarshal(r, &v); err != nil {
		return fmt.Sprintf("no JSON (%v): %s", err, []byte(r))
	}
	var b strings.Builder
	flatten(&b, "", v)
	return b.String()
}

func flatten(b *strings.Builder, path string, v any) {
	under := func(key string) string { return strings.TrimPrefix(path+"."+key, ".") }
	switch v := v.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			flatten(b, under(key), v[key])
		}
	case []any:
		if len(v) == 0 {
			fmt.Fprintf(b, "%s: []\n", path)
		}
		for i, e := range v {
			flatten(b, under(fmt.Sprint(i)), e)
		}
	default:
		fmt.Fprintf(b, "%s: %v\n", path, v)
	}
}
