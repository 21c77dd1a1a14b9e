// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"slices"
	"sync"
	"time"

	"tollgate/upstream/wire"
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

// stream is one subscriptions/listen exchange, and the peer of it.
type stream struct {
	c      *conn
	stop   context.CancelFunc
	opened time.Time
	uris   []string  // asked for
	until  time.Time // a replaced stream is heard until then; owned by listener.run
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
	if st.isAcked() {
		return st.agreed
	}
	return nil
}

func (st *stream) isAcked() bool {
	select {
	case <-st.acked:
		return true
	default:
		return false
	}
}

func (st *stream) isEnded() bool {
	select {
	case <-st.ended:
		return true
	default:
		return false
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
