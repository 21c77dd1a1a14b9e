// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"runtime/debug"
	"sync"

	"tollgate/aggregator/auth"
	"tollgate/aggregator/bridge"
	"tollgate/store/ledger"
	"tollgate/upstream/wire"
)

// OriginCode is the [Call.Origin] of calls that programs make.
const OriginCode = "code"

// ruleScript names the bounds of one program in refusals.
const ruleScript = "script"

// ScriptRef links a call to the program that it runs or belongs to.
type ScriptRef struct {
	Execution string // decision of the call that began the program
	Program   string // hex SHA-256 of its source
	Seq       int    // of a call that the program makes, from 1; 0 = the program itself
}

func (r *ScriptRef) execution() string {
	if r == nil {
		return ""
	}
	return r.Execution
}

// ScriptBounds are what the calls of one program may come to, beside the limits and budgets of its caller. Zero = no bound.
type ScriptBounds struct {
	Spend int64 // nano-USD: what its calls cost and may cost at most
	Bytes int64 // of their results
}

// InnerCall is a call that a program makes.
type InnerCall struct {
	Seq       int
	Name      string // displayed
	Arguments []byte // an object
	Confirmed string // the Asked of the reply that was a question, once the user has confirmed it; "" = nothing was
}

// InnerReply is how it ended. Question says that the user must be asked before it is made again as confirmed, and Asked what
// exactly; Over, that the program has used up what it may.
type InnerReply struct {
	Reply
	Question *bridge.Question
	Asked    string
	Over     bool
}

// script is one program while it runs.
type script struct {
	gate   *Gate
	caller *auth.Principal
	outer  *Call
	ref    *ScriptRef
	bounds ScriptBounds

	mu    sync.Mutex // guards what follows
	spent int64      // what calls cost that have ended
	held  int64      // what running calls may cost
	bytes int64
}

// inner is what a call of a program knows of it.
type inner struct {
	script    *script
	seq       int
	confirmed string           // what the user confirmed
	held      int64            // of script.held
	question  *bridge.Question // that must be answered first
	asked     string           // what it is about
	over      bool
}

func (i *inner) ref() *ScriptRef {
	out := ScriptRef{Seq: i.seq}
	if own := i.script.ref; own != nil {
		out.Execution, out.Program = own.Execution, own.Program
	}
	return &out
}

// call makes one call of the program: an ordinary one of its caller, which cannot be asked anything but whether it may be
// made.
func (s *script) call(ctx context.Context, in *InnerCall) InnerReply {
	params := wire.Set(nil, "name", wire.AppendString(nil, in.Name))
	params = wire.Set(params, "arguments", in.Arguments)
	i := &inner{script: s, seq: in.Seq, confirmed: in.Confirmed}
	c := &Call{
		Method: MethodCallTool, Params: params, Toolset: s.outer.Toolset, Transport: s.outer.Transport, SourceIP: s.outer.SourceIP, Origin: OriginCode,
		Client: bridge.Client{Revision: wire.R20260728, Info: s.outer.Client.Info, Capabilities: []byte("{}")}, inner: i,
	}
	reply := s.guarded(ctx, c)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held -= i.held
	s.spent += reply.Charged
	if b := s.bounds.Bytes; b > 0 && s.bytes >= b && reply.End == Answered && reply.Result != nil {
		reply = s.withheld(c, i, &reply)
	}
	s.bytes += int64(len(reply.Result))
	return InnerReply{Reply: reply, Question: i.question, Asked: i.asked, Over: i.over}
}

