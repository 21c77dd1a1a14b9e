// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"context"
	"fmt"
)

// span is a part of the log that a query reads: from place from on, before place to.
type span struct{ from, to uint64 }

// spans returns the parts of the segment between two places that may hold records that pass f, in order and none of them
// long. A segment that is not sealed is read as it is, one that is has an index that leaves out most blocks. end is where the
// segment ends.
func (s *segment) spans(ctx context.Context, f *filter, part span, end uint64) ([]span, error) {
	from, to := part.from, part.to
	if f.open() {
		return cut(nil, from, to), nil
	}
	if r := s.times.Load(); r != nil && !f.meets(r) {
		return nil, nil
	}
	var list []span
	times := &timeRange{}
	sealed, err := s.indexed(ctx, part, end, func(ix *blockIndex) {
		times.add(ix)
		if f.passes(ix) {
			list = extend(list, span{max(ix.first, from), min(ix.first+uint64(ix.count), to)})
		}
	})
	switch {
	case err != nil:
		return nil, err
	case !sealed:
		return cut(nil, from, to), nil
	case from == s.first && to == end: // part of them says nothing of the others
		s.times.Store(times)
	}
	return list, nil
}

// indexed calls fn for the indexes of the blocks of a part of a sealed segment, and makes sure that there is one of every
// record: those of a block without an index would be found by no query.
func (s *segment) indexed(ctx context.Context, part span, end uint64, fn func(*blockIndex)) (sealed bool, err error) {
	next, whole := part.from, true
	sealed, err = s.indexes(ctx, part.from, func(ix *blockIndex) bool {
		after := ix.first + uint64(ix.count)
		if whole = ix.first <= next && after > next && after <= end; !whole {
			return false
		}
		fn(ix)
		next = after
		return next < part.to
	})
	if err == nil && sealed && (!whole || next < part.to) {
		err = corrupt(s.path, fmt.Errorf("index of record %d is missing or wrong", next))
	}
	return sealed, err
}

// extend adds a span, to the last one if they are neighbours and short.
func extend(list []span, next span) []span {
	if n := len(list) - 1; n >= 0 && list[n].to == next.from && next.to-list[n].from <= maxSpan {
		list[n].to = next.to
		return list
	}
	return append(list, next)
}

// maxSpan is how long a span becomes, so that a query against the order of the log keeps little in memory.
const maxSpan = 4 * blockRecords

// cut adds spans without gaps.
func cut(list []span, from, to uint64) []span {
	for ; from < to; from += maxSpan {
		list = append(list, span{from, min(from+maxSpan, to)})
	}
	return list
}
