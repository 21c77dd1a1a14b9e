// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"tollgate/aggregator"
	"tollgate/aggregator/auth"
	"tollgate/store/audit"
	"tollgate/upstream/wire"
)

const (
	maxRecords     = 1000 // on a page
	defaultRecords = 100
)

// records answers the records that a request selects, the newest first.
func (s *Server) records(w http.ResponseWriter, r *http.Request, caller *auth.Principal) *problem {
	if s.opts.Audit == nil {
		return missing("audit log")
	}
	q := r.URL.Query()
	sc, p := s.scope(caller, q)
	if p != nil {
		return p
	}
	aq, p := s.auditQuery(q, sc)
	if p != nil {
		return p
	}
	page, err := s.pageOf(r.Context(), aq, sc)
	if err != nil && aq.Cursor != "" && r.Context().Err() == nil {
		s.log.Info("records could not be read from a cursor", "error", err)
		return badRequest("parameter \"cursor\" is none that this gateway gave out for this query")
	}
	if err != nil {
		return s.unread("audit log", err)
	}
	b := appendRecords([]byte(`{"records":`), page.Records, sc.whole)
	if page.Next != "" {
		b = append(b, `,"next_cursor":`...)
		b = wire.AppendString(b, page.Next)
	}
	s.send(w, http.StatusOK, "application/json", append(b, '}'))
	return nil
}

// decision answers the records of one decision. One that the caller may not read is like one that there is none of.
func (s *Server) decision(w http.ResponseWriter, r *http.Request, caller *auth.Principal) *problem {
	if s.opts.Audit == nil {
		return missing("audit log")
	}
	found, err := s.opts.Audit.Find(r.Context(), r.PathValue("id"))
	if err != nil {
		return s.unread("audit log", err)
	}
	reads := s.opts.MayRead(caller)
	found = slices.DeleteFunc(found, func(f audit.Found) bool { return !reads.may(caller, f.Record) })
	if len(found) == 0 {
		return &problem{status: http.StatusNotFound, message: "there is no such decision among those that you may read"}
	}
	b := appendRecords([]byte(`{"records":`), found, reads.All)
	s.send(w, http.StatusOK, "application/json", append(b, '}'))
	return nil
}

// may reports whether the caller may read rec.
func (reads *Reads) may(caller *auth.Principal, rec *audit.Record) bool {
	if reads.All {
		return true
	}
	if rec.Of == nil || !slices.Contains(callKinds(), rec.Kind) || caller.Org != "" && rec.Of.Org != caller.Org {
		return false
	}
	return reads.covers(caller, rec.Of)
}

// callKinds are the kinds of records that are about calls; those about the gateway itself are for operators.
func callKinds() []audit.Kind {
	return []audit.Kind{audit.Intent, audit.Outcome, audit.Refusal, audit.Replay}
}

// auditQuery reads what records are asked for.
func (s *Server) auditQuery(q url.Values, sc *scope) (*audit.Query, *problem) {
	aq := &audit.Query{Labels: sc.of, ID: q.Get("id"), End: q.Get("end"), Code: q.Get("code"), Text: q.Get("text"), Cursor: q.Get("cursor")}
	aq.Labels.Tool, aq.Labels.Origin = sc.tool, q.Get("origin")
	var p *problem
	if aq.From, p = s.moment("from", q.Get("from"), false); p != nil {
		return nil, p
	}
	if aq.To, p = s.moment("to", q.Get("to"), true); p != nil {
		return nil, p
	}
	if aq.Limit, p = number(q, "limit", defaultRecords, maxRecords); p != nil {
		return nil, p
	}
	switch q.Get("order") {
	case "", "newest":
		aq.Newest = true
	case "oldest":
	default:
		return nil, badRequest("parameter \"order\" must be newest or oldest")
	}
	for _, word := range words(q.Get("kind")) {
		aq.Kinds = append(aq.Kinds, audit.Kind(word))
	}
	if sc.whole {
		return aq, nil
	}
	if aq.Text != "" {
		return nil, &problem{status: http.StatusForbidden, name: accessDenied, message: "searching in the text of records takes a role with `reports: all`"}
	}
	if len(aq.Kinds) == 0 {
		aq.Kinds = callKinds()
	}
	for _, kind := range aq.Kinds {
		if !slices.Contains(callKinds(), kind) {
			return nil, &problem{status: http.StatusForbidden, name: accessDenied, message: fmt.Sprintf("you may read records of the kinds %v: others take a role with `reports: all`", callKinds())}
		}
	}
	return aq, nil
}

