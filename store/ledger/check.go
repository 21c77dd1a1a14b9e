// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"tollgate/store"
	"tollgate/store/audit"
)

// Check implements [Ledger]. It holds up calls until what is queued is on disk and memory has been compared, and then
// reads the log beside them.
func (e *Engine) Check(ctx context.Context) []error {
	e.checking.Lock()
	defer e.checking.Unlock()
	e.checkpointing.Lock()
	defer e.checkpointing.Unlock()
	if err := e.quiesce(ctx); err != nil {
		return []error{err}
	}
	errs := e.checkLive()
	e.book.mu.Lock()
	want := e.book.state.clone()
	e.book.mu.Unlock()
	rows, err := e.book.rollups.all(e.db)
	if err != nil {
		errs = append(errs, err)
	}
	var filed state
	var costs *costsMeta
	err = e.db.View(func(tx *bolt.Tx) (err error) {
		errs = append(append(errs, fileLayout().Check(tx)...), checkTables(tx)...)
		if filed, err = readState(tx); err == nil {
			costs, err = readCostsMeta(tx)
		}
		return err
	})
	e.resume()
	if err != nil {
		return append(errs, err)
	}
	errs = append(errs, e.checkReplay(ctx, fileName+" and the log after it", filed, want)...)
	if e.log.First() == 0 {
		errs = append(errs, e.checkAll(ctx, costs, want, rows)...)
	}
	return errs
}

// quiesce lets nothing new in and waits until everything that was is on disk, or never will be.
func (e *Engine) quiesce(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closing {
		return unavailable(store.ErrClosed)
	}
	if e.broken != nil {
		return e.broken
	}
	e.paused = true
	stop := context.AfterFunc(ctx, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.wake.Broadcast()
	})
	defer stop()
	for {
		last, kept := e.last, e.kept
		e.mu.Unlock()
		err := kept.Wait(ctx)
		if err == nil {
			err = last.Wait(ctx)
		}
		e.mu.Lock()
		var failed *audit.FailedError
		if err != nil && !errors.As(err, &failed) {
			e.release()
			return fmt.Errorf("the log cannot be written, so it cannot be compared: %w", err)
		}
		for e.waiting > 0 && ctx.Err() == nil {
			e.wake.Wait()
		}
		if ctx.Err() != nil {
			e.release()
			return ctx.Err()
		}
		if last == e.last && kept == e.kept {
			return nil
		}
	}
}

// release ends a pause. The caller holds mu.
func (e *Engine) release() {
	e.paused = false
	e.wake.Broadcast()
}

func (e *Engine) resume() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.release()
}

// checkLive compares the live accounts with the book and with their limits, while nothing changes.
func (e *Engine) checkLive() (errs []error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	b := e.book
	b.mu.Lock()
	defer b.mu.Unlock()
	now := e.moment(e.wall())
	seen := map[accountKey]bool{}
	check := func(a *account) {
		name := pair{a.budget.id, a.name}
		key := (&entry{begin: a.begin}).key(name)
		seen[key] = true
		if a.grant != nil {
			errs = append(errs, fmt.Errorf("budget %q, account %q: a lease is on its way to the disk for ever", name.budget, name.account))
		}
		if used := a.used(now); used > a.most {
			errs = append(errs, fmt.Errorf("budget %q, account %q: %d of %d nano-USD are used", name.budget, name.account, used, a.most))
		}
		booked := b.find(key)
		switch {
		case booked == nil && a.idle() && a.over(now):
			return // the book has forgotten it
		case booked == nil:
			booked = &entry{}
		}
		if err := sameTally(&a.tally, &booked.tally, now.wall); err != nil {
			errs = append(errs, fmt.Errorf("budget %q, account %q, period %s: in memory and on disk are not the same: %w", name.budget, name.account, a.begin, err))
		}
	}
	for _, have := range e.budgets {
		for _, a := range have.accounts {
			check(a)
		}
	}
	for _, a := range e.ended {
		check(a)
	}
	for name, list := range b.accounts {
		for _, x := range list {
			if !seen[x.key(name)] && !x.idle() {
				errs = append(errs, fmt.Errorf("budget %q, account %q, period %s: on disk something is held, in memory nothing", name.budget, name.account, x.begin))
			}
		}
	}
	if !sameKeys(e.open, b.open) {
		errs = append(errs, fmt.Errorf("%d calls are under way, %d are open on disk", len(e.open), len(b.open)))
	}
	return errs
}

func sameKeys[A, B any](a map[string]A, b map[string]B) bool {
	if len(a) != len(b) {
		return false
	}
	for k := range a {
		if _, ok := b[k]; !ok {
			return false
		}
	}
	return true
}

