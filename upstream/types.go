// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"time"

	"tollgate/upstream/wire"
)

// Options configure a [Set]. The zero value is usable; nil fields take the stated default.
type Options struct {
	// Log receives what no caller is told: dropped items, restarts, refreshes that failed. nil discards it.
	Log *slog.Logger
	// Now is the wall clock used for the times in [Status] and [Snapshot]. nil means time.Now.
	Now func() time.Time
	// ClientName and ClientVersion are what upstreams are told when a request carries no client of its own. Empty means
	// "tollgate" and "0".
	ClientName, ClientVersion string
	// OnCatalog is called when a snapshot or the health of an upstream changed. Calls come from one goroutine, never
	// concurrently, and are coalesced: one call may stand for several changes. It must return fast. nil means nobody cares.
	OnCatalog func()
	// OnEvent receives notifications that belong to no request. It is called from many goroutines and must not block.
	OnEvent func(Event)
	// Tokens keeps logins at upstreams across restarts. nil = they end with the Set.
	Tokens TokenStore
	// Browser shows the URL of a login that an upstream asks for. nil = an upstream without a login fails until [Set.Login].
	Browser BrowserFunc
}

// Request is one request to an upstream, in the upstream's own names.
type Request struct {
	// Method is the JSON-RPC method; Params its params object with the reserved client keys of _meta already stripped
	// ([wire.StripMeta]) and without a progress token. nil Params is an empty object.
	Method string
	Params []byte
	// ClientInfo and ClientCapabilities are what the downstream client declared for this request, as raw JSON; nil = nothing.
	ClientInfo, ClientCapabilities []byte
	// LogLevel is the RFC 5424 level from which log messages are wanted; "" = none.
	LogLevel string
	// Progress says that the caller wants progress; the token the upstream sees is minted here.
	Progress bool
	// ParamHeaders are the x-mcp-header annotations of the tool called, see [Item.ParamHeaders].
	ParamHeaders []wire.ParamHeader
	// Timeout bounds the whole call, waiting for a connection or a free slot included, but not the waiting for an answer of
	// Peer. It starts anew with every report of progress; [Config.MaxCall] is the end of it all. 0 = the upstream's own.
	Timeout time.Duration
	// ReadOnly allows one more try when the outcome of the first is unknown.
	ReadOnly bool
	// Owner is the key of who calls; "" = nobody in particular. A legacy upstream serves each owner on sessions of its own,
	// which declare the elicitation, sampling and roots of ClientCapabilities; see [Config.Sessions].
	Owner string
	// Legacy says that the client speaks a revision with a handshake. An upstream that speaks both eras then gets the request
	// on a session of its owner in the client's era, since what a tool does may depend on it: whom it can ask, and how.
	Legacy bool
	// Peer receives what the upstream sends while the request runs. May be nil.
	Peer Peer
}

// Peer receives what an upstream sends while a request is running: in the order of the wire, one call at a time, and always
// before [Set.Call] returns.
type Peer interface {
	// Notify takes notifications/progress and notifications/message. The progressToken in params is the one minted for the
	// upstream: the peer replaces it by the client's. It must not block for long, since it holds up the upstream's stream.
	Notify(method string, params []byte)
	// Ask answers a request of a legacy upstream (elicitation, sampling, roots). ctx ends with the call it belongs to.
	Ask(ctx context.Context, method string, params []byte) (result []byte, err *wire.Error)
}

// Reply is the answer of an upstream: exactly one of Result and Error is set. Result is always a JSON object.
type Reply struct {
	Result   []byte
	Error    *wire.Error
	Revision wire.Revision // spoken with the upstream
}

// Event is a notification tied to no request: notifications/resources/updated, notifications/message, or a list_changed
// after which the lists were the same as before. Params may be nil.
type Event struct {
	Upstream string
	Method   string
	Params   []byte
}

// State is the health of an upstream.
type State string

// The states of an upstream.
const (
	Connecting State = "connecting" // not connected, no failure yet or none since the last good connection
	Ready      State = "ready"      // connected, the snapshot is whole
	Degraded   State = "degraded"   // connected, but see Status.Failure: lists that are old or cut short, unusable replies, no answers
	Failed     State = "failed"     // not connected, being retried with growing pauses
	Disabled   State = "disabled"   // switched off by its configuration
)

