// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"tollgate/aggregator/bridge"
	"tollgate/aggregator/catalog"
	"tollgate/policy/limit"
	"tollgate/store"
	"tollgate/store/ledger"
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
	// Expired is the end of a call in the records that was to go on, and nobody came back for it in time.
	Expired End = "expired"
)

var (
	errNoLedger  = errors.New("no ledger is configured")
	errNoReasons = errors.New("this policy engine cannot explain its decisions")
)

func invalid(message string) *Reply {
	return &Reply{Error: &wire.Error{Code: wire.CodeInvalidParams, Message: message}, End: Unknown, cause: "the request is not valid"}
}

// unknownName is the answer for a hidden and for a missing tool or prompt: nothing in it depends on which it was.
func unknownName(method, name string) *Reply {
	what, kind := "tool", catalog.Tool
	if method == MethodGetPrompt {
		what, kind = "prompt", catalog.Prompt
	}
	return &Reply{
		Error: &wire.Error{Code: wire.CodeInvalidParams, Message: fmt.Sprintf("Unknown %s: %s", what, name)}, End: Unknown, sought: &sought{kind, name},
	}
}

func unknownResource(client wire.Revision, uri string) *Reply {
	data := append([]byte(`{"uri":`), wire.AppendString(nil, uri)...)
	return &Reply{Error: &wire.Error{Code: bridge.ResourceNotFound(client), Message: "Resource not found", Data: append(data, '}')}, End: Unknown, sought: &sought{catalog.Resource, uri}}
}

// refused is the answer to a call that rules or limits do not let through: a result the model can read and act on.
func (g *Gate) refused(c *Call, sentence string) Reply {
	if c.Method != MethodCallTool {
		return Reply{Error: &wire.Error{Code: wire.CodeRefused, Message: sentence}, End: Refused}
	}
	return Reply{Result: bridge.ToolError(c.Client.Revision, sentence), End: Refused}
}

// refusal is the answer to a call that a rule or limit refused: its sentence and the id of the decision. What only operators
// may know goes to the log.
func (g *Gate) refusal(c *Call, v *verdict, r *Refusal) *Reply {
	g.log.Info("call refused", "decision", v.Decision, "code", r.Code, "rule", r.Rule, "reason", r.Sentence, "detail", r.Detail,
		"subject", v.Input.Principal.Subject, "actor", v.Input.Principal.Actor, "method", c.Method, "object", v.Input.Object.Name,
		"upstream", v.Input.Object.Upstream, "original_name", v.Input.Object.OriginalName)
	// Names of roles and rules are for operators. Those of limits are written for callers, and are in the sentence.
	reply := g.refused(c, fmt.Sprintf("refused: %s (decision %s)", r.Sentence, v.Decision))
	reply.Refusal, reply.Decision = r, v.Decision
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
	r.Sentence = fmt.Sprintf("limit reached: %q: %d of %d calls within %s are used; try again in %d s", e.Claim.Limit, e.Used, e.Claim.Rate, e.Claim.Window, seconds(e.RetryAfter))
	return r
}

// upstreamFailed names the upstream and says whether the request may have been executed. A call its own client gave up
// is cancelled, not failed.
func (g *Gate) upstreamFailed(c *Call, err error) Reply {
	var up *upstream.Error
	switch {
	case errors.Is(err, context.Canceled):
		sent := errors.As(err, &up) && up.Sent
		return Reply{
			Error: &wire.Error{Code: wire.CodeUpstreamFailed, Message: "the call was cancelled"}, End: Cancelled, executed: sent,
			cause: "the client went away",
		}
	case errors.As(err, &up):
		g.log.Warn("upstream failed", "upstream", up.Upstream, "method", c.Method, "kind", up.Kind, "error", err)
		return Reply{
			Error: &wire.Error{Code: wire.CodeUpstreamFailed, Message: up.Public(), Data: failureData(up)}, End: UpstreamFailed,
			cause: up.Public(), executed: up.Sent,
		}
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
		return *invalid(err.Error())
	}
	g.log.Error("the gateway failed a call", "method", c.Method, "error", err)
	return Reply{Error: &wire.Error{Code: wire.CodeInternal, Message: "the gateway could not handle this call; its log says why"}, End: GatewayFailed, cause: "the gateway failed, its log says why"}
}

// broke is failed once the upstream may have done its work.
func (g *Gate) broke(c *Call, err error) Reply {
	out := g.failed(c, err)
	out.executed = true
	return out
}

