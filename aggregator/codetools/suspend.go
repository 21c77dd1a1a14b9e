// SPDX-License-Identifier: Apache-2.0

package codetools

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"tollgate/aggregator"
	"tollgate/aggregator/bridge"
	"tollgate/codemode"
)

const (
	// waitLife is how long a program waits for its confirmations.
	waitLife = time.Hour
	// defaultConcurrent is how many confirmed calls are made at once when nothing is configured.
	defaultConcurrent = 16
)

// question is what the user must be asked about a call that waits.
type question struct {
	bridge.Question
	asked string // what a confirmation is good for
}

// kept is what is kept of a program beside its memory, before it and on a line of its own.
type kept struct {
	Servers   []string          `json:"servers"`   // globals
	Upstreams map[string]string `json:"upstreams"` // by global
	Asked     map[int]string    `json:"asked"`     // by number of the call that waits
}

// keptName names what is kept of an execution until it goes on for the nth time: what a client brings back of an earlier
// time is of nothing.
func keptName(execution string, n int) string { return fmt.Sprintf("%s.%d", execution, n) }

// questionKey names the question about a call among those of its program.
func questionKey(seq int) string { return fmt.Sprintf("confirm_%d", seq) }

// suspend keeps a program that waits, and asks what it waits for. false: it cannot be kept.
func (r *run) suspend(ctx context.Context, s *codemode.Suspension) (out aggregator.OwnReply, ok bool) {
	k := kept{r.program.Servers, r.upstreams, map[int]string{}}
	r.mu.Lock()
	for _, waiting := range s.Parked {
		q := r.questions[waiting.Call.Seq]
		q.Key = questionKey(waiting.Call.Seq)
		k.Asked[waiting.Call.Seq] = q.asked
		out.Questions = append(out.Questions, q.Question)
	}
	r.mu.Unlock()
	if err := r.keep(ctx, &k, s); err != nil {
		r.tools.opts.Log.Warn("a program that waits for a confirmation cannot be kept", "execution", r.call.Execution, "error", err)
		return aggregator.OwnReply{}, false
	}
	return out, true
}

func (r *run) keep(ctx context.Context, k *kept, s *codemode.Suspension) error {
	head, err := json.Marshal(k)
	if err != nil {
		return err
	}
	memory, err := s.Encode()
	if err != nil {
		return err
	}
	t, owner, name := r.tools, r.call.Caller.Key(), keptName(r.call.Execution, r.call.Round+1)
	sealed, err := t.sealer.seal(append(append(head, '\n'), memory...), owner, name)
	if err != nil {
		return err
	}
	return t.opts.Keeper.Put(context.WithoutCancel(ctx), owner, name, sealed, t.opts.Now().Add(waitLife))
}

// unkept are the answers to calls of a program that waits and cannot be kept: it goes on without them.
func unkept(s *codemode.Suspension) map[int]codemode.Answer {
	out := map[int]codemode.Answer{}
	for _, waiting := range s.Parked {
		out[waiting.Call.Seq] = codemode.Answer{Err: &codemode.ToolError{
			Code: aggregator.CodeConfirmation, Message: "this call needs the user's confirmation, and the gateway can keep no more programs that wait for one", Retryable: true,
		}}
	}
	return out
}

// resume goes on with a program where it waits.
func (r *run) resume(ctx context.Context) (*codemode.Result, error) {
	t := r.tools
	k, s, err := r.taken(ctx)
	if err != nil {
		return nil, err
	}
	r.program.Servers, r.upstreams = k.Servers, k.Upstreams
	// Whether it can go on is known before any call is made: without an answer it waits as before.
	switch still, err := t.opts.Engine.Resume(ctx, r.program, s, nil); {
	case errors.Is(err, codemode.ErrOtherEngine):
		return nil, &goneError{"the gateway was replaced by another version meanwhile"}
	case err != nil && ctx.Err() == nil:
		t.opts.Log.Warn("a program that waited does not fit any more", "execution", r.call.Execution, "error", err)
		return nil, &goneError{"the gateway's configuration of programs has changed meanwhile"}
	case err != nil:
		return nil, err
	case still.Suspension == nil && still.Failure != nil:
		return still, nil
	}
	answers := r.answers(ctx, k, s)
	res, err := t.opts.Engine.Resume(ctx, r.program, s, answers)
	if res == nil || len(res.Calls) < len(s.Calls) { // ended before it knew
		res = soFar(s, answers)
	}
	return res, err
}

// taken is what was kept. It is kept no more.
func (r *run) taken(ctx context.Context) (*kept, *codemode.Suspension, error) {
	t, owner, name := r.tools, r.call.Caller.Key(), keptName(r.call.Execution, r.call.Round)
	if t.opts.Keeper == nil {
		return nil, nil, &goneError{"this gateway keeps none"}
	}
	sealed, err := t.opts.Keeper.Take(context.WithoutCancel(ctx), owner, name)
	if err != nil {
		return nil, nil, err
	}
	if sealed == nil {
		return nil, nil, &goneError{"it went on already, or waited too long"}
	}
	plain, err := t.sealer.open(sealed, owner, name)
	if err != nil {
		return nil, nil, err
	}
	head, memory, _ := bytes.Cut(plain, []byte("\n"))
	k := &kept{}
	if err := json.Unmarshal(head, k); err != nil {
		return nil, nil, fmt.Errorf("what was kept of a program: %w", err)
	}
	s, err := codemode.DecodeSuspension(memory)
	if errors.Is(err, codemode.ErrOtherEngine) {
		err = &goneError{"the gateway was replaced by another version meanwhile"}
	}
	return k, s, err
}

// answers makes the calls that were confirmed, at once, and says of the others that they were not.
func (r *run) answers(ctx context.Context, k *kept, s *codemode.Suspension) map[int]codemode.Answer {
	ctx, cancel := context.WithTimeout(ctx, r.program.Limits.Wall)
	defer cancel()
	out := map[int]codemode.Answer{}
	places := make(chan struct{}, cmp.Or(r.program.Limits.Concurrent, defaultConcurrent))
	var mu sync.Mutex // guards out
	var work sync.WaitGroup
	for _, waiting := range s.Parked {
		call := waiting.Call
		work.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			answer := codemode.Answer{Err: &codemode.ToolError{Code: aggregator.CodeConfirmation, Message: "the user did not confirm this call; do not repeat it unasked"}}
			if asked := k.Asked[call.Seq]; asked != "" && r.call.Answers[questionKey(call.Seq)] {
				answer = r.made(ctx, &call, asked)
			}
			mu.Lock()
			defer mu.Unlock()
			out[call.Seq] = answer
		})
	}
	work.Wait()
	return out
}

// soFar is what a program did that could not go on with answers.
func soFar(s *codemode.Suspension, answers map[int]codemode.Answer) *codemode.Result {
	res := &codemode.Result{}
	for _, c := range s.Calls {
		if a, ok := answers[c.Seq]; ok {
			c.Status = codemode.OK
			if a.Err != nil {
				c.Status, c.Code = codemode.Failed, a.Err.Code
			}
		}
		res.Calls = append(res.Calls, c)
	}
	return res
}
