// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"context"
	"errors"
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Explain says why the object is shown to the principal or hidden. Allowed is
// what [Engine.Access] answers; the rest is what data.tollgate.access.reason
// gave, or the code and detail of what went wrong. The error is that of ctx.
// It is safe for concurrent use and is for operators: it names objects and
// rules that the principal may not know.
func (e *Engine) Explain(ctx context.Context, p *Principal, o Object) (Explanation, error) {
	if p == nil {
		return Explanation{}, errors.New("explain without a principal")
	}
	allow := e.newEvaluation(ctx, e.allow)
	allowed, f := allow.allowed(e.keys.principalTerm(p, e.reads.principal), &o, e.reads.object)
	if err := ctx.Err(); err != nil {
		return Explanation{}, fmt.Errorf("explain: %w", err)
	}
	if f != nil {
		return Explanation{Rule: f.code, Reason: f.detail}, nil
	}
	out := Explanation{Allowed: allowed}
	full := everything()
	object, err := e.keys.objectTerm(&o, full.object)
	if err != nil {
		out.Reason = "no reason: " + err.Error()
		return out, nil
	}
	answer, f := e.newEvaluation(ctx, e.reason).run(e.keys.document(e.keys.principalTerm(p, full.principal), object))
	if f != nil {
		out.Reason = "no reason: " + f.detail
		return out, ctx.Err()
	}
	reason, ok := answer.(ast.Object)
	if !ok {
		out.Reason = "the policy gives no reason"
		return out, nil
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
	return out, nil
}
