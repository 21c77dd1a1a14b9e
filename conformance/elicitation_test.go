// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tollgate/conformance/harness"
)

// asking is a call of a tool that asks its caller something.
type asking struct {
	Name    string           `json:"name"`
	Args    map[string]any   `json:"args,omitempty"`
	Answers []map[string]any `json:"answers,omitempty"` // to its elicitations, in order

	asked []string // what the caller must have been asked, in order
	want  []string // parts of the final text
}

func accept(content map[string]any) map[string]any {
	return map[string]any{"action": "accept", "content": content}
}

const (
	sampled = "a completion only this client can have written"
	rootURI = "file:///srv/only/this/client"
)

// TestElicitation lets real clients of one era answer the questions of real servers of the other, all through one gateway.
func TestElicitation(t *testing.T) {
	g := startAsking(t)
	t.Run("clients", func(t *testing.T) {
		t.Run("ts-sdk-2-modern", func(t *testing.T) {
			t.Parallel()
			answerQuestions(t, g, "2", "2026-07-28", questionsOfLegacy())
		})
		t.Run("ts-sdk-1-legacy", func(t *testing.T) {
			t.Parallel()
			answerQuestions(t, g, "1", "2025-11-25", questionsOfModern())
		})
		t.Run("mcpdo", func(t *testing.T) {
			t.Parallel()
			m := newMcpdo(t, g)
			t.Run("modern", func(t *testing.T) { m.answer(t, "modern", "2026-07-28", "input-required") })
			t.Run("legacy", func(t *testing.T) { m.answer(t, "legacy", "2025-11-25", "server-request") })
		})
	})
}

// startAsking runs a gateway before a server that speaks legacy revisions only, and one that is spoken to in the modern
// one only.
func startAsking(t *testing.T) *harness.Gateway {
	t.Helper()
	every := harness.Package(t, "@modelcontextprotocol", "server-everything", "dist", "index.js")
	g := harness.Start(t, bin.Tollgate(t), fmt.Sprintf(`version: 1
upstreams:
  - {name: every, command: %q, args: [%q, stdio]}
  - {name: go, command: %q, era: modern}
roles:
  all: {allow: ["*"]}
log: {level: warn}
`, harness.Node(t), every, bin.EverythingServer(t)))
	f := &fleet{upstreams: make([]real, 2)}
	f.await(t, g)
	return g
}

// callerKey is the API key of a caller of this name.
func callerKey(t *testing.T, g *harness.Gateway, name string) string {
	t.Helper()
	return strings.TrimSpace(g.Run(t, "key", "create", "--role", "all", "--subject", name))
}

// questionsOfLegacy are calls of server-everything. Its form is asked for once per call. The second call asks twice: the
// first question is an error -32042 of the server, the second an elicitation while the call is repeated.
func questionsOfLegacy() []asking {
	const form = "form Please provide inputs for the following fields:"
	return []asking{
		{
			Name:    "every__trigger-elicitation-request",
			Answers: []map[string]any{accept(map[string]any{"name": "Ada Lovelace", "integer": 37, "email": "ada@example.org"})},
			asked:   []string{form},
			want:    []string{"User provided the requested information", "- Name: Ada Lovelace", "- Favorite Integer: 37", "- Email: ada@example.org"},
		},
		{
			Name:    "every__trigger-url-elicitation",
			Args:    map[string]any{"url": "https://example.org/consent", "errorPath": true, "elicitationId": "consent-1"},
			Answers: []map[string]any{{"action": "accept"}, {"action": "accept"}},
			asked:   []string{"url https://modelcontextprotocol.io", "url https://example.org/consent"},
			want:    []string{"User completed the URL elicitation flow", "Elicitation ID: consent-1", "URL: https://example.org/consent", `"action": "accept"`},
		},
		{
			Name:    "every__trigger-url-elicitation",
			Args:    map[string]any{"url": "https://example.org/refused", "errorPath": true, "elicitationId": "consent-2"},
			Answers: []map[string]any{{"action": "accept"}, {"action": "decline"}},
			asked:   []string{"url https://modelcontextprotocol.io", "url https://example.org/refused"},
			want:    []string{"User declined to open the URL (Elicitation ID: consent-2)", `"action": "decline"`},
		},
		{
			Name:    "every__trigger-elicitation-request",
			Answers: []map[string]any{accept(map[string]any{"name": "Charles Babbage", "check": false})},
			asked:   []string{form},
			want:    []string{"- Name: Charles Babbage", "- Agreed to terms: false"},
		},
		{
			Name:    "every__trigger-elicitation-request",
			Answers: []map[string]any{{"action": "decline"}},
			asked:   []string{form},
			want:    []string{"User declined to provide the requested information"},
		},
		{
			Name:  "every__trigger-sampling-request",
			Args:  map[string]any{"prompt": "say something", "maxTokens": 10},
			asked: []string{"sampling Resource trigger-sampling-request context: say something"},
			want:  []string{"LLM sampling result", sampled, `"model": "a model"`},
		},
		{
			Name: "every__get-roots-list",
			want: []string{"Current MCP Roots (1 total)", "1. the only root", "URI: " + rootURI},
		},
	}
}

