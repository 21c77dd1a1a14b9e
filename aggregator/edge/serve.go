// SPDX-License-Identifier: Apache-2.0

package edge

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"tollgate/aggregator"
	"tollgate/aggregator/auth"
	"tollgate/aggregator/bridge"
	"tollgate/aggregator/catalog"
	"tollgate/upstream/wire"
)

// request is one JSON-RPC request to be answered on out.
type request struct {
	env     *wire.Envelope
	meta    wire.Meta
	caller  *auth.Principal
	toolset string
	client  bridge.Client
	level   string // log level in force
	headers http.Header
	acts    http.Header // headers that may name whom the caller acts for; nil on stdio
	source  string      // address of the client; "" on stdio
	session *session    // nil for modern requests
	out     stream
	// accepted asks whether the credential is still good; nil where it cannot be taken away.
	accepted func() bool
}

func (r *request) modern() bool { return r.client.Revision.Modern() }

// serve answers one request of either era.
func (s *Server) serve(ctx context.Context, r *request) error {
	speaker, e := s.gate.Speaker(ctx, r.caller, r.meta.Raw, r.acts)
	if e != nil {
		return r.fail(e)
	}
	r.caller = speaker
	switch r.env.Method {
	case "tools/list":
		return s.list(ctx, r, catalog.Tool)
	case "prompts/list":
		return s.list(ctx, r, catalog.Prompt)
	case "resources/list":
		return s.list(ctx, r, catalog.Resource)
	case "resources/templates/list":
		return s.list(ctx, r, catalog.Template)
	case aggregator.MethodCallTool, aggregator.MethodGetPrompt, aggregator.MethodReadResource, aggregator.MethodComplete:
		return s.call(ctx, r)
	}
	if r.modern() {
		return s.serveModern(ctx, r)
	}
	return s.serveLegacy(ctx, r)
}

// fail answers with a JSON-RPC error and the HTTP status that belongs to it.
func (r *request) fail(e *wire.Error) error { return r.out.fail(r.env.ID, e, statusOf(e)) }

// statusOf is the HTTP status of an error that is a plain JSON answer (2026-07-28 §streamable HTTP; protocol.md 1.3).
func statusOf(e *wire.Error) int {
	switch e.Code {
	case wire.CodeHeaderMismatch, wire.CodeMissingCapability, wire.CodeUnsupportedVersion, wire.CodeParse, wire.CodeInvalidRequest:
		return http.StatusBadRequest
	case wire.CodeMethodNotFound:
		return http.StatusNotFound
	}
	return http.StatusOK
}

func (r *request) unknownMethod() error {
	return r.fail(&wire.Error{Code: wire.CodeMethodNotFound, Message: fmt.Sprintf("unknown method %q", r.env.Method)})
}

func (s *Server) list(ctx context.Context, r *request, k catalog.Kind) error {
	cursor := ""
	if raw, ok := wire.Lookup(r.env.Params, "cursor"); ok && wire.Kind(raw) != 'n' {
		if cursor, ok = wire.String(raw); !ok {
			return r.fail(&wire.Error{Code: wire.CodeInvalidParams, Message: "params.cursor must be a string"})
		}
	}
	view, err := s.view(ctx, r)
	if err != nil {
		return r.fail(s.viewError(err))
	}
	page, err := view.Page(k, cursor, r.modern())
	switch {
	case errors.Is(err, catalog.ErrBadCursor):
		return r.fail(&wire.Error{Code: wire.CodeInvalidParams, Message: "params.cursor is none that this gateway gave out"})
	case err != nil:
		return r.fail(s.viewError(err))
	}
	return r.out.result(r.env.ID, page)
}

func (s *Server) view(ctx context.Context, r *request) (*catalog.View, error) {
	return s.gate.View(ctx, r.caller, r.toolset)
}

func (s *Server) viewError(err error) *wire.Error {
	if errors.Is(err, aggregator.ErrUnknownToolset) { // taken away by a reload while the client was there
		return &wire.Error{Code: wire.CodeInvalidParams, Message: err.Error()}
	}
	s.log.Error("a list could not be made", "error", err)
	return &wire.Error{Code: wire.CodeInternal, Message: "the gateway could not make this list; its log says why"}
}

// call is what the gate has to know of r, whatever it asks for.
func (r *request) call(method string) *aggregator.Call {
	c := &aggregator.Call{Method: method, Meta: r.meta, Toolset: r.toolset, Client: r.client, Transport: "stdio", SourceIP: r.source}
	if r.acts != nil {
		c.Transport = "http"
	}
	return c
}

func (s *Server) call(ctx context.Context, r *request) error {
	c := r.call(r.env.Method)
	if raw, given := wire.Lookup(r.meta.Raw, aggregator.MetaIdempotencyKey); given && c.Method == aggregator.MethodCallTool {
		c.IdempotencyKey, _ = wire.String(raw)
		if err := aggregator.CheckIdempotencyKey(c.IdempotencyKey); err != nil {
			return r.fail(&wire.Error{Code: wire.CodeInvalidParams, Message: fmt.Sprintf("params._meta[%q]: %v", aggregator.MetaIdempotencyKey, err)})
		}
	}
	c.Params, c.LogLevel, c.Peer = r.env.Params, r.level, &peer{out: r.out, session: r.session}
	if r.headers != nil && r.modern() {
		c.Mirrored = func(ph []wire.ParamHeader) *wire.Error { return wire.CheckHeaders(r.headers, r.env, ph) }
	}
	reply := s.gate.Call(ctx, r.caller, c)
	if ctx.Err() != nil && reply.End == aggregator.Cancelled {
		return ctx.Err() // a cancelled request gets no answer
	}
	switch {
	case reply.Refusal != nil && reply.Refusal.Code == aggregator.CodeScope && s.opts.Auth != nil:
		return s.lacksScope(r, reply.Refusal)
	case reply.Error == nil:
		return r.out.result(r.env.ID, reply.Result)
	case reply.End == aggregator.Answered && reply.Error.Code == wire.CodeMethodNotFound:
		// The upstream does not know it; that this gateway does is what the HTTP status speaks of.
		return r.out.fail(r.env.ID, reply.Error, http.StatusOK)
	}
	return r.fail(reply.Error)
}

// lacksScope asks for a token with all scopes that the call needs (2026-07-28 §authorization, step-up).
func (s *Server) lacksScope(r *request, refusal *aggregator.Refusal) error {
	challenge := s.opts.Auth.InsufficientScope(r.caller, refusal.Scopes)
	if out, ok := r.out.(*httpStream); ok {
		challenge.SetHeaders(out.w.Header())
	}
	return r.out.fail(r.env.ID, &wire.Error{Code: wire.CodeRefused, Message: refusal.Sentence}, challenge.Status)
}

// peer is the client as the running call sees it.
type peer struct {
	out     stream
	session *session
}

func (p *peer) Notify(method string, params []byte) {
	// A client that does not take its notifications is noticed at the answer.
	_ = p.out.send(wire.AppendRequest(nil, nil, method, params))
}

// Ask is for clients of the earlier revisions; a modern client is asked in a result.
func (p *peer) Ask(ctx context.Context, method string, params []byte) ([]byte, *wire.Error) {
	if p.session == nil || !p.session.client.CanAsk(&bridge.Question{Method: method, Params: params}) {
		return nil, &wire.Error{Code: wire.CodeMethodNotFound, Message: fmt.Sprintf("the client cannot be asked %s", method)}
	}
	return p.session.asks.ask(ctx, p.out, method, params)
}
