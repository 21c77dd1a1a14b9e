// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tollgate/store"
	"tollgate/store/audit"
)

// reservation is a call under way. The mutex of the engine guards what changes: accounts and settled.
type reservation struct {
	engine   *Engine
	id       string
	class    audit.Class
	cost     int64
	release  bool
	leased   bool       // drawn from leases
	accounts []*account // of the charges; in room while they fit
	admitted *store.Admitted
	began    time.Time // time of the intent
	of       *audit.Labels
	settled  bool
	room     [4]*account
}

// check refuses what is no request.
func (r *Request) check() error {
	switch {
	case r == nil || r.Record == nil:
		return errors.New("request without a record")
	case r.Record.Kind != audit.Intent:
		return fmt.Errorf("request with a record of kind %q, want %q", r.Record.Kind, audit.Intent)
	case r.Record.ID == "" || len(r.Record.ID) > maxName:
		return fmt.Errorf("request with an id of %d bytes, want 1 to %d", len(r.Record.ID), maxName)
	case r.Cost < 0:
		return fmt.Errorf("request %q costs %d nano-USD: less than nothing", r.Record.ID, r.Cost)
	}
	switch r.Class {
	case audit.Strict, audit.Durable, audit.Async:
		return nil
	}
	return fmt.Errorf("request %q is of class %q, want strict, durable or async", r.Record.ID, r.Class)
}

// Reserve implements [Ledger]. The record belongs to the ledger from then on: it must not change any more.
func (e *Engine) Reserve(ctx context.Context, r *Request) (Reservation, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	res := &reservation{engine: e, id: r.Record.ID, class: r.Class, cost: r.Cost, release: r.Release, of: r.Record.Of}
	e.mu.Lock()
	receipt, err := e.admit(r, res)
	if err != nil {
		e.countRefusal(err)
		e.mu.Unlock()
		return nil, err
	}
	e.stats.Admitted++
	if receipt != nil {
		e.waiting++
	}
	e.mu.Unlock()
	if receipt == nil {
		return res, nil
	}
	if err := e.await(ctx, receipt, res); err != nil {
		return nil, err
	}
	return res, nil
}

func (e *Engine) countRefusal(err error) {
	var budget *ExceededError
	var claim *store.ExceededError
	if errors.As(err, &budget) || errors.As(err, &claim) {
		e.stats.Refused++
	}
}

// admit is the critical section of Reserve: it holds all or nothing and puts the intent into the log. A nil receipt says
// that nobody waits for it. The caller holds mu.
func (e *Engine) admit(r *Request, res *reservation) (*audit.Receipt, error) {
	if err := e.admits(); err != nil {
		return nil, err
	}
	if e.open[res.id] != nil {
		return nil, fmt.Errorf("request %q is under way already", res.id)
	}
	r.Record.Time = e.wall()
	now := e.moment(r.Record.Time)
	var err error
	if res.accounts, err = e.charged(r.Charges, now, res.room[:0]); err != nil {
		return nil, err
	}
	if res.cost == 0 {
		res.accounts = nil // always fits, changes nothing
	}
	res.leased = len(res.accounts) > 0 && res.class != audit.Strict && e.drawable(res.accounts, res.cost, now)
	if !res.leased {
		if err := e.fits(res.accounts, res.cost, now); err != nil {
			return nil, err
		}
	}
	claims, rates := counted(r)
	if len(claims) > 0 {
		if res.admitted, err = e.limiter.Admit(claims); err != nil {
			return nil, err
		}
	}
	receipt, err := e.hold(r, res, rates, now)
	if err != nil {
		res.admitted.Release()
		return nil, err
	}
	return receipt, nil
}

// counted are the claims of a request that count, and those of them that are to count after a crash too.
func counted(r *Request) (claims []store.Claim, rates []audit.RateUse) {
	claims = r.Claims
	if r.Uncounted {
		claims = make([]store.Claim, 0, len(r.Claims))
		for _, c := range r.Claims {
			if c.Rate == 0 {
				claims = append(claims, c)
			}
		}
	}
	for _, c := range claims {
		if c.Durable && c.Rate > 0 {
			rates = append(rates, audit.RateUse{ID: c.ID, Key: c.Key, Rate: c.Rate, Window: c.Window})
		}
	}
	return claims, rates
}

