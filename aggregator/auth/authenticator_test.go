// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/user"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tollgate/policy"
	"tollgate/store"
)

const (
	plain   = `Bearer realm="tollgate"`
	invalid = `Bearer realm="tollgate", error="invalid_token"`
)

// fixture is a real store with keys in every state.
type fixture struct {
	db                            *store.DB
	good, expired, revoked, other string
	id                            string // of good
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	now := time.Now()
	open := func() *store.DB {
		db, err := store.Open(t.TempDir(), &store.Options{Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := errors.Join(append(db.Check(), db.Close())...); err != nil {
				t.Error(err)
			}
		})
		return db
	}
	f := &fixture{db: open()}
	key := func(db *store.DB, k store.Key) (string, string) {
		secret, k, err := db.CreateKey(k)
		if err != nil {
			t.Fatal(err)
		}
		return secret, k.ID
	}
	f.good, f.id = key(f.db, store.Key{Subject: "ci", Org: "acme", Team: "infra", Roles: []string{"reader", "deploy"}})
	f.expired, _ = key(f.db, store.Key{Subject: "ci", Expires: now.Add(time.Minute)})
	var revoked string
	f.revoked, revoked = key(f.db, store.Key{Subject: "ci"})
	if err := f.db.RevokeKey(revoked); err != nil {
		t.Fatal(err)
	}
	f.other, _ = key(open(), store.Key{Subject: "ci", Roles: []string{"admin"}})
	now = now.Add(time.Hour)
	return f
}

func (f *fixture) principal() *Principal {
	return &Principal{Subject: "ci", Org: "acme", Team: "infra", Method: MethodAPIKey, KeyID: f.id, Roles: []string{"reader", "deploy"}}
}

func newAuthenticator(t *testing.T, o *Options) *Authenticator {
	t.Helper()
	a, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// request makes a request as a server on loopback would see it.
func request(target string, authorization ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, target, nil)
	for _, v := range authorization {
		r.Header.Add("Authorization", v)
	}
	return from(r, "127.0.0.1:50000", "127.0.0.1:8080")
}

func from(r *http.Request, remote, local string) *http.Request {
	r.RemoteAddr = remote
	addr, err := net.ResolveTCPAddr("tcp", local)
	if err != nil {
		return r
	}
	return r.WithContext(contextWithLocal(r.Context(), addr))
}

