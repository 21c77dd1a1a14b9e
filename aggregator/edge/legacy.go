// SPDX-License-Identifier: Apache-2.0

package edge

import (
	"context"
	"fmt"
	"net/http"

	"tollgate/aggregator"
	"tollgate/aggregator/auth"
	"tollgate/aggregator/bridge"
	"tollgate/upstream/wire"
)

// postLegacy serves one POST of an earlier protocol revision.
func (s *Server) postLegacy(w http.ResponseWriter, r *http.Request, req *request) error {
	if req.env.Method == "initialize" && req.env.IsRequest() {
		return s.initializeHTTP(w, req)
	}
	if v := wire.Revision(r.Header.Get(wire.HeaderProtocolVersion)); v != "" && !v.Known() {
		return req.out.fail(req.env.ID, &wire.Error{Code: wire.CodeInvalidRequest, Message: fmt.Sprintf("unknown protocol version %q", v)}, http.StatusBadRequest)
	}
	id := r.Header.Get(wire.HeaderSession)
	if id == "" {
		return req.out.fail(req.env.ID, &wire.Error{Code: wire.CodeInvalidRequest, Message: "the Mcp-Session-Id header is missing: start with initialize, or send the _meta of protocol version 2026-07-28"}, http.StatusBadRequest)
	}
	ss := s.sessions.get(id, req.caller, req.toolset)
	if ss == nil {
		return req.out.fail(req.env.ID, &wire.Error{Code: wire.CodeInvalidRequest, Message: "unknown session: start with initialize again"}, http.StatusNotFound)
	}
	if !req.env.IsRequest() {
		s.legacyMessage(ss, req.env)
		w.WriteHeader(http.StatusAccepted)
		return nil
	}
	return s.serveSession(ss, req)
}

// serveSession answers one request within its session. A dropped connection is no cancellation in these revisions
// (2025-11-25 §transports), so the request lives as long as the session, not the connection.
func (s *Server) serveSession(ss *session, req *request) error {
	ctx, cancel := context.WithCancel(ss.ctx)
	defer cancel()
	if !ss.begin(req.env.ID, cancel, s.opts.MaxPending) {
		return req.out.fail(req.env.ID, &wire.Error{Code: wire.CodeInvalidRequest, Message: "this request id is in use, or too many requests are under way"}, http.StatusBadRequest)
	}
	defer ss.end(req.env.ID)
	req.session, req.client, req.level = ss, ss.client, ss.logLevel()
	return s.serve(ctx, req)
}

// legacyMessage takes a notification or response of the client.
func (s *Server) legacyMessage(ss *session, env *wire.Envelope) {
	if env.Method == "notifications/cancelled" {
		ss.cancelRequest(env.Params)
	}
	if env.IsResponse() {
		ss.asks.deliver(env)
	}
	// initialized needs no act, and roots are asked anew for each call that wants them.
}

func (s *Server) initializeHTTP(w http.ResponseWriter, req *request) error {
	ss, result, e := s.initialize(req)
	if e != nil {
		return req.fail(e)
	}
	if !s.sessions.add(ss) {
		s.endSession(ss)
		return req.out.fail(req.env.ID, &wire.Error{Code: wire.CodeRefused, Message: "too many open sessions for this credential; close some or wait"}, http.StatusTooManyRequests)
	}
	w.Header().Set(wire.HeaderSession, ss.id)
	return req.out.result(req.env.ID, result)
}

// initialize opens a session and makes the answer.
func (s *Server) initialize(req *request) (*session, []byte, *wire.Error) {
	raw, _ := wire.Lookup(req.env.Params, "protocolVersion")
	asked, ok := wire.String(raw)
	if !ok {
		return nil, nil, &wire.Error{Code: wire.CodeInvalidParams, Message: "params.protocolVersion must be a string"}
	}
	c := bridge.Client{Revision: wire.Negotiate(wire.Revision(asked))}
	if info, _ := wire.Lookup(req.env.Params, "clientInfo"); wire.Kind(info) == '{' {
		c.Info = info
	}
	if caps, _ := wire.Lookup(req.env.Params, "capabilities"); wire.Kind(caps) == '{' {
		c.Capabilities = caps
	}
	req.client = c
	view, err := s.view(s.ctx, req)
	if err != nil {
		return nil, nil, s.viewError(err)
	}
	b := append([]byte(`{"protocolVersion":`), wire.AppendString(nil, string(c.Revision))...)
	b = append(b, `,"capabilities":`+capabilities+`,"serverInfo":`...)
	b = append(b, s.info...)
	if text := view.Instructions(); text != "" {
		b = append(b, `,"instructions":`...)
		b = wire.AppendString(b, text)
	}
	ss := s.newSession(req.caller, req.toolset, c)
	if ss == nil {
		return nil, nil, &wire.Error{Code: wire.CodeRefused, Message: "too many open sessions for this credential; close some or wait"}
	}
	return ss, append(b, '}'), nil
}

