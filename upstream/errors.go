// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// ErrorKind says what went wrong between the gateway and an upstream.
type ErrorKind string

// The kinds of [Error].
const (
	KindUnavailable ErrorKind = "unavailable" // not connected, or the circuit is open
	KindTimeout     ErrorKind = "timeout"     // no answer in time
	KindClosed      ErrorKind = "closed"      // the connection ended, or the caller went away
	KindOverloaded  ErrorKind = "overloaded"  // too many calls in flight and waiting
	KindProtocol    ErrorKind = "protocol"    // the upstream broke the protocol
	KindTooLarge    ErrorKind = "too_large"   // a reply above the limit
	KindAuth        ErrorKind = "auth"        // the upstream refused the gateway's credentials
)

// Error is a failure between the gateway and an upstream. JSON-RPC errors are not among them: see [Reply].
type Error struct {
	Upstream string
	Kind     ErrorKind
	// Sent says that the request may have been executed: the outcome is unknown.
	Sent bool
	// Detail completes the sentence `upstream "x" ...`. It is shown to clients: never a URL, a header or a token.
	Detail string
	// Err is the cause, for errors.Is and the log. It is not part of the text, since it may name URLs.
	Err error
}

// Error implements error: `upstream "jira" did not answer tools/call within 30s; outcome unknown`.
func (e *Error) Error() string {
	s := fmt.Sprintf("upstream %q %s", e.Upstream, e.Detail)
	if e.Sent {
		s += "; outcome unknown"
	}
	return s
}

// Public is the text for callers: without what the upstream's process printed, which may be about others.
func (e *Error) Public() string {
	p := *e
	p.Detail, _, _ = strings.Cut(e.Detail, lastOutput)
	return p.Error()
}

// lastOutput begins the part of a detail that quotes an upstream's standard error.
const lastOutput = ", last output "

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// errSessionLost is wrapped by the *Error of a legacy HTTP link whose server no longer knows the session (404 with a session
// id). The request was not executed; a new initialize is needed.
var errSessionLost = errors.New("session lost")

// errLinkClosed is the cause of a link that was closed by this side.
var errLinkClosed = errors.New("connection closed by the gateway")

// failf returns an *Error about cfg's upstream with a formatted Detail.
func failf(cfg *Config, kind ErrorKind, sent bool, cause error, format string, args ...any) *Error {
	return &Error{Upstream: cfg.Name, Kind: kind, Sent: sent, Detail: fmt.Sprintf(format, args...), Err: cause}
}

// ctxError returns the *Error of a request whose context ended.
func ctxError(ctx context.Context, cfg *Config, method string, sent bool) *Error {
	if timedOut(ctx) {
		return failf(cfg, KindTimeout, sent, context.DeadlineExceeded, "did not answer %s in time", method)
	}
	return failf(cfg, KindClosed, sent, ctx.Err(), "was told to stop %s: the caller went away", method)
}

// timedOut reports whether a context that ended did so because time was over: a deadline's or that of a [clock].
func timedOut(ctx context.Context) bool {
	return errors.Is(ctx.Err(), context.DeadlineExceeded) || errors.Is(context.Cause(ctx), context.DeadlineExceeded)
}

// errNotConnected is wrapped by the *Error of a call that found no connection, so that no request was tried.
var errNotConnected = errors.New("not connected")

// failureText is what an operator and a client may read of err: for an *Error its Detail, since the upstream is known from the
// context.
func failureText(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Detail
	}
	if err == nil {
		return ""
	}
	return err.Error()
}
