// SPDX-License-Identifier: Apache-2.0

package edge

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"tollgate/aggregator"
	"tollgate/aggregator/auth"
	"tollgate/aggregator/catalog"
	"tollgate/upstream"
	"tollgate/upstream/wire"
)

// Authenticator says who sent an HTTP request. [auth.Authenticator] implements it.
type Authenticator interface {
	Request(r *http.Request) (*auth.Principal, *auth.Challenge)
	// InsufficientScope is the answer to a caller whose access token lacks some of the scopes that are needed.
	InsufficientScope(p *auth.Principal, needed []string) *auth.Challenge
	// Source is the address of the client that sent r.
	Source(r *http.Request) string
}

// Options configure a [Server].
type Options struct {
	Gate    *aggregator.Gate // required
	Auth    Authenticator    // required for HTTP
	Log     *slog.Logger     // nil: discard
	Version string           // of the gateway, shown to clients
	// MaxBody bounds one request in bytes, a line on stdio included. 0: 4 MiB.
	MaxBody int64
	// BodyTimeout is how long reading one request body may take. 0: 30 s.
	BodyTimeout time.Duration
	// WriteTimeout is how long one write to a client may block before the client is given up. 0: 30 s.
	WriteTimeout time.Duration
	// KeepAlive is the pause between comments on an idle subscription stream. 0: 15 s.
	KeepAlive time.Duration
	// SessionIdle is how long an unused session of an earlier protocol revision lives. 0: 30 min.
	SessionIdle time.Duration
	// MaxSessions bounds the sessions of one principal. 0: 1000.
	MaxSessions int
	// MaxPending bounds the requests of one stdio client or session under way at once. 0: 256.
	MaxPending int
	// Drain is how long ServeStdio lets running requests end after the client closed its side or [Server.Drain]. 0: 10 s.
	Drain time.Duration
}

func (o *Options) defaults() {
	set := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	set(&o.BodyTimeout, 30*time.Second)
	set(&o.WriteTimeout, 30*time.Second)
	set(&o.KeepAlive, 15*time.Second)
	set(&o.SessionIdle, 30*time.Minute)
	set(&o.Drain, 10*time.Second)
	if o.MaxBody <= 0 {
		o.MaxBody = 4 << 20
	}
	if o.MaxSessions <= 0 {
		o.MaxSessions = 1000
	}
	if o.MaxPending <= 0 {
		o.MaxPending = 256
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Version == "" {
		o.Version = "0"
	}
}

// Server is the downstream side of the gateway. Safe for concurrent use.
type Server struct {
	opts     Options
	gate     *aggregator.Gate
	log      *slog.Logger
	hub      *hub
	sessions *sessions
	info     []byte // Implementation object

	ctx      context.Context // ends at Close; the parent of everything that outlives one HTTP request
	cancel   context.CancelFunc
	draining context.Context // ends at Drain: subscription streams end gracefully
	drain    context.CancelFunc
	work     sync.WaitGroup
	pipes    pipeCount
}

// New returns a server; [Server.Close] ends it.
func New(opts *Options) (*Server, error) {
	if opts == nil || opts.Gate == nil {
		return nil, errors.New("edge: Options.Gate is required")
	}
	s := &Server{opts: *opts, gate: opts.Gate}
	s.opts.defaults()
	s.log = s.opts.Log
	s.info = Implementation(s.opts.Version)
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.draining, s.drain = context.WithCancel(s.ctx)
	s.sessions = newSessions(s)
	s.hub = newHub(s.gate)
	s.gate.Watch(s.hub.catalogChanged)
	s.work.Go(func() { s.hub.run(s.ctx) })
	return s, nil
}

// Implementation is the gateway's serverInfo.
func Implementation(version string) []byte {
	b := append([]byte(`{"name":"tollgate","title":"Tollgate","version":`), wire.AppendString(nil, version)...)
	return append(b, '}')
}

// Event takes a notification of an upstream that belongs to no call.
func (s *Server) Event(e upstream.Event) {
	switch e.Method {
	case "notifications/resources/updated":
		s.hub.resourceUpdated(e.Upstream, e.Params)
	case toolList.method():
		s.hub.announced(s.ctx, e.Upstream, toolList, catalog.Tool)
	case promptList.method():
		s.hub.announced(s.ctx, e.Upstream, promptList, catalog.Prompt)
	case resourceList.method():
		s.hub.announced(s.ctx, e.Upstream, resourceList, catalog.Resource, catalog.Template)
	}
	// Log messages tied to no call are dropped: nobody can say whose they are.
}

// Drain ends all subscription streams gracefully and reads no more from stdio clients, so that only running requests are
// left to wait for.
func (s *Server) Drain() { s.drain() }

// Drained waits after Drain until the stdio clients have the answers to their running requests, or ctx ends.
func (s *Server) Drained(ctx context.Context) error {
	select {
	case <-s.pipes.empty():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pipeCount is the number of stdio clients being served.
type pipeCount struct {
	mu      sync.Mutex // guards what follows
	n       int
	waiting []chan struct{}
}

func (c *pipeCount) add(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n += n; c.n > 0 {
		return
	}
	for _, w := range c.waiting {
		close(w)
	}
	c.waiting = nil
}

// empty returns a channel that is closed once no client is being served.
func (c *pipeCount) empty() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := make(chan struct{})
	if c.n == 0 {
		close(w)
		return w
	}
	c.waiting = append(c.waiting, w)
	return w
}

// Close ends sessions and everything still running, and waits for it.
func (s *Server) Close() {
	s.drain()
	s.cancel()
	s.sessions.closeAll()
	s.work.Wait()
}

// Sessions is the number of open sessions of earlier protocol revisions.
func (s *Server) Sessions() int { return s.sessions.count() }
