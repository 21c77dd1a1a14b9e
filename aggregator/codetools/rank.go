// SPDX-License-Identifier: Apache-2.0

package codetools

import (
	"sync"

	"tollgate/aggregator/catalog/search"
)

// ranking finds tools of one surface.
type ranking struct {
	scope *search.Scope
	tools []*tool // by document
}

// newRanking makes the ranking of a surface when it is first asked for.
func newRanking(s *surface) func() *ranking {
	return sync.OnceValue(func() *ranking {
		r := &ranking{}
		var docs []search.Doc
		for _, name := range s.servers {
			for _, x := range s.at[name].tools {
				r.tools = append(r.tools, x)
				docs = append(docs, search.Doc{
					Server: x.server.name, Name: x.entry.OriginalName, Title: x.doc.Title, Description: x.doc.Description, Schema: x.doc.Input,
				})
			}
		}
		r.scope = search.New(docs).Scope(nil)
		return r
	})
}

// ranked are the tools that fit q, the best first, and how many more there are.
func (t *Tools) ranked(s *surface, q *query) (hits []*tool, more int) {
	limit := q.Limit
	if limit <= 0 {
		limit = defaultHits
	}
	sq := &search.Query{Text: q.Query, Limit: min(limit, maxHits)}
	if g := s.server(q.Server); g != nil {
		sq.Server = g.name
	}
	r := s.ranking()
	found := r.scope.Search(sq)
	for _, h := range found.Hits {
		hits = append(hits, r.tools[h.Doc])
	}
	return hits, max(0, found.Total-len(hits))
}
