// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"tollgate/upstream/wire"
)

// rawClient is a client of one era that sees every message. It answers what it is asked with what the question says, so
// that an answer names its call. Methods are safe for concurrent use.
type rawClient struct {
	who  string // principal
	rev  wire.Revision
	caps string // ClientCapabilities
	link link

	mu      sync.Mutex // guards what follows
	next    int
	pending map[string]chan *wire.Envelope // closed when the stream of a request ends without an answer
	heard   []heard                        // notifications and questions nobody has taken
	wake    chan struct{}                  // closed at the next one
	all     []string                       // every line
}

// heard is a notification or question and the stream it came on.
type heard struct {
	stream string
	*wire.Envelope
}

// link is a transport: it sends messages and hands over what arrives.
type link interface {
	// send sends a message; id is that of a request, "" for anything else.
	send(ctx context.Context, c *rawClient, id string, line []byte) error
	// streamOf is the stream on which everything about a request must come.
	streamOf(id string) string
	// drop gives a request up in the transport's own way; false when it has none and the client must say so.
	drop(id string) bool
	close() error
}

// connect makes a client and, in the era that has one, opens its session.
func connect(ctx context.Context, who string, rev wire.Revision, caps string, l link) (*rawClient, error) {
	c := &rawClient{who: who, rev: rev, caps: caps, link: l, pending: map[string]chan *wire.Envelope{}, wake: make(chan struct{})}
	if p, ok := l.(*pipeLink); ok {
		p.start(c)
	}
	if rev.Modern() {
		return c, nil
	}
	e, _, err := c.request(ctx, "initialize", `"protocolVersion":"`+string(rev)+`","capabilities":`+caps+`,"clientInfo":{"name":`+quoted(who)+`,"version":"1"}`, "")
	if err != nil {
		return nil, err
	}
	if got, _ := wire.Lookup(e.Result, "protocolVersion"); string(got) != `"`+string(rev)+`"` {
		return nil, fmt.Errorf("initialize: %s", e.Raw)
	}
	if err := l.send(ctx, c, "", []byte(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)); err != nil {
		return nil, err
	}
	if h, ok := l.(*httpLink); ok {
		return c, h.listen(ctx, c)
	}
	return c, nil
}

// begin sends a request; params and meta are members. The channel gives the answer, or is closed without one.
func (c *rawClient) begin(ctx context.Context, method, params, meta string) (id string, answer <-chan *wire.Envelope, err error) {
	if c.rev.Modern() {
		meta = join(meta, `"io.modelcontextprotocol/protocolVersion":"`+string(c.rev)+`","io.modelcontextprotocol/clientCapabilities":`+c.caps)
	}
	if meta != "" {
		params = join(params, `"_meta":{`+meta+`}`)
	}
	done := make(chan *wire.Envelope, 1)
	c.mu.Lock()
	c.next++
	id = fmt.Sprint(c.next)
	c.pending[id] = done
	c.mu.Unlock()
	return id, done, c.link.send(ctx, c, id, []byte(`{"jsonrpc":"2.0","id":`+id+`,"method":"`+method+`","params":{`+params+`}}`))
}

func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "," + b
}

// request sends a request and waits for its answer.
func (c *rawClient) request(ctx context.Context, method, params, meta string) (*wire.Envelope, string, error) {
	id, answer, err := c.begin(ctx, method, params, meta)
	if err != nil {
		return nil, id, err
	}
	e, err := await(ctx, method, answer)
	return e, id, err
}

func await(ctx context.Context, what string, answer <-chan *wire.Envelope) (*wire.Envelope, error) {
	select {
	case e := <-answer:
		if e == nil {
			return nil, fmt.Errorf("%s got no answer", what)
		}
		return e, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%s: waited too long for the answer", what)
	}
}

