// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"context"
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// answerVar is the variable of every query that holds its answer.
const answerVar = "answer"

// evaluation runs one query for many inputs, on one goroutine.
type evaluation struct {
	engine  *Engine
	ctx     context.Context
	limit   deadline
	query   *topdown.Query
	givenUp bool // evaluate no more
	read    map[int]readAnswer
}

func (e *Engine) newEvaluation(ctx context.Context, body ast.Body) *evaluation {
	v := &evaluation{engine: e, ctx: ctx, limit: deadline{ctx: ctx, now: e.now, limit: e.timeout}}
	v.query = topdown.NewQuery(body).WithCompiler(e.compiler).WithStore(e.store).WithTransaction(e.txn).
		WithBaseCache(e.data).WithInterQueryBuiltinValueCache(e.regexes).WithRequestMetadata(map[string]any{}).
		WithMetrics(metrics.NoOp()).WithCancel(&v.limit).WithStrictBuiltinErrors(true)
	return v
}

// run evaluates the query for one input; nil without a fault is undefined.
func (v *evaluation) run(input *ast.Term) (ast.Value, *fault) {
	if v.givenUp {
		return nil, &fault{code: CodeTimeout, detail: "given up after other objects of the batch ran into the time limit"}
	}
	v.limit.start()
	answer, err := v.answer(input)
	switch {
	case err == nil:
		return answer, nil
	case topdown.IsCancel(err):
		return nil, &fault{code: CodeTimeout, detail: "took longer than " + v.engine.timeout.String()}
	default:
		return nil, &fault{code: CodeEvaluation, detail: err.Error()}
	}
}

// answer makes an error of a panic: values that callers choose pass through the
// interpreter and its builtins, and none may end the process.
func (v *evaluation) answer(input *ast.Term) (answer ast.Value, err error) {
	defer func() {
		if r := recover(); r != nil {
			answer, err = nil, fmt.Errorf("panic: %v", r)
		}
	}()
	err = v.query.WithInput(input).Iter(v.ctx, func(r topdown.QueryResult) error {
		if t := r[answerVar]; t != nil {
			answer = t.Value
		}
		return nil
	})
	return answer, err
}
