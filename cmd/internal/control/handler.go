// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
)

// upgradeProtocol names the connection that a stdio client gets.
const upgradeProtocol = "tollgate-stdio"

// Handler serves ops over HTTP, for the control socket only.
func Handler(ops Operations) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /v1/status", answer(func(ctx context.Context, _ *struct{}) (any, error) { return ops.Status(ctx) }))
	mux.Handle("GET /v1/keys", answer(func(ctx context.Context, _ *struct{}) (any, error) { return ops.Keys(ctx) }))
	mux.Handle("POST /v1/keys", answer(func(ctx context.Context, k *Key) (any, error) { return ops.CreateKey(ctx, k) }))
	mux.HandleFunc("DELETE /v1/keys/{id}", func(w http.ResponseWriter, r *http.Request) {
		reply(w, struct{}{}, ops.RevokeKey(r.Context(), r.PathValue("id")))
	})
	mux.HandleFunc("POST /v1/keys/{id}/rotate", func(w http.ResponseWriter, r *http.Request) {
		answer(func(ctx context.Context, in *Rotation) (any, error) {
			return ops.RotateKey(ctx, r.PathValue("id"), in.Grace)
		}).ServeHTTP(w, r)
	})
	mux.Handle("POST /v1/catalog", answer(func(ctx context.Context, q *CatalogQuery) (any, error) { return ops.Catalog(ctx, q) }))
	mux.Handle("POST /v1/call", answer(func(ctx context.Context, c *Call) (any, error) { return ops.Call(ctx, c) }))
	mux.Handle("POST /v1/explain", answer(func(ctx context.Context, q *ExplainQuery) (any, error) { return ops.Explain(ctx, q) }))
	mux.Handle("POST /v1/reload", answer(func(ctx context.Context, _ *struct{}) (any, error) { return ops.Reload(ctx) }))
	mux.HandleFunc("POST /v1/upstreams/{name}/login", func(w http.ResponseWriter, r *http.Request) { serveLogin(ops, w, r) })
	mux.HandleFunc("POST /v1/upstreams/{name}/logout", func(w http.ResponseWriter, r *http.Request) {
		reply(w, struct{}{}, ops.Logout(r.Context(), r.PathValue("name")))
	})
	serveAccounts(mux, ops)
	serveCoder(mux, ops)
	serveAudit(mux, ops)
	serveStore(mux, ops)
	serveReplay(mux, ops)
	mux.HandleFunc("POST /v1/stdio", func(w http.ResponseWriter, r *http.Request) { serveStdio(ops, w, r) })
	return mux
}

// answer makes a handler of a function from one JSON document to another.
func answer[In any](f func(context.Context, *In) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		in := new(In)
		if r.Method == http.MethodPost {
			if err := json.NewDecoder(r.Body).Decode(in); err != nil && !errors.Is(err, io.EOF) {
				reply(w, nil, &Error{Message: "the request is not what this gateway understands: " + err.Error(), Hint: "use the same version of tollgate on both sides", Exit: 1})
				return
			}
		}
		out, err := f(r.Context(), in)
		reply(w, out, err)
	})
}

func reply(w http.ResponseWriter, out any, err error) {
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		w.WriteHeader(http.StatusUnprocessableEntity)
		out = asError(err)
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false) // records stay as they stand in the log
	_ = e.Encode(out)      // the other side is gone
}

// asError is err as it travels.
func asError(err error) *Error {
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{Message: err.Error(), Exit: 1}
	}
	return e
}

// serveLogin answers with one line for each event. The login ends with the connection.
func serveLogin(ops Operations, w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	flush := http.NewResponseController(w)
	event := func(e *LoginEvent) error {
		if err := json.NewEncoder(w).Encode(e); err != nil {
			return err
		}
		return flush.Flush()
	}
	err := ops.Login(r.Context(), r.PathValue("name"), func(address string) error { return event(&LoginEvent{Address: address}) })
	last := &LoginEvent{Done: true}
	if err != nil {
		last = &LoginEvent{Error: asError(err)}
	}
	_ = event(last) // the other side is gone
}

// serveStdio turns the connection into a pipe.
func serveStdio(ops Operations, w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	c := &StdioClient{Role: q.Get("role"), Subject: q.Get("subject"), Toolset: q.Get("toolset")}
	if err := ops.CheckStdio(c); err != nil {
		reply(w, nil, err)
		return
	}
	hijacker, ok := w.(http.Hijacker)
	if !ok || r.Header.Get("Upgrade") != upgradeProtocol {
		reply(w, nil, &Error{Message: "this is no connection for a stdio client", Exit: 1})
		return
	}
	conn, rw, err := hijacker.Hijack()
	if err != nil {
		reply(w, nil, err)
		return
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "+upgradeProtocol+"\r\n\r\n"); err != nil {
		return
	}
	// A failure here is the client's end; the pipe is closed and the client sees it.
	_ = ops.Stdio(context.WithoutCancel(r.Context()), c, rw.Reader, conn)
}
