// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"tollgate/upstream/wire"
)

const (
	ackTimeout  = 10 * time.Second       // for a new stream to be acknowledged before it is used anyway
	finishGrace = 250 * time.Millisecond // for the upstream to end a stream on a pipe that it was told to cancel
)

// filter is what a subscriptions/listen stream is asked to carry.
type filter struct {
	tools, prompts, resources bool // list_changed
	uris                      []string
}

// filterFor asks for every change the upstream says it reports, and for the given resources.
func filterFor(s *session, uris []string) filter {
	return filter{
		tools: s.declares("tools", "listChanged"), prompts: s.declares("prompts", "listChanged"),
		resources: s.declares("resources", "listChanged"), uris: uris,
	}
}

func (f filter) isEmpty() bool { return !f.tools && !f.prompts && !f.resources && len(f.uris) == 0 }

func (f filter) params() []byte {
	var members []string
	add := func(on bool, name string) {
		if on {
			members = append(members, name, "true")
		}
	}
	add(f.tools, "toolsListChanged")
	add(f.prompts, "promptsListChanged")
	add(f.resources, "resourcesListChanged")
	if len(f.uris) > 0 {
		array := []byte{'['}
		for i, uri := range f.uris {
			if i > 0 {
				array = append(array, ',')
			}
			array = wire.AppendString(array, uri)
		}
		members = append(members, "resourceSubscriptions", string(append(array, ']')))
	}
	return object("notifications", string(object(members...)))
}

// listener keeps one stream of change notifications open on a modern session. One goroutine, run, owns it. The filter of a
// stream cannot be changed, so another set of resources means another stream: over HTTP it is opened before the old one is
// closed; on a pipe after, since some servers end all streams of a pipe when one is cancelled.
type listener struct {
	c       *conn
	s       *session
	updates chan update

	// Owned by run.
	stream *stream // nil = none open
	uris   []string
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
		next, err = l.open(f)
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
		l.stream.stop()
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
	st := &stream{c: l.c, acked: make(chan struct{}), ended: make(chan struct{}), stop: cancel, opened: time.Now()}
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

// stream is one subscriptions/listen exchange, and the peer of it.
type stream struct {
	c      *conn
	stop   context.CancelFunc
	opened time.Time
	once   sync.Once
	acked  chan struct{} // closed after agreed was set
	agreed []byte        // what the upstream agreed to carry, raw; nil = not told
	id     []byte        // of the listen request; nil = not told
	ended  chan struct{} // closed after err was set
	err    error
}

// Notify implements [Peer].
func (st *stream) Notify(method string, params []byte) {
	if method == "notifications/subscriptions/acknowledged" {
		st.once.Do(func() {
			st.agreed, _ = wire.Lookup(params, "notifications")
			st.id, _ = wire.Lookup(params, "_meta", wire.MetaSubscriptionID)
			close(st.acked)
		})
		return
	}
	st.c.notified(method, params)
}

// Ask implements [Peer]: a modern upstream asks nothing.
func (st *stream) Ask(ctx context.Context, method string, params []byte) ([]byte, *wire.Error) {
	return unasked(ctx, method, params)
}

// finish cancels a stream on a pipe and waits for the upstream to end it, so that what is sent next cannot be mistaken for a
// part of it. Not every server ends a cancelled stream visibly.
func (st *stream) finish(s *session) {
	defer st.stop()
	if st.told() == nil || st.id == nil {
		return
	}
	ctx, cancel := context.WithTimeout(s.ctx, finishGrace)
	defer cancel()
	if s.link.notify(ctx, "notifications/cancelled", object("requestId", string(st.id))) != nil {
		return
	}
	select {
	case <-st.ended:
	case <-ctx.Done():
	}
}

// told returns what the upstream agreed to carry, nil as long as it did not say.
func (st *stream) told() []byte {
	select {
	case <-st.acked:
		return st.agreed
	default:
		return nil
	}
}

// carriesNothing reports whether the upstream agreed to an empty stream, which it may end at once.
func (st *stream) carriesNothing() bool {
	agreed := st.told()
	if wire.Kind(agreed) != '{' {
		return false
	}
	for m := range wire.Members(agreed) {
		if wire.Kind(m.Value) == 't' {
			return false
		}
		for range wire.Elements(m.Value) {
			return false
		}
	}
	return true
}

// lacks returns an error when the upstream did not agree to report a resource that is new in uris.
func (st *stream) lacks(cfg *Config, uris, before []string) error {
	agreed := st.told()
	if wire.Kind(agreed) != '{' {
		return nil
	}
	var carried []string
	for raw := range wire.Elements(first(wire.Lookup(agreed, "resourceSubscriptions"))) {
		uri, _ := wire.String(raw)
		carried = append(carried, uri)
	}
	for _, uri := range uris {
		if !slices.Contains(carried, uri) && !slices.Contains(before, uri) {
			return failf(cfg, KindProtocol, false, nil, "does not report updates of the resource")
		}
	}
	return nil
}
