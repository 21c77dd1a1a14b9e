// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"context"
	"slices"

	"tollgate/store"
	"tollgate/store/audit"
	"tollgate/store/ledger"
)

// rates is a book without pages: it admits claims, and what it counted is gone with the process.
type rates struct{ limiter *store.Limiter }

// Reserve admits all claims of the call or none.
func (r rates) Reserve(_ context.Context, req *ledger.Request) (ledger.Reservation, error) {
	claims := req.Claims
	if req.Uncounted {
		claims = slices.DeleteFunc(slices.Clone(claims), func(c store.Claim) bool { return c.Rate > 0 })
	}
	if len(claims) == 0 {
		return nothing{}, nil
	}
	got, err := r.limiter.Admit(claims)
	if err != nil {
		return nil, err
	}
	return places{got}, nil
}

// Record writes nothing.
func (rates) Record(context.Context, *audit.Record) error { return nil }

// Available is always nil.
func (rates) Available() error { return nil }

// Stats are all zero.
func (rates) Stats() ledger.Stats { return ledger.Stats{} }

// places are what a call takes up while it runs.
type places struct{ admitted *store.Admitted }

func (p places) Settle(_ context.Context, out *audit.Record) error {
	if !out.Open {
		p.admitted.Release()
	}
	return nil
}

func (places) ID() string { return "" }

type nothing struct{}

func (nothing) Settle(context.Context, *audit.Record) error { return nil }
func (nothing) ID() string                                  { return "" }
