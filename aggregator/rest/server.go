// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"tollgate/aggregator"
	"tollgate/aggregator/auth"
	"tollgate/aggregator/bridge"
	"tollgate/policy/limit"
	"tollgate/store/audit"
	"tollgate/store/ledger"
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

// Ledger knows what calls cost. [ledger.Ledger] has it.
type Ledger interface {
	Balances(ctx context.Context, q *ledger.BalanceQuery) ([]ledger.Balance, error)
	Costs(ctx context.Context, q *ledger.CostQuery) (*ledger.CostReport, error)
	// Available is nil when calls can be admitted, and why not otherwise.
	Available() error
}

// Audit reads the audit log. Reads never block its writer.
type Audit interface {
	Query(ctx context.Context, q *audit.Query) (*audit.Page, error)
	// Find returns the records of one decision, oldest first; none is no error.
	Find(ctx context.Context, id string) ([]audit.Found, error)
}

// Reads are whose numbers a caller may read beside its own.
type Reads struct {
	All   bool
	Teams []string
}

// Options configure a [Server].
type Options struct {
	Gate   *aggregator.Gate // required
	Auth   Authenticator    // required
	Ledger Ledger           // nil: numbers are answered with 503
	Audit  Audit            // nil: records are answered with 503
	// Budgets are those in force. nil: costs come without a budget, and only who may read everything sees budgets.
	Budgets func() *limit.Budgets
	// MayRead says whose numbers a caller may read; nil: nobody reads others'. It is asked for each request.
	MayRead func(p *auth.Principal) Reads
	// Status adds what only the wiring knows to the status; nil: nothing.
	Status func(ctx context.Context) *Status
	// Zone is that of days, weeks and months, the same as the ledger's; nil: UTC.
	Zone *time.Location
	// Now is the clock of periods; nil: time.Now.
	Now     func() time.Time
	Log     *slog.Logger // nil: discard
	Version string       // of the gateway
	// MaxBody bounds one request body in bytes. 0: 4 MiB.
	MaxBody int64
	// BodyTimeout is how long reading one request body may take. 0: 30 s.
	BodyTimeout time.Duration
	// WriteTimeout is how long one write to a client may block before the client is given up. 0: 30 s.
	WriteTimeout time.Duration
}

func (o *Options) defaults() {
	if o.MaxBody <= 0 {
		o.MaxBody = 4 << 20
	}
	if o.BodyTimeout <= 0 {
		o.BodyTimeout = 30 * time.Second
	}
	if o.WriteTimeout <= 0 {
		o.WriteTimeout = 30 * time.Second
	}
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Version == "" {
		o.Version = "0"
	}
	if o.Budgets == nil {
		o.Budgets = func() *limit.Budgets { return nil }
	}
	if o.MayRead == nil {
		o.MayRead = func(*auth.Principal) Reads { return Reads{} }
	}
}

// Server serves /v1. Safe for concurrent use.
type Server struct {
	opts   Options
	gate   *aggregator.Gate
	log    *slog.Logger
	client bridge.Client // what upstreams and rules are told of REST clients
	mux    *http.ServeMux
}

// New returns a server. It has nothing in the background and needs no end.
func New(opts *Options) (*Server, error) {
	if opts == nil || opts.Gate == nil || opts.Auth == nil {
		return nil, errors.New("rest: Options.Gate and Options.Auth are required")
	}
	s := &Server{opts: *opts, gate: opts.Gate}
	s.opts.defaults()
	s.log = s.opts.Log
	info := append([]byte(`{"name":"tollgate-rest","version":`), wire.AppendString(nil, s.opts.Version)...)
	s.client = bridge.Client{Revision: wire.R20260728, Info: append(info, '}'), Capabilities: []byte("{}")}
	s.mux = s.routes()
	return s, nil
}

// ServeHTTP serves everything below /v1; the caller has stripped nothing from the path.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// A deadline of the connection's last request may be over.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(s.opts.WriteTimeout)) // a recorder has no deadlines
	s.mux.ServeHTTP(w, r)
}
