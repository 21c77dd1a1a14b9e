// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"context"

	"tollgate/aggregator/auth"
	"tollgate/policy"
	"tollgate/policy/limit"
	"tollgate/upstream"
)

// Decider answers who may do what. Implementations are safe for concurrent use.
type Decider interface {
	// Class is the interning key of a principal: principals of one class get the same access decisions.
	Class(p *policy.Principal) string
	// Access decides which objects exist for p, one answer per object. The error describes objects that could not be
	// decided; their answer is false.
	Access(ctx context.Context, p *policy.Principal, objects []policy.Object) ([]bool, error)
	// Revision identifies the rules; equal revisions decide alike.
	Revision() string

	// Conditional is false when no condition can hold for o, whoever asks.
	Conditional(o *policy.Object) bool
	// Conditions are what holds for p and each of objects whatever the call; principals of one class have the same.
	Conditions(ctx context.Context, p *policy.Principal, objects []policy.Object) ([]policy.Conditions, error)
	// Decide says whether one call may go on. It can only take away from what Access allows.
	Decide(ctx context.Context, in *policy.Input) policy.Decision
	// Dynamic is false when Decide allows every call.
	Dynamic() bool
}

// Unconditional is the part of a [Decider] that asks nothing of a call which Access allows.
type Unconditional struct{}

// Conditional implements [Decider].
func (Unconditional) Conditional(*policy.Object) bool { return false }

// Conditions implements [Decider].
func (Unconditional) Conditions(_ context.Context, _ *policy.Principal, objects []policy.Object) ([]policy.Conditions, error) {
	return make([]policy.Conditions, len(objects)), nil
}

// Dynamic implements [Decider].
func (Unconditional) Dynamic() bool { return false }

// Decide implements [Decider].
func (Unconditional) Decide(context.Context, *policy.Input) policy.Decision {
	return policy.Decision{Allow: true}
}

// Upstreams reaches MCP servers by their configured names. [upstream.Set] implements it.
type Upstreams interface {
	Call(ctx context.Context, name string, r *upstream.Request) (*upstream.Reply, error)
	Subscribe(ctx context.Context, name, uri string) error
	Unsubscribe(ctx context.Context, name, uri string) error
	Settled(ctx context.Context) error
}

// Ledger admits calls. Reserve admits all claims of a call or none, and writes the audit intent; it is the only place
// that counts anything. An error refuses the call: a *[store.ExceededError] as refused, any other as failed.
type Ledger interface {
	Reserve(ctx context.Context, in *Intent) (Reservation, error)
}

// Reservation is an admitted call. Settle is called exactly once, with a context that is not cancelled with the caller's.
type Reservation interface {
	Settle(ctx context.Context, out Outcome) error
}

// Intent is what is known of a call before the upstream is asked.
type Intent struct {
	Decision string // id of the decision, as callers are told it
	Caller   *auth.Principal
	Call     *Call
	Object   policy.Object
	Revision string
	Input    *policy.Input // the document that was decided on
	// Claims are what the limits of the call count, Cost what it may cost at most, in nano-USD.
	Claims []limit.Claim
	Cost   int64
	// Continues says that this is a later round of a call whose first one has been admitted: it counts as running but
	// not as one more.
	Continues bool
}

// Outcome is how a call ended. End is one of the End constants.
//
// A call that ended as [TaskCreated] has only begun its work. What it reserved is for a Ledger to hold until a later
// outcome of the same Task says that it is terminal: the outcomes of tasks/get carry it, and the id of a task is good for
// 30 days, after which nobody can ask any more. The gate keeps no book of tasks itself; it settles each request once.
type Outcome struct {
	End   End
	Bytes int         // of the result
	Task  *TaskStatus // the task that was created or asked after; nil for none
	// Cost is what an answered call did cost in nano-USD, at most [Intent.Cost]; Overrun is what it said beyond that.
	Cost, Overrun int64
}

// Unmetered is the Ledger that admits everything and records nothing. Choosing it is explicit: a Gate without a Ledger
// refuses every call.
type Unmetered struct{}

// Reserve admits the call.
func (Unmetered) Reserve(context.Context, *Intent) (Reservation, error) { return unmetered{}, nil }

type unmetered struct{}

func (unmetered) Settle(context.Context, Outcome) error { return nil }
