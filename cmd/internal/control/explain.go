// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"encoding/json"
	"net/http"
)

// Identity is the caller that an operator acts as. As is a role or a subject; the rest adds to what is known of it.
type Identity struct {
	As     string   `json:"as,omitempty"`
	Roles  []string `json:"roles,omitempty"`
	Groups []string `json:"groups,omitempty"`
	Team   string   `json:"team,omitempty"`
	Org    string   `json:"org,omitempty"`
	// Scopes make it a caller with an access token, even when there are none; nil: it has an API key.
	Scopes *[]string `json:"scopes,omitempty"`
}

// ExplainQuery asks what would become of a call, and why.
type ExplainQuery struct {
	Identity  Identity        `json:"identity"`
	Kind      string          `json:"kind,omitempty"` // tool, prompt or resource; "" = tool
	Name      string          `json:"name"`           // displayed name, <upstream>/<original name>, or URI
	Arguments json.RawMessage `json:"arguments,omitempty"`
}

// Explanation is the answer. Places are <file>:<line>.
type Explanation struct {
	Verdict string `json:"verdict"` // allowed, unknown or refused
	Stage   string `json:"stage"`   // access, scope, policy, constraint, limit or, when allowed, none
	Object  string `json:"object,omitempty"`
	// Principal is who was looked at, after bindings.
	Subject string   `json:"subject"`
	Roles   []string `json:"roles"`

	Rule   string `json:"rule,omitempty"`
	Place  string `json:"place,omitempty"`
	Reason string `json:"reason,omitempty"`
	Told   string `json:"told,omitempty"`   // what the caller is told
	Detail string `json:"detail,omitempty"` // for operators
	// Advice is what to change, one sentence each.
	Advice  []string `json:"advice,omitempty"`
	Nearest []string `json:"nearest_roles,omitempty"`
	Denials []Place  `json:"denials,omitempty"`

	Constraints []Constraint    `json:"constraints,omitempty"`
	Obligations []string        `json:"obligations,omitempty"`
	Scopes      []string        `json:"scopes,omitempty"`
	Limits      []string        `json:"limits,omitempty"`
	CostUSD     string          `json:"cost_usd,omitempty"` // ceiling of this call
	Schema      json.RawMessage `json:"input_schema,omitempty"`
	SchemaHash  string          `json:"input_schema_hash,omitempty"`
}

// Place is a rule that took part in a decision.
type Place struct {
	Rule  string `json:"rule"`
	Place string `json:"place"`
	Title string `json:"title,omitempty"`
}

// Constraint is one bound on an argument.
type Constraint struct {
	Argument string          `json:"argument"`
	Schema   json.RawMessage `json:"schema"`
	Optional bool            `json:"optional,omitempty"`
	Rule     string          `json:"rule"`
}

// Explain asks what would become of a call.
func (c *Client) Explain(ctx context.Context, q *ExplainQuery) (*Explanation, error) {
	return do[Explanation](ctx, c, http.MethodPost, "explain", q)
}
