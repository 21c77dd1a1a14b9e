// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"log/slog"

	"tollgate/upstream/wire"
)

// link is one live connection to an upstream in one era. It moves envelopes and knows nothing of lists, retries or health.
// All methods are safe for concurrent use.
//
// Who does what: conn.go sends initialize, notifications/initialized and server/discover through exchange and notify like any
// other request. A legacy HTTP link takes the session id from the answer to initialize and the negotiated revision from
// exchange.rev of the requests after it, and sends both headers from then on; initialize itself carries neither. A modern HTTP
// link computes the mirrored headers from method, params, headers and rev.
type link interface {
	// exchange sends one request and waits for its response. Notifications and server requests that belong to it reach
	// x.peer in the order of the wire before it returns. A JSON-RPC error is in the envelope; the error is an *Error and says
	// in Sent whether the request may have been executed. When ctx ends the upstream is told (notifications/cancelled or a
	// closed stream) and the error is *Error of kind timeout (deadline) or closed (cancelled), wrapping ctx.Err().
	exchange(ctx context.Context, x *exchange) (*wire.Envelope, error)
	// notify sends a notification and does not wait for more than its acceptance. The error is an *Error.
	notify(ctx context.Context, method string, params []byte) error
	// close ends the link and everything that belongs to it: goroutines, the process group, the session at the server.
	// It is idempotent and returns when all of it is gone. Exchanges under way fail with kind closed.
	close()
	// done is closed when the link is dead, by close or by itself. An HTTP link dies only by close.
	done() <-chan struct{}
	// cause says why the link died, with the tail of standard error for a child; nil while it lives.
	cause() error
	// stderr is the tail of a child's standard error; pid its process id. "" and 0 elsewhere.
	stderr() string
	pid() int
}

// exchange is one request on a link. The fields below the blank line are written by the link, only before its exchange
// method returns, and by no goroutine that outlives it.
type exchange struct {
	method        string
	params        []byte // complete, _meta included; nil = omitted
	rev           wire.Revision
	headers       []wire.ParamHeader
	progressToken []byte // raw JSON as spliced into params; nil = none. Progress with this token belongs to this exchange.
	peer          Peer   // nil: notifications are dropped, requests answered with -32601
	maxReply      int64  // bytes; 0 = linkOptions.maxReply
	// stream marks subscriptions/listen: every notification of the stream goes to peer until ctx ends or the upstream does.
	// The overall reply limit then holds per event, not for the stream.
	stream bool

	sent   bool // bytes may have reached the upstream
	status int  // HTTP status of the answer; 0 = none seen or no HTTP
}

// linkOptions are what every link needs beside its Config.
type linkOptions struct {
	log      *slog.Logger // never nil
	maxReply int64        // bytes of one reply, event or line; never 0
	// onNotify takes notifications tied to no exchange, in the order of the wire. It returns fast.
	onNotify func(method string, params []byte)
	// onAsk answers requests of a legacy upstream tied to no exchange; each call has its own goroutine. ping is answered by
	// the link.
	onAsk func(ctx context.Context, method string, params []byte) ([]byte, *wire.Error)
	// onAsked is told of each call of onAsk before anything that came after the request is handed on. Links with one ordered
	// stream only; nil = nobody counts.
	onAsked func()
	cfg     *Config
	auth    *authorizer // the identity of HTTP links; nil = what Config.Headers says
}

// The constructors of links, one file family each:
//
//	dialStdio(ctx context.Context, cfg *Config, o *linkOptions) (link, error)   // starts cfg.Command
//	dialPipe(ctx context.Context, cfg *Config, o *linkOptions) (link, error)    // calls cfg.InProcess
//	dialHTTP(cfg *Config, o *linkOptions, legacy bool) (link, error)            // Streamable HTTP; connects on first use
//	dialSSE(ctx context.Context, cfg *Config, o *linkOptions) (link, error)     // HTTP+SSE of 2024-11-05; waits for "endpoint"
//
// ctx bounds the dialling, never the life of the link. Their errors are *Error.
