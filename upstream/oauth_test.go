// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestLogin: an upstream that nobody has configured a login for is logged in to once, and again never.
func TestLogin(t *testing.T) {
	f := newFakeLogin(t)
	f.hint = `, scope="read write"`
	store := &memoryStore{}
	s := f.set(nil, Options{Browser: person, Tokens: store})
	wantState(t, s, Ready, LoginValid, "")
	if err := f.call(s); err != nil {
		t.Fatal(err)
	}
	q, form := f.logins[0], f.forms[0]
	redirect, err := url.Parse(q.Get("redirect_uri"))
	if err != nil || redirect.Hostname() != "127.0.0.1" || len(redirect.Path) < len("/callback/")+20 {
		t.Errorf("redirect_uri %q is not of the loopback with a path nobody guesses", q.Get("redirect_uri"))
	}
	for name, want := range map[string]string{
		"response_type": "code", "resource": f.mcp.URL + "/mcp", "scope": "read write", "code_challenge_method": "S256", "tenant": "a",
	} {
		if q.Get(name) != want {
			t.Errorf("authorization request: %s is %q, want %q", name, q.Get(name), want)
		}
	}
	if form.Get("resource") != f.mcp.URL+"/mcp" || form.Has("client_secret") || f.basic[0] != "" {
		t.Errorf("token request: %v with %q", form, f.basic[0])
	}
	if r := f.registered[0]; r["application_type"] != "native" || r["token_endpoint_auth_method"] != "none" || r["client_name"] != "tollgate" {
		t.Errorf("registration: %v", r)
	}

	again := f.set(nil, Options{Browser: person, Tokens: store})
	wantState(t, again, Ready, LoginValid, "")
	if r, l, n := f.count(); r != 1 || l != 1 || n != 1 {
		t.Errorf("after a restart: %d registrations, %d logins, %d token requests; want 1 of each", r, l, n)
	}
}

// TestTokenStaysWithItsURL: a name that is given to another server brings that one no token.
func TestTokenStaysWithItsURL(t *testing.T) {
	f, other := newFakeLogin(t), newFakeLogin(t)
	store := &memoryStore{}
	s := f.set(nil, Options{Browser: person, Tokens: store})
	s.Apply([]Config{other.config(nil)})
	if err := s.Settled(t.Context()); err != nil {
		t.Fatal(err)
	}
	other.mu.Lock()
	defer other.mu.Unlock()
	for _, sent := range other.sent {
		if _, ok := other.access[strings.TrimPrefix(sent, "Bearer ")]; !ok && sent != "" {
			t.Errorf("the other server was sent %q", sent)
		}
	}
	if len(other.sent) == 0 || len(other.logins) != 1 {
		t.Errorf("%d requests and %d logins at the other server", len(other.sent), len(other.logins))
	}
}

func TestRegistrationOrder(t *testing.T) {
	const document = "https://gateway.example/client.json"
	reads := func(m map[string]any) { m["client_id_metadata_document_supported"] = true }
	secret := func(m map[string]any) {
		reads(m)
		m["token_endpoint_auth_methods_supported"] = []string{"client_secret_post", "client_secret_basic"}
	}
	for _, test := range []struct {
		name       string
		oauth      OAuth
		meta       func(map[string]any)
		id         string // "" = from a registration
		registered int
		basic      string
	}{
		{"by hand", OAuth{ClientID: "by hand", ClientSecret: "canary:s", ClientMetadataURL: document}, secret, "by hand", 0, "by+hand:canary%3As"},
		{"by hand, public", OAuth{ClientID: "public"}, secret, "public", 0, ""},
		{"document", OAuth{ClientMetadataURL: document}, reads, document, 0, ""},
		{"document that is not read", OAuth{ClientMetadataURL: document}, nil, "", 1, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFakeLogin(t)
			f.meta = test.meta
			s := f.set(&test.oauth, Options{Browser: person})
			wantState(t, s, Ready, LoginValid, "")
			id := f.logins[0].Get("client_id")
			if test.id != "" && id != test.id || test.id == "" && !strings.HasPrefix(id, "canary-client") || len(f.registered) != test.registered {
				t.Errorf("client id %q, %d registrations", id, len(f.registered))
			}
			basic, _ := strings.CutPrefix(f.basic[0], "Basic ")
			if b, err := base64.StdEncoding.DecodeString(basic); err != nil || string(b) != test.basic {
				t.Errorf("basic authentication %q, want %q", b, test.basic)
			}
		})
	}
}

