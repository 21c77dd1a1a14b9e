// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"tollgate/aggregator/auth"
	"tollgate/aggregator/bridge"
	"tollgate/store"
	"tollgate/upstream/wire"
)

// MetaIdempotencyKey is the member of _meta that makes a tools/call one with an earlier one of the same caller.
const MetaIdempotencyKey = "tollgate/idempotency_key"

// maxKey bounds an idempotency key in bytes.
const maxKey = 256

// CheckIdempotencyKey says why text is no idempotency key: it has 1 to 256 bytes, all of them characters that print.
func CheckIdempotencyKey(text string) error {
	if text == "" || len(text) > maxKey || !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return fmt.Errorf("an idempotency key is 1 to %d bytes of characters that print", maxKey)
	}
	return nil
}

// leastWait is how long a caller is told to wait where nobody knows how long it takes.
const leastWait = time.Second

// begin takes the idempotency key of a call, where it has one. It returns nil when the call may be made: [Gate.keep] or
// [Gate.forget] then say what became of it. Else it answers the kept reply, or why there is none.
func (g *Gate) begin(ctx context.Context, w *who, c *Call, to *target) *Reply {
	if c.IdempotencyKey == "" || c.Method != MethodCallTool {
		return nil
	}
	v := to.verdict
	if g.opts.Replies == nil {
		return g.refuse(ctx, c, v, &Refusal{Code: CodeIdempotency, Sentence: "this gateway keeps no replies, so it cannot take an idempotency key"})
	}
	kept, err := g.opts.Replies.Begin(context.WithoutCancel(ctx), w.caller.Key(), c.IdempotencyKey, requestOf(c), v.Decision)
	var conflict *store.ConflictError
	var full *store.FullError
	switch {
	case errors.As(err, &conflict):
		return g.refuse(ctx, c, v, &Refusal{Code: CodeIdempotency, Sentence: conflict.Error() + "; " + conflict.Hint(), Detail: "the call is that of decision " + conflict.Call})
	case errors.As(err, &full):
		return g.refuse(ctx, c, v, &Refusal{Code: CodeRate, Sentence: full.Error() + "; " + full.Hint(), RetryAfter: leastWait})
	case err != nil:
		reply := told(g.failed(c, fmt.Errorf("idempotency keys: %w", err)), v.Decision)
		g.recordFailure(ctx, &v.Asked, &reply)
		return &reply
	case kept != nil:
		return g.again(ctx, c, v, kept)
	}
	to.begun = true
	return nil
}

// again answers the kept reply of an earlier call.
func (g *Gate) again(ctx context.Context, c *Call, v *verdict, kept *store.Kept) *Reply {
	if kept.TooLarge {
		return g.refuse(ctx, c, v, &Refusal{
			Code: CodeIdempotency, Detail: "the call is that of decision " + kept.Call,
			Sentence: "the call with this idempotency key has ended, but its answer was too large to be kept; use a new key to make it again",
		})
	}
	reply, err := unpack(kept.Reply)
	if err != nil {
		reply = told(g.failed(c, fmt.Errorf("the reply kept for decision %s: %w", kept.Call, err)), v.Decision)
		g.recordFailure(ctx, &v.Asked, &reply)
		return &reply
	}
	r := &RefusedCall{Asked: v.Asked, End: reply.End, Replays: kept.Call}
	if err := g.opts.Ledger.Refuse(context.WithoutCancel(ctx), r); err != nil {
		reply = g.unavailable(c, v.Decision, err)
	}
	return &reply
}

// requestOf tells requests apart that may come with one key: those of the two eras are answered otherwise.
func requestOf(c *Call) [32]byte {
	return sha256.Sum256([]byte(c.Method + "\n" + strconv.FormatBool(c.Client.Revision.Modern()) + "\n" + bridge.RequestDigest(c.Params)))
}

// forget makes the key of a call free that was not made.
func (g *Gate) forget(ctx context.Context, caller *auth.Principal, c *Call, to *target) {
	if !to.begun {
		return
	}
	if err := g.opts.Replies.Forget(context.WithoutCancel(ctx), caller.Key(), c.IdempotencyKey); err != nil {
		g.log.Error("an idempotency key could not be made free", "decision", to.verdict.Decision, "error", err)
	}
}

// keep keeps the reply of a call that was made. What is not known to have failed is not to be done again: then the reply says
// so.
func (g *Gate) keep(ctx context.Context, caller *auth.Principal, c *Call, to *target, reply *Reply) {
	if !to.begun {
		return
	}
	final := *reply
	switch {
	case reply.End == Answered || reply.End == TaskCreated || reply.Refusal != nil && reply.Refusal.Code == CodeResultSize:
	case reply.executed:
		final = outcomeUnknown(to, reply)
	default:
		g.forget(ctx, caller, c, to)
		return
	}
	if err := g.opts.Replies.Finish(ctx, caller.Key(), c.IdempotencyKey, pack(&final)); err != nil {
		g.log.Error("the reply to a call with an idempotency key could not be kept", "decision", to.verdict.Decision, "error", err)
	}
}

// outcomeUnknown is reply, of a call that may have been executed, for those who send it again.
func outcomeUnknown(to *target, reply *Reply) Reply {
	if reply.End == UpstreamFailed || reply.Refusal != nil {
		return *reply // says so
	}
	up := protocolError(to, "did not answer before the call was given up")
	return told(Reply{
		Error: &wire.Error{Code: wire.CodeUpstreamFailed, Message: up.Public(), Data: failureData(up)}, End: UpstreamFailed, Charged: reply.Charged,
	}, to.verdict.Decision)
}

// packed is what is kept of a reply before its bytes.
type packed struct {
	End      End
	Decision string
	Charged  int64    `json:",omitempty"`
	Failed   bool     `json:",omitempty"` // the bytes are those of the error
	Refusal  *Refusal `json:",omitempty"`
}

// pack is a reply as it is kept: a line of JSON, then the bytes of the result or of the error.
func pack(r *Reply) []byte {
	body := r.Result
	if r.Error != nil {
		body, _ = wire.Lookup(wire.AppendError(nil, nil, r.Error), "error")
	}
	head, err := json.Marshal(packed{r.End, r.Decision, r.Charged, r.Error != nil, r.Refusal})
	if err != nil {
		return nil // plain values are always fit for JSON
	}
	return append(append(head, '\n'), body...)
}

// unpack reads what pack wrote.
func unpack(kept []byte) (Reply, error) {
	head, body, ok := bytes.Cut(kept, []byte("\n"))
	var p packed
	if err := json.Unmarshal(head, &p); err != nil || !ok || len(body) == 0 {
		return Reply{}, fmt.Errorf("is no reply: %w", err)
	}
	r := Reply{End: p.End, Decision: p.Decision, Charged: p.Charged, Refusal: p.Refusal, Replayed: true}
	if p.Failed {
		r.Error = wire.ParseError(body)
	} else {
		r.Result = body
	}
	return r, nil
}
