// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/open-policy-agent/opa/v1/topdown"
)

// DecideWithout is [Engine.Decide] for a call of which not all arguments are
// known: missing are JSON pointers to the values that in does not hold, "" to
// all arguments. depends are those of them that the rules looked at; without any
// the decision is the same whatever stood there. Looking at is all it takes to be
// among them, so a decision that depends on nothing is certain, and one that
// depends on something may still be the same. It is safe for concurrent use.
func (e *Engine) DecideWithout(ctx context.Context, in *Input, missing []string) (d Decision, depends []string) {
	if len(missing) == 0 || !e.call.dynamic || !e.call.reads.call["arguments"] || in == nil || in.Principal == nil || in.Object == nil {
		return e.Decide(ctx, in), nil
	}
	if _, truncated := in.shown(); truncated { // rules were not shown them either
		return e.Decide(ctx, in), nil
	}
	if slices.Contains(missing, "") { // there are always some, be they empty
		without := *in
		without.Arguments = json.RawMessage("{}")
		in = &without
	}
	document, f := e.callDocument(in, &e.call.reads)
	if f != nil {
		return refusal(f), nil
	}
	watch, failed := newReading(missing), []topdown.Error(nil)
	v := e.callEvaluation(ctx, in, e.call.body)
	// The index of rules reads the input too, and a tracer does not see it. Without it more is evaluated, so a builtin that
	// fails must not end that.
	v.query = v.query.WithIndexing(false).WithQueryTracer(watch).WithStrictBuiltinErrors(false).WithBuiltinErrorList(&failed)
	_, f = v.run(document)
	depends = watch.depends()
	switch {
	case f != nil && f.code == CodeTimeout:
		return refusal(f), missing
	case len(depends) > 0:
		return Decision{}, depends
	case f != nil || len(failed) > 0: // what comes after it, and so whether it is reached at all, was not seen
		return Decision{}, missing
	}
	return e.Decide(ctx, in), nil
}