// TestDiscoveryOrder holds the order of 2026-07-28 §Authorization Server Discovery.
func TestDiscoveryOrder(t *testing.T) {
	const prm, as, oidc = "/.well-known/oauth-protected-resource", "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"
	for _, test := range []struct {
		name     string
		noHeader bool
		issuer   string
		at       []string // what exists
		want     []string
	}{
		{"header", false, "", nil, []string{prm + "/mcp", as}},
		{"path of the endpoint", true, "", nil, []string{prm + "/mcp", as}},
		{"root", true, "", []string{prm, as}, []string{prm + "/mcp", prm, as}},
		{"openid", false, "", []string{prm + "/mcp", oidc}, []string{prm + "/mcp", as, oidc}},
		{"issuer with a path", false, "/a/b", []string{prm + "/mcp", "/a/b" + oidc}, []string{prm + "/mcp", as + "/a/b", oidc + "/a/b", "/a/b" + oidc}},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFakeLogin(t)
			f.noHeader, f.issuer, f.at = test.noHeader, test.issuer, test.at
			wantState(t, f.set(nil, Options{Browser: person}), Ready, LoginValid, "")
			if diff := cmp.Diff(test.want, f.paths); diff != "" {
				t.Errorf("metadata was asked for in another order (-want +got):\n%s", diff)
			}
		})
	}
}

