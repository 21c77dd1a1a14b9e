// SPDX-License-Identifier: Apache-2.0

package codemode

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"tollgate/codemode/script"
)

func floatBits(v float64) uint64 { return math.Float64bits(v) }

// Run executes a program. What is wrong with the program is in the result; an error means that the engine failed, or that ctx
// ended, in which case the result says which calls were made.
func (e *Engine) Run(ctx context.Context, p *Program) (*Result, error) {
	return e.execute(ctx, p, nil, nil)
}

// Resume goes on with a program that was suspended, with answers for its parked calls by their numbers. Calls without an
// answer stay parked. Suspensions of another build of the engine are [ErrOtherEngine], those of another program an error.
func (e *Engine) Resume(ctx context.Context, p *Program, from *Suspension, answers map[int]Answer) (*Result, error) {
	if from == nil {
		return nil, errors.New("nothing to resume: the suspension is nil")
	}
	return e.execute(ctx, p, from, answers)
}

func (e *Engine) execute(ctx context.Context, p *Program, from *Suspension, answers map[int]Answer) (*Result, error) {
	limits := p.Limits.or(e.limits)
	if err := p.check(limits); err != nil {
		return nil, err
	}
	if err := e.begin(); err != nil {
		return nil, err
	}
	defer e.end()
	s := &sandbox{engine: e, program: p, limits: limits, out: &Result{}}
	if !s.compile() {
		return s.out, nil
	}
	var err error
	if s.build, err = e.ready(ctx); err != nil {
		return nil, err
	}
	if err := from.fits(s.build, p, limits, answers); err != nil {
		return nil, err
	}
	select {
	case e.live <- struct{}{}:
		defer func() { <-e.live }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-e.base.Done():
		return nil, ErrClosed
	}
	return s.run(ctx, from, answers)
}

// check reports what the caller got wrong, as opposed to the script.
func (p *Program) check(l Limits) error {
	if p.Call == nil {
		return errors.New("program without a Call function")
	}
	for _, b := range p.Builtins {
		if b.Name == "" {
			return errors.New("builtin without a name")
		}
	}
	return l.check()
}

// compile makes JavaScript of the source, and reports whether there is any.
func (s *sandbox) compile() bool {
	if n := len(s.program.Source); n > s.limits.Source {
		s.out.Failure = limit("source", fmt.Sprintf("the program has %d bytes: at most %d", n, s.limits.Source), "fetch data with calls instead of writing it down")
		return false
	}
	start := time.Now()
	compiled, err := script.Compile(s.program.Source)
	s.out.Usage.Compile = time.Since(start)
	if err == nil {
		s.script = compiled
		return true
	}
	s.out.Failure = &Failure{Kind: KindSyntax, Message: err.Error()}
	var mistake *script.SyntaxError
	if errors.As(err, &mistake) {
		s.out.Failure = &Failure{
			Kind: KindSyntax, Message: mistake.Message, Line: mistake.Line, Column: mistake.Column,
			SourceLine: mistake.SourceLine, Hint: mistake.Hint,
		}
	}
	return false
}

// run executes in a sandbox of its own, whatever happens leaves nothing of it behind, and tells how it went.
func (s *sandbox) run(caller context.Context, from *Suspension, answers map[int]Answer) (*Result, error) {
	s.started = time.Now()
	ctx, cancel := context.WithTimeoutCause(caller, s.limits.Wall, errWall)
	defer cancel()
	s.ctx = ctx
	s.done = make(chan completion, s.limits.Concurrent)
	stop := context.AfterFunc(s.engine.base, cancel)
	defer stop()
	s.memory = &memory{store: &s.engine.memory, limit: s.limits.Memory, first: uint64(s.build.image.size)}
	if s.enter() {
		s.live(from, answers)
	}
	s.leave()
	cancel()
	left := s.drain()
	s.report(left)
	switch {
	case s.broken != nil:
		return s.out, s.broken
	case s.out.Failure != nil && s.out.Failure.Kind == KindCancelled:
		return s.out, cmp.Or(context.Cause(caller), ErrClosed)
	}
	return s.out, nil
}

// live is the life of the instance.
func (s *sandbox) live(from *Suspension, answers map[int]Answer) {
	guest, err := s.build.instantiate(s)
	if err != nil {
		if !s.memory.denied {
			s.broken = fmt.Errorf("make a sandbox: %w", err)
		}
		s.fail(s.exhausted())
		return
	}
	s.guest = guest
	defer func() {
		s.out.Usage.Memory = int64(len(s.memory.buf))
		_ = guest.mod.Close(context.Background()) // it has no exit code to tell
	}()
	if err := s.restore(from); err != nil {
		if !s.memory.denied {
			s.broken = fmt.Errorf("restore a sandbox: %w", err)
		}
		s.fail(s.exhausted())
		return
	}
	if from == nil {
		if !s.evaluate() {
			return
		}
	} else {
		s.answer(from, answers)
	}
	s.loop()
}

// setup is what the prelude has to know.
func (s *sandbox) setup() []byte {
	var seed [16]byte
	if f := s.program.Fixed; f != nil {
		binary.LittleEndian.PutUint64(seed[:], f.Seed)
		binary.LittleEndian.PutUint64(seed[8:], ^f.Seed)
	} else {
		_, _ = rand.Read(seed[:]) // never fails
	}
	type builtin struct {
		Name   string `json:"name"`
		First  string `json:"first"`
		Global bool   `json:"global"`
	}
	o := struct {
		Servers  []string  `json:"servers"`
		Builtins []builtin `json:"builtins"`
		Seed     [4]uint32 `json:"seed"`
	}{Servers: s.program.Servers, Builtins: []builtin{}}
	if o.Servers == nil {
		o.Servers = []string{}
	}
	for _, b := range s.program.Builtins {
		o.Builtins = append(o.Builtins, builtin(b))
	}
	for i := range o.Seed {
		o.Seed[i] = binary.LittleEndian.Uint32(seed[4*i:])
	}
	text, _ := json.Marshal(o) // strings and numbers
	return text
}
