// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"cmp"
	"slices"
	"time"
)

// IssuerState is what is known of an authorization server and its keys.
type IssuerState struct {
	Issuer  string
	Keys    int       // that tokens are checked with; 0 = none are there, and its tokens cannot be checked
	Fetched time.Time // when the keys were last confirmed; zero = never
	Failure string    // of the last request for them; "" = none
}

// Issuers are the authorization servers in the order of their names. Safe for concurrent use.
func (a *Authenticator) Issuers() []IssuerState {
	if a.oauth == nil {
		return nil
	}
	var out []IssuerState
	for _, i := range a.oauth.issuers {
		s := IssuerState{Issuer: i.name}
		if set := i.keys.usable(); set != nil {
			s.Keys, s.Fetched = set.size, time.Unix(0, i.keys.fetched.Load())
		}
		i.keys.mu.Lock()
		s.Failure = i.keys.failure
		i.keys.mu.Unlock()
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b IssuerState) int { return cmp.Compare(a.Issuer, b.Issuer) })
	return out
}