// TestNoLogin: what must end a login, and before what.
func TestNoLogin(t *testing.T) {
	set := func(name string, value any) func(map[string]any) { return func(m map[string]any) { m[name] = value } }
	const evil = "https://evil.example"
	for _, test := range []struct {
		name   string
		change func(f *fakeLogin)
		want   string
		logins int // that a person was asked for
		tokens int // requests
	}{
		{"other resource", func(f *fakeLogin) { f.resource = set("resource", evil+"/mcp") }, "another resource", 0, 0},
		{"parent resource", func(f *fakeLogin) { f.resource = func(m map[string]any) { m["resource"] = f.mcp.URL } }, "another resource", 0, 0},
		{"issuer elsewhere", func(f *fakeLogin) { f.meta = set("issuer", evil) }, "metadata is about another one", 0, 0},
		{"no PKCE", func(f *fakeLogin) { f.meta = func(m map[string]any) { delete(m, "code_challenge_methods_supported") } }, "without PKCE", 0, 0},
		{"plain PKCE", func(f *fakeLogin) { f.meta = set("code_challenge_methods_supported", []string{"plain"}) }, "without PKCE", 0, 0},
		{"token endpoint in the clear", func(f *fakeLogin) { f.meta = set("token_endpoint", "http://192.0.2.1/token") }, "not allowed", 0, 0},
		{"script for a page", func(f *fakeLogin) { f.meta = set("authorization_endpoint", "javascript:alert(1)") }, "not allowed", 0, 0},
		{"file for a page", func(f *fakeLogin) { f.meta = set("authorization_endpoint", "file:///etc/passwd") }, "not allowed", 0, 0},
		{"private authorization server", func(f *fakeLogin) { f.resource = set("authorization_servers", []string{"https://10.0.0.1"}) }, "not allowed", 0, 0},
		{"cloud metadata", func(f *fakeLogin) { f.resource = set("authorization_servers", []string{"https://169.254.169.254"}) }, "not allowed", 0, 0},
		{"no metadata", func(f *fakeLogin) { f.at = []string{} }, "set headers.Authorization", 0, 0},
		{"no registration", func(f *fakeLogin) { f.meta = func(m map[string]any) { delete(m, "registration_endpoint") } }, "set oauth.client_id", 0, 0},
		{"wrong iss", func(f *fakeLogin) { f.answer = func(q url.Values) { q.Set("iss", evil) } }, "not from the authorization server", 1, 0},
		{"slash in iss", func(f *fakeLogin) { f.answer = func(q url.Values) { q.Set("iss", f.as.URL+"/") } }, "not from the authorization server", 1, 0},
		{"two iss", func(f *fakeLogin) { f.answer = func(q url.Values) { q["iss"] = []string{f.as.URL, evil} } }, "not from the authorization server", 1, 0},
		{"promised iss", func(f *fakeLogin) { f.meta = set("authorization_response_iss_parameter_supported", true) }, "not from the authorization server", 1, 0},
		{"error with a wrong iss", func(f *fakeLogin) {
			f.answer = func(q url.Values) { q.Set("error", "access_denied"); q.Set("iss", evil) }
		}, "not from the authorization server", 1, 0},
		{"denied", func(f *fakeLogin) {
			f.answer = func(q url.Values) {
				q.Del("code")
				q.Set("error", "access_denied")
				q.Set("error_description", "canary")
			}
		}, "says access_denied", 1, 0},
		{"no code", func(f *fakeLogin) { f.answer = func(q url.Values) { q.Del("code") } }, "holds no code", 1, 0},
		{"refused code", func(f *fakeLogin) {
			f.token = func(w http.ResponseWriter, form url.Values) bool {
				f.json(w, 400, map[string]any{"error": "invalid_grant", "error_description": form.Encode()})
				return true
			}
		}, "says invalid_grant", 1, 1},
		{"token of another type", func(f *fakeLogin) { f.issue = set("token_type", "DPoP") }, "does not answer", 1, 1},
		{"token with a line break", func(f *fakeLogin) { f.issue = set("access_token", "canary\r\nX: y") }, "does not answer", 1, 1},
		{"token that is refused", func(f *fakeLogin) { f.issue = set("access_token", "canary-unknown") }, "refuses the token of a fresh login", 1, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f := newFakeLogin(t)
			test.change(f)
			s := f.set(nil, Options{Browser: person})
			st := s.Status()[0]
			if st.State != Failed || !strings.Contains(st.Failure, test.want) || strings.Contains(st.Failure, "://") || strings.Contains(st.Failure, "canary") {
				t.Errorf("%s: %q, want it to say %q and nothing secret", st.State, st.Failure, test.want)
			}
			if _, logins, tokens := f.count(); logins != test.logins || tokens != test.tokens {
				t.Errorf("%d logins and %d token requests, want %d and %d", logins, tokens, test.logins, test.tokens)
			}
			wantState(t, s, Failed, LoginNeeded, "tollgate upstream login demo") // nobody is asked again and again
			if _, logins, _ := f.count(); logins != test.logins {
				t.Errorf("%d logins after another attempt to connect, want %d", logins, test.logins)
			}
		})
	}
}

// TestUnadvertisedIss: an answer may say who it is from without having promised to.
func TestUnadvertisedIss(t *testing.T) {
	f := newFakeLogin(t)
	f.answer = func(q url.Values) { q.Set("iss", f.as.URL) }
	wantState(t, f.set(nil, Options{Browser: person}), Ready, LoginValid, "")
}

// TestRefreshOnce: fifty requests refused at the same time lead to one refresh.
func TestRefreshOnce(t *testing.T) {
	f := newFakeLogin(t)
	s := f.set(nil, Options{Browser: person})
	wantState(t, s, Ready, LoginValid, "")
	f.expire(false)
	errs := make(chan error)
	for range 50 {
		go func() { errs <- f.call(s) }()
	}
	for range 50 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	_, logins, forms := f.count()
	if logins != 1 || forms != 2 {
		t.Errorf("%d logins and %d token requests, want 1 and 2", logins, forms)
	}
	if form := f.forms[1]; form.Get("grant_type") != "refresh_token" || form.Get("resource") != f.mcp.URL+"/mcp" {
		t.Errorf("refresh: %v", form)
	}
}

