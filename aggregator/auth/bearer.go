// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"tollgate/store"
)

// bearer judges the only Authorization header of a request. Whatever is wrong with it, the request is not anonymous.
func (a *Authenticator) bearer(r *http.Request, header string) (*Principal, *refusal) {
	scheme, token, _ := strings.Cut(header, " ")
	token = strings.TrimLeft(token, " ") // RFC 9110 §11.4: one or more spaces
	switch {
	case !strings.EqualFold(scheme, "bearer"):
		return nil, missing("only \"Authorization: Bearer\" is understood")
	case token == "":
		return nil, missing("the bearer token is empty")
	case a.oauth != nil && looksLikeJWT(token):
		return a.oauth.token(r, token)
	case a.keys == nil || len(token) > maxKey:
		return nil, notAccepted("the API key is not accepted")
	}
	key, err := a.keys.LookupKey(token)
	switch {
	case err == nil:
		return &Principal{
			Subject: key.Subject, Org: key.Org, Team: key.Team,
			Method: MethodAPIKey, KeyID: key.ID, Roles: key.Roles, Expires: key.Expires,
		}, nil
	case errors.Is(err, store.ErrUnknownKey):
		return nil, notAccepted("the API key is not accepted")
	case errors.Is(err, store.ErrExpiredKey):
		return nil, notAccepted("the API key has expired")
	case errors.Is(err, store.ErrRevokedKey):
		return nil, notAccepted("the API key is revoked")
	}
	// Not the client's fault, and no reason to let anybody in.
	a.log.Error("api keys cannot be checked", "error", err)
	return nil, unavailable("API keys cannot be checked at the moment", 0)
}

// tokenInQuery reports whether the query string of u carries a credential: under one of the names in use for it, or one
// of our keys or a JWT under any name. The text is split by hand, because url.ParseQuery drops the pairs it cannot read.
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
		value = unescape(value)
		if store.LooksLikeKey(value) || strings.HasPrefix(value, "eyJ") && looksLikeJWT(value) {
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
