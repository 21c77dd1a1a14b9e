// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"tollgate/policy"
)

// The values of [Principal.Method].
const (
	MethodAPIKey    = "api_key"
	MethodOAuth     = "oauth"
	MethodMTLS      = "mtls"
	MethodProxy     = "proxy"
	MethodStdio     = "stdio"
	MethodAnonymous = "anonymous"
)

// Principal is who is calling, as one credential proved it. It is made once per credential and shared by the requests
// that carry it (stdio: once per process), is handed on as a parameter, and is never changed afterwards. Roles are
// compared byte for byte: "admin " and "ADMIN" are not "admin".
type Principal struct {
	Subject string
	Org     string
	Team    string
	Method  string // one of the Method constants
	KeyID   string // public id of the API key; "" for other methods
	Issuer  string // who issued the access token; "" for other methods
	Actor   string // subject of the trusted program that acts for Subject; "" = Subject itself is calling
	// Within are the only roles that Subject may have while Actor speaks for it; nil = any.
	Within  []string
	Roles   []string
	Groups  []string
	Scopes  []string
	Expires time.Time // when the credential ends; zero = never, or it cannot be told
}

// Policy returns p as the policy engine reads it. The result shares nothing with p; absent lists are empty, not null,
// so that a rule may iterate over them.
func (p *Principal) Policy() *policy.Principal {
	return &policy.Principal{
		Subject:    p.Subject,
		Roles:      listOf(p.Roles),
		Groups:     listOf(p.Groups),
		Scopes:     listOf(p.Scopes),
		Team:       p.Team,
		Org:        p.Org,
		AuthMethod: p.Method,
		KeyID:      p.KeyID,
		Issuer:     p.Issuer,
		Actor:      p.Actor,
	}
}

func listOf(s []string) []string {
	if len(s) == 0 {
		return []string{}
	}
	return slices.Clone(s)
}

// Key identifies the caller, for what belongs to one caller alone: two principals have the same key exactly when method,
// key, issuer, actor and subject agree. Each part has its length before it, so that no name can reach into the next.
func (p *Principal) Key() string {
	b := make([]byte, 0, len(p.Method)+len(p.KeyID)+len(p.Issuer)+len(p.Actor)+len(p.Subject)+20)
	for _, part := range [...]string{p.Method, p.KeyID, p.Issuer, p.Actor, p.Subject} {
		b = strconv.AppendInt(b, int64(len(part)), 10)
		b = append(b, ':')
		b = append(b, part...)
	}
	return string(b)
}

// Same reports whether q is the same caller with the same rights.
func (p *Principal) Same(q *Principal) bool {
	return p.Key() == q.Key() && p.Org == q.Org && p.Team == q.Team && slices.Equal(p.Roles, q.Roles) &&
		slices.Equal(p.Groups, q.Groups) && slices.Equal(p.Scopes, q.Scopes) && slices.Equal(p.Within, q.Within)
}

// maxName bounds the name of a subject, organization or team in bytes, as the store does for API keys.
const maxName = 256

// checkName accepts the name of somebody: what can be shown on one line and looks like no other name.
func checkName(s string) error {
	switch {
	case s == "":
		return errors.New("is empty")
	case len(s) > maxName:
		return errors.New("is longer than " + strconv.Itoa(maxName) + " bytes")
	case !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }):
		return errors.New("has characters that cannot be shown")
	case strings.TrimSpace(s) != s:
		return errors.New("begins or ends with a space")
	}
	return nil
}
