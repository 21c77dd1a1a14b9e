// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"context"
	"net/http"
	"time"

	"tollgate/aggregator/auth"
	"tollgate/store/ledger"
)

// Status is what only the wiring knows of the gateway; it is shown to who may read everything.
type Status struct {
	Started   time.Time
	Upstreams []Upstream
	Ledger    ledger.Stats
	Records   uint64 // in the audit log
}

// Upstream is one upstream as operators see it.
type Upstream struct {
	Name    string `json:"name"`
	State   string `json:"state"`
	Tools   int    `json:"tools"`
	Failure string `json:"failure,omitempty"`
}

type statusAnswer struct {
	Status  string         `json:"status"` // ok, or unavailable while no call is admitted
	Version string         `json:"version"`
	Time    string         `json:"time"`
	Zone    string         `json:"timezone"`
	Ledger  ledgerAnswer   `json:"ledger"`
	Details *statusDetails `json:"details,omitempty"` // for operators
}

type ledgerAnswer struct {
	Available bool   `json:"available"`
	Message   string `json:"message,omitempty"`
}

type statusDetails struct {
	Revision  string     `json:"revision"`
	Started   *string    `json:"started_at"`
	Upstreams []Upstream `json:"upstreams"`
	Records   uint64     `json:"records"`
	Queued    int        `json:"queued"`
	Commits   uint64     `json:"commits"`
	Admitted  uint64     `json:"admitted"`
	Refused   uint64     `json:"refused"`
	Overruns  uint64     `json:"overruns"`
	Failures  uint64     `json:"failures"`
	LastError string     `json:"last_error,omitempty"`
}

// status answers how the gateway is. Its HTTP status is 200 as long as it can answer at all: /readyz is for machines.
func (s *Server) status(w http.ResponseWriter, r *http.Request, caller *auth.Principal) *problem {
	a := &statusAnswer{Status: "ok", Version: s.opts.Version, Time: *s.when(s.opts.Now()), Zone: s.opts.Zone.String()}
	reads := s.opts.MayRead(caller)
	a.Ledger.Available = s.opts.Ledger != nil
	if s.opts.Ledger != nil {
		if err := s.opts.Ledger.Available(); err != nil {
			a.Ledger.Available = false
			if reads.All {
				a.Ledger.Message = err.Error()
			}
		}
	}
	if !a.Ledger.Available || !s.gate.Ready() {
		a.Status = "unavailable"
	}
	if reads.All {
		a.Details = s.details(r.Context())
	}
	s.json(w, a)
	return nil
}

func (s *Server) details(ctx context.Context) *statusDetails {
	d := &statusDetails{Revision: s.gate.Revision(), Upstreams: []Upstream{}}
	if s.opts.Status == nil {
		return d
	}
	st := s.opts.Status(ctx)
	if st == nil {
		return d
	}
	d.Started, d.Records = s.when(st.Started), st.Records
	d.Upstreams = append(d.Upstreams, st.Upstreams...)
	l := &st.Ledger
	d.Queued, d.Commits, d.Admitted, d.Refused = l.Queued, l.Commits, l.Admitted, l.Refused
	d.Overruns, d.Failures, d.LastError = l.Overruns, l.Failures, l.LastError
	return d
}
