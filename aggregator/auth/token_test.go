// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"
)

func TestAccessToken(t *testing.T) {
	p := newIDP(t, newClock())
	a := p.server(t, nil)
	want := &Principal{
		Subject: "alice", Org: "acme", Team: "infra", Method: MethodOAuth, Issuer: p.URL, Groups: []string{"dev", "ops"},
		Roles: []string{"operator"}, Scopes: []string{"tools:read", "tools:write"}, Expires: p.clock.Now().Add(time.Hour),
	}
	for name, d := range map[string]*draft{
		"RS256":                   p.draft(),
		"RS512":                   p.draft().by(jwt.SigningMethodRS512, signer.rsa, "rsa"),
		"PS256":                   p.draft().by(jwt.SigningMethodPS256, signer.rsa, "rsa"),
		"ES256":                   p.draft().by(jwt.SigningMethodES256, signer.p256, "p256"),
		"ES384":                   p.draft().by(jwt.SigningMethodES384, signer.p384, "p384"),
		"EdDSA":                   p.draft().by(jwt.SigningMethodEdDSA, signer.ed, "ed"),
		"aud with others":         p.draft().with(map[string]any{"aud": []string{"https://evil.example", resource}}),
		"a little late":           p.draft().with(map[string]any{"exp": p.clock.Now().Unix() - 59}),
		"a little early":          p.draft().with(map[string]any{"nbf": p.clock.Now().Unix() + 59, "iat": p.clock.Now().Unix() + 59}),
		"no nbf and iat":          p.draft().with(map[string]any{"nbf": nil, "iat": nil}),
		"no typ":                  p.draft().head(map[string]any{"typ": nil}),
		"typ JWT":                 p.draft().head(map[string]any{"typ": "JWT"}),
		"typ in full":             p.draft().head(map[string]any{"typ": "application/AT+JWT"}),
		"scp as a list":           p.draft().with(map[string]any{"scope": nil, "scp": []string{"tools:read", "tools:write"}}),
		"scp as a text":           p.draft().with(map[string]any{"scope": nil, "scp": "tools:read tools:write"}),
		"a header of an attacker": p.draft().head(map[string]any{"jku": "https://evil.example/keys", "x5u": "https://evil.example/x"}),
	} {
		t.Run(name, func(t *testing.T) {
			got, c := a.Request(bearer(d.sign(t)))
			if c != nil {
				t.Fatalf("refused: %+v", c)
			}
			want := *want
			want.Expires = got.Expires
			if d := cmp.Diff(&want, got); d != "" || got.Expires.IsZero() {
				t.Errorf("principal, expires %v (-want +got):\n%s", got.Expires, d)
			}
		})
	}
}

