// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"time"

	"tollgate/upstream/wire"
)

const (
	drainBytes = 16 << 10    // read after a response to save the connection
	drainTime  = time.Second // for the server to end its stream after the response
)

// errNoResponse is the cause when an answer ended without the response.
var errNoResponse = errors.New("the answer ended without a response")

// httpCall is one exchange over Streamable HTTP.
type httpCall struct {
	*liveCall
	l *httpLink
	x *exchange

	// request is the ctx of the HTTP request. It ends with the caller's and the link's, but outlives the call until the rest
	// of the answer is drained: else every event stream would cost its connection.
	request context.Context
	forget  func() bool // unties request from the caller's ctx
	release func()      // ends request; safe to call again and from anywhere
	drained bool        // release belongs to drain
}

func newHTTPCall(ctx context.Context, l *httpLink, x *exchange) *httpCall {
	c := &httpCall{l: l, x: x}
	inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
	c.forget = context.AfterFunc(ctx, cancel)
	outer, unbind := l.bound(inner)
	c.request, c.release = outer, func() { c.forget(); unbind(); cancel() }
	c.liveCall = l.register(outer, x)
	return c
}

// end returns once the peer is told nothing more.
func (c *httpCall) end() {
	c.l.finish(c.liveCall)
	if !c.drained {
		c.release()
	}
}

// run sends the request and returns its response. The error is an *Error or what do and the reader said.
func (c *httpCall) run() (*wire.Envelope, error) {
	x, l := c.x, c.l
	if l.legacy && x.method == "initialize" {
		l.session.reset()
	}
	mirror := func(h http.Header) { wire.SetHeaders(h, x.rev, x.method, x.params, x.headers) }
	if l.legacy {
		mirror = l.session.setHeaders
	}
	resp, sent, err := l.post(c.request, mirror, wire.AppendRequest(nil, c.id, x.method, x.params))
	x.sent = sent
	if err != nil {
		return nil, err
	}
	x.status = resp.StatusCode
	if resp.StatusCode/100 != 2 {
		defer discardBody(resp)
		return l.refusal(resp, c.id, x.method, l.session.open())
	}
	if l.legacy && x.method == "initialize" {
		if err := l.session.begin(resp.Header); err != nil {
			resp.Body.Close()
			return nil, failf(l.cfg, KindProtocol, true, err, "answered initialize with an unusable session id")
		}
	}
	env, err := c.read(resp)
	if err == nil && l.legacy && x.method == "initialize" {
		l.session.negotiate(env.Result)
	}
	return env, err
}

// read takes the response from a successful answer and takes over its body.
func (c *httpCall) read(resp *http.Response) (*wire.Envelope, error) {
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch {
	case kind == "text/event-stream":
		return c.readEvents(resp.Body)
	case kind == "application/json" && resp.StatusCode == http.StatusOK:
		defer resp.Body.Close()
		return c.readJSON(resp)
	}
	defer discardBody(resp)
	what := "no content"
	if kind != "" && resp.ContentLength != 0 {
		what = "content of type " + quoteShort(kind)
	}
	return nil, failf(c.l.cfg, KindProtocol, true, nil, "answered %s with HTTP %d and %s", c.x.method, resp.StatusCode, what)
}

func (c *httpCall) readJSON(resp *http.Response) (*wire.Envelope, error) {
	body, err := readBody(resp, c.limit())
	if errors.Is(err, errBodyTooLarge) {
		return nil, c.tooLarge(err)
	}
	if err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, failf(c.l.cfg, KindProtocol, true, nil, "answered %s with an empty body", c.x.method)
	}
	var found *wire.Envelope
	err = eachMessage(body, func(env *wire.Envelope) bool {
		if c.dispatch(env) {
			found = env
		}
		return found == nil
	})
	switch {
	case err != nil:
		return nil, c.malformed(err)
	case found == nil:
		return nil, failf(c.l.cfg, KindProtocol, true, errNoResponse, "answered %s with something else than its response", c.x.method)
	}
	return found, nil
}

// pump reads events until the response is there. The error is what the reader said, or an *Error when reading on is useless.
func (c *httpCall) pump(body io.Reader, cur *cursor) (*wire.Envelope, error) {
	events := newEventReader(body, c.limit(), cur)
	for {
		ev, err := events.next()
		if errors.Is(err, errEventTooLarge) {
			return nil, c.tooLarge(err)
		}
		if err != nil {
			return nil, err
		}
		if ev.name != "" && ev.name != "message" {
			continue
		}
		var found *wire.Envelope
		err = eachMessage(ev.data, func(env *wire.Envelope) bool {
			if c.dispatch(env) {
				found = env
			}
			return found == nil
		})
		if err != nil {
			return nil, c.malformed(err)
		}
		if found != nil {
			return found, nil
		}
	}
}

// dispatch takes one message of the answer and reports whether it is the response. An error without an id counts, since
// nothing else was asked on this stream; a response with another id is ignored.
func (c *httpCall) dispatch(env *wire.Envelope) bool {
	l := c.l
	switch {
	case env.IsResponse():
		if bytes.Equal(env.ID, c.id) || env.ID == nil {
			return true
		}
		l.o.log.Debug("response with a foreign id ignored", "upstream", l.cfg.Name, "method", c.x.method)
	case env.IsRequest():
		c.ask(env)
	case c.x.stream || env.Method == "notifications/progress" || env.Method == "notifications/message":
		c.notify(env.Method, env.Params)
	case l.legacy && env.Method == "notifications/cancelled":
		l.asks.cancel(env.Params)
	default:
		l.o.onNotify(env.Method, env.Params)
	}
	return false
}

// ask answers a request of the server that belongs to this call. The modern era has no such requests and forbids answers.
func (c *httpCall) ask(env *wire.Envelope) {
	l := c.l
	if !l.legacy {
		l.o.log.Debug("request of a modern server ignored", "upstream", l.cfg.Name, "method", env.Method)
		return
	}
	l.answer(env, c.liveCall, l.reply)
}

// drain reads the rest of an answer whose response is known, so that its connection can be used again.
func (c *httpCall) drain(body io.ReadCloser) {
	c.forget()
	c.drained = c.l.spawn(func() {
		defer c.release()
		late := time.AfterFunc(drainTime, c.release)
		defer late.Stop()
		_, _ = io.CopyN(io.Discard, body, drainBytes)
		body.Close()
	})
	if !c.drained {
		body.Close()
	}
}

func (c *httpCall) limit() int64 {
	if c.x.maxReply > 0 {
		return c.x.maxReply
	}
	return c.l.o.maxReply
}

func (c *httpCall) tooLarge(cause error) *Error {
	return failf(c.l.cfg, KindTooLarge, true, cause, "answered %s with more than %d bytes", c.x.method, c.limit())
}

func (c *httpCall) malformed(cause error) *Error {
	return failf(c.l.cfg, KindProtocol, true, cause, "answered %s with a malformed message", c.x.method)
}