func TestBearer(t *testing.T) {
	f := newFixture(t)
	a := newAuthenticator(t, &Options{Keys: f.db})
	for _, test := range []struct {
		name   string
		target string
		header []string
		want   string // WWW-Authenticate; "" = accepted
		says   string
	}{
		{"a key", "/mcp", []string{"Bearer " + f.good}, "", ""},
		{"lower case scheme", "/mcp", []string{"bearer " + f.good}, "", ""},
		{"upper case scheme", "/mcp", []string{"BEARER " + f.good}, "", ""},
		{"two spaces", "/mcp", []string{"Bearer  " + f.good}, "", ""},
		{"harmless query", "/mcp?cursor=abc&limit=10", []string{"Bearer " + f.good}, "", ""},

		{"nothing", "/mcp", nil, plain, "API key is needed"},
		{"empty header", "/mcp", []string{""}, plain, "Bearer"},
		{"scheme alone", "/mcp", []string{"Bearer"}, plain, "empty"},
		{"empty token", "/mcp", []string{"Bearer "}, plain, "empty"},
		{"spaces for a token", "/mcp", []string{"Bearer    "}, plain, "empty"},
		{"another scheme", "/mcp", []string{"Basic " + f.good}, plain, "Bearer"},
		{"key without scheme", "/mcp", []string{f.good}, plain, "Bearer"},
		{"tab for a space", "/mcp", []string{"Bearer\t" + f.good}, plain, "Bearer"},
		{"look-alike scheme", "/mcp", []string{"Bearerx " + f.good}, plain, "Bearer"},

		{"expired", "/mcp", []string{"Bearer " + f.expired}, invalid, "expired"},
		{"revoked", "/mcp", []string{"Bearer " + f.revoked}, invalid, "revoked"},
		{"of another gateway", "/mcp", []string{"Bearer " + f.other}, invalid, "not accepted"},
		{"typo", "/mcp", []string{"Bearer " + f.good[:49] + "?"}, invalid, "not accepted"},
		{"something after it", "/mcp", []string{"Bearer " + f.good + " x"}, invalid, "not accepted"},
		{"two keys in one", "/mcp", []string{"Bearer " + f.good + ", Bearer " + f.good}, invalid, "not accepted"},
		{"quoted", "/mcp", []string{`Bearer "` + f.good + `"`}, invalid, "not accepted"},
		{"huge", "/mcp", []string{"Bearer " + strings.Repeat("a", 1<<20)}, invalid, "not accepted"},
		{"a JWT", "/mcp", []string{"Bearer eyJhbGciOiJub25lIn0.eyJyb2xlcyI6WyJhZG1pbiJdfQ."}, invalid, "not accepted"},

		{"two headers", "/mcp", []string{"Bearer " + f.good, "Bearer " + f.good}, invalid, "more than one"},
		{"good and empty", "/mcp", []string{"Bearer " + f.good, ""}, invalid, "more than one"},
		{"bad and good", "/mcp", []string{"Basic eDp5", "Bearer " + f.good}, invalid, "more than one"},

		{"in the query", "/mcp?access_token=" + f.good, nil, invalid, "URL"},
		{"in the query too", "/mcp?access_token=" + f.good, []string{"Bearer " + f.good}, invalid, "URL"},
		{"any token in the query", "/mcp?access_token=x", []string{"Bearer " + f.good}, invalid, "URL"},
		{"other names for it", "/mcp?a=1&API_Key=x", nil, invalid, "URL"},
		{"escaped name", "/mcp?%61ccess_token=x", nil, invalid, "URL"},
		{"semicolon", "/mcp?a=1;access_token=x", nil, invalid, "URL"},
		{"broken escape beside it", "/mcp?%zz=1&access_token=%zz", nil, invalid, "URL"},
		{"our key under any name", "/mcp?next=" + f.good, nil, invalid, "URL"},
		{"our key, escaped", "/mcp?next=" + strings.Replace(f.good, "_", "%5F", 2), nil, invalid, "URL"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, c := a.Request(request(test.target, test.header...))
			if test.want == "" {
				if d := cmp.Diff(f.principal(), p); d != "" || c != nil {
					t.Fatalf("challenge %+v, principal (-want +got):\n%s", c, d)
				}
				return
			}
			if p != nil || c == nil {
				t.Fatalf("Request = %+v, %+v; want no principal and a challenge", p, c)
			}
			if c.Status != http.StatusUnauthorized || c.Header != test.want || !strings.Contains(c.Message, test.says) {
				t.Errorf("challenge %+v, want 401, %s and a word about %q", c, test.want, test.says)
			}
			for _, secret := range []string{f.good, f.expired, f.revoked} {
				if strings.Contains(c.Message+c.Header, secret[11:]) {
					t.Errorf("challenge %+v tells the key", c)
				}
			}
		})
	}
}

// TestIdentityFromCredential puts names and roles everywhere a client can put them. (Bad inputs 51 and 52.)
func TestIdentityFromCredential(t *testing.T) {
	f := newFixture(t)
	a := newAuthenticator(t, &Options{Keys: f.db, Anonymous: "guest"})
	claims := func(r *http.Request) *http.Request {
		for _, name := range []string{
			"X-Role", "X-Roles", "X-User", "X-Remote-User", "Remote-User", "X-Auth-Request-User", "X-Auth-Request-Groups",
			"X-Api-Key", "X-Authorization", "Proxy-Authorization", "Cookie", "Mcp-Session-Id", "Mcp-Name", "Mcp-Param-Role",
		} {
			r.Header.Set(name, "admin")
		}
		r.URL.RawQuery = "role=admin&user=admin&roles[]=admin"
		r.Body = unread{t}
		r.Form = url.Values{"role": {"admin"}}
		return r
	}
	p, c := a.Request(claims(request("/mcp", "Bearer "+f.good)))
	if d := cmp.Diff(f.principal(), p); d != "" || c != nil {
		t.Errorf("with a key: challenge %+v, principal (-want +got):\n%s", c, d)
	}
	p, c = a.Request(claims(request("/mcp")))
	want := &Principal{Subject: "anonymous", Method: MethodAnonymous, Roles: []string{"guest"}}
	if d := cmp.Diff(want, p); d != "" || c != nil {
		t.Errorf("anonymous: challenge %+v, principal (-want +got):\n%s", c, d)
	}
	p, c = a.Request(claims(request("/mcp", "Bearer "+f.other)))
	if p != nil || c == nil {
		t.Errorf("with a key of another gateway: %+v", p)
	}
}

