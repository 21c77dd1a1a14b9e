// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"mime"
	"net/http"
	"time"

	"tollgate/upstream/wire"
)

const (
	defaultRetry = time.Second           // before a stream is opened again, unless the server says otherwise
	minRetry     = 20 * time.Millisecond // whatever the server says
	maxResumes   = 5                     // attempts at a call's stream without a new event
	maxBackoff   = 30 * time.Second      // between two attempts at the standalone stream
	steady       = 10 * time.Second      // a stream that lasted so long was no failure
	listenGrace  = 250 * time.Millisecond
)

// pauseFunc waits for d or until ctx ends, whose error it returns.
type pauseFunc func(ctx context.Context, d time.Duration) error

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// readEvents takes the response from a stream of events and takes over body. When a legacy stream with event ids breaks, it is
// opened again where it broke (2025-11-25 §Resumability and Redelivery).
func (c *httpCall) readEvents(body io.ReadCloser) (*wire.Envelope, error) {
	var cur cursor
	for failures := 0; ; {
		before := cur.id
		env, err := c.pump(body, &cur)
		if env != nil {
			c.drain(body)
			return env, nil
		}
		body.Close()
		var known *Error
		switch {
		case errors.As(err, &known) || c.request.Err() != nil:
			return nil, err
		case !c.l.legacy || cur.id == "":
			return nil, c.broken(err)
		case cur.id != before:
			failures = 0
		}
		if body, err = c.resume(&cur, &failures); err != nil {
			return nil, err
		}
	}
}

// resume opens the stream of the call again after cur. failures counts the attempts without a new event.
func (c *httpCall) resume(cur *cursor, failures *int) (io.ReadCloser, error) {
	l := c.l
	for *failures < maxResumes {
		*failures++
		delay := defaultRetry
		if cur.retry > 0 {
			delay = max(cur.retry, minRetry)
		}
		if err := l.pause(c.request, delay); err != nil {
			return nil, err
		}
		resp, err := l.get(c.request, cur.id)
		if c.request.Err() != nil {
			return nil, c.request.Err()
		}
		if err != nil {
			continue
		}
		if isEventStream(resp) {
			return resp.Body, nil
		}
		_, err = l.refusal(resp, nil, c.x.method, l.session.open())
		discardBody(resp)
		if errors.Is(err, errSessionLost) {
			return nil, failf(l.cfg, KindClosed, true, errSessionLost, "lost the session during %s", c.x.method)
		}
		if !isPassing(resp.StatusCode) {
			break
		}
	}
	return nil, c.broken(errNoResponse)
}

func (c *httpCall) broken(cause error) *Error {
	if errors.Is(cause, io.EOF) {
		cause = errNoResponse
	}
	return failf(c.l.cfg, KindClosed, true, cause, "closed the stream before it answered %s", c.x.method)
}

// get opens a stream of events, after the event lastID unless that is "".
func (l *httpLink) get(ctx context.Context, lastID string) (*http.Response, error) {
	req, err := l.request(ctx, http.MethodGet, l.url, nil)
	if err != nil {
		return nil, err
	}
	l.session.setHeaders(req.Header)
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	resp, _, err := l.do(req)
	return resp, err
}

func isEventStream(resp *http.Response) bool {
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	return resp.StatusCode == http.StatusOK && kind == "text/event-stream"
}

// isPassing reports whether a stream refused with status may be granted later. 409 is what servers say that have not noticed
// the end of the last stream.
func isPassing(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusConflict, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	}
	return status >= 500
}

// listen keeps the standalone stream of a legacy session open for as long as the link lives and the server allows. That it
// breaks says nothing about the link, since load balancers cut idle streams.
// asked is called when the server has answered for the first time, and is safe to call again.
func (l *httpLink) listen(asked func()) {
	defer asked()
	var cur cursor
	for failures := 0; ; failures++ {
		began := time.Now()
		if !l.listenOnce(&cur, asked) {
			return
		}
		if time.Since(began) > steady {
			failures = 0
		}
		if l.pause(l.alive, redialPause(failures, cur.retry)) != nil {
			return
		}
	}
}

// redialPause is the pause before attempt number failures+1: between half of it and all of a time that doubles from the server's
// wish, or the default, up to [maxBackoff].
func redialPause(failures int, wish time.Duration) time.Duration {
	d := defaultRetry
	if wish > 0 {
		d = max(wish, minRetry)
	}
	for ; failures > 0 && d < maxBackoff; failures-- {
		d *= 2
	}
	d = min(d, maxBackoff)
	return d/2 + rand.N(d/2+1)
}

// listenOnce opens the standalone stream, reads it to its end and reports whether another attempt makes sense.
func (l *httpLink) listenOnce(cur *cursor, asked func()) bool {
	resp, err := l.get(l.alive, cur.id)
	asked()
	if err != nil {
		return l.alive.Err() == nil
	}
	if isEventStream(resp) {
		defer resp.Body.Close()
		l.readAside(resp.Body, cur)
		return l.alive.Err() == nil
	}
	defer discardBody(resp)
	_, err = l.refusal(resp, nil, "a stream", l.session.open())
	switch {
	case l.cause() != nil:
		return false
	case isPassing(resp.StatusCode):
		return true
	case cur.id != "":
		cur.id = "" // the server cannot go back to that event
		return true
	}
	l.o.log.Debug("server offers no standalone stream", "upstream", l.cfg.Name, "error", err)
	return false
}

// readAside hands on what comes outside of any call, until body ends.
func (l *httpLink) readAside(body io.Reader, cur *cursor) {
	events := newEventReader(body, l.o.maxReply, cur)
	for {
		ev, err := events.next()
		if err != nil {
			l.o.log.Debug("standalone stream ended", "upstream", l.cfg.Name, "error", err)
			return
		}
		if ev.name != "" && ev.name != "message" {
			continue
		}
		err = eachMessage(ev.data, func(env *wire.Envelope) bool {
			l.aside(env, l.reply)
			return true
		})
		if err != nil {
			l.o.log.Warn("malformed message ignored", "upstream", l.cfg.Name, "error", err)
		}
	}
}
