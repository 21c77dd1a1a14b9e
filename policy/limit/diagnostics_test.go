// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"tollgate/policy"
)

var update = flag.Bool("update", false, "rewrite the wanted diagnostics in testdata")

// TestDiagnostics compiles the rules of each archive (one JSON object a line),
// checks them against its tools (a name and a schema a line), and compares all
// that is said.
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
			var tools []Tool
			var want *txtar.File
			for i, f := range archive.Files {
				switch f.Name {
				case "rules":
					rules = readRules(t, f.Data)
				case "tools":
					tools = readTools(f.Data)
				case "want":
					want = &archive.Files[i]
				}
			}
			got := strings.ReplaceAll(diagnose(t, rules, tools).Error(), "\t", "  ") + "\n"
			if *update {
				want.Data = []byte(got)
				if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(want.Data), got); diff != "" {
				t.Errorf("diagnostics (-want +got):\n%s", diff)
			}
		})
	}
}

func diagnose(t *testing.T, rules []Rule, tools []Tool) Mistakes {
	t.Helper()
	s, err := Compile(rules)
	var found Mistakes
	if err != nil && !errors.As(err, &found) {
		t.Fatalf("Compile: %v, want Mistakes", err)
	}
	if err == nil {
		found = s.CheckTools(tools)
	}
	return found
}

func readRules(t *testing.T, text []byte) []Rule {
	t.Helper()
	var rules []Rule
	count := map[string]int{}
	for line := range bytes.Lines(text) {
		var r Rule
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		r.Index = count[r.Role]
		count[r.Role]++
		rules = append(rules, r)
	}
	return rules
}

func readTools(text []byte) []Tool {
	var tools []Tool
	for line := range bytes.Lines(text) {
		name, schema, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
		upstream, original, _ := strings.Cut(name, "__")
		o := &policy.Object{Kind: "tool", Name: name, Upstream: upstream, OriginalName: original}
		tools = append(tools, Tool{o, []byte(schema)})
	}
	return tools
}
