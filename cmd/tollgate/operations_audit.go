// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"tollgate/cmd/internal/cli"
	"tollgate/cmd/internal/control"
	"tollgate/store/audit"
)

const (
	// maxTexts and maxTextBytes bound a page of texts; a page has one record at least.
	maxTexts     = 1000
	maxTextBytes = 8 << 20
	// followSlice is how long one look at a log that does not grow takes: a gateway that ends waits no longer for it.
	followSlice = 250 * time.Millisecond
	// maxFollow bounds the wait of one question.
	maxFollow = time.Minute
)

// auditQuery is q as the log takes it.
func auditQuery(q *control.RecordQuery) *audit.Query {
	query := &audit.Query{
		From: q.From, To: q.To, ID: q.ID, End: q.End, Code: q.Code, Text: q.Text, Newest: !q.Oldest, Cursor: q.Cursor, Limit: q.Limit,
		Labels: audit.Labels{User: q.User, Team: q.Team, Org: q.Org, Upstream: q.Upstream, Tool: q.Tool},
	}
	for _, k := range q.Kinds {
		query.Kinds = append(query.Kinds, audit.Kind(k))
	}
	return query
}

// Texts implements [control.AuditReader].
func (g *gateway) Texts(ctx context.Context, q *control.RecordQuery) (*control.Texts, error) {
	out, err := g.texts()
	if err != nil {
		return nil, err
	}
	query := auditQuery(q)
	query.Newest, query.Limit = false, maxTexts
	if q.Limit > 0 {
		query.Limit = min(q.Limit, maxTexts)
	}
	from := out.First
	if at, err := strconv.ParseUint(q.Cursor, 10, 63); err == nil {
		from = max(from, at)
	}
	if err := g.fill(ctx, out, query); err != nil {
		return nil, err
	}
	// Retention does not wait for readers: what was removed meanwhile may be missing between the records.
	if first := g.accounts.engine.Log().First(); first > from {
		return nil, &control.Error{
			Message: fmt.Sprintf("records %d to %d were removed by retention while they were read", from, first-1), Hint: "run it again", Exit: cli.ExitError,
		}
	}
	return out, nil
}

// texts is a page without records.
func (g *gateway) texts() (*control.Texts, error) {
	log := g.accounts.engine.Log()
	key, err := log.VerifierKey()
	if err != nil {
		return nil, err
	}
	origin, _, _ := strings.Cut(key, "+")
	return &control.Texts{Records: []control.Text{}, First: log.First(), Size: log.Size(), Origin: origin, Key: key}, nil
}

// firstTexts is how many records of a page are read before it is known how large they are.
const firstTexts = 50

// fill adds what query selects, as far as the page has room. It reads not many more records than that.
func (g *gateway) fill(ctx context.Context, out *control.Texts, query *audit.Query) error {
	size, most := 0, query.Limit
	for len(out.Records) < most {
		left := most - len(out.Records)
		query.Limit = min(left, firstTexts)
		if n := len(out.Records); n > 0 {
			query.Limit = min(left, 1+(maxTextBytes-size)/(size/n+1))
		}
		page, err := g.accounts.engine.Log().Query(ctx, query)
		if err != nil {
			return err
		}
		out.Next = page.Next
		for _, r := range page.Records {
			if size += len(r.Text); len(out.Records) > 0 && size > maxTextBytes {
				out.Next = strconv.FormatUint(r.Seq, 10)
				return nil
			}
			out.Records = append(out.Records, control.Text{Seq: r.Seq, Text: r.Text})
		}
		if query.Cursor = page.Next; page.Next == "" {
			return nil
		}
	}
	return nil
}

// Follow implements [control.AuditReader]. Next of the answer is the place to go on from, also without records.
func (g *gateway) Follow(ctx context.Context, q *control.FollowQuery) (*control.Texts, error) {
	if q.Last > 0 {
		return g.last(ctx, q)
	}
	log := g.accounts.engine.Log()
	for deadline := time.Now().Add(min(q.Wait, maxFollow)); log.Size() <= q.From && time.Now().Before(deadline) && !g.draining.Load(); {
		slice, end := context.WithTimeout(ctx, min(followSlice, time.Until(deadline)))
		err := log.Wait(slice, q.From)
		end()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return nil, err
		}
	}
	out, err := g.texts()
	if err != nil {
		return nil, err
	}
	query := auditQuery(&q.RecordQuery)
	query.Newest, query.Limit, query.Cursor = false, maxTexts, strconv.FormatUint(q.From, 10)
	if err := g.fill(ctx, out, query); err != nil {
		return nil, err
	}
	// What came since then is for the next question.
	out.Records = slices.DeleteFunc(out.Records, func(r control.Text) bool { return r.Seq >= out.Size })
	next := max(out.Size, q.From)
	if at, err := strconv.ParseUint(out.Next, 10, 64); err == nil {
		next = min(next, at)
	}
	out.Next = strconv.FormatUint(next, 10)
	return out, nil
}

// last is the end of the log.
func (g *gateway) last(ctx context.Context, q *control.FollowQuery) (*control.Texts, error) {
	out, err := g.texts()
	if err != nil {
		return nil, err
	}
	query := auditQuery(&q.RecordQuery)
	query.Newest, query.Limit, query.Cursor = true, min(q.Last, maxTexts), strconv.FormatUint(out.Size, 10)
	if err := g.fill(ctx, out, query); err != nil {
		return nil, err
	}
	slices.Reverse(out.Records)
	out.Next = strconv.FormatUint(out.Size, 10)
	return out, nil
}

// Prove implements [control.AuditReader].
func (g *gateway) Prove(ctx context.Context, q *control.ProofQuery) (*control.Proofs, error) {
	log := g.accounts.engine.Log()
	key, err := log.VerifierKey()
	if err != nil {
		return nil, err
	}
	places, err := g.places(ctx, q.Record)
	if err != nil {
		return nil, err
	}
	out := &control.Proofs{Key: key}
	for _, seq := range places {
		var older []byte
		if q.Older != "" {
			older = []byte(q.Older)
		}
		p, err := log.Prove(ctx, seq, older)
		if err != nil {
			return nil, proveError(err)
		}
		text, err := json.Marshal(p)
		if err != nil {
			return nil, err
		}
		out.Proofs = append(out.Proofs, text)
	}
	return out, nil
}

// places are where a record is, or the records of an id.
func (g *gateway) places(ctx context.Context, record string) ([]uint64, error) {
	log := g.accounts.engine.Log()
	if seq, err := strconv.ParseUint(record, 10, 63); err == nil {
		if seq < log.Size() {
			return []uint64{seq}, nil
		}
		return nil, &control.Error{
			Message: fmt.Sprintf("the log has %d records, and none at place %d", log.Size(), seq),
			Hint:    "places are counted from 0; `tollgate audit query` shows them", Exit: cli.ExitUsage,
		}
	}
	found, err := log.Find(ctx, record)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, &control.Error{
			Message: fmt.Sprintf("no record has the id %q", record), Hint: "`tollgate audit query` shows ids and places; retention may have removed it", Exit: cli.ExitUsage,
		}
	}
	var places []uint64
	for _, r := range found {
		places = append(places, r.Seq)
	}
	return places, nil
}

// proveError says what to do about a record that cannot be proven.
func proveError(err error) error {
	e := &control.Error{Message: err.Error(), Exit: cli.ExitError}
	if _, ok := errors.AsType[*audit.Problem](err); ok {
		e.Hint = "`tollgate audit verify` says what was changed"
	}
	return e
}
