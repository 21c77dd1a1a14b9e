// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"errors"
	"sync"
	"time"
)

// trouble is a reason why a connected upstream is degraded. Each has one text, "" = not now.
type trouble int

const (
	troubleRefresh trouble = iota // the last refresh failed or was cut short
	troubleListen                 // the stream of change notifications is down
	troubleCircuit                // the circuit is open
	troubleReplies                // several replies in a row were garbage or too large
	troubleLeases                 // the last attempt to open a session for an owner failed
	troubles
)

// health is the state of one upstream as its callers and operators see it, and what calls wait on. It is safe for concurrent
// use.
type health struct {
	host *host
	cfg  *Config

	settled chan struct{} // closed when the upstream first left Connecting

	mu        sync.Mutex // guards all below
	state     State
	since     time.Time
	session   *session // nil = not connected
	snapshot  *Snapshot
	isWhole   bool      // the session has its snapshot
	isFailing bool      // the last attempt to connect failed
	next      time.Time // when the next attempt is due; zero = it is under way
	isShut    bool
	trouble   [troubles]string
	failure   string
	failedAt  time.Time
	sessions  int
	server    []byte // of the last session, like the fields below
	transport transport
	stderr    string
	change    chan struct{} // closed and replaced when any of the above changes
}

func newHealth(h *host, cfg *Config, seed *Snapshot) *health {
	v := &health{host: h, cfg: cfg, settled: make(chan struct{}), change: make(chan struct{})}
	v.state, v.since, v.snapshot, v.transport = Connecting, h.now(), seed, cfg.transport()
	if cfg.Disabled {
		v.state, v.snapshot = Disabled, nil
		close(v.settled)
	}
	return v
}

// update changes the facts, derives the state from them and wakes whoever waits.
func (v *health) update(f func()) {
	v.mu.Lock()
	f()
	state := v.derive()
	changed := state != v.state
	if changed {
		v.state, v.since = state, v.host.now()
	}
	select {
	case <-v.settled:
	default:
		if v.state != Connecting {
			close(v.settled)
		}
	}
	close(v.change)
	v.change = make(chan struct{})
	v.mu.Unlock()
	if changed {
		v.host.changed()
	}
}

// derive computes the state. The caller holds mu.
func (v *health) derive() State {
	switch {
	case v.cfg.Disabled:
		return Disabled
	case v.session == nil && v.isFailing:
		return Failed
	case v.session == nil || !v.isWhole:
		if v.state == Failed {
			return Failed // until it is whole again: an attempt alone is no recovery
		}
		return Connecting
	case v.trouble != [troubles]string{}:
		return Degraded
	default:
		return Ready
	}
}

// trying notes that an attempt to connect begins.
func (v *health) trying() { v.update(func() { v.next = time.Time{} }) }

// up publishes a session: calls may use it from now on.
func (v *health) up(s *session) {
	v.update(func() {
		v.session, v.isWhole = s, false
		v.trouble[troubleRefresh], v.trouble[troubleListen], v.trouble[troubleLeases] = "", "", ""
		v.sessions++
		v.server, v.transport = s.server, s.transport
	})
}

// whole notes that the session has its snapshot.
func (v *health) whole() { v.update(func() { v.isWhole, v.isFailing = true, false }) }

// lost notes that the session is over.
func (v *health) lost() {
	v.update(func() {
		v.stderr = v.session.link.stderr()
		v.session, v.isWhole = nil, false
	})
}

// down notes that there is no session because of err, and that the next attempt is due in pause.
func (v *health) down(err error, wasWhole bool, pause time.Duration) {
	v.update(func() {
		v.isFailing = !wasWhole || pause > worthWaiting
		v.next = time.Now().Add(pause)
		v.fail(failureText(err))
	})
}

// fail records a failure. The caller holds mu.
func (v *health) fail(text string) { v.failure, v.failedAt = text, v.host.now() }

// shut lets no call wait any longer.
func (v *health) shut() { v.update(func() { v.isShut = true }) }

// setTrouble records or, with an empty text, clears a trouble.
func (v *health) setTrouble(t trouble, text string) {
	v.mu.Lock()
	same := v.trouble[t] == text
	v.mu.Unlock()
	if same {
		return
	}
	v.update(func() {
		v.trouble[t] = text
		if text != "" {
			v.fail(text)
		}
	})
}

// current returns the session, nil while there is none.
func (v *health) current() *session {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.session
}

// adopt publishes a snapshot.
func (v *health) adopt(snap *Snapshot) {
	changed := false
	v.update(func() {
		changed = v.snapshot == nil || v.snapshot.Hash != snap.Hash || len(v.snapshot.Dropped) != len(snap.Dropped)
		v.snapshot = snap
	})
	if changed {
		v.host.changed()
	}
}

// last returns the last good snapshot, nil before there was one.
func (v *health) last() *Snapshot {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.snapshot
}

// await returns the current session, other than one already tried. While the upstream is connecting, or about to, it waits
// until ctx or the start timeout ends; the error names the last failure.
func (v *health) await(ctx context.Context, method string, tried *session) (*session, error) {
	var limit *time.Timer
	for {
		v.mu.Lock()
		s, change, worth := v.session, v.change, v.worth()
		v.mu.Unlock()
		switch {
		case s != nil && s != tried && !s.ended():
			return s, nil
		case !worth:
			return nil, v.notConnected(nil)
		case limit == nil:
			limit = time.NewTimer(v.cfg.startTimeout())
			defer limit.Stop()
		}
		select {
		case <-change:
		case <-limit.C:
			return nil, v.notConnected(nil)
		case <-ctx.Done():
			if !timedOut(ctx) {
				return nil, ctxError(ctx, v.cfg, method, false)
			}
			return nil, v.notConnected(context.Cause(ctx))
		}
	}
}

// worth reports whether a session may come up soon. The caller holds mu.
func (v *health) worth() bool {
	if v.cfg.Disabled || v.isShut {
		return false
	}
	return v.session != nil || v.next.IsZero() || time.Until(v.next) <= worthWaiting
}

// notConnected is the error of a call that found no session.
func (v *health) notConnected(cause error) *Error {
	v.mu.Lock()
	defer v.mu.Unlock()
	e := failf(v.cfg, KindUnavailable, false, errors.Join(errNotConnected, cause), "is not connected")
	switch {
	case v.cfg.Disabled:
		e.Detail = "is disabled in the configuration"
	case v.isShut:
		e.Detail = "is being stopped"
	case v.failure != "":
		e.Detail += ": it " + v.failure
	default:
		e.Detail += " yet"
	}
	return e
}

// status fills in what health knows.
func (v *health) status() Status {
	v.mu.Lock()
	defer v.mu.Unlock()
	st := Status{
		Name: v.cfg.Name, State: v.state, Transport: string(v.transport), Server: v.server, Since: v.since,
		Failure: v.failure, FailedAt: v.failedAt, Restarts: max(v.sessions-1, 0), Stderr: v.stderr,
	}
	if s := v.session; s != nil {
		st.Revision, st.Stderr, st.PID = s.rev, s.link.stderr(), s.link.pid()
	}
	if snap := v.snapshot; snap != nil {
		st.Tools, st.Prompts = len(snap.Tools), len(snap.Prompts)
		st.Resources, st.Templates = len(snap.Resources), len(snap.Templates)
		st.Dropped = snap.Dropped
		if st.Revision == "" {
			st.Revision = snap.Revision
		}
	}
	return st
}
