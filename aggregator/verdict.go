// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"tollgate/aggregator/auth"
	"tollgate/aggregator/redact"
	"tollgate/policy"
	"tollgate/policy/limit"
	"tollgate/policy/narrow"
	"tollgate/store/ledger"
	"tollgate/upstream/wire"
)

// Codes of refusals that come from here; others are those of packages policy and limit.
const (
	CodeScope        = "insufficient_scope"
	CodeConstraint   = "constraint"
	CodeReason       = "reason_required"
	CodeConfirmation = "not_confirmed"
	CodeRate         = "rate_limit"
	CodeConcurrency  = "concurrency_limit"
	CodeResultSize   = "result_too_large"
	CodeBudget       = "budget_exceeded"
	CodeIdempotency  = "idempotency_conflict"
	CodeLedger       = "ledger_unavailable"
	CodeUnrecorded   = "outcome_not_recorded" // the call was made, and its result is withheld
)

// Codes of records only: what callers are told does not depend on them.
const (
	CodeHidden  = "hidden"          // what was named exists, and the caller may not see it
	CodeMissing = "missing"         // nothing of that name exists
	CodeInvalid = "invalid_request" // nothing could be looked for, or the request says two things
	CodeFailed  = "failed"          // the gateway could not handle the request
	CodeAsked   = "confirmation"    // the user is asked first
)

// Refusal says why a call that exists for its caller may not go on.
type Refusal struct {
	Code     string
	Rule     string // the limit or rule that refused, when it has a name
	Sentence string // for the caller: what is wrong and what to do
	Detail   string // for operators only
	// Scopes are all that the call needs, for [CodeScope].
	Scopes []string
	// RetryAfter is when the call would be admitted again; 0 = not known.
	RetryAfter time.Duration
	// Budget is what has no room, for [CodeBudget].
	Budget *ledger.ExceededError
}

// verdict is what was decided on one call that may go on, as far as the rules are concerned.
type verdict struct {
	Asked       // what records say of it
	obligations *policy.Obligations
	redact      *redact.Rule
	admission   *limit.Admission
	maxBytes    int64           // of the result; 0 = no cap
	budgets     []*limit.Budget // about the object, whoever calls it
}

// weigh applies all rules to a call that exists for its caller. It counts nothing and asks nobody.
func (g *Gate) weigh(ctx context.Context, rev *revision, w *who, c *Call, to *target) (*verdict, *Refusal) {
	t := rev.termsOf(ctx, w, to)
	v := &verdict{obligations: &t.conditions.Obligations, redact: t.redact, budgets: t.budgets}
	v.Asked = Asked{
		Caller: w.caller, Call: c, Object: to.object, Name: to.shown, Revision: rev.id, Input: g.document(w, c, to), Recorded: t.recorded, Began: g.now(),
	}
	v.Decision = newDecisionID(v.Began)
	v.Script = rev.program(c, to, v.Decision, v.Input.Arguments)
	switch {
	case t.conditions.Refuse != "":
		return v, &Refusal{Code: t.conditions.Refuse, Sentence: "the policy could not decide on this call", Detail: t.conditions.Detail}
	case t.failure != nil:
		return v, &Refusal{Code: policy.CodeWrongType, Sentence: "the policy could not decide on this call", Detail: t.failure.Error()}
	}
	if r := missingScopes(w, t.conditions.Scopes); r != nil {
		return v, r
	}
	if t.misfit != nil {
		return v, t.misfit
	}
	if to.task != nil {
		return v, v.owe(to.task.owes) // the call it goes on from was decided on
	}
	if t.names != nil {
		if written, name := t.names.clash(v.Input.Arguments); written != "" {
			sentence := fmt.Sprintf("argument %q differs from %q in case only", written, name)
			if name == "" {
				sentence = fmt.Sprintf("the arguments are nested more than %d levels deep", maxNesting)
			}
			return v, &Refusal{Code: CodeConstraint, Sentence: sentence}
		}
	}
	if r := g.judge(ctx, rev, v, t); r != nil {
		return v, r
	}
	if !takesArguments(c.Method) {
		return v, v.admit(ctx, c, t)
	}
	if t.check != nil {
		if broken := t.check.Arguments(v.Input.Arguments); broken != nil {
			return v, &Refusal{Code: CodeConstraint, Rule: broken.Rule, Sentence: broken.Message}
		}
		to.setArguments(t.check.Upstream(v.Input.Arguments))
	}
	if r := reasoned(v, t, to); r != nil {
		return v, r
	}
	return v, v.admit(ctx, c, t)
}

// takesArguments reports whether constraints and reasons can be about this kind of call.
func takesArguments(method string) bool { return method == MethodCallTool || method == MethodGetPrompt }

// noteReason writes down why a call is made where the rules ask for it.
func (g *Gate) noteReason(v *verdict) {
	if !v.obligations.Reason {
		return
	}
	raw, _ := wire.Lookup(v.Input.Arguments, narrow.ReasonArgument)
	reason, given := wire.String(raw)
	if !given {
		return // reads and completions have no arguments
	}
	v.Reason = reason
	g.log.Info("reason of a call", "decision", v.Decision, "subject", v.Input.Principal.Subject, "object", v.Input.Object.Name, "reason", reason)
}

