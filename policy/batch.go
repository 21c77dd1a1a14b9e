// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/open-policy-agent/opa/v1/ast"
)

const (
	// chunk is how many objects a goroutine takes at a time.
	chunk = 128
	// maxTimeouts is how many objects of one batch may run into the time limit
	// before the rest of the batch is given up: a policy that slow would hold
	// a list for minutes.
	maxTimeouts = 16
)

// batch evaluates one query for many objects. Its goroutines share it.
type batch struct {
	about    string // what is evaluated, for the error
	objs     []Object
	body     ast.Body
	next     atomic.Int64
	timeouts atomic.Int64
	tally    tally
}

// run calls each for every object. each stores the answer for its index; on a
// fault, it may be called a second time. The error is that of ctx, or an
// *[AccessError].
func (b *batch) run(ctx context.Context, e *Engine, each func(v *evaluation, i int) *fault) error {
	workers := min(runtime.GOMAXPROCS(0), (len(b.objs)+chunk-1)/chunk)
	var group sync.WaitGroup
	for range workers - 1 {
		group.Go(func() { b.work(ctx, e, each) })
	}
	b.work(ctx, e, each)
	group.Wait()
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", b.about, err)
	}
	return b.tally.err(b.about)
}

func (b *batch) work(ctx context.Context, e *Engine, each func(v *evaluation, i int) *fault) {
	v := e.newEvaluation(ctx, b.body)
	for {
		start := int(b.next.Add(chunk)) - chunk
		if start >= len(b.objs) {
			return
		}
		for i := start; i < min(start+chunk, len(b.objs)); i++ {
			if ctx.Err() != nil {
				return
			}
			if f := b.once(v, i, each); f != nil {
				b.tally.add(f, &b.objs[i])
			}
		}
	}
}

// once evaluates one object, a second time if the first ran out of time: the
// process may only have been held up.
func (b *batch) once(v *evaluation, i int, each func(v *evaluation, i int) *fault) *fault {
	v.givenUp = b.timeouts.Load() >= maxTimeouts
	f := each(v, i)
	if f == nil || f.code != CodeTimeout || v.givenUp {
		return f
	}
	if f = each(v, i); f != nil && f.code == CodeTimeout {
		b.timeouts.Add(1)
	}
	return f
}
