// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"

	"tollgate/upstream/wire"
)

// oauthServer is an MCP server and its authorization server, which lets everybody in. Its tokens begin with "canary".
type oauthServer struct {
	*httptest.Server
	mu     sync.Mutex // guards tokens
	tokens map[string]bool
}

func newOAuthServer() *oauthServer {
	s := &oauthServer{tokens: map[string]bool{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /mcp", s.mcp)
	mux.HandleFunc("GET /.well-known/oauth-protected-resource/mcp", func(w http.ResponseWriter, _ *http.Request) {
		s.json(w, map[string]any{"resource": s.URL + "/mcp", "authorization_servers": []string{s.URL}})
	})
	mux.HandleFunc("GET /.well-known/oauth-authorization-server", func(w http.ResponseWriter, _ *http.Request) {
		s.json(w, map[string]any{
			"issuer": s.URL, "authorization_endpoint": s.URL + "/authorize", "token_endpoint": s.URL + "/token",
			"registration_endpoint": s.URL + "/register", "revocation_endpoint": s.URL + "/revoke", "code_challenge_methods_supported": []string{"S256"},
		})
	})
	mux.HandleFunc("POST /register", func(w http.ResponseWriter, _ *http.Request) {
		s.json(w, map[string]any{"client_id": "canary-client", "client_secret": "canary-secret"})
	})
	mux.HandleFunc("GET /authorize", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		back := url.Values{"state": {q.Get("state")}, "code": {"canary-code"}}
		http.Redirect(w, r, q.Get("redirect_uri")+"?"+back.Encode(), http.StatusFound)
	})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		token := fmt.Sprintf("canary-token-%d", len(s.tokens))
		s.tokens[token] = true
		s.mu.Unlock()
		s.json(w, map[string]any{"access_token": token, "refresh_token": "canary-refresh", "token_type": "Bearer", "expires_in": 3600})
	})
	mux.HandleFunc("POST /revoke", func(http.ResponseWriter, *http.Request) {})
	s.Server = httptest.NewUnstartedServer(mux)
	s.Start()
	return s
}

func (s *oauthServer) json(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func (s *oauthServer) mcp(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	known := s.tokens[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
	s.mu.Unlock()
	if !known {
		w.Header().Set("WWW-Authenticate", `Bearer resource_metadata="`+s.URL+`/.well-known/oauth-protected-resource/mcp"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	body, _ := io.ReadAll(r.Body)
	e, err := wire.Parse(body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	result := `{"resultType":"complete","tools":[{"name":"ping","inputSchema":{"type":"object"}}],"ttlMs":0,"cacheScope":"private"}`
	if e.Method == "server/discover" {
		result = `{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"ttlMs":0,"cacheScope":"private"}`
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(wire.AppendResult(nil, e.ID, []byte(result)))
}

// browse is a browser without a person.
func browse() {
	resp, err := http.Get(os.Args[len(os.Args)-1])
	if err == nil {
		resp.Body.Close()
	}
}
