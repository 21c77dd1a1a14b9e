// SPDX-License-Identifier: Apache-2.0

package search

import (
	"math/bits"
	"slices"
	"strings"
)

// ScopeOptions say what a caller sees of an index. nil and the zero value are everything, as it is.
type ScopeOptions struct {
	// Visible says whether the caller sees document i. It is asked once for each. nil = all.
	Visible func(i int) bool
	// Instead are documents that the caller sees otherwise than others do, by position.
	Instead map[int]Doc
}

// Scope is what one class of callers can find. Whatever it hides is not there: it finds, scores, orders and counts like an
// index of what it shows alone. It never changes and is safe for concurrent use.
type Scope struct {
	x       *Index
	layers  []layer
	n       int // documents shown
	rules   [fields]rule
	servers []Server
}

// rule is how an occurrence in a field counts: weight / (fixed + each * length of the field).
type rule struct{ weight, fixed, each float64 }

// layer is an index and what counts of it.
type layer struct {
	x    *Index
	live []uint64 // by position in x
	ids  []uint32 // position in the scope's own index; nil = the same
}

// Server is a server of which a caller sees tools.
type Server struct {
	Name  string
	Tools int
}

// Scope narrows the index to what a caller sees. It costs one pass over the documents and is worth keeping.
func (x *Index) Scope(o *ScopeOptions) *Scope {
	if o == nil {
		o = &ScopeOptions{}
	}
	s := &Scope{x: x}
	base := layer{x: x, live: make([]uint64, (len(x.docs)+63)/64)}
	var other []Doc
	var ids []uint32
	for i := range x.docs {
		if o.Visible != nil && !o.Visible(i) {
			continue
		}
		if d, ok := o.Instead[i]; ok {
			other, ids = append(other, d), append(ids, uint32(i))
		} else {
			base.set(i)
		}
	}
	s.layers = []layer{base}
	if len(other) > 0 {
		l := layer{x: New(other), live: make([]uint64, (len(other)+63)/64), ids: ids}
		for i := range other {
			l.set(i)
		}
		s.layers = append(s.layers, l)
	}
	s.measure()
	return s
}

// measure takes the statistics of what is shown.
func (s *Scope) measure() {
	var total, having [fields]int
	count := map[string]int{}
	for d := range s.shown {
		s.n++
		count[d.server]++
		for f, n := range d.lengths {
			if n > 0 {
				total[f] += int(n)
				having[f]++
			}
		}
	}
	for f := range total {
		weight, b := field(f).weigh()
		s.rules[f] = rule{weight: weight, fixed: 1 - b}
		if total[f] > 0 {
			s.rules[f].each = b * float64(having[f]) / float64(total[f])
		}
	}
	for name, n := range count {
		s.servers = append(s.servers, Server{name, n})
	}
	slices.SortFunc(s.servers, func(a, b Server) int { return strings.Compare(a.Name, b.Name) })
}

// shown yields the documents of the scope and their positions.
func (s *Scope) shown(yield func(*labelled, uint32) bool) {
	for i := range s.layers {
		l := &s.layers[i]
		for w, word := range l.live {
			for ; word != 0; word &= word - 1 {
				at := w<<6 + bits.TrailingZeros64(word)
				if !yield(&l.x.docs[at], l.id(uint32(at))) {
					return
				}
			}
		}
	}
}

// Len is the number of documents in the scope.
func (s *Scope) Len() int { return s.n }

// Servers are the servers of the documents in the scope, by name. The slice must not be changed.
func (s *Scope) Servers() []Server { return s.servers }

func (l *layer) set(i int) { l.live[i>>6] |= 1 << (i & 63) }

func (l *layer) has(i uint32) bool { return l.live[i>>6]&(1<<(i&63)) != 0 }

func (l *layer) id(i uint32) uint32 {
	if l.ids == nil {
		return i
	}
	return l.ids[i]
}
