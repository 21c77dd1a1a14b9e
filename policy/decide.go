// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// answerFields are the members of what the engine asks of tollgate.call.
func answerFields() []string {
	return []string{"allow", "reasons", "details", "obligations", "constraints", "scopes"}
}

// callRules is what a policy says of each call.
type callRules struct {
	body, whole ast.Body // of the members that are needed, and of all the decision
	reads       reads
	dynamic     bool
	constant    Decision // unless dynamic
	obligations bool     // obligations depend on the call
}

// prepareCall finds what the decision on a call reads. When that is nothing, it
// is made once and for all.
func (e *Engine) prepareCall(ctx context.Context) error {
	c := &e.call
	c.constant = Decision{Allow: true}
	rules := e.compiler.GetRules(decisionRef())
	if len(rules) == 0 {
		return nil
	}
	members := []string{"allow", "reasons", "details"}
	if c.obligations = !slices.Contains(e.conditions.entries, "obligations"); c.obligations {
		members = append(members, "obligations")
	}
	c.reads = noReads()
	unsteady := false
	for _, member := range members {
		ref := callRef("decision", member)
		read, err := readsOf(e.compiler, ref)
		if err != nil {
			return fmt.Errorf("policy dependencies: %w", err)
		}
		c.reads.join(read)
		unsteady = unsteady || len(violations(e.compiler, e.compiler.GetRules(ref), staticRestriction())) > 0
	}
	body, err := ast.ParseBody(fmt.Sprintf(
		`%s = {member: value | member = ["%s"][_]; value = %v[member]}`, answerVar, strings.Join(members, `", "`), decisionRef()))
	if err != nil {
		return err
	}
	if c.body, err = e.compiler.QueryCompiler().Compile(body); err != nil { // by its type, it has no members
		return Diagnostics{at(rules[0].Location, CodeEntrypoint, "decision is not an object",
			"give it a member allow, and reasons to tell the caller")}
	}
	if c.whole, err = e.query(decisionRef()); err != nil {
		return err
	}
	if c.dynamic = unsteady || len(c.reads.call) > 0; !c.dynamic {
		nobody := &Input{Principal: &Principal{}, Object: &Object{Kind: "tool", Upstream: "none"}}
		c.constant = e.evaluate(ctx, nobody)
	}
	return nil
}

// Dynamic reports whether [Engine.Decide] evaluates anything. It is safe for
// concurrent use.
func (e *Engine) Dynamic() bool { return e.call.dynamic }

// Decide says whether a call may go on that [Engine.Access] allows and whose
// [Engine.Conditions] it meets. It evaluates data.tollgate.call once, and not at
// all when no rule of it depends on the call. It is safe for concurrent use.
func (e *Engine) Decide(ctx context.Context, in *Input) Decision {
	if !e.call.dynamic {
		d := e.call.constant
		d.Reasons = slices.Clone(d.Reasons)
		return d
	}
	if in == nil || in.Principal == nil || in.Object == nil {
		return refusal(&fault{code: CodeEvaluation, detail: "a call without a principal or object"})
	}
	return e.evaluate(ctx, in)
}

func (e *Engine) evaluate(ctx context.Context, in *Input) Decision {
	document, f := e.callDocument(in, &e.call.reads)
	if f != nil {
		return refusal(f)
	}
	answer, f := e.callEvaluation(ctx, in, e.call.body).run(document)
	if f != nil {
		return refusal(f)
	}
	d, f := e.readDecision(answer)
	switch {
	case f == nil && !d.Allow && len(d.Reasons) == 0:
		d.Detail = e.callEvaluation(ctx, in, e.call.body).unsaid(document, d.Detail)
	case f != nil && f.bad != nil:
		e.callEvaluation(ctx, in, e.call.body).locate(document, f)
	case f != nil && f.code == CodeUndefined:
		f = e.missing(ctx, in, document, f)
	}
	if f != nil {
		return refusal(f)
	}
	return d
}

// callDocument is the input of call rules. Arguments that are too large refuse
// the call, unless a rule says that it knows about that.
func (e *Engine) callDocument(in *Input, read *reads) (*ast.Term, *fault) {
	if _, truncated := in.shown(); truncated && e.call.reads.call["arguments"] && !e.call.reads.truncation {
		return nil, &fault{code: CodeArgumentsTooLarge, detail: fmt.Sprintf(
			"rules read input.arguments, which are larger than %d bytes; such calls need a rule that reads input.arguments_truncated",
			MaxArguments)}
	}
	return e.keys.callTerm(in, read)
}

// callEvaluation gives the rules the time of the input, so that the same input
// is decided alike later.
func (e *Engine) callEvaluation(ctx context.Context, in *Input, body ast.Body) *evaluation {
	v := e.newEvaluation(ctx, body)
	v.query = v.query.WithTime(in.moment())
	return v
}

// missing tells an undefined decision from one that is no object.
func (e *Engine) missing(ctx context.Context, in *Input, document *ast.Term, f *fault) *fault {
	whole, other := e.callEvaluation(ctx, in, e.call.whole).run(document)
	switch {
	case other != nil:
		return other
	case whole == nil:
		return &fault{code: CodeUndefined, detail: "data.tollgate.call.decision is undefined"}
	}
	if _, ok := whole.(ast.Object); !ok {
		return &fault{code: CodeWrongType, detail: "data.tollgate.call.decision is " + ast.ValueName(whole) + ", not an object"}
	}
	return f
}

func refusal(f *fault) Decision { return Decision{Code: f.code, Detail: f.detail} }

func (e *Engine) readDecision(answer ast.Value) (Decision, *fault) {
	members, ok := answer.(ast.Object)
	if !ok {
		return Decision{}, &fault{code: CodeUndefined, detail: "data.tollgate.call.decision is undefined"}
	}
	member := func(name string) *ast.Term { return members.Get(e.keys.member[name]) }
	allow := member("allow")
	if allow == nil {
		return Decision{}, &fault{code: CodeUndefined, detail: "data.tollgate.call.decision.allow is undefined"}
	}
	yes, ok := allow.Value.(ast.Boolean)
	if !ok {
		detail := "data.tollgate.call.decision.allow is " + ast.ValueName(allow.Value) + ", not boolean"
		return Decision{}, &fault{code: CodeWrongType, detail: detail}
	}
	d := Decision{Allow: bool(yes)}
	if t := member("obligations"); t != nil && d.Allow {
		o, err := readObligations(t)
		if err != nil {
			return Decision{}, wrongType("obligations", err)
		}
		d.Obligations = o
	}
	if d.Allow {
		return d, nil
	}
	d.Code = CodeDenied
	var err error
	if d.Reasons, err = sentences("decision.reasons", member("reasons")); err != nil {
		return Decision{}, wrongType("deny", err)
	}
	details, err := sentences("decision.details", member("details"))
	if err != nil {
		return Decision{}, wrongType("deny", err)
	}
	d.Detail = strings.Join(details, "; ")
	return d, nil
}

// sentences are sorted. What is no text is written as JSON; nothing is none.
func sentences(what string, t *ast.Term) ([]string, error) {
	if t == nil {
		return nil, nil
	}
	list, err := elements(what, t)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, t := range list {
		out = append(out, sentence(t))
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

func sentence(t *ast.Term) string {
	if s, ok := t.Value.(ast.String); ok {
		return string(s)
	}
	return t.String()
}
