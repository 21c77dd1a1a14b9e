// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// background is the server that a reader starts in another terminal.
type background struct {
	name, dir string
	env       []string

	cmd     *exec.Cmd // nil when nothing runs
	address string    // where it listens
}

// greeting is what a starting server prints on standard output. It ends with an empty line that is written on its own.
type greeting struct {
	mu    sync.Mutex // guards text
	text  strings.Builder
	wrote chan struct{} // capacity 1
}

func (g *greeting) Write(p []byte) (int, error) {
	g.mu.Lock()
	g.text.Write(p)
	g.mu.Unlock()
	select {
	case g.wrote <- struct{}{}:
	default:
	}
	return len(p), nil
}

func (g *greeting) String() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.text.String()
}

var listening = regexp.MustCompile(`(?s)MCP endpoint +https?://([^/]+)/mcp.*\n\n$`)

// start runs the server on a free port and returns its greeting.
func (b *background) start(t *testing.T) string {
	t.Helper()
	g, logs := &greeting{wrote: make(chan struct{}, 1)}, &greeting{}
	b.cmd = exec.Command(b.name, "serve", "--listen", "127.0.0.1:0")
	b.cmd.Dir, b.cmd.Env, b.cmd.Stdout, b.cmd.Stderr = b.dir, b.env, g, logs
	if err := b.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.After(time.Minute); ; {
		select {
		case <-g.wrote:
			if m := listening.FindStringSubmatch(g.String()); m != nil {
				b.address = m[1]
				return g.String()
			}
		case <-deadline:
			t.Fatalf("serve says no endpoint:\n%s%s", g, logs)
		}
	}
}

// stop ends the server as Ctrl-C does. It does nothing when none runs.
func (b *background) stop(t *testing.T) {
	t.Helper()
	if b.cmd == nil {
		return
	}
	_ = b.cmd.Process.Signal(syscall.SIGINT) // it may have ended
	if err := b.cmd.Wait(); err != nil {
		t.Errorf("serve: %v", err)
	}
	b.cmd, b.address = nil, ""
}

// standIn in the environment makes TestFilesServer serve.
const standIn = "TOLLGATE_TEST_FILES"

// TestFilesServer is no test but the upstream of the README where the npm package is not installed: a few of the tools of
// @modelcontextprotocol/server-filesystem, on the folder docs, over standard input and output.
func TestFilesServer(t *testing.T) {
	if os.Getenv(standIn) == "" {
		return
	}
	s := mcp.NewServer(&mcp.Implementation{Name: "files", Version: "1"}, nil)
	type path struct {
		Path    string `json:"path"`
		Content string `json:"content,omitempty"`
	}
	add := func(name string, do func(path) (string, error)) {
		mcp.AddTool(s, &mcp.Tool{Name: name, Description: name}, func(_ context.Context, _ *mcp.CallToolRequest, p path) (*mcp.CallToolResult, any, error) {
			text, err := do(p)
			return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}, nil, err
		})
	}
	add("read_text_file", func(p path) (string, error) {
		b, err := os.ReadFile(filepath.Join("docs", p.Path))
		return string(b), err
	})
	add("write_file", func(p path) (string, error) {
		return "", os.WriteFile(filepath.Join("docs", p.Path), []byte(p.Content), 0o600)
	})
	add("list_directory", func(p path) (string, error) {
		entries, err := os.ReadDir(filepath.Join("docs", p.Path))
		var names []string
		for _, e := range entries {
			names = append(names, "[FILE] "+e.Name())
		}
		return strings.Join(names, "\n"), err
	})
	_ = s.Run(context.Background(), &mcp.StdioTransport{}) // ends with its client
	os.Exit(0)
}
