// SPDX-License-Identifier: Apache-2.0

package codemode

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Options for [New].
type Options struct {
	Cache  string // folder of the compiled engine, private to this user; "" keeps it in memory only
	Limits Limits // zero fields: the defaults

	Running int   // scripts that run at once, the others take turns; 0: one less than GOMAXPROCS, at least one
	Live    int   // executions at once, others wait; 0: 100
	Memory  int64 // bytes of linear memory of all executions; 0: 1 GiB

	Interpreter bool             // no machine code; slow, for systems that do not allow it
	Now         func() time.Time // the clock that scripts see; nil: time.Now
}

// ErrClosed is the error of an engine after [Engine.Close].
var ErrClosed = errors.New("the code engine is closed")

// Engine executes programs, each in a sandbox of its own.
type Engine struct {
	options Options
	limits  Limits
	memory  store
	live    chan struct{} // one token for each execution
	running chan struct{} // one token for each script that runs
	waiting atomic.Int32  // scripts that want a token of running

	base   context.Context // ends when the engine has to stop
	cancel context.CancelCauseFunc

	mu       sync.Mutex // guards what follows
	closed   bool
	runs     int           // executions and builds that have not ended
	idle     chan struct{} // closed when runs is zero again; nil while nobody asks
	built    *build
	building chan struct{} // closed when the build that runs has ended
	buildErr error         // of the last build
}

// New returns an engine. It is cheap: the JavaScript engine is compiled for the first program, or by [Engine.Warm].
func New(o *Options) (*Engine, error) {
	if o == nil {
		o = &Options{}
	}
	e := &Engine{options: *o, limits: o.Limits.or(defaultLimits())}
	if err := e.limits.check(); err != nil {
		return nil, err
	}
	e.options.Running = cmp.Or(o.Running, max(1, runtime.GOMAXPROCS(0)-1))
	e.options.Live = cmp.Or(o.Live, 100)
	e.memory.total = cmp.Or(o.Memory, 1<<30)
	if e.options.Now == nil {
		e.options.Now = time.Now
	}
	if e.options.Running < 1 || e.options.Live < 1 || e.memory.total < e.limits.Memory {
		return nil, fmt.Errorf("%d running, %d live, %d bytes: want at least one of each, and memory for one script (%d)",
			e.options.Running, e.options.Live, e.memory.total, e.limits.Memory)
	}
	e.live = make(chan struct{}, e.options.Live)
	e.running = make(chan struct{}, e.options.Running)
	e.base, e.cancel = context.WithCancelCause(context.Background())
	return e, nil
}

// Warm compiles the JavaScript engine, so that the first program does not wait for it.
func (e *Engine) Warm(ctx context.Context) error {
	if err := e.begin(); err != nil {
		return err
	}
	defer e.end()
	_, err := e.ready(ctx)
	return err
}

// begin counts an execution in.
func (e *Engine) begin() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return ErrClosed
	}
	e.runs++
	return nil
}

func (e *Engine) end() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.runs--; e.runs == 0 && e.idle != nil {
		close(e.idle)
		e.idle = nil
	}
}

// ready returns the build, and starts one when there is none. A build that failed is tried again for the next caller.
func (e *Engine) ready(ctx context.Context) (*build, error) {
	e.mu.Lock()
	if e.built != nil {
		defer e.mu.Unlock()
		return e.built, nil
	}
	if e.building == nil {
		e.building = make(chan struct{})
		e.runs++
		go e.build(e.building)
	}
	wait := e.building
	e.mu.Unlock()
	select {
	case <-wait:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.built == nil {
		return nil, e.buildErr
	}
	return e.built, nil
}

func (e *Engine) build(done chan struct{}) {
	defer e.end()
	b, err := newBuild(&e.options)
	e.mu.Lock()
	e.built, e.buildErr, e.building = b, err, nil
	e.mu.Unlock()
	close(done)
}

// Close waits for what runs. When ctx ends it cancels the rest and waits for that. Nothing is left afterwards.
func (e *Engine) Close(ctx context.Context) error {
	e.mu.Lock()
	already := e.closed
	e.closed = true
	if e.idle == nil && e.runs > 0 {
		e.idle = make(chan struct{})
	}
	idle := e.idle
	e.mu.Unlock()
	if idle != nil {
		select {
		case <-idle:
		case <-ctx.Done():
			e.cancel(ErrClosed)
			<-idle
		}
	}
	e.cancel(ErrClosed)
	e.mu.Lock()
	defer e.mu.Unlock()
	if already || e.built == nil {
		return nil
	}
	return e.built.close()
}