// TestRefreshInTime: a token past its time is not sent.
func TestRefreshInTime(t *testing.T) {
	f := newFakeLogin(t)
	now := make(chan time.Time, 1)
	now <- time.Now()
	clock := func() time.Time { at := <-now; now <- at; return at }
	s := f.set(nil, Options{Browser: person, Now: clock})
	wantState(t, s, Ready, LoginValid, "")
	at := <-now
	now <- at.Add(time.Hour - 5*time.Second)
	before := len(f.calls)
	if err := f.call(s); err != nil {
		t.Fatal(err)
	}
	if len(f.forms) != 2 || len(f.calls) != before+1 {
		t.Errorf("%d token requests for %d calls, want a refresh before one call", len(f.forms), len(f.calls)-before)
	}
}

// TestRefreshRefused: only a person can help, and is asked once.
func TestRefreshRefused(t *testing.T) {
	f := newFakeLogin(t)
	s := f.set(nil, Options{Browser: person})
	wantState(t, s, Ready, LoginValid, "")
	f.expire(true)
	if err := f.call(s); err != nil {
		t.Fatal(err)
	}
	if r, logins, forms := f.count(); r != 1 || logins != 2 || forms != 3 {
		t.Errorf("%d registrations, %d logins, %d token requests; want 1, 2 and 3", r, logins, forms)
	}
}

// TestRefreshLater: an authorization server that is down costs no login.
func TestRefreshLater(t *testing.T) {
	f := newFakeLogin(t)
	s := f.set(nil, Options{Browser: person})
	wantState(t, s, Ready, LoginValid, "")
	f.expire(false)
	f.token = func(w http.ResponseWriter, form url.Values) bool {
		http.Error(w, "canary "+form.Encode(), http.StatusServiceUnavailable)
		return true
	}
	wantError(t, f.call(s), KindUnavailable, false, "does not answer")
	f.token = nil
	if err := f.call(s); err != nil {
		t.Fatal(err)
	}
	if _, logins, _ := f.count(); logins != 1 {
		t.Errorf("%d logins, want 1", logins)
	}
}

// TestStepUp: more scopes are asked for once, together with those there are (SEP-2350).
func TestStepUp(t *testing.T) {
	f := newFakeLogin(t)
	f.hint = `, scope="read"`
	f.needs = func(method string) []string {
		if method == "tools/call" {
			return []string{"write"}
		}
		return []string{"read"}
	}
	s := f.set(nil, Options{Browser: person})
	wantState(t, s, Ready, LoginValid, "")
	errs := make(chan error)
	for range 10 {
		go func() { errs <- f.call(s) }()
	}
	for range 10 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if len(f.logins) != 2 || f.logins[1].Get("scope") != "read write" {
		t.Errorf("logins %v, want a second one for both scopes", f.logins)
	}
}

// TestStepUpLimit: scopes that a login does not bring are not asked for again, and a 403 for another reason is an answer.
func TestStepUpLimit(t *testing.T) {
	for _, told := range []bool{false, true} {
		f := newFakeLogin(t)
		f.issue = func(m map[string]any) {
			if told {
				m["scope"] = "write" // it says so, and does not honour it
			}
			f.access[m["access_token"].(string)] = nil
		}
		f.needs = func(method string) []string {
			if method == "tools/call" {
				return []string{"write"}
			}
			return nil
		}
		s := f.set(nil, Options{Browser: person})
		wantState(t, s, Ready, LoginValid, "")
		for range 5 {
			wantError(t, f.call(s), KindAuth, false, "permissions that a login has not brought")
		}
		want := 2
		if told {
			want = 1
		}
		if len(f.logins) != want {
			t.Errorf("told %v: %d logins, want %d", told, len(f.logins), want)
		}
	}
}

