// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"

	"tollgate/policy"
	"tollgate/store/audit"
	"tollgate/upstream/wire"
)

const (
	// maxText bounds sentences in records, maxLabel names, in bytes: callers choose some of them.
	maxText  = 1 << 10
	maxLabel = 1 << 10
	// maxTaken bounds the places of arguments that one record lists. With more, only their digest is kept.
	maxTaken = 1 << 10
	// recordVersion is that of the records made here.
	recordVersion = 1
)

// intent is the record of a call that asks to be admitted. before is the call that it goes on with, nil for none.
func (a *Accounting) intent(in *Intent, before *running) *audit.Record {
	r, text := a.asked(audit.Intent, &in.Asked)
	r.Reason = clip(text.scrub(in.Reason), maxText)
	if before != nil {
		r.Continues = before.id
	}
	return r
}

// outcome is the record of how a call ended, but for what it cost and how long it took.
func (a *Accounting) outcome(out *Outcome) *audit.Record {
	r := &audit.Record{Version: recordVersion, Kind: audit.Outcome, End: string(out.End), Bytes: int64(out.Bytes), Error: clip(out.Error, maxText)}
	if out.Raw != nil && !a.silent {
		sum := sha256.Sum256(out.Raw)
		r.Result = hex.EncodeToString(sum[:])
	}
	return r
}

// refusal is the record of a request that reached no upstream.
func (a *Accounting) refusal(x *RefusedCall) *audit.Record {
	kind := audit.Refusal
	if x.Replays != "" {
		kind = audit.Replay
	}
	r, text := a.asked(kind, &x.Asked)
	r.Target = x.Replays
	if kind == audit.Replay {
		r.Input, r.Arguments = nil, nil // those of its call
		return r
	}
	r.Reason = clip(text.scrub(x.Reason), maxText)
	r.End, r.Code, r.Rule, r.Retry = string(x.End), x.Code, clip(x.Rule, maxLabel), x.RetryAfter.Milliseconds()
	r.Sentence, r.Detail = clip(text.scrub(x.Sentence), maxText), clip(text.scrub(x.Detail), maxText)
	return r
}

// note is the record of a note.
func (a *Accounting) note(n *Note) *audit.Record {
	now := a.now()
	r := &audit.Record{
		Version: recordVersion, Kind: audit.Admin, ID: newDecisionID(now), Time: now.UTC(), Node: a.node, Class: audit.Async,
		Action: n.Action, Actor: clip(n.Actor, maxLabel), Target: clip(n.Target, maxLabel),
	}
	if len(n.Details) > 0 {
		details := make(map[string]string, len(n.Details))
		for key, value := range n.Details {
			details[key] = clip(value, maxLabel)
		}
		r.Details, _ = json.Marshal(details) // strings are always fit for JSON
	}
	return r
}

// asked is what all records of requests say. text takes out of sentences what the record does not keep.
func (a *Accounting) asked(kind audit.Kind, q *Asked) (r *audit.Record, text scrubber) {
	moment := q.Began
	if moment.IsZero() {
		moment = a.now()
	}
	r = &audit.Record{
		Version: recordVersion, Kind: kind, ID: q.Decision, Time: moment.UTC(), Node: a.node, Class: q.Recorded.class(q.Call.Method),
		Of: labels(q), Revision: q.Revision, Method: q.Call.Method,
	}
	if q.Call.IdempotencyKey != "" {
		r.Idempotency = hex.EncodeToString(a.mac(q.Caller.Key(), q.Call.IdempotencyKey)[:16])
	}
	if x := q.Script; x != nil {
		r.Script = &audit.Script{Execution: x.Execution, Program: x.Program, Seq: x.Seq}
	}
	if q.Input != nil {
		r.Input, r.Arguments, text = a.document(q.Input, q.Recorded)
	}
	return r, text
}

// labels say whose request it was, of what.
func labels(q *Asked) *audit.Labels {
	o := &q.Object
	return &audit.Labels{
		Org: q.Caller.Org, Team: q.Caller.Team, User: q.Caller.Subject, Key: q.Caller.KeyID,
		Upstream: o.Upstream, Kind: o.Kind, Tool: clip(cmp.Or(o.OriginalName, o.URI), maxLabel), Name: clip(cmp.Or(q.Name, o.Name, o.URI), maxLabel),
		Origin: cmp.Or(q.Call.Origin, OriginMCP),
	}
}

// document is the decision input as the record keeps it, and what it keeps of the arguments.
func (a *Accounting) document(in *policy.Input, how *Recorded) (document []byte, kept *audit.Arguments, text scrubber) {
	level := audit.LevelDigest
	if how != nil && len(in.Arguments) <= policy.MaxArguments && !in.Truncated {
		level = how.Level
	}
	switch level {
	case audit.LevelFull:
		return in.JSON(), &audit.Arguments{Level: level}, text
	case audit.LevelRedacted:
		arguments, taken, ok := how.rule.Document(in.Arguments)
		if !ok || len(taken) > maxTaken {
			break
		}
		copied := *in
		copied.Arguments = arguments
		return copied.JSON(), &audit.Arguments{Level: level, Redacted: taken}, scrubber{in.Arguments, taken}
	}
	copied := *in
	copied.Arguments = nil
	copied.Truncated = in.Truncated || len(in.Arguments) > policy.MaxArguments
	return copied.JSON(), &audit.Arguments{Level: audit.LevelDigest, Digest: a.digest(in.Arguments)}, scrubber{in.Arguments, []string{""}}
}

// digest is that of arguments in their canonical form, "" of what has none.
func (a *Accounting) digest(arguments []byte) string {
	if wire.Kind(arguments) != '{' || wire.CheckReply(arguments) != nil {
		return ""
	}
	return "hmac-sha256:" + hex.EncodeToString(a.mac(string(wire.Canonical(arguments))))
}

// mac is an authentication code of parts under the key of digests. Each part has its length before it.
func (a *Accounting) mac(parts ...string) []byte {
	m := hmac.New(sha256.New, a.key)
	if len(parts) == 1 {
		m.Write([]byte(parts[0])) // a digest that others can make too
		return m.Sum(nil)
	}
	var b []byte
	for _, part := range parts {
		b = wire.AppendString(b, part)
	}
	m.Write(b)
	return m.Sum(nil)
}

// clip is s, cut off after most bytes.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// micros is a duration as records have it.
func micros(d time.Duration) int64 { return max(0, d.Microseconds()) }
