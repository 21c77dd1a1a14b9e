// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"

	"tollgate/upstream/wire"
)

// site is an origin over HTTP: sessions, a GET stream and questions on the call's stream in the one era, single requests
// in the other. An answer becomes an event stream when something comes before it.
type site struct {
	*origin
	http *httptest.Server

	mu       sync.Mutex // guards sessions
	sessions map[string]*siteSession
}

// siteSession is one session of 2025-11-25.
type siteSession struct {
	ear     *ear
	ctx     context.Context // ends with the session
	end     context.CancelFunc
	changes chan []byte // for the GET stream

	mu      sync.Mutex // guards what follows
	running map[string]context.CancelFunc
	asked   map[string]chan *wire.Envelope
}

func newSite(o *origin) *site {
	s := &site{origin: o, sessions: map[string]*siteSession{}}
	s.http = httptest.NewServer(s)
	return s
}

func (s *site) close() {
	s.forget()
	s.http.CloseClientConnections()
	s.http.Close()
}

// forget ends all sessions.
func (s *site) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, ss := range s.sessions {
		ss.end()
		s.leave(ss.ear)
		delete(s.sessions, id)
	}
}

// restart is what its clients see of one: connections broken, sessions unknown.
func (s *site) restart() error {
	s.forget()
	s.http.CloseClientConnections()
	return nil
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	var e *wire.Envelope
	if r.Method == http.MethodPost {
		if e, err = wire.Parse(body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	switch {
	case !s.modern:
		s.serveSession(w, r, e)
	case e == nil:
		http.Error(w, "send requests with POST", http.StatusMethodNotAllowed)
	default:
		s.serveModern(w, r, e)
	}
}

func (s *site) serveModern(w http.ResponseWriter, r *http.Request, e *wire.Envelope) {
	if !e.IsRequest() {
		http.Error(w, "only requests are served here", http.StatusBadRequest)
		return
	}
	out := &siteStream{w: w}
	if v := r.Header.Get(wire.HeaderProtocolVersion); v != string(wire.R20260728) {
		out.status = http.StatusBadRequest
		out.send(fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%s,"error":{"code":-32022,"message":"unsupported","data":{"supported":["2026-07-28"],"requested":%q}}}`, e.ID, v))
		return
	}
	if bad := wire.CheckHeaders(r.Header, e, nil); bad != nil {
		out.status = http.StatusBadRequest
		out.send(wire.AppendError(nil, e.ID, bad))
		return
	}
	defer out.end()
	s.handle(&turn{Envelope: e, ctx: r.Context(), send: out.send})
}

func (s *site) serveSession(w http.ResponseWriter, r *http.Request, e *wire.Envelope) {
	if e != nil && e.Method == "initialize" {
		s.open(w, e)
		return
	}
	id := r.Header.Get(wire.HeaderSession)
	s.mu.Lock()
	ss := s.sessions[id]
	s.mu.Unlock()
	switch {
	case id == "":
		http.Error(w, "start with initialize", http.StatusBadRequest)
	case ss == nil:
		http.Error(w, "unknown session", http.StatusNotFound)
	case r.Method == http.MethodGet:
		ss.stream(w, r)
	case r.Method == http.MethodDelete:
		s.mu.Lock()
		delete(s.sessions, id)
		s.mu.Unlock()
		s.leave(ss.ear)
		ss.end()
	case !e.IsRequest():
		ss.message(e)
		w.WriteHeader(http.StatusAccepted)
	default:
		s.answer(w, ss, e)
	}
}

func (s *site) open(w http.ResponseWriter, e *wire.Envelope) {
	ss := &siteSession{changes: make(chan []byte, 100), running: map[string]context.CancelFunc{}, asked: map[string]chan *wire.Envelope{}}
	ss.ctx, ss.end = context.WithCancel(context.Background())
	ss.ear = &ear{lists: true, uris: map[string]bool{}, tell: func(method, params string) {
		ss.changes <- wire.AppendRequest(nil, nil, method, []byte(params))
	}}
	id := rand.Text()
	s.mu.Lock()
	s.sessions[id] = ss
	s.mu.Unlock()
	s.join(ss.ear)
	w.Header().Set(wire.HeaderSession, id)
	s.handle(&turn{Envelope: e, ctx: ss.ctx, ear: ss.ear, send: (&siteStream{w: w}).send})
}

// answer serves a request. It lives as long as its session, whatever becomes of the connection.
func (s *site) answer(w http.ResponseWriter, ss *siteSession, e *wire.Envelope) {
	ctx, cancel := context.WithCancel(ss.ctx)
	defer cancel()
	ss.mu.Lock()
	ss.running[string(e.ID)] = cancel
	ss.mu.Unlock()
	out := &siteStream{w: w}
	defer out.end()
	s.handle(&turn{Envelope: e, ctx: ctx, ear: ss.ear, send: out.send, ask: func(method, params string) *wire.Envelope {
		return ss.ask(ctx, out, method, params)
	}})
}

func (ss *siteSession) ask(ctx context.Context, out *siteStream, method, params string) *wire.Envelope {
	answer := make(chan *wire.Envelope, 1)
	ss.mu.Lock()
	id := strconv.Itoa(1000 + len(ss.asked))
	ss.asked[id] = answer
	ss.mu.Unlock()
	out.send(wire.AppendRequest(nil, []byte(id), method, []byte(params)))
	select {
	case e := <-answer:
		return e
	case <-ctx.Done():
		return nil
	}
}

// message takes a notification or a response.
func (ss *siteSession) message(e *wire.Envelope) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if e.Method == "notifications/cancelled" {
		id, _ := wire.Lookup(e.Params, "requestId")
		if cancel := ss.running[string(id)]; cancel != nil {
			cancel()
		}
	}
	if answer := ss.asked[string(e.ID)]; e.IsResponse() && answer != nil {
		answer <- e
	}
}

func (ss *siteSession) stream(w http.ResponseWriter, r *http.Request) {
	out := &siteStream{w: w}
	out.begin()
	for {
		select {
		case line := <-ss.changes:
			out.send(line)
		case <-r.Context().Done():
			return
		case <-ss.ctx.Done():
			return
		}
	}
}

// siteStream is what answers one HTTP request.
type siteStream struct {
	w      http.ResponseWriter
	status int

	mu             sync.Mutex // guards what follows and makes writes one at a time
	started, ended bool
}

// end makes sure that nothing is written once the request is over.
func (o *siteStream) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = true
}

// send writes one message: as an event, or as the whole body when it is an answer that comes first.
func (o *siteStream) send(line []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended {
		return
	}
	if e, err := wire.Parse(line); err == nil && e.IsResponse() && !o.started {
		o.w.Header().Set("Content-Type", "application/json")
		if o.status != 0 {
			o.w.WriteHeader(o.status)
		}
		_, _ = o.w.Write(line) // a client that went away reads nothing
		return
	}
	o.open()
	_, _ = fmt.Fprintf(o.w, "data: %s\n\n", line)
	_ = http.NewResponseController(o.w).Flush()
}

func (o *siteStream) begin() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.open()
	_ = http.NewResponseController(o.w).Flush()
}

func (o *siteStream) open() {
	if !o.started {
		o.started = true
		o.w.Header().Set("Content-Type", "text/event-stream")
	}
}
