// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// TestInspector searches repositories, maps what it finds and returns that: step by step, and with one program that the
// command line of the MCP Inspector runs. One time the repositories are folders behind the real filesystem server, one time
// what GitHub's search answers.
func TestInspector(t *testing.T) {
	p := programsFor(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	b := started(ctx, t, p)
	b.sessions["all-code"] = inspector(ctx, t, p, b.gate)
	t.Log("every request: mcp-inspector --cli " + b.gate.url + `/all-code --transport http --header "Authorization: Bearer $KEY" --method tools/call --tool-name execute_code --tool-arg code="$(cat SCRIPT)"`)
	for _, task := range []*task{packagesTask(t, b.fixtures.dir), foundTask()} {
		t.Run(task.name, func(t *testing.T) {
			var tokens []string
			for _, a := range arms() {
				if a.name != fairest && a.name != headline {
					continue
				}
				c, err := b.one(ctx, a, task) // an answer other than the wanted one is an error
				if err != nil {
					t.Fatalf("%s: %v", a.name, err)
				}
				m := &c.measure
				tokens = append(tokens, fmt.Sprintf("%-28s %d turns, input %s, output %s", a.name, m.Turns, thousands(m.Input), thousands(m.Output)))
			}
			t.Logf("%s: the same answer both ways\n%s", task.title, strings.Join(tokens, "\n"))
		})
	}
}

// inspector is a session of the toolset all-code in which every request is a run of the Inspector.
func inspector(ctx context.Context, t *testing.T, p paths, g *gate) *session {
	t.Helper()
	launcher, home := filepath.Join(p.servers, "inspector", "clients", "launcher", "build", "index.js"), t.TempDir()
	ask := func(result any, request ...string) error {
		args := []string{launcher, "--cli", g.url + "/all-code", "--transport", "http", "--format", "json", "-q", "--header", "Authorization: Bearer " + g.key}
		cmd := exec.CommandContext(ctx, p.node, append(args, request...)...)
		cmd.Env = append(os.Environ(), "HOME="+home, "PATH="+filepath.Dir(p.node)+string(os.PathListSeparator)+os.Getenv("PATH"))
		cmd.WaitDelay = 5 * time.Second
		var out, complaints bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &complaints
		err := cmd.Run() // it fails when the result says isError, and prints the result
		answer := struct{ Result any }{result}
		if json.Unmarshal(out.Bytes(), &answer) != nil {
			return fmt.Errorf("inspector %q: %w\n%s%s", request, err, &out, &complaints)
		}
		return nil
	}
	list := &mcp.ListToolsResult{}
	if err := ask(list, "--method", "tools/list"); err != nil {
		t.Fatal(err)
	}
	s := &session{tools: list.Tools, close: func() error { return nil }}
	s.call = func(ctx context.Context, name string, arguments any) (string, bool, error) {
		request := []string{"--method", "tools/call", "--tool-name", name, "--tool-arg"}
		all, ok := arguments.(map[string]any)
		if !ok {
			return "", false, errors.New("arguments are a map")
		}
		for key, value := range all {
			text, is := value.(string)
			if !is {
				var err error
				if text, err = compact(value); err != nil {
					return "", false, err
				}
			}
			request = append(request, key+"="+text)
		}
		result := &mcp.CallToolResult{}
		if err := ask(result, request...); err != nil {
			return "", false, err
		}
		return said(result)
	}
	return s
}

// answerIs makes the answer to the user the result, and says what it must be.
func answerIs(want any) (say func(string) (string, error), wanted func(*fixtures, *hub) string) {
	return func(result string) (string, error) { return result, nil }, func(*fixtures, *hub) string {
		s, _ := text(want)
		return s
	}
}

type packageFile struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// packagesTask writes repositories, and looks for what packages they are.
func packagesTask(t *testing.T, dir string) *task {
	t.Helper()
	var want []packageFile
	for i, name := range strings.Fields("atlas beacon cobalt dynamo ember") {
		p := packageFile{"@acme/" + name, fmt.Sprintf("1.%d.0", i)}
		want = append(want, p)
		at := filepath.Join(dir, "repositories", name)
		if err := os.MkdirAll(at, 0o700); err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprintf(`{"name":%q,"version":%q,"license":"MIT","scripts":{"test":"node --test","build":"tsc -p ."},"dependencies":{"zod":"4.1.0","express":"5.1.0"}}`, p.Name, p.Version)
		for file, text := range map[string]string{"package.json": text, "README.md": "# " + name + "\n"} {
			if err := os.WriteFile(filepath.Join(at, file), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	say, wanted := answerIs(want)
	return &task{
		name: "filesystem", title: "packages of the repositories in a folder, by the real filesystem server",
		ask:     "List name and version of the package in every repository in the folder repositories, as JSON.",
		toolset: "files", query: "search files, read text file", tools: []string{"filesystem.search_files", "filesystem.read_text_file"}, script: "packages",
		say: say, want: wanted, check: func(*fixtures) error { return nil },
		calls: func(_ *fixtures, do doer) (any, error) {
			found, err := one(do, call{"filesystem", "search_files", map[string]any{"path": "repositories", "pattern": "**/package.json"}})
			if err != nil {
				return nil, err
			}
			var batch []call
			for path := range lines(found) {
				batch = append(batch, call{"filesystem", "read_text_file", map[string]any{"path": path}})
			}
			texts, err := do(batch...)
			if err != nil {
				return nil, err
			}
			out := make([]packageFile, len(texts))
			for i, text := range texts {
				if err := json.Unmarshal([]byte(text), &out[i]); err != nil {
					return nil, err
				}
			}
			return out, nil
		},
	}
}

type starred struct {
	Name  string `json:"name"`
	Stars int    `json:"stars"`
}

// foundTask is the search of GitHub.
func foundTask() *task {
	shorten := func(repos []repo) []starred {
		var out []starred
		for _, r := range repos {
			out = append(out, starred{r.FullName, r.Stars})
		}
		return out
	}
	say, wanted := answerIs(shorten(newHub().repos))
	return &task{
		name: "github", title: "30 repositories that a search on GitHub finds",
		ask:     "Search GitHub for repositories about mcp and list full name and stars of the first 30, as JSON.",
		toolset: "repository", query: "search repositories", tools: []string{"github.search_repositories"}, script: "found",
		say: say, want: wanted, check: func(*fixtures) error { return nil },
		calls: func(_ *fixtures, do doer) (any, error) {
			text, err := one(do, call{"github", "search_repositories", map[string]any{"query": "mcp", "perPage": 30}})
			if err != nil {
				return nil, err
			}
			var found struct{ Items []repo }
			err = json.Unmarshal([]byte(text), &found)
			return shorten(found.Items), err
		},
	}
}
