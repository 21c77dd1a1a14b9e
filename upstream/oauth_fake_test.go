// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"tollgate/upstream/wire"
)

// fakeLogin is an upstream that wants tokens and the authorization server that gives them out: two servers, so that their
// origins differ. It checks what a strict server checks; the fields change what it says. Secrets of it begin with "canary".
type fakeLogin struct {
	t        *testing.T
	mcp, as  *httptest.Server
	meta     func(map[string]any)                           // changes the authorization server's metadata
	resource func(map[string]any)                           // changes the resource's metadata
	answer   func(q url.Values)                             // changes what the callback gets
	token    func(w http.ResponseWriter, f url.Values) bool // answers a token request instead
	issue    func(map[string]any)                           // changes a token answer
	needs    func(method string) []string                   // scopes for an MCP method
	hint     string                                         // more in the challenge of a 401
	noHeader bool                                           // the challenge does not name the metadata
	issuer   string                                         // path of the issuer
	at       []string                                       // paths at which metadata is found; nil = everywhere

	mu         sync.Mutex // guards all below
	paths      []string   // of metadata that was asked for
	logins     []url.Values
	forms      []url.Values // of token requests
	basic      []string
	registered []map[string]any
	revoked    []string
	calls      []string              // MCP methods that were let in
	sent       []string              // Authorization headers of the gateway
	challenges map[string]url.Values // authorization requests by code
	access     map[string][]string
	refresh    map[string]bool
}

func newFakeLogin(t *testing.T) *fakeLogin {
	f := &fakeLogin{t: t, challenges: map[string]url.Values{}, access: map[string][]string{}, refresh: map[string]bool{}}
	f.needs = func(string) []string { return nil }
	f.as = httptest.NewUnstartedServer(http.HandlerFunc(f.authorization))
	f.mcp = httptest.NewUnstartedServer(http.HandlerFunc(f.upstream))
	f.as.Start()
	f.mcp.Start()
	t.Cleanup(func() {
		f.mcp.Close()
		f.as.Close()
	})
	return f
}

func secret(kind string) string {
	return "canary-" + kind + "-" + rand.Text()
}

