// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tollgate/upstream/wire"
)

const (
	maxErrorBody  = 64 << 10  // read of the body of an HTTP error
	maxBodyHint   = 1 << 20   // believed of a Content-Length before the bytes are there
	maxRetryAfter = time.Hour // believed of a Retry-After
)

// errBodyTooLarge ends the reading of a body above its limit.
var errBodyTooLarge = errors.New("body above the limit")

// statusError is the cause of an *Error that an HTTP status led to.
type statusError struct {
	status     int
	retryAfter time.Duration // 0 = the server named none
}

func (e *statusError) Error() string { return fmt.Sprintf("HTTP status %d", e.status) }

// refusal turns an answer whose status is no success into the JSON-RPC error in its body, as an envelope with the given id, or
// into an *Error about what was sent. A nil id takes no envelope. Bodies may name any id, since servers that refuse early have
// not read it. inSession says that the request belonged to a session; when the answer is that there is none, the link is dead.
func (h *httpConn) refusal(resp *http.Response, id []byte, what string, inSession bool) (*wire.Envelope, error) {
	body, err := readAtMost(resp.Body, maxErrorBody, 0)
	if err != nil {
		body = nil // the status says enough
	}
	fault, code := faultIn(body)
	if inSession && isSessionLoss(resp.StatusCode, fault, code) {
		h.fail(errSessionLost)
		return nil, failf(h.cfg, KindClosed, false, errSessionLost, "no longer knows the session of %s", what)
	}
	if fault != nil && resp.StatusCode != http.StatusUnauthorized && id != nil {
		return &wire.Envelope{Raw: body, ID: id, Error: fault}, nil
	}
	return nil, h.statusFailure(resp, what)
}

// statusFailure is the *Error of a status without a JSON-RPC error.
func (h *httpConn) statusFailure(resp *http.Response, what string) *Error {
	status := resp.StatusCode
	cause := &statusError{status: status, retryAfter: retryAfter(resp.Header)}
	kind, sent, detail := KindProtocol, false, fmt.Sprintf("answered %s with HTTP %d", what, status)
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		kind, detail = KindAuth, fmt.Sprintf("refused the gateway's credentials for %s with HTTP %d", what, status)
	case status == http.StatusTooManyRequests:
		kind = KindUnavailable
	case status >= 500:
		kind, sent = KindUnavailable, true // a proxy may have given up on a server that has not
	case status/100 == 3:
		detail += ", a redirect that is not followed: only a few within the same origin are"
	case status < 400:
		sent = true
	}
	if cause.retryAfter > 0 {
		detail += fmt.Sprintf(", to be tried again in %s", cause.retryAfter)
	}
	return failf(h.cfg, kind, sent, cause, "%s", detail)
}

// faultIn returns the JSON-RPC error object in the body of an HTTP error and its code, or nil.
func faultIn(body []byte) (fault []byte, code int64) {
	if len(body) == 0 || wire.CheckReply(body) != nil {
		return nil, 0
	}
	fault, _ = wire.Lookup(body, "error")
	if wire.Kind(fault) != '{' {
		return nil, 0
	}
	raw, _ := wire.Lookup(fault, "code")
	code, ok := wire.Int(raw)
	if !ok {
		return nil, 0
	}
	return fault, code
}

// isSessionLoss reports whether an answer to a request with a session id says that there is no such session. The status for
// that is 404, unless the body shows that the method is what is missing. The handlers of many TypeScript servers answer 400
// with an error of their own instead.
func isSessionLoss(status int, fault []byte, code int64) bool {
	switch status {
	case http.StatusNotFound:
		return fault == nil || code != wire.CodeMethodNotFound
	case http.StatusBadRequest:
		raw, _ := wire.Lookup(fault, "message")
		message, _ := wire.String(raw)
		message = strings.ToLower(message)
		return (code == -32000 || code == -32001) &&
			(strings.Contains(message, "session") || strings.Contains(message, "not initialized"))
	}
	return false
}

// retryAfter reads a Retry-After header in either of its forms. 0 = there is none.
func retryAfter(h http.Header) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 32); err == nil {
		return min(time.Duration(seconds)*time.Second, maxRetryAfter)
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return max(0, min(time.Until(at).Round(time.Second), maxRetryAfter))
}

// readBody reads the body of resp, or fails with errBodyTooLarge beyond limit bytes.
func readBody(resp *http.Response, limit int64) ([]byte, error) {
	if resp.ContentLength > limit {
		return nil, errBodyTooLarge
	}
	return readAtMost(resp.Body, limit, resp.ContentLength)
}

// readAtMost reads all of r, or fails with errBodyTooLarge beyond limit bytes. hint is the expected size, 0 or less = unknown.
func readAtMost(r io.Reader, limit, hint int64) ([]byte, error) {
	var buf bytes.Buffer
	if hint > 0 {
		buf.Grow(int(min(hint, limit, maxBodyHint)) + bytes.MinRead)
	}
	n, err := buf.ReadFrom(io.LimitReader(r, limit+1))
	switch {
	case err != nil:
		return nil, err
	case n > limit:
		return nil, errBodyTooLarge
	}
	return buf.Bytes(), nil
}

// discardBody reads what little may be left of an uninteresting body, so that its connection can be used again, and closes it.
// It reads no more than is there without waiting for a stream that does not end.
func discardBody(resp *http.Response) {
	if resp.ContentLength >= 0 && resp.ContentLength <= maxErrorBody {
		_, _ = io.CopyN(io.Discard, resp.Body, resp.ContentLength)
	}
	resp.Body.Close()
}

// quoteShort quotes text of a server for an error message.
func quoteShort(s string) string {
	if len(s) > 64 {
		s = s[:64]
	}
	return strconv.Quote(s)
}

// eachMessage parses one message, or the batch that 2025-03-26 allows, and calls f for each until it returns false.
func eachMessage(b []byte, f func(*wire.Envelope) bool) error {
	b = bytes.TrimSpace(b)
	if wire.Kind(b) != '[' {
		env, err := wire.ParseReply(b)
		if err == nil {
			f(env)
		}
		return err
	}
	if err := wire.CheckReply(b); err != nil {
		return err
	}
	for element := range wire.Elements(b) {
		env, err := wire.ParseReply(element)
		if err != nil {
			return err
		}
		if !f(env) {
			return nil
		}
	}
	return nil
}
