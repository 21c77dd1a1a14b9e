// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	bolt "go.etcd.io/bbolt"
)

// costsLook is after how many rows a query looks whether it is still wanted.
const costsLook = 4096

// span is a part of a table.
type span struct {
	bucket      string
	first, last day
}

// fresh adds a row that is in no table yet.
func (s *costSum) fresh(key []byte, u *Usage) error {
	labels, err := splitRow(key)
	if err != nil {
		return fmt.Errorf("%s %x: %w", bucketRollups, key, err)
	}
	if s.filter.selects(&labels) {
		d := rowDay(key)
		s.add(key, &labels, &row{*u, d, d})
	}
	return nil
}

// read adds the rows of the days from first to last.
func (s *costSum) read(tx *bolt.Tx, first, last day) error {
	days := tx.Bucket([]byte(bucketRollups))
	if days == nil {
		return fmt.Errorf("bucket %q is missing", bucketRollups)
	}
	oldest, _ := days.Cursor().Seek(appendDay(nil, first))
	newest, _ := days.Cursor().Last()
	if len(oldest) < daySize || len(newest) < daySize {
		return nil
	}
	for _, part := range s.plan(first, rowDay(oldest), min(last, rowDay(newest)), last >= rowDay(newest)) {
		if err := s.scan(tx, part); err != nil {
			return err
		}
	}
	return nil
}

// plan chooses the tables with the fewest rows that can answer for the days from asked to last. There are no rows before
// first; all says that there are none after last either.
func (s *costSum) plan(asked, first, last day, all bool) []span {
	by := func(labels ...int) bool {
		return slices.ContainsFunc(s.groups, func(g costGroup) bool { return slices.Contains(labels, g.label) })
	}
	f := &s.filter
	switch {
	case first > last:
		return nil
	case f.equal[labelUser] == nil && f.equal[labelKey] == nil && !by(labelUser, labelKey):
		return []span{{bucketTools, first, last}}
	case f.equal[labelUpstream] == nil && f.tool == nil && !by(labelUpstream, labelKind, labelTool, labelOrigin):
		return []span{{bucketUsers, first, last}}
	case by(groupDay):
		return []span{{bucketRollups, first, last}}
	}
	// Whole months, and the days around them.
	from, to := first.month(), last.month()
	if asked > from {
		from = first.nextMonth()
	}
	if all || last+1 == last.nextMonth() {
		to = last.nextMonth()
	}
	if from >= to {
		return []span{{bucketRollups, first, last}}
	}
	var parts []span
	if first < from {
		parts = append(parts, span{bucketRollups, first, from - 1})
	}
	parts = append(parts, span{bucketMonths, from, to - 1})
	if to <= last {
		parts = append(parts, span{bucketRollups, to, last})
	}
	return parts
}

// scan adds the rows of a part of a table. Where the query says which organisation, team or user it is about, it goes from
// one place of the table to the next that has them.
func (s *costSum) scan(tx *bolt.Tx, part span) error {
	b := tx.Bucket([]byte(part.bucket))
	if b == nil {
		return fmt.Errorf("bucket %q is missing", part.bucket)
	}
	c, name := b.Cursor(), []byte(part.bucket)
	k, v := c.Seek(appendDay(nil, part.first))
	for k != nil {
		if s.looked++; s.looked%costsLook == 0 && s.ctx.Err() != nil {
			return s.ctx.Err()
		}
		labels, err := splitRow(k)
		if err != nil {
			return fmt.Errorf("%s %x: %w", part.bucket, k, err)
		}
		if rowDay(k) > part.last {
			return nil
		}
		if next := s.filter.skip(k, &labels, s.place[:0]); next != nil {
			s.place = next
			k, v = c.Seek(next)
			continue
		}
		if s.filter.selects(&labels) {
			u, err := openRow(name, k, v)
			if err != nil {
				return err
			}
			s.add(k, &labels, &u)
		}
		k, v = c.Next()
	}
	return nil
}

// leading is how many labels at the beginning of a key a query can skip by.
const leading = labelUser + 1

// costFilter selects rows; nil selects all.
type costFilter struct {
	equal              [labelCount][]byte
	encoded            [leading][]byte // of equal, as they stand in a key
	tool               []byte          // original or displayed name
	upstream, original []byte          // the same word as an upstream and its tool; nil when it is none
}

func newCostFilter(q *CostQuery) costFilter {
	word := func(s string) []byte {
		if s == "" {
			return nil
		}
		return []byte(shortLabel(s))
	}
	f := costFilter{tool: word(q.Tool)}
	if upstream, original, ok := strings.Cut(q.Tool, "/"); ok {
		f.upstream, f.original = word(upstream), word(original)
	}
	f.equal[labelOrg], f.equal[labelTeam], f.equal[labelUser] = word(q.Org), word(q.Team), word(q.User)
	f.equal[labelKey], f.equal[labelUpstream] = word(q.Key), word(q.Upstream)
	for i, want := range f.equal[:leading] {
		if want != nil {
			f.encoded[i] = append(binary.AppendUvarint(nil, uint64(len(want))), want...)
		}
	}
	return f
}

func (f *costFilter) selects(labels *[labelCount][]byte) bool {
	for i, want := range f.equal {
		if want != nil && !bytes.Equal(want, labels[i]) {
			return false
		}
	}
	if f.tool == nil || bytes.Equal(f.tool, labels[labelTool]) || bytes.Equal(f.tool, labels[labelName]) {
		return true
	}
	return f.original != nil && bytes.Equal(f.upstream, labels[labelUpstream]) && bytes.Equal(f.original, labels[labelTool])
}

// skip returns where the next row may be that f selects, written into room; nil = at key.
func (f *costFilter) skip(key []byte, labels *[labelCount][]byte, room []byte) []byte {
	at := daySize
	for i, want := range f.encoded {
		end := at + encodedLabel(len(labels[i]))
		if want != nil {
			switch bytes.Compare(key[at:end], want) {
			case -1:
				return append(append(room, key[:at]...), want...)
			case 1:
				return behind(append(room, key[:at]...))
			}
		}
		at = end
	}
	return nil
}

// behind makes prefix the first key that does not begin with it and comes after those that do.
func behind(prefix []byte) []byte {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i]++; prefix[i] != 0 {
			return prefix[:i+1]
		}
	}
	return bytes.Repeat([]byte{0xff}, daySize+1) // there is none
}
