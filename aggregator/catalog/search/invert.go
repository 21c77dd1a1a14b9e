// SPDX-License-Identifier: Apache-2.0

package search

import (
	"math"
	"slices"
	"strings"
)

// field is a part of a [Doc] that counts on its own.
type field int

const (
	inName field = iota
	inTitle
	inServer
	inDescription
	inProperties
	fields
)

// labels are the fields that come first in a posting; a part of a word is looked for in these only.
const labels = inServer + 1

// weigh is what one occurrence in a field counts, and how much a long field takes away from it (the b of BM25).
func (f field) weigh() (weight, length float64) {
	switch f {
	case inName:
		return 4, 0.4
	case inTitle:
		return 2.5, 0.4
	case inServer:
		return 2, 0
	case inDescription:
		return 1, 0.75
	default:
		return 0.4, 0.6
	}
}

// posting says how often a term occurs in the fields of a document.
type posting struct {
	doc   uint32
	count [fields]uint8
}

// inverted maps terms to postings, which are in the order of the documents.
type inverted struct {
	terms []string // ascending
	ends  []uint32 // of the postings of each term
	posts []posting
}

// of returns the postings of the term at position i.
func (v *inverted) of(i int) []posting {
	start := uint32(0)
	if i > 0 {
		start = v.ends[i-1]
	}
	return v.posts[start:v.ends[i]]
}

func (v *inverted) find(term string) []posting {
	if i, ok := slices.BinarySearch(v.terms, term); ok {
		return v.of(i)
	}
	return nil
}

// longer returns the positions of the terms that begin with prefix and are longer.
func (v *inverted) longer(prefix string) (from, to int) {
	from, ok := slices.BinarySearch(v.terms, prefix)
	if ok {
		from++
	}
	for to = from; to < len(v.terms) && strings.HasPrefix(v.terms[to], prefix); to++ {
	}
	return from, to
}

// collector gathers the postings of documents that come in their order.
type collector struct {
	ids   map[string]uint32
	lists [][]posting
}

func (c *collector) add(term []byte, doc uint32, f field) {
	id, ok := c.ids[string(term)]
	if !ok {
		id = uint32(len(c.lists))
		c.ids[string(term)] = id
		c.lists = append(c.lists, nil)
	}
	list := c.lists[id]
	if n := len(list); n == 0 || list[n-1].doc != doc {
		list = append(list, posting{doc: doc})
		c.lists[id] = list
	}
	if count := &list[len(list)-1].count[f]; *count < math.MaxUint8 {
		*count++
	}
}

// invert returns the postings that have something in the first n fields, and only those terms.
func (c *collector) invert(n field) inverted {
	var v inverted
	total := 0
	for term, id := range c.ids {
		if k := countIn(c.lists[id], n); k > 0 {
			v.terms = append(v.terms, term)
			total += k
		}
	}
	slices.Sort(v.terms)
	v.terms = slices.Clip(v.terms)
	v.ends, v.posts = make([]uint32, 0, len(v.terms)), make([]posting, 0, total)
	for _, term := range v.terms {
		for _, p := range c.lists[c.ids[term]] {
			if p.isIn(n) {
				v.posts = append(v.posts, p)
			}
		}
		v.ends = append(v.ends, uint32(len(v.posts)))
	}
	return v
}

func countIn(list []posting, n field) int {
	k := 0
	for i := range list {
		if list[i].isIn(n) {
			k++
		}
	}
	return k
}

func (p *posting) isIn(n field) bool {
	for _, c := range p.count[:n] {
		if c > 0 {
			return true
		}
	}
	return false
}
