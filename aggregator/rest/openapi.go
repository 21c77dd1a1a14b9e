// SPDX-License-Identifier: Apache-2.0

package rest

import (
	_ "embed"
	"net/http"

	"tollgate/aggregator/auth"
)

// openapi describes this package for clients. Tests hold every answer against it.
//
//go:embed openapi.json
var openapi []byte

// Document is the OpenAPI 3.1 document of the API.
func Document() []byte { return openapi }

func (s *Server) document(w http.ResponseWriter, _ *http.Request, _ *auth.Principal) *problem {
	s.send(w, http.StatusOK, "application/json", openapi)
	return nil
}
