// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

func jsonOf(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// unknown is a token that names a key nobody published.
func (p *idp) unknown(t testing.TB, kid string) string {
	return p.draft().by(jwt.SigningMethodRS256, signer.next, kid).sign(t)
}

// TestUnknownKeyFlood: tokens with made-up keys make the gateway ask at most once a minute.
func TestUnknownKeyFlood(t *testing.T) {
	p := newIDP(t, newClock())
	a := p.server(t, nil)
	flood := func() {
		var all sync.WaitGroup
		for i := range 40 {
			token := p.unknown(t, fmt.Sprint("k", i))
			all.Go(func() {
				if got, c := a.Request(bearer(token)); got != nil || c.Status != http.StatusUnauthorized || !strings.Contains(c.Message, "does not publish") {
					t.Errorf("made-up key: %+v, %+v; want 401", got, c)
				}
			})
		}
		all.Wait()
	}
	flood()
	if n := p.asked(); n != 1 {
		t.Errorf("right after the start: asked %d times, want 1", n)
	}
	for minute := range 3 {
		p.clock.turn(time.Minute)
		flood()
		if n := p.asked(); n != 2+minute {
			t.Errorf("minute %d: asked %d times, want %d", minute+1, n, 2+minute)
		}
	}
	p.clock.turn(59 * time.Second)
	flood()
	if n := p.asked(); n != 4 {
		t.Errorf("before the next minute: asked %d times, want 4", n)
	}
}

// TestRotation: a new key works at once, a withdrawn one no longer, also for tokens that are remembered.
func TestRotation(t *testing.T) {
	p := newIDP(t, newClock())
	a := p.server(t, nil)
	old, fresh := p.draft().sign(t), p.unknown(t, "next")
	if got, c := a.Request(bearer(old)); got == nil {
		t.Fatalf("before: %+v", c)
	}
	p.clock.turn(time.Minute)
	if got, _ := a.Request(bearer(fresh)); got != nil {
		t.Fatal("a key that is not published yet was accepted")
	}
	p.change(func() { p.keys = append(p.keys, jwk("next", "", signer.next.Public())) })
	p.clock.turn(time.Minute)
	if got, c := a.Request(bearer(fresh)); got == nil {
		t.Fatalf("the new key: %+v", c)
	}
	if got, c := a.Request(bearer(old)); got == nil {
		t.Fatalf("the old key, still published: %+v", c)
	}
	// The old key is withdrawn. Nobody asks for it, so it goes at the next regular look.
	p.change(func() { p.keys = []any{jwk("next", "", signer.next.Public())} })
	p.clock.turn(refreshAfter + time.Second)
	if got, c := a.Request(bearer(fresh)); got == nil { // sets off the look
		t.Fatalf("the new key: %+v", c)
	}
	a.oauth.issuers[p.URL].keys.settle()
	if got, c := a.Request(bearer(old)); got != nil || c.Status != http.StatusUnauthorized {
		t.Errorf("the withdrawn key: %+v, %+v; want 401", got, c)
	}
	if got, c := a.Request(bearer(fresh)); got == nil {
		t.Errorf("the key that stayed: %+v", c)
	}
}

// TestRotationDropsRemembered: a token is remembered for a minute, but not beyond its key.
func TestRotationDropsRemembered(t *testing.T) {
	p := newIDP(t, newClock())
	a := p.server(t, nil)
	token := p.draft().sign(t)
	p.clock.turn(time.Minute) // the next look is allowed
	if got, c := a.Request(bearer(token)); got == nil {
		t.Fatalf("before: %+v", c)
	}
	p.change(func() { p.keys = []any{jwk("rsa", "", signer.next.Public())} }) // the same kid with another key
	a.Request(bearer(p.unknown(t, "x")))                                      // makes the gateway look
	if got, c := a.Request(bearer(token)); got != nil || c.Status != http.StatusUnauthorized {
		t.Errorf("a remembered token of a replaced key: %+v, %+v; want 401", got, c)
	}
}

// TestKeysDown: known keys last a day without their server; without any key nobody can judge, which is no 401.
func TestKeysDown(t *testing.T) {
	p := newIDP(t, newClock())
	p.change(func() { p.status = http.StatusBadGateway })
	var log bytes.Buffer
	a := p.server(t, func(o *Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	token := func() string { return p.draft().sign(t) }
	for range 3 {
		got, c := a.Request(bearer(token()))
		if got != nil || c.Status != http.StatusServiceUnavailable || c.Header != "" || c.RetryAfter <= 0 || c.RetryAfter > firstPause {
			t.Fatalf("no key yet: %+v, %+v; want 503 with a time to wait", got, c)
		}
	}
	h := http.Header{}
	(&Challenge{Status: 503, RetryAfter: 1200 * time.Millisecond}).SetHeaders(h)
	if h.Get("Retry-After") != "2" || h.Get("WWW-Authenticate") != "" {
		t.Errorf("headers %v", h)
	}
	if n := p.asked(); n != 1 {
		t.Errorf("asked %d times within %s", n, firstPause)
	}
	p.change(func() { p.status = 0 })
	p.clock.turn(firstPause)
	if got, c := a.Request(bearer(token())); got == nil {
		t.Fatalf("the server is back: %+v", c)
	}
	p.change(func() { p.status = http.StatusBadGateway })
	p.clock.turn(keepFor - time.Second)
	if got, c := a.Request(bearer(token())); got == nil {
		t.Errorf("down for nearly a day: %+v", c)
	}
	a.oauth.issuers[p.URL].keys.settle()
	p.clock.turn(time.Second)
	if got, c := a.Request(bearer(token())); got != nil || c.Status != http.StatusServiceUnavailable {
		t.Errorf("down for a day: %+v, %+v; want 503", got, c)
	}
	if !strings.Contains(log.String(), "status 502") || !strings.Contains(log.String(), p.URL) {
		t.Errorf("the log does not say what is wrong: %s", log.String())
	}
}

// TestDiscovery: keys are found through metadata that name the very issuer, at the three places.
func TestDiscovery(t *testing.T) {
	mux := http.NewServeMux()
	srv := httptest.NewServer(mux)
	defer srv.Close()
	set := jsonOf(map[string]any{"keys": []any{jwk("rsa", "", signer.rsa.Public())}})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(set) })
	metadata := func(path, issuer, keys string) {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, issuer, keys)
		})
	}
	keys := srv.URL + "/keys"
	metadata("/.well-known/oauth-authorization-server/rfc8414", srv.URL+"/rfc8414", keys)
	metadata("/.well-known/openid-configuration/inserted", srv.URL+"/inserted", keys)
	metadata("/appended/.well-known/openid-configuration", srv.URL+"/appended", keys)
	metadata("/.well-known/openid-configuration/mixup", "https://login.example", keys)
	metadata("/.well-known/oauth-authorization-server/slash", srv.URL+"/slash/", keys)
	metadata("/.well-known/openid-configuration/plain", srv.URL+"/plain", "http://keys.example/keys")
	metadata("/.well-known/openid-configuration/nokeys", srv.URL+"/nokeys", "")
	for path, says := range map[string]string{
		"/rfc8414": "", "/inserted": "", "/appended": "", "/mixup": "must be the same text", "/slash": "must be the same text",
		"/plain": "use https", "/nokeys": "jwks_url", "/nowhere": "status 404",
	} {
		s := newTestSource(t, sourceID{issuer: srv.URL + path})
		if _, err := s.fetch(); (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", path, err, says)
		}
	}
}

