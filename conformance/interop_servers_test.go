// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"tollgate/conformance/harness"
)

// fleet is the real servers behind the gateway.
type fleet struct {
	files     string // directory of server-filesystem
	upstreams []real
}

// real is one server; the tags are those of tollgate.yaml.
type real struct {
	name    string
	command []string
	env     map[string]string
	url     string
}

func newFleet(t *testing.T) *fleet {
	t.Helper()
	f := &fleet{files: t.TempDir()}
	if err := os.WriteFile(filepath.Join(f.files, "note.txt"), []byte("hello from a file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	memory := filepath.Join(t.TempDir(), "memory.jsonl")
	graph := `{"type":"entity","name":"Ada","entityType":"person","observations":["wrote the first program"]}
{"type":"entity","name":"Analytical Engine","entityType":"machine","observations":["was never finished"]}
{"type":"relation","from":"Ada","to":"Analytical Engine","relationType":"programmed"}
`
	if err := os.WriteFile(memory, []byte(graph), 0o600); err != nil {
		t.Fatal(err)
	}
	everything := bin.EverythingServer(t)
	stateful, stateless := harness.FreeAddr(t), harness.FreeAddr(t)
	harness.Serve(t, stateful, everything, "-http", stateful, "-stateless=false")
	harness.Serve(t, stateless, everything, "-http", stateless)
	node := func(name string, args ...string) []string {
		return append([]string{harness.Node(t), harness.Package(t, "@modelcontextprotocol", name, "dist", "index.js")}, args...)
	}
	f.upstreams = []real{
		{name: "every", command: node("server-everything", "stdio")},
		{name: "fs", command: node("server-filesystem", f.files)},
		{name: "mem", command: node("server-memory"), env: map[string]string{"MEMORY_FILE_PATH": memory}},
		{name: "think", command: node("server-sequential-thinking"), env: map[string]string{"DISABLE_THOUGHT_LOGGING": "true"}},
		{name: "gostdio", command: []string{everything}},
		{name: "gohttp", url: "http://" + stateful},
		{name: "gostateless", url: "http://" + stateless},
	}
	return f
}

// config is the tollgate.yaml of the fleet. The pages are short, so that every client has to follow cursors.
func (f *fleet) config() string {
	var entries []map[string]any
	for _, u := range f.upstreams {
		e := map[string]any{"name": u.name}
		if u.url != "" {
			e["url"] = u.url
		} else {
			e["command"], e["args"] = u.command[0], u.command[1:]
		}
		if u.env != nil {
			e["env"] = u.env
		}
		entries = append(entries, e)
	}
	b, err := json.Marshal(entries) // JSON is YAML
	if err != nil {
		panic(err)
	}
	return `version: 1
upstreams: ` + string(b) + `
stdio: {role: all}
roles:
  all: {allow: ["*"]}
limits: {page_size: 40}
log: {level: warn}
`
}

// await waits until every upstream is ready: a slow machine may need longer than a client should wait for.
func (f *fleet) await(t *testing.T, g *harness.Gateway) {
	t.Helper()
	for limit := time.After(time.Minute); ; {
		cmd := exec.Command(g.Bin, "doctor", "--config", g.Config, "--state-dir", g.State)
		out, err := cmd.CombinedOutput() // it fails while something is wrong
		if strings.Count(string(out), ": ready,") == len(f.upstreams) {
			return
		}
		select {
		case <-limit:
			t.Fatalf("the upstreams are not ready after a minute: %v\n%s", err, out)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// directly is what the gateway should show, made of what each server says of itself.
func (f *fleet) directly(t *testing.T) *report {
	t.Helper()
	all := &report{}
	owned := map[string]bool{}
	for _, u := range f.upstreams {
		own := listDirectly(t, u)
		for _, name := range own.Tools {
			all.Tools = append(all.Tools, u.name+"__"+name)
		}
		for _, name := range own.Prompts {
			all.Prompts = append(all.Prompts, u.name+"__"+name)
		}
		// A URI stays as it is for the first server that has it.
		shown := func(uri string) string {
			if owned[uri] {
				return u.name + "+" + uri
			}
			owned[uri] = true
			return uri
		}
		for _, uri := range own.Resources {
			all.Resources = append(all.Resources, shown(uri))
		}
		for _, uri := range own.Templates {
			all.Templates = append(all.Templates, shown(uri))
		}
	}
	for _, names := range [][]string{all.Tools, all.Prompts, all.Resources, all.Templates} {
		slices.Sort(names)
	}
	t.Logf("the servers have %d tools, %d prompts, %d resources and %d templates", len(all.Tools), len(all.Prompts), len(all.Resources), len(all.Templates))
	return all
}

func listDirectly(t *testing.T, u real) *report {
	t.Helper()
	var transport mcp.Transport = &mcp.StreamableClientTransport{Endpoint: u.url}
	if u.url == "" {
		transport = command(t, u.command, u.env)
	}
	s := newGoSessionWith(t, transport, "2025-11-25", everythingAsked())
	defer func() { _ = s.Close() }() // how a server ends by itself is its own business
	return s.lists()
}