// unread is a body that nobody may look at.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) { u.t.Error("the body was read"); return 0, io.EOF }
func (u unread) Close() error             { return nil }

func TestPrincipalIsNoContextValue(t *testing.T) {
	f := newFixture(t)
	a := newAuthenticator(t, &Options{Keys: f.db})
	r := request("/mcp", "Bearer "+f.good)
	ctx, headers := r.Context(), r.Header.Clone()
	if p, _ := a.Request(r); p == nil {
		t.Fatal("not accepted")
	}
	if r.Context() != ctx || !cmp.Equal(r.Header, headers) {
		t.Error("the request was changed: it carries identity on")
	}
}

func TestAnonymous(t *testing.T) {
	f := newFixture(t)
	a := newAuthenticator(t, &Options{Keys: f.db, Anonymous: "guest"})
	with := func(name, value string) func(*http.Request) *http.Request {
		return func(r *http.Request) *http.Request {
			r.Header[http.CanonicalHeaderKey(name)] = []string{value}
			return r
		}
	}
	for _, test := range []struct {
		name          string
		remote, local string
		change        func(*http.Request) *http.Request
		ok            bool
	}{
		{"IPv4", "127.0.0.1:5", "127.0.0.1:8080", nil, true},
		{"all of 127/8", "127.9.9.9:5", "127.0.0.2:8080", nil, true},
		{"IPv6", "[::1]:5", "[::1]:8080", nil, true},
		{"IPv4 in IPv6", "[::ffff:127.0.0.1]:5", "[::ffff:127.0.0.1]:8080", nil, true},
		{"remote elsewhere", "192.168.1.7:5", "127.0.0.1:8080", nil, false},
		{"local elsewhere", "127.0.0.1:5", "192.168.1.7:8080", nil, false},
		{"both elsewhere", "192.168.1.7:5", "192.168.1.7:8080", nil, false},
		{"unspecified", "0.0.0.0:5", "127.0.0.1:8080", nil, false},
		{"IPv6 in all but name", "[::2]:5", "[::1]:8080", nil, false},
		{"unix socket", "@", "127.0.0.1:8080", nil, false},
		{"no remote", "", "127.0.0.1:8080", nil, false},
		{"name for an address", "localhost:5", "127.0.0.1:8080", nil, false},
		{"local unknown", "127.0.0.1:5", "", nil, false},

		{"wrong key", "127.0.0.1:5", "127.0.0.1:8080", with("Authorization", "Bearer nonsense"), false},
		{"expired key", "127.0.0.1:5", "127.0.0.1:8080", with("Authorization", "Bearer "+f.expired), false},
		{"empty key", "127.0.0.1:5", "127.0.0.1:8080", with("Authorization", "Bearer "), false},
		{"empty header", "127.0.0.1:5", "127.0.0.1:8080", with("Authorization", ""), false},
		{"other scheme", "127.0.0.1:5", "127.0.0.1:8080", with("Authorization", "Basic eDp5"), false},

		{"behind a proxy", "127.0.0.1:5", "127.0.0.1:8080", with("X-Forwarded-For", "127.0.0.1"), false},
		{"behind a proxy, standard", "127.0.0.1:5", "127.0.0.1:8080", with("Forwarded", "for=127.0.0.1"), false},
		{"behind a proxy, HTTP", "127.0.0.1:5", "127.0.0.1:8080", with("Via", "1.1 tunnel"), false},
		{"behind a shy proxy", "127.0.0.1:5", "127.0.0.1:8080", with("X-Real-IP", ""), false},
		{"behind a tunnel", "127.0.0.1:5", "127.0.0.1:8080", with("CF-Connecting-IP", "203.0.113.9"), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := from(httptest.NewRequest(http.MethodGet, "/mcp", nil), test.remote, test.local)
			if test.change != nil {
				r = test.change(r)
			}
			p, c := a.Request(r)
			if (p != nil) != test.ok || (c == nil) != test.ok {
				t.Fatalf("Request = %+v, %+v; want accepted %t", p, c, test.ok)
			}
			if test.ok && (p.Method != MethodAnonymous || !cmp.Equal(p.Roles, []string{"guest"})) {
				t.Errorf("principal %+v, want the anonymous role", p)
			}
			if !test.ok && c.Status != http.StatusUnauthorized {
				t.Errorf("status %d, want 401", c.Status)
			}
		})
	}
	t.Run("switched off", func(t *testing.T) {
		a := newAuthenticator(t, &Options{Keys: f.db})
		if p, c := a.Request(request("/mcp")); p != nil || c == nil || c.Header != plain {
			t.Errorf("Request = %+v, %+v; want a plain challenge", p, c)
		}
	})
	t.Run("no keys at all", func(t *testing.T) {
		a := newAuthenticator(t, &Options{Anonymous: "guest"})
		if p, c := a.Request(request("/mcp", "Bearer "+f.good)); p != nil || c == nil || c.Header != invalid {
			t.Errorf("Request = %+v, %+v; want the key to be refused", p, c)
		}
	})
}

