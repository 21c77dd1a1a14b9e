// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"net/http"
	"sync"
	"time"

	"tollgate/upstream/wire"
)

// httpLink speaks Streamable HTTP: one POST per request, whose answer is one JSON object or a stream of events that ends with
// the response. In the modern era there is nothing else. In the legacy era a session, kept here, ties the POSTs together, and a
// stream of its own brings what the server sends outside of any request.
type httpLink struct {
	*httpConn
	legacy  bool
	session httpSession // legacy only
	closing sync.Once
	pause   pauseFunc // between two attempts at a stream; tests replace it
}

var _ link = (*httpLink)(nil)

// dialHTTP returns a link to cfg.URL. It connects with the first request.
func dialHTTP(cfg *Config, o *linkOptions, legacy bool) (link, error) {
	l, err := newHTTPLink(cfg, o, legacy)
	if err != nil {
		return nil, err
	}
	return l, nil
}

func newHTTPLink(cfg *Config, o *linkOptions, legacy bool) (*httpLink, error) {
	h, err := newHTTPConn(cfg, o)
	if err != nil {
		return nil, err
	}
	return &httpLink{httpConn: h, legacy: legacy, pause: pause}, nil
}

func (l *httpLink) exchange(ctx context.Context, x *exchange) (*wire.Envelope, error) {
	if err := l.enter(); err != nil {
		return nil, failf(l.cfg, KindClosed, false, err, "is disconnected")
	}
	defer l.users.Done()
	c := newHTTPCall(ctx, l, x)
	env, err := c.run()
	c.end()
	if err == nil {
		return env, nil
	}
	e := l.failure(ctx, x.method, x.sent, err)
	if l.legacy && x.sent && ctx.Err() != nil && x.method != "initialize" {
		l.cancelled(c.id)
	}
	return nil, e
}

// notify sends a notification of the legacy era. The modern era has none over HTTP: a request is cancelled by closing its
// stream.
func (l *httpLink) notify(ctx context.Context, method string, params []byte) error {
	if !l.legacy {
		return failf(l.cfg, KindProtocol, false, nil, "cannot be sent %s: revision 2026-07-28 has no client notifications over HTTP", method)
	}
	if err := l.enter(); err != nil {
		return failf(l.cfg, KindClosed, false, err, "is disconnected")
	}
	defer l.users.Done()
	ctx, cancel := l.bound(ctx)
	defer cancel()
	if err := l.send(ctx, method, wire.AppendRequest(nil, nil, method, params)); err != nil {
		return err
	}
	if method == "notifications/initialized" && l.session.startListening() {
		l.startListening(ctx)
	}
	return nil
}

// startListening opens the standalone stream and gives the server a moment to notice it before the first request: some take
// whichever stream was opened last for the one to answer on.
func (l *httpLink) startListening(ctx context.Context) {
	opened := make(chan struct{})
	if !l.spawn(func() { l.listen(sync.OnceFunc(func() { close(opened) })) }) {
		return
	}
	limit := time.NewTimer(listenGrace)
	defer limit.Stop()
	select {
	case <-opened:
	case <-limit.C: // it sends no headers before there is an event
	case <-ctx.Done():
	}
}

// bound returns ctx with the life of the link as a second end.
func (h *httpConn) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	release := context.AfterFunc(h.alive, cancel)
	return ctx, func() {
		release()
		cancel()
	}
}

// send posts a message that gets no answer beyond its acceptance: a notification or a response. The error is an *Error about
// what.
func (l *httpLink) send(ctx context.Context, what string, body []byte) error {
	resp, sent, err := l.post(ctx, l.session.setHeaders, body)
	if err != nil {
		return l.failure(ctx, what, sent, err)
	}
	defer discardBody(resp)
	if resp.StatusCode/100 == 2 {
		return nil
	}
	_, err = l.refusal(resp, nil, what, l.session.open())
	return err
}

// post sends body to the server with the headers that set adds.
func (l *httpLink) post(ctx context.Context, set func(http.Header), body []byte) (*http.Response, bool, error) {
	req, err := l.request(ctx, http.MethodPost, l.url, body)
	if err != nil {
		return nil, false, err
	}
	set(req.Header)
	return l.do(req)
}

// close ends the exchanges and streams under way, tells the server that the session is over and waits until nothing is left.
func (l *httpLink) close() {
	l.closing.Do(func() {
		lost := l.cause() != nil
		l.fail(errLinkClosed)
		l.stop()
		l.users.Wait()
		if l.legacy && !lost {
			l.endSession()
		}
		l.transport.CloseIdleConnections()
	})
}
