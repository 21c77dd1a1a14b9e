// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
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

// DecisionExplainQuery names a decision.
type DecisionExplainQuery struct {
	ID string `json:"id"`
}

// DecisionExplanation says what was decided on one call, as its records have it, and what the rules in force now would say.
type DecisionExplanation struct {
	ID      string    `json:"id"`
	Time    time.Time `json:"time"`
	Verdict string    `json:"verdict"` // allowed, refused, unknown, or how else a request ended that was not made
	Subject string    `json:"subject"`
	Team    string    `json:"team,omitempty"`
	Org     string    `json:"org,omitempty"`
	Roles   []string  `json:"roles"` // at that time
	Object  string    `json:"object,omitempty"`
	Name    string    `json:"name,omitempty"` // as the caller named it
	Method  string    `json:"method"`
	Origin  string    `json:"origin,omitempty"`

	Code   string `json:"code,omitempty"`
	Rule   string `json:"rule,omitempty"`
	Told   string `json:"told,omitempty"`
	Detail string `json:"detail,omitempty"`
	Reason string `json:"reason,omitempty"` // that the caller gave

	// Revision is that of rules and catalog; Current says that the policy has not changed since.
	Revision string `json:"revision,omitempty"`
	Current  bool   `json:"current_policy"`
	// Arguments is how they were kept, Missing where they were taken away; "" = all of them.
	Arguments string          `json:"arguments,omitempty"`
	Missing   []string        `json:"missing,omitempty"`
	Input     json.RawMessage `json:"input,omitempty"`
	Continues string          `json:"continues,omitempty"`

	Outcomes []DecisionOutcome `json:"outcomes,omitempty"`
	Shadow   string            `json:"shadow,omitempty"` // what a candidate policy would have done
	Now      *DecisionNow      `json:"now,omitempty"`    // nil when there is nothing to decide on
}

// DecisionOutcome is how a call that was made ended.
type DecisionOutcome struct {
	Time    time.Time `json:"time"`
	End     string    `json:"end"`
	CostUSD string    `json:"cost_usd,omitempty"`
	Bytes   int64     `json:"bytes,omitempty"`
	Micros  int64     `json:"micros,omitempty"`
	Error   string    `json:"error,omitempty"`
	Open    bool      `json:"open,omitempty"`
}

// DecisionNow is what the rules in force now would say, but for limits and budgets.
type DecisionNow struct {
	Change  string   `json:"change"` // same, newly_refused, newly_allowed or undecidable
	Code    string   `json:"code,omitempty"`
	Rule    string   `json:"rule,omitempty"`
	Place   string   `json:"place,omitempty"`
	Reason  string   `json:"reason,omitempty"`
	Missing []string `json:"missing,omitempty"`
	Schema  bool     `json:"input_schema_missing,omitempty"`
	Access  string   `json:"access,omitempty"` // the rule that shows or hides what was called
}

// ExplainDecision explains a decision from its records.
func (c *Client) ExplainDecision(ctx context.Context, q *DecisionExplainQuery) (*DecisionExplanation, error) {
	return do[DecisionExplanation](ctx, c, http.MethodPost, "explain/decision", q)
}
