// SPDX-License-Identifier: Apache-2.0

package clientconfig

import (
	"fmt"
	"strings"
	"testing"

	"tollgate/cmd/internal/config"
)

// TestMergeGolden merges "input" into "existing" of each testdata/merge/*.txtar.
func TestMergeGolden(t *testing.T) {
	eachArchive(t, "merge", func(t *testing.T, path string, a *archive) {
		r, err := Import([]byte(a.section("input")), &ImportOptions{OS: "linux"})
		if err != nil {
			t.Fatal(err)
		}
		existing := a.section("existing")
		merged, notes, err := Merge("tollgate.yaml", []byte(existing), r)
		if err != nil {
			a.golden(t, path, "want", fmt.Sprintf("error: %v\n", err))
			return
		}
		keepsLines(t, existing, string(merged))
		got := string(merged)
		for _, n := range notes {
			got += fmt.Sprintf("== %s: %s: %s\n", n.Kind, n.Upstream, n.Text)
		}
		a.golden(t, path, "want", got)
		again, _, err := Merge("tollgate.yaml", merged, r)
		if err != nil || string(again) != string(merged) {
			t.Errorf("merging twice is not the same as once: %v\n%s", err, again)
		}
	})
}

// keepsLines checks that the lines of the old text are those of the new one, in order, with others between them.
func keepsLines(t *testing.T, before, after string) {
	t.Helper()
	lines := strings.Split(strings.ReplaceAll(before, "upstreams: [] #", "upstreams: #"), "\n")
	for _, l := range strings.Split(after, "\n") {
		if len(lines) > 0 && l == lines[0] {
			lines = lines[1:]
		}
	}
	if len(lines) > 1 || len(lines) == 1 && lines[0] != "" {
		t.Errorf("lines were changed or lost, from %q on:\n%s", lines[0], after)
	}
}

func TestMergeIntoTemplate(t *testing.T) {
	r, err := Import([]byte(`{"mcpServers": {"a": {"command": "x"}}}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	merged, _, err := Merge("tollgate.yaml", config.InitTemplate(), r)
	if err != nil {
		t.Fatal(err)
	}
	keepsLines(t, string(config.InitTemplate()), string(merged))
	if !strings.Contains(string(merged), "    timeout: 30s\nupstreams:\n  - name: a\n    command: x\n\n# What each role") {
		t.Fatalf("merged:\n%s", merged)
	}
}

func TestMergeKeepsLineEnds(t *testing.T) {
	r, err := Import([]byte(`{"mcpServers": {"a": {"command": "x"}}}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	merged, _, err := Merge("tollgate.yaml", []byte("upstreams:\r\n  - name: b\r\n    command: y\r\nversion: 1\r\n"), r)
	if err != nil {
		t.Fatal(err)
	}
	if want := "upstreams:\r\n  - name: b\r\n    command: y\r\n  - name: a\r\n    command: x\r\nversion: 1\r\n"; string(merged) != want {
		t.Fatalf("merged: %q", merged)
	}
}

// FuzzImport holds that nothing makes Import panic, that its fragment is a valid file, and that merging it into a file keeps
// what is there.
func FuzzImport(f *testing.F) {
	for _, text := range importInputs(f) {
		f.Add([]byte(text))
	}
	f.Add([]byte(`{"mcpServers":{"a":{"command":"${HOME}","args":["${A:-${B}}","$"],"env":{"T":"ghp_aaaaaaaaaaaaaaaaaaaaaaaa"}}}}`))
	o := &ImportOptions{OS: "linux", Env: func(string) (string, bool) { return "", false }}
	existing := []byte("upstreams:\n  - name: old\n    command: old-mcp\n# end\nroles:\n  r: {allow: [\"*\"]}\n")
	f.Fuzz(func(t *testing.T, data []byte) {
		checkImport(t, data, o, existing)
	})
}

// FuzzImportValue puts one name and one value wherever an entry can hold them.
func FuzzImportValue(f *testing.F) {
	for _, v := range []string{"x", "a b", "${env:A}", "$${", "ghp_aaaaaaaaaaaaaaaaaaaaaaaa", "a\nb", "https://u:p@example.com/x?token=abc#f", "~/x", "Bearer abc", "$A", "${file:../x}", "\u2028", "${keyring:a/b}$${env:X}$"} {
		f.Add("name", v)
		f.Add(v, v)
	}
	f.Fuzz(func(t *testing.T, name, value string) {
		server := func(pairs ...any) *object {
			o := newObject()
			for i := 0; i < len(pairs); i += 2 {
				o.put(pairs[i].(string), pairs[i+1])
			}
			return o
		}
		values := server(name, value)
		file := server("mcpServers", server(
			name, server("command", value, "args", []any{value, name, "--" + name + "=" + value, name + ": " + value}, "env", values, "cwd", value),
			name+"2", server("url", value, "headers", values, "timeout", value, "includeTools", []any{value}),
			name+"3", server("httpUrl", "https://example.com/"+value, "headers", values, "type", name)))
		data, err := file.MarshalJSON()
		if err != nil {
			t.Skip()
		}
		for _, goos := range []string{"linux", "windows"} {
			checkImport(t, data, &ImportOptions{OS: goos, Env: func(string) (string, bool) { return value, true }}, []byte("version: 1\n"))
		}
	})
}

// checkImport holds what is true of every import.
func checkImport(t *testing.T, data []byte, o *ImportOptions, existing []byte) {
	t.Helper()
	r, err := Import(data, o)
	if err != nil {
		return
	}
	fragment := Fragment(r)
	c, err := config.Parse("tollgate.yaml", fragment, &config.Options{Unresolved: true})
	if err != nil || len(c.Upstreams) != len(r.Upstreams) {
		t.Fatalf("the fragment is not valid: %v\n%s", err, fragment)
	}
	for i := range c.Upstreams {
		got, want := &c.Upstreams[i], r.Upstreams[i]
		if got.Name != want.Name || got.URL.Written() != want.URL || len(got.Args) != len(want.Args) {
			t.Fatalf("upstream %d came out as %+v, want %+v", i, got, want)
		}
		for j, a := range got.Args {
			if a.Written() != want.Args[j] {
				t.Fatalf("argument %d came out as %q, want %q", j, a.Written(), want.Args[j])
			}
		}
	}
	merged, _, err := Merge("tollgate.yaml", existing, r)
	if err != nil {
		t.Fatalf("merge: %v", err)
	}
	if !strings.HasPrefix(string(merged), strings.SplitAfter(string(existing), "\n")[0]) {
		t.Fatalf("the old text changed:\n%s", merged)
	}
}
