// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"context"
	"time"

	"tollgate/aggregator/auth"
	"tollgate/policy"
	"tollgate/policy/limit"
	"tollgate/store"
	"tollgate/store/ledger"
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

// Ledger accounts for requests: each that reaches the gate leaves an intent and an outcome, or a refusal. [Accounting]
// implements it.
type Ledger interface {
	// Reserve admits all claims and charges of a call or none, and writes its intent; it is the only place that counts
	// anything. An error refuses the call: a *[store.ExceededError] and a *[ledger.ExceededError] as refused, any other as
	// failed.
	Reserve(ctx context.Context, in *Intent) (Reservation, error)
	// Refuse records a request that reached no upstream. It returns when the record is as durable as the class of the
	// request wants it. On an error the caller must not be answered as if it were recorded.
	Refuse(ctx context.Context, r *RefusedCall) error
	// Note records what somebody did or tried beside calls.
	Note(ctx context.Context, n *Note) error
}

// Reservation is an admitted call. Settle is called exactly once, with a context that is not cancelled with the caller's.
type Reservation interface {
	Settle(ctx context.Context, out Outcome) error
}

// Replies keeps the answers of calls that came with an idempotency key. [store.Replies] implements it, and says what the
// methods promise.
type Replies interface {
	Begin(ctx context.Context, caller, key string, digest [32]byte, call string) (*store.Kept, error)
	Finish(ctx context.Context, caller, key string, reply []byte) error
	Forget(ctx context.Context, caller, key string) error
}

// Shadow is told of each decision, to hold it against that of candidate rules. Compare is on the path of the call and
// must return at once; it keeps in, which does not change any more. code and rule are those of a refusal.
type Shadow interface {
	Compare(decision, method string, in *policy.Input, allowed bool, code, rule string)
}

// Asked is a request as far as it is known when a record of it is made.
type Asked struct {
	Decision string // id of the decision, as callers are told it
	Caller   *auth.Principal
	Call     *Call
	Object   policy.Object // the zero value while nobody knows what was meant
	Name     string        // as the caller named it
	Revision string        // of rules and catalog
	Input    *policy.Input // the document that was decided on; nil = there was no decision
	Recorded *Recorded     // how to record it; nil = async, without arguments
	Reason   string        // that the caller gave
	Began    time.Time     // the moment of the decision
	Script   *ScriptRef    // the program that the call runs or belongs to; nil = none
}

// Intent is what is known of a call before the upstream is asked.
type Intent struct {
	Asked
	// Claims are what the limits of the call count, Cost what it may cost at most, in nano-USD, and Charges the accounts
	// that it is charged to.
	Claims  []limit.Claim
	Cost    int64
	Charges []ledger.Charge
	// Price is what the call did cost when its result is this; nil = Cost, whatever the result.
	Price func(ctx context.Context, result []byte) (cost, overrun int64)
	// Continues says that this is a later round of the call whose last outcome had this Next. It counts as running but
	// not as one more, and costs nothing of its own. "" = a call of its own.
	Continues string
}

// RefusedCall is a request that reached no upstream.
type RefusedCall struct {
	Asked
	End                          End
	Code, Rule, Sentence, Detail string
	RetryAfter                   time.Duration
	// Replays is the decision whose reply is given again, for the same idempotency key; "" = none.
	Replays string
	// Reveal adds what only operators may know of an unknown name; nil = nothing. It is called after the caller got its
	// answer: what exists takes longer to describe.
	Reveal func(r *RefusedCall)
}

// Note is something that somebody did or tried, such as to act for somebody else.
type Note struct {
	Action, Actor, Target string
	Details               map[string]string
}

// Outcome is how a call ended. End is one of the End constants.
//
// A call that ended as [TaskCreated] has only begun its work. What it reserved is for a Ledger to hold until a later
// outcome of the same Task says that it is terminal: the outcomes of tasks/get carry it, and the id of a task is good for
// 30 days, after which nobody can ask any more. A call that ended as [InputRequired] goes on with the request whose
// [Intent.Continues] is Next. The gate keeps no book of either; it settles each request once.
type Outcome struct {
	End   End
	Bytes int         // of the result
	Raw   []byte      // the result as the upstream sent it; nil = none
	Error string      // for operators
	Next  string      // names the round to come; "" = there is none
	Task  *TaskStatus // the task that was created or asked after; nil for none
	// Cost is what the call did cost in nano-USD, at most [Intent.Cost]; Overrun is what it said beyond that. A call that
	// may have been executed, of which nobody knows, costs its ceiling.
	Cost, Overrun int64
}

// Unmetered is the Ledger that admits everything and records nothing. Choosing it is explicit: a Gate without a Ledger
// refuses every call.
type Unmetered struct{}

// Reserve admits the call.
func (Unmetered) Reserve(context.Context, *Intent) (Reservation, error) { return unmetered{}, nil }

// Refuse implements [Ledger].
func (Unmetered) Refuse(context.Context, *RefusedCall) error { return nil }

// Note implements [Ledger].
func (Unmetered) Note(context.Context, *Note) error { return nil }

type unmetered struct{}

func (unmetered) Settle(context.Context, Outcome) error { return nil }
