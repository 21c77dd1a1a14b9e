// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tollgate/upstream/wire"
)

// era is one of the two ways to speak MCP: with a handshake (up to 2025-11-25) or without (from 2026-07-28 on).
type era string

const (
	eraModern era = "modern"
	eraLegacy era = "legacy"
)

// route is how an upstream wants to be reached. The zero route is not known.
type route struct {
	transport transport
	era       era
}

// dialer finds out which era an upstream speaks and opens sessions. It remembers the route that worked and forgets it as soon
// as it does not. It is used by one goroutine at a time.
type dialer struct {
	cfg     *Config
	host    *host
	opts    *linkOptions
	flavour flavour // of legacy sessions
	known   route
}

// connect opens a session within ctx and the start timeout. The error is an *Error.
func (d *dialer) connect(ctx context.Context) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, d.cfg.startTimeout())
	defer cancel()
	var s *session
	var err error
	switch t := d.cfg.transport(); {
	case t == transportSSE || d.known.transport == transportSSE:
		s, err = d.open(ctx, transportSSE, eraLegacy)
	case t == transportHTTP:
		s, err = d.overHTTP(ctx)
	default:
		s, err = d.overPipe(ctx, t)
	}
	if err != nil {
		d.known = route{}
		return nil, err
	}
	d.known = route{s.transport, eraOf(s.rev)}
	return s, nil
}

func eraOf(rev wire.Revision) era {
	if rev.Modern() {
		return eraModern
	}
	return eraLegacy
}

// wanted returns the era to speak, "" = find out.
func (d *dialer) wanted() era {
	if d.cfg.Era == string(eraModern) || d.cfg.Era == string(eraLegacy) {
		return era(d.cfg.Era)
	}
	return d.known.era
}

// pinned says that the configuration allows modern only.
func (d *dialer) pinned() bool { return d.cfg.Era == string(eraModern) }

// overPipe connects to a child or a server in this process (protocol revision 2026-07-28, versioning: a legacy server may
// answer the probe with any error, not at all, or by exiting).
func (d *dialer) overPipe(ctx context.Context, t transport) (*session, error) {
	if d.wanted() == eraLegacy {
		return d.open(ctx, t, eraLegacy)
	}
	l, err := d.dial(ctx, t, eraModern)
	if err != nil {
		return nil, err
	}
	probe, cancel := context.WithTimeout(ctx, d.cfg.probeTimeout())
	if d.pinned() {
		probe = ctx
	}
	s, found, err := d.discover(probe, l, t)
	cancel()
	if s != nil {
		return s, nil
	}
	if found == refused || d.pinned() || ctx.Err() != nil {
		l.close()
		return nil, err
	}
	if found == otherEra {
		if s, err = d.initialize(ctx, l, t); err == nil {
			return s, nil
		}
	}
	// Silent, gone, or too confused by the probe to be initialized: a fresh one gets no probe.
	l.close()
	return d.openUnprobed(ctx, t)
}

// openUnprobed connects to an upstream that did not answer a probe as a legacy one. Should it turn out to be a modern one that
// was slow to start, it is asked again, this time with patience.
func (d *dialer) openUnprobed(ctx context.Context, t transport) (*session, error) {
	l, err := d.dial(ctx, t, eraLegacy)
	if err != nil {
		return nil, err
	}
	s, err := d.initialize(ctx, l, t)
	if err == nil {
		return s, nil
	}
	var refusal *wire.Error
	if errors.As(err, &refusal) {
		if s, _, again := d.discover(ctx, l, t); again == nil {
			return s, nil
		}
	}
	l.close()
	return nil, err
}

// overHTTP connects to a server at a URL: modern, then initialize, then the transport of 2024-11-05. Only an answer that an
// older server would give leads from one to the next; a server that is down, busy or refuses our credentials is none.
func (d *dialer) overHTTP(ctx context.Context) (*session, error) {
	if d.wanted() != eraLegacy {
		l, err := d.dial(ctx, transportHTTP, eraModern)
		if err != nil {
			return nil, err
		}
		s, found, err := d.discover(ctx, l, transportHTTP)
		if s != nil {
			return s, nil
		}
		l.close()
		if found != otherEra || d.pinned() {
			return nil, err
		}
	}
	s, err := d.open(ctx, transportHTTP, eraLegacy)
	var older *olderError
	if !errors.As(err, &older) {
		return s, err
	}
	s, last := d.open(ctx, transportSSE, eraLegacy)
	if last != nil {
		return nil, failf(d.cfg, KindUnavailable, false, errors.Join(err, last), "speaks no known transport: it %s, and %s",
			failureText(err), failureText(last))
	}
	return s, nil
}

// olderError marks an answer to initialize that a server of the transport before Streamable HTTP gives.
type olderError struct{ status int }

func (e *olderError) Error() string { return fmt.Sprintf("status %d", e.status) }

// open dials and initializes.
func (d *dialer) open(ctx context.Context, t transport, e era) (*session, error) {
	l, err := d.dial(ctx, t, e)
	if err != nil {
		return nil, err
	}
	s, err := d.initialize(ctx, l, t)
	if err != nil {
		l.close()
		return nil, err
	}
	return s, nil
}

// dial opens a link. Its error is an *Error that names the upstream.
func (d *dialer) dial(ctx context.Context, t transport, e era) (link, error) {
	if t == transportStdio {
		defer d.spawnSlot(ctx)()
	}
	l, err := d.host.dial(ctx, t, e, d.cfg, d.opts)
	if err == nil {
		return l, nil
	}
	var known *Error
	if errors.As(err, &known) {
		return nil, err
	}
	return nil, failf(d.cfg, KindUnavailable, false, err, "could not be started")
}

// spawnSlot waits until few enough children are being started, so that a restart of many does not bring the machine down, and
// returns the function that gives the slot back. It does not wait for long, since a start that hangs must not delay others.
func (d *dialer) spawnSlot(ctx context.Context) func() {
	limit := time.NewTimer(worthWaiting)
	defer limit.Stop()
	select {
	case d.host.spawns <- struct{}{}:
		return func() { <-d.host.spawns }
	case <-limit.C:
	case <-ctx.Done():
	}
	return func() {}
}

// newSession completes a handshake.
func (d *dialer) newSession(l link, t transport, rev wire.Revision) *session {
	s := &session{cfg: d.cfg, link: l, transport: t, rev: rev, client: d.host.client}
	s.start()
	return s
}

// dialFunc opens a link of one transport and era.
type dialFunc func(ctx context.Context, t transport, e era, cfg *Config, o *linkOptions) (link, error)

// dialLink is the dialFunc of production.
func dialLink(ctx context.Context, t transport, e era, cfg *Config, o *linkOptions) (link, error) {
	switch t {
	case transportPipe:
		return dialPipe(ctx, cfg, o)
	case transportHTTP:
		return dialHTTP(cfg, o, e == eraLegacy)
	case transportSSE:
		return dialSSE(ctx, cfg, o)
	default:
		return dialStdio(ctx, cfg, o)
	}
}
