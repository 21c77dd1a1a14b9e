// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"
)

// costsLook is after how many rows a query looks whether it is still wanted.
const costsLook = 4096

// costs answers a query from the rows of db and those in memory.
func (r *rollups) costs(ctx context.Context, db *bolt.DB, q *CostQuery) (*CostReport, error) {
	groups, err := parseGroups(q.GroupBy)
	if err != nil {
		return nil, err
	}
	s := &costSum{filter: newCostFilter(q), groups: groups, sums: map[string]*Usage{}}
	first, last := minDay, maxDay
	if !q.From.IsZero() {
		first = dayAt(q.From, r.zone)
	}
	if !q.To.IsZero() {
		last = dayAt(q.To, r.zone)
	}
	if first > last {
		return nil, fmt.Errorf("costs from %s to %s: the first day is after the last one", first, last)
	}
	looked := 0
	fresh, err := r.rows(db, first, last, func(key []byte, u Usage) error {
		if looked++; looked%costsLook == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		return s.add(key, &u)
	})
	if err != nil {
		return nil, err
	}
	for key, u := range fresh {
		if err := s.add([]byte(key), &u); err != nil {
			return nil, err
		}
	}
	report := s.report(q.GroupBy)
	report.Zone = r.zone.String()
	report.From, report.To = r.bound(first, minDay, s.first, s.any), r.bound(last, maxDay, s.last, s.any)
	return report, nil
}

// bound is the civil day that a query begins or ends with, as midnight in the zone: that of the rows when the query has
// none, zero when there are no rows either.
func (r *rollups) bound(asked, open, have day, any bool) time.Time {
	if asked == open {
		if asked = have; !any {
			return time.Time{}
		}
	}
	return asked.begin(r.zone).In(r.zone)
}

// costSum adds up rows.
type costSum struct {
	filter      costFilter
	groups      []costGroup
	total       Usage
	sums        map[string]*Usage // by the labels of the group, as appendRow writes them
	any         bool              // a row was selected
	first, last day               // of those
	room        []byte
}

func (s *costSum) add(key []byte, u *Usage) error {
	labels, err := splitRow(key)
	if err != nil {
		return fmt.Errorf("%s %x: %w", bucketRollups, key, err)
	}
	if !s.filter.selects(&labels) {
		return nil
	}
	d := rowDay(key)
	if !s.any {
		s.any, s.first, s.last = true, d, d
	}
	s.first, s.last = min(s.first, d), max(s.last, d)
	s.total.add(u)
	if len(s.groups) == 0 {
		return nil
	}
	s.room = s.room[:0]
	for _, g := range s.groups {
		if g.label == groupDay {
			s.room = append(append(s.room, daySize), key[:daySize]...)
			continue
		}
		label := labels[g.label]
		if g.label == labelTool && len(labels[labelName]) > 0 {
			label = labels[labelName]
		}
		s.room = binary.AppendUvarint(s.room, uint64(len(label)))
		s.room = append(s.room, label...)
	}
	sum := s.sums[string(s.room)]
	if sum == nil {
		sum = new(Usage)
		s.sums[string(s.room)] = sum
	}
	sum.add(u)
	return nil
}

// report puts the groups in order: what costs most first, then by the words of the key.
func (s *costSum) report(by []string) *CostReport {
	type group struct {
		words []string
		usage *Usage
	}
	groups := make([]group, 0, len(s.sums))
	for key, u := range s.sums {
		g := group{make([]string, len(s.groups)), u}
		for i := range s.groups {
			n, size := binary.Uvarint([]byte(key))
			word := key[size : size+int(n)]
			if key = key[size+int(n):]; s.groups[i].label == groupDay {
				word = rowDay([]byte(word)).String()
			}
			g.words[i] = word
		}
		groups = append(groups, g)
	}
	slices.SortFunc(groups, func(a, b group) int {
		return cmp.Or(cmp.Compare(b.usage.Cost, a.usage.Cost), slices.Compare(a.words, b.words))
	})
	report := &CostReport{Total: s.total, Groups: make([]CostGroup, 0, len(groups))}
	for _, g := range groups {
		key := make(map[string]string, len(by))
		for i, word := range by {
			key[word] = g.words[i]
		}
		report.Groups = append(report.Groups, CostGroup{Key: key, Usage: *g.usage})
	}
	return report
}

// groupDay is the label of a group that is no label: the day.
const groupDay = -1

// costGroup is one word of GroupBy.
type costGroup struct {
	word  string
	label int
}

// allGroups are the words that a query may group by. A tool is grouped by its displayed name, or its original one when it
// has no other.
func allGroups() []costGroup {
	return []costGroup{
		{"day", groupDay},
		{"org", labelOrg},
		{"team", labelTeam},
		{"user", labelUser},
		{"key", labelKey},
		{"upstream", labelUpstream},
		{"tool", labelTool},
		{"kind", labelKind},
		{"origin", labelOrigin},
	}
}

func parseGroups(by []string) ([]costGroup, error) {
	var groups []costGroup
	all := allGroups()
	for _, word := range by {
		i := slices.IndexFunc(all, func(g costGroup) bool { return g.word == word })
		switch {
		case i < 0:
			return nil, fmt.Errorf("costs cannot be grouped by %q: want day, org, team, user, key, upstream, tool, kind or origin", word)
		case slices.Contains(groups, all[i]):
			return nil, fmt.Errorf("costs are grouped by %q twice", word)
		}
		groups = append(groups, all[i])
	}
	return groups, nil
}

// costFilter selects rows; nil selects all.
type costFilter struct {
	equal              [labelCount][]byte
	tool               []byte // original or displayed name
	upstream, original []byte // the same word as an upstream and its tool; nil when it is none
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
