// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// writeFiles fills a new directory. Names may have slashes.
func writeFiles(t *testing.T, files map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, data := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// single is the only diagnostic of an error.
func single(t *testing.T, err error) Diagnostic {
	t.Helper()
	ds, ok := errors.AsType[Diagnostics](err)
	if !ok || len(ds) != 1 {
		t.Fatalf("error = %v (%T), want one diagnostic", err, err)
	}
	return ds[0]
}

func TestLoadResolves(t *testing.T) {
	dir := writeFiles(t, map[string]string{
		"tollgate.yaml": `
upstreams:
  - name: jira
    command: bin/jira
    args: ["--token=${file:secrets/jira}", "$${x}", "${env:N}"]
    env: {A: "${keyring:tollgate/jira}", B: plain}
  - {name: docs, command: npx, dir: work}
  - {name: gh, url: "https://api.example.com/${env:N}", headers: {Authorization: "Bearer ${file:secrets/gh}"}}
policy: {files: [policy, "more/*.rego"]}
state_dir: state
`,
		"secrets/jira":          "one\n",
		"secrets/gh":            "two\r\n",
		"policy/a.rego":         "package a",
		"policy/a_test.rego":    "package a",
		"policy/README":         "",
		"more/b.rego":           "package b",
		"unrelated/secret.rego": "package c",
	})
	c, err := Load(filepath.Join(dir, "tollgate.yaml"), &Options{
		Env:     func(name string) (string, bool) { return "${env:N}" + name, true },
		Keyring: func(service, user string) (string, error) { return service + "-" + user, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	got := []Resolved{c.Upstreams[0].Reveal(), c.Upstreams[1].Reveal(), c.Upstreams[2].Reveal()}
	want := []Resolved{
		{Args: []string{"--token=one", "${x}", "${env:N}N"}, Env: map[string]string{"A": "tollgate-jira", "B": "plain"}},
		{},
		{URL: "https://api.example.com/${env:N}N", Headers: map[string]string{"Authorization": "Bearer two"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("resolved (-want +got):\n%s", diff)
	}
	paths := []string{c.Upstreams[0].Command, c.Upstreams[1].Command, c.Upstreams[1].Dir, c.StateDir}
	if want := []string{filepath.Join(dir, "bin", "jira"), "npx", filepath.Join(dir, "work"), filepath.Join(dir, "state")}; !slices.Equal(paths, want) {
		t.Errorf("paths = %q, want %q", paths, want)
	}
	rego, err := c.PolicyFiles()
	if want := []string{filepath.Join(dir, "more", "b.rego"), filepath.Join(dir, "policy", "a.rego")}; err != nil || !slices.Equal(rego, want) {
		t.Errorf("PolicyFiles = %q, %v, want %q", rego, err, want)
	}
	wantFiles := []string{"tollgate.yaml", "more", "policy", "secrets/gh", "secrets/jira"}
	for i, f := range wantFiles {
		wantFiles[i] = filepath.Join(dir, filepath.FromSlash(f))
	}
	if !slices.Equal(c.Files(), wantFiles) {
		t.Errorf("Files = %q, want %q", c.Files(), wantFiles)
	}
}

// TestConfigNeverPrintsSecrets is invariant "upstream secrets never travel into logs": whatever prints a Config shows neither
// resolved nor literal values.
func TestConfigNeverPrintsSecrets(t *testing.T) {
	c, err := Parse("tollgate.yaml", []byte(`
upstreams:
  - {name: a, command: x, args: [literal-canary], env: {T: "${env:T}"}}
  - {name: b, url: "https://api.example.com/?k=literal-canary", headers: {Authorization: "Bearer ${env:T}"}}
policy: {bundle: {url: "https://b.example.com/?k=literal-canary", headers: {Authorization: "Bearer ${env:T}"}}}
audit: {checkpoints: {webhook: "https://c.example.com/literal-canary"}}
alerts: {sinks: [{name: a, type: webhook, url: "https://d.example.com/literal-canary", secret: "${env:T}"}, {name: b, type: pagerduty, routing_key: literal-canary}]}
`), &Options{Env: func(string) (string, bool) { return "resolved-canary", true }})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, "%v %+v %#v %x %q", c, *c, c, c.Upstreams[0].Args[0], c.Upstreams[0].Env["T"])
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "config", c, "secret", c.Upstreams[0].Args[0])
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "config", c, "secret", c.Upstreams[0].Args[0])
	if err := json.NewEncoder(&out).Encode(c); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "canary") {
		t.Fatalf("secrets are printed: %s", out.String())
	}
	if !strings.Contains(out.String(), "***") {
		t.Fatal("nothing was printed at all")
	}
	if got := c.Upstreams[1].Headers["Authorization"].Written(); got != "Bearer ${env:T}" {
		t.Fatalf("Written = %q", got)
	}
}

func TestLoadRefusesUnsafeFiles(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes and links of Unix")
	}
	outside := writeFiles(t, map[string]string{"secret.yaml": "version: 1\n"})
	dir := writeFiles(t, map[string]string{"open.yaml": "version: 1\n", "..data/real.yaml": "version: 1\n", "big.yaml": strings.Repeat("# x\n", maxFile/4+1), "ok.yaml": "version: 1\n"})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Chmod(filepath.Join(dir, "open.yaml"), 0o666))
	must(os.Symlink(filepath.Join(outside, "secret.yaml"), filepath.Join(dir, "leaves.yaml")))
	must(os.Symlink("..data/real.yaml", filepath.Join(dir, "mounted.yaml")))
	tests := []struct{ name, message string }{
		{"open.yaml", "everybody may write this file"},
		{"leaves.yaml", "a symbolic link that leaves its directory"},
		{"big.yaml", "more than 1MiB"},
		{"none.yaml", "no such file"},
		{".", "not a regular file"},
	}
	for _, tt := range tests {
		_, err := Load(filepath.Join(dir, tt.name), nil)
		if d := single(t, err); d.Message != tt.message {
			t.Errorf("%s: %q, want %q", tt.name, d.Message, tt.message)
		}
	}
	for _, name := range []string{"mounted.yaml", "ok.yaml"} {
		if _, err := Load(filepath.Join(dir, name), nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestFileReferencesStayInside follows links below the directory of the file, as a mounted volume has them, and no others.
func TestFileReferencesStayInside(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("links of Unix")
	}
	outside := writeFiles(t, map[string]string{"shadow": "canary"})
	dir := writeFiles(t, map[string]string{"..data/token": "inside\n", "big": strings.Repeat("x", maxSecret+1)})
	for name, target := range map[string]string{"token": "..data/token", "leaves": filepath.Join(outside, "shadow"), "up": "../" + filepath.Base(outside) + "/shadow"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	load := func(ref string) (*Config, error) {
		path := filepath.Join(dir, "tollgate.yaml")
		if err := os.WriteFile(path, []byte("upstreams:\n  - name: a\n    command: x\n    args: ['"+ref+"']\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return Load(path, nil)
	}
	c, err := load("${file:token}")
	if err != nil || c.Upstreams[0].Args[0].Reveal() != "inside" {
		t.Fatalf("a link inside: %v", err)
	}
	if c, err := load("${file:" + filepath.Join(outside, "shadow") + "}"); err != nil || c.Upstreams[0].Args[0].Reveal() != "canary" {
		t.Fatalf("a full path: %v", err)
	}
	for _, ref := range []string{"leaves", "up", "../x", "big", "..data", "none"} {
		_, err := load("${file:" + ref + "}")
		if d := single(t, err); d.Line != 4 || d.Col != 12 || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", ref, err)
		}
	}
}

func TestLoadChecksPolicyFiles(t *testing.T) {
	dir := writeFiles(t, map[string]string{"tollgate.yaml": "policy:\n  files: [policy/*.rego, none.rego, empty]\n", "empty/README": ""})
	_, err := Load(filepath.Join(dir, "tollgate.yaml"), nil)
	ds, _ := errors.AsType[Diagnostics](err)
	var got []string
	for _, d := range ds {
		got = append(got, fmt.Sprintf("%d:%d %s", d.Line, d.Col, d.Path))
	}
	if want := []string{"2:11 policy.files[0]", "2:26 policy.files[1]", "2:37 policy.files[2]"}; !slices.Equal(got, want) {
		t.Fatalf("diagnostics at %q, want %q", got, want)
	}
}

func TestAt(t *testing.T) {
	c, err := Parse("tollgate.yaml", []byte(`roles:
  reader:
    allow: ["a/*", "b/*"]
upstreams:
  - name: a
    command: x
    env:
      ProgramFiles(x86): y
`), nil)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		path      string
		line, col int
	}{
		{"roles.reader.allow[1]", 3, 20},
		{"roles.reader.allow[9]", 3, 12},
		{"roles.reader.deny[0]", 3, 5},
		{"roles.none", 2, 3},
		{Path("upstreams", 0, "env", "ProgramFiles(x86)"), 8, 26},
		{Path("upstreams", 0, "env", `a"].b["c`), 8, 7},
		{"", 1, 1},
		{"limits.body", 1, 1},
	}
	for _, tt := range tests {
		if line, col := c.At(tt.path); line != tt.line || col != tt.col {
			t.Errorf("At(%s) = %d:%d, want %d:%d", tt.path, line, col, tt.line, tt.col)
		}
	}
}

func TestTemplateIsValid(t *testing.T) {
	c, err := Parse("tollgate.yaml", InitTemplate(), nil)
	if err != nil {
		t.Fatalf("%v", err)
	}
	if len(c.Warnings()) > 0 || c.Stdio.Role != "developer" || c.Listen != "127.0.0.1:8080" {
		t.Fatalf("template = %+v, warnings %v", c, c.Warnings())
	}
	// The examples in its comments must hold too: uncomment each block.
	var out strings.Builder
	for line := range strings.Lines(string(InitTemplate())) {
		text := strings.TrimPrefix(strings.TrimPrefix(line, "# "), "#")
		if text != line && matches(`^(?:upstreams:|toolsets:|limits:|log:|public_url:|bindings:|auth:|timezone:|budgets:|audit:|alerts:|code:|  )`, text) {
			line = text
		}
		out.WriteString(line)
	}
	c, err = Parse("tollgate.yaml", []byte(out.String()), &Options{Unresolved: true})
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	if d := c.Roles["developer"]; len(d.Constraints) != 1 || len(d.Obligations) != 2 || len(d.Limits) != 3 || len(c.Bindings) != 1 || c.Auth.OAuth == nil {
		t.Fatalf("the examples of rules are not there: %+v", c)
	}
	if len(c.Budgets) != 2 || c.Zone().String() != "Europe/Berlin" || len(c.Audit.Rules) != 1 || len(c.Alerts.Sinks) != 1 {
		t.Fatalf("the examples of budgets, audit and alerts are not there: %+v", c)
	}
	if len(c.Upstreams) != 2 || len(c.Toolsets) != 1 || c.PublicURL == "" || len(c.Warnings()) > 0 {
		t.Fatalf("the examples are not there: %+v, %v", c, c.Warnings())
	}
}

func TestFingerprint(t *testing.T) {
	parse := func(text, env string) string {
		c, err := Parse("tollgate.yaml", []byte(text), &Options{Env: func(string) (string, bool) { return env, true }})
		if err != nil {
			t.Fatal(err)
		}
		return c.Fingerprint()
	}
	const text = "upstreams: [{name: a, command: x, args: ['${env:A}']}]\n"
	if parse(text, "1") != parse(text, "2") {
		t.Error("values of references enter the fingerprint")
	}
	if parse(text, "1") == parse(text+"\n", "1") {
		t.Error("a changed file has the same fingerprint")
	}
}

func TestClosest(t *testing.T) {
	for word, want := range map[string]string{"lisen": "listen", "LISTEN": "listen", "lgo": "log", "lsiten": "listen", "xyz": "", "": "", strings.Repeat("l", 100): ""} {
		if got, ok := Closest(word, []string{"log", "listen", "limits"}); got != want || ok != (want != "") {
			t.Errorf("Closest(%q) = %q, %t, want %q", word, got, ok, want)
		}
	}
}

func TestDurationAndSize(t *testing.T) {
	c, err := Parse("tollgate.yaml", []byte("limits: {body: 64 KiB, drain: 1m30s}\nupstreams: [{name: a, command: x, max_reply_bytes: 1MB, refresh: 0s}]\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.Limits.Body != 64<<10 || c.Limits.Drain != 90*time.Second || c.Upstreams[0].MaxReplyBytes != 1e6 {
		t.Fatalf("got %+v, %v", c.Limits, c.Upstreams[0].MaxReplyBytes)
	}
}
