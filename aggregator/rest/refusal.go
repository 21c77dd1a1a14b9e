// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"tollgate/aggregator"
	"tollgate/aggregator/auth"
	"tollgate/store/ledger"
	"tollgate/upstream"
	"tollgate/upstream/wire"
)

// unanswered is what to say of a call that the tool did not answer; nil when it did.
func (s *Server) unanswered(caller *auth.Principal, in *asked, reply *aggregator.Reply) *problem {
	var p *problem
	switch {
	case reply.Refusal != nil:
		p = s.refused(caller, reply.Refusal)
	case reply.End == aggregator.Answered:
		return nil
	case reply.End == aggregator.Unknown:
		return s.denied(caller, in) // without the decision: hidden and missing have the same bytes
	case reply.End == aggregator.Refused:
		// The only refusal that is none of a rule: the upstream asks for what this client cannot give.
		p = &problem{status: http.StatusForbidden, name: inputRequired, message: reasonIn(reply)}
	case reply.End == aggregator.InputRequired || reply.End == aggregator.TaskCreated:
		p = &problem{status: http.StatusForbidden, name: inputRequired, message: "the tool wants to go on with its client, which this API cannot: call it over MCP"}
	case reply.End == aggregator.UpstreamFailed || reply.End == aggregator.Cancelled:
		p = failedUpstream(reply.Error)
	default:
		p = &problem{status: http.StatusInternalServerError, message: reply.Error.Message}
	}
	p.decision = reply.Decision
	if reply.Charged > 0 {
		p.more = append(p.more, text("cost", ledger.FormatUSD(reply.Charged)))
	}
	return p
}

// denied is the answer for a hidden and for a missing tool: nothing in it depends on which it was.
func (s *Server) denied(caller *auth.Principal, in *asked) *problem {
	message := fmt.Sprintf("Tool '%s' is not allowed for role '%s'", in.shown(), strings.Join(s.gate.Roles(caller), ", "))
	return &problem{status: http.StatusForbidden, name: accessDenied, message: message}
}

// leastRetry is told where nobody knows how soon there is room again.
const leastRetry = time.Second

// refused is the answer to a call that a rule or a limit refused.
func (s *Server) refused(caller *auth.Principal, r *aggregator.Refusal) *problem {
	p := &problem{status: http.StatusForbidden, name: accessDenied, message: r.Sentence, more: []member{text("code", r.Code)}}
	switch r.Code {
	case aggregator.CodeScope:
		p.name, p.challenge = insufficientScope, s.opts.Auth.InsufficientScope(caller, r.Scopes)
		p.status = p.challenge.Status
		p.more = append(p.more, member{"scopes", appendTexts(nil, r.Scopes)})
	case aggregator.CodeRate, aggregator.CodeConcurrency:
		p.status, p.name, p.retry = http.StatusTooManyRequests, rateLimitExceeded, max(r.RetryAfter, leastRetry)
		if r.Rule != "" {
			p.more = append(p.more, text("limit", r.Rule))
		}
	case aggregator.CodeBudget:
		p.status, p.name = http.StatusPaymentRequired, budgetExceeded
		if r.Budget != nil {
			p.more = append(p.more, s.exceeded(r.Budget)...)
		}
	case aggregator.CodeLedger:
		p.status, p.name, p.retry = http.StatusServiceUnavailable, ledgerUnavailable, max(r.RetryAfter, leastRetry)
	case aggregator.CodeUnrecorded: // nobody is sent to try again: the tool was executed
		p.status, p.name = http.StatusBadGateway, outcomeUnrecorded
		p.more = append(p.more, member{"outcome_unknown", []byte("true")})
	case aggregator.CodeIdempotency:
		p.status, p.name = http.StatusConflict, idempotencyClash
	case aggregator.CodeResultSize:
		p.name = resultTooLarge
	}
	return p
}

// exceeded describes the budget that has no room.
func (s *Server) exceeded(e *ledger.ExceededError) []member {
	more := []member{text("budget", e.Name)}
	if e.Account != "" {
		more = append(more, text("account", e.Account))
	}
	more = append(more, text("limit", ledger.FormatUSD(e.Limit)), text("spent", ledger.FormatUSD(e.Settled)),
		text("reserved", ledger.FormatUSD(e.Reserved)), text("remaining", ledger.FormatUSD(e.Remaining())),
		text("needed", ledger.FormatUSD(e.Cost)))
	if !e.End.IsZero() {
		more = append(more, text("resets_at", e.End.In(s.opts.Zone).Format(time.RFC3339)))
	}
	return more
}

// reasonIn is what a reply says to the model, or to the client.
func reasonIn(reply *aggregator.Reply) string {
	if reply.Error != nil {
		return reply.Error.Message
	}
	return texts(reply.Result)
}

// failedUpstream names the upstream, and says whether the request may have been executed.
func failedUpstream(e *wire.Error) *problem {
	p := &problem{status: http.StatusBadGateway, name: upstreamFailed, message: e.Message}
	for _, name := range []string{"upstream", "kind"} {
		if raw, ok := wire.Lookup(e.Data, name); ok {
			p.more = append(p.more, member{name, raw})
		}
	}
	raw, _ := wire.Lookup(e.Data, "outcome")
	outcome, known := wire.String(raw)
	value := "true"
	if known && outcome != "unknown" {
		value = "false"
	}
	p.more = append(p.more, member{"outcome_unknown", []byte(value)})
	kind, _ := wire.Lookup(e.Data, "kind")
	if kind, _ := wire.String(kind); kind == string(upstream.KindTimeout) {
		p.status, p.name = http.StatusGatewayTimeout, upstreamTimeout
	}
	return p
}

func appendTexts(b []byte, all []string) []byte {
	b = append(b, '[')
	for i, one := range all {
		if i > 0 {
			b = append(b, ',')
		}
		b = wire.AppendString(b, one)
	}
	return append(b, ']')
}
