// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"context"

	"tollgate/aggregator/auth"
	"tollgate/policy"
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
}

// Upstreams reaches MCP servers by their configured names. [upstream.Set] implements it.
type Upstreams interface {
	Call(ctx context.Context, name string, r *upstream.Request) (*upstream.Reply, error)
	Subscribe(ctx context.Context, name, uri string) error
	Unsubscribe(ctx context.Context, name, uri string) error
	Settled(ctx context.Context) error
}

// Ledger admits calls. Reserve admits all claims of a call or none, and writes the audit intent; it is the only place
// that counts anything. An error refuses the call.
type Ledger interface {
	Reserve(ctx context.Context, in *Intent) (Reservation, error)
}

// Reservation is an admitted call. Settle is called exactly once, with a context that is not cancelled with the caller's.
type Reservation interface {
	Settle(ctx context.Context, out Outcome) error
}

// Intent is what is known of a call before the upstream is asked.
type Intent struct {
	Caller   *auth.Principal
	Call     *Call
	Object   policy.Object
	Revision string
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
}

// Unmetered is the Ledger that admits everything and records nothing. Choosing it is explicit: a Gate without a Ledger
// refuses every call.
type Unmetered struct{}

// Reserve admits the call.
func (Unmetered) Reserve(context.Context, *Intent) (Reservation, error) { return unmetered{}, nil }

type unmetered struct{}

func (unmetered) Settle(context.Context, Outcome) error { return nil }
