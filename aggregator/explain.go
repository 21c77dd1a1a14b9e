// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"context"

	"tollgate/aggregator/auth"
	"tollgate/aggregator/catalog"
	"tollgate/policy"
	"tollgate/policy/limit"
	"tollgate/policy/narrow"
	"tollgate/upstream/wire"
)

// Explainer is a [Decider] that can say why. [policy.Engine] implements it.
type Explainer interface {
	Explain(ctx context.Context, p *policy.Principal, o policy.Object) (policy.Explanation, error)
	ExplainCall(ctx context.Context, in *policy.Input) (policy.CallExplanation, error)
	ExplainConditions(ctx context.Context, p *policy.Principal, o policy.Object) (policy.ConditionsExplanation, error)
	RolesFor(ctx context.Context, p *policy.Principal, o policy.Object) ([]string, error)
}

// The values of [Explanation.Verdict].
const (
	VerdictAllowed = "allowed"
	VerdictHidden  = "unknown" // hidden or missing: the caller is told that there is no such thing
	VerdictRefused = "refused"
)

// Explanation says what would become of a call, and why. It is for operators: it names what the caller may not know.
type Explanation struct {
	Verdict   string
	Principal *policy.Principal
	Object    *policy.Object // nil when no upstream offers what was named
	Access    policy.Explanation
	// Nearest are configured roles that would let the caller see the object, those with the fewest grants first.
	Nearest []string
	// Instead are roles that would let the caller see it in the place of its own, when none beside them would: one of
	// its roles denies the object.
	Instead []string
	Refusal *Refusal // of a refused call
	// Denials are the rules of package tollgate.call that refused, Sources those that ask something of the call.
	Denials    []policy.Fired
	Sources    []policy.Fired
	Conditions *policy.Conditions
	Limits     []*limit.Limit
	Claims     []limit.Claim
	Cost       int64  // ceiling, in nano-USD
	Schema     []byte // input schema as the caller is shown it, nil for anything but tools
	SchemaHash string
}

// Explain says what would become of the call without making or counting it. What limits have counted so far is not looked
// at. The error says that the gateway is not ready, or that the decider cannot explain.
func (g *Gate) Explain(ctx context.Context, caller *auth.Principal, c *Call) (*Explanation, error) {
	rev, err := g.revision(ctx)
	if err != nil {
		return nil, err
	}
	explainer, ok := rev.rules.Decider.(Explainer)
	if !ok {
		return nil, errNoReasons
	}
	w := rev.who(caller, g.now())
	x := &Explanation{Principal: w.policy, Verdict: VerdictHidden}
	e, ok := rev.named(c)
	if !ok {
		return x, nil
	}
	x.Object = &e.Object
	if x.Access, err = explainer.Explain(ctx, w.policy, e.Object); err != nil {
		return nil, err
	}
	if !x.Access.Allowed {
		return x, nearest(ctx, explainer, w.policy, e.Object, x)
	}
	return x, g.explainCall(ctx, rev, w, c, e, x)
}

func nearest(ctx context.Context, explainer Explainer, p *policy.Principal, o policy.Object, x *Explanation) error {
	var err error
	if x.Nearest, err = explainer.RolesFor(ctx, p, o); err != nil || len(x.Nearest) > 0 || len(p.Roles) == 0 {
		return err
	}
	alone := *p
	alone.Roles = []string{}
	x.Instead, err = explainer.RolesFor(ctx, &alone, o)
	return err
}

func (g *Gate) explainCall(ctx context.Context, rev *revision, w *who, c *Call, e *catalog.Entry, x *Explanation) error {
	to := &target{upstream: e.Upstream, shown: e.Key(), params: c.Params, object: e.Object, entry: e}
	t := rev.termsOf(ctx, w, to)
	x.Conditions, x.Limits = t.conditions, t.limits
	explainer := rev.rules.Decider.(Explainer) // Explain has looked
	asked, err := explainer.ExplainConditions(ctx, w.policy, e.Object)
	if err != nil {
		return err
	}
	x.Sources = asked.Sources
	x.Schema = t.schema
	if narrowed, err := narrow.Schema(t.schema, t.conditions); e.Kind == catalog.Tool && err == nil {
		x.Schema = narrowed
	}
	if x.Schema != nil {
		x.SchemaHash = wire.Digest(x.Schema)
	}
	v, refusal := g.weigh(ctx, rev, w, c, to)
	if refusal == nil {
		x.Verdict = VerdictAllowed
		if v.admission != nil {
			x.Claims, x.Cost = v.admission.Claims, v.admission.Cost
		}
		return nil
	}
	x.Verdict, x.Refusal = VerdictRefused, refusal
	call, err := explainer.ExplainCall(ctx, v.Input)
	x.Denials, x.Sources = call.Denials, append(x.Sources, call.Sources...)
	return err
}

// named is the entry that a call names, whoever may see it: by its displayed name, or by upstream and original name.
func (r *revision) named(c *Call) (*catalog.Entry, bool) {
	kind, member := catalog.Tool, "name"
	switch c.Method {
	case MethodGetPrompt:
		kind = catalog.Prompt
	case MethodReadResource:
		kind, member = catalog.Resource, "uri"
	}
	raw, _ := wire.Lookup(c.Params, member)
	name, _ := wire.String(raw)
	for _, e := range r.catalog.Entries(kind) {
		if e.Key() == name || e.Upstream+"/"+e.OriginalName == name {
			return e, true
		}
	}
	return nil, false
}