// TestTokenAttacks are bad inputs 46 to 49: every one is refused, whatever the role it asks for.
func TestTokenAttacks(t *testing.T) {
	p := newIDP(t, newClock())
	weak := jwk("weak", "", signer.weak.Public())
	oct := map[string]any{"kty": "oct", "kid": "oct", "k": b64([]byte("0123456789abcdef0123456789abcdef"))}
	enc := jwk("enc", "", signer.next.Public())
	enc["use"] = "enc"
	p.change(func() { p.keys = append(p.keys, weak, oct, enc) })
	a := p.server(t, nil)
	now := p.clock.Now().Unix()
	der, err := x509.MarshalPKIXPublicKey(signer.rsa.Public())
	if err != nil {
		t.Fatal(err)
	}
	asPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	good := p.draft().sign(t)
	parts := strings.Split(good, ".")
	claims := func(name string, v any) *draft { return p.draft().with(map[string]any{name: v}) }
	head := func(name string, v any) *draft { return p.draft().head(map[string]any{name: v}) }
	plain := fmt.Sprintf(`{"iss":%q,"sub":"alice","aud":%q,"exp":%d}`, p.URL, resource, now+60)
	tokens := map[string]string{
		"alg none":                        p.draft().by(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, "rsa").sign(t),
		"alg None":                        b64([]byte(`{"alg":"None","kid":"rsa"}`)) + "." + parts[1] + ".",
		"no alg":                          signRaw(t, `{"kid":"rsa"}`, plain),
		"signature taken away":            parts[0] + "." + parts[1] + ".",
		"HS256 with the public key":       p.draft().by(jwt.SigningMethodHS256, asPEM, "rsa").sign(t),
		"HS256 with the modulus":          p.draft().by(jwt.SigningMethodHS256, signer.rsa.N.Bytes(), "rsa").sign(t),
		"HS256 with a published secret":   p.draft().by(jwt.SigningMethodHS256, []byte("0123456789abcdef0123456789abcdef"), "oct").sign(t),
		"RS256 under the kid of EC":       p.draft().by(jwt.SigningMethodRS256, signer.rsa, "p256").sign(t),
		"ES256 under the kid of P-384":    p.draft().by(jwt.SigningMethodES256, signer.p256, "p384").sign(t),
		"RSA key of 1024 bits":            p.draft().by(jwt.SigningMethodRS256, signer.weak, "weak").sign(t),
		"key for encryption":              p.draft().by(jwt.SigningMethodRS256, signer.next, "enc").sign(t),
		"unknown kid":                     p.draft().by(jwt.SigningMethodRS256, signer.next, "next").sign(t),
		"other key under a known kid":     p.draft().by(jwt.SigningMethodRS256, signer.next, "rsa").sign(t),
		"no kid of several":               head("kid", nil).sign(t),
		"kid is a number":                 head("kid", 7).sign(t),
		"kid is a path":                   head("kid", "../../dev/null").sign(t),
		"own key in the header":           p.draft().by(jwt.SigningMethodRS256, signer.next, "mine").head(map[string]any{"jwk": jwk("mine", "", signer.next.Public())}).sign(t),
		"crit":                            p.draft().head(map[string]any{"crit": []string{"b64"}, "b64": false}).sign(t),
		"aud missing":                     claims("aud", nil).sign(t),
		"aud of another":                  claims("aud", "https://evil.example/mcp").sign(t),
		"aud with a prefix":               claims("aud", "https://gw.evil").sign(t),
		"aud longer":                      claims("aud", resource+".evil.example").sign(t),
		"aud shorter":                     claims("aud", "https://gw.example").sign(t),
		"aud with a slash":                claims("aud", resource+"/").sign(t),
		"aud of a toolset, elsewhere":     claims("aud", resource+"/dev").sign(t),
		"aud in upper case":               claims("aud", strings.ToUpper(resource)).sign(t),
		"aud in a text":                   claims("aud", `["`+resource+`"]`).sign(t),
		"aud is a number":                 claims("aud", 1).sign(t),
		"aud among numbers":               claims("aud", []any{resource, 1}).sign(t),
		"iss missing":                     claims("iss", nil).sign(t),
		"iss of another":                  claims("iss", "https://evil.example").sign(t),
		"iss with a slash":                claims("iss", p.URL+"/").sign(t),
		"iss in a list":                   claims("iss", []string{p.URL}).sign(t),
		"expired":                         claims("exp", now-61).sign(t),
		"exp missing":                     claims("exp", nil).sign(t),
		"exp is a text":                   claims("exp", "9999999999").sign(t),
		"exp beyond time":                 claims("exp", 1e300).sign(t),
		"exp below zero":                  claims("exp", -1).sign(t),
		"nbf in the future":               claims("nbf", now+61).sign(t),
		"iat in the future":               claims("iat", now+61).sign(t),
		"ID token by typ":                 head("typ", "id+jwt").sign(t),
		"ID token by hash":                claims("at_hash", "x").sign(t),
		"ID token of Keycloak":            claims("typ", "ID").sign(t),
		"logout token":                    head("typ", "logout+jwt").sign(t),
		"identity assertion":              head("typ", "oauth-id-jag+jwt").sign(t),
		"bound by DPoP":                   claims("cnf", map[string]any{"jkt": "x"}).sign(t),
		"bound to a certificate":          claims("cnf", map[string]any{"x5t#S256": b64(make([]byte, 32))}).sign(t),
		"no subject":                      claims("sub", nil).sign(t),
		"claim twice, the first good":     signRaw(t, `{"alg":"RS256","kid":"rsa"}`, plain[:len(plain)-1]+`,"sub":"root"}`),
		"header twice":                    signRaw(t, `{"alg":"none","alg":"RS256","kid":"rsa"}`, plain),
		"claims are a list":               signRaw(t, `{"alg":"RS256","kid":"rsa"}`, `[`+plain+`]`),
		"more after the claims":           signRaw(t, `{"alg":"RS256","kid":"rsa"}`, plain+`{}`),
		"claims changed":                  parts[0] + "." + b64([]byte(plain)) + "." + parts[2],
		"padding":                         parts[0] + "=." + parts[1] + "." + parts[2],
		"bits after the end":              looseEnd(good),
		"empty parts":                     "..",
		"deep":                            b64([]byte(strings.Repeat("[", 30000))) + ".e30.",
		"long":                            good + strings.Repeat("A", maxAccessToken),
		"a JWE":                           parts[0] + "." + parts[1] + "." + parts[2] + "." + parts[0] + "." + parts[1],
		"opaque":                          "0123456789abcdef",
		"two tokens":                      good + ", Bearer " + good,
		"an issuer that differs in case":  claims("iss", strings.Replace(p.URL, "http", "HTTP", 1)).sign(t),
		"a good one for another resource": claims("aud", "https://gw.example/mcp2").sign(t),
	}
	start := `Bearer realm="tollgate", error="invalid_token", error_description="`
	end := `", resource_metadata="https://gw.example/.well-known/oauth-protected-resource/mcp", scope="tools:read"`
	for _, name := range slices.Sorted(maps.Keys(tokens)) {
		got, c := a.Request(bearer(tokens[name]))
		if got != nil || c == nil || c.Status != http.StatusUnauthorized {
			t.Errorf("%s: %+v, %+v; want 401", name, got, c)
			continue
		}
		if want := start + headerText(c.Message) + end; c.Header != want {
			t.Errorf("%s: challenge\n%s, want\n%s", name, c.Header, want)
		}
		for _, part := range strings.Split(tokens[name], ".") {
			if len(part) > 8 && strings.Contains(c.Header+c.Message, part) {
				t.Errorf("%s: the answer repeats the token: %+v", name, c)
			}
		}
	}
	if got, c := a.Request(bearer(good)); got == nil {
		t.Errorf("after all that the good token is refused: %+v", c)
	}
	if n := p.asked(); n > 1 {
		t.Errorf("the keys were fetched %d times within a minute", n)
	}
}

