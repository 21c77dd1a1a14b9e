// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// identityProvider issues access tokens.
type identityProvider struct {
	*httptest.Server
	key *ecdsa.PrivateKey
}

func newIdentityProvider(t *testing.T) *identityProvider {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p := &identityProvider{key: key}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/oauth-authorization-server", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, p.URL, p.URL+"/keys")
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		point, err := key.PublicKey.Bytes()
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"keys":[{"kty":"EC","crv":"P-256","kid":"k1","alg":"ES256","use":"sig","x":%q,"y":%q}]}`, b64(point[1:33]), b64(point[33:]))
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// token signs claims; those that are missing are what a good token has.
func (p *identityProvider) token(t *testing.T, audience string, claims map[string]any) string {
	t.Helper()
	all := map[string]any{"iss": p.URL, "aud": audience, "sub": "ada", "exp": time.Now().Add(time.Minute).Unix(), "iat": time.Now().Unix()}
	for k, v := range claims {
		all[k] = v
	}
	payload, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	signed := b64([]byte(`{"alg":"ES256","kid":"k1","typ":"at+jwt"}`)) + "." + b64(payload)
	sum := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, p.key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	raw := make([]byte, 64)
	r.FillBytes(raw[:32])
	s.FillBytes(raw[32:])
	return signed + "." + b64(raw)
}

const oauthYAML = `version: 1
listen: 127.0.0.1:8080
auth:
  oauth:
    resource: https://gw.example.com/mcp
    issuers:
      - issuer: %s
        claims: {groups: /realm/groups, team: /team}
        roles: [{claim: /realm/groups, contains: mcp-clerks, role: clerk}]
bindings:
  - {group: auditors, roles: [reader]}
roles:
  reader: {allow: ["orders/get_*"]}
  clerk: {allow: ["upstream:orders"], act_as: {roles: [reader]}}
policy:
  scopes: [{for: orders/delete_*, scopes: [orders:write, orders:read]}]
`

// serveYAML is a gateway in front of the demo's servers with a configuration of its own.
func serveYAML(t *testing.T, text string) *httptest.Server {
	t.Helper()
	g := configured(t, t.TempDir(), text)
	if err := g.authenticate(g.current().cfg); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(g.routes(http.NotFoundHandler()))
	t.Cleanup(func() {
		server.Close()
		if err := g.close(t.Context()); err != nil {
			t.Error(err)
		}
	})
	return server
}

// post calls a tool over HTTP with a bearer token.
func post(t *testing.T, url, token, tool, arguments, meta string) (*http.Response, string) {
	t.Helper()
	body := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":%q,"arguments":%s,"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}%s}}}`, tool, arguments, meta)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/mcp", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range map[string]string{
		"Content-Type": "application/json", "MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": tool,
	} {
		req.Header.Set(k, v)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(text)
}

// TestResourceServer: a client finds out where to get a token, is let in by its groups, asks for more scopes when it lacks
// some, and may act for others only where its role says so.
func TestResourceServer(t *testing.T) {
	idp := newIdentityProvider(t)
	gw := serveYAML(t, fmt.Sprintf(oauthYAML, idp.URL))
	const resource = "https://gw.example.com/mcp"

	resp, _ := post(t, gw.URL, "", "orders__get_order", `{"id":1001}`, "")
	challenge := resp.Header.Get("WWW-Authenticate")
	if resp.StatusCode != http.StatusUnauthorized || !strings.Contains(challenge, `resource_metadata="https://gw.example.com/.well-known/oauth-protected-resource/mcp"`) || strings.Contains(challenge, "error=") {
		t.Errorf("without a token: %d %s", resp.StatusCode, challenge)
	}
	metadata, err := http.Get(gw.URL + "/.well-known/oauth-protected-resource/mcp")
	if err != nil {
		t.Fatal(err)
	}
	defer metadata.Body.Close()
	var document struct {
		Resource string
		Servers  []string `json:"authorization_servers"`
	}
	if err := json.NewDecoder(metadata.Body).Decode(&document); err != nil || document.Resource != resource || len(document.Servers) != 1 || document.Servers[0] != idp.URL {
		t.Errorf("metadata: %+v, %v", document, err)
	}

	groups := func(names ...string) map[string]any {
		return map[string]any{"realm": map[string]any{"groups": names}, "scope": "orders:read"}
	}
	for _, c := range []struct {
		name, token, tool, meta string
		status                  int
		body                    string
	}{
		{"in no group", idp.token(t, resource, nil), "orders__get_order", "", 200, "Unknown tool"},
		{"by its group", idp.token(t, resource, groups("mcp-clerks")), "orders__get_order", "", 200, `"structuredContent"`},
		{"by a binding of its group", idp.token(t, resource, groups("auditors")), "orders__get_order", "", 200, `"structuredContent"`},
		{"for another audience", idp.token(t, "https://gw.example.com/mcp2", groups("mcp-clerks")), "orders__get_order", "", 401, ""},
		{"expired", idp.token(t, resource, map[string]any{"exp": time.Now().Add(-2 * time.Minute).Unix()}), "orders__get_order", "", 401, ""},
		{"without a scope", idp.token(t, resource, groups("mcp-clerks")), "orders__delete_order", "", 403, "orders:write"},
		{"for somebody who reads", idp.token(t, resource, groups("mcp-clerks")), "orders__delete_order", `,"tollgate/act_as":{"user":"bob","role":"reader"}`, 200, "Unknown tool"},
		{"names ignored", idp.token(t, resource, groups("auditors")), "orders__get_order", `,"tollgate/act_as":{"user":"bob","role":"clerk"}`, 200, `"structuredContent"`},
	} {
		resp, body := post(t, gw.URL, c.token, c.tool, `{"id":1001}`, c.meta)
		if resp.StatusCode != c.status || !strings.Contains(body, c.body) {
			t.Errorf("%s: %d %s", c.name, resp.StatusCode, body)
		}
		if challenge := resp.Header.Get("WWW-Authenticate"); c.status == 403 &&
			(!strings.Contains(challenge, `error="insufficient_scope"`) || !strings.Contains(challenge, "orders:read") || !strings.Contains(challenge, "orders:write") || !strings.Contains(challenge, "resource_metadata=")) {
			t.Errorf("%s: %s", c.name, challenge)
		}
	}
}