func TestClientCredentials(t *testing.T) {
	f := newFakeLogin(t)
	f.hint = `, scope="jobs"`
	f.meta = func(m map[string]any) {
		delete(m, "token_endpoint_auth_methods_supported")
		delete(m, "authorization_endpoint")
	}
	s := f.set(&OAuth{ClientID: "svc", ClientSecret: "canary-secret", Grant: GrantClientCredentials}, Options{})
	wantState(t, s, Ready, LoginValid, "")
	f.expire(true)
	if err := f.call(s); err != nil {
		t.Fatal(err)
	}
	for i, form := range f.forms {
		want := url.Values{"grant_type": {"client_credentials"}, "resource": {f.mcp.URL + "/mcp"}, "scope": {"jobs"}}
		if diff := cmp.Diff(want, form); diff != "" || f.basic[i] != "Basic "+base64.StdEncoding.EncodeToString([]byte("svc:canary-secret")) {
			t.Errorf("token request %d: %s %q", i, diff, f.basic[i])
		}
	}
	if r, logins, forms := f.count(); r != 0 || logins != 0 || forms != 2 {
		t.Errorf("%d registrations, %d logins, %d token requests", r, logins, forms)
	}
}

// TestLoginOnPurpose: without a browser an upstream waits for somebody; then it connects at once, and a logout ends that.
func TestLoginOnPurpose(t *testing.T) {
	f := newFakeLogin(t)
	store := &memoryStore{}
	s := f.set(nil, Options{Tokens: store})
	wantState(t, s, Failed, LoginNeeded, "needs a login: tollgate upstream login demo")
	wantError(t, f.call(s), KindUnavailable, false, "needs a login")
	failing := func(context.Context, string) error { return errors.New("canary: no display") }
	wantError(t, s.Login(t.Context(), "demo", failing), KindAuth, false, "could not be shown")
	if err := s.Login(t.Context(), "demo", person); err != nil {
		t.Fatal(err)
	}
	wantState(t, s, Ready, LoginValid, "")
	if err := f.call(s); err != nil {
		t.Fatal(err)
	}
	if err := s.Logout(t.Context(), "demo"); err != nil {
		t.Fatal(err)
	}
	wantState(t, s, Failed, LoginNeeded, "needs a login")
	if len(store.data) != 0 || len(f.revoked) != 1 || !strings.HasPrefix(f.revoked[0], "canary-refresh") {
		t.Errorf("after the logout %d logins are saved, %d tokens were revoked", len(store.data), len(f.revoked))
	}
	if err := s.Login(t.Context(), "nobody", person); err == nil || !strings.Contains(err.Error(), "is not configured") {
		t.Errorf("login at an unknown upstream: %v", err)
	}
}

// TestLogoutStaysOut: what was logged out of is not logged in to by itself.
func TestLogoutStaysOut(t *testing.T) {
	f := newFakeLogin(t)
	s := f.set(nil, Options{Browser: person})
	wantState(t, s, Ready, LoginValid, "")
	if err := s.Logout(t.Context(), "demo"); err != nil {
		t.Fatal(err)
	}
	wantState(t, s, Failed, LoginNeeded, "needs a login")
	if _, logins, _ := f.count(); logins != 1 {
		t.Errorf("%d logins, want 1", logins)
	}
}

// TestAbandonedLogin: whoever asked for it is gone, and so is the callback.
func TestAbandonedLogin(t *testing.T) {
	f := newFakeLogin(t)
	s := f.set(nil, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	shown := make(chan string, 1)
	done := make(chan error)
	go func() {
		done <- s.Login(ctx, "demo", func(_ context.Context, address string) error { shown <- address; return nil })
	}()
	address, err := url.Parse(<-shown)
	if err != nil {
		t.Fatal(err)
	}
	if st := s.Status()[0]; st.Login != LoginPending {
		t.Errorf("login is %q while a person is at it", st.Login)
	}
	cancel()
	wantError(t, <-done, KindClosed, false, "a login")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	if resp, err := client.Get(address.Query().Get("redirect_uri")); err == nil {
		resp.Body.Close()
		t.Error("the callback is still served")
	}
}

// TestCallback: only the answer with the state ends a login.
func TestCallback(t *testing.T) {
	c, err := listenCallback("")
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for address, want := range map[string]int{
		c.redirect:                            404,
		c.redirect + "?state=guess&code=x":    404,
		c.redirect + "/more?state=" + c.state: 404,
		strings.Replace(c.redirect, "callback", "x", 1) + "?state=" + c.state: 404,
	} {
		resp, err := client.Get(address)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %s", address, resp.Status)
		}
	}
	if len(c.answer) != 0 {
		t.Fatal("a stranger's answer is taken")
	}
	resp, err := client.Get(c.redirect + "?code=y&state=" + c.state)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if q, err := c.wait(t.Context(), nil); err != nil || q.Get("code") != "y" {
		t.Errorf("answer %v, %v", q, err)
	}
	for _, redirect := range []string{"http://0.0.0.0/cb", "https://127.0.0.1/cb", "http://gateway.example/cb", "http://127.0.0.1/cb?x=y"} {
		if c, err := listenCallback(redirect); err == nil {
			c.close()
			t.Errorf("listens at %s", redirect)
		}
	}
}

