// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"slices"

	"tollgate/policy"
)

// The values of [Principal.Method].
const (
	MethodAPIKey    = "api_key"
	MethodStdio     = "stdio"
	MethodAnonymous = "anonymous"
)

// Principal is who is calling, as one credential proved it. It is made once per request (stdio: once per process), is
// handed on as a parameter, and is never changed afterwards. Roles are compared byte for byte: "admin " and "ADMIN" are
// not "admin".
type Principal struct {
	Subject string
	Org     string
	Team    string
	Method  string // one of the Method constants
	KeyID   string // public id of the API key; "" for other methods
	Roles   []string
	Groups  []string
	Scopes  []string
}

// Policy returns p as the policy engine reads it. The result shares nothing with p; absent lists are empty, not null,
// so that a rule may iterate over them.
func (p *Principal) Policy() *policy.Principal {
	return &policy.Principal{
		Subject:    p.Subject,
		Roles:      list(p.Roles),
		Groups:     list(p.Groups),
		Scopes:     list(p.Scopes),
		Team:       p.Team,
		Org:        p.Org,
		AuthMethod: p.Method,
		KeyID:      p.KeyID,
	}
}

func list(s []string) []string {
	if len(s) == 0 {
		return []string{}
	}
	return slices.Clone(s)
}

// Key identifies the credential, for what belongs to one caller alone: two principals have the same key exactly when
// method, key and subject agree.
func (p *Principal) Key() string { return p.Method + "\x00" + p.KeyID + "\x00" + p.Subject }
