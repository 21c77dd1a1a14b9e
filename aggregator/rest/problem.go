// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"math"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tollgate/aggregator/auth"
	"tollgate/upstream/wire"
)

// The names of errors, beside those that HTTP has for a status.
const (
	accessDenied      = "Access Denied"
	insufficientScope = "Insufficient Scope"
	inputRequired     = "Input Required"
	resultTooLarge    = "Result Too Large"
	budgetExceeded    = "Budget Exceeded"
	rateLimitExceeded = "Rate Limit Exceeded"
	idempotencyClash  = "Idempotency Conflict"
	upstreamFailed    = "Upstream Failed"
	upstreamTimeout   = "Upstream Timeout"
	ledgerUnavailable = "Ledger Unavailable"
	outcomeUnrecorded = "Outcome Not Recorded"
	toolError         = "Tool Error"
)

// problem is an answer that is an error.
type problem struct {
	status   int
	name     string // what clients look at; "" = the words that HTTP has for status
	message  string // for people and models
	decision string // id; "" = nothing was decided
	retry    time.Duration
	// challenge brings headers along; nil for none.
	challenge *auth.Challenge
	more      []member
}

// member is one more member of the answer.
type member struct {
	name  string
	value []byte // JSON
}

func text(name, value string) member { return member{name, wire.AppendString(nil, value)} }

func badRequest(message string) *problem {
	return &problem{status: http.StatusBadRequest, message: message}
}

// challenged is the answer to a request without an accepted credential.
func challenged(c *auth.Challenge) *problem {
	p := &problem{status: c.Status, message: c.Message, challenge: c}
	if c.Status == http.StatusForbidden {
		p.name = accessDenied
	}
	return p
}

func (p *problem) title() string {
	if p.name != "" {
		return p.name
	}
	return http.StatusText(p.status)
}

// seconds is how long to wait, whole and at least one; 0 when that is not known.
func (p *problem) seconds() int64 {
	if p.retry <= 0 {
		return 0
	}
	return max(1, int64(math.Ceil(p.retry.Seconds())))
}

// problemType begins the type of every problem. It names them; nothing is served there.
const problemType = "urn:tollgate:problem:"

// append writes p: as problem details (RFC 9457) when asked for, else with error and message.
func (p *problem) append(b []byte, details bool) []byte {
	b = append(b, '{')
	add := func(m member) {
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(wire.AppendString(b, m.name), ':')
		b = append(b, m.value...)
	}
	if details {
		add(text("type", problemType+strings.ReplaceAll(strings.ToLower(p.title()), " ", "-")))
		add(text("title", p.title()))
		add(member{"status", strconv.AppendInt(nil, int64(p.status), 10)})
		add(text("detail", p.message))
		if p.decision != "" {
			add(text("instance", p.decision))
		}
	} else {
		add(text("error", p.title()))
		add(text("message", p.message))
	}
	if p.decision != "" {
		add(text("decision_id", p.decision))
	}
	if n := p.seconds(); n > 0 {
		add(member{"retryAfter", strconv.AppendInt(nil, n, 10)})
	}
	for _, m := range p.more {
		add(m)
	}
	return append(b, '}')
}

// fail answers r with p.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, p *problem) {
	h := w.Header()
	if p.challenge != nil {
		p.challenge.SetHeaders(h)
	}
	if n := p.seconds(); n > 0 {
		h.Set("Retry-After", strconv.FormatInt(n, 10))
	}
	details, kind := wantsDetails(r), "application/json"
	if details {
		kind = "application/problem+json"
	}
	h.Add("Vary", "Accept")
	s.send(w, p.status, kind, p.append(nil, details))
}

// wantsDetails reports whether the client names application/problem+json among what it takes.
func wantsDetails(r *http.Request) bool {
	for _, line := range r.Header.Values("Accept") {
		for one := range strings.SplitSeq(line, ",") {
			kind, params, err := mime.ParseMediaType(one)
			if err != nil || kind != "application/problem+json" {
				continue
			}
			q, err := strconv.ParseFloat(params["q"], 64)
			return err != nil || q > 0
		}
	}
	return false
}

// chunk is how much must get through within the write timeout: a slow client may take a big answer for as long as it
// keeps taking it.
const chunk = 64 << 10

// send writes one answer. A client that does not take it is noticed by nobody: nothing depends on it.
func (s *Server) send(w http.ResponseWriter, status int, kind string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	rc := http.NewResponseController(w)
	_ = rc.SetWriteDeadline(time.Now().Add(s.opts.WriteTimeout)) // a recorder has no deadlines
	w.WriteHeader(status)
	for len(body) > 0 {
		_ = rc.SetWriteDeadline(time.Now().Add(s.opts.WriteTimeout))
		n, err := w.Write(body[:min(chunk, len(body))])
		if err != nil {
			return
		}
		body = body[n:]
	}
}