// maxLooks bounds how often the log is asked for one page.
const maxLooks = 50

// pageOf reads a page. Who may not know what operators know is not told by the log what an unknown name may have meant:
// the log is asked for the caller's records whatever they are about, and those that are not asked for are left out here,
// records of unknown names among them. So neither a page nor its cursor depends on whether there is such a tool. A page may
// be shorter than its limit.
func (s *Server) pageOf(ctx context.Context, q *audit.Query, sc *scope) (*audit.Page, error) {
	if sc.whole {
		return s.opts.Audit.Query(ctx, q)
	}
	own, out := *q, &audit.Page{}
	own.Code, own.Labels.Tool, own.Labels.Upstream = "", "", ""
	for range maxLooks {
		own.Limit = q.Limit - len(out.Records)
		page, err := s.opts.Audit.Query(ctx, &own)
		if err != nil {
			return nil, err
		}
		for _, f := range page.Records {
			if isAbout(f.Record, q) {
				out.Records = append(out.Records, f)
			}
		}
		if out.Next = page.Next; page.Next == "" || len(out.Records) == q.Limit {
			break
		}
		own.Cursor = page.Next
	}
	return out, nil
}

// isAbout reports whether a record is about what q asks for.
func isAbout(rec *audit.Record, q *audit.Query) bool {
	tool, upstream := q.Labels.Tool, q.Labels.Upstream
	if tool+upstream+q.Code == "" {
		return true
	}
	if of := rec.Of; of == nil || isUnknown(rec) || upstream != "" && upstream != of.Upstream {
		return false
	}
	return (q.Code == "" || q.Code == rec.Code) &&
		(tool == "" || tool == rec.Of.Tool || tool == rec.Of.Name || tool == rec.Of.Upstream+"/"+rec.Of.Tool)
}

func isUnknown(rec *audit.Record) bool { return rec.End == string(aggregator.Unknown) }

// appendRecords writes a list of records: as they are in the log, with their place in it, to who may know all of them.
func appendRecords(b []byte, found []audit.Found, whole bool) []byte {
	b = append(b, '[')
	for i, f := range found {
		if i > 0 {
			b = append(b, ',')
		}
		if whole {
			b = append(b, wire.Set(f.Text, "seq", strconv.AppendUint(nil, f.Seq, 10))...)
			continue
		}
		text, err := json.Marshal(forCaller(f.Record))
		if err != nil {
			text = []byte("{}") // plain values
		}
		b = append(b, text...)
	}
	return append(b, ']')
}

// forCaller is what a caller may know of a record of its own call: what it was told, not what operators are. A name that was
// unknown to it stays one: what it may have meant is left out.
func forCaller(r *audit.Record) *audit.Record {
	out := &audit.Record{
		Version: r.Version, Kind: r.Kind, ID: r.ID, Time: r.Time, Of: r.Of, Reason: r.Reason, Idempotency: r.Idempotency,
		Continues: r.Continues, Method: r.Method, End: r.End, Open: r.Open, Bytes: r.Bytes, Result: r.Result, Began: r.Began,
		Cost: r.Cost, Micros: r.Micros, Code: r.Code, Sentence: r.Sentence, Retry: r.Retry,
	}
	if r.Kind == audit.Replay {
		out.Target = r.Target
	}
	if isUnknown(r) && r.Of != nil {
		out.Of = &audit.Labels{Org: r.Of.Org, Team: r.Of.Team, User: r.Of.User, Key: r.Of.Key, Origin: r.Of.Origin}
		out.Code, out.Micros = "", 0
	}
	return out
}
