// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/topdown"
)

const (
	answerVar = "answer"
	// chunk is how many objects a goroutine takes at a time.
	chunk = 128
	// maxTimeouts is how many objects of one batch may run into the time limit
	// before the rest of the batch is given up: a policy that slow would hold
	// a list for minutes.
	maxTimeouts = 16
)

// Access decides for each object whether it exists for the principal. The
// answers are in the order of objs. An object without a clear yes is hidden,
// and the error (an *[AccessError]) says how many had no answer at all, and
// why. When ctx ends there are no answers: nil and the error of ctx, so that
// nobody keeps half a batch. It is safe for concurrent use and uses up to
// GOMAXPROCS goroutines until it returns.
func (e *Engine) Access(ctx context.Context, p *Principal, objs []Object) ([]bool, error) {
	if p == nil {
		return make([]bool, len(objs)), errors.New("access without a principal")
	}
	b := &batch{objs: objs, answers: make([]bool, len(objs)), principal: e.keys.principalTerm(p, e.reads.principal)}
	workers := min(runtime.GOMAXPROCS(0), (len(objs)+chunk-1)/chunk)
	var group sync.WaitGroup
	for range workers - 1 {
		group.Go(func() { b.work(ctx, e) })
	}
	b.work(ctx, e)
	group.Wait()
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("access: %w", err)
	}
	return b.answers, b.tally.err()
}

// batch is what the goroutines of one Access share. Each writes only the
// answers of the objects it took.
type batch struct {
	objs      []Object
	answers   []bool
	principal *ast.Term
	next      atomic.Int64
	timeouts  atomic.Int64
	tally     tally
}

func (b *batch) work(ctx context.Context, e *Engine) {
	v := e.newEvaluation(ctx, e.allow)
	for {
		start := int(b.next.Add(chunk)) - chunk
		if start >= len(b.objs) {
			return
		}
		for i := start; i < min(start+chunk, len(b.objs)); i++ {
			if ctx.Err() != nil {
				return
			}
			answer, f := b.decide(v, &b.objs[i])
			if f != nil {
				b.tally.add(f, &b.objs[i])
			}
			b.answers[i] = answer
		}
	}
}

// decide evaluates one object, a second time if the first ran out of time:
// the process may only have been held up.
func (b *batch) decide(v *evaluation, o *Object) (bool, *fault) {
	if b.timeouts.Load() >= maxTimeouts {
		return false, &fault{CodeTimeout, "given up after other objects of the batch ran into the time limit"}
	}
	answer, f := v.allowed(b.principal, o, v.engine.reads.object)
	if f != nil && f.code == CodeTimeout {
		if answer, f = v.allowed(b.principal, o, v.engine.reads.object); f != nil && f.code == CodeTimeout {
			b.timeouts.Add(1)
		}
	}
	return answer, f
}

// evaluation runs one query for many inputs, on one goroutine.
type evaluation struct {
	engine *Engine
	ctx    context.Context
	limit  deadline
	query  *topdown.Query
}

func (e *Engine) newEvaluation(ctx context.Context, body ast.Body) *evaluation {
	v := &evaluation{engine: e, ctx: ctx, limit: deadline{ctx: ctx, now: e.now, limit: e.timeout}}
	v.query = topdown.NewQuery(body).WithCompiler(e.compiler).WithStore(e.store).WithTransaction(e.txn).
		WithBaseCache(e.data).WithInterQueryBuiltinValueCache(e.regexes).
		WithMetrics(metrics.NoOp()).WithCancel(&v.limit).WithStrictBuiltinErrors(true)
	return v
}

// allowed is one decision; a fault means there was no boolean answer.
func (v *evaluation) allowed(principal *ast.Term, o *Object, read fields) (bool, *fault) {
	object, err := v.engine.keys.objectTerm(o, read)
	if err != nil {
		return false, &fault{CodeObject, err.Error()}
	}
	answer, f := v.run(v.engine.keys.document(principal, object))
	switch {
	case f != nil:
		return false, f
	case answer == nil:
		return false, &fault{CodeUndefined, "data.tollgate.access.allow is undefined"}
	}
	yes, ok := answer.(ast.Boolean)
	if !ok {
		return false, &fault{CodeWrongType, "data.tollgate.access.allow is " + ast.ValueName(answer) + ", not boolean"}
	}
	return bool(yes), nil
}

// run evaluates the query for one input; nil without a fault is undefined.
func (v *evaluation) run(input *ast.Term) (ast.Value, *fault) {
	var answer ast.Value
	v.limit.start()
	err := v.query.WithInput(input).Iter(v.ctx, func(r topdown.QueryResult) error {
		if t := r[answerVar]; t != nil {
			answer = t.Value
		}
		return nil
	})
	switch {
	case err == nil:
		return answer, nil
	case topdown.IsCancel(err):
		return nil, &fault{CodeTimeout, "took longer than " + v.engine.timeout.String()}
	default:
		return nil, &fault{CodeEvaluation, err.Error()}
	}
}
