// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// gate is a running `tollgate serve`.
type gate struct {
	url  string // of the MCP endpoint
	key  string
	cmd  *exec.Cmd
	done chan error
	log  *output
}

// build builds the program of the tree that this folder belongs to.
func build(ctx context.Context, dir string) (string, error) {
	bin := filepath.Join(dir, "tollgate")
	if runtime.GOOS == "windows" {
		bin += ".exe"
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-o", bin, "tollgate/cmd/tollgate")
	cmd.Dir = filepath.Join("..", "..")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building tollgate: %w\n%s", err, out)
	}
	return bin, nil
}

// start runs the gateway with a configuration, and waits until it serves.
func start(ctx context.Context, bin, dir, config string) (*gate, error) {
	file, state := filepath.Join(dir, "tollgate.yaml"), filepath.Join(dir, "state")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, err
	}
	g := &gate{done: make(chan error, 1), log: &output{found: make(chan string, 1)}}
	g.cmd = exec.Command(bin, "serve", "--config", file, "--state-dir", state, "--listen", "127.0.0.1:0")
	g.cmd.Stdout, g.cmd.Stderr = g.log, g.log
	if err := g.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { g.done <- g.cmd.Wait() }()
	select {
	case g.url = <-g.log.found:
	case err := <-g.done:
		return nil, fmt.Errorf("the gateway ended at once: %v\n%s", err, g.log)
	case <-ctx.Done():
		return nil, errors.Join(fmt.Errorf("the gateway did not start: %w\n%s", ctx.Err(), g.log), g.stop())
	}
	key, err := exec.CommandContext(ctx, bin, "key", "create", "--role", "all", "--subject", "bench", "--config", file, "--state-dir", state).Output()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("key create: %w", err), g.stop())
	}
	g.key = strings.TrimSpace(string(key))
	return g, nil
}

// stop ends the gateway and waits for it.
func (g *gate) stop() error {
	if err := g.cmd.Process.Signal(os.Interrupt); err != nil {
		_ = g.cmd.Process.Kill() // there are no signals on Windows
	}
	select {
	case <-g.done:
		return nil
	case <-time.After(30 * time.Second):
		return errors.Join(errors.New("the gateway did not stop within 30s"), g.cmd.Process.Kill())
	}
}

// session is a client of one toolset.
type session struct {
	tools []*mcp.Tool
	call  func(ctx context.Context, name string, arguments any) (text string, failed bool, err error)
	close func() error
}

// connect is a session with the tools that the toolset lists, once those of all the given servers are there.
func (g *gate) connect(ctx context.Context, toolset string, servers []string) (*session, error) {
	transport := &mcp.StreamableClientTransport{Endpoint: g.url + "/" + toolset, HTTPClient: &http.Client{Transport: bearer(g.key)}, DisableStandaloneSSE: true}
	client, err := mcp.NewClient(&mcp.Implementation{Name: "tokens", Version: "1"}, nil).Connect(ctx, transport, nil)
	if err != nil {
		return nil, fmt.Errorf("toolset %s: %w", toolset, err)
	}
	s := &session{close: client.Close, call: func(ctx context.Context, name string, arguments any) (string, bool, error) {
		res, err := client.CallTool(ctx, &mcp.CallToolParams{Name: name, Arguments: arguments})
		if err != nil {
			return "", false, fmt.Errorf("%s: %w", name, err)
		}
		return said(res)
	}}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		s.tools = nil
		for tool, err := range client.Tools(ctx, nil) {
			if err != nil {
				return nil, errors.Join(fmt.Errorf("toolset %s: %w", toolset, err), client.Close())
			}
			s.tools = append(s.tools, tool)
		}
		missing := s.missing(servers)
		if missing == "" {
			return s, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("toolset %s has no tools of %s: %w\n%s", toolset, missing, ctx.Err(), g.log), client.Close())
		}
	}
}

// missing is the first of servers of which there is no tool.
func (s *session) missing(servers []string) string {
	for _, name := range servers {
		found := false
		for _, tool := range s.tools {
			found = found || strings.HasPrefix(tool.Name, name+"__")
		}
		if !found {
			return name
		}
	}
	return ""
}

// definitions are the tools as a model reads them.
func (s *session) definitions() (string, error) {
	var b strings.Builder
	for _, tool := range s.tools {
		text, err := compact(struct {
			Name        string `json:"name"`
			Description string `json:"description"`
			InputSchema any    `json:"input_schema"`
		}{tool.Name, tool.Description, tool.InputSchema})
		if err != nil {
			return "", err
		}
		b.WriteString(text + "\n")
	}
	return b.String(), nil
}

// said is the text of a result.
func said(res *mcp.CallToolResult) (text string, failed bool, err error) {
	var texts []string
	for _, c := range res.Content {
		t, ok := c.(*mcp.TextContent)
		if !ok {
			return "", false, fmt.Errorf("content of type %T", c)
		}
		texts = append(texts, t.Text)
	}
	return strings.Join(texts, "\n"), res.IsError, nil
}

// compact is v as JSON without what only browsers need.
func compact(v any) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return strings.TrimSuffix(b.String(), "\n"), err
}

// bearer adds a key to requests.
type bearer string

func (k bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(k))
	return http.DefaultTransport.RoundTrip(r)
}

// output collects what the gateway prints and finds its endpoint in it.
type output struct {
	mu    sync.Mutex // guards what follows
	text  bytes.Buffer
	found chan string
	seen  bool
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text.Write(p)
	if m := regexp.MustCompile(`MCP endpoint +(\S+)`).FindSubmatch(o.text.Bytes()); m != nil && !o.seen {
		o.seen = true
		o.found <- string(m[1])
	}
	return len(p), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
