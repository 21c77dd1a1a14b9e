// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"tollgate/cmd/internal/cli"
	"tollgate/cmd/internal/control"
	"tollgate/store"
)

// stdioProcess is one `tollgate stdio` in this process, on the demo.
type stdioProcess struct {
	t     *testing.T
	in    *io.PipeWriter
	lines *bufio.Scanner
	done  chan error
}

func startStdio(t *testing.T, dir string) *stdioProcess {
	t.Helper()
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	a := &app{state: dir, streams: &cli.Streams{In: inR, Out: outW, Err: io.Discard, Env: os.LookupEnv}}
	p := &stdioProcess{t: t, in: inW, lines: bufio.NewScanner(outR), done: make(chan error, 1)}
	p.lines.Buffer(nil, 1<<20)
	root := a.rootCommand()
	root.SetArgs([]string{"stdio", "--role", "reader", "--state-dir", dir})
	go func() {
		p.done <- root.ExecuteContext(context.WithoutCancel(t.Context()))
		outW.Close()
	}()
	t.Cleanup(func() { inW.Close() })
	return p
}

func (p *stdioProcess) ask(line, want string) {
	p.t.Helper()
	if _, err := io.WriteString(p.in, line+"\n"); err != nil {
		p.t.Fatal(err)
	}
	for p.lines.Scan() {
		if strings.Contains(p.lines.Text(), `"method":"notifications/`) {
			continue
		}
		if !strings.Contains(p.lines.Text(), want) {
			p.t.Fatalf("sent %s\ngot  %s\nwant %s", line, p.lines.Text(), want)
		}
		return
	}
	select {
	case err := <-p.done:
		p.t.Fatalf("sent %s\nno answer, want %s; the process ended: %v", line, want, err)
	default:
		p.t.Fatalf("sent %s\nno answer, want %s", line, want)
	}
}

// TestStdioMovesOn: the first client's process is the gateway of the second; when the first ends, the second goes on with
// a gateway of its own, in the same session.
func TestStdioMovesOn(t *testing.T) {
	t.Chdir(t.TempDir())
	dir := filepath.Join(t.TempDir(), "state")
	const (
		initialize = `{"jsonrpc":"2.0","id":"i","method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`
		list       = `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`
	)
	first := startStdio(t, dir)
	first.ask(initialize, `"id":"i","result"`)
	second := startStdio(t, dir)
	second.ask(initialize, `"id":"i","result"`)
	second.ask(list, `library__search`)
	third := startStdio(t, dir)
	third.ask(initialize, `"id":"i","result"`)
	first.in.Close()
	if err := <-first.done; err != nil {
		t.Fatalf("the first client's end: %v", err)
	}
	second.ask(list, `library__search`)
	third.ask(list, `library__search`)
	for _, p := range []*stdioProcess{second, third} {
		go func() {
			for p.lines.Scan() { // the end of the second moves the third once more, which is told of it
			}
		}()
	}
	for _, p := range []*stdioProcess{second, third} {
		p.in.Close()
		if err := <-p.done; err != nil {
			t.Errorf("the end: %v", err)
		}
	}
}

// endingGateway lets stdio clients in and ends at once, so often, and then is gone.
type endingGateway struct {
	control.Operations
	left  atomic.Int32
	close func()
}

func (g *endingGateway) CheckStdio(*control.StdioClient) error { return nil }

func (g *endingGateway) Stdio(context.Context, *control.StdioClient, io.Reader, io.Writer) error {
	if g.left.Add(-1) == 0 {
		g.close()
	}
	return nil
}

// TestStdioPatience: a gateway that ends lets clients in until its socket is closed; they try until they find another.
func TestStdioPatience(t *testing.T) {
	t.Chdir(t.TempDir())
	dir := filepath.Join(t.TempDir(), "state")
	db, err := store.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	socket, err := store.Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	closed := make(chan error, 2)
	ending := &endingGateway{close: func() { closed <- socket.Close(); closed <- db.Close() }}
	ending.left.Store(3 * stdioTries)
	served := make(chan error, 1)
	go func() { served <- http.Serve(socket, control.Handler(ending)) }()
	p := startStdio(t, dir)
	p.ask(`{"jsonrpc":"2.0","id":1,"method":"ping"}`, `"id":1`)
	<-served // because the socket is closed
	if err := errors.Join(<-closed, <-closed); err != nil {
		t.Error(err)
	}
	p.in.Close()
	if err := <-p.done; err != nil {
		t.Errorf("the end: %v", err)
	}
}

// TestStdioInterrupted: clients end the process they started with a signal; that is no failure to complain about.
func TestStdioInterrupted(t *testing.T) {
	t.Chdir(t.TempDir())
	inR, inW := io.Pipe()
	defer inW.Close()
	outR, outW := io.Pipe()
	defer outR.Close()
	a := &app{streams: &cli.Streams{In: inR, Out: outW, Err: io.Discard, Env: os.LookupEnv}}
	root := a.rootCommand()
	root.SetArgs([]string{"stdio", "--role", "reader", "--state-dir", filepath.Join(t.TempDir(), "state")})
	ctx, interrupt := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- root.ExecuteContext(ctx) }()
	if _, err := io.WriteString(inW, `{"jsonrpc":"2.0","id":1,"method":"nothing"}`+"\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(outR).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	interrupt()
	if err := <-done; err != nil {
		t.Errorf("interrupted: %v", err)
	}
}
