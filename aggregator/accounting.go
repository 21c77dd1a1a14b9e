// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"tollgate/policy/limit"
	"tollgate/store"
	"tollgate/store/audit"
	"tollgate/store/ledger"
)

// AccountingOptions configure [NewAccounting]. nil means all defaults.
type AccountingOptions struct {
	// Ledger records and counts. nil: rates and concurrency are counted in Limiter only, and nothing is recorded.
	Ledger  ledger.Ledger
	Limiter *store.Limiter   // without a Ledger; nil: a new one
	Now     func() time.Time // nil: time.Now
	Log     *slog.Logger     // nil: discard
	// DigestKey is what digests in records are made with: who does not know it cannot find out arguments by trying. nil: a
	// random one, so that digests of two processes cannot be compared.
	DigestKey []byte
	Node      string // this process, in records
	// Ended is told the end of every request, as a word of [End]; nil: nobody. It must return at once.
	Ended func(end string)
}

// Accounting is the [Ledger] of a gate: it makes records of what the gate says, and holds what calls reserved that go on
// after their request has ended, see held. Safe for concurrent use.
type Accounting struct {
	book   book
	silent bool // nothing is recorded
	now    func() time.Time
	log    *slog.Logger
	key    []byte
	node   string
	ended  func(end string)
	held   held
	lane   lane
	queue  chan *RefusedCall // of unknown names, to be recorded
	stop   chan struct{}     // closed when no more comes
	once   sync.Once
	work   sync.WaitGroup
}

// book is the part of a [ledger.Ledger] that calls need.
type book interface {
	Reserve(ctx context.Context, r *ledger.Request) (ledger.Reservation, error)
	Record(ctx context.Context, r *audit.Record) error
	Available() error
	Stats() ledger.Stats
}

// NewAccounting returns an accounting that [Accounting.Close] ends.
func NewAccounting(o *AccountingOptions) (*Accounting, error) {
	if o == nil {
		o = &AccountingOptions{}
	}
	a := &Accounting{book: o.Ledger, silent: o.Ledger == nil, now: o.Now, log: o.Log, key: o.DigestKey, node: o.Node, ended: o.Ended, stop: make(chan struct{})}
	if a.now == nil {
		a.now = time.Now
	}
	if a.ended == nil {
		a.ended = func(string) {}
	}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	a.held.tick = a.tick
	if a.silent {
		limiter := o.Limiter
		if limiter == nil {
			limiter = store.NewLimiter(&store.LimiterOptions{Now: o.Now})
		}
		a.book = rates{limiter}
		return a, nil
	}
	if a.key == nil {
		a.key = make([]byte, 32)
		if _, err := rand.Read(a.key); err != nil {
			return nil, err
		}
	}
	if len(a.key) < 16 {
		return nil, fmt.Errorf("accounting: a digest key of %d bytes, want 16 or more", len(a.key))
	}
	a.lane.stats, a.lane.stop = a.book.Stats, a.stop
	a.queue = make(chan *RefusedCall, maxLane)
	a.work.Go(a.recordUnknown)
	return a, nil
}

// Reserve implements [Ledger].
func (a *Accounting) Reserve(ctx context.Context, in *Intent) (Reservation, error) {
	a.sweep()
	before := a.held.take(heldKey{id: in.Continues})
	req := ledger.Request{Class: in.Recorded.class(in.Call.Method), Uncounted: before != nil, Release: in.Recorded.releases()}
	if before == nil {
		req.Claims, req.Cost, req.Charges = storeClaims(in.Claims), in.Cost, in.Charges
	}
	if !a.silent {
		req.Record = a.intent(in, before)
	}
	own, err := a.book.Reserve(ctx, &req)
	if err != nil {
		a.putBack(ctx, in.Continues, before)
		return nil, err
	}
	r := &admitted{accounting: a, own: own, call: before, began: in.Began, later: before != nil}
	if before == nil {
		r.call = &running{
			reservation: own, id: in.Decision, caller: in.Caller, cost: in.Cost, price: in.Price, release: req.Release,
			counted: len(in.Claims) > 0,
		}
	}
	return r, nil
}

