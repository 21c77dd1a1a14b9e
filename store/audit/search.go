// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

const (
	defaultPage = 100
	maxPage     = 10_000
)

// Query returns a page of the records that q selects, in the order of the log or, with Newest, against it. Records that came
// to the disk after the first page are not on the later ones of a query with Newest. It never holds up the writer.
func (l *Log) Query(ctx context.Context, q *Query) (*Page, error) {
	limit := q.Limit
	if limit <= 0 {
		limit = defaultPage
	}
	s := &search{log: l, query: q, limit: min(limit, maxPage), marks: q.marks(), text: newFold(q.Text), filter: q.filter()}
	from, to, err := s.bounds()
	if err != nil {
		return nil, err
	}
	if err := s.run(ctx, from, to); err != nil {
		return nil, err
	}
	return &s.page, nil
}

// Find returns all records of an id, in order; none is no error.
func (l *Log) Find(ctx context.Context, id string) ([]Found, error) {
	if id == "" {
		return nil, nil
	}
	page, err := l.Query(ctx, &Query{ID: id, Limit: maxPage})
	if err != nil {
		return nil, err
	}
	return page.Records, nil
}

// search is a query under way.
type search struct {
	log    *Log
	query  *Query
	limit  int
	marks  [][]byte
	text   *fold
	filter *filter
	piece  []Stored // memory for span
	page   Page
}

// bounds are the places to look at, the second one excluded.
func (s *search) bounds() (from, to uint64, err error) {
	from, to = s.log.First(), s.log.Size()
	if s.query.Cursor == "" {
		return from, to, nil
	}
	at, err := strconv.ParseUint(s.query.Cursor, 10, 63)
	if err != nil {
		return 0, 0, fmt.Errorf("cursor %q is none that a query returned", s.query.Cursor)
	}
	if s.query.Newest {
		return from, min(to, at), nil
	}
	return max(from, at), to, nil
}

// take adds a record that is selected. It returns false once one more than the page holds was found.
func (s *search) take(r Stored, cursor uint64) (more bool, err error) {
	for _, mark := range s.marks {
		if !bytes.Contains(r.Text, mark) {
			return true, nil
		}
	}
	if s.query.skips(r.Text) || !s.text.in(r.Text) {
		return true, nil
	}
	record, err := Decode(r.Text)
	if err != nil {
		return false, fmt.Errorf("record %d: %w", r.Seq, err)
	}
	if !s.query.selects(record) {
		return true, nil
	}
	if len(s.page.Records) == s.limit {
		s.page.Next = strconv.FormatUint(cursor, 10)
		return false, nil
	}
	s.page.Records = append(s.page.Records, Found{Stored: r, Record: record})
	return true, nil
}

// run reads the segments one after the other.
func (s *search) run(ctx context.Context, from, to uint64) error {
	for more := true; more && from < to; {
		at := from
		if s.query.Newest {
			at = to - 1
		}
		segment, end := s.log.find(at)
		if segment == nil { // retention was faster
			if from = max(from, s.log.First()); s.query.Newest {
				return nil
			}
			continue
		}
		part := span{max(from, segment.first), min(to, end)}
		segment.enter() // so that it is opened once
		var err error
		more, err = s.segment(ctx, segment, part, end)
		if err = errors.Join(err, segment.leave()); err != nil && !errors.Is(err, ErrPruned) {
			return err
		}
		if s.query.Newest {
			to = part.from
		} else {
			from = part.to
		}
	}
	return nil
}

// segment reads a part of a segment.
func (s *search) segment(ctx context.Context, segment *segment, part span, end uint64) (more bool, err error) {
	list, err := segment.spans(ctx, s.filter, part, end)
	if err != nil {
		return true, err
	}
	if s.query.Newest {
		slices.Reverse(list)
	}
	for _, next := range list {
		if more, err = s.span(ctx, next); err != nil || !more {
			return more, err
		}
	}
	return true, nil
}

// span reads a part of the log in the direction of the query.
func (s *search) span(ctx context.Context, part span) (more bool, err error) {
	s.piece = s.piece[:0]
	for r, err := range s.log.Scan(ctx, part.from, part.to) {
		if err != nil {
			return true, err
		}
		if s.query.Newest {
			s.piece = append(s.piece, r)
		} else if more, err := s.take(r, r.Seq); err != nil || !more {
			return more, err
		}
	}
	for _, r := range slices.Backward(s.piece) {
		if more, err := s.take(r, r.Seq+1); err != nil || !more {
			return more, err
		}
	}
	return true, nil
}

// marks are texts that every selected record has, so that most others need not be decoded. A value that JSON may write in
// more than one way makes none.
func (q *Query) marks() (marks [][]byte) {
	for _, m := range [][2]string{
		{"id", q.ID}, {"end", q.End}, {"code", q.Code}, {"org", q.Labels.Org}, {"team", q.Labels.Team}, {"user", q.Labels.User},
		{"key", q.Labels.Key}, {"upstream", q.Labels.Upstream}, {"kind", q.Labels.Kind}, {"name", q.Labels.Name}, {"origin", q.Labels.Origin},
	} {
		if m[1] != "" && plain(m[1]) {
			marks = append(marks, []byte(`"`+m[0]+`":"`+m[1]+`"`))
		}
	}
	return marks
}

func plain(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' })
}

// selects tells whether the query asks for a record, Text aside.
func (q *Query) selects(r *Record) bool {
	if q.ID != "" && r.ID != q.ID || q.End != "" && r.End != q.End || q.Code != "" && r.Code != q.Code {
		return false
	}
	if !q.allows(r.Time, func(k Kind) bool { return r.Kind == k }) {
		return false
	}
	return q.Labels == (Labels{}) || r.Of != nil && q.Labels.match(r.Of)
}

// match tells whether each label that is not empty is that of o. A tool has several names.
func (l *Labels) match(o *Labels) bool {
	for _, p := range [][2]string{
		{l.Org, o.Org}, {l.Team, o.Team}, {l.User, o.User}, {l.Key, o.Key}, {l.Upstream, o.Upstream}, {l.Kind, o.Kind},
		{l.Name, o.Name}, {l.Origin, o.Origin},
	} {
		if p[0] != "" && p[0] != p[1] {
			return false
		}
	}
	return l.Tool == "" || l.Tool == o.Tool || l.Tool == o.Name || l.Tool == o.Upstream+"/"+o.Tool
}
