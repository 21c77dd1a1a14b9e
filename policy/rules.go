// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"encoding/json"
	"time"
)

// ConstraintRule bounds arguments of the objects that its patterns match.
type ConstraintRule struct {
	For []string `json:"for,omitempty"` // patterns; none = everything
	// Arguments maps the name of a top-level argument to a JSON Schema fragment
	// that its value must satisfy.
	Arguments map[string]json.RawMessage `json:"arguments"`
	// Optional names those of Arguments that a call may leave out.
	Optional []string `json:"optional,omitempty"`
}

// ObligationRule is what the gateway owes on calls of the objects that its
// patterns match.
type ObligationRule struct {
	For []string `json:"for,omitempty"` // patterns; none = everything
	// Redact are JSON pointers into the result's data, in which a segment * is
	// any member or element and ** any number of levels.
	Redact []string `json:"redact,omitempty"`
	// KeepText keeps text that is not JSON in a redacted result.
	KeepText       bool   `json:"keep_text,omitempty"`
	MaxResultBytes int64  `json:"max_result_bytes,omitempty"` // 0 = no cap
	Reason         bool   `json:"reason,omitempty"`           // a call of a tool or prompt must say why, in an argument "reason"
	Confirm        string `json:"confirm,omitempty"`          // question to the user before the call; "" = none
}

// LimitRule is one limit as an operator writes it. Match, Require, Cost and
// Settle are CEL over the decision input document; package limit compiles them.
type LimitRule struct {
	Name    string   // shown in refusals; "" = made of the role and position
	For     []string // patterns; none = everything
	Match   string   // CEL bool: whether the limit applies to a call; "" = always
	Require string   // CEL bool that a call must satisfy; "" = none
	Message string   // sentence for the caller when Require is false
	Rate    string   // "<number>/<window>", such as "100/minute" or "5/10s"; "" = none
	// Per is what the rate and the concurrency are counted by: user, team, org,
	// key, role, upstream, tool or all, or one CEL expression that is a string.
	// None = user.
	Per            []string
	Durable        bool          // uses of Rate count after a crash too
	Concurrency    int           // calls at a time; 0 = no limit
	Cost           string        // CEL number, USD: the ceiling of one call; "" = none
	Settle         string        // CEL number, USD: the actual cost, may read result; needs Cost
	Timeout        time.Duration // of one call; 0 = the upstream's
	MaxResultBytes int64         // 0 = no cap
}

// ScopeRule names OAuth scopes that a call of the matching objects needs. It
// holds for callers with an access token; others have no scopes.
type ScopeRule struct {
	For    []string `json:"for,omitempty"` // patterns; none = everything
	Scopes []string `json:"scopes"`
}

// Constraint is one bound on an argument that holds for a principal and object.
type Constraint struct {
	Argument string          // name of a top-level argument
	Schema   json.RawMessage // JSON Schema fragment, an object
	Optional bool            // the call may leave the argument out
	Rule     string          // who says so: a role path such as "admin > reader", or "policy"
	// File and Line are those of the Rego rule that says so; only
	// [Engine.ExplainConditions] finds them.
	File string
	Line int
}

// Obligations are what the gateway owes on a call: the sum of all rules.
type Obligations struct {
	Redact         []string // pointers, see [ObligationRule]
	KeepText       bool     // only when every rule that redacts says so
	MaxResultBytes int64    // the smallest; 0 = no cap
	Reason         bool
	Confirm        []string // questions, without repeats
}

// Empty reports whether nothing is owed.
func (o *Obligations) Empty() bool {
	return len(o.Redact) == 0 && o.MaxResultBytes == 0 && !o.Reason && len(o.Confirm) == 0
}

// Conditions are what holds for a principal and an object whatever the call:
// they can be shown in lists and kept.
type Conditions struct {
	Constraints []Constraint
	Obligations Obligations // without those that depend on the call, see [Decision]
	Scopes      []string    // that a call needs, sorted
	// Refuse is the code of what went wrong when the conditions could not be
	// found out: every call is refused. "" = nothing.
	Refuse string
	// Detail is for operators only: what went wrong, with the file and line of
	// the rule where one is to blame. Who finds out later that the conditions
	// make no sense, such as of a JSON Schema, sets both in a copy.
	Detail string
}

// Empty reports whether nothing is asked of a call.
func (c *Conditions) Empty() bool {
	return c.Refuse == "" && len(c.Constraints) == 0 && len(c.Scopes) == 0 && c.Obligations.Empty()
}

// Decision is what data.tollgate.call says of one call.
type Decision struct {
	Allow bool
	// Code is why not: CodeDenied, or one of the Code constants of [AccessError]
	// when there was no answer. "" when allowed.
	Code string
	// Reasons are sentences for the caller, sorted. None when there was no answer.
	Reasons []string
	// Detail is for operators only: what went wrong, or details of denying rules.
	Detail string
	// Obligations replace those of [Conditions]; nil = those hold.
	Obligations *Obligations
}
