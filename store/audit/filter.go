// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"time"
)

// filter is what a query asks of the index of a block before the block is opened.
type filter struct {
	from, to time.Time // as in [Query]
	// Each condition is a list of alternatives, and each of these a list of terms: a record that is selected has, for each
	// condition, all terms of one alternative.
	conditions [][][]uint64
}

// filter returns what the index can say about q. What passes is looked at again, record by record.
func (q *Query) filter() *filter {
	f := &filter{from: q.From, to: q.To}
	for _, l := range [][2]string{
		{"id", q.ID}, {"end", q.End}, {"code", q.Code}, {"org", q.Labels.Org}, {"team", q.Labels.Team}, {"user", q.Labels.User},
		{"key", q.Labels.Key}, {"upstream", q.Labels.Upstream}, {"object", q.Labels.Kind}, {"name", q.Labels.Name}, {"origin", q.Labels.Origin},
	} {
		if l[1] != "" {
			f.conditions = append(f.conditions, [][]uint64{{term(l[0], l[1])}})
		}
	}
	var kinds [][]uint64
	for _, kind := range q.Kinds {
		kinds = append(kinds, []uint64{term("kind", string(kind))})
	}
	if len(kinds) > 0 {
		f.conditions = append(f.conditions, kinds)
	}
	if q.Labels.Tool != "" {
		f.conditions = append(f.conditions, toolTerms(q.Labels.Tool))
	}
	return f
}

// toolTerms are what a record has whose tool goes by a name: see [Labels.match].
func toolTerms(name string) [][]uint64 {
	either := [][]uint64{{term("tool", name)}, {term("name", name)}}
	for i := range len(name) {
		if name[i] != '/' {
			continue
		}
		var both []uint64 // an empty label makes no term
		if i > 0 {
			both = append(both, term("upstream", name[:i]))
		}
		if i+1 < len(name) {
			both = append(both, term("tool", name[i+1:]))
		}
		either = append(either, both)
	}
	return either
}

// open tells whether the filter lets everything pass.
func (f *filter) open() bool { return len(f.conditions) == 0 && f.from.IsZero() && f.to.IsZero() }

// passes tells whether a record that is selected can be in the block.
func (f *filter) passes(ix *blockIndex) bool {
	if !f.meets(&timeRange{ix.min, ix.max, ix.opaque}) {
		return false
	}
	for _, either := range f.conditions {
		if !ix.one(either) {
			return false
		}
	}
	return true
}

// one tells whether one of the alternatives may hold.
func (ix *blockIndex) one(either [][]uint64) bool {
	for _, all := range either {
		holds := true
		for _, term := range all {
			holds = holds && ix.may(term)
		}
		if holds {
			return true
		}
	}
	return false
}

// timeRange holds the times of all records of a segment or a block.
type timeRange struct {
	min, max time.Time
	any      bool // some record could not be read
}

// add widens the range by a block.
func (r *timeRange) add(ix *blockIndex) {
	if r.min.IsZero() || ix.min.Before(r.min) {
		r.min = ix.min
	}
	if ix.max.After(r.max) {
		r.max = ix.max
	}
	r.any = r.any || ix.opaque
}

// meets tells whether the times that are asked for and those in the range can have one in common.
func (f *filter) meets(r *timeRange) bool {
	return r.any || (f.from.IsZero() || !r.max.Before(f.from)) && (f.to.IsZero() || r.min.Before(f.to))
}
