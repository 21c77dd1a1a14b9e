// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// signer are the keys of the authorization server in tests: making an RSA key takes a while.
var signer struct {
	rsa, weak, next *rsa.PrivateKey // next is published later, weak is too short
	p256, p384      *ecdsa.PrivateKey
	ed              ed25519.PrivateKey
}

func TestMain(m *testing.M) {
	var errs [6]error
	signer.rsa, errs[0] = rsa.GenerateKey(rand.Reader, 2048)
	signer.next, errs[1] = rsa.GenerateKey(rand.Reader, 2048)
	signer.weak, errs[2] = rsa.GenerateKey(rand.Reader, 1024)
	signer.p256, errs[3] = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	signer.p384, errs[4] = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	_, signer.ed, errs[5] = ed25519.GenerateKey(rand.Reader)
	for _, err := range errs {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// clock is turned by the test.
type clock struct {
	mu  sync.Mutex // guards now
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) turn(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// idp is an authorization server: metadata at the OpenID place, keys at /keys.
type idp struct {
	*httptest.Server
	clock *clock

	mu      sync.Mutex // guards what follows
	keys    []any      // the JWK set
	raw     string     // sent in place of the set unless empty
	status  int        // 0 = 200
	fetches int        // of the set
}

func newIDP(t testing.TB, c *clock) *idp {
	p := &idp{clock: c}
	p.keys = []any{
		jwk("rsa", "", signer.rsa.Public()), jwk("p256", "ES256", signer.p256.Public()),
		jwk("p384", "", signer.p384.Public()), jwk("ed", "EdDSA", signer.ed.Public()),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, p.URL, p.URL+"/keys")
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.fetches++
		if p.status != 0 {
			w.WriteHeader(p.status)
		}
		if p.raw != "" {
			_, _ = io.WriteString(w, p.raw)
			return
		}
		if err := json.NewEncoder(w).Encode(map[string]any{"keys": p.keys}); err != nil {
			t.Error(err)
		}
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

// change changes what p serves.
func (p *idp) change(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
}

func (p *idp) asked() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fetches
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// jwk is a public key as published; alg "" = left out.
func jwk(kid, alg string, key crypto.PublicKey) map[string]any {
	m := map[string]any{"kid": kid, "use": "sig"}
	if alg != "" {
		m["alg"] = alg
	}
	switch k := key.(type) {
	case *rsa.PublicKey:
		m["kty"], m["n"], m["e"] = "RSA", b64(k.N.Bytes()), b64(big.NewInt(int64(k.E)).Bytes())
	case *ecdsa.PublicKey:
		size := (k.Curve.Params().BitSize + 7) / 8
		point, err := k.Bytes()
		if err != nil {
			panic(err)
		}
		m["kty"], m["crv"], m["x"], m["y"] = "EC", k.Curve.Params().Name, b64(point[1:1+size]), b64(point[1+size:])
	case ed25519.PublicKey:
		m["kty"], m["crv"], m["x"] = "OKP", "Ed25519", b64(k)
	}
	return m
}

const resource = "https://gw.example/mcp"

// draft is a token before it is signed.
type draft struct {
	method jwt.SigningMethod
	key    any
	header map[string]any
	claims map[string]any
}

// draft is a good token of alice.
func (p *idp) draft() *draft {
	now := p.clock.Now().Unix()
	return &draft{
		method: jwt.SigningMethodRS256, key: signer.rsa, header: map[string]any{"kid": "rsa", "typ": "at+jwt"},
		claims: map[string]any{
			"iss": p.URL, "sub": "alice", "aud": resource, "iat": now, "nbf": now, "exp": now + 3600,
			"groups": []string{"dev", "ops"}, "scope": "tools:read tools:write", "org": "acme", "team": "infra",
		},
	}
}

// with changes claims; nil takes one away.
func (d *draft) with(changes map[string]any) *draft {
	maps.Copy(d.claims, changes)
	maps.DeleteFunc(d.claims, func(_ string, v any) bool { return v == nil })
	return d
}

// head changes the header; nil takes a member away.
func (d *draft) head(changes map[string]any) *draft {
	maps.Copy(d.header, changes)
	maps.DeleteFunc(d.header, func(_ string, v any) bool { return v == nil })
	return d
}

// by signs with another key.
func (d *draft) by(method jwt.SigningMethod, key any, kid string) *draft {
	d.method, d.key, d.header["kid"] = method, key, kid
	return d
}

func (d *draft) sign(t testing.TB) string {
	t.Helper()
	token := jwt.NewWithClaims(d.method, jwt.MapClaims(d.claims))
	maps.Copy(token.Header, d.header)
	maps.DeleteFunc(token.Header, func(name string, _ any) bool { _, ok := d.header[name]; return !ok && name != "alg" })
	s, err := token.SignedString(d.key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// signRaw signs header and claims as they are written.
func signRaw(t testing.TB, head, claims string) string {
	t.Helper()
	text := b64([]byte(head)) + "." + b64([]byte(claims))
	sig, err := jwt.SigningMethodRS256.Sign(text, signer.rsa)
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + b64(sig)
}

// oauth are options that accept tokens of p.
func (p *idp) oauth() *OAuth {
	return &OAuth{
		Resource: resource, ScopesSupported: []string{"tools:read"},
		Issuers: []Issuer{{
			Issuer: p.URL, Claims: Claims{Org: "/org", Team: "/team", Roles: "/realm_access/roles"},
			Roles: []RoleMapping{{Claim: "/groups", Contains: "ops", Role: "operator"}, {Claim: "/dept", Equals: "sales", Role: "seller"}},
		}},
	}
}

// server is an authenticator that accepts tokens of p and has its keys.
func (p *idp) server(t testing.TB, change func(o *Options)) *Authenticator {
	t.Helper()
	o := &Options{OAuth: p.oauth(), Now: p.clock.Now}
	if change != nil {
		change(o)
	}
	a, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	for _, i := range a.oauth.issuers {
		i.keys.settle()
	}
	return a
}

// settle waits until no request for keys is under way.
func (s *keySource) settle() {
	s.mu.Lock()
	running := s.running
	s.mu.Unlock()
	if running != nil {
		<-running
	}
}

func bearer(token string) *http.Request { return request("/mcp", "Bearer "+token) }
