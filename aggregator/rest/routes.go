// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"net/http"
	"slices"
	"strings"

	"tollgate/aggregator/auth"
	"tollgate/upstream/wire"
)

// route is one path and the one thing that can be done there.
type route struct {
	method  string
	pattern string
	// handle answers r, or returns what to answer.
	handle func(s *Server, w http.ResponseWriter, r *http.Request, caller *auth.Principal) *problem
	// query are the parameters that it takes.
	query []string
	// open needs no credential.
	open bool
	// acts: whom the caller acts for is in the body too, so the handler looks.
	acts bool
}

func routes() []route {
	when := []string{"period", "from", "to"}
	whose := []string{"user_id", "team_id", "org_id", "key_id", "upstream", "tool"}
	get := func(pattern string, handle func(*Server, http.ResponseWriter, *http.Request, *auth.Principal) *problem, query ...[]string) route {
		return route{method: http.MethodGet, pattern: pattern, handle: handle, query: slices.Concat(query...)}
	}
	document := get("/v1/openapi.json", (*Server).document)
	document.open = true
	return []route{
		{method: http.MethodPost, pattern: "/v1/mcp/tool/execute", handle: (*Server).execute, acts: true},
		get("/v1/mcp/tools", (*Server).tools, []string{"cursor", "limit"}),
		get("/v1/analytics/costs", (*Server).costs, when, whose, []string{"group_by"}),
		get("/v1/analytics/usage", (*Server).usage, when, whose, []string{"group_by"}),
		get("/v1/audit", (*Server).records, when[1:], whose, []string{"id", "kind", "end", "code", "origin", "text", "order", "cursor", "limit"}),
		get("/v1/audit/{id}", (*Server).decision),
		get("/v1/budgets", (*Server).budgets, []string{"budget"}),
		get("/v1/status", (*Server).status),
		document,
	}
}

func (s *Server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	for _, one := range routes() {
		mux.HandleFunc(one.pattern, func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, &one) })
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, &problem{status: http.StatusNotFound, message: "there is nothing at this path: GET /v1/openapi.json says what there is"})
	})
	return mux
}

// serve answers one request: method, credential and query are looked at before the handler sees it.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, to *route) {
	if p := s.admit(w, r, to); p != nil {
		s.fail(w, r, p)
	}
}

func (s *Server) admit(w http.ResponseWriter, r *http.Request, to *route) *problem {
	if allow := to.allow(); !strings.Contains(", "+allow+",", ", "+r.Method+",") {
		w.Header().Set("Allow", allow)
		return &problem{status: http.StatusMethodNotAllowed, message: "this path takes " + allow}
	}
	if to.open {
		return to.handle(s, w, r, nil)
	}
	caller, challenge := s.opts.Auth.Request(r)
	if challenge != nil {
		return challenged(challenge)
	}
	if p := knownQuery(r, to.query); p != nil {
		return p
	}
	if !to.acts {
		speaker, e := s.gate.Speaker(r.Context(), caller, nil, r.Header)
		if e != nil {
			return s.notSpeaker(e)
		}
		caller = speaker
	}
	return to.handle(s, w, r, caller)
}

func (t *route) allow() string {
	if t.method == http.MethodGet {
		return "GET, HEAD"
	}
	return t.method
}

// notSpeaker is the answer to who named whom it acts for and may not, or not like that. Attempts are recorded, so there is
// none without the ledger.
func (s *Server) notSpeaker(e *wire.Error) *problem {
	switch e.Code {
	case wire.CodeInvalidParams:
		return badRequest(e.Message)
	case wire.CodeRefused:
		return &problem{status: http.StatusForbidden, name: accessDenied, message: e.Message}
	}
	if s.opts.Ledger != nil && s.opts.Ledger.Available() != nil {
		return &problem{status: http.StatusServiceUnavailable, name: ledgerUnavailable, message: e.Message, retry: leastRetry}
	}
	return &problem{status: http.StatusInternalServerError, message: e.Message}
}
