// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"time"

	"tollgate/upstream/wire"
)

// body reads the request body within its limits and holds it to the strict rule of package wire.
func (s *Server) body(w http.ResponseWriter, r *http.Request) ([]byte, *problem) {
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		return nil, &problem{status: http.StatusUnsupportedMediaType, message: "the Content-Type must be application/json"}
	}
	if enc := r.Header.Get("Content-Encoding"); enc != "" && enc != "identity" {
		return nil, &problem{status: http.StatusUnsupportedMediaType, message: "compressed request bodies are not accepted"}
	}
	tooLarge := &problem{status: http.StatusRequestEntityTooLarge, message: "the request is larger than this gateway accepts"}
	if r.ContentLength > s.opts.MaxBody {
		return nil, tooLarge
	}
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Now().Add(s.opts.BodyTimeout)) // a recorder has no deadlines
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.opts.MaxBody))
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		return nil, tooLarge
	case err != nil:
		return nil, &problem{status: http.StatusRequestTimeout, message: "the request body did not arrive whole"}
	}
	// From here on reading only tells whether the client is still there.
	_ = rc.SetReadDeadline(time.Time{})
	if err := wire.Check(body); err != nil {
		return nil, badRequest("the body is refused: " + err.Error())
	}
	return body, nil
}

// patient takes the deadline for writing away while a call runs, which may take longer.
func patient(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // a recorder has no deadlines
}
