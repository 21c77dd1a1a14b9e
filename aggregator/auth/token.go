// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"tollgate/upstream/wire"
)

// maxAccessToken bounds the bytes of an access token: a thousand groups fit, and more is refused with a reason.
const maxAccessToken = 64 << 10

// looksLikeJWT reports whether s has the form of a JWT: three parts. API keys have one.
func looksLikeJWT(s string) bool { return strings.Count(s, ".") == 2 }

// token judges the access token that came with r.
func (s *resourceServer) token(r *http.Request, token string) (*Principal, *refusal) {
	if len(token) > maxAccessToken {
		return nil, notAccepted("the access token is too long")
	}
	v := s.verdict(r.Context(), token)
	switch {
	case v == nil:
		return nil, unavailable("the access token could not be checked in time", 0)
	case v.refusal != nil:
		return nil, v.refusal
	case v.toolsets != nil && !slices.Contains(v.toolsets, toolsetOf(r)):
		return nil, notAccepted("the access token is for another resource: ask for one for " + s.resource)
	case v.bound != nil && !presents(r, v.bound):
		return nil, notAccepted("the access token is bound to a client certificate, which did not come with it")
	}
	return v.principal, nil
}

// presents reports whether the client of r has shown that it owns the certificate (RFC 8705 §3).
func presents(r *http.Request, certificate *digest) bool {
	return r.TLS != nil && len(r.TLS.PeerCertificates) > 0 && sha256.Sum256(r.TLS.PeerCertificates[0].Raw) == *certificate
}

// verdict is what is known about token, or what is found out about it now; nil when ctx ends before.
func (s *resourceServer) verdict(ctx context.Context, token string) *verdict {
	var buf [2048]byte // on the stack; most tokens fit
	d := digest(sha256.Sum256(append(buf[:0], token...)))
	now := s.now()
	if v := s.accepted.get(&d, now); v != nil {
		return v
	}
	if v := s.refused.get(&d, now); v != nil {
		return v
	}
	return s.flights.do(ctx, &d, func() *verdict {
		v := s.judge(token)
		switch {
		case v.until.IsZero():
		case v.principal != nil:
			s.accepted.put(&d, v)
		default:
			s.refused.put(&d, v)
		}
		return v
	})
}

// header is what counts of the JOSE header of a token.
type header struct {
	algorithm, key, tokenType string
	hasKey                    bool
}

// judge finds out about token. It has no context: others may wait for the result, and what it waits for has its own end.
func (s *resourceServer) judge(token string) *verdict {
	refuse := func(f *refusal) *verdict { return &verdict{refusal: f} }
	h, c, ok := s.parse(token)
	if !ok {
		return refuse(notAccepted("the access token is not well-formed"))
	}
	name, _ := c.GetIssuer()
	i := s.issuers[name]
	switch {
	case i == nil:
		return refuse(notAccepted("the access token is of an authorization server that is not accepted here"))
	case !slices.Contains(i.algorithms, h.algorithm):
		return refuse(notAccepted("the access token is not signed with an accepted algorithm"))
	case !i.isAccessToken(h, c):
		return refuse(notAccepted("the token is no access token"))
	}
	key, set, f := i.keys.key(h)
	if f != nil {
		return refuse(f)
	}
	v := &verdict{issuer: i, keys: set, until: s.now().Add(refusedFor)}
	// From here on a signature is computed, so that the result is worth keeping.
	if _, err := i.parser.ParseWithClaims(token, c, func(*jwt.Token) (any, error) { return key, nil }); err != nil {
		v.refusal = notAccepted(verificationProblem(err))
		return v
	}
	s.conclude(v, c)
	return v
}

// conclude completes v for a token that is genuine and valid at this time.
func (s *resourceServer) conclude(v *verdict, c *claims) {
	i := v.issuer
	if v.toolsets, v.refusal = i.audience(c, s.resource); v.refusal != nil {
		return
	}
	if v.bound, v.refusal = boundTo(c); v.refusal != nil {
		return
	}
	p, f := i.principal(c.raw)
	if f != nil {
		v.refusal = f
		return
	}
	if end, err := c.GetExpirationTime(); err == nil && end != nil {
		p.Expires = end.UTC()
	}
	p.Method, p.Issuer = MethodOAuth, i.name
	v.principal = p
	v.until = earliest(s.now().Add(acceptedFor), p.Expires.Add(i.leeway), i.keys.until())
}