// Status is what an operator sees of one upstream.
type Status struct {
	Name      string
	State     State
	Transport string          // "stdio", "http", "sse" or "in-process"
	Revision  wire.Revision   // "" before the first connection
	Server    json.RawMessage // serverInfo as the upstream sent it
	Failure   string          // last failure; empty when there was none
	FailedAt  time.Time       // of the last failure
	Since     time.Time       // of the current state
	Restarts  int             // connections made after the first
	Tools     int
	Prompts   int
	Resources int
	Templates int
	Dropped   []Problem // what the last snapshot left out
	Stderr    string    // tail of a child's standard error
	PID       int       // of a child, 0 = none
	InFlight  int       // calls running or queued
	Sessions  int       // sessions of owners, open or being opened
	Login     LoginState
}

// Problem says why an item of an upstream is not in its snapshot.
type Problem struct{ Item, Reason string }

// Snapshot is everything an upstream offers at one moment. It is never changed after it was published.
type Snapshot struct {
	Upstream                             string
	Revision                             wire.Revision
	ServerInfo, Capabilities             []byte
	Instructions                         string
	Tools, Prompts, Resources, Templates []Item // in the order of the upstream
	Dropped                              []Problem
	TTL                                  time.Duration // how long the upstream says the lists stay good; 0 = it does not say
	Fetched                              time.Time
	Hash                                 string // changes when any item, the capabilities or the instructions do
}

// Item is one definition, as bytes and the few fields needed to find it. Name is present and unique within its kind, except
// for resources and templates, which are found by URI. URI of a template is its uriTemplate.
type Item struct {
	Name, URI    string
	Raw          []byte
	Hash         string // wire.Digest of Raw
	ParamHeaders []wire.ParamHeader
}

// Config describes one upstream. All secrets in it are resolved; it is never logged or shown.
type Config struct {
	// Name identifies the upstream in names, policies and errors.
	Name string
	// Command, Args, Env and Dir start a child that speaks over its standard streams. Env is added to a small allow-list
	// (PATH, HOME, LANG, TMPDIR and the like) of the gateway's environment; nothing else is inherited.
	Command string
	Args    []string
	Env     map[string]string
	Dir     string
	// URL and Headers reach a server over HTTP.
	URL     string
	Headers map[string]string
	// OAuth says how to get tokens for a server at URL that wants them. nil is as good as the zero OAuth for a server that asks
	// for a Bearer token, unless Headers has an Authorization.
	OAuth *OAuth
	// InProcess connects to a server in this process that speaks newline-delimited JSON. It is called once per connection.
	InProcess func(ctx context.Context) (io.ReadWriteCloser, error)
	// Transport is "" (from Command, URL or InProcess), "stdio", "http" or "sse", which forces the transport of 2024-11-05.
	Transport string
	// Era is "" or "auto" (probe), "modern" or "legacy".
	Era string
	// Tools is an allow-list of original tool names ([path.Match] patterns). Empty = all.
	Tools []string
	// Timeout bounds one call, StartTimeout one attempt to connect, ProbeTimeout the question which era a child speaks.
	// 0 = 60 s, 30 s and 3 s.
	Timeout, StartTimeout, ProbeTimeout time.Duration
	// Concurrency is the number of calls in flight. 0 = 64. Four times as many wait, the rest fails with kind overloaded.
	Concurrency int
	// MaxReplyBytes bounds one reply, event or line. 0 = 16 MiB.
	MaxReplyBytes int64
	// RefreshEvery is the interval between two refreshes of the snapshot. 0 = as the upstream's ttlMs says (at least 30 s), or
	// never when it says nothing.
	RefreshEvery time.Duration
	Disabled     bool

	// Sessions says who shares the sessions of a legacy upstream. "" or "principal": nobody, each owner has its own. "shared":
	// owners whose client has nothing to declare use the one all lists are read from, for servers known to keep no state.
	Sessions string
	// MaxInteractive bounds the sessions of one owner that declare something. 0 = 4. Where all calls of a session share one
	// stream (child, in process, HTTP+SSE) each runs one call at a time, so that a question belongs to its call.
	MaxInteractive int
	// SessionIdle is how long a session of an owner stays open without a call. 0 = 10 min.
	SessionIdle time.Duration
	// MaxSessions bounds the sessions of all owners. 0 = 64. The one idle for longest makes room for a new one.
	MaxSessions int
	// MaxCall is the most a call may take, however long its caller takes to answer and whatever progress it makes. 0 = 1 h, or
	// Timeout when that is more.
	MaxCall time.Duration
}