// looseEnd changes bits of the signature's last digit that decode to nothing.
func looseEnd(token string) string {
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(digits, token[len(token)-1])
	return token[:len(token)-1] + string(digits[last^1])
}

func TestTokenTypeRequired(t *testing.T) {
	p := newIDP(t, newClock())
	a := p.server(t, func(o *Options) { o.OAuth.Issuers[0].TokenType = "at+jwt" })
	for typ, ok := range map[any]bool{"at+jwt": true, "application/at+jwt": true, "AT+JWT": true, "JWT": false, nil: false, "at+jwt ": false} {
		got, c := a.Request(bearer(p.draft().head(map[string]any{"typ": typ}).sign(t)))
		if (got != nil) != ok || !ok && (c.Status != 401 || !strings.Contains(c.Message, "no access token")) {
			t.Errorf("typ %q: %+v, %+v; want accepted %t", typ, got, c, ok)
		}
	}
}

func TestAlgorithmsConfigured(t *testing.T) {
	p := newIDP(t, newClock())
	a := p.server(t, func(o *Options) { o.OAuth.Issuers[0].Algorithms = []string{"ES256"} })
	if got, c := a.Request(bearer(p.draft().sign(t))); got != nil || c.Status != 401 || !strings.Contains(c.Header, "algorithm") {
		t.Errorf("RS256 where only ES256 is configured: %+v, %+v", got, c)
	}
	if got, c := a.Request(bearer(p.draft().by(jwt.SigningMethodES256, signer.p256, "p256").sign(t))); got == nil {
		t.Errorf("ES256: %+v", c)
	}
}

// TestBoundToken: a token that is bound to a certificate is for the owner of that certificate alone.
func TestBoundToken(t *testing.T) {
	ca := newAuthority(t, "ca")
	mine, other := ca.issue(t, clientCert("ci.example")), ca.issue(t, clientCert("other.example"))
	p := newIDP(t, newClock())
	a := p.server(t, nil)
	token := p.draft().with(map[string]any{"cnf": map[string]any{"x5t#S256": thumbprint(mine)}}).sign(t)
	for name, test := range map[string]struct {
		cert *x509.Certificate
		ok   bool
	}{"its own": {mine, true}, "another": {other, false}, "none": {nil, false}, "its own again": {mine, true}} {
		r := bearer(token)
		if test.cert != nil {
			r.TLS = presented(test.cert)
		}
		if got, c := a.Request(r); (got != nil) != test.ok || !test.ok && !strings.Contains(c.Message, "bound") {
			t.Errorf("%s: %+v, %+v; want accepted %t", name, got, c, test.ok)
		}
	}
}

// TestToolsetAudience: a token for the URL of a toolset opens that toolset and nothing else, also when it is remembered.
func TestToolsetAudience(t *testing.T) {
	p := newIDP(t, newClock())
	a := p.server(t, nil)
	token := p.draft().with(map[string]any{"aud": []string{resource + "/dev", resource + "/a/b", "x"}}).sign(t)
	for path, ok := range map[string]bool{"/mcp/dev": true, "/mcp/dev/": true, "/mcp": false, "/mcp/": false, "/mcp/ops": false, "/mcp/a/b": false, "/v1/dev": false} {
		got, c := a.Request(request(path, "Bearer "+token))
		if (got != nil) != ok {
			t.Errorf("%s: %+v, %+v; want accepted %t", path, got, c, ok)
		}
		if want := "/.well-known/oauth-protected-resource/mcp/ops"; path == "/mcp/ops" && !strings.Contains(c.Header, want+`"`) {
			t.Errorf("%s: challenge %s does not lead to %s", path, c.Header, want)
		}
	}
	if got, c := a.Request(request("/mcp/ops", "Bearer "+p.draft().sign(t))); got == nil {
		t.Errorf("a token for the whole gateway at a toolset: %+v", c)
	}
}
