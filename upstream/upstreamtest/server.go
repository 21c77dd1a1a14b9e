// SPDX-License-Identifier: Apache-2.0

package upstreamtest

import (
	"bufio"
	"context"
	"io"
	"net"
	"strconv"
	"sync"

	"tollgate/upstream/wire"
)

// Server is a scripted MCP server. Set the fields before the first connection. Safe for concurrent use.
type Server struct {
	// Legacy makes it a server of 2025-11-25 that refuses what it does not know; otherwise it speaks 2026-07-28 only.
	Legacy bool
	// Capabilities is the declared ServerCapabilities object. "" declares tools, prompts, resources, completions and logging,
	// all with listChanged.
	Capabilities string
	// Instructions are given at discovery when not empty.
	Instructions string
	// Results maps a method to the result it answers with. Lists that are missing are empty.
	Results map[string]string
	// Handle answers a request before Results is looked at; false leaves it to Results. It runs in its own goroutine.
	Handle func(r *Request) bool

	mu    sync.Mutex // guards conns and seen
	conns map[*conn]struct{}
	seen  []wire.Envelope
}

// Request is one request of the gateway.
type Request struct {
	*wire.Envelope
	Context context.Context // ends with the connection or at notifications/cancelled
	conn    *conn
}

// Send writes one line as it is.
func (r *Request) Send(line string) { r.conn.write([]byte(line)) }

// Stream lets write send bytes as they are, piece by piece, with nothing of other requests between them.
func (r *Request) Stream(write func(w io.Writer)) {
	r.conn.out.Lock()
	defer r.conn.out.Unlock()
	write(r.conn.pipe)
}

// Result answers with a result object.
func (r *Request) Result(result string) { r.conn.write(wire.AppendResult(nil, r.ID, []byte(result))) }

// Error answers with an error object, as bytes.
func (r *Request) Error(object string) {
	r.Send(`{"jsonrpc":"2.0","id":` + string(r.ID) + `,"error":` + object + `}`)
}

// Ask sends a request to the gateway, as a server of the earlier revisions does, and waits for the answer; nil when the
// request it belongs to was cancelled first.
func (r *Request) Ask(method, params string) *wire.Envelope {
	answer := make(chan *wire.Envelope, 1)
	c := r.conn
	c.mu.Lock()
	if c.asked == nil {
		c.asked = map[string]chan *wire.Envelope{}
	}
	id := strconv.Itoa(1000 + len(c.asked))
	c.asked[id] = answer
	c.mu.Unlock()
	c.write(wire.AppendRequest(nil, []byte(id), method, []byte(params)))
	select {
	case e := <-answer:
		return e
	case <-r.Context.Done():
		return nil
	}
}

func (c *conn) deliver(e *wire.Envelope) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if answer := c.asked[string(e.ID)]; answer != nil {
		answer <- e
	}
}

// HangUp closes the connection without an answer.
func (r *Request) HangUp() { _ = r.conn.pipe.Close() }

type conn struct {
	server *Server
	pipe   io.ReadWriteCloser
	out    sync.Mutex // guards writes

	mu      sync.Mutex // guards what follows
	cancels map[string]context.CancelFunc
	asked   map[string]chan *wire.Envelope
}

// InProcess opens one connection.
func (s *Server) InProcess(context.Context) (io.ReadWriteCloser, error) {
	near, far := net.Pipe()
	go s.Serve(far)
	return near, nil
}

// Serve answers on one connection until it ends.
func (s *Server) Serve(rw io.ReadWriteCloser) {
	c := &conn{server: s, pipe: rw, cancels: map[string]context.CancelFunc{}}
	s.mu.Lock()
	if s.conns == nil {
		s.conns = map[*conn]struct{}{}
	}
	s.conns[c] = struct{}{}
	s.mu.Unlock()
	c.run()
}

// Notify writes a notification to every open connection.
func (s *Server) Notify(method, params string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		go c.write(wire.AppendRequest(nil, nil, method, []byte(params)))
	}
}

// HangUp closes every open connection.
func (s *Server) HangUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		_ = c.pipe.Close()
	}
}

