// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"tollgate/store"
)

// Keys finds the API key that a secret belongs to. [store.DB] implements it. It must be safe for concurrent use, must
// not read the disk, and must return [store.ErrUnknownKey], [store.ErrExpiredKey] or [store.ErrRevokedKey] for a secret
// that is not accepted; any other error means that keys cannot be judged at all.
type Keys interface {
	LookupKey(secret string) (store.Key, error)
}

// Options configure an [Authenticator]. At least one way to be accepted is needed.
type Options struct {
	// Keys judges API keys. Nil: none is accepted.
	Keys Keys
	// OAuth says which access tokens are accepted. Nil: none.
	OAuth *OAuth
	// ClientCerts says which client certificates are accepted. Nil: none, they are not looked at.
	ClientCerts *ClientCerts
	// Proxy says which reverse proxies are believed. Nil: none.
	Proxy *Proxy
	// Anonymous is the role of a request that came over loopback and carried no credential at all; "" = such requests
	// are refused too.
	Anonymous string
	// Realm is shown in challenges; "" = "tollgate".
	Realm string
	// Previous is the authenticator that this one replaces: the keys of issuers that both have are taken over. It is
	// closed by its owner, after or before this one. Nil: none.
	Previous *Authenticator
	// Now is the clock; nil = time.Now.
	Now func() time.Time
	// Log receives failures to judge credentials, never a credential; nil = discard.
	Log *slog.Logger
}

// Authenticator says who sent an HTTP request. Safe for concurrent use.
type Authenticator struct {
	keys      Keys
	oauth     *resourceServer // nil = no access tokens
	certs     *certificates   // nil = no client certificates
	proxy     *proxy          // nil = no proxies
	anonymous string
	scheme    string // `Bearer realm="…"`, the start of every challenge
	needed    string // what to say to who sent no credential
	log       *slog.Logger
	closed    atomic.Bool
}

// maxKey bounds the bytes of an API key that are looked at; our keys have 50.
const maxKey = 4096

// New returns an authenticator; [Authenticator.Close] ends it. Options that would accept nobody are an error, for they are
// a mistake in the wiring.
func New(o *Options) (*Authenticator, error) {
	if o == nil || o.Keys == nil && o.Anonymous == "" && o.OAuth == nil && o.ClientCerts == nil && o.Proxy == nil {
		return nil, errors.New("auth: neither keys nor an anonymous role: every request would be refused")
	}
	a := &Authenticator{keys: o.Keys, anonymous: o.Anonymous, log: o.Log, needed: needed(o)}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	now := o.Now
	if now == nil {
		now = time.Now
	}
	realm := o.Realm
	if realm == "" {
		realm = "tollgate"
	}
	if headerText(realm) != realm {
		return nil, fmt.Errorf("auth: realm %q: only printable ASCII without quotes and backslashes fits into a header", realm)
	}
	a.scheme = `Bearer realm="` + realm + `"`
	var err error
	if o.ClientCerts != nil {
		if a.certs, err = newCertificates(o.ClientCerts, now, a.log); err != nil {
			return nil, fmt.Errorf("auth: client certificates: %w", err)
		}
	}
	if o.Proxy != nil {
		if a.proxy, err = newProxy(o.Proxy); err != nil {
			return nil, fmt.Errorf("auth: proxy: %w", err)
		}
	}
	if o.OAuth == nil {
		return a, nil
	}
	if a.oauth, err = newResourceServer(o.OAuth, now); err != nil {
		return nil, fmt.Errorf("auth: oauth: %w", err)
	}
	var previous *resourceServer
	if o.Previous != nil {
		previous = o.Previous.oauth
	}
	a.oauth.open(previous, func(id sourceID) *keySource { return newKeySource(id, now, a.log) }) // the last step: it cannot fail
	return a, nil
}

// Close ends what a does in the background and waits for it. Requests may still be judged afterwards, with the keys that
// are there. It may be called more than once.
func (a *Authenticator) Close() {
	if a.oauth != nil && a.closed.CompareAndSwap(false, true) {
		a.oauth.close()
	}
}

// needed says what to send to who sent nothing.
func needed(o *Options) string {
	const how = " is needed: send it as \"Authorization: Bearer\""
	switch {
	case o.OAuth != nil && o.Keys != nil:
		return "an access token or an API key" + how
	case o.OAuth != nil:
		return "an access token" + how
	case o.Keys == nil && o.ClientCerts != nil:
		return "a client certificate is needed"
	}
	return "an API key" + how
}

// Request says who sent r: exactly one of the two results is nil. Exactly one credential counts. An Authorization header
// is it, whatever comes with it; without one, the word of a trusted proxy on a connection from it; otherwise the client
// certificate. A credential with anything wrong about it is refused and no other is tried.
//
// Request reads the Authorization header, the query string (only to refuse credentials in it), the connection and, on a
// connection from a trusted proxy, the headers that the configuration names. It never reads the body or any other header
// that names a user or a role, and never changes r.
func (a *Authenticator) Request(r *http.Request) (*Principal, *Challenge) {
	p, f := a.judge(r)
	if f != nil {
		return nil, a.challenge(r, f)
	}
	return p, nil
}

func (a *Authenticator) judge(r *http.Request) (*Principal, *refusal) {
	if tokenInQuery(r.URL) {
		return nil, notAccepted("a credential in a URL ends up in logs and histories: send it as \"Authorization: Bearer\", and replace this one")
	}
	headers := r.Header.Values("Authorization")
	switch {
	case len(headers) > 1:
		return nil, notAccepted("more than one Authorization header")
	case len(headers) == 1:
		return a.bearer(r, headers[0])
	case a.proxy.identifies(r):
		return a.proxy.principal(r)
	case a.certs != nil && r.TLS != nil && len(r.TLS.PeerCertificates) > 0:
		return a.certs.principal(r.TLS.PeerCertificates)
	case a.anonymous == "":
		return nil, missing(a.needed)
	case !local(r):
		return nil, missing(a.needed + " (anonymous access is for clients on this machine only)")
	}
	return &Principal{Subject: "anonymous", Method: MethodAnonymous, Roles: []string{a.anonymous}}, nil
}