func newTestSource(t testing.TB, id sourceID) *keySource {
	s := newKeySource(id, time.Now, slog.New(slog.DiscardHandler))
	t.Cleanup(s.release)
	return s
}

// TestFetchIsBounded: whatever an authorization server sends, it costs little.
func TestFetchIsBounded(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("followed to another host") }))
	defer other.Close()
	mux := http.NewServeMux()
	srv := httptest.NewServer(mux)
	defer srv.Close()
	set := string(jsonOf(map[string]any{"keys": []any{jwk("rsa", "", signer.rsa.Public())}}))
	body := func(path, text string) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			if _, ok := r.Header["Cookie"]; ok {
				t.Error("a cookie was sent")
			}
			w.Header().Set("Set-Cookie", "a=b")
			_, _ = io.WriteString(w, text)
		})
	}
	body("/ok", set)
	body("/large", `{"keys":[],"x":"`+strings.Repeat("a", maxDocument)+`"}`)
	body("/many", `{"keys":[`+strings.Repeat(`{},`, maxKeys)+`{}]}`)
	body("/none", `{"keys":[{"kty":"oct","k":"AAAA","kid":"a"}]}`)
	body("/twice", `{"keys":[],`+set[1:])
	body("/html", `<html>`)
	body("/text", `{"error":"x"}`)
	mux.Handle("/here", http.RedirectHandler("/ok", http.StatusFound))
	mux.Handle("/there", http.RedirectHandler(other.URL+"/keys", http.StatusFound))
	mux.Handle("/round", http.RedirectHandler("/round", http.StatusFound))
	for path, says := range map[string]string{
		"/ok": "", "/here": "", "/large": "larger than", "/many": "more than 100", "/none": "no public key", "/twice": "JSON", "/html": "JSON",
		"/text": `no "keys"`, "/there": "redirects", "/round": "redirects",
	} {
		s := newTestSource(t, sourceID{issuer: srv.URL, keysURL: srv.URL + path})
		if _, err := s.fetch(); (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", path, err, says)
		}
	}
	c := keyClient(&http.Client{Timeout: time.Hour})
	if c.Timeout != fetchTimeout || keyClient(nil).Timeout != fetchTimeout {
		t.Errorf("timeout %s", c.Timeout)
	}
}

