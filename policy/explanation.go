// SPDX-License-Identifier: Apache-2.0

package policy

// Explanation says why an object is shown or hidden. Every field but Allowed
// may be empty: Rule, Role, Pattern and Reason are what the policy's own reason
// rule gave.
type Explanation struct {
	Allowed bool   `json:"allowed"`
	Rule    string `json:"rule,omitempty"`    // which kind of rule decided, such as "allow" or "deny"
	Role    string `json:"role,omitempty"`    // role path, such as "admin > reader"
	Pattern string `json:"pattern,omitempty"` // pattern as the operator wrote it
	Reason  string `json:"reason,omitempty"`  // one sentence for a person
	// Effect is the list of the role that holds Pattern: "allow" or "deny".
	Effect string `json:"effect,omitempty"`
	// File, Line and Title are those of the Rego rule that decided, unless a
	// pattern did, which stands where the roles do.
	File  string `json:"file,omitempty"`
	Line  int    `json:"line,omitempty"`
	Title string `json:"title,omitempty"` // of the rule's METADATA
}

// CallExplanation says why a call may go on or not.
type CallExplanation struct {
	Decision
	Denials []Fired // the deny rules that hold, in the order of files and lines
	// Sources are the obligations rules that hold for an allowed call, when any
	// of them depends on the call; see [ConditionsExplanation] for the others.
	Sources []Fired
}

// ConditionsExplanation says which rules ask something of calls of an object.
// Its Constraints have the places of the Rego rules that gave them.
type ConditionsExplanation struct {
	Conditions
	// Sources are the rules of constraints, scopes and obligations that hold, in
	// this order, each with an element that it gave, as text or JSON, in Detail.
	// What the configuration asks has no File; its Reason is the path of the role
	// that asks it, such as "admin > reader", or "everyone".
	Sources []Fired
}

// Fired is one rule that holds for an input.
type Fired struct {
	Rule  string `json:"rule"` // name, such as "deny"
	File  string `json:"file,omitempty"`
	Line  int    `json:"line,omitempty"`
	Title string `json:"title,omitempty"` // of the rule's METADATA
	// Reason is what a deny rule gave: the sentence for the caller, or JSON when
	// it gave none.
	Reason string `json:"reason,omitempty"`
	Detail string `json:"detail,omitempty"` // for operators
}
