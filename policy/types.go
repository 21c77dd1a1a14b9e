// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"encoding/json"
	"log/slog"
	"time"
)

// Role is one named set of permits as an operator writes it. A pattern is a
// glob over <kind>:<upstream>/<original name or uri>; the package comment
// lists the shorthands. Deny wins over allow, wherever either comes from.
//
// Constraints, obligations and limits hold for everyone who has the role,
// whatever other roles they have: like deny, they only take away.
type Role struct {
	Includes    []string         `json:"includes,omitempty"` // names of roles whose rules this role has too
	Allow       []string         `json:"allow,omitempty"`
	Deny        []string         `json:"deny,omitempty"`
	Constraints []ConstraintRule `json:"constraints,omitempty"`
	Obligations []ObligationRule `json:"obligations,omitempty"`
	Limits      []LimitRule      `json:"-"` // compiled by package limit, not part of data
}

// Principal is who asks, as the gateway authenticated it. Nothing in it may
// come from a message body or from a header that a client chooses.
type Principal struct {
	Subject    string   `json:"subject"`
	Roles      []string `json:"roles"`
	Groups     []string `json:"groups"`
	Scopes     []string `json:"scopes"`
	Team       string   `json:"team"`
	Org        string   `json:"org"`
	AuthMethod string   `json:"auth_method"`
	KeyID      string   `json:"key_id"`
	Issuer     string   `json:"issuer"` // of the access token; "" for other credentials
	Actor      string   `json:"actor"`  // subject of the trusted backend that speaks for Subject; "" = Subject itself
}

// Object is one thing an upstream offers. Its identity is Upstream with
// OriginalName (tools and prompts) or URI (resources and templates); Name is
// only how it is displayed.
type Object struct {
	Kind           string          `json:"kind"` // tool, prompt, resource or template
	Name           string          `json:"name"`
	URI            string          `json:"uri"`      // template: its uriTemplate
	Upstream       string          `json:"upstream"` // holds neither "/" nor ":"
	OriginalName   string          `json:"original_name"`
	DefinitionHash string          `json:"definition_hash"`
	Annotations    json.RawMessage `json:"annotations,omitempty"` // as the upstream sent them, unverified; nil = {}
	Tags           []string        `json:"tags"`
}

// Options configure [Load].
type Options struct {
	// Modules maps file names to Rego text: the shipped files (tollgate/rego)
	// and the operator's. Names ending in _test.rego are left out.
	Modules map[string]string
	// Roles become data.tollgate.config, see [RoleErrors] for their mistakes.
	Roles map[string]Role
	// Everyone holds for every principal. Only its Constraints and Obligations
	// count here; its Limits are for package limit.
	Everyone Role
	// Scopes are the OAuth scopes that calls need.
	Scopes []ScopeRule
	// Data is the base document under data. It must not hold tollgate.
	Data map[string]any
	// Timeout bounds the evaluation of one object; 0 = 50 ms.
	Timeout time.Duration
	// Log gets one debug record for a loaded policy; nil = discard. What
	// policies print() goes nowhere: use "opa eval" or "opa test" for that.
	Log *slog.Logger
}
