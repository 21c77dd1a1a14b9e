// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"context"
	"errors"
	"fmt"
	"math"

	"tollgate/aggregator/bridge"
	"tollgate/store"
	"tollgate/upstream"
	"tollgate/upstream/wire"
)

// End is how a call ended.
type End string

// The ends of a call. Answered includes errors the upstream itself answered with.
const (
	Answered       End = "answered"
	Unknown        End = "unknown"
	Refused        End = "refused"
	UpstreamFailed End = "upstream_failed"
	GatewayFailed  End = "gateway_failed"
	Cancelled      End = "cancelled"
	// InputRequired is the end of one round: the call goes on with the client's answers.
	InputRequired End = "input_required"
	// TaskCreated is the end of a call that its upstream goes on with by itself, as a task.
	TaskCreated End = "task"
)

var (
	errNoLedger  = errors.New("no ledger is configured")
	errNoReasons = errors.New("this policy engine cannot explain its decisions")
)

func invalid(message string) *Reply {
	return &Reply{Error: &wire.Error{Code: wire.CodeInvalidParams, Message: message}, End: Unknown}
}

// unknownName is the answer for a hidden and for a missing tool or prompt: nothing in it depends on which it was.
func unknownName(method, name string) *Reply {
	what := "tool"
	if method == MethodGetPrompt {
		what = "prompt"
	}
	return &Reply{Error: &wire.Error{Code: wire.CodeInvalidParams, Message: fmt.Sprintf("Unknown %s: %s", what, name)}, End: Unknown}
}

func unknownResource(client wire.Revision, uri string) *Reply {
	data := append([]byte(`{"uri":`), wire.AppendString(nil, uri)...)
	return &Reply{Error: &wire.Error{Code: bridge.ResourceNotFound(client), Message: "Resource not found", Data: append(data, '}')}, End: Unknown}
}

// refused is the answer to a call that rules or limits do not let through: a result the model can read and act on.
func (g *Gate) refused(c *Call, sentence string) Reply {
	if c.Method != MethodCallTool {
		return Reply{Error: &wire.Error{Code: wire.CodeRefused, Message: sentence}, End: Refused}
	}
	return Reply{Result: bridge.ToolError(c.Client.Revision, sentence), End: Refused}
}

// refuse is the answer to a call that a rule or limit refused: its sentence and the id of the decision. What only operators
// may know goes to the log.
func (g *Gate) refuse(c *Call, v *verdict, r *Refusal) *Reply {
	g.log.Info("call refused", "decision", v.id, "code", r.Code, "rule", r.Rule, "reason", r.Sentence, "detail", r.Detail,
		"subject", v.input.Principal.Subject, "actor", v.input.Principal.Actor, "method", c.Method, "object", v.input.Object.Name,
		"upstream", v.input.Object.Upstream, "original_name", v.input.Object.OriginalName)
	// Names of roles and rules are for operators. Those of limits are written for callers, and are in the sentence.
	reply := g.refused(c, fmt.Sprintf("refused: %s (decision %s)", r.Sentence, v.id))
	reply.Refusal, reply.Decision = r, v.id
	return &reply
}

// overLimit says that a limit is used up, and when to come back.
func overLimit(e *store.ExceededError) *Refusal {
	r := &Refusal{Code: CodeRate, Rule: e.Claim.Limit, RetryAfter: e.RetryAfter}
	if e.Claim.Concurrency > 0 {
		r.Code = CodeConcurrency
		r.Sentence = fmt.Sprintf("limit reached: %q: %d of %d calls are running; wait for one to end", e.Claim.Limit, e.Used, e.Claim.Concurrency)
		return r
	}
	seconds := int64(math.Ceil(e.RetryAfter.Seconds()))
	r.Sentence = fmt.Sprintf("limit reached: %q: %d of %d calls within %s are used; try again in %d s", e.Claim.Limit, e.Used, e.Claim.Rate, e.Claim.Window, seconds)
	return r
}

// upstreamFailed names the upstream and says whether the request may have been executed. A call its own client gave up
// is cancelled, not failed.
func (g *Gate) upstreamFailed(c *Call, err error) Reply {
	var up *upstream.Error
	switch {
	case errors.Is(err, context.Canceled):
		return Reply{Error: &wire.Error{Code: wire.CodeUpstreamFailed, Message: "the call was cancelled"}, End: Cancelled}
	case errors.As(err, &up):
		g.log.Warn("upstream failed", "upstream", up.Upstream, "method", c.Method, "kind", up.Kind, "error", err)
		return Reply{Error: &wire.Error{Code: wire.CodeUpstreamFailed, Message: up.Public(), Data: failureData(up)}, End: UpstreamFailed}
	}
	return g.failed(c, err)
}

func failureData(up *upstream.Error) []byte {
	d := append([]byte(`{"upstream":`), wire.AppendString(nil, up.Upstream)...)
	d = append(d, `,"kind":`...)
	d = wire.AppendString(d, string(up.Kind))
	if up.Sent {
		return append(d, `,"outcome":"unknown"}`...)
	}
	return append(d, `,"outcome":"not_executed"}`...)
}

// failed is the gateway's own failure; the detail goes to the log only.
func (g *Gate) failed(c *Call, err error) Reply {
	if errors.Is(err, ErrUnknownToolset) {
		return Reply{Error: &wire.Error{Code: wire.CodeInvalidParams, Message: err.Error()}, End: Unknown}
	}
	g.log.Error("the gateway failed a call", "method", c.Method, "error", err)
	return Reply{Error: &wire.Error{Code: wire.CodeInternal, Message: "the gateway could not handle this call; its log says why"}, End: GatewayFailed}
}