// questionsOfModern are calls of go-sdk's server, which puts its questions into results.
func questionsOfModern() []asking {
	return []asking{
		{
			Name:    "go__test_input_required_result_elicitation",
			Answers: []map[string]any{accept(map[string]any{"name": "Ada"})},
			asked:   []string{"form What is your name?"},
			want:    []string{"Hello, Ada!"},
		},
		{
			Name:    "go__test_input_required_result_multi_round",
			Answers: []map[string]any{accept(map[string]any{"name": "Grace"}), accept(map[string]any{"color": "teal"})},
			asked:   []string{"form Step 1: What is your name?", "form Step 2: What is your favorite color?"},
			want:    []string{"Multi-round complete: Grace likes teal"},
		},
		{
			Name:  "go__test_input_required_result_sampling",
			asked: []string{"sampling What is the capital of France?"},
			want:  []string{"Sampling response: " + sampled},
		},
		{
			Name:  "go__test_input_required_result_list_roots",
			asked: []string{"roots"},
			want:  []string{"Client exposed 1 root(s): " + rootURI},
		},
	}
}

// answerQuestions makes all calls in one process with a TypeScript SDK of some major version.
func answerQuestions(t *testing.T, g *harness.Gateway, sdk, revision string, calls []asking) {
	job, err := json.Marshal(map[string]any{
		"sdk": sdk, "url": g.URL, "token": callerKey(t, g, "ts-sdk-"+sdk), "steps": calls, "sample": sampled,
		"roots": []map[string]string{{"uri": rootURI, "name": "the only root"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Revision string
		Steps    []struct {
			Asked       []string
			Text, Error string
		}
	}
	p := askedProgram{t: t}
	p.read(&got, p.run(job, filepath.Join("npm", "elicitation-client.mjs")))
	if got.Revision != revision {
		t.Errorf("revision %q, want %q", got.Revision, revision)
	}
	if len(got.Steps) != len(calls) {
		t.Fatalf("%d results of %d calls", len(got.Steps), len(calls))
	}
	for i, c := range calls {
		s := got.Steps[i]
		if s.Error != "" {
			t.Errorf("%s: %s", c.Name, s.Error)
			continue
		}
		// The server reads the roots when it likes, even before the call.
		if diff := cmp.Diff(c.asked, s.Asked); diff != "" && c.asked != nil {
			t.Errorf("%s: asked (-want +got):\n%s", c.Name, diff)
		}
		wantText(t, c.Name, s.Text, c.want...)
	}
}

func wantText(t *testing.T, what, text string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("%s: no %q in\n%s", what, w, text)
		}
	}
}

// mcpdo is the Inspector's client that returns with a question and takes the answer as another command. A process of its
// own keeps the connections in between.
type mcpdo struct {
	askedProgram
	program, url, key string
}

func newMcpdo(t *testing.T, g *harness.Gateway) *mcpdo {
	t.Helper()
	dir, err := os.MkdirTemp("", "mcpdo") // the path of its socket has to be short
	if err != nil {
		t.Fatal(err)
	}
	m := &mcpdo{
		program: harness.Package(t, "@modelcontextprotocol", "inspector", "clients", "mcpdo", "build", "mcp-bin.js"),
		url:     g.URL, key: callerKey(t, g, "mcpdo"),
	}
	m.t = t
	m.env = []string{
		"HOME=" + dir, "MCP_STORAGE_DIR=" + dir, "MCP_INSPECTOR_SECRET_STORE=file",
		"MCP_INSPECTOR_DAEMON_DIR=" + filepath.Join(dir, "d"), "MCP_INSPECTOR_DAEMON_TOKEN=of-this-test-and-no-other-one-0123456789",
	}
	t.Cleanup(func() {
		m.stop(t)
		_ = os.RemoveAll(dir) // a leftover in the temporary directory harms nobody
	})
	return m
}

// stop ends the process behind the connections, by its id if it does not end itself.
func (m *mcpdo) stop(t *testing.T) {
	t.Helper()
	m.t = t
	var status struct{ PID int }
	m.read(&status, m.do("daemon", "status"))
	if status.PID == 0 {
		return
	}
	p, err := os.FindProcess(status.PID)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Kill() }() // it should have ended
	m.do("daemon", "stop")          // with its connections
}

