// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"tollgate/upstream/wire"
)

// sseLink speaks HTTP+SSE, the transport of 2024-11-05: one stream of events brings everything the server sends, POSTs to the
// address its first event names carry everything to it. The end of the stream is the end of the session.
type sseLink struct {
	*httpConn
	endpoint *url.URL
	closing  sync.Once

	waitMu  sync.Mutex // guards waiting
	waiting map[string]chan<- *wire.Envelope
}

var _ link = (*sseLink)(nil)

// dialSSE opens the stream at cfg.URL and waits for the endpoint event. ctx bounds the dialling only.
func dialSSE(ctx context.Context, cfg *Config, o *linkOptions) (link, error) {
	h, bad := newHTTPConn(cfg, o)
	if bad != nil {
		return nil, bad
	}
	l := &sseLink{httpConn: h, waiting: map[string]chan<- *wire.Envelope{}}
	inTime := context.AfterFunc(ctx, h.stop)
	body, events, err := l.open()
	if err == nil && !inTime() {
		body.Close()
		err = ctx.Err()
	}
	if err != nil {
		e := l.failure(ctx, "the opening of its event stream", false, err)
		l.close()
		return nil, e
	}
	l.spawn(func() {
		defer body.Close()
		l.fail(l.read(events))
	})
	return l, nil
}

// open returns the stream once its endpoint is known.
func (l *sseLink) open() (io.ReadCloser, *eventReader, error) {
	req, err := l.request(l.alive, http.MethodGet, l.url, nil)
	if err != nil {
		return nil, nil, err
	}
	resp, _, err := l.do(req)
	if err != nil {
		return nil, nil, err
	}
	if !isEventStream(resp) {
		defer discardBody(resp)
		if resp.StatusCode/100 != 2 {
			return nil, nil, l.statusFailure(resp, "the opening of its event stream")
		}
		return nil, nil, failf(l.cfg, KindProtocol, false, nil, "offers no event stream")
	}
	events := newEventReader(resp.Body, l.o.maxReply, &cursor{})
	for {
		ev, err := events.next()
		if err != nil {
			resp.Body.Close()
			if l.alive.Err() == nil {
				err = failf(l.cfg, KindProtocol, false, err, "named no endpoint for messages")
			}
			return nil, nil, err
		}
		if ev.name != "endpoint" {
			continue
		}
		if err := l.setEndpoint(resp.Request.URL, string(ev.data)); err != nil {
			resp.Body.Close()
			return nil, nil, failf(l.cfg, KindProtocol, false, err, "named an endpoint for messages that is not at its own origin")
		}
		return resp.Body, events, nil
	}
}

// setEndpoint resolves ref against base. Another origin is refused, so that the messages and their credentials stay with the
// host the operator named.
func (l *sseLink) setEndpoint(base *url.URL, ref string) error {
	u, err := base.Parse(strings.TrimSpace(ref))
	if err != nil {
		return errors.New("endpoint is no URL") // err quotes it, and it names the session
	}
	if !sameOrigin(u, l.url) {
		return errElsewhere
	}
	u.User, u.Fragment = l.url.User, ""
	l.endpoint = u
	return nil
}

// read hands on what the stream brings and returns why it ended.
func (l *sseLink) read(events *eventReader) *Error {
	for {
		ev, err := events.next()
		switch {
		case errors.Is(err, errEventTooLarge):
			return failf(l.cfg, KindTooLarge, false, err, "sent a message of more than %d bytes", l.o.maxReply)
		case err != nil:
			return failf(l.cfg, KindClosed, false, err, "ended its event stream")
		case ev.name != "" && ev.name != "message":
			continue
		}
		err = eachMessage(ev.data, func(env *wire.Envelope) bool {
			l.dispatch(env)
			return true
		})
		if err != nil {
			l.o.log.Warn("malformed message ignored", "upstream", l.cfg.Name, "error", err)
		}
	}
}

// dispatch gives responses to the exchange that waits for them: to one only, once.
func (l *sseLink) dispatch(env *wire.Envelope) {
	if env.IsResponse() {
		l.waitMu.Lock()
		answer := l.waiting[string(env.ID)]
		delete(l.waiting, string(env.ID))
		l.waitMu.Unlock()
		if answer != nil {
			answer <- env // there is room
			return
		}
	}
	l.aside(env, l.reply)
}

// wait announces a response; forget it with unwait.
func (l *sseLink) wait(id []byte) <-chan *wire.Envelope {
	answer := make(chan *wire.Envelope, 1)
	l.waitMu.Lock()
	defer l.waitMu.Unlock()
	l.waiting[string(id)] = answer
	return answer
}

func (l *sseLink) unwait(id []byte) {
	l.waitMu.Lock()
	defer l.waitMu.Unlock()
	delete(l.waiting, string(id))
}

func (l *sseLink) notify(ctx context.Context, method string, params []byte) error {
	if err := l.enter(); err != nil {
		return failf(l.cfg, KindClosed, false, err, "is disconnected")
	}
	defer l.users.Done()
	ctx, cancel := l.bound(ctx)
	defer cancel()
	p := l.post(ctx, nil, method, wire.AppendRequest(nil, nil, method, params))
	if p.err != nil {
		return l.failure(ctx, method, p.sent, p.err)
	}
	return nil
}

// reply posts the response to a request of the server.
func (l *sseLink) reply(body []byte) { l.postAside("a response", body) }

// postAside posts what nobody waits for. Its failure leaves the link alone.
func (l *sseLink) postAside(what string, body []byte) {
	ctx, cancel := context.WithTimeout(l.alive, sideGrace)
	defer cancel()
	if p := l.post(ctx, nil, what, body); p.err != nil {
		l.o.log.Warn("message not delivered", "upstream", l.cfg.Name, "what", what, "error", p.err)
	}
}

// close ends the stream, and with it the session at the server.
func (l *sseLink) close() {
	l.closing.Do(func() {
		l.fail(errLinkClosed)
		l.stop()
		l.users.Wait()
		l.transport.CloseIdleConnections()
	})
}

// lingering bounds a POST whose response came by the stream before the server was done with the POST itself.
func lingering(cancel context.CancelFunc) { time.AfterFunc(sideGrace, cancel) }
