// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"tollgate/cmd/internal/control"
)

// fakePipe is a gateway in the hands of a test.
type fakePipe struct {
	requests *bufio.Reader // what the relay sends
	answers  *io.PipeWriter
	pipe     *control.Pipe
}

func newFakePipe() *fakePipe {
	requestsR, requestsW := io.Pipe()
	answersR, answersW := io.Pipe()
	return &fakePipe{bufio.NewReader(requestsR), answersW, &control.Pipe{Requests: requestsW, Answers: answersR, Close: func() error {
		return errors.Join(requestsR.Close(), requestsW.Close(), answersR.Close(), answersW.Close())
	}}}
}

func (f *fakePipe) expect(t *testing.T, want ...string) {
	t.Helper()
	for _, w := range want {
		if line, err := f.requests.ReadString('\n'); err != nil || !strings.Contains(line, w) {
			t.Fatalf("the gateway got %q, %v; want %s", line, err, w)
		}
	}
}

func (f *fakePipe) answer(t *testing.T, lines ...string) {
	t.Helper()
	for _, l := range lines {
		if _, err := io.WriteString(f.answers, l+"\n"); err != nil {
			t.Fatal(err)
		}
	}
}

// relayed is a relay between a client and gateways, both in the hands of a test.
type relayed struct {
	*stdioRelay
	in  *io.PipeWriter
	out *bufio.Scanner
}

func newRelayed(t *testing.T, ctx context.Context) *relayed {
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	t.Cleanup(func() { inW.Close(); outR.Close() })
	return &relayed{newStdioRelay(ctx, inR, outW, 50*time.Millisecond), inW, bufio.NewScanner(outR)}
}

// over relays over f; the channel gets how it ended.
func (r *relayed) over(ctx context.Context, f *fakePipe) <-chan error {
	done := make(chan error, 1)
	go func() {
		_, err := r.run(ctx, f.pipe)
		done <- err
	}()
	return done
}

func (r *relayed) send(t *testing.T, lines ...string) {
	t.Helper()
	for _, l := range lines {
		if _, err := io.WriteString(r.in, l+"\n"); err != nil {
			t.Fatal(err)
		}
	}
}

func (r *relayed) expect(t *testing.T, want ...string) {
	t.Helper()
	for _, w := range want {
		if !r.out.Scan() || !strings.Contains(r.out.Text(), w) {
			t.Fatalf("the client got %q, want %s", r.out.Text(), w)
		}
	}
}

const opening = `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`

// TestRelayRestoresSession: a new gateway is told all that made the session what it is, and the client sees none of it.
func TestRelayRestoresSession(t *testing.T) {
	r := newRelayed(t, t.Context())
	first := newFakePipe()
	done := r.over(t.Context(), first)
	refused := strings.Replace(opening, `"id":0`, `"id":"no"`, 1)
	r.send(t, refused)
	first.expect(t, `"no"`)
	first.answer(t, `{"jsonrpc":"2.0","id":"no","error":{"code":-32602,"message":"m"}}`)
	r.expect(t, `"no"`)
	for _, line := range []string{
		opening,
		`{"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{"uri":"test://a"}}`,
		`{"jsonrpc":"2.0","id":2,"method":"resources/subscribe","params":{"uri":"test://b"}}`,
		`{"jsonrpc":"2.0","id":3,"method":"resources/unsubscribe","params":{"uri":"test://a"}}`,
		`{"jsonrpc":"2.0","id":4,"method":"logging/setLevel","params":{"level":"debug"}}`,
		`{"jsonrpc":"2.0","id":5,"method":"logging/setLevel","params":{"level":"error"}}`,
	} {
		id := line[17:24]
		r.send(t, line)
		first.expect(t, id)
		first.answer(t, `{"jsonrpc":"2.0",`+id[:strings.IndexByte(id, ',')]+`,"result":{}}`)
		r.expect(t, `"result":{}`)
	}
	r.send(t, `{"jsonrpc":"2.0","id":6,"method":"tools/call","params":{"name":"x"}}`)
	first.expect(t, `"id":6`)
	first.pipe.Close()
	r.expect(t, `"id":6,"error"`)
	if err := <-done; !errors.Is(err, errGatewayGone) {
		t.Fatalf("run: %v", err)
	}
	second := newFakePipe()
	done = r.over(t.Context(), second)
	second.expect(t, `"id":0,"method":"initialize"`, "notifications/initialized", "test://b", `"level":"error"`)
	second.answer(t, `{"jsonrpc":"2.0","id":0,"result":{}}`)
	r.expect(t, "tools/list_changed", "prompts/list_changed", "resources/list_changed")
	second.answer(t, `{"jsonrpc":"2.0","id":2,"result":{}}`, `{"jsonrpc":"2.0","id":5,"result":{}}`)
	r.send(t, `{"jsonrpc":"2.0","id":7,"method":"ping"}`)
	second.expect(t, `"id":7`)
	second.answer(t, `{"jsonrpc":"2.0","id":7,"result":{}}`)
	r.expect(t, `"id":7,"result"`)
	r.in.Close()
	if _, err := second.requests.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("after the client's end: %v", err)
	}
	second.answers.Close()
	if err := <-done; err != nil {
		t.Errorf("the end: %v", err)
	}
}

// TestRelayTakesBothWays: a gateway that wants its answers taken first must not be waited for with more requests.
func TestRelayTakesBothWays(t *testing.T) {
	r := newRelayed(t, t.Context())
	f := newFakePipe()
	done := r.over(t.Context(), f)
	go func() {
		for range 3 {
			io.WriteString(r.in, `{"jsonrpc":"2.0","id":1,"method":"ping"}`+"\n")
		}
		r.in.Close()
	}()
	f.answer(t, `{"jsonrpc":"2.0","method":"notifications/message"}`)
	r.expect(t, "notifications/message")
	f.expect(t, "ping", "ping", "ping")
	if _, err := f.requests.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("after the client's end: %v", err)
	}
	f.answers.Close()
	if err := <-done; err != nil {
		t.Errorf("the end: %v", err)
	}
}

// TestRelayInterrupted: told to end, the process still brings the answers to what runs, but not for ever.
func TestRelayInterrupted(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	r := newRelayed(t, ctx)
	f := newFakePipe()
	r.drain = time.Minute
	done := r.over(ctx, f)
	r.send(t, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x"}}`)
	f.expect(t, `"id":1`)
	interrupt()
	if _, err := f.requests.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("after the signal the gateway reads %v, want the end", err)
	}
	f.answer(t, `{"jsonrpc":"2.0","id":1,"result":{}}`)
	r.expect(t, `"id":1,"result"`)
	f.answers.Close()
	if err := <-done; err != nil {
		t.Errorf("the end: %v", err)
	}
}

// TestRelayClientDoesNotRead: a client that takes nothing must not keep the process after a signal.
func TestRelayClientDoesNotRead(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	r := newRelayed(t, ctx)
	f := newFakePipe()
	done := r.over(ctx, f)
	f.answer(t, `{"jsonrpc":"2.0","method":"notifications/message"}`)
	interrupt()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("the end: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("the process waits for a client that reads nothing")
	}
}
