// SPDX-License-Identifier: Apache-2.0

package codetools

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"sync"
	"time"

	"tollgate/aggregator"
	"tollgate/codemode"
)

const (
	// defaultWall is how long a program may take when nothing is configured.
	defaultWall = 30 * time.Second
	// maxMargin is how much earlier than its call a program ends, at most, so that the client is told what it did.
	maxMargin = 100 * time.Millisecond
)

// run is one program while it runs here.
type run struct {
	tools   *Tools
	call    *aggregator.OwnCall
	surface *surface
	program *codemode.Program
	// upstreams are those of globals. They stay while a program waits, whatever names the servers of its caller have then.
	upstreams map[string]string
	stop      context.CancelCauseFunc // ends it

	mu        sync.Mutex // guards what follows
	done      int
	questions map[int]question // by number of the call that waits
}

// execute runs a program, or goes on with one that waited.
func (t *Tools) execute(ctx context.Context, c *aggregator.OwnCall, s *surface) aggregator.OwnReply {
	var in struct {
		Code    string `json:"code"`
		Timeout int64  `json:"timeout_ms"`
	}
	switch err := decode(c.Arguments, &in, "code", "timeout_ms"); {
	case err != nil:
		return failure(err.Error())
	case in.Code == "":
		return failure(`give the program in the argument "code"`)
	case in.Timeout < 0:
		return failure("timeout_ms is a number of milliseconds above 0")
	}
	r := &run{tools: t, call: c, surface: s, questions: map[int]question{}, upstreams: map[string]string{}}
	r.program = &codemode.Program{Source: in.Code, Servers: s.servers, Call: r.inner, Limits: t.opts.Limits, Builtins: builtins()}
	for _, global := range s.servers {
		r.upstreams[global] = s.at[global].upstream
	}
	r.program.Limits.Wall = t.wall(ctx, in.Timeout)
	if t.opts.Deterministic {
		sum := sha256.Sum256([]byte(in.Code))
		r.program.Fixed = &codemode.Fixed{Time: time.Unix(0, 0).UTC(), Seed: binary.BigEndian.Uint64(sum[:8])}
	}
	stopped, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	r.stop = stop
	begin := r.begin
	if c.Resume {
		begin = r.resume
	}
	res, err := begin(stopped)
	for err == nil && res.Suspension != nil {
		reply, kept := r.suspend(ctx, res.Suspension)
		if kept {
			return reply
		}
		res, err = t.opts.Engine.Resume(stopped, r.program, res.Suspension, unkept(res.Suspension))
	}
	return r.ended(ctx, res, err)
}

func (r *run) begin(ctx context.Context) (*codemode.Result, error) {
	return r.tools.opts.Engine.Run(ctx, r.program)
}

// wall is how long a program may take: what is configured, what its caller asks for, or what its call has left.
func (t *Tools) wall(ctx context.Context, asked int64) time.Duration {
	wall := cmp.Or(t.opts.Limits.Wall, defaultWall)
	if most := wall.Milliseconds(); asked > 0 && asked < most {
		wall = time.Duration(asked) * time.Millisecond
	}
	if end, ok := ctx.Deadline(); ok {
		left := time.Until(end)
		wall = min(wall, left-min(left/10, maxMargin))
	}
	return max(wall, time.Millisecond)
}

// ended is the reply to a program that does not wait.
func (r *run) ended(ctx context.Context, res *codemode.Result, err error) aggregator.OwnReply {
	var gone *goneError
	var over *overError
	switch {
	case errors.As(err, &over) && ctx.Err() == nil && res != nil:
		res.Failure = over.failure()
		return aggregator.OwnReply{Result: r.report(res)}
	case errors.As(err, &gone):
		return failure(gone.Error())
	case err != nil:
		return aggregator.OwnReply{Err: err}
	}
	return aggregator.OwnReply{Result: r.report(res)}
}

// overError says that a program has used up what it may.
type overError struct{ sentence string }

func (e *overError) Error() string { return e.sentence }

func (e *overError) failure() *codemode.Failure {
	return &codemode.Failure{Kind: codemode.KindLimit, Message: e.sentence, Hint: "calls_made have taken effect; do the rest in another program, with fewer or cheaper calls"}
}

// goneError says that a program cannot go on.
type goneError struct{ reason string }

func (e *goneError) Error() string {
	return "the program that waited for a confirmation cannot go on: " + e.reason + "; look at what it did before you run it again"
}