func earliest(first time.Time, more ...time.Time) time.Time {
	for _, t := range more {
		if t.Before(first) {
			first = t
		}
	}
	return first
}

// parse takes token apart without believing it. Both parts must have one meaning only: a name that is there twice could
// be read one way here and another way by whoever signed.
func (s *resourceServer) parse(token string) (*header, *claims, bool) {
	var parts [2][]byte
	rest := token
	for i := range parts {
		part, after, ok := strings.Cut(rest, ".")
		raw, err := base64.RawURLEncoding.Strict().DecodeString(part)
		if !ok || err != nil || strings.ContainsAny(part, "\r\n") || wire.Check(raw) != nil || len(raw) == 0 || raw[0] != '{' {
			return nil, nil, false
		}
		parts[i], rest = raw, after
	}
	h := &header{}
	for m := range wire.Members(parts[0]) {
		name, _ := wire.String(m.Key)
		text, isText := wire.String(m.Value)
		switch name {
		case "alg":
			h.algorithm = text
		case "kid":
			h.key, h.hasKey = text, isText
			if !isText {
				return nil, nil, false
			}
		case "typ":
			h.tokenType = typeName(text)
		case "crit": // RFC 7515 §4.1.11: extensions that must be understood; none is
			return nil, nil, false
		}
	}
	return h, &claims{parts[1]}, h.algorithm != ""
}

// typeName is a media type as typ spells it: the case does not count, and "application/" may be left out (RFC 7515 §4.1.9).
func typeName(s string) string { return strings.TrimPrefix(strings.ToLower(s), "application/") }

// isAccessToken reports whether a token is for calling something. An ID token tells a client who has logged in; as a
// credential it would let every client act that somebody logged in to (RFC 8725 §3.11).
func (i *issuer) isAccessToken(h *header, c *claims) bool {
	if i.tokenType != "" {
		return h.tokenType == i.tokenType
	}
	if !slices.Contains([]string{"", "jwt", "at+jwt"}, h.tokenType) {
		return false
	}
	for _, name := range []string{"at_hash", "c_hash"} { // OpenID Connect Core §3.3.2.11: of ID tokens alone
		if _, ok := wire.Lookup(c.raw, name); ok {
			return false
		}
	}
	kind, _ := c.text("typ") // Keycloak
	return !slices.Contains([]string{"id", "refresh", "offline", "logout"}, strings.ToLower(kind))
}

// audience checks whom a token is for. toolsets are those it is for when it is not for the gateway as a whole.
func (i *issuer) audience(c *claims, resource string) (toolsets []string, _ *refusal) {
	all, _ := c.GetAudience()
	for _, a := range all {
		if slices.Contains(i.audiences, a) {
			return nil, nil
		}
		if name, ok := strings.CutPrefix(a, resource+"/"); ok && i.toolsets && validToolset(name) {
			toolsets = append(toolsets, name)
		}
	}
	if toolsets == nil {
		return nil, notAccepted("the access token is for another resource: ask for one for " + resource)
	}
	return toolsets, nil
}

// boundTo reads what a token is bound to (RFC 7800). A binding that cannot be checked makes the token useless here, for
// it says that whoever holds the token alone must not get in.
func boundTo(c *claims) (*digest, *refusal) {
	if _, ok := wire.Lookup(c.raw, "cnf"); !ok {
		return nil, nil
	}
	raw, _ := wire.Lookup(c.raw, "cnf", "x5t#S256")
	text, _ := wire.String(raw)
	sum, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(sum) != len(digest{}) {
		return nil, notAccepted("the access token is bound to a key in a way that is not supported (such as DPoP): ask for one that is not")
	}
	return (*digest)(sum), nil
}

// verificationProblem says in words why a token is not valid. It repeats nothing of the token.
func verificationProblem(err error) string {
	switch {
	case errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return "the signature of the access token is wrong"
	case errors.Is(err, jwt.ErrTokenExpired):
		return "the access token has expired"
	case errors.Is(err, jwt.ErrTokenNotValidYet), errors.Is(err, jwt.ErrTokenUsedBeforeIssued):
		return "the access token is not valid yet: compare the clocks of the authorization server and of the gateway"
	case errors.Is(err, jwt.ErrTokenRequiredClaimMissing):
		return "the access token has no exp: it would never end"
	}
	return "the access token is not well-formed"
}
