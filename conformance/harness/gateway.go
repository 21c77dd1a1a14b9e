// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Gateway is a running `tollgate serve`.
type Gateway struct {
	URL    string // of the MCP endpoint
	State  string // state directory
	Config string
	Bin    string // the program
	Cmd    *exec.Cmd

	out  *output
	done chan struct{} // closed once the process has ended
	err  error
}

// endpoint is the line of the greeting that names the MCP endpoint.
var endpoint = regexp.MustCompile(`MCP endpoint +(\S+)`)

// Start runs the gateway with a configuration file of this text on a free port and waits until it serves. It is stopped
// with the test, which then fails if it did not end cleanly.
func Start(t testing.TB, bin, config string) *Gateway {
	t.Helper()
	dir := t.TempDir()
	g := &Gateway{Bin: bin, State: filepath.Join(dir, "state"), Config: filepath.Join(dir, "tollgate.yaml"), done: make(chan struct{})}
	if err := os.WriteFile(g.Config, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	g.Cmd = exec.Command(bin, "serve", "--config", g.Config, "--state-dir", g.State, "--listen", "127.0.0.1:0")
	g.out = &output{found: make(chan string, 1)}
	g.Cmd.Stdout, g.Cmd.Stderr = g.out, g.out
	if err := g.Cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		g.err = g.Cmd.Wait()
		close(g.done)
	}()
	select {
	case g.URL = <-g.out.found:
	case <-g.done:
		t.Fatalf("the gateway ended at once: %v\n%s", g.err, g.out)
	case <-time.After(time.Minute):
		_ = g.Cmd.Process.Kill()
		t.Fatalf("the gateway did not start:\n%s", g.out)
	}
	t.Cleanup(func() { g.Stop(t) })
	return g
}

// Stop ends the gateway as an operator does and waits for it. It may be called more than once.
func (g *Gateway) Stop(t testing.TB) {
	t.Helper()
	_ = g.Cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-g.done:
	case <-time.After(30 * time.Second):
		_ = g.Cmd.Process.Kill()
		<-g.done
		t.Errorf("the gateway did not stop within 30s:\n%s", g.out)
	}
	if g.err != nil {
		t.Errorf("the gateway ended with %v:\n%s", g.err, g.out)
		g.err = nil
	}
	if t.Failed() {
		t.Logf("output of the gateway:\n%s", g.out)
	}
}

// Output is what the gateway has printed so far.
func (g *Gateway) Output() string { return g.out.String() }

// Run runs another command of the program on the same configuration and state directory and returns what it printed.
func (g *Gateway) Run(t testing.TB, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.Command(g.Bin, append(args, "--config", g.Config, "--state-dir", g.State)...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("tollgate %s: %v\n%s%s", strings.Join(args, " "), err, out.String(), errs.String())
	}
	return out.String()
}

// Key creates an API key in a role.
func (g *Gateway) Key(t testing.TB, role string) string {
	t.Helper()
	return strings.TrimSpace(g.Run(t, "key", "create", "--role", role, "--subject", role+"@test"))
}

// output collects what a process prints and finds the endpoint in it.
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
	if m := endpoint.FindSubmatch(o.text.Bytes()); m != nil && !o.seen {
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

// Pipe starts a program as a stdio client does and returns its lines and standard input.
func Pipe(ctx context.Context, t testing.TB, env []string, bin string, args ...string) (in io.WriteCloser, lines *bufio.Scanner) {
	t.Helper()
	cmd := exec.CommandContext(ctx, bin, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait() // the test looks at what it said, not at how it ended
	})
	lines = bufio.NewScanner(out)
	lines.Buffer(nil, 16<<20)
	return in, lines
}