// Seen are the requests and notifications received so far, oldest first.
func (s *Server) Seen(method string) []wire.Envelope {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []wire.Envelope
	for _, e := range s.seen {
		if e.Method == method {
			found = append(found, e)
		}
	}
	return found
}

func (c *conn) run() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	defer c.pipe.Close()
	defer func() {
		c.server.mu.Lock()
		delete(c.server.conns, c)
		c.server.mu.Unlock()
	}()
	r := bufio.NewReader(c.pipe)
	for {
		line, err := r.ReadBytes('\n')
		if err != nil {
			return
		}
		e, err := wire.Parse(line)
		if err != nil {
			continue
		}
		c.server.mu.Lock()
		c.server.seen = append(c.server.seen, *e)
		c.server.mu.Unlock()
		if e.Method == "notifications/cancelled" {
			c.cancel(e)
		}
		if e.IsResponse() {
			c.deliver(e)
		}
		if !e.IsRequest() {
			continue
		}
		rctx, cancel := context.WithCancel(ctx)
		c.mu.Lock()
		c.cancels[string(e.ID)] = cancel
		c.mu.Unlock()
		go c.server.answer(&Request{Envelope: e, Context: rctx, conn: c})
	}
}

func (c *conn) cancel(e *wire.Envelope) {
	id, _ := wire.Lookup(e.Params, "requestId")
	c.mu.Lock()
	defer c.mu.Unlock()
	if cancel := c.cancels[string(id)]; cancel != nil {
		cancel()
	}
}

func (c *conn) write(line []byte) {
	c.out.Lock()
	defer c.out.Unlock()
	_, _ = c.pipe.Write(append(line, '\n')) // a closed pipe is the test's own doing
}

const everyCapability = `{"completions":{},"logging":{},"prompts":{"listChanged":true},"resources":{"listChanged":true,"subscribe":true},"tools":{"listChanged":true}}`

func (s *Server) answer(r *Request) {
	if s.Handle != nil && s.Handle(r) {
		return
	}
	if result, ok := s.result(r.Method); ok {
		r.Result(result)
		return
	}
	r.standard()
}

// standard answers what every server has to answer.
func (r *Request) standard() {
	s := r.conn.server
	caps, modern := s.Capabilities, ""
	if caps == "" {
		caps = everyCapability
	}
	extra := ""
	if s.Instructions != "" {
		extra = `,"instructions":` + string(wire.AppendString(nil, s.Instructions))
	}
	if !s.Legacy {
		modern = `,"resultType":"complete","ttlMs":0,"cacheScope":"private"`
	}
	switch m := r.Method; {
	case m == "server/discover" && !s.Legacy:
		r.Result(`{"supportedVersions":["2026-07-28"],"capabilities":` + caps + extra + modern + `}`)
	case m == "initialize" && s.Legacy:
		r.Result(`{"protocolVersion":"2025-11-25","capabilities":` + caps + `,"serverInfo":{"name":"scripted","version":"1"}` + extra + `}`)
	case m == "subscriptions/listen" && !s.Legacy:
		filter, _ := wire.Lookup(r.Params, "notifications")
		r.Send(`{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"notifications":` + string(filter) + `,"_meta":{"io.modelcontextprotocol/subscriptionId":` + string(r.ID) + `}}}`)
	case m == "ping" || m == "logging/setLevel" || m == "resources/subscribe" || m == "resources/unsubscribe":
		r.Result(`{}`)
	case m == "tools/list":
		r.Result(`{"tools":[]` + modern + `}`)
	case m == "prompts/list":
		r.Result(`{"prompts":[]` + modern + `}`)
	case m == "resources/list":
		r.Result(`{"resources":[]` + modern + `}`)
	case m == "resources/templates/list":
		r.Result(`{"resourceTemplates":[]` + modern + `}`)
	default:
		r.Error(`{"code":-32601,"message":"Method not found"}`)
	}
}

// Set changes the result of a method while the server runs.
func (s *Server) Set(method, result string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Results[method] = result
}

func (s *Server) result(method string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.Results[method]
	return r, ok
}