func storeClaims(claims []limit.Claim) []store.Claim {
	if len(claims) == 0 {
		return nil
	}
	out := make([]store.Claim, len(claims))
	for i := range claims {
		c := &claims[i]
		out[i] = store.Claim{Limit: c.Limit, ID: c.ID, Key: c.Key, Rate: c.Rate, Window: c.Window, Concurrency: c.Concurrency, Durable: c.Durable}
	}
	return out
}

// admitted is a request that may go upstream.
type admitted struct {
	accounting *Accounting
	own        ledger.Reservation // of this request
	call       *running           // that it belongs to
	later      bool               // own is not that of the call
	began      time.Time
}

// Settle implements [Reservation]. A request that does not end its call leaves the reservation of the call open.
func (r *admitted) Settle(ctx context.Context, out Outcome) error {
	a := r.accounting
	a.ended(string(out.End))
	err := a.follow(ctx, &out)
	spent := a.now().Sub(r.began)
	r.call.spent += spent
	rec := a.outcome(&out)
	rec.Micros = micros(spent)
	if r.later {
		err = errors.Join(err, r.own.Settle(once(ctx, err), rec))
		rec = a.outcome(&out)
	}
	rec.Micros = micros(r.call.spent)
	if key, goesOn := out.next(); goesOn && r.call.holds(key) && a.held.room(key, r.call) {
		if !r.later {
			rec.Open = true
			err = errors.Join(err, r.call.reservation.Settle(once(ctx, err), rec))
			rec = a.outcome(&out)
			rec.Micros = micros(r.call.spent)
		}
		// When there is an error, the client is not told what the call would go on with.
		if err == nil && a.held.put(key, r.call, a.now()) {
			return nil
		}
	}
	rec.Cost, rec.Overrun = r.call.charge(ctx, &out)
	return errors.Join(err, r.call.reservation.Settle(once(ctx, err), rec))
}

// once is ctx, ended when err says that the disk has been waited for in vain: what is to be written is written all the same.
func once(ctx context.Context, err error) context.Context {
	if err == nil {
		return ctx
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	return ended
}

// next names what goes on after this outcome.
func (out *Outcome) next() (key heldKey, goesOn bool) {
	switch {
	case out.End == InputRequired:
		return heldKey{id: out.Next}, out.Next != ""
	case out.End == TaskCreated && out.Task != nil:
		return heldKey{out.Task.Upstream, out.Task.ID}, !out.Task.Terminal()
	}
	return heldKey{}, false
}

// follow settles the call whose task has ended by now, or notes that somebody still asks for it.
func (a *Accounting) follow(ctx context.Context, out *Outcome) error {
	if out.Task == nil || out.End == TaskCreated {
		return nil
	}
	key := heldKey{out.Task.Upstream, out.Task.ID}
	if !out.Task.Terminal() {
		a.held.touch(key, a.now())
		return nil
	}
	c := a.held.take(key)
	if c == nil {
		return nil
	}
	ended := Outcome{End: Answered, Bytes: out.Bytes, Raw: out.Raw, Task: out.Task}
	if status := out.Task.Status; status != "completed" {
		ended.Error = "the task has " + map[string]string{"failed": "failed", "cancelled": "been cancelled"}[status]
	}
	rec := a.outcome(&ended)
	rec.Micros = micros(c.spent)
	rec.Cost, rec.Overrun = c.charge(ctx, &ended)
	return c.reservation.Settle(ctx, rec)
}

// Close settles the calls that are held, records what is queued, and ends. Calls under way must have ended before.
func (a *Accounting) Close() error {
	var err error
	a.once.Do(func() {
		close(a.stop)
		ctx, cancel := context.WithTimeout(context.Background(), closeTime)
		defer cancel()
		for _, c := range a.held.close() {
			err = errors.Join(err, a.expire(ctx, c))
		}
		a.held.settling.Wait()
		a.work.Wait()
	})
	return err
}

// closeTime bounds how long Close waits for records to be on disk.
const closeTime = 10 * time.Second
