// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"tollgate/store"
)

// Keys finds the API key that a secret belongs to. [store.DB] implements it. It must be safe for concurrent use, must
// not read the disk, and must return [store.ErrUnknownKey], [store.ErrExpiredKey] or [store.ErrRevokedKey] for a secret
// that is not accepted; any other error means that keys cannot be judged at all.
type Keys interface {
	LookupKey(secret string) (store.Key, error)
}

// Options configure an [Authenticator].
type Options struct {
	// Keys judges bearer tokens. Nil: no token is accepted.
	Keys Keys
	// Anonymous is the role of a request that came over loopback and carried no credential at all; "" = such requests
	// are refused too.
	Anonymous string
	// Realm is shown in challenges; "" = "tollgate".
	Realm string
	// Log receives failures to judge a key, never the key; nil = discard.
	Log *slog.Logger
}

// Authenticator says who sent an HTTP request. Safe for concurrent use.
type Authenticator struct {
	keys      Keys
	anonymous string
	scheme    string // `Bearer realm="…"`, the start of every challenge
	log       *slog.Logger
}

// maxToken bounds the bytes of a token that are looked at; our keys have 50.
const maxToken = 4096

// New returns an authenticator. Options that would accept nobody are an error, for they are a mistake in the wiring.
func New(o *Options) (*Authenticator, error) {
	if o == nil || o.Keys == nil && o.Anonymous == "" {
		return nil, errors.New("auth: neither keys nor an anonymous role: every request would be refused")
	}
	a := &Authenticator{keys: o.Keys, anonymous: o.Anonymous, log: o.Log}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	realm := o.Realm
	if realm == "" {
		realm = "tollgate"
	}
	if strings.ContainsFunc(realm, func(r rune) bool { return r < 0x20 || r > 0x7e || r == '"' || r == '\\' }) {
		return nil, fmt.Errorf("auth: realm %q: only printable ASCII without quotes and backslashes fits into a header", realm)
	}
	a.scheme = `Bearer realm="` + realm + `"`
	return a, nil
}

// Request says who sent r: exactly one of the two results is nil. It reads the Authorization header, the query string
// (only to refuse tokens in it) and both ends of the connection. It never reads the body or any header that names a
// user or a role, and never changes r.
func (a *Authenticator) Request(r *http.Request) (*Principal, *Challenge) {
	if tokenInQuery(r.URL) {
		return nil, a.invalid("credentials in a URL end up in logs and histories: send the API key as \"Authorization: Bearer\" and replace it")
	}
	headers := r.Header.Values("Authorization")
	switch {
	case len(headers) > 1:
		return nil, a.invalid("more than one Authorization header")
	case len(headers) == 1:
		return a.bearer(headers[0])
	case a.anonymous == "":
		return nil, a.missing("an API key is needed: send it as \"Authorization: Bearer\"")
	case !local(r):
		return nil, a.missing("an API key is needed: anonymous access is for clients on this machine only")
	}
	return &Principal{Subject: "anonymous", Method: MethodAnonymous, Roles: []string{a.anonymous}}, nil
}

// bearer judges the only Authorization header of a request. Whatever is wrong with it, the request is not anonymous.
func (a *Authenticator) bearer(header string) (*Principal, *Challenge) {
	scheme, token, _ := strings.Cut(header, " ")
	token = strings.TrimLeft(token, " ") // RFC 9110 §11.4: one or more spaces
	switch {
	case !strings.EqualFold(scheme, "bearer"):
		return nil, a.missing("only \"Authorization: Bearer\" is understood")
	case token == "":
		return nil, a.missing("the bearer token is empty")
	case a.keys == nil || len(token) > maxToken:
		return nil, a.invalid("the API key is not accepted")
	}
	key, err := a.keys.LookupKey(token)
	switch {
	case err == nil:
		return &Principal{
			Subject: key.Subject, Org: key.Org, Team: key.Team,
			Method: MethodAPIKey, KeyID: key.ID, Roles: key.Roles,
		}, nil
	case errors.Is(err, store.ErrUnknownKey):
		return nil, a.invalid("the API key is not accepted")
	case errors.Is(err, store.ErrExpiredKey):
		return nil, a.invalid("the API key has expired")
	case errors.Is(err, store.ErrRevokedKey):
		return nil, a.invalid("the API key is revoked")
	}
	// Not the client's fault, and no reason to let anybody in.
	a.log.Error("api keys cannot be checked", "error", err)
	return nil, &Challenge{Status: http.StatusServiceUnavailable, Message: "API keys cannot be checked at the moment"}
}

// tokenInQuery reports whether the query string of u carries a credential: under one of the names in use for it, or one
// of our keys under any name. The text is split by hand, because url.ParseQuery drops the pairs it cannot read.
func tokenInQuery(u *url.URL) bool {
	if u == nil || u.RawQuery == "" {
		return false
	}
	pairs := strings.FieldsFunc(u.RawQuery, func(r rune) bool { return r == '&' || r == ';' })
	for _, pair := range pairs {
		name, value, _ := strings.Cut(pair, "=")
		switch strings.ToLower(unescape(name)) {
		case "access_token", "api_key", "apikey", "authorization", "token":
			return true
		}
		if store.LooksLikeKey(unescape(value)) {
			return true
		}
	}
	return false
}

func unescape(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}
