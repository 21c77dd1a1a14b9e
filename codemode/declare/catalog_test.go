// SPDX-License-Identifier: Apache-2.0

package declare

import (
	"compress/gzip"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

// catalogs is where the answers to tools/list of twelve servers in common use are.
const catalogs = "../../conformance/tokens/testdata/catalogs"

func catalogNames(tb testing.TB) []string {
	tb.Helper()
	paths, err := filepath.Glob(filepath.Join(catalogs, "*.json.gz"))
	if err != nil || len(paths) != 12 {
		tb.Fatalf("%d catalogs: %v", len(paths), err)
	}
	var out []string
	for _, path := range paths {
		out = append(out, strings.TrimSuffix(filepath.Base(path), ".json.gz"))
	}
	return out
}

func catalog(tb testing.TB, name string) *Server {
	tb.Helper()
	f, err := os.Open(filepath.Join(catalogs, name+".json.gz"))
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		tb.Fatal(err)
	}
	var list struct {
		Tools []struct {
			Name, Title, Description  string
			InputSchema, OutputSchema json.RawMessage
			Annotations               struct{ ReadOnlyHint, DestructiveHint *bool }
		}
	}
	if err := json.NewDecoder(z).Decode(&list); err != nil {
		tb.Fatal(err)
	}
	s := &Server{Name: name}
	for _, t := range list.Tools {
		s.Tools = append(s.Tools, Tool{
			Name: t.Name, Title: t.Title, Description: t.Description, Input: t.InputSchema, Output: t.OutputSchema,
			ReadOnly: t.Annotations.ReadOnlyHint, Destructive: t.Annotations.DestructiveHint,
		})
	}
	return s
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got)\n%s", path, diff)
	}
}

// TestCatalogs: the declarations of 291 real tools. The full ones are shown for the smaller servers; a hash would not say
// what changed, and the large ones have nothing that these have not.
func TestCatalogs(t *testing.T) {
	tools, full, compact, size := 0, 0, 0, 0
	for _, name := range catalogNames(t) {
		s := catalog(t, name)
		f, c := Full(s), Compact(s)
		for i := range s.Tools {
			size += len(s.Tools[i].Description) + len(s.Tools[i].Input) + len(s.Tools[i].Output)
		}
		tools, full, compact = tools+len(s.Tools), full+len(f), compact+len(c)
		golden(t, filepath.Join("testdata", name+".compact.d.ts"), c)
		if len(f) < 16<<10 {
			golden(t, filepath.Join("testdata", name+".d.ts"), f)
		}
		for i, member := range Members(memberNames(s)) {
			if one := One(s.Name, member, &s.Tools[i], true); !strings.Contains(one, s.Name+"."+member+"(") {
				t.Errorf("%s is not callable in %s", member, one)
			}
		}
	}
	t.Logf("%d tools: schemas and descriptions %d bytes, full %d, compact %d", tools, size, full, compact)
	if tools != 291 || full > size*8/10 || compact > size/3 {
		t.Errorf("%d tools, full %d and compact %d of %d bytes", tools, full, compact, size)
	}
}

func memberNames(s *Server) []string {
	var out []string
	for _, t := range s.Tools {
		out = append(out, t.Name)
	}
	return out
}

func BenchmarkGitHub(b *testing.B) {
	s := catalog(b, "github")
	for name, f := range map[string]func(*Server) string{"full": Full, "compact": Compact} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if f(s) == "" {
					b.Fatal("nothing")
				}
			}
		})
	}
}
