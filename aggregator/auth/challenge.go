// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Challenge is the answer to a request without an accepted credential, or with one that does not reach.
type Challenge struct {
	Status     int           // HTTP status: 401, 403 or 503
	Header     string        // value of WWW-Authenticate; "" = the header is left out
	RetryAfter time.Duration // value of Retry-After; 0 = the header is left out
	Message    string        // one plain sentence, safe to show: holds nothing the client sent
}

// SetHeaders sets the headers of the answer that belong to c.
func (c *Challenge) SetHeaders(h http.Header) {
	if c.Header != "" {
		h.Set("WWW-Authenticate", c.Header)
	}
	if c.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(c.RetryAfter.Seconds()))))
	}
}

// The error codes used of RFC 6750 §3.1. Its invalid_request would be a 400; a second credential is refused as what it
// is, a credential that cannot be accepted.
const (
	errInvalidToken      = "invalid_token"
	errInsufficientScope = "insufficient_scope"
)

// refusal is why a credential is not accepted, before it is known which request it came with.
type refusal struct {
	status  int
	code    string // of RFC 6750; "" = none
	retry   time.Duration
	message string
}

// notAccepted refuses the credential that was sent: another one may be accepted.
func notAccepted(message string) *refusal {
	return &refusal{status: http.StatusUnauthorized, code: errInvalidToken, message: message}
}

// missing asks for a credential where none was sent. RFC 6750 §3.1: such an answer carries no error code.
func missing(message string) *refusal {
	return &refusal{status: http.StatusUnauthorized, message: message}
}

// unusable refuses a genuine credential whose contents cannot be used. A new one would say the same, so it is no 401,
// which sends a client to log in again and again.
func unusable(message string) *refusal {
	return &refusal{status: http.StatusForbidden, message: message}
}

// unavailable says that nobody can judge the credential at the moment.
func unavailable(message string, retry time.Duration) *refusal {
	return &refusal{status: http.StatusServiceUnavailable, retry: max(retry, time.Second), message: message}
}

// challenge is f as the answer to r. Only a 401 asks for a credential.
func (a *Authenticator) challenge(r *http.Request, f *refusal) *Challenge {
	c := &Challenge{Status: f.status, RetryAfter: f.retry, Message: f.message}
	if f.status == http.StatusUnauthorized {
		c.Header = a.bearerHeader(r, f.code, f.message, nil)
	}
	return c
}

// bearerHeader is a WWW-Authenticate header. Where access tokens are accepted it says how to get one (RFC 9728 §5.1, MCP
// authorization); r may be nil, and scopes nil means those that clients are told to ask for.
func (a *Authenticator) bearerHeader(r *http.Request, code, description string, scopes []string) string {
	var b strings.Builder
	b.WriteString(a.scheme)
	if code != "" {
		b.WriteString(`, error="` + code + `"`)
	}
	if a.oauth == nil {
		return b.String()
	}
	if code != "" {
		b.WriteString(`, error_description="` + headerText(description) + `"`)
	}
	b.WriteString(`, resource_metadata="` + a.oauth.metadataURL(toolsetOf(r)) + `"`)
	if scopes == nil {
		scopes = a.oauth.scopes
	}
	if len(scopes) > 0 {
		b.WriteString(`, scope="` + strings.Join(scopes, " ") + `"`)
	}
	return b.String()
}

// headerText makes s fit between the quotes of a parameter: RFC 6750 §3 allows printable ASCII without quotes and
// backslashes.
func headerText(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '"' || r == '\\':
			return '\''
		case r < 0x20 || r > 0x7e:
			return '?'
		}
		return r
	}, s)
}

// InsufficientScope is the answer to p when its access token lacks some of the scopes that a call needs. It names all of
// them, those that p has included: a client asks for exactly what is listed, and a token with only the missing ones
// would lack the others.
func (a *Authenticator) InsufficientScope(p *Principal, needed []string) *Challenge {
	all := make([]string, 0, len(needed))
	var lacking []string
	for _, s := range needed {
		if !validScope(s) || slices.Contains(all, s) {
			continue
		}
		all = append(all, s)
		if !slices.Contains(p.Scopes, s) {
			lacking = append(lacking, s)
		}
	}
	message := "the access token lacks scopes that this call needs"
	if len(lacking) > 0 {
		message = "the access token lacks scopes that this call needs: " + strings.Join(lacking, " ")
	}
	return &Challenge{
		Status: http.StatusForbidden, Header: a.bearerHeader(nil, errInsufficientScope, message, all), Message: message,
	}
}

// validScope reports whether s is a scope-token of RFC 6749 §3.3.
func validScope(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r <= 0x20 || r > 0x7e || r == '"' || r == '\\' })
}
