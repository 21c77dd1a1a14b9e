// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"context"
	"sync"
	"time"

	"tollgate/aggregator/auth"
	"tollgate/store/ledger"
)

const (
	// heldLife is how long a call is held that nobody asked after: a task whose upstream may have forgotten it, or a round
	// that its client did not come back for. It is no shorter than what clients are given for a round.
	heldLife = relayTTL
	// maxHeld bounds the calls that are held, maxHeldEach those of one caller. What does not fit is settled at once.
	maxHeld     = 1 << 16
	maxHeldEach = 1 << 12
	// sweepHeld is how often calls are looked for that nobody asked after, while there are some; with requests coming in it
	// is every second.
	sweepHeld = time.Minute
)

// running is a call from its first request to its end, which may be one of a later request. Between requests nobody but
// held has it.
type running struct {
	reservation ledger.Reservation
	id          string
	caller      *auth.Principal
	cost        int64
	price       func(ctx context.Context, result []byte) (cost, overrun int64)
	release     bool
	counted     bool          // it has claims
	spent       time.Duration // in its requests
	owner       string        // key of caller, once held
	until       time.Time     // held until then
}

// holds reports whether there is something to hold until the call goes on as key. Rounds of a call are one call also when
// nothing is counted.
func (c *running) holds(key heldKey) bool { return key.upstream == "" || c.counted || c.cost > 0 }

// charge is what the call cost that ended like this.
func (c *running) charge(ctx context.Context, out *Outcome) (cost, overrun int64) {
	switch {
	case out.Task == nil && out.End != InputRequired && out.End != Expired:
		return out.Cost, out.Overrun
	case c.cost == 0:
		return 0, 0
	case out.Task != nil && out.Task.Status == "completed" && c.price != nil:
		return c.price(ctx, out.Task.Result)
	case c.release && (out.Task == nil || out.Task.Status != "completed"):
		return 0, 0
	}
	return c.cost, 0
}

// heldKey names what a call goes on as: a task of an upstream, whoever asks for it, or, without an upstream, a round.
type heldKey struct{ upstream, id string }

// held are the calls that go on after their request has ended: they wait for a round of their client, or are tasks. What
// they reserved stays reserved.
type held struct {
	tick     func()         // looks for calls that nobody asked after
	settling sync.WaitGroup // what over answered

	mu     sync.Mutex // guards what follows
	calls  map[heldKey]*running
	shares map[string]int // calls of each owner
	swept  time.Time
	timer  *time.Timer
	closed bool
}

// room reports whether put would hold c at this moment.
func (h *held) room(key heldKey, c *running) bool {
	if c.owner == "" {
		c.owner = c.caller.Key()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.fits(key, c)
}

// fits reports whether there is room; h.mu is held.
func (h *held) fits(key heldKey, c *running) bool {
	return !h.closed && h.calls[key] == nil && len(h.calls) < maxHeld && h.shares[c.owner] < maxHeldEach
}

// put holds c until it is taken, and reports whether there was room for it.
func (h *held) put(key heldKey, c *running, now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.fits(key, c) {
		return false
	}
	if h.calls == nil {
		h.calls, h.shares = map[heldKey]*running{}, map[string]int{}
	}
	c.until = now.Add(heldLife)
	h.calls[key] = c
	h.shares[c.owner]++
	if h.timer == nil {
		h.timer = time.AfterFunc(sweepHeld, h.tick)
	}
	return true
}

// take is the call that goes on as key, nil for none. It is held no more.
func (h *held) take(key heldKey) *running {
	if key.id == "" {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	c := h.calls[key]
	if c != nil {
		h.drop(key, c)
	}
	return c
}

// drop forgets a call; h.mu is held.
func (h *held) drop(key heldKey, c *running) {
	delete(h.calls, key)
	if h.shares[c.owner]--; h.shares[c.owner] <= 0 {
		delete(h.shares, c.owner)
	}
}

// touch holds what key names for another life.
func (h *held) touch(key heldKey, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c := h.calls[key]; c != nil {
		c.until = now.Add(heldLife)
	}
}

// over are the calls that nobody asked after in a life; they are held no more. It looks once a second. When there are some,
// settling must be told once they are settled.
func (h *held) over(now time.Time) []*running {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.calls) == 0 {
		return nil
	}
	if since := now.Sub(h.swept); since >= 0 && since < time.Second {
		return nil
	}
	h.swept = now
	var out []*running
	for key, c := range h.calls {
		if now.After(c.until) {
			out = append(out, c)
			h.drop(key, c)
		}
	}
	if len(out) > 0 {
		h.settling.Add(1)
	}
	return out
}

// again arms the timer for another look while there is something to look for.
func (h *held) again() {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.closed || h.timer == nil:
	case len(h.calls) == 0:
		h.timer = nil
	default:
		h.timer.Reset(sweepHeld)
	}
}

// close answers all calls that are held; no more will be.
func (h *held) close() []*running {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	if h.timer != nil {
		h.timer.Stop()
	}
	var out []*running
	for _, c := range h.calls {
		out = append(out, c)
	}
	h.calls, h.shares = nil, nil
	return out
}

// sweep settles the calls that nobody asked after. Without records that is done when it returns: the call that comes next
// finds the room.
func (a *Accounting) sweep() {
	over := a.held.over(a.now())
	if len(over) == 0 {
		return
	}
	settle := func() {
		defer a.held.settling.Done()
		for _, c := range over {
			if err := a.expire(context.Background(), c); err != nil {
				a.log.Error("the end of a call that nobody came back for could not be recorded", "decision", c.id, "error", err)
			}
		}
	}
	if a.silent {
		settle()
		return
	}
	go settle()
}

// tick is sweep without a request.
func (a *Accounting) tick() {
	a.sweep()
	a.held.again()
}

// expire settles a call that nobody came back for: what it did is not known.
func (a *Accounting) expire(ctx context.Context, c *running) error {
	out := Outcome{End: Expired, Error: "nobody came back for the call"}
	rec := a.outcome(&out)
	rec.Micros = micros(c.spent)
	rec.Cost, rec.Overrun = c.charge(ctx, &out)
	return c.reservation.Settle(ctx, rec)
}

// putBack holds a call again whose next round was not admitted.
func (a *Accounting) putBack(ctx context.Context, id string, c *running) {
	if c == nil || a.held.put(heldKey{id: id}, c, a.now()) {
		return
	}
	if err := a.expire(context.WithoutCancel(ctx), c); err != nil {
		a.log.Error("the end of a call whose next round was not admitted could not be recorded", "decision", c.id, "error", err)
	}
}