// TestReload: an authenticator that replaces another takes its keys over, and outlives it.
func TestReload(t *testing.T) {
	p := newIDP(t, newClock())
	first := p.server(t, nil)
	second := p.server(t, func(o *Options) { o.Previous = first })
	first.Close()
	first.Close()
	p.clock.turn(time.Minute)
	if got, c := second.Request(bearer(p.draft().sign(t))); got == nil {
		t.Errorf("after the reload: %+v", c)
	}
	if n := p.asked(); n != 1 {
		t.Errorf("the keys were fetched %d times, want once", n)
	}
	p.change(func() { p.keys = append(p.keys, jwk("next", "", signer.next.Public())) })
	if got, c := second.Request(bearer(p.unknown(t, "next"))); got == nil {
		t.Errorf("the source was closed with the first authenticator: %+v", c)
	}
	second.Close()
	p.clock.turn(time.Hour)
	second.Request(bearer(p.unknown(t, "x")))
	if n := p.asked(); n != 2 {
		t.Errorf("asked %d times, want 2: something goes on after Close", n)
	}
	third := p.server(t, func(o *Options) { o.Previous = second }) // closed: it has nothing to give
	if got, c := third.Request(bearer(p.draft().sign(t))); got == nil {
		t.Errorf("after a closed one: %+v", c)
	}
}

// TestKeyFitsAlgorithm: the library verifies with a key of any curve; the gateway does not.
func TestKeyFitsAlgorithm(t *testing.T) {
	for kid, algorithms := range map[string]string{"rsa": "RS256 RS384 RS512 PS256 PS384 PS512", "p256": "ES256", "p384": "ES384", "ed": "EdDSA"} {
		set, err := parseKeySet(jsonOf(map[string]any{"keys": []any{
			jwk("rsa", "", signer.rsa.Public()), jwk("p256", "", signer.p256.Public()), jwk("p384", "", signer.p384.Public()), jwk("ed", "", signer.ed.Public()),
		}}))
		if err != nil {
			t.Fatal(err)
		}
		for _, alg := range append(signatures(), "HS256", "none", "") {
			_, err := set.key(&header{algorithm: alg, key: kid, hasKey: true})
			if want := alg != "" && strings.Contains(algorithms, alg); (err == nil) != want {
				t.Errorf("key %s for %q: %v, want it to fit: %t", kid, alg, err, want)
			}
		}
	}
	one, err := parseKeySet(jsonOf(map[string]any{"keys": []any{jwk("", "", signer.rsa.Public())}}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := one.key(&header{algorithm: "RS256"}); err != nil {
		t.Errorf("the only key, for a token without kid: %v", err)
	}
}