func sameTally(a, b *tally, now time.Time) error {
	if a.spent(now) != b.spent(now) || a.reserved != b.reserved || a.leased != b.leased {
		return fmt.Errorf("settled %d and %d, reserved %d and %d, leased %d and %d nano-USD",
			a.spent(now), b.spent(now), a.reserved, b.reserved, a.leased, b.leased)
	}
	return nil
}

// checkReplay reads the log from where have ends and compares what comes out with want.
func (e *Engine) checkReplay(ctx context.Context, what string, have, want state) (errs []error) {
	b := &book{state: have, dirty: newDirty(), rollups: newRollups(e.opts.Zone, have.next, applied)}
	if err := b.replay(ctx, e.log, want.next); err != nil {
		return []error{fmt.Errorf("%s: %w", what, err)}
	}
	for _, err := range b.state.diff(&want) {
		errs = append(errs, fmt.Errorf("%s: %w", what, err))
	}
	return errs
}

// checkAll reads the whole log and compares what comes out with want and rows. The days of records are those of the zone
// that was configured when they were written.
func (e *Engine) checkAll(ctx context.Context, costs *costsMeta, want state, rows map[string]Usage) (errs []error) {
	b := &book{state: newState(), dirty: newDirty(), rollups: newRollups(nil, 0, applied)}
	for i, z := range costs.Zones {
		end := want.next
		if i+1 < len(costs.Zones) {
			end = min(end, costs.Zones[i+1].From)
		}
		zone, err := time.LoadLocation(z.Zone)
		if z.Zone == e.book.rollups.zone.String() {
			zone, err = e.book.rollups.zone, nil
		}
		b.rollups.zone = zone
		if err == nil && b.next < end {
			err = b.replay(ctx, e.log, end)
		}
		if err != nil {
			return []error{fmt.Errorf("the log: %w", err)}
		}
	}
	for _, err := range b.state.diff(&want) {
		errs = append(errs, fmt.Errorf("the log: %w", err))
	}
	again := b.rollups.pending()[0].delta
	maps.DeleteFunc(again, func(key string, _ Usage) bool { return rowDay([]byte(key)) < costs.since() })
	for _, key := range slices.Sorted(maps.Keys(rows)) {
		if again[key] != rows[key] {
			errs = append(errs, fmt.Errorf("costs %x: %+v, by the log %+v", key, rows[key], again[key]))
		}
		delete(again, key)
	}
	for key := range again {
		errs = append(errs, fmt.Errorf("costs %x: missing, by the log %+v", key, again[key]))
	}
	return errs
}

// find returns an account in one period, nil when there is none.
func (s *state) find(key accountKey) *entry {
	for _, x := range s.accounts[key.pair] {
		if x.key(key.pair) == key {
			return x
		}
	}
	return nil
}

// diff says what is not the same in two states.
func (s *state) diff(o *state) (errs []error) {
	if s.next != o.next || !s.latest.Equal(o.latest) || s.running != o.running {
		errs = append(errs, fmt.Errorf("record %d of %s, running %t, is not record %d of %s, running %t", s.next, s.latest, s.running, o.next, o.latest, o.running))
	}
	for _, pass := range [2][2]*state{{s, o}, {o, s}} {
		for name, list := range pass[0].accounts {
			for _, x := range list {
				y := pass[1].find(x.key(name))
				if y == nil {
					y = &entry{}
				}
				if err := sameTally(&x.tally, &y.tally, s.latest); err != nil {
					errs = append(errs, fmt.Errorf("budget %q, account %q, period %s: %w", name.budget, name.account, x.begin, err))
				}
			}
		}
	}
	if !sameKeys(s.open, o.open) {
		errs = append(errs, fmt.Errorf("%d open calls are not the same as %d", len(s.open), len(o.open)))
	}
	same, err := s.definitions.equal(o.definitions)
	if err != nil || !same || len(s.overrides) != len(o.overrides) || len(s.rates) != len(o.rates) {
		errs = append(errs, errors.Join(err, errors.New("budgets, changes of limits or durable rates are not the same")))
	}
	return errs
}

// clone copies what changes in place.
func (s *state) clone() state {
	c := *s
	c.accounts = make(map[pair][]*entry, len(s.accounts))
	for name, list := range s.accounts {
		own := make([]*entry, len(list))
		for i, x := range list {
			y := *x
			if y.window != nil {
				y.window = y.window.clone()
			}
			own[i] = &y
		}
		c.accounts[name] = own
	}
	c.rates = make(map[audit.RateUse]*uses, len(s.rates))
	for use, u := range s.rates {
		c.rates[use] = u.clone()
	}
	c.open, c.overrides, c.definitions = maps.Clone(s.open), maps.Clone(s.overrides), maps.Clone(s.definitions)
	return c
}
