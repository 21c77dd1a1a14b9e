// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"context"
	"sync"
	"time"

	"tollgate/policy/limit"
	"tollgate/store"
)

const (
	// taskIdle is how long a task counts as running after its caller last asked for it: an upstream may have forgotten it.
	taskIdle = time.Hour
	// maxTasks bounds the tasks that are counted as running; more than that are not.
	maxTasks = 1 << 16
)

// Metered is the Ledger that holds limits in memory: what it counted is gone with the process. It records nothing.
type Metered struct {
	limiter *store.Limiter
	now     func() time.Time

	mu    sync.Mutex // guards what follows
	tasks map[taskName]*running
	swept time.Time
}

// taskName is a task, whoever asks for it.
type taskName struct{ upstream, id string }

// running is what a task still holds.
type running struct {
	admitted *store.Admitted
	until    time.Time
}

// NewMetered returns a ledger that counts in l. nil now is time.Now.
func NewMetered(l *store.Limiter, now func() time.Time) *Metered {
	if now == nil {
		now = time.Now
	}
	return &Metered{limiter: l, now: now, tasks: map[taskName]*running{}}
}

// Reserve admits all claims of the call or none.
func (m *Metered) Reserve(_ context.Context, in *Intent) (Reservation, error) {
	m.sweep()
	claims := make([]store.Claim, 0, len(in.Claims))
	holds := false
	for i := range in.Claims {
		c := &in.Claims[i]
		holds = holds || c.Concurrency > 0
		if in.Continues && c.Rate > 0 {
			continue
		}
		claims = append(claims, storeClaim(c))
	}
	if len(claims) == 0 {
		return &metered{m, nil, false}, nil
	}
	admitted, err := m.limiter.Admit(claims)
	if err != nil {
		return nil, err
	}
	return &metered{m, admitted, holds}, nil
}

// sweep releases what tasks hold that nobody asked for in a while.
func (m *Metered) sweep() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.tasks) == 0 {
		return
	}
	now := m.now()
	if since := now.Sub(m.swept); since >= 0 && since < time.Second {
		return
	}
	m.swept = now
	for name, r := range m.tasks {
		if now.After(r.until) {
			r.admitted.Release()
			delete(m.tasks, name)
		}
	}
}

func storeClaim(c *limit.Claim) store.Claim {
	return store.Claim{Limit: c.Limit, ID: c.ID, Key: c.Key, Rate: c.Rate, Window: c.Window, Concurrency: c.Concurrency}
}

type metered struct {
	ledger   *Metered
	admitted *store.Admitted
	holds    bool // a place among the calls that run
}

// Settle releases what the call held, or leaves it with the task that the call has become until that ends.
func (r *metered) Settle(_ context.Context, out Outcome) error {
	m := r.ledger
	if out.Task == nil {
		r.admitted.Release()
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	name := taskName{out.Task.Upstream, out.Task.ID}
	held, known := m.tasks[name]
	switch {
	case out.End == TaskCreated && !out.Task.Terminal() && r.holds && !known && len(m.tasks) < maxTasks:
		m.tasks[name] = &running{r.admitted, m.now().Add(taskIdle)}
		return nil
	case known && out.Task.Terminal():
		held.admitted.Release()
		delete(m.tasks, name)
	case known:
		held.until = m.now().Add(taskIdle)
	}
	r.admitted.Release()
	return nil
}