func (m *mcpdo) do(args ...string) []byte {
	m.t.Helper()
	return m.run(nil, append([]string{m.program, "--format", "json"}, args...)...)
}

// answer connects in an era, calls the tool, is asked, and answers. A question that came as a result has another origin
// than one that came as a request of the server.
func (m *mcpdo) answer(t *testing.T, era, revision, origin string) {
	m.t = t
	at := "@" + era
	name := "Ada of the " + era + " era"
	m.do(at, "connect", m.url, "--transport", "http", "--era", era, "--header", "Authorization: Bearer "+m.key)
	var connection struct{ ProtocolVersion string }
	m.read(&connection, m.do(at, "connections/show"))
	if connection.ProtocolVersion != revision {
		t.Errorf("revision %q, want %q", connection.ProtocolVersion, revision)
	}
	var asked struct {
		ElicitationPending struct{ ElicitationID, Mode, Message, Origin string }
	}
	m.read(&asked, m.do(at, "tools/call", "every__trigger-elicitation-request"))
	q := asked.ElicitationPending
	want := q
	want.Mode, want.Message, want.Origin = "form", "Please provide inputs for the following fields:", origin
	if diff := cmp.Diff(want, q); diff != "" || q.ElicitationID == "" {
		t.Fatalf("asked with id %q (-want +got):\n%s", q.ElicitationID, diff)
	}
	answered := m.do("elicitation/respond", q.ElicitationID, "name:="+name, "integer:=73")
	var r struct {
		IsError bool
		Content []struct{ Text string }
	}
	m.read(&r, answered)
	var text strings.Builder
	for _, c := range r.Content {
		text.WriteString(c.Text + "\n")
	}
	if r.IsError {
		t.Errorf("the tool failed: %s", answered)
	}
	wantText(t, string(answered), text.String(), "User provided the requested information", "- Name: "+name, "- Favorite Integer: 73")
}

// askedProgram runs Node programs, each for a limited time.
type askedProgram struct {
	t   *testing.T
	env []string
}

func (p askedProgram) run(stdin []byte, args ...string) []byte {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	node := harness.Node(p.t)
	cmd := exec.CommandContext(ctx, node, args...) // killed by its id when the time is over
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(node)+string(os.PathListSeparator)+os.Getenv("PATH"))
	cmd.Env = append(cmd.Env, p.env...)
	cmd.WaitDelay = time.Second
	var out, complaints bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), &out, &complaints
	if err := cmd.Run(); err != nil {
		p.t.Fatalf("%s: %v\n%s%s", fmt.Sprint(args), err, out.Bytes(), complaints.Bytes())
	}
	return out.Bytes()
}

func (p askedProgram) read(v any, b []byte) {
	p.t.Helper()
	if err := json.Unmarshal(b, v); err != nil {
		p.t.Fatalf("%v in\n%s", err, b)
	}
}
