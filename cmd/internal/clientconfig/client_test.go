// SPDX-License-Identifier: Apache-2.0

package clientconfig

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"tollgate/cmd/internal/config"
)

// importInputs are the inputs of the golden files.
func importInputs(t testing.TB) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", "import", "*.txtar"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	var all []string
	for _, path := range paths {
		all = append(all, readArchive(t, path).section("input"))
	}
	return all
}

// TestRenderGolden writes the entry of every client in both modes, for each operating system.
func TestRenderGolden(t *testing.T) {
	for _, name := range Clients() {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			for _, mode := range []Mode{ModeStdio, ModeHTTP} {
				o := &RenderOptions{Mode: mode, Command: "/usr/local/bin/tollgate", ConfigFile: `/etc/tollgate/it's "here".yaml`, OS: "linux"}
				e, err := Render(name, o)
				if err != nil {
					t.Fatal(err)
				}
				fmt.Fprintf(&b, "== %s, %s\n%s", e.Title, mode, e.Text)
				if e.Note != "" {
					fmt.Fprintf(&b, "== note: %s\n", e.Note)
				}
			}
			for _, goos := range []string{"linux", "darwin", "windows"} {
				files, err := Locations(name, goos)
				if err != nil {
					t.Fatal(err)
				}
				fmt.Fprintf(&b, "== %s: %s\n", goos, strings.Join(files, ", "))
			}
			path := filepath.Join("testdata", "client", name+".txtar")
			a := &archive{}
			if !*update {
				a = readArchive(t, path)
			}
			a.golden(t, path, "want", b.String())
		})
	}
}

// TestRenderRoundTrip imports what was rendered: it must be one upstream that reaches the gateway as asked.
func TestRenderRoundTrip(t *testing.T) {
	for _, name := range Clients() {
		for _, mode := range []Mode{ModeStdio, ModeHTTP} {
			e, err := Render(name, &RenderOptions{Name: "gateway", Mode: mode, URL: "https://mcp.example.com/mcp?a=1&b=<2>", ConfigFile: "/etc/t.yaml"})
			if err != nil {
				t.Fatal(err)
			}
			r, err := Import([]byte(e.Text), &ImportOptions{Format: Format(name)})
			if err != nil || len(r.Upstreams) != 1 {
				t.Errorf("%s %s: %v, %+v", name, mode, err, r)
				continue
			}
			u := r.Upstreams[0]
			bridge := mode == ModeHTTP && name == string(FormatClaudeDesktop)
			switch {
			case bridge && (u.Command != "tollgate" || u.Args[0] != "connect" || u.Args[1] != "https://mcp.example.com/mcp?a=1&b=<2>"),
				mode == ModeStdio && (u.Command != "tollgate" || strings.Join(u.Args, " ") != "stdio --config /etc/t.yaml"),
				mode == ModeHTTP && !bridge && (u.URL != "https://mcp.example.com/mcp?a=1&b=<2>" || !strings.HasPrefix(u.Headers["Authorization"], "Bearer ") || u.Transport != ""):
				t.Errorf("%s %s: %+v", name, mode, u)
			}
		}
	}
}

func TestRenderRefuses(t *testing.T) {
	tests := []struct {
		client string
		o      RenderOptions
		want   string
	}{
		{"clade-code", RenderOptions{}, `unknown client "clade-code"; known: claude-desktop, claude-code, cursor, vscode, windsurf, zed, codex, gemini, goose, lmstudio, jetbrains (did you mean "claude-code"?)`},
		{"cursor", RenderOptions{Mode: "htp"}, `unknown mode "htp"; known: stdio, http (did you mean "http"?)`},
		{"cursor", RenderOptions{Name: "a b"}, `"a b" is not a valid name for an entry: use letters, digits, "-" and "_"`},
		{"cursor", RenderOptions{KeyVariable: "A-B"}, `"A-B" is not the name of a variable`},
	}
	for _, tt := range tests {
		if _, err := Render(tt.client, &tt.o); err == nil || err.Error() != tt.want {
			t.Errorf("%s %+v: %v\nwant %s", tt.client, tt.o, err, tt.want)
		}
	}
}

// TestEntryMergeGolden adds entries to "existing" of each testdata/entry/*.txtar. The comment is "client mode".
func TestEntryMergeGolden(t *testing.T) {
	eachArchive(t, "entry", func(t *testing.T, path string, a *archive) {
		words := strings.Fields(a.comment)
		e, err := Render(words[0], &RenderOptions{Mode: Mode(words[1]), OS: "linux"})
		if err != nil {
			t.Fatal(err)
		}
		merged, err := e.Merge([]byte(a.section("existing")))
		if err != nil {
			a.golden(t, path, "want", fmt.Sprintf("error: %v\n", err))
			return
		}
		a.golden(t, path, "want", string(merged))
		again, err := e.Merge(merged)
		if err != nil || string(again) != string(merged) {
			t.Errorf("merging twice is not the same as once: %v\n%s", err, again)
		}
	})
}

func TestEntryMergeEmptyFile(t *testing.T) {
	e, err := Render("cursor", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := e.Merge([]byte(" \n")); err != nil || string(got) != e.Text {
		t.Fatalf("%q, %v", got, err)
	}
}

func TestExpandLocation(t *testing.T) {
	env := func(name string) (string, bool) {
		v, ok := map[string]string{"HOME": "/home/me/", "APPDATA": `C:\Users\me\AppData`}[name]
		return v, ok
	}
	for in, want := range map[string]string{
		"~/.cursor/mcp.json": "/home/me/.cursor/mcp.json", `%APPDATA%\Claude\x.json`: `C:\Users\me\AppData\Claude\x.json`, ".mcp.json": ".mcp.json",
		`%NONE%\x`: "", "Settings > Tools": "",
	} {
		if got, ok := ExpandLocation(in, env); ok != (want != "") || ok && got != want {
			t.Errorf("ExpandLocation(%q) = %q, %t, want %q", in, got, ok, want)
		}
	}
}

// TestRenderedKeyIsNoSecret holds that what is printed for a user to fill in is recognised as such when it is imported.
func TestRenderedKeyIsNoSecret(t *testing.T) {
	e, err := Render("zed", &RenderOptions{Name: "gateway", Mode: ModeHTTP})
	if err != nil {
		t.Fatal(err)
	}
	r, err := Import([]byte(e.Text), nil)
	if err != nil || len(r.Secrets) != 0 || !r.Upstreams[0].Disabled {
		t.Fatalf("%+v, %v", r, err)
	}
	if _, err := config.Parse("tollgate.yaml", Fragment(r), nil); err != nil {
		t.Fatal(err)
	}
}