// guarded is [Gate.Call], but a panic fails this call only: programs make their calls on goroutines of their own.
func (s *script) guarded(ctx context.Context, c *Call) (out Reply) {
	defer func() {
		if p := recover(); p != nil {
			out = s.gate.broke(c, fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
		}
	}()
	return s.gate.Call(ctx, s.caller, c)
}

// withheld is the reply to a call whose result came when others had used up the bytes that the program may have.
func (s *script) withheld(c *Call, i *inner, reply *Reply) Reply {
	r := &Refusal{Code: CodeResultSize, Rule: ruleScript, Sentence: fmt.Sprintf("the tool answered, but %s", s.full())}
	i.over = true
	out := s.gate.refused(c, r.Sentence)
	out.Refusal, out.Decision, out.Charged = r, reply.Decision, reply.Charged
	return out
}

func (s *script) full() string {
	return fmt.Sprintf("the results of one program may have %d bytes, and so many have come", s.bounds.Bytes)
}

// used is what the calls of the program have come to, once none is running.
func (s *script) used() (spent, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.spent, s.bytes
}

// take makes room for a call that may cost so much, or says why there is none. A program that would have room if the calls
// cost nothing that are still running is not over yet.
func (s *script) take(i *inner, cost int64) *Refusal {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.bounds
	r := &Refusal{Code: CodeBudget, Rule: ruleScript}
	switch {
	case b.Spend > 0 && cost > b.Spend-s.spent-s.held:
		i.over = cost > b.Spend-s.spent
		r.Sentence = fmt.Sprintf("one program may spend %s, %s are spent or held, and this call may cost up to %s",
			ledger.FormatUSD(b.Spend), ledger.FormatUSD(s.spent+s.held), ledger.FormatUSD(cost))
	case b.Bytes > 0 && s.bytes >= b.Bytes:
		i.over = true
		r.Code, r.Sentence = CodeResultSize, s.full()
	default:
		s.held += cost
		i.held = cost
		return nil
	}
	return r
}

// confirmInner is [Gate.confirm] for a call of a program: its program waits while the user is asked. What was confirmed is
// good for this very call only: with another tool, definition, argument or question the user is asked again.
func (g *Gate) confirmInner(ctx context.Context, c *Call, to *target, v *verdict) *Reply {
	asked := to.confirmable(v)
	if c.inner.confirmed == asked {
		return nil
	}
	client := c.inner.script.outer
	question := confirmation(client, to, v)
	if question.Key = fmt.Sprintf("%s_%d", confirmKey, c.inner.seq); !client.Client.CanAsk(&question) || !client.Client.Revision.Modern() && client.Peer == nil {
		return g.refuse(ctx, c, v, &Refusal{Code: CodeConfirmation, Sentence: "this call needs the user's confirmation, and this client cannot ask for it"})
	}
	c.inner.question, c.inner.asked = &question, asked
	return g.undecided(ctx, c, v, Reply{Result: bridge.ToolError(c.Client.Revision, "this call waits for the user's confirmation"), End: InputRequired}, CodeAsked)
}

// confirmable names all that a user confirms: the tool as it is defined, its arguments and what the rules ask.
func (to *target) confirmable(v *verdict) string {
	parts := []string{to.upstream, to.object.OriginalName, to.shown, wire.Digest(v.Input.Arguments)}
	if to.entry != nil {
		parts = append(parts, to.entry.Hash)
	}
	var b []byte
	for _, part := range append(parts, v.obligations.Confirm...) {
		b = wire.AppendString(b, part)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// insist makes a call of a program, which cannot bring a state back later: what its upstream was only too busy for is sent
// again at once.
func (g *Gate) insist(ctx context.Context, c *Call, to *target) Reply {
	params := to.params
	for round := 0; ; round++ {
		out := g.exchange(ctx, c.inner.script.caller, c, to, nil)
		if out.Error != nil || !bridge.IsInputRequired(out.Result) {
			return out
		}
		if questions, err := bridge.Questions(out.Result, &c.Client); err != nil || len(questions) > 0 {
			return g.refused(c, fmt.Sprintf("upstream %q needs input from the user, which a program cannot ask for: call the tool by itself", to.upstream))
		}
		if round == maxRounds {
			return g.upstreamFailed(c, protocolError(to, fmt.Sprintf("put the call off more than %d times", maxRounds)))
		}
		if !pause(ctx, round) {
			return g.upstreamFailed(c, ctx.Err())
		}
		state, has := bridge.RequestState(out.Result)
		to.params = bridge.Retry(params, nil, state, has)
	}
}
