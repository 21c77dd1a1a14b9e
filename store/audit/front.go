// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bytes"
	"slices"
	"time"
)

// front reads the kind and the time of a record, which [Record.Append] writes in front, without decoding the rest. ok is false
// for a text that begins in another way.
func front(text []byte) (kind []byte, at time.Time, ok bool) {
	rest, ok := bytes.CutPrefix(text, []byte(`{"v":1,"kind":"`))
	if !ok {
		return nil, at, false
	}
	if kind, rest, ok = bytes.Cut(rest, []byte(`","id":"`)); !ok || bytes.IndexByte(kind, '\\') >= 0 || bytes.IndexByte(kind, '"') >= 0 {
		return nil, at, false
	}
	id, rest, ok := bytes.Cut(rest, []byte(`","time":"`))
	if !ok || bytes.IndexByte(id, '\\') >= 0 || bytes.IndexByte(id, '"') >= 0 {
		return nil, at, false
	}
	text, _, ok = bytes.Cut(rest, []byte{'"'})
	ok = ok && at.UnmarshalText(text) == nil
	return kind, at, ok
}

// skips tells from the front of a record alone that the query does not ask for it.
func (q *Query) skips(text []byte) bool {
	if len(q.Kinds) == 0 && q.From.IsZero() && q.To.IsZero() {
		return false
	}
	kind, at, ok := front(text)
	return ok && !q.allows(at, func(k Kind) bool { return string(kind) == string(k) })
}

// allows looks at the kind and the time of a record.
func (q *Query) allows(at time.Time, is func(Kind) bool) bool {
	return (len(q.Kinds) == 0 || slices.ContainsFunc(q.Kinds, is)) &&
		(q.From.IsZero() || !at.Before(q.From)) && (q.To.IsZero() || at.Before(q.To))
}
