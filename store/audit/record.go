// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"encoding/json"
	"time"
)

// Kind says what a record is about.
type Kind string

// The kinds of records.
const (
	Intent  Kind = "intent"  // of a call, before its upstream is asked
	Outcome Kind = "outcome" // of the call whose intent has the same id
	Refusal Kind = "refusal" // of a request that reached no upstream: refused, unknown or failed
	Admin   Kind = "admin"   // something that an operator did, or that a caller tried and may not
	Lease   Kind = "lease"   // money of a budget set aside, given back or charged
	Start   Kind = "start"   // of the process that writes the log
	Stop    Kind = "stop"    // its orderly end; without one, the next start is after a crash
	Shadow  Kind = "shadow"  // how a candidate policy would have decided a call differently
	Replay  Kind = "replay"  // an answer given again for the same idempotency key; Target is the id of its call
)

// Class is how durable the records of a call are (design: durability classes).
type Class string

// The classes.
const (
	Strict  Class = "strict"  // the intent is on disk before the upstream is asked, the outcome before the answer
	Durable Class = "durable" // the answer waits until intent and outcome are on disk
	Async   Class = "async"   // nothing waits; a crash loses the last uncommitted batch
)

// The levels at which arguments are kept.
const (
	LevelFull     = "full"
	LevelRedacted = "redacted" // without the values at some paths
	LevelDigest   = "digest"   // only their digest
)

// Record is one entry of the audit log, as [Record.Append] writes it and [Decode] reads it. The fields after ID belong to
// kinds; others are empty and absent in the text. Amounts are nano-USD.
type Record struct {
	Version int       `json:"v"` // 1
	Kind    Kind      `json:"kind"`
	ID      string    `json:"id"`   // the decision's, of intent, outcome, refusal and shadow; else unique
	Time    time.Time `json:"time"` // UTC
	Node    string    `json:"node,omitempty"`
	Class   Class     `json:"class,omitempty"`
	Of      *Labels   `json:"of,omitempty"` // of intents, outcomes, refusals, shadows and replays

	// Of intents and refusals.
	Input       json.RawMessage `json:"input,omitempty"` // the decision input document, its arguments as Arguments says
	Arguments   *Arguments      `json:"arguments,omitempty"`
	Revision    string          `json:"revision,omitempty"` // of the rules and the catalog
	Reason      string          `json:"reason,omitempty"`   // that the caller gave
	Idempotency string          `json:"idempotency,omitempty"`
	Continues   string          `json:"continues,omitempty"` // id of the intent whose call this goes on with
	Method      string          `json:"method,omitempty"`
	Reserve     *Reserve        `json:"reserve,omitempty"`
	Script      *Script         `json:"script,omitempty"` // the program that the call runs or belongs to

	// Of outcomes and, for End, of refusals: an end of package aggregator, or "lost" after a crash.
	End     string    `json:"end,omitempty"`
	Open    bool      `json:"open,omitempty"` // the reservation goes on: a task, or a call that waits for its client
	Bytes   int64     `json:"bytes,omitempty"`
	Result  string    `json:"result,omitempty"` // hex SHA-256 of the result as the upstream sent it
	Began   time.Time `json:"began,omitzero"`   // of an outcome: the time of its intent, which says to which day it belongs
	Cost    int64     `json:"cost,omitempty"`
	Overrun int64     `json:"overrun,omitempty"` // what the call said it cost beyond what was reserved
	Micros  int64     `json:"micros,omitempty"`  // from the decision to the end
	Error   string    `json:"error,omitempty"`   // for operators

	// Of refusals.
	Code     string `json:"code,omitempty"`
	Rule     string `json:"rule,omitempty"`
	Sentence string `json:"sentence,omitempty"` // what the caller was told
	Detail   string `json:"detail,omitempty"`   // for operators
	Retry    int64  `json:"retry_ms,omitempty"`

	// Of admin and shadow.
	Action  string          `json:"action,omitempty"` // such as budget.raise, key.create, config.reload, act_as.ignored
	Actor   string          `json:"actor,omitempty"`
	Target  string          `json:"target,omitempty"`
	Details json.RawMessage `json:"details,omitempty"` // an object

	// Of lease.
	Lease *LeaseChange `json:"lease,omitempty"`

	// Of start: records before it may be missing (the process before ended without a stop).
	Unclean bool `json:"unclean,omitempty"`
	Orphans int  `json:"orphans,omitempty"` // calls that were closed as lost
}

// Labels say whose call it was, of what; costs are grouped by them.
type Labels struct {
	Org      string `json:"org,omitempty"`
	Team     string `json:"team,omitempty"`
	User     string `json:"user,omitempty"` // subject
	Key      string `json:"key,omitempty"`  // id of the API key
	Upstream string `json:"upstream,omitempty"`
	Kind     string `json:"kind,omitempty"`   // tool, prompt, resource or template
	Tool     string `json:"tool,omitempty"`   // original name or URI
	Name     string `json:"name,omitempty"`   // as displayed
	Origin   string `json:"origin,omitempty"` // mcp, rest or code
}

// Script links a call to the program that it runs or belongs to.
type Script struct {
	Execution string `json:"execution"`     // id of the intent that began it
	Program   string `json:"program"`       // hex SHA-256 of its source
	Seq       int    `json:"seq,omitempty"` // of a call that it makes, from 1
}

// Arguments says how the arguments in Input were kept.
type Arguments struct {
	Level    string   `json:"level"`              // one of the levels
	Digest   string   `json:"digest,omitempty"`   // "hmac-sha256:" and hex, under a key of the state directory, of the canonical form
	Redacted []string `json:"redacted,omitempty"` // JSON pointers of the values that were taken away
}

// Reserve is what an intent holds until its outcome.
type Reserve struct {
	Cost    int64        `json:"cost,omitempty"` // the ceiling
	Charges []AccountRef `json:"charges,omitempty"`
	Leased  bool         `json:"leased,omitempty"`  // drawn from leases of these accounts
	Release bool         `json:"release,omitempty"` // after a crash nothing is charged
	Rates   []RateUse    `json:"rates,omitempty"`   // of limits that are durable
}

// AccountRef names one account of a budget in one of its periods.
type AccountRef struct {
	Budget  string    `json:"budget"`          // id
	Account string    `json:"account"`         // which account of the budget, such as a user; "" = its only one
	Period  time.Time `json:"period,omitzero"` // when it began; zero for a rolling window
}

// RateUse is one use of a durable rate.
type RateUse struct {
	ID     string        `json:"id"`
	Key    string        `json:"key"`
	Rate   int64         `json:"rate"`
	Window time.Duration `json:"window_ns"`
}

// The actions of a lease record.
const (
	LeaseGrant  = "grant"
	LeaseReturn = "return"
	LeaseCharge = "charge" // after a crash: calls that left no record may have used it
)

// LeaseChange moves money between an account and its lease.
type LeaseChange struct {
	Action string     `json:"action"`
	Of     AccountRef `json:"of"`
	Amount int64      `json:"amount"`
}

// Stored is a record with its place in the log.
type Stored struct {
	Seq  uint64 // from 0
	Text []byte // the bytes that the log proves
}
