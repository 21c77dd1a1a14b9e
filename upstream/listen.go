// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v5"

	"tollgate/upstream/wire"
)

const (
	ackTimeout  = 10 * time.Second       // for a new stream to be acknowledged before it is used anyway
	finishGrace = 250 * time.Millisecond // for the upstream to end a stream on a pipe that it was told to cancel
)

// listener keeps one stream of change notifications open on a modern session. One goroutine, run, owns it. The filter of a
// stream cannot be changed, so another set of resources means another stream. Over HTTP it is opened before the old one is
// closed, which is heard out (listen_old.go); on a pipe after, since some servers end all streams of a pipe when one is cancelled.
type listener struct {
	c       *conn
	s       *session
	updates chan update

	// Owned by run.
	stream *stream // nil = none open
	uris   []string
	old    replaced
	pauses *backoff.ExponentialBackOff
	retry  <-chan time.Time // nil = no stream to re-open
}

// update asks for another set of resources.
type update struct {
	uris []string
	hold bool // keep trying when it fails now
	done chan error
}

func newListener(c *conn, s *session) *listener {
	return &listener{c: c, s: s, updates: make(chan update), pauses: newPauses(firstPause, longestPause)}
}

// set replaces the resources listened for. It returns when the upstream acknowledged them or refused to.
func (l *listener) set(ctx context.Context, uris []string, hold bool) error {
	u := update{uris, hold, make(chan error, 1)}
	select {
	case l.updates <- u:
	case <-ctx.Done():
		return ctxError(ctx, l.s.cfg, "subscriptions/listen", false)
	case <-l.s.ctx.Done():
		return l.c.ending(l.s)
	}
	select {
	case err := <-u.done:
		return err
	case <-ctx.Done():
		return ctxError(ctx, l.s.cfg, "subscriptions/listen", true)
	case <-l.s.ctx.Done():
		return l.c.ending(l.s)
	}
}

// run serves until the session ends.
func (l *listener) run() {
	for {
		var ended <-chan struct{}
		if l.stream != nil {
			ended = l.stream.ended
		}
		select {
		case <-l.s.ctx.Done():
			return
		case u := <-l.updates:
			u.done <- l.replace(u)
		case <-ended:
			l.dropped()
		case <-l.retry:
			l.reopen()
		case <-l.old.lapse:
			l.lapsed()
		}
	}
}

// replace opens a stream for another set of resources.
func (l *listener) replace(u update) error {
	f := filterFor(l.s, u.uris)
	old := l.stream
	gap := l.retry != nil || old != nil && l.s.transport.piped() // nothing was heard for a while
	if old != nil && l.s.transport.piped() {
		old.finish(l.s)
		l.stream = nil
	}
	var next *stream
	var err error
	if !f.isEmpty() {
		if next, err = l.open(f); err != nil && !refusedForGood(err) && l.endOld() { // the upstream may allow few streams
			next, err = l.open(f)
		}
	}
	if err == nil && next != nil && !u.hold {
		err = next.lacks(l.s.cfg, u.uris, l.uris)
	}
	if err != nil {
		if next != nil {
			next.stop()
		}
		if u.hold {
			l.uris = u.uris
		}
		if l.stream == nil && (old != nil || u.hold) && !refusedForGood(err) {
			l.again()
		}
		return err
	}
	if l.stream != nil {
		l.retire(l.stream, next != nil)
	}
	l.stream, l.retry = next, nil
	kept := slices.DeleteFunc(slices.Clone(l.uris), func(uri string) bool { return !slices.Contains(u.uris, uri) })
	l.uris = u.uris
	if gap {
		l.missed(kept)
	}
	l.c.health.setTrouble(troubleListen, "")
	return nil
}

// dropped reacts to a stream that ended by itself: it is opened again after a pause, unless it had nothing to carry.
func (l *listener) dropped() {
	st := l.stream
	l.stream = nil
	if st.carriesNothing() || refusedForGood(st.err) {
		return
	}
	if time.Since(st.opened) >= healthyAfter {
		l.pauses.Reset()
	}
	l.again()
}

func (l *listener) again() { l.retry = time.After(l.pauses.NextBackOff()) }

// reopen opens the stream that was dropped. Nobody knows what changed meanwhile, so everything counts as changed.
func (l *listener) reopen() {
	l.retry = nil
	st, err := l.open(filterFor(l.s, l.uris))
	switch {
	case err == nil:
		l.stream = st
		l.c.health.setTrouble(troubleListen, "")
		l.missed(l.uris)
	case refusedForGood(err):
		l.c.log.Info("upstream sends no change notifications", "error", err)
	case !l.s.ended():
		l.c.health.setTrouble(troubleListen, "does not reopen the stream of change notifications: "+reasonOf(err, "subscriptions/listen"))
		l.again()
	}
}

// missed treats the lists and the given resources as changed.
func (l *listener) missed(uris []string) {
	l.c.pokes.add(allLists)
	l.c.touched(uris)
}

// open starts a stream and waits until it is acknowledged.
func (l *listener) open(f filter) (*stream, error) {
	ctx, cancel := context.WithCancel(l.s.ctx)
	st := &stream{c: l.c, acked: make(chan struct{}), ended: make(chan struct{}), stop: cancel, opened: time.Now(), uris: f.uris}
	x := l.s.exchange("subscriptions/listen", f.params(), clientMeta{})
	x.stream, x.peer = true, st
	l.s.run(func() {
		defer close(st.ended)
		env, err := l.s.do(ctx, x)
		if err == nil && env.Error != nil {
			err = wire.ParseError(env.Error)
		}
		st.err = err
	})
	limit := time.NewTimer(ackTimeout)
	defer limit.Stop()
	select {
	case <-st.acked:
		return st, nil
	case <-st.ended:
		if st.err == nil {
			return st, nil
		}
		return nil, st.err
	case <-limit.C:
		return st, nil // some servers hold the acknowledgement back until there is something to say
	}
}

// refusedForGood reports whether an upstream will never open a stream.
func refusedForGood(err error) bool {
	var e *wire.Error
	return errors.As(err, &e) && (e.Code == wire.CodeMethodNotFound || e.Code == wire.CodeInvalidParams)
}