// TestOverTheWire asks a real server, so that header limits and addresses are those of net/http.
func TestOverTheWire(t *testing.T) {
	f := newFixture(t)
	a := newAuthenticator(t, &Options{Keys: f.db, Anonymous: "guest"})
	srv := httptest.NewServer(HostGuard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, c := a.Request(r)
		if c != nil {
			w.Header().Set("WWW-Authenticate", c.Header)
			http.Error(w, c.Message, c.Status)
			return
		}
		fmt.Fprint(w, p.Method, " ", p.Subject)
	}), nil))
	defer srv.Close()
	for _, test := range []struct {
		raw, want string
	}{
		{"", "200 anonymous anonymous"},
		{"Authorization: Bearer " + f.good + "\r\n", "200 api_key ci"},
		{"aUTHORIZATION:   bEARER " + f.good + "   \r\n", "200 api_key ci"},
		{"Authorization: Bearer\r\n", "401 the bearer token is empty"},
		{"Authorization: Bearer " + f.good + "\r\nAuthorization: Bearer " + f.good + "\r\n", "401 more than one Authorization header"},
		{"Authorization: Bearer " + f.good[:25] + "\r\n " + f.good[25:] + "\r\n", "401 the API key is not accepted"},
	} {
		c, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(c, "GET /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s\r\n", test.raw)
		b, err := io.ReadAll(c)
		_ = c.Close()
		if err != nil {
			t.Fatal(err)
		}
		head, body, _ := bytes.Cut(b, []byte("\r\n\r\n"))
		if got := string(head[len("HTTP/1.1 "):][:4]) + strings.TrimSpace(string(body)); got != test.want {
			t.Errorf("%q: got %q, want %q", test.raw, got, test.want)
		}
	}
}

