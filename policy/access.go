// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"context"
	"errors"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Access decides for each object whether it exists for the principal. The
// answers are in the order of objs. An object without a clear yes is hidden,
// and the error (an *[AccessError]) says how many had no answer at all, and
// why. When ctx ends there are no answers: nil and the error of ctx, so that
// nobody keeps half a batch. It is safe for concurrent use and uses up to
// GOMAXPROCS goroutines until it returns.
func (e *Engine) Access(ctx context.Context, p *Principal, objs []Object) ([]bool, error) {
	answers := make([]bool, len(objs))
	if p == nil {
		return answers, errors.New("access without a principal")
	}
	principal := e.keys.principalTerm(p, e.reads.principal)
	b := &batch{about: "access", objs: objs, body: e.allow}
	err := b.run(ctx, e, func(v *evaluation, i int) *fault {
		var f *fault
		answers[i], f = v.allowed(principal, &objs[i], e.reads.object)
		return f
	})
	if ctx.Err() != nil {
		return nil, err
	}
	return answers, err
}

// allowed is one decision; a fault means there was no boolean answer.
func (v *evaluation) allowed(principal *ast.Term, o *Object, read fields) (bool, *fault) {
	object, err := v.engine.keys.objectTerm(o, read)
	if err != nil {
		return false, &fault{code: CodeObject, detail: err.Error()}
	}
	answer, f := v.run(v.engine.keys.document(principal, object))
	switch {
	case f != nil:
		return false, f
	case answer == nil:
		return false, &fault{code: CodeUndefined, detail: "data.tollgate.access.allow is undefined"}
	}
	yes, ok := answer.(ast.Boolean)
	if !ok {
		return false, &fault{code: CodeWrongType, detail: "data.tollgate.access.allow is " + ast.ValueName(answer) + ", not boolean"}
	}
	return bool(yes), nil
}
