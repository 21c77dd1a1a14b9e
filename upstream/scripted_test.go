// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"bufio"
	"context"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tollgate/upstream/wire"
)

// scripted is an MCP server over in-process pipes that does what a test wants, byte for byte. The zero value speaks both eras
// and has the tools echo and other. Fields are set before the first connection.
type scripted struct {
	era   string // "modern", "legacy" or "" = both
	probe string // answer to server/discover: "silent", "exit" or "" = as the era says
	caps  string // raw capabilities; "" = tools
	tools []string
	// on answers a method instead of the default. It runs on the goroutine that reads the connection.
	on map[string]func(c *scriptedConn, e *wire.Envelope)

	mu    sync.Mutex // guards below
	conns []*scriptedConn
	seen  []string // methods in the order received, on all connections
	raw   []string // params of the same
}

// scriptedConn is one connection to a scripted server.
type scriptedConn struct {
	s     *scripted
	n     int // 0 for the first connection
	conn  net.Conn
	in    *bufio.Reader // used by the goroutine that reads only
	write sync.Mutex    // guards writes to conn
}

func (s *scripted) open(context.Context) (io.ReadWriteCloser, error) {
	near, far := net.Pipe()
	s.mu.Lock()
	c := &scriptedConn{s: s, n: len(s.conns), conn: far}
	s.conns = append(s.conns, c)
	s.mu.Unlock()
	go c.serve()
	return near, nil
}

// config returns a configuration that connects to s.
func (s *scripted) config(name string) Config { return Config{Name: name, InProcess: s.open} }

func (c *scriptedConn) serve() {
	defer c.conn.Close()
	c.in = bufio.NewReader(c.conn)
	for {
		e := c.read()
		if e == nil {
			return
		}
		c.handle(e)
	}
}

// read returns the next message, nil when there is none any more.
func (c *scriptedConn) read() *wire.Envelope {
	line, err := c.in.ReadBytes('\n')
	if err != nil {
		return nil
	}
	e, err := wire.Parse(line[:len(line)-1])
	if err != nil {
		panic(err)
	}
	c.s.mu.Lock()
	c.s.seen = append(c.s.seen, e.Method)
	c.s.raw = append(c.s.raw, string(e.Params))
	c.s.mu.Unlock()
	return e
}

func (c *scriptedConn) handle(e *wire.Envelope) {
	if f := c.s.on[e.Method]; f != nil {
		f(c, e)
	} else {
		c.usual(e)
	}
}

// usual is what a well-behaved server answers.
func (c *scriptedConn) usual(e *wire.Envelope) {
	caps := c.s.caps
	if caps == "" {
		caps = `{"tools":{}}`
	}
	tools := c.s.tools
	if tools == nil {
		tools = []string{tool("echo"), tool("other")}
	}
	switch e.Method {
	case "server/discover":
		switch {
		case c.s.probe == "silent":
		case c.s.probe == "exit":
			c.conn.Close()
		case c.s.era == "legacy":
			c.fail(e, wire.CodeMethodNotFound, "method not found")
		default:
			c.reply(e, `{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":`+caps+
				`,"instructions":"be kind","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"scripted","version":"1"}}}`)
		}
	case "initialize":
		if c.s.era == "modern" {
			c.fail(e, wire.CodeUnsupportedVersion, "no handshake here")
			return
		}
		c.reply(e, `{"protocolVersion":"2025-06-18","capabilities":`+caps+
			`,"instructions":"be kind","serverInfo":{"name":"scripted","version":"1"}}`)
	case "tools/list":
		c.reply(e, `{"tools":[`+strings.Join(tools, ",")+`]}`)
	case "tools/call":
		c.reply(e, `{"got":`+string(e.Params)+`}`)
	case "subscriptions/listen":
		agreed, _ := wire.Lookup(e.Params, "notifications")
		c.notifyOn(e, "notifications/subscriptions/acknowledged", `{"notifications":`+string(agreed)+`}`)
	default:
		switch {
		case e.IsNotification() || e.IsResponse():
		case strings.HasSuffix(e.Method, "subscribe") || e.Method == "logging/setLevel":
			c.reply(e, `{}`)
		default:
			c.fail(e, wire.CodeMethodNotFound, "method not found")
		}
	}
}

func tool(name string) string {
	return `{"name":"` + name + `","inputSchema":{"type":"object"}}`
}

func (c *scriptedConn) send(b []byte) {
	c.write.Lock()
	defer c.write.Unlock()
	_, _ = c.conn.Write(append(b, '\n')) // the other side may have gone, which the test sees elsewhere
}

func (c *scriptedConn) reply(e *wire.Envelope, result string) {
	c.send(wire.AppendResult(nil, e.ID, []byte(result)))
}

func (c *scriptedConn) fail(e *wire.Envelope, code int64, message string) {
	c.send(wire.AppendError(nil, e.ID, &wire.Error{Code: code, Message: message}))
}

func (c *scriptedConn) notify(method, params string) {
	c.send(wire.AppendRequest(nil, nil, method, []byte(params)))
}

// notifyOn sends a notification on the stream of a listen request.
func (c *scriptedConn) notifyOn(listen *wire.Envelope, method, params string) {
	meta := wire.Set(nil, wire.MetaSubscriptionID, listen.ID)
	c.send(wire.AppendRequest(nil, nil, method, wire.Set([]byte(params), "_meta", meta)))
}

// count returns how often a method was received.
func (s *scripted) count(method string) (n int) {
	for _, m := range s.methods() {
		if m == method {
			n++
		}
	}
	return n
}

func (s *scripted) methods() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.seen)
}

// params returns the params of the last message with a method.
func (s *scripted) params(method string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, m := range slices.Backward(s.seen) {
		if m == method {
			return s.raw[i]
		}
	}
	return ""
}

// last returns the newest connection.
func (s *scripted) last() *scriptedConn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns[len(s.conns)-1]
}

func (s *scripted) dials() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// run starts a Set with upstreams and waits until they are settled.
func run(t *testing.T, opts *Options, cfgs ...Config) *Set {
	t.Helper()
	s := NewSet(opts)
	s.Apply(cfgs)
	t.Cleanup(func() { stop(t, s) })
	if err := s.Settled(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func stop(t *testing.T, s *Set) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Fatalf("Close: %v", err)
	}
}

// elapse lets fake time pass, inside of a synctest bubble.
func elapse(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// state fails unless an upstream is in a state.
func state(t *testing.T, s *Set, name string, want State) Status {
	t.Helper()
	for _, st := range s.Status() {
		if st.Name == name {
			if st.State != want {
				t.Fatalf("upstream %q is %s (%s), want %s", name, st.State, st.Failure, want)
			}
			return st
		}
	}
	t.Fatalf("there is no upstream %q", name)
	panic("unreachable")
}

// echo calls the tool echo and returns the params the upstream got.
func echo(t *testing.T, s *Set, r Request) string {
	t.Helper()
	r.Method = "tools/call"
	if r.Params == nil {
		r.Params = []byte(`{"name":"echo"}`)
	}
	reply, err := s.Call(t.Context(), "demo", &r)
	if err != nil {
		t.Fatalf("Call: %v", err)
	}
	got, _ := wire.Lookup(reply.Result, "got")
	return string(got)
}

// names lists the tools of the only snapshot.
func names(s *Set) (list []string) {
	for _, snap := range s.Snapshots() {
		for _, item := range snap.Tools {
			list = append(list, item.Name)
		}
	}
	return list
}
