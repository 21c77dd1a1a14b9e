// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"tollgate/conformance/harness"
)

// tsSDK runs all steps in one process through a TypeScript SDK: version 1 is @modelcontextprotocol/sdk, version 2
// @modelcontextprotocol/client.
func tsSDK(version, era string) func(*testing.T, way, []step) *report {
	return func(t *testing.T, w way, steps []step) *report {
		job := map[string]any{"sdk": version, "era": era, "steps": steps}
		if w.url != "" {
			job["url"], job["token"] = w.url, w.token
		} else {
			job["command"], job["args"], job["env"] = w.command[0], w.command[1:], w.env
		}
		in, err := json.Marshal(job)
		if err != nil {
			t.Fatal(err)
		}
		r := &report{}
		n := nodeClient{t: t}
		n.read(r, n.run(in, filepath.Join("npm", "interop-client.mjs")))
		return r
	}
}

// inspector runs the command line of the MCP Inspector, once per request.
func inspector(era string) func(*testing.T, way, []step) *report {
	return func(t *testing.T, w way, steps []step) *report {
		n := nodeClient{t: t, home: t.TempDir()}
		launcher := harness.Package(t, "@modelcontextprotocol", "inspector", "clients", "launcher", "build", "index.js")
		ask := func(request ...string) json.RawMessage {
			args := []string{launcher, "--cli", "--protocol-era", era, "--format", "json", "-q"}
			if w.url != "" {
				args = append(args, w.url, "--transport", "http", "--header", "Authorization: Bearer "+w.token)
			} else {
				args = append(args, "--transport", "stdio")
				for _, pair := range pairs(w.env) {
					args = append(args, "-e", pair)
				}
			}
			args = append(args, request...)
			if w.url == "" {
				args = append(append(args, "--"), w.command...)
			}
			var answer struct{ Result json.RawMessage }
			n.read(&answer, n.run(nil, args...))
			return answer.Result
		}
		r := &report{}
		n.read(&struct{ Tools *tools }{(*tools)(&r.Tools)}, ask("--method", "tools/list"))
		for _, s := range steps {
			request := []string{"--method", "tools/call", "--tool-name", s.Name}
			if args := arguments(t, s); len(args) > 0 {
				request = append(append(request, "--tool-arg"), args...)
			}
			r.Results = append(r.Results, looseJSON(ask(request...)))
		}
		return r
	}
}

// mcpc runs Apify's command line client: one process keeps the connection, one more per request.
func mcpc(t *testing.T, w way, steps []step) *report {
	n := nodeClient{t: t, home: t.TempDir()}
	program := harness.Package(t, "@apify", "mcpc", "bin", "mcpc")
	r := &report{}
	defer n.run(nil, program, "--json", "close", "@gateway") // ends the process behind the connection, whatever came of it
	n.run(nil, program, "--json", "connect", w.url, "@gateway", "--header", "Authorization: Bearer "+w.token)
	n.read((*tools)(&r.Tools), n.run(nil, program, "--json", "@gateway", "tools-list"))
	for _, s := range steps {
		out := n.run(nil, program, "--json", "@gateway", "tools-call", s.Name, string(s.Args))
		r.Results = append(r.Results, looseJSON(out))
	}
	return r
}

// tools are the names in a list of definitions.
type tools []string

func (l *tools) UnmarshalJSON(b []byte) error {
	var all []struct{ Name string }
	err := json.Unmarshal(b, &all)
	for _, e := range all {
		*l = append(*l, e.Name)
	}
	return err
}

// arguments are those of s as key=value, as command line clients take them.
func arguments(t *testing.T, s step) []string {
	t.Helper()
	var args map[string]json.RawMessage
	if err := json.Unmarshal(s.Args, &args); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, key := range slices.Sorted(maps.Keys(args)) {
		value := string(args[key])
		var text string
		if json.Unmarshal(args[key], &text) == nil {
			value = text
		}
		out = append(out, key+"="+value)
	}
	return out
}

// nodeClient starts Node programs with a home directory of their own.
type nodeClient struct {
	t    *testing.T
	home string
}

// run returns what a program prints; one that fails ends the test.
func (n nodeClient) run(stdin []byte, args ...string) []byte {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	node := harness.Node(n.t)
	cmd := exec.CommandContext(ctx, node, args...)
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(node)+string(os.PathListSeparator)+os.Getenv("PATH"))
	if n.home != "" {
		cmd.Env = append(cmd.Env, "HOME="+n.home, "MCPC_HOME_DIR="+n.home)
	}
	var out, complaints bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), &out, &complaints
	cmd.WaitDelay = 5 * time.Second // a process it leaves behind may hold its output open
	if err := cmd.Run(); err != nil {
		n.t.Fatalf("node %v: %v\n%s%s", args, err, out.Bytes(), complaints.Bytes())
	}
	return out.Bytes()
}

func (n nodeClient) read(v any, b []byte) {
	n.t.Helper()
	if err := json.Unmarshal(b, v); err != nil {
		n.t.Fatalf("%v in\n%s", err, b)
	}
}

// pairs are the entries of env as key=value, in order.
func pairs(env map[string]string) []string {
	var out []string
	for _, key := range slices.Sorted(maps.Keys(env)) {
		out = append(out, fmt.Sprintf("%s=%s", key, env[key]))
	}
	return out
}

// complaints collects what a process prints to standard error and shows it when the test fails.
func complaints(t *testing.T) *lockedBuffer {
	b := &lockedBuffer{}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("standard error:\n%s", b.text())
		}
	})
	return b
}

type lockedBuffer struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
