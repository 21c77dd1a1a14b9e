// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"tollgate/store"
)

// costs answers a query from the rows of db and those in memory. Together they are each record once: what is in memory is
// looked at first, so what has left it is in the file, and the file says what it holds by now.
func (r *rollups) costs(ctx context.Context, db *store.File, q *CostQuery) (*CostReport, error) {
	groups, err := parseGroups(q.GroupBy)
	if err != nil {
		return nil, err
	}
	s := &costSum{ctx: ctx, filter: newCostFilter(q), groups: groups, sums: map[string]*Usage{}}
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
	pending := r.pending()
	err = db.View(func(tx *bolt.Tx) error {
		meta, err := readCostsMeta(tx)
		if err != nil {
			return err
		}
		since := max(first, meta.since())
		fresh, err := r.fresh(tx, pending, since, last)
		if err != nil {
			return err
		}
		for key, u := range fresh {
			if err := s.fresh([]byte(key), &u); err != nil {
				return err
			}
		}
		return s.read(tx, since, last)
	})
	if err != nil {
		return nil, err
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
	ctx         context.Context
	filter      costFilter
	groups      []costGroup
	total       Usage
	sums        map[string]*Usage // by the labels of the group, as appendRow writes them
	any         bool              // a row was selected
	first, last day               // of those
	looked      int               // at so many rows
	room, place []byte            // memory
}

// add adds a row, which is selected.
func (s *costSum) add(key []byte, labels *[labelCount][]byte, u *row) {
	if !s.any {
		s.any, s.first, s.last = true, u.first, u.last
	}
	s.first, s.last = min(s.first, u.first), max(s.last, u.last)
	s.total.add(&u.Usage)
	if len(s.groups) == 0 {
		return
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
	sum.add(&u.Usage)
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
