// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"tollgate/upstream/wire"
)

const (
	maxSessionID = 1 << 10
	deleteTime   = 2 * time.Second // for the server to take note of the end of the session
)

// httpSession is what ties the requests of a legacy link together. Safe for concurrent use.
type httpSession struct {
	mu        sync.Mutex // guards all
	id        string     // from the answer to initialize; "" = the server keeps no sessions
	rev       wire.Revision
	listening bool
}

// reset forgets the session: an initialize request carries no trace of one.
func (s *httpSession) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.id, s.rev = "", ""
}

// begin takes the session id from the headers of the answer to initialize.
func (s *httpSession) begin(h http.Header) error {
	id := h.Get(wire.HeaderSession)
	if len(id) > maxSessionID {
		return errors.New("session id longer than 1024 bytes")
	}
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return errors.New("session id is not visible ASCII")
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.id = id
	return nil
}

// negotiate takes the revision from the result of initialize.
func (s *httpSession) negotiate(result []byte) {
	raw, _ := wire.Lookup(result, "protocolVersion")
	name, _ := wire.String(raw)
	if rev := wire.Revision(name); rev.Known() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.rev = rev
	}
}

// open reports whether there is a session that could be lost.
func (s *httpSession) open() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.id != ""
}

// startListening reports true to one caller only.
func (s *httpSession) startListening() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := !s.listening
	s.listening = true
	return first
}

// setHeaders adds the session and, where the revision knows that header (2025-06-18 §Protocol Version Header), the revision.
func (s *httpSession) setHeaders(h http.Header) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.id != "" {
		h.Set(wire.HeaderSession, s.id)
	}
	if s.rev >= wire.R20250618 {
		h.Set(wire.HeaderProtocolVersion, string(s.rev))
	}
}

// endSession tells the server that the session is over. Servers may refuse that; nothing depends on it.
func (l *httpLink) endSession() {
	if !l.session.open() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), deleteTime)
	defer cancel()
	req, err := l.request(ctx, http.MethodDelete, l.url, nil)
	if err != nil {
		return
	}
	l.session.setHeaders(req.Header)
	resp, _, err := l.do(req)
	if err != nil {
		l.o.log.Debug("session not ended", "upstream", l.cfg.Name, "error", err)
		return
	}
	discardBody(resp)
}

// cancelled tells the server that nobody waits for the request id any more. In the legacy era a closed stream does not say
// that. Whatever comes of it leaves the link alone: servers refuse cancellations for reasons of their own.
func (l *httpLink) cancelled(id []byte) {
	body := wire.AppendRequest(nil, nil, "notifications/cancelled", cancelParams(id))
	l.spawn(func() {
		ctx, cancel := context.WithTimeout(l.alive, sideGrace)
		defer cancel()
		resp, _, err := l.post(ctx, l.session.setHeaders, body)
		if err != nil {
			l.o.log.Debug("cancellation not delivered", "upstream", l.cfg.Name, "error", err)
			return
		}
		discardBody(resp)
	})
}

func cancelParams(id []byte) []byte {
	params := append([]byte(`{"requestId":`), id...)
	return append(params, `,"reason":"the caller went away"}`...)
}

// reply posts the response to a request of the server.
func (l *httpLink) reply(body []byte) {
	ctx, cancel := context.WithTimeout(l.alive, sideGrace)
	defer cancel()
	if err := l.send(ctx, "a response", body); err != nil {
		l.o.log.Warn("response to the server's request not delivered", "upstream", l.cfg.Name, "error", err)
	}
}
