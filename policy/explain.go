// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"context"
	"errors"
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Explain says why the object is shown to the principal or hidden. Allowed is
// what [Engine.Access] answers; Rule, Role, Pattern and Reason are what
// data.tollgate.access.reason gave, or the code and detail of what went wrong;
// the place is that of the rule that decided. The error is that of ctx. It is
// safe for concurrent use and is for operators: it names objects and rules that
// the principal may not know.
func (e *Engine) Explain(ctx context.Context, p *Principal, o Object) (Explanation, error) {
	if p == nil {
		return Explanation{}, errors.New("explain without a principal")
	}
	v, trace := e.newEvaluation(ctx, e.allow), &trail{}
	v.query = v.query.WithQueryTracer(trace)
	allowed, f := v.allowed(e.keys.principalTerm(p, e.reads.principal), &o, e.reads.object)
	if err := ctx.Err(); err != nil {
		return Explanation{}, fmt.Errorf("explain: %w", err)
	}
	if f != nil {
		return Explanation{Rule: f.code, Reason: f.detail}, nil
	}
	out := Explanation{Allowed: allowed}
	if err := e.reasonOf(ctx, p, &o, trace, &out); err != nil {
		return out, err
	}
	if out.Pattern != "" {
		out.Effect = out.Rule
		return out, nil
	}
	if rule := trace.deciding(allowed, out.Reason); rule != nil {
		out.File, out.Line, out.Title = rule.File, rule.Line, e.title(rule.rule)
	}
	return out, nil
}

// reasonOf asks the policy's own reason rule, which may read every member.
func (e *Engine) reasonOf(ctx context.Context, p *Principal, o *Object, trace *trail, out *Explanation) error {
	full := everything()
	object, err := e.keys.objectTerm(o, full.object)
	if err != nil {
		out.Reason = "no reason: " + err.Error()
		return nil
	}
	v := e.newEvaluation(ctx, e.reason)
	v.query = v.query.WithQueryTracer(trace)
	answer, f := v.run(e.keys.document(e.keys.principalTerm(p, full.principal), object))
	if f != nil {
		out.Reason = "no reason: " + f.detail
		return ctx.Err()
	}
	reason, ok := answer.(ast.Object)
	if !ok {
		out.Reason = "the policy gives no reason"
		return nil
	}
	for member, into := range map[string]*string{
		"rule": &out.Rule, "role": &out.Role, "pattern": &out.Pattern, "reason": &out.Reason,
	} {
		if t := reason.Get(ast.StringTerm(member)); t != nil {
			if s, ok := t.Value.(ast.String); ok {
				*into = string(s)
			}
		}
	}
	return nil
}

// ExplainCall is [Engine.Decide] with the rules that hold: of deny, or of
// obligations when these depend on the call. The error is that of ctx. It is
// safe for concurrent use and for operators only.
func (e *Engine) ExplainCall(ctx context.Context, in *Input) (CallExplanation, error) {
	out := CallExplanation{Decision: e.Decide(ctx, in)}
	if out.Allow && !e.call.obligations || !e.call.dynamic || in == nil || in.Principal == nil || in.Object == nil {
		return out, ctx.Err()
	}
	full := everything()
	document, f := e.callDocument(in, &full)
	if f != nil {
		return out, ctx.Err()
	}
	trace := e.callEvaluation(ctx, in, e.call.body).traced(document)
	if trace == nil { // the decision says so already
		return out, ctx.Err()
	}
	if out.Allow {
		out.Sources = e.sources("obligations", trace.named(callRef("obligations")), in.Principal, in.Object)
		return out, ctx.Err()
	}
	for _, rule := range trace.named(callRef("deny")) {
		rule.Title = e.title(rule.rule)
		out.Denials = append(out.Denials, rule.Fired)
	}
	return out, ctx.Err()
}

// RolesFor are the configured roles of which each alone, added to those of p,
// would let p see the object; those that grant least come first. There are none
// when p sees the object already. The error is that of ctx. It is safe for
// concurrent use and for operators only.
func (e *Engine) RolesFor(ctx context.Context, p *Principal, o Object) ([]string, error) {
	if p == nil {
		return nil, errors.New("roles for nobody")
	}
	v := e.newEvaluation(ctx, e.allow)
	sees := func(roles []string) bool {
		with := *p
		with.Roles = roles
		allowed, f := v.allowed(e.keys.principalTerm(&with, e.reads.principal), &o, e.reads.object)
		return f == nil && allowed
	}
	if sees(p.Roles) {
		return nil, ctx.Err()
	}
	var out []string
	for _, role := range e.roles {
		if sees(append([]string{role}, p.Roles...)) {
			out = append(out, role)
		}
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("roles: %w", err)
		}
	}
	return out, ctx.Err()
}