func (f *fakeLogin) json(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// document answers a request for metadata.
func (f *fakeLogin) document(w http.ResponseWriter, r *http.Request, doc map[string]any, change func(map[string]any)) {
	f.mu.Lock()
	f.paths = append(f.paths, r.URL.Path)
	f.mu.Unlock()
	if f.at != nil && !slices.Contains(f.at, r.URL.Path) {
		http.NotFound(w, r)
		return
	}
	if change != nil {
		change(doc)
	}
	f.json(w, 200, doc)
}

// upstream is the MCP server, of the modern era.
func (f *fakeLogin) upstream(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/.well-known/") {
		resource := f.mcp.URL + "/mcp"
		if strings.HasSuffix(r.URL.Path, "protected-resource") {
			resource = f.mcp.URL
		}
		f.document(w, r, map[string]any{"resource": resource, "authorization_servers": []string{f.as.URL + f.issuer}}, f.resource)
		return
	}
	body, _ := io.ReadAll(r.Body)
	e, err := wire.Parse(body)
	if err != nil {
		http.Error(w, "", 400)
		return
	}
	f.mu.Lock()
	f.sent = append(f.sent, r.Header.Get("Authorization"))
	scopes, ok := f.access[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
	f.mu.Unlock()
	metadata := fmt.Sprintf(`, resource_metadata="%s/.well-known/oauth-protected-resource/mcp"`, f.mcp.URL)
	if f.noHeader {
		metadata = ""
	}
	switch needs := f.needs(e.Method); {
	case !ok:
		w.Header().Set("WWW-Authenticate", `Bearer realm="x"`+metadata+f.hint)
		w.WriteHeader(401)
	case !contains(scopes, needs):
		w.Header().Set("WWW-Authenticate", `Bearer error="insufficient_scope", scope="`+joinScopes(needs)+`"`+metadata)
		w.WriteHeader(403)
	default:
		f.mu.Lock()
		f.calls = append(f.calls, e.Method)
		f.mu.Unlock()
		f.serve(w, e)
	}
}

func (f *fakeLogin) serve(w http.ResponseWriter, e *wire.Envelope) {
	result := `{"resultType":"complete","content":[]}`
	switch e.Method {
	case "server/discover":
		result = `{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"ttlMs":0,"cacheScope":"private"}`
	case "tools/list":
		result = `{"resultType":"complete","tools":[{"name":"t","inputSchema":{"type":"object"}}],"ttlMs":0,"cacheScope":"private"}`
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(wire.AppendResult(nil, e.ID, []byte(result)))
}

// authorization is the authorization server.
func (f *fakeLogin) authorization(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	switch {
	case strings.Contains(r.URL.Path, "/.well-known/"):
		f.document(w, r, map[string]any{
			"issuer": f.as.URL + f.issuer, "authorization_endpoint": f.as.URL + "/authorize?tenant=a", "token_endpoint": f.as.URL + "/token",
			"registration_endpoint": f.as.URL + "/register", "revocation_endpoint": f.as.URL + "/revoke",
			"code_challenge_methods_supported": []string{"plain", "S256"}, "token_endpoint_auth_methods_supported": []string{"none"},
		}, f.meta)
	case r.URL.Path == "/register":
		asked := map[string]any{}
		_ = json.NewDecoder(r.Body).Decode(&asked)
		f.mu.Lock()
		f.registered = append(f.registered, asked)
		id := secret("client")
		f.mu.Unlock()
		f.json(w, 201, map[string]any{"client_id": id, "redirect_uris": asked["redirect_uris"]})
	case r.URL.Path == "/authorize":
		f.consent(w, r)
	case r.URL.Path == "/revoke":
		f.mu.Lock()
		f.revoked = append(f.revoked, r.PostForm.Get("token"))
		f.mu.Unlock()
	case r.URL.Path == "/token":
		f.tokenRequest(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (f *fakeLogin) consent(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	f.mu.Lock()
	f.logins = append(f.logins, q)
	code := secret("code")
	f.challenges[code] = q
	f.mu.Unlock()
	back := url.Values{"code": {code}, "state": {q.Get("state")}}
	if f.answer != nil {
		f.answer(back)
	}
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+back.Encode(), http.StatusFound)
}

func (f *fakeLogin) tokenRequest(w http.ResponseWriter, r *http.Request) {
	form := r.PostForm
	f.mu.Lock()
	f.forms = append(f.forms, form)
	f.basic = append(f.basic, r.Header.Get("Authorization"))
	f.mu.Unlock()
	if f.token != nil && f.token(w, form) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	scope := form.Get("scope")
	switch form.Get("grant_type") {
	case "authorization_code":
		asked, ok := f.challenges[form.Get("code")]
		delete(f.challenges, form.Get("code"))
		hash := sha256.Sum256([]byte(form.Get("code_verifier")))
		if !ok || asked.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(hash[:]) || asked.Get("code_challenge_method") != "S256" ||
			asked.Get("redirect_uri") != form.Get("redirect_uri") || asked.Get("resource") != form.Get("resource") {
			f.json(w, 400, map[string]any{"error": "invalid_grant"})
			return
		}
		scope = asked.Get("scope")
	case "refresh_token":
		if !f.refresh[form.Get("refresh_token")] {
			f.json(w, 400, map[string]any{"error": "invalid_grant", "error_description": "canary-description"})
			return
		}
		delete(f.refresh, form.Get("refresh_token"))
	}
	access, refresh := secret("access"), secret("refresh")
	f.access[access], f.refresh[refresh] = scopesIn(scope), true
	answer := map[string]any{"access_token": access, "token_type": "bearer", "refresh_token": refresh, "expires_in": 3600}
	if f.issue != nil {
		f.issue(answer)
	}
	f.json(w, 200, answer)
}

// expire makes the authorization server forget all access tokens, and the refresh tokens too if all.
func (f *fakeLogin) expire(all bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.access)
	if all {
		clear(f.refresh)
	}
}

func (f *fakeLogin) count() (registered, logins, forms int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.registered), len(f.logins), len(f.forms)
}

// person opens a page and consents to everything.
func person(ctx context.Context, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return nil // the gateway stops listening as soon as it knows enough
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return nil
}

// memoryStore is a TokenStore.
type memoryStore struct {
	mu   sync.Mutex // guards data
	data map[string][]byte
}

func (m *memoryStore) LoadToken(name string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.data[name], nil
}

func (m *memoryStore) SaveToken(name string, data []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.data == nil {
		m.data = map[string][]byte{}
	}
	if data == nil {
		delete(m.data, name)
	} else {
		m.data[name] = bytes.Clone(data)
	}
	return nil
}

// syncBuffer is a log that may be read while it is written.
type syncBuffer struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// set makes a Set with the fake as upstream "demo" and waits until it has settled. When it is closed, nothing it has said
// holds a secret.
func (f *fakeLogin) set(o *OAuth, opts Options) *Set {
	f.t.Helper()
	log := &syncBuffer{}
	opts.Log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s := NewSet(&opts)
	f.t.Cleanup(func() {
		status := fmt.Sprintf("%+v", s.Status())
		if err := s.Close(context.Background()); err != nil {
			f.t.Error(err)
		}
		for name, text := range map[string]string{"log": log.String(), "status": status} {
			if strings.Contains(text, "canary") {
				f.t.Errorf("a secret is in the %s:\n%s", name, text)
			}
		}
	})
	s.Apply([]Config{f.config(o)})
	if err := s.Settled(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
	return s
}

func (f *fakeLogin) config(o *OAuth) Config {
	return Config{Name: "demo", URL: f.mcp.URL + "/mcp", OAuth: o}
}

// call calls a tool; its error holds no secret.
func (f *fakeLogin) call(s *Set) error {
	_, err := s.Call(f.t.Context(), "demo", &Request{Method: "tools/call", Params: []byte(`{"name":"t","arguments":{}}`)})
	if err != nil && strings.Contains(err.Error(), "canary") {
		f.t.Errorf("a secret is in the error: %v", err)
	}
	return err
}

// wantState waits for a state and a part of the failure.
func wantState(t *testing.T, s *Set, state State, login LoginState, failure string) {
	t.Helper()
	ok := eventually(func() bool {
		st := s.Status()[0]
		return st.State == state && st.Login == login && strings.Contains(st.Failure, failure)
	})
	if !ok {
		t.Fatalf("status %+v, want %s, login %q and failure %q", s.Status()[0], state, login, failure)
	}
}