func TestKeysUnavailable(t *testing.T) {
	f := newFixture(t)
	db, err := store.Open(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	a := newAuthenticator(t, &Options{Keys: db, Anonymous: "guest", Log: slog.New(slog.NewTextHandler(&log, nil))})
	p, c := a.Request(request("/mcp", "Bearer "+f.good))
	if p != nil || c == nil || c.Status != http.StatusServiceUnavailable || c.Header != "" {
		t.Fatalf("Request with a closed store = %+v, %+v; want 503", p, c)
	}
	if !strings.Contains(log.String(), "store is closed") || strings.Contains(log.String(), f.good[11:]) {
		t.Errorf("log %q: want the reason, not the key", log.String())
	}
}

func TestNewRefuses(t *testing.T) {
	for name, o := range map[string]*Options{"nil": nil, "empty": {}, "realm": {Anonymous: "guest", Realm: `x", error="`}, "realm with a newline": {Anonymous: "guest", Realm: "a\r\nb"}} {
		if _, err := New(o); err == nil {
			t.Errorf("%s: New succeeded", name)
		}
	}
	a := newAuthenticator(t, &Options{Anonymous: "guest", Realm: "acme tools"})
	if _, c := a.Request(request("/mcp", "")); c == nil || c.Header != `Bearer realm="acme tools"` {
		t.Errorf("challenge %+v, want the realm", c)
	}
}

func TestStdio(t *testing.T) {
	me, err := user.Current()
	if err != nil {
		t.Skipf("this system does not name its users: %v", err)
	}
	roles := []string{"reader", "deploy"}
	p, err := Stdio(&StdioOptions{Roles: roles, Org: "acme", Team: "infra"})
	if err != nil {
		t.Fatal(err)
	}
	want := &Principal{Subject: me.Username, Org: "acme", Team: "infra", Method: MethodStdio, Roles: []string{"reader", "deploy"}}
	roles[0] = "admin"
	if d := cmp.Diff(want, p); d != "" {
		t.Errorf("principal (-want +got):\n%s", d)
	}
	if p, err := Stdio(&StdioOptions{Subject: "robot", Roles: roles}); err != nil || p.Subject != "robot" {
		t.Errorf("with a subject: %+v, %v", p, err)
	}
	for name, o := range map[string]*StdioOptions{"nil": nil, "no role": {Subject: "a"}, "empty role": {Subject: "a", Roles: []string{"b", ""}}} {
		if p, err := Stdio(o); err == nil {
			t.Errorf("%s: %+v, want an error", name, p)
		} else if !strings.Contains(err.Error(), "role") {
			t.Errorf("%s: %v does not say what is missing", name, err)
		}
	}
}

func TestPolicyPrincipal(t *testing.T) {
	p := &Principal{Subject: "s", Org: "o", Team: "t", Method: MethodAPIKey, KeyID: "k", Roles: []string{"r"}, Groups: []string{"g"}, Scopes: []string{"c"}}
	want := &policy.Principal{Subject: "s", Org: "o", Team: "t", AuthMethod: "api_key", KeyID: "k", Roles: []string{"r"}, Groups: []string{"g"}, Scopes: []string{"c"}}
	got := p.Policy()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("policy principal (-want +got):\n%s", d)
	}
	got.Roles[0] = "admin"
	if p.Roles[0] != "r" {
		t.Error("the policy principal shares memory with the principal")
	}
	empty := (&Principal{}).Policy()
	if empty.Roles == nil || empty.Groups == nil || empty.Scopes == nil {
		t.Errorf("%+v has null lists", empty)
	}
}

func FuzzBearer(f *testing.F) {
	f.Add("Bearer tg_abcdefgh_0123456789")
	f.Add("bearer")
	f.Add("\x00 \xff")
	keys := keysFunc(func(secret string) (store.Key, error) {
		if secret == "right" {
			return store.Key{Subject: "ci"}, nil
		}
		return store.Key{}, store.ErrUnknownKey
	})
	a, err := New(&Options{Keys: keys, Anonymous: "guest"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, header string) {
		p, c := a.Request(request("/mcp", header))
		scheme, token, _ := strings.Cut(header, " ")
		want := strings.EqualFold(scheme, "bearer") && strings.TrimLeft(token, " ") == "right"
		if (p != nil) != want || (c == nil) != want || p != nil && p.Subject != "ci" {
			t.Fatalf("%q: %+v, %+v", header, p, c)
		}
	})
}

type keysFunc func(string) (store.Key, error)

func (f keysFunc) LookupKey(secret string) (store.Key, error) { return f(secret) }

func contextWithLocal(ctx context.Context, addr net.Addr) context.Context {
	return localContext{ctx, addr}
}

// localContext carries the local address as net/http does for a server.
type localContext struct {
	context.Context
	addr net.Addr
}

func (c localContext) Value(key any) any {
	if key == http.LocalAddrContextKey {
		return c.addr
	}
	return c.Context.Value(key)
}
