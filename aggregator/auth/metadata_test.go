// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"
)

// TestDiscoveryByClient is bad input 53: a real client gets from the 401 to the authorization server, for the endpoint
// and for a toolset.
func TestDiscoveryByClient(t *testing.T) {
	p := newIDP(t, newClock())
	var a *Authenticator
	mux := http.NewServeMux()
	srv := httptest.NewServer(mux)
	defer srv.Close()
	mux.HandleFunc(MetadataPath, func(w http.ResponseWriter, r *http.Request) { a.ServeMetadata(w, r) })
	mux.HandleFunc(MetadataPath+"/", func(w http.ResponseWriter, r *http.Request) { a.ServeMetadata(w, r) })
	mux.HandleFunc("/mcp", func(w http.ResponseWriter, r *http.Request) { ask401(a, w, r) })
	mux.HandleFunc("/mcp/", func(w http.ResponseWriter, r *http.Request) { ask401(a, w, r) })
	a = p.server(t, func(o *Options) { o.OAuth.Resource = srv.URL + "/mcp" })
	for _, path := range []string{"/mcp", "/mcp/dev"} {
		answer, err := http.Post(srv.URL+path, "application/json", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		challenges, err := oauthex.ParseWWWAuthenticate(answer.Header.Values("WWW-Authenticate"))
		if err != nil || len(challenges) != 1 || answer.StatusCode != http.StatusUnauthorized {
			t.Fatalf("%s: %d, %v, %v", path, answer.StatusCode, challenges, err)
		}
		want := map[string]string{"realm": "tollgate", "scope": "tools:read", "resource_metadata": srv.URL + MetadataPath + path}
		if d := cmp.Diff(want, challenges[0].Params); d != "" || challenges[0].Scheme != "bearer" {
			t.Errorf("%s: challenge (-want +got):\n%s", path, d)
		}
		got, err := oauthex.GetProtectedResourceMetadata(t.Context(), challenges[0].Params["resource_metadata"], srv.URL+path, srv.Client())
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		doc := &oauthex.ProtectedResourceMetadata{
			Resource: srv.URL + path, AuthorizationServers: []string{p.URL}, ScopesSupported: []string{"tools:read"},
			BearerMethodsSupported: []string{"header"}, ResourceName: "Tollgate",
		}
		if d := cmp.Diff(doc, got); d != "" {
			t.Errorf("%s: metadata (-want +got):\n%s", path, d)
		}
	}
}

func ask401(a *Authenticator, w http.ResponseWriter, r *http.Request) {
	_, c := a.Request(r)
	c.SetHeaders(w.Header())
	http.Error(w, c.Message, c.Status)
}

func TestServeMetadata(t *testing.T) {
	p := newIDP(t, newClock())
	a := p.server(t, func(o *Options) { o.OAuth.Resource, o.OAuth.Name = "https://gw.example/tools/mcp/", "Tools" })
	without := newAuthenticator(t, &Options{Anonymous: "guest"})
	ask := func(a *Authenticator, method, path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		a.ServeMetadata(w, httptest.NewRequest(method, path, nil))
		return w
	}
	for path, want := range map[string]string{
		MetadataPath:                        `"https://gw.example/tools/mcp"`,
		MetadataPath + "/":                  `"https://gw.example/tools/mcp"`,
		MetadataPath + "/mcp":               `"https://gw.example/tools/mcp"`,
		MetadataPath + "/mcp/":              `"https://gw.example/tools/mcp"`,
		MetadataPath + "/tools/mcp":         `"https://gw.example/tools/mcp"`,
		MetadataPath + "/mcp/dev":           `"https://gw.example/tools/mcp/dev"`,
		MetadataPath + "/tools/mcp/dev":     `"https://gw.example/tools/mcp/dev"`,
		MetadataPath + "/other":             "",
		MetadataPath + "/mcp/a/b":           "",
		MetadataPath + "/mcp/%22":           "",
		MetadataPath + "/evil/mcp/dev":      "",
		MetadataPath + "x":                  "",
		"/.well-known/openid-configuration": "",
	} {
		w := ask(a, http.MethodGet, path)
		if want == "" {
			if w.Code != http.StatusNotFound {
				t.Errorf("%s: %d %s, want 404", path, w.Code, w.Body)
			}
			continue
		}
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"resource":`+want) || w.Header().Get("Content-Type") != "application/json" ||
			w.Header().Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(w.Body.String(), `"resource_name":"Tools"`) {
			t.Errorf("%s: %d %v %s, want the resource %s", path, w.Code, w.Header(), w.Body, want)
		}
		if w := ask(without, http.MethodGet, path); w.Code != http.StatusNotFound {
			t.Errorf("%s without OAuth: %d", path, w.Code)
		}
	}
	if w := ask(a, http.MethodHead, MetadataPath); w.Code != http.StatusOK || w.Body.Len() > 0 {
		t.Errorf("HEAD: %d %s", w.Code, w.Body)
	}
	if w := ask(a, http.MethodOptions, MetadataPath); w.Code != http.StatusNoContent || w.Header().Get("Access-Control-Allow-Methods") == "" {
		t.Errorf("OPTIONS: %d %v", w.Code, w.Header())
	}
	if w := ask(a, http.MethodPost, MetadataPath); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") == "" {
		t.Errorf("POST: %d %v", w.Code, w.Header())
	}
	_, c := a.Request(request("/mcp"))
	if want := `resource_metadata="https://gw.example/.well-known/oauth-protected-resource/tools/mcp"`; c == nil || !strings.Contains(c.Header, want) {
		t.Errorf("challenge %+v does not have %s", c, want)
	}
}

// TestInsufficientScope: a client asks for what the challenge lists, so it lists everything the call needs.
func TestInsufficientScope(t *testing.T) {
	p := newIDP(t, newClock())
	a := p.server(t, nil)
	caller, _ := a.Request(bearer(p.draft().with(map[string]any{"scope": "tools:read other"}).sign(t)))
	c := a.InsufficientScope(caller, []string{"tools:read", "tools:write", "repo:write", "tools:write", `x" y`})
	if c.Status != http.StatusForbidden || !strings.HasSuffix(c.Message, ": tools:write repo:write") {
		t.Errorf("challenge %+v", c)
	}
	got, err := oauthex.ParseWWWAuthenticate([]string{c.Header})
	if err != nil || len(got) != 1 {
		t.Fatalf("%s: %v", c.Header, err)
	}
	want := map[string]string{
		"realm": "tollgate", "error": "insufficient_scope", "error_description": c.Message, "scope": "tools:read tools:write repo:write",
		"resource_metadata": "https://gw.example" + MetadataPath + "/mcp",
	}
	if d := cmp.Diff(want, got[0].Params); d != "" {
		t.Errorf("challenge (-want +got):\n%s", d)
	}
	bare := newAuthenticator(t, &Options{Anonymous: "guest"})
	if c := bare.InsufficientScope(&Principal{}, []string{"a"}); c.Header != `Bearer realm="tollgate", error="insufficient_scope"` || c.Status != 403 {
		t.Errorf("without OAuth: %+v", c)
	}
}

// TestNoCredential is bad input 45 where access tokens are accepted too.
func TestNoCredential(t *testing.T) {
	f := newFixture(t)
	p := newIDP(t, newClock())
	a := p.server(t, func(o *Options) { o.Keys, o.Anonymous = f.db, "guest" })
	tail := `, resource_metadata="https://gw.example/.well-known/oauth-protected-resource/mcp", scope="tools:read"`
	good := p.draft().sign(t)
	for name, test := range map[string]struct {
		r       *http.Request
		code    bool
		message string
	}{
		"empty":                 {request("/mcp", "Bearer "), false, "empty"},
		"scheme alone":          {request("/mcp", "Bearer"), false, "empty"},
		"basic":                 {request("/mcp", "Basic eDp5"), false, "Bearer"},
		"two headers":           {request("/mcp", "Bearer "+good, "Bearer "+f.good), true, "more than one"},
		"the same twice":        {request("/mcp", "Bearer "+good, "Bearer "+good), true, "more than one"},
		"in the query":          {request("/mcp?access_token=" + good), true, "URL"},
		"in the query too":      {request("/mcp?access_token="+good, "Bearer "+good), true, "URL"},
		"under any name":        {request("/mcp?next="+good, "Bearer "+good), true, "URL"},
		"not over loopback":     {from(request("/mcp"), "203.0.113.9:1", "10.0.0.1:8080"), false, "access token or an API key is needed"},
		"key nobody knows":      {request("/mcp", "Bearer tg_nonsense"), true, "API key"},
		"expired key":           {request("/mcp", "Bearer "+f.expired), true, "expired"},
		"key of another":        {request("/mcp", "Bearer "+f.other), true, "not accepted"},
		"token with a key's id": {request("/mcp", "Bearer "+f.good+".a.b"), true, "not well-formed"},
	} {
		got, c := a.Request(test.r)
		if got != nil || c.Status != http.StatusUnauthorized || !strings.Contains(c.Message, test.message) {
			t.Errorf("%s: %+v, %+v; want 401 and a word about %q", name, got, c, test.message)
			continue
		}
		want := plain + tail
		if test.code {
			want = invalid + `, error_description="` + strings.ReplaceAll(c.Message, `"`, "'") + `"` + tail
		}
		if c.Header != want {
			t.Errorf("%s: challenge\n%s, want\n%s", name, c.Header, want)
		}
	}
	for name, want := range map[string]string{f.good: MethodAPIKey, good: MethodOAuth} {
		if got, c := a.Request(bearer(name)); got == nil || got.Method != want {
			t.Errorf("%s: %+v, %+v", want, got, c)
		}
	}
	if got, _ := a.Request(request("/mcp")); got == nil || got.Method != MethodAnonymous {
		t.Errorf("nothing over loopback: %+v", got)
	}
}

// TestTokenIdentity is bad input 52 with an access token: what else the client says counts for nothing.
func TestTokenIdentity(t *testing.T) {
	p := newIDP(t, newClock())
	a := p.server(t, nil)
	token := p.draft().sign(t)
	want, _ := a.Request(bearer(token))
	r := bearer(token)
	for _, name := range []string{"X-Role", "X-User", "X-Groups", "Tollgate-User", "Tollgate-Role", "X-Forwarded-User", "Mcp-Param-Role"} {
		r.Header.Set(name, "admin")
	}
	r.Body = unread{t}
	got, _ := a.Request(r)
	if d := cmp.Diff(want, got); d != "" || slices.Contains(got.Roles, "admin") {
		t.Errorf("principal (-want +got):\n%s", d)
	}
}