// judge asks the call rules of the policy.
func (g *Gate) judge(ctx context.Context, rev *revision, v *verdict, t *terms) *Refusal {
	d := rev.rules.Decider.Decide(ctx, v.Input)
	return judged(v, t, &d)
}

// owe adds the obligations of the call that a task came from to those of its tool.
func (v *verdict) owe(more *policy.Obligations) *Refusal {
	all := sum(v.obligations, more)
	v.obligations = &all
	v.bound(nil)
	var err error
	if v.redact, err = redact.Compile(v.obligations); err != nil {
		return &Refusal{Code: policy.CodeWrongType, Sentence: "the policy could not decide on this call", Detail: err.Error()}
	}
	return nil
}

// missingScopes refuses a caller whose access token lacks scopes. Other credentials have none, so roles alone decide.
func missingScopes(w *who, needed []string) *Refusal {
	if w.caller.Method != auth.MethodOAuth {
		return nil
	}
	for _, s := range needed {
		if !slices.Contains(w.caller.Scopes, s) {
			return &Refusal{
				Code: CodeScope, Scopes: needed, Sentence: "the access token lacks scopes: this call needs " + strings.Join(needed, " "),
			}
		}
	}
	return nil
}

// reasoned wants a reason that only a rule about this very call asks for, which the shown schema could not say.
func reasoned(v *verdict, t *terms, to *target) *Refusal {
	if !v.obligations.Reason || t.conditions.Obligations.Reason {
		return nil
	}
	raw, _ := wire.Lookup(v.Input.Arguments, narrow.ReasonArgument)
	if text, _ := wire.String(raw); strings.TrimSpace(text) == "" {
		return &Refusal{Code: CodeReason, Sentence: fmt.Sprintf("this call needs a reason: say why you make it in the argument %q", narrow.ReasonArgument)}
	}
	if _, own := wire.Lookup(t.schema, "properties", narrow.ReasonArgument); !own {
		to.setArguments(wire.Delete(v.Input.Arguments, narrow.ReasonArgument))
	}
	return nil
}

// admit evaluates the limits of the call. Completions come with every key that a person presses and are not counted.
func (v *verdict) admit(ctx context.Context, c *Call, t *terms) *Refusal {
	if c.Method == MethodComplete || len(t.limits) == 0 {
		v.bound(nil)
		return nil
	}
	admission, refusal := limit.Evaluate(ctx, t.limits, &limit.Call{Input: v.Input, InputSchema: t.schema})
	if refusal != nil {
		return &Refusal{Code: refusal.Code, Rule: refusal.Limit, Sentence: refusal.Message, Detail: refusal.Detail}
	}
	v.bound(admission)
	return nil
}

// bound notes what bounds the call.
func (v *verdict) bound(a *limit.Admission) {
	v.admission, v.maxBytes = a, v.obligations.MaxResultBytes
	if a != nil && a.MaxResultBytes > 0 && (v.maxBytes == 0 || a.MaxResultBytes < v.maxBytes) {
		v.maxBytes = a.MaxResultBytes
	}
}

func (v *verdict) timeout() time.Duration {
	if v.admission == nil {
		return 0
	}
	return v.admission.Timeout
}

// setArguments replaces what the upstream gets as arguments.
func (to *target) setArguments(arguments []byte) {
	if old, ok := wire.Lookup(to.params, "arguments"); ok && string(old) != string(arguments) {
		to.params = wire.Set(to.params, "arguments", arguments)
	}
}

// document is the decision input of a call.
func (g *Gate) document(w *who, c *Call, to *target) *policy.Input {
	in := &policy.Input{
		Action: action(c.Method), Principal: w.policy, Object: &to.object, Time: g.now(), SourceIP: c.SourceIP,
		Session: policy.Session{Origin: cmp.Or(c.Origin, OriginMCP), Transport: c.Transport},
	}
	if c.inner != nil {
		in.Session.ParentCallID, in.Session.Depth = c.inner.script.ref.execution(), 1
	}
	// Always an object: a rule about an argument that is not there must not be undefined as a whole.
	if in.Arguments, _ = wire.Lookup(c.Params, "arguments"); wire.Kind(in.Arguments) != '{' || c.Method == MethodComplete {
		in.Arguments = json.RawMessage("{}")
	}
	name, _ := wire.Lookup(c.Client.Info, "name")
	version, _ := wire.Lookup(c.Client.Info, "version")
	in.Client.Name, _ = wire.String(name)
	in.Client.Version, _ = wire.String(version)
	return in
}

func action(method string) string {
	switch method {
	case MethodGetPrompt:
		return "get"
	case MethodReadResource, MethodSubscribe:
		return "read"
	case MethodComplete:
		return "complete"
	}
	return "call"
}

// charges are the accounts that the call is charged to.
func (v *verdict) charges() []ledger.Charge {
	var out []ledger.Charge
	for _, b := range v.budgets {
		if b.Holds(v.Input.Principal) {
			out = append(out, ledger.Charge{Budget: b.ID(), Account: b.Account(v.Input)})
		}
	}
	return out
}