// fits finds out whether every account has room for the cost, without leases. Where one has it only with what it has
// leased, its lease is given back; when one has not even that, nothing changes and the error is about the account that is
// full for the longest time. The caller holds mu.
func (e *Engine) fits(accounts []*account, cost int64, now moment) error {
	var worst *ExceededError
	short := false
	for _, a := range accounts {
		free, _ := e.free(a, now)
		if free >= cost {
			continue
		}
		if addCapped(free, a.leased+a.granting()) >= cost {
			short = true
			continue
		}
		full := &ExceededError{Balance: e.balance(a.budget, a.name, a, now), Cost: cost}
		if a.window != nil {
			if at, ok := a.window.free(a.window.clamp(now.wall), cost-free); ok {
				full.End = at
			}
		}
		if worst == nil || full.End.After(worst.End) {
			worst = full
		}
	}
	if worst != nil {
		return worst
	}
	for _, a := range accounts {
		if free, _ := e.free(a, now); short && free < cost {
			if err := e.giveBack(a); err != nil {
				return err
			}
		}
	}
	return nil
}

// hold sets the money aside and writes the intent, behind it the leases for calls to come. The caller holds mu and has
// found room.
func (e *Engine) hold(r *Request, res *reservation, rates []audit.RateUse, now moment) (*audit.Receipt, error) {
	rec := r.Record
	rec.Class, rec.Reserve = res.class, nil
	if res.cost > 0 || len(rates) > 0 {
		rec.Reserve = &audit.Reserve{Cost: res.cost, Leased: res.leased, Release: res.release, Rates: rates}
		for _, a := range res.accounts {
			rec.Reserve.Charges = append(rec.Reserve.Charges, a.ref())
		}
	} else if res.release {
		rec.Reserve = &audit.Reserve{Release: true}
	}
	direct := len(res.accounts) > 0 && !res.leased
	wait := res.class == audit.Strict || direct || len(rates) > 0
	receipt, err := e.append(rec, !wait, rec)
	if err != nil {
		return nil, err
	}
	res.began = rec.Time
	e.open[res.id] = res
	for _, a := range res.accounts {
		a.reserved += res.cost
		if a.touched = now.money; res.leased {
			a.leased -= res.cost
		} else {
			_, a.most = e.free(a, now)
		}
	}
	if len(res.accounts) > 0 && res.class != audit.Strict {
		if err := e.topUp(res.accounts, res.cost, now); err != nil {
			e.slog.Warn("no lease was made", "error", err) // the calls to come wait for their intents
		}
	}
	if wait {
		return receipt, nil
	}
	return nil, nil
}

// await waits until an intent is on disk. When it never will be, nothing is held any more; when the caller has gone, the
// call is closed as soon as that is known.
func (e *Engine) await(ctx context.Context, receipt *audit.Receipt, res *reservation) error {
	err := receipt.Wait(ctx)
	if err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		e.workers.Go(func() { e.abandon(receipt, res) })
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.waiting--
	e.wake.Broadcast()
	if err == nil {
		return nil
	}
	e.drop(res)
	return unavailable(err)
}

// abandon closes a call whose caller has gone before it went upstream.
func (e *Engine) abandon(receipt *audit.Receipt, res *reservation) {
	err := receipt.Wait(context.Background())
	e.mu.Lock()
	defer e.mu.Unlock()
	e.waiting--
	e.wake.Broadcast()
	if err != nil {
		e.drop(res)
		return
	}
	if _, err := e.settle(res, &audit.Record{End: endCancelled}); err != nil {
		e.slog.Error("a call that was cancelled before it began stays open until the next start", "call", res.id, "error", err)
	}
}

// drop gives back what a call holds whose intent is not in the log. The caller holds mu.
func (e *Engine) drop(res *reservation) {
	res.settled = true
	delete(e.open, res.id)
	for _, a := range res.accounts {
		if a.reserved -= res.cost; res.leased {
			a.leased += res.cost
		}
	}
	res.admitted.Release()
	e.stats.Admitted--
}
