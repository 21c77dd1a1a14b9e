// SPDX-License-Identifier: Apache-2.0

package clientconfig

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"tollgate/cmd/internal/config"
)

// canary is part of every credential in the golden files; no text of the package may show it.
const canary = "CANARY"

// TestImportGolden imports "input" of each testdata/import/*.txtar and compares fragment, notes, secrets and questions. The comment's
// first word is the format, "auto" for none; "file: NAME" in it sets the file name.
func TestImportGolden(t *testing.T) {
	eachArchive(t, "import", func(t *testing.T, path string, a *archive) {
		o := &ImportOptions{OS: "linux", Env: func(name string) (string, bool) {
			if name == "HOME" {
				return "/home/me", true
			}
			return "", false
		}}
		format, _, _ := strings.Cut(a.comment, ":")
		if format != "auto" {
			o.Format = Format(format)
		}
		if _, rest, ok := strings.Cut(a.comment, "file: "); ok {
			o.File, _, _ = strings.Cut(rest, "\n")
		}
		r, err := Import([]byte(a.section("input")), o)
		if err != nil {
			a.golden(t, path, "want", fmt.Sprintf("error: %v\n", err))
			return
		}
		got := describe(r)
		if strings.Contains(got, canary) {
			t.Errorf("a credential is shown:\n%s", got)
		}
		for _, s := range r.Secrets {
			decoded, _ := base64.StdEncoding.DecodeString(s.Value())
			if !strings.Contains(s.Value()+string(decoded), canary) {
				t.Errorf("%s %s was moved, but is no credential: %q", s.Upstream, s.Field, s.Value())
			}
		}
		c, err := config.Parse("tollgate.yaml", Fragment(r), &config.Options{Unresolved: true})
		if err != nil || len(c.Upstreams) != len(r.Upstreams) {
			t.Errorf("the fragment is not valid: %v\n%s", err, Fragment(r))
		}
		a.golden(t, path, "want", got)
	})
}

func describe(r *Result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "format: %s\n%s", r.Format, Fragment(r))
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "%s: %s: %s\n", n.Kind, n.Upstream, n.Text)
		if n.Hint != "" {
			fmt.Fprintf(&b, "  hint: %s\n", n.Hint)
		}
	}
	for _, s := range r.Secrets {
		fmt.Fprintf(&b, "secret: %s %s -> %s %v %+v %#v\n", s.Upstream, s.Field, s.Path, s, s, s)
	}
	for _, in := range r.Inputs {
		fmt.Fprintf(&b, "input: %s %q confidential=%t %s\n", in.ID, in.Description, in.Confidential, in.Reference)
	}
	return b.String()
}

func TestImportAsks(t *testing.T) {
	const file = `{"servers": {"db": {"command": "db-mcp", "args": ["--host", "${input:host}"], "env": {"PASSWORD": "${input:pw}", "REGION": "${input:region}"}}},
		"inputs": [{"id": "host", "type": "promptString"}, {"id": "pw", "type": "promptString", "password": true, "description": "Password"}, {"id": "region", "type": "pickString", "default": "eu"}]}`
	asked := []string{}
	r, err := Import([]byte(file), &ImportOptions{Ask: func(in Input) (string, bool) {
		asked = append(asked, fmt.Sprintf("%s %q %t", in.ID, in.Description, in.Confidential))
		return map[string]string{"host": "db.example.com", "pw": canary}[in.ID], in.ID != "region"
	}})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(asked, "; "); got != `host "" false; pw "Password" true; region "" false` {
		t.Errorf("asked %s", got)
	}
	u := r.Upstreams[0]
	if u.Args[1] != "db.example.com" || u.Env["REGION"] != "eu" || u.Env["PASSWORD"] != "${file:secrets/db.pw}" || len(r.Inputs) != 0 || u.Disabled {
		t.Errorf("upstream = %+v, inputs %v", u, r.Inputs)
	}
	if len(r.Secrets) != 1 || r.Secrets[0].Value() != canary {
		t.Errorf("secrets = %v", r.Secrets)
	}
}