// tool calls a tool and, in the era in which questions come as results, answers them until there is a result.
func (c *rawClient) tool(ctx context.Context, name, args, meta string) (*wire.Envelope, string, error) {
	more := ""
	for range 5 {
		e, id, err := c.request(ctx, "tools/call", join(`"name":`+quoted(name)+`,"arguments":{`+args+`}`, more), meta)
		kind, _ := wire.Lookup(resultOf(e), "resultType")
		if err != nil || string(kind) != `"input_required"` {
			return e, id, err
		}
		answers := []byte(nil)
		requests, _ := wire.Lookup(e.Result, "inputRequests")
		for m := range wire.Members(requests) {
			raw, _ := wire.Lookup(m.Value, "method")
			method, _ := wire.String(raw)
			params, _ := wire.Lookup(m.Value, "params")
			c.keep(heard{c.link.streamOf(id), &wire.Envelope{Method: method, Params: params}})
			answers = wire.Set(answers, m.Name, c.reply(method, params))
		}
		more = `"inputResponses":` + string(answers)
		if state, ok := wire.Lookup(e.Result, "requestState"); ok {
			more += `,"requestState":` + string(state)
		}
	}
	return nil, "", fmt.Errorf("%s asks without end", name)
}

// reply answers a question with its own text.
func (c *rawClient) reply(method string, params []byte) []byte {
	switch method {
	case "elicitation/create":
		raw, _ := wire.Lookup(params, "message")
		text, _ := wire.String(raw)
		return []byte(`{"action":"accept","content":{"v":` + quoted(c.who+" on "+strings.TrimSuffix(text, "?")) + `}}`)
	case "sampling/createMessage":
		text := ""
		list, _ := wire.Lookup(params, "messages")
		for m := range wire.Elements(list) {
			raw, _ := wire.Lookup(m, "content", "text")
			text, _ = wire.String(raw)
		}
		return []byte(`{"role":"assistant","model":"m","content":{"type":"text","text":` + quoted(c.who+" on "+strings.TrimSuffix(text, "?")) + `}}`)
	}
	return []byte(`{"roots":[{"uri":` + quoted("file:///"+c.who) + `}]}`)
}

// arrived takes one line.
func (c *rawClient) arrived(stream string, line []byte) {
	e, err := wire.Parse(line)
	c.mu.Lock()
	c.all = append(c.all, stream+": "+string(line))
	c.mu.Unlock()
	switch {
	case err != nil:
	case e.IsResponse():
		c.answered(string(e.ID), e)
	default:
		c.keep(heard{stream, e})
		if e.IsRequest() {
			// A failure shows at the call that waits for this answer.
			_ = c.link.send(context.Background(), c, "", wire.AppendResult(nil, e.ID, c.reply(e.Method, e.Params)))
		}
	}
}

// answered gives a request its answer, nil when there will be none.
func (c *rawClient) answered(id string, e *wire.Envelope) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if done := c.pending[id]; done != nil {
		delete(c.pending, id)
		if e != nil {
			done <- e
		}
		close(done)
	}
}

func (c *rawClient) keep(h heard) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard = append(c.heard, h)
	close(c.wake)
	c.wake = make(chan struct{})
}

// take removes and returns what has arrived of a method on a stream; "" is any stream.
func (c *rawClient) take(stream, method string) []heard {
	c.mu.Lock()
	defer c.mu.Unlock()
	var taken, rest []heard
	for _, h := range c.heard {
		if h.Method == method && (stream == "" || h.stream == stream) {
			taken = append(taken, h)
		} else {
			rest = append(rest, h)
		}
	}
	c.heard = rest
	return taken
}

// wait is take for at least one.
func (c *rawClient) wait(ctx context.Context, stream, method string) ([]heard, error) {
	for {
		c.mu.Lock()
		wake := c.wake
		c.mu.Unlock()
		if got := c.take(stream, method); len(got) > 0 {
			return got, nil
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return nil, fmt.Errorf("waited too long for %s on stream %q", method, stream)
		}
	}
}

// cancel gives a request up.
func (c *rawClient) cancel(ctx context.Context, id string) error {
	if c.rev.Modern() && c.link.drop(id) {
		return nil
	}
	return c.link.send(ctx, c, "", []byte(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":`+id+`}}`))
}

// lines are all messages so far.
func (c *rawClient) lines() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.all...)
}