// serveLegacy answers the methods that only the earlier revisions have.
func (s *Server) serveLegacy(ctx context.Context, r *request) error {
	switch r.env.Method {
	case "ping":
		return r.out.result(r.env.ID, []byte("{}"))
	case "logging/setLevel":
		raw, _ := wire.Lookup(r.env.Params, "level")
		level, _ := wire.String(raw)
		if _, ok := wire.LogLevel(level); !ok {
			return r.fail(&wire.Error{Code: wire.CodeInvalidParams, Message: fmt.Sprintf("unknown log level %q", level)})
		}
		r.session.mu.Lock()
		r.session.level = level
		r.session.mu.Unlock()
		return r.out.result(r.env.ID, []byte("{}"))
	case aggregator.MethodSubscribe, "resources/unsubscribe":
		raw, _ := wire.Lookup(r.env.Params, "uri")
		uri, ok := wire.String(raw)
		if !ok {
			return r.fail(&wire.Error{Code: wire.CodeInvalidParams, Message: "params.uri must be a string"})
		}
		if r.caller.Key() != r.session.caller.Key() {
			return r.fail(&wire.Error{Code: wire.CodeRefused, Message: "updates of a session go to who opened it: nobody can subscribe for others there"})
		}
		if r.env.Method == "resources/unsubscribe" {
			r.session.ears.unwatch(ctx, uri)
		} else if e := r.session.ears.watch(ctx, uri, r.call(aggregator.MethodSubscribe)); e != nil {
			return r.fail(e)
		}
		return r.out.result(r.env.ID, []byte("{}"))
	}
	return r.unknownMethod()
}

// sessionRequest serves GET (the notification stream) and DELETE of a session.
func (s *Server) sessionRequest(w http.ResponseWriter, r *http.Request, caller *auth.Principal, toolset string) {
	id := r.Header.Get(wire.HeaderSession)
	if id == "" || wire.Revision(r.Header.Get(wire.HeaderProtocolVersion)).Modern() {
		notAllowed(w)
		return
	}
	ss := s.sessions.get(id, caller, toolset)
	if ss == nil {
		http.Error(w, "unknown session", http.StatusNotFound)
		return
	}
	if r.Method == http.MethodDelete {
		s.sessions.remove(ss)
		w.WriteHeader(http.StatusNoContent)
		return
	}
	if !takesEvents(r) {
		http.Error(w, "the Accept header must allow text/event-stream", http.StatusNotAcceptable)
		return
	}
	s.sessionStream(w, r, ss)
}

// sessionStream is the standalone stream of a session: list and resource changes.
func (s *Server) sessionStream(w http.ResponseWriter, r *http.Request, ss *session) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	ss.mu.Lock()
	ss.hold(1)
	if ss.stream != nil {
		ss.stream() // the client opened another one: the old one may be dead without knowing it
	}
	ss.stream = cancel
	ss.mu.Unlock()
	defer func() {
		ss.mu.Lock()
		ss.hold(-1)
		ss.mu.Unlock()
	}()
	out := newHTTPStream(w, true, s.opts.WriteTimeout)
	out.mu.Lock()
	out.open()
	err := out.flush()
	out.mu.Unlock()
	if err != nil {
		return
	}
	defer context.AfterFunc(ss.ctx, cancel)()
	if err := s.pump(ctx, ss.ears, out, notifier(out), s.accepted(r, ss.caller)); err != nil {
		s.log.Debug("a session's stream ended", "error", err)
	}
}

func notifier(out stream) func(method string, params []byte) error {
	return func(method string, params []byte) error {
		return out.send(wire.AppendRequest(nil, nil, method, params))
	}
}