func TestImportBundle(t *testing.T) {
	var data bytes.Buffer
	w := zip.NewWriter(&data)
	f, err := w.Create("manifest.json")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte(`{"manifest_version": "0.3", "name": "files", "server": {"type": "binary", "mcp_config": {"command": "${__dirname}/server", "args": ["--root", "${HOME}"]}}}`)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := Import(data.Bytes(), &ImportOptions{BundleDir: "/opt/files", OS: "linux"})
	if err != nil || r.Format != FormatMCPB || r.Upstreams[0].Command != "/opt/files/server" || r.Upstreams[0].Args[1] != "${env:HOME}" || r.Upstreams[0].Disabled {
		t.Fatalf("%+v, %v", r, err)
	}
	if _, err := Import(data.Bytes()[:40], nil); err == nil {
		t.Error("a broken archive was imported")
	}
}

func TestImportRefuses(t *testing.T) {
	tests := []struct {
		name, data string
		format     Format
		want       string
	}{
		{"empty", "", "", "the file is empty"},
		{"nothing known", `{"a": 1}`, "", "no servers found"},
		{"text", "hello", "", "no servers found"},
		{"broken", "{\"mcpServers\": {\n\"a\" 1}}", "", "not JSON: hujson: line 2, column 5"},
		{"twice", `{"mcpServers": {"a": {"command": "x"}, "a": {"command": "y"}}}`, "", `"a" is there twice`},
		{"deep", `{"mcpServers": ` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`, "", "nested more than"},
		{"format", "{}", "claude-dekstop", `unknown format "claude-dekstop"; known: claude-desktop, claude-code, cursor, vscode, windsurf, zed, codex, gemini, goose, lmstudio, jetbrains, mcpservers, registry, mcpb (did you mean "claude-desktop"?)`},
		{"toml", "a = ", FormatCodex, "not TOML"},
		{"yaml", "a: [", FormatGoose, "not YAML"},
		{"aliases", "extensions: {a: &a {type: stdio, cmd: x}, b: *a}", FormatGoose, "line 1: aliases are not supported"},
		{"manifest", `{"manifest_version": "0.3", "server": {}}`, "", "mcp_config"},
	}
	for _, tt := range tests {
		_, err := Import([]byte(tt.data), &ImportOptions{Format: tt.format})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %q in it", tt.name, err, tt.want)
		}
	}
}

func TestValidName(t *testing.T) {
	for in, want := range map[string]string{
		"github": "github", "GitHub MCP": "GitHub-MCP", "a__b": "a_b", "_x_": "x", "9lives": "s9lives", "": "server", "日本": "server", "@scope/pkg": "scope-pkg",
		"a.b.c": "a-b-c", strings.Repeat("ab-", 20): "ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab", "x_-y": "x_y", "tail_": "tail",
	} {
		if got := ValidName(in); got != want {
			t.Errorf("ValidName(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestWriteSecrets(t *testing.T) {
	dir := t.TempDir()
	secrets := []Secret{{Path: "secrets/a.token", value: "one"}, {Path: "secrets/b.key", value: "line\nline\n"}}
	if err := WriteSecrets(dir, secrets); err != nil {
		t.Fatal(err)
	}
	if err := WriteSecrets(dir, secrets); err != nil {
		t.Fatalf("writing the same again: %v", err)
	}
	const file = "upstreams: [{name: a, command: x, args: ['${file:secrets/a.token}', '${file:secrets/b.key}']}]\n"
	c, err := config.Parse(filepath.Join(dir, "tollgate.yaml"), []byte(file), nil)
	if err != nil || c.Upstreams[0].Args[0].Reveal() != "one" || c.Upstreams[0].Args[1].Reveal() != "line\nline\n" {
		t.Fatalf("the values do not come back: %v", err)
	}
	if runtime.GOOS != "windows" {
		for name, mode := range map[string]os.FileMode{"secrets": 0o700, "secrets/a.token": 0o600} {
			if st, err := os.Stat(filepath.Join(dir, name)); err != nil || st.Mode().Perm() != mode {
				t.Errorf("%s: %v, %v", name, st.Mode(), err)
			}
		}
	}
	err = WriteSecrets(dir, []Secret{{Path: "secrets/new", value: "x"}, {Path: "secrets/a.token", value: canary}})
	if err == nil || !strings.Contains(err.Error(), "secrets/a.token exists") || strings.Contains(err.Error(), canary) {
		t.Errorf("another value: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "secrets", "new")); err == nil {
		t.Error("a part was written although the whole failed")
	}
	if err := WriteSecrets(dir, []Secret{{Path: "../outside", value: "x"}}); err == nil {
		t.Error("a file outside was written")
	}
}