// unavailable is the answer to a call that the ledger could not admit or whose refusal it could not record: nothing was
// done.
func (g *Gate) unavailable(c *Call, decision string, err error) Reply {
	var down *ledger.UnavailableError
	if !errors.As(err, &down) {
		return told(g.failed(c, fmt.Errorf("ledger: %w", err)), decision)
	}
	g.log.Error("the ledger is not available", "decision", decision, "method", c.Method, "error", err)
	r := &Refusal{Code: CodeLedger, RetryAfter: max(down.Retry, leastWait), Detail: "the ledger is not available"}
	what := "cannot record calls"
	if down.Busy {
		what = "is busy"
	}
	r.Sentence = fmt.Sprintf("the gateway's ledger %s at the moment; nothing was done: try again in %d s", what, seconds(r.RetryAfter))
	return told(Reply{Error: &wire.Error{Code: wire.CodeInternal, Message: r.Sentence}, End: GatewayFailed, Refusal: r, cause: r.Detail}, decision)
}

// unrecorded is the answer to a call that has been made and whose outcome is not in the log: as long as it is not, what the
// call did is not told. Nobody is sent to make it again, unless it did not reach its upstream.
func (g *Gate) unrecorded(c *Call, to *target, out *Reply, err error) Reply {
	decision := to.verdict.Decision
	g.log.Error("the outcome of a call is not recorded", "decision", decision, "method", c.Method, "end", out.End, "error", err)
	if !out.reached() {
		r := &Refusal{Code: CodeLedger, RetryAfter: leastWait, Detail: "the outcome of the call is not recorded"}
		r.Sentence = fmt.Sprintf("the call did not reach its upstream, and the gateway's ledger could not record that; "+
			"nothing was done: try again in %d s", seconds(r.RetryAfter))
		return Reply{Error: &wire.Error{Code: wire.CodeInternal, Message: r.Sentence}, End: GatewayFailed, Refusal: r, cause: r.Detail}
	}
	r := &Refusal{Code: CodeUnrecorded, Detail: "the outcome of the call is not recorded, its result was withheld"}
	r.Sentence = "the call was made, but the gateway could not record in time how it ended, so its result is withheld. " +
		"It may have taken effect: find out before making it again"
	data := append([]byte(`{"upstream":`), wire.AppendString(nil, to.upstream)...)
	data = wire.AppendString(append(data, `,"outcome":"unknown","decision":`...), decision)
	return Reply{
		Error: &wire.Error{Code: wire.CodeInternal, Message: r.Sentence, Data: append(data, '}')}, End: GatewayFailed, Refusal: r, cause: r.Detail,
		Charged: out.Charged, executed: true,
	}
}

// reached reports whether the upstream may have seen the call that ended like this.
func (r *Reply) reached() bool {
	switch r.End {
	case UpstreamFailed, Cancelled, GatewayFailed:
		return r.executed
	}
	return true
}

// told is reply with the decision. Of a failure of the gateway the caller is told it in words, to ask an operator about.
func told(reply Reply, decision string) Reply {
	reply.Decision = decision
	if reply.End == GatewayFailed && reply.Error != nil && !strings.Contains(reply.Error.Message, decision) {
		e := *reply.Error
		e.Message += fmt.Sprintf(" (decision %s)", decision)
		reply.Error = &e
	}
	return reply
}

func seconds(d time.Duration) int64 { return int64(math.Ceil(d.Seconds())) }

// overBudget says that a budget has no room for the call, and when it has again. Of budgets that are not the caller's own
// nothing is said.
func overBudget(e *ledger.ExceededError, v *verdict, now time.Time) *Refusal {
	r := &Refusal{Code: CodeBudget, Rule: e.Name, Budget: e, RetryAfter: max(0, e.End.Sub(now)), Detail: e.Error()}
	i := slices.IndexFunc(v.budgets, func(b *limit.Budget) bool { return b.ID() == e.Budget })
	if i < 0 {
		r.Sentence, r.Budget = "a budget has no room for this call", nil
		return r
	}
	at := e.End
	if zone := v.budgets[i].Period().Zone; zone != nil {
		at = at.In(zone)
	}
	r.Sentence = fmt.Sprintf("budget %q has %s left of %s and this call may cost up to %s", e.Name,
		ledger.FormatUSD(e.Remaining()), ledger.FormatUSD(e.Limit), ledger.FormatUSD(e.Cost))
	switch {
	case e.Cost > e.Limit:
		r.RetryAfter = 0 // it never has
	case e.End.IsZero():
	case e.Begin.IsZero():
		r.Sentence += "; it has room again at " + at.Format(minutes)
	default:
		r.Sentence += "; it starts anew at " + at.Format(minutes)
	}
	return r
}

// minutes is how moments are written that a budget waits for.
const minutes = "2006-01-02T15:04Z07:00"
