// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"errors"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "rewrite the wanted diagnostics in testdata")

// TestDiagnostics loads the policy files of each archive beside the shipped
// policy ("-- shipped -- no": without it) and compares all that is said.
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
			modules, want := shipped(t, nil), (*txtar.File)(nil)
			for i, f := range archive.Files {
				switch f.Name {
				case "want":
					want = &archive.Files[i]
				case "shipped":
					clear(modules)
				default:
					maps.Copy(modules, map[string]string{f.Name: string(f.Data)})
				}
			}
			_, err = Load(t.Context(), &Options{Modules: modules})
			var diags Diagnostics
			if !errors.As(err, &diags) {
				t.Fatalf("Load: %v, want Diagnostics", err)
			}
			got := strings.ReplaceAll(diags.Error(), "\t", "  ") + "\n"
			if strings.Contains(got, "__local") {
				t.Errorf("names that nobody wrote:\n%s", got)
			}
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
