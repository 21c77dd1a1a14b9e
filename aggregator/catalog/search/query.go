// SPDX-License-Identifier: Apache-2.0

package search

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

const (
	defaultLimit = 8
	// MaxLimit is the most hits a query gets.
	MaxLimit = 100

	maxQuery = 1024 // bytes of a query that count
	maxTerms = 24   // of a query

	saturation = 1.2  // the k1 of BM25: how soon more of the same term counts for little
	minPrefix  = 4    // bytes of a term that may be the beginning of another
	partly     = 0.35 // what a term counts of which only the beginning was asked for
	agreement  = 0.5  // exponent of the share of the asked terms that a document has
)

// Query is a question of a caller.
type Query struct {
	// Text is what is looked for: words in any form and order, or a name. Without it a query lists the servers, and with
	// Server the tools of that server by name.
	Text string
	// Server, when not empty, is the only server whose tools are wanted. Case does not matter.
	Server string
	// Limit is the number of hits wanted. 0 = 8; at most [MaxLimit].
	Limit int
}

// Result is the answer to a query.
type Result struct {
	Hits    []Hit    // best first
	Total   int      // hits without the limit
	Servers []Server // of a query without a text and a server
}

// Hit is one document found.
type Hit struct {
	Doc   int     // position in the documents of the index
	Score float64 // comparable within one result only
	Exact bool    // the query is its name, or its server and its name
}

// Search answers q. The same scope and query give the same result, and equal scores are in the order of names.
func (s *Scope) Search(q *Query) *Result {
	limit := q.Limit
	if limit <= 0 {
		limit = defaultLimit
	}
	limit = min(limit, MaxLimit)
	text := strings.TrimSpace(q.Text[:min(len(q.Text), maxQuery)])
	switch {
	case text == "" && q.Server == "":
		return &Result{Servers: s.servers}
	case text == "":
		return s.list(q.Server, limit)
	}
	w := s.x.scratch.Get().(*scratch)
	defer s.x.scratch.Put(w)
	w.begin(len(s.x.docs))
	w.terms(text)
	for _, term := range w.query {
		s.score(w, term)
	}
	s.agree(w)
	s.exact(w, text)
	return s.best(w, q.Server, limit)
}

// score adds what the documents of the scope get for one term.
func (s *Scope) score(w *scratch, term string) {
	w.touched = w.touched[:0]
	for i := range s.layers {
		l := &s.layers[i]
		s.weigh(w, l, l.x.words.find(term), fields, 1)
		if len(term) < minPrefix {
			continue
		}
		from, to := l.x.names.longer(term)
		for t := from; t < to; t++ {
			s.weigh(w, l, l.x.names.of(t), labels, partly)
		}
	}
	// How rare the term is follows from the touched documents alone: those that the scope shows. One that has it in passing,
	// as the name of an argument, counts in part. Sums of whole numbers are the same in any order.
	sum := 0
	for _, id := range w.touched {
		sum += int(min(w.docs[id].weight, 1) * 1024)
	}
	df := float64(sum) / 1024
	idf := math.Log(1 + (float64(s.n)-df+0.5)/(df+0.5))
	for _, id := range w.touched {
		d := &w.docs[id]
		if d.matched == 0 {
			w.found = append(w.found, id)
		}
		d.matched++
		d.score += idf * (saturation + 1) * d.weight / (saturation + d.weight)
		d.weight = 0
	}
}

// weigh adds up the occurrences of a term in the first n fields of the documents of a layer.
func (s *Scope) weigh(w *scratch, l *layer, posts []posting, n field, factor float64) {
	for i := range posts {
		p := &posts[i]
		if !l.has(p.doc) {
			continue
		}
		sum := 0.0
		lengths := &l.x.docs[p.doc].lengths
		for f, count := range p.count[:n] {
			if count == 0 {
				continue
			}
			r := &s.rules[f]
			sum += r.weight * float64(count) / (r.fixed + r.each*float64(lengths[f]))
		}
		id := l.id(p.doc)
		d := &w.docs[id]
		if d.weight == 0 {
			w.touched = append(w.touched, id)
		}
		d.weight += factor * sum
	}
}

// agree favours documents that have more of the terms asked for.
func (s *Scope) agree(w *scratch) {
	for _, id := range w.found {
		d := &w.docs[id]
		d.score *= math.Pow(float64(d.matched)/float64(len(w.query)), agreement)
	}
}

// exact marks the documents whose name the query is.
func (s *Scope) exact(w *scratch, text string) {
	squashed := squash(text)
	for d, id := range s.shown {
		name, both := strings.CutPrefix(squashed, d.alike)
		loosely := d.squashed != "" && (squashed == d.squashed || both && name == d.squashed)
		if !loosely && d.name != text {
			continue
		}
		m := &w.docs[id]
		if m.matched == 0 {
			w.found = append(w.found, id)
			m.matched++
		}
		m.exact = true
	}
}

// best returns the hits of what was found, and cleans up.
func (s *Scope) best(w *scratch, server string, limit int) *Result {
	r := &Result{}
	w.hits = w.hits[:0]
	for _, id := range w.found {
		d := &w.docs[id]
		if server == "" || strings.EqualFold(s.x.docs[id].server, server) {
			w.hits = append(w.hits, Hit{Doc: int(id), Score: d.score, Exact: d.exact})
		}
		*d = found{}
	}
	r.Total = len(w.hits)
	r.Hits = s.top(w.hits, limit)
	return r
}

// list returns the first tools of a server.
func (s *Scope) list(server string, limit int) *Result {
	w := s.x.scratch.Get().(*scratch)
	defer s.x.scratch.Put(w)
	w.hits = w.hits[:0]
	for d, id := range s.shown {
		if strings.EqualFold(d.server, server) {
			w.hits = append(w.hits, Hit{Doc: int(id)})
		}
	}
	return &Result{Total: len(w.hits), Hits: s.top(w.hits, limit)}
}

// top returns the best of hits in order. It keeps the best so far at the front, so a long list costs little more than a look
// at each.
func (s *Scope) top(hits []Hit, limit int) []Hit {
	n := min(2*limit, len(hits))
	slices.SortFunc(hits[:n], s.order)
	kept := min(limit, n)
	for i := n; i < len(hits); {
		for ; i < len(hits) && n < 2*limit; i++ {
			if s.order(hits[i], hits[kept-1]) < 0 {
				hits[n] = hits[i]
				n++
			}
		}
		slices.SortFunc(hits[:n], s.order)
		n = kept
	}
	if kept == 0 {
		return nil
	}
	return slices.Clone(hits[:kept])
}

// order puts exact names first, then higher scores, then names.
func (s *Scope) order(a, b Hit) int {
	if a.Exact != b.Exact {
		if a.Exact {
			return -1
		}
		return 1
	}
	if c := cmp.Compare(b.Score, a.Score); c != 0 {
		return c
	}
	x, y := &s.x.docs[a.Doc], &s.x.docs[b.Doc]
	return cmp.Or(strings.Compare(x.name, y.name), strings.Compare(x.server, y.server), cmp.Compare(a.Doc, b.Doc))
}
