// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"time"
)

// The ways an upstream's own identity gets a token.
const (
	GrantAuthorizationCode = "authorization_code" // a person logs in once; refreshed from then on
	GrantClientCredentials = "client_credentials" // the gateway itself, with a client id and a secret
)

// OAuth says how the gateway gets tokens for one upstream. They are the identity of the gateway as a service: every caller's
// requests travel under it, and nothing a caller brings ever does. The zero value finds out everything by itself.
type OAuth struct {
	// ClientID and ClientSecret are of a client registered with the authorization server by hand. They come before
	// ClientMetadataURL, and that before dynamic registration.
	ClientID, ClientSecret string
	// ClientMetadataURL is a client id that is the https URL of a document about the client (Client ID Metadata Document).
	ClientMetadataURL string
	// Scopes are asked for instead of what the server names. A server that refuses a request for lack of scopes is still
	// given them in addition.
	Scopes []string
	// Grant is GrantAuthorizationCode, the default, or GrantClientCredentials.
	Grant string
	// RedirectURL is where the browser brings the answer of a login: a loopback http URL; without a port any free one is
	// taken. "" = http://127.0.0.1/callback, and for a dynamically registered client a path nobody can guess.
	RedirectURL string
	// PrivateNetwork allows authorization servers at private addresses. Loopback ones are allowed exactly when the upstream's
	// own URL names the loopback; link-local addresses never are.
	PrivateNetwork bool
}

func (o *OAuth) equal(p *OAuth) bool {
	if o == nil || p == nil {
		return o == p
	}
	return o.ClientID == p.ClientID && o.ClientSecret == p.ClientSecret && o.ClientMetadataURL == p.ClientMetadataURL &&
		o.Grant == p.Grant && o.RedirectURL == p.RedirectURL && o.PrivateNetwork == p.PrivateNetwork &&
		slices.Equal(o.Scopes, p.Scopes)
}

// TokenStore keeps what a login has brought across restarts. data is a secret. Implementations are safe for concurrent use.
type TokenStore interface {
	// LoadToken returns what was saved last for an upstream, nil when there is nothing.
	LoadToken(upstream string) ([]byte, error)
	// SaveToken replaces it; nil data removes it.
	SaveToken(upstream string, data []byte) error
}

// BrowserFunc shows an authorization URL to a person. It may return before the person is done; an error ends the login. ctx ends
// when there is an answer, and then it returns soon. The URL is http or https and is never to be given to a shell.
type BrowserFunc func(ctx context.Context, authorizationURL string) error

// LoginState says how an upstream's identity stands with it.
type LoginState string

// The states of a login. The zero value is that of an upstream that never asked for one.
const (
	LoginNone    LoginState = ""
	LoginNeeded  LoginState = "needed"  // the upstream wants a token and there is none
	LoginPending LoginState = "pending" // a person is at it
	LoginValid   LoginState = "valid"   // there is a token
)

const (
	loginTime    = 5 * time.Minute // for a person to log in
	fetchTime    = 10 * time.Second
	maxDocument  = 1 << 20 // of anything an authorization server sends
	maxTokenSize = 16 << 10

	firstQuiet = time.Minute // after an automatic login that failed, doubling from there
	longQuiet  = time.Hour
	maxLogins  = 6 // automatic logins an hour, whatever an upstream asks for
)

// resourceOf is the identifier of the upstream as a protected resource (RFC 8707): its URL without what is nobody's business.
func resourceOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	u.User, u.Fragment, u.RawFragment = nil, "", ""
	u.Scheme, u.Host = strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	return u.String()
}

// union returns the scopes of both lists, each once, in order.
func union(a, b []string) []string {
	var out []string
	for _, s := range slices.Concat(a, b) {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// scopesIn splits a scope parameter (RFC 6749 §3.3). What cannot be a scope is left out, as is what no server can mean.
func scopesIn(s string) []string {
	const most, longest = 100, 256
	var out []string
	for _, scope := range strings.Fields(s) {
		legal := !strings.ContainsFunc(scope, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' })
		if legal && len(scope) <= longest && len(out) < most && !slices.Contains(out, scope) {
			out = append(out, scope)
		}
	}
	return out
}

// contains reports whether every one of some is in all.
func contains(all, some []string) bool {
	return !slices.ContainsFunc(some, func(s string) bool { return !slices.Contains(all, s) })
}
