// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"errors"
	"net/http"

	"tollgate/aggregator/auth"
	"tollgate/aggregator/catalog"
	"tollgate/upstream/wire"
)

const maxTools = 1000 // on a page

// tools answers which tools the caller sees, with the schemas as it is shown them.
func (s *Server) tools(w http.ResponseWriter, r *http.Request, caller *auth.Principal) *problem {
	q := r.URL.Query()
	limit, p := number(q, "limit", maxTools, maxTools)
	if p != nil {
		return p
	}
	view, err := s.gate.View(r.Context(), caller, "")
	if err != nil {
		s.log.Error("a list could not be made", "error", err)
		return &problem{status: http.StatusInternalServerError, message: "the gateway could not make this list; its log says why"}
	}
	page, next, err := view.Slice(catalog.Tool, q.Get("cursor"), limit)
	if errors.Is(err, catalog.ErrBadCursor) {
		return badRequest("parameter \"cursor\" is none that this gateway gave out")
	}
	b := []byte(`{"tools":[`)
	for i, e := range page {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendTool(b, e, view.Definition(e))
	}
	b = append(b, ']')
	if next != "" {
		b = append(b, `,"next_cursor":`...)
		b = wire.AppendString(b, next)
	}
	s.send(w, http.StatusOK, "application/json", append(b, '}'))
	return nil
}

// appendTool writes what a client needs to know of a tool; the parts of its definition are copied byte for byte.
func appendTool(b []byte, e *catalog.Entry, definition []byte) []byte {
	b = append(wire.AppendString(append(b, `{"name":`...), e.Key()), `,"upstream":`...)
	b = append(wire.AppendString(b, e.Upstream), `,"original_name":`...)
	b = wire.AppendString(b, e.OriginalName)
	for _, name := range []string{"title", "description", "inputSchema", "outputSchema", "annotations"} {
		if raw, ok := wire.Lookup(definition, name); ok {
			b = append(append(append(append(b, `,"`...), name...), `":`...), raw...)
		}
	}
	return append(b, '}')
}
