// SPDX-License-Identifier: Apache-2.0

package edge

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"tollgate/aggregator/auth"
	"tollgate/upstream/wire"
)

// ServeHTTP serves /mcp and /mcp/<toolset>; the caller has stripped nothing from the path.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// Answers that no stream writes have their time from here; a deadline of the connection's last request may be over.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(s.opts.WriteTimeout)) // a recorder has no deadlines
	caller, challenge := s.opts.Auth.Request(r)
	if challenge != nil {
		challenge.SetHeaders(w.Header())
		http.Error(w, challenge.Message, challenge.Status)
		return
	}
	toolset, ok := s.toolset(r.URL.Path)
	if !ok {
		http.Error(w, "there is no toolset at this path", http.StatusNotFound)
		return
	}
	switch r.Method {
	case http.MethodPost:
		s.post(w, r, caller, toolset)
	case http.MethodGet, http.MethodDelete:
		s.sessionRequest(w, r, caller, toolset)
	default:
		notAllowed(w)
	}
}

// accepted returns whether the credential of r would be accepted now, and as the same caller with the same rights: a stream
// outlives the moment it was opened in.
func (s *Server) accepted(r *http.Request, caller *auth.Principal) func() bool {
	return func() bool {
		now, challenge := s.opts.Auth.Request(r)
		return challenge == nil && now.Same(caller)
	}
}

func notAllowed(w http.ResponseWriter) {
	w.Header().Set("Allow", "POST")
	http.Error(w, "send requests with POST", http.StatusMethodNotAllowed)
}

// toolset is the name after /mcp/, "" for /mcp itself.
func (s *Server) toolset(path string) (string, bool) {
	_, name, found := strings.Cut(strings.TrimSuffix(path, "/"), "/mcp/")
	if !found {
		return "", true
	}
	return name, s.gate.HasToolset(name)
}

func (s *Server) post(w http.ResponseWriter, r *http.Request, caller *auth.Principal, toolset string) {
	out := newHTTPStream(w, takesEvents(r), s.opts.WriteTimeout)
	out.prefer, out.retry = prefersEvents(r), !wire.Revision(r.Header.Get(wire.HeaderProtocolVersion)).Modern()
	body, status, e := s.body(w, r)
	if e != nil {
		_ = out.fail(nil, e, status) // the client is told or gone; nothing else depends on it
		return
	}
	env, err := wire.Parse(body)
	if err != nil {
		_ = out.fail(idOf(env), asError(err), http.StatusBadRequest)
		return
	}
	req := &request{
		env: env, caller: caller, toolset: toolset, out: out, accepted: s.accepted(r, caller), acts: r.Header, source: s.opts.Auth.Source(r),
	}
	meta, e := wire.ParseMeta(env.Params)
	if e != nil {
		_ = out.fail(env.ID, e, http.StatusBadRequest)
		return
	}
	req.meta = meta
	if env.IsRequest() {
		out.rest() // the answer may take longer than a write may; each write has its own time
	}
	if isModern(r.Header, env, &meta) {
		err = s.postModern(r.Context(), w, r, req)
	} else {
		err = s.postLegacy(w, r, req)
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		s.log.Debug("a request ended without an answer", "method", env.Method, "error", err)
	}
}

// isModern tells the era of a message. The body is the truth; a malformed claim to be modern is answered in modern terms.
func isModern(h http.Header, env *wire.Envelope, meta *wire.Meta) bool {
	if meta.ProtocolVersion != "" {
		return true
	}
	switch v := wire.Revision(h.Get(wire.HeaderProtocolVersion)); {
	case v.Modern():
		return true
	case v.Known(), env.Method == "initialize", h.Get(wire.HeaderSession) != "":
		return false
	default:
		return v != "" || h.Get(wire.HeaderMethod) != ""
	}
}

func (s *Server) postModern(ctx context.Context, w http.ResponseWriter, r *http.Request, req *request) error {
	if req.env.IsResponse() {
		return req.out.fail(nil, &wire.Error{Code: wire.CodeInvalidRequest, Message: "this protocol revision has no responses from client to server"}, http.StatusBadRequest)
	}
	if req.env.IsNotification() {
		w.WriteHeader(http.StatusAccepted)
		return nil
	}
	if e := checkModern(req, r.Header); e != nil {
		return req.out.fail(req.env.ID, e, http.StatusBadRequest)
	}
	if req.env.Method == "subscriptions/listen" && !takesEvents(r) {
		return req.out.fail(req.env.ID, &wire.Error{Code: wire.CodeInvalidRequest, Message: "the Accept header must allow text/event-stream"}, http.StatusNotAcceptable)
	}
	req.headers = r.Header
	return s.serve(ctx, req)
}

// body reads the request body within its limits; on failure it returns the status and what to say.
func (s *Server) body(w http.ResponseWriter, r *http.Request) ([]byte, int, *wire.Error) {
	say := func(status int, message string) ([]byte, int, *wire.Error) {
		return nil, status, &wire.Error{Code: wire.CodeInvalidRequest, Message: message}
	}
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		return say(http.StatusUnsupportedMediaType, "the Content-Type must be application/json")
	}
	if enc := r.Header.Get("Content-Encoding"); enc != "" && enc != "identity" {
		return say(http.StatusUnsupportedMediaType, "compressed request bodies are not accepted")
	}
	if r.ContentLength > s.opts.MaxBody {
		return say(http.StatusRequestEntityTooLarge, "the request is larger than this gateway accepts")
	}
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Now().Add(s.opts.BodyTimeout)) // a recorder has no deadlines
	body, err := readAll(http.MaxBytesReader(w, r.Body, s.opts.MaxBody), r.ContentLength)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return say(http.StatusRequestEntityTooLarge, "the request is larger than this gateway accepts")
	case err != nil:
		return say(http.StatusRequestTimeout, "the request body did not arrive whole")
	}
	_ = rc.SetReadDeadline(time.Time{})
	return body, 0, nil
}

// readAll is io.ReadAll with the right size from the start when the size is known.
func readAll(r io.Reader, length int64) ([]byte, error) {
	if length <= 0 {
		return io.ReadAll(r)
	}
	b := make([]byte, length)
	n, err := io.ReadFull(r, b)
	return b[:n], err
}

func takesEvents(r *http.Request) bool {
	accept := r.Header.Values("Accept")
	if len(accept) == 0 {
		return true
	}
	for _, line := range accept {
		if strings.Contains(line, "text/event-stream") || strings.Contains(line, "*/*") {
			return true
		}
	}
	return false
}

// prefersEvents reports whether the client names event streams before JSON: it then gets one even when there is nothing
// but the answer to send.
func prefersEvents(r *http.Request) bool {
	accept := strings.Join(r.Header.Values("Accept"), ",")
	events, json := strings.Index(accept, "text/event-stream"), strings.Index(accept, "application/json")
	return events >= 0 && (json < 0 || events < json)
}

func idOf(env *wire.Envelope) []byte {
	if env == nil {
		return nil
	}
	return env.ID
}

func asError(err error) *wire.Error {
	var e *wire.Error
	if errors.As(err, &e) {
		return e
	}
	return &wire.Error{Code: wire.CodeParse, Message: err.Error()}
}
