// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"encoding/json"
	"fmt"
	"time"
)

// recordVersion is that of the saved form of a record.
const recordVersion = 1

// record is all that is known of an upstream's logins. It holds secrets: it goes to the [TokenStore] and nowhere else.
type record struct {
	Version int `json:"version"`
	// Resource is whose tokens these are. Another URL under the same name gets none of them.
	Resource string `json:"resource"`
	// Issuer is the authorization server whose token is in use; "" = none.
	Issuer string `json:"issuer,omitempty"`
	// Grants are by issuer: what one authorization server gave is never shown to another (SEP-2352).
	Grants map[string]*grant `json:"grants,omitempty"`
}

// grant is what one authorization server gave.
type grant struct {
	Client    *registration `json:"client,omitempty"`
	TokenURL  string        `json:"token_url,omitempty"`
	RevokeURL string        `json:"revoke_url,omitempty"`
	Resource  string        `json:"resource,omitempty"`
	Token     *token        `json:"token,omitempty"`
	Granted   []string      `json:"granted,omitempty"` // scopes of the last token, so that the next login does not bring fewer
}

// registrationKind says how the gateway came to its client id.
type registrationKind string

const (
	kindConfigured registrationKind = "configured" // by hand; the secret stays in the configuration
	kindMetadata   registrationKind = "metadata"   // Client ID Metadata Document
	kindDynamic    registrationKind = "dynamic"    // RFC 7591
)

// registration is the gateway as a client of one authorization server.
type registration struct {
	Kind     registrationKind `json:"kind"`
	ID       string           `json:"id"`
	Secret   string           `json:"secret,omitempty"` // of a dynamic one
	Method   string           `json:"method"`           // client_secret_basic, client_secret_post or none
	Redirect string           `json:"redirect,omitempty"`
	Ends     time.Time        `json:"ends,omitzero"` // when the secret does; zero = never
}

// token is one access token and what comes with it.
type token struct {
	Access  string    `json:"access"`
	Refresh string    `json:"refresh,omitempty"`
	Until   time.Time `json:"until,omitzero"` // use it until then; zero = until it is refused
	Scopes  []string  `json:"scopes,omitempty"`
	// Told says that the server named the scopes itself, rather than none because it granted what was asked.
	Told bool `json:"told,omitempty"`
}

// stale reports whether the token is past its time.
func (t *token) stale(now time.Time) bool { return !t.Until.IsZero() && !now.Before(t.Until) }

// current returns the grant in use, nil when there is no token.
func (r *record) current() *grant {
	if g := r.Grants[r.Issuer]; g != nil && g.Token != nil {
		return g
	}
	return nil
}

// grant returns the grant of an issuer and makes it if need be.
func (r *record) grant(issuer string) *grant {
	if r.Grants == nil {
		r.Grants = map[string]*grant{}
	}
	g := r.Grants[issuer]
	if g == nil {
		g = &grant{}
		r.Grants[issuer] = g
	}
	return g
}

func (r *record) encode() ([]byte, error) { return json.Marshal(r) }

// decodeRecord reads what encode wrote. A record about another resource is as good as none.
func decodeRecord(b []byte, resource string) (*record, error) {
	fresh := &record{Version: recordVersion, Resource: resource}
	if len(b) == 0 {
		return fresh, nil
	}
	r := &record{}
	if err := json.Unmarshal(b, r); err != nil {
		return fresh, fmt.Errorf("saved login of %d bytes is not readable", len(b)) // err may quote it
	}
	if r.Version != recordVersion {
		return fresh, fmt.Errorf("saved login has version %d, this program knows %d", r.Version, recordVersion)
	}
	if r.Resource != resource {
		return fresh, nil
	}
	for issuer, g := range r.Grants {
		if g == nil || g.Token != nil && g.Client == nil {
			delete(r.Grants, issuer)
		}
	}
	return r, nil
}