// pipeLink is the client's end of a stdio connection. Everything comes on one stream.
type pipeLink struct {
	in   io.WriteCloser
	out  io.Reader
	wait func() error // for the other side, once in is closed

	mu   sync.Mutex // guards writes to in
	read sync.WaitGroup
}

func (p *pipeLink) start(c *rawClient) {
	p.read.Go(func() {
		lines := bufio.NewScanner(p.out)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			c.arrived("pipe", append([]byte(nil), lines.Bytes()...))
		}
	})
}

func (p *pipeLink) send(_ context.Context, _ *rawClient, _ string, line []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, err := p.in.Write(append(line, '\n'))
	return err
}

func (p *pipeLink) streamOf(string) string { return "pipe" }
func (p *pipeLink) drop(string) bool       { return false }

func (p *pipeLink) close() error {
	_ = p.in.Close() // the other side may have gone
	p.read.Wait()
	return p.wait()
}

// httpLink is a client's side of HTTP: a stream for each request and, in the era of sessions, one more.
type httpLink struct {
	url, token string
	transport  http.Transport
	ctx        context.Context
	stop       context.CancelFunc
	work       sync.WaitGroup

	mu      sync.Mutex // guards what follows
	session string
	drops   map[string]context.CancelFunc
}

func newHTTPLink(url, token string) *httpLink {
	h := &httpLink{url: url, token: token, drops: map[string]context.CancelFunc{}}
	h.ctx, h.stop = context.WithCancel(context.Background())
	return h
}

func (h *httpLink) streamOf(id string) string { return "post " + id }

func (h *httpLink) do(ctx context.Context, c *rawClient, method string, line []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, h.url, strings.NewReader(string(line)))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+h.token)
	req.Header.Set("Accept", "application/json, text/event-stream")
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/json")
	}
	h.mu.Lock()
	session := h.session
	h.mu.Unlock()
	switch {
	case c.rev.Modern():
		e, err := wire.Parse(line)
		if err != nil {
			return nil, err
		}
		wire.SetHeaders(req.Header, c.rev, e.Method, e.Params, nil)
	case session != "":
		req.Header.Set(wire.HeaderSession, session)
		req.Header.Set(wire.HeaderProtocolVersion, string(c.rev))
	}
	return h.transport.RoundTrip(req)
}

func (h *httpLink) send(ctx context.Context, c *rawClient, id string, line []byte) error {
	if id == "" {
		resp, err := h.do(ctx, c, http.MethodPost, line)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusAccepted {
			return fmt.Errorf("%s: %s", line, resp.Status)
		}
		return nil
	}
	own, drop := context.WithCancel(h.ctx)
	h.mu.Lock()
	h.drops[id] = drop
	h.mu.Unlock()
	h.work.Go(func() {
		defer drop()
		defer c.answered(id, nil)
		if resp, err := h.do(own, c, http.MethodPost, line); err == nil {
			if s := resp.Header.Get(wire.HeaderSession); s != "" {
				h.mu.Lock()
				h.session = s
				h.mu.Unlock()
			}
			h.read(c, h.streamOf(id), resp)
		}
	})
	return nil
}

// read hands over the messages of a response, whichever form it has.
func (h *httpLink) read(c *rawClient, stream string, resp *http.Response) {
	defer resp.Body.Close()
	if !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		if body, err := io.ReadAll(resp.Body); err == nil {
			c.arrived(stream, body)
		}
		return
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			c.arrived(stream, []byte(data))
		}
	}
}

// listen opens the session's own stream.
func (h *httpLink) listen(ctx context.Context, c *rawClient) error {
	resp, err := h.do(h.ctx, c, http.MethodGet, nil)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		_ = resp.Body.Close()
		return fmt.Errorf("the session's stream: %s", resp.Status)
	}
	h.work.Go(func() { h.read(c, "get", resp) })
	return ctx.Err()
}

func (h *httpLink) drop(id string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.drops[id]()
	return true
}

func (h *httpLink) close() error {
	h.stop()
	h.work.Wait()
	h.transport.CloseIdleConnections()
	return nil
}

func resultOf(e *wire.Envelope) []byte {
	if e == nil {
		return nil
	}
	return e.Result
}