// TestPacing: however often an upstream asks, people are asked now and then.
func TestPacing(t *testing.T) {
	start := time.Now()
	var p pacing
	logins := 0
	for minute := range 24 * 60 {
		if at := start.Add(time.Duration(minute) * time.Minute); p.allows(at) {
			logins++
			p.failed(at)
		}
	}
	if logins < 20 || logins > 40 {
		t.Errorf("%d logins in a day in which all failed", logins)
	}
	p, logins = pacing{}, 0
	for range 100 {
		if p.allows(start) {
			logins++
			p.succeeded()
		}
	}
	if logins != maxLogins {
		t.Errorf("%d logins in an hour, want %d", logins, maxLogins)
	}
}

// TestReach: bad inputs 56.
func TestReach(t *testing.T) {
	for _, raw := range []string{
		"http://2130706433/", "https://[::ffff:127.0.0.1]/", "https://[fe80::1%25lo]/", "https://127.0.0.1/", "https://169.254.169.254/",
		"https://[fd00::1]/", "https://100.64.0.1/", "https://10.1.2.3/", "https://0.0.0.0/", "https://[::]/", "https://good@evil.example/",
		"https://[64:ff9b::7f00:1]/", "https://[2002:7f00:1::]/", "https://[::7f00:1]/", "https://224.0.0.1/", "https://255.255.255.255/",
		"http://as.example/", "file:///etc/passwd", "data:text/html,x", "https:///x", "https:as.example", "javascript:alert(1)",
		"http://localhost/", "http://127.0.0.1.evil.example/",
	} {
		if (reach{}).checkURL(raw) == nil {
			t.Errorf("%s is allowed", raw)
		}
	}
	for raw, r := range map[string]reach{
		"https://as.example/": {}, "https://8.8.8.8/": {}, "https://[2606:4700::1111]/": {}, "http://127.0.0.1:8080/": {loopback: true},
		"http://localhost/": {loopback: true}, "https://10.1.2.3/": {private: true}, "https://[fd00::1]/": {private: true},
	} {
		if err := r.checkURL(raw); err != nil {
			t.Errorf("%s is refused: %v", raw, err)
		}
	}
	for _, r := range []reach{{loopback: true}, {private: true}} {
		if r.checkURL("https://169.254.169.254/") == nil || r.checkURL("http://as.example/") == nil {
			t.Errorf("%+v allows too much", r)
		}
	}
}

// TestDialGuard: what a name resolves to is checked when it is dialed, and so is where a redirect leads.
func TestDialGuard(t *testing.T) {
	f := newFakeLogin(t)
	port := portOf(must(url.Parse(f.as.URL)))
	_, _, err := newAuthTransport(reach{}).get(t.Context(), "https://localhost:"+port+"/")
	if !errors.Is(err, errAddress) {
		t.Errorf("localhost was dialed: %v", err)
	}
	moved := httptest.NewServer(http.RedirectHandler("http://169.254.169.254/latest", http.StatusFound))
	defer moved.Close()
	_, _, err = newAuthTransport(reach{loopback: true}).get(t.Context(), moved.URL)
	if !errors.Is(err, errAddress) {
		t.Errorf("the redirect was followed: %v", err)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestScopes(t *testing.T) {
	got := scopesIn("a  b a \"c\" d\\ \x7f e:f/g " + strings.Repeat("x", 300))
	if !slices.Equal(got, []string{"a", "b", "e:f/g"}) {
		t.Errorf("scopes %q", got)
	}
}
