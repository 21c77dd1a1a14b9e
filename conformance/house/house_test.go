// SPDX-License-Identifier: Apache-2.0

package house

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"
)

// rule is one thing that holds everywhere. Snippets are trees in txtar form.
type rule struct {
	name  string
	check func(t *tree) []finding
	bad   []string // each gives at least one finding
	good  []string // none gives any
}

func rules() []rule {
	return slices.Concat(layoutRules(), importRules(), sizeRules(), formRules(), moduleRules(), textRules(), linkRules())
}

// TestRules shows of every rule that it finds what it should, and then holds the repository to it.
func TestRules(t *testing.T) {
	whole := repository(t)
	for _, r := range rules() {
		t.Run(r.name, func(t *testing.T) {
			if len(r.bad) == 0 || len(r.good) == 0 {
				t.Fatal("this rule cannot be seen to work: give it a bad and a good snippet")
			}
			for _, s := range r.bad {
				if len(r.check(snippet(t, s))) == 0 {
					t.Errorf("this should break the rule and does not:\n%s", s)
				}
			}
			for _, s := range r.good {
				for _, f := range r.check(snippet(t, s)) {
					t.Errorf("this should keep the rule: %s\n%s", f, s)
				}
			}
			for _, f := range r.check(whole) {
				t.Error(f)
			}
		})
	}
}

// repository reads the tree that this test belongs to.
func repository(t *testing.T) *tree {
	t.Helper()
	root := moduleRoot(t)
	got, err := readTree(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	if got.find("conformance/house/house_test.go") == nil || len(got.goFiles()) < 100 {
		t.Fatalf("%s does not look like the repository", root)
	}
	return got
}

func moduleRoot(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Dir(filepath.Dir(dir))
}

func snippet(t *testing.T, text string) *tree {
	t.Helper()
	fsys := fstest.MapFS{}
	for _, f := range txtar.Parse([]byte(text)).Files {
		fsys[f.Name] = &fstest.MapFile{Data: f.Data}
	}
	got, err := readTree(fsys)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if len(got.files) == 0 {
		t.Fatalf("a snippet without files:\n%s", text)
	}
	return got
}

func TestIgnoredFiles(t *testing.T) {
	got := snippet(t, "-- .gitignore --\nnode_modules/\n/tollgate\n*.prof\n-- tollgate --\nx\n-- cmd/tollgate/a.txt --\nx\n-- c/node_modules/a --\nx\n-- cpu.prof --\nx\n")
	var names []string
	for _, f := range got.files {
		names = append(names, f.path)
	}
	if !slices.Equal(names, []string{".gitignore", "cmd/tollgate/a.txt"}) || !slices.Equal(got.top, []string{".gitignore", "c", "cmd"}) {
		t.Fatalf("files %q, top %q", names, got.top)
	}
}
