// SPDX-License-Identifier: Apache-2.0

package edge

import (
	"context"
	"strings"
	"sync"

	"tollgate/aggregator"
	"tollgate/aggregator/auth"
	"tollgate/aggregator/catalog"
	"tollgate/upstream/wire"
)

// hub tells listeners what changed. It holds no message queue: a listener has one flag per list and one entry per
// watched resource, so a slow client costs no memory and gets the newest state.
type hub struct {
	gate    *aggregator.Gate
	changed chan struct{} // capacity 1: the catalog changed since the last look

	mu        sync.Mutex // guards what follows
	listeners map[*listener]struct{}
	owners    map[string]int // listeners by credential
}

// list is one of the three lists a client can be told about.
type list int

const (
	toolList list = iota
	promptList
	resourceList
	lists
)

// method is the notification that tells of a change.
func (k list) method() string {
	switch k {
	case toolList:
		return "notifications/tools/list_changed"
	case promptList:
		return "notifications/prompts/list_changed"
	default:
		return "notifications/resources/list_changed"
	}
}

func newHub(g *aggregator.Gate) *hub {
	return &hub{gate: g, changed: make(chan struct{}, 1), listeners: map[*listener]struct{}{}, owners: map[string]int{}}
}

// catalogChanged is called on every new revision and returns at once.
func (h *hub) catalogChanged() {
	select {
	case h.changed <- struct{}{}:
	default:
	}
}

func (h *hub) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.changed:
		}
		for _, l := range h.all() {
			l.compare(ctx)
		}
	}
}

func (h *hub) all() []*listener {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]*listener, 0, len(h.listeners))
	for l := range h.listeners {
		all = append(all, l)
	}
	return all
}

func (h *hub) resourceUpdated(upstream string, params []byte) {
	raw, _ := wire.Lookup(params, "uri")
	uri, ok := wire.String(raw)
	if !ok {
		return
	}
	for _, l := range h.all() {
		l.updated(upstream, uri, params)
	}
}

// announced passes on that an upstream says a list changed although nothing in it did. Only those are told who see
// something of that list; a change that does show, hidden or not, comes by [listener.compare] alone.
func (h *hub) announced(ctx context.Context, upstream string, k list, kinds ...catalog.Kind) {
	for _, l := range h.all() {
		view, err := h.gate.View(ctx, l.caller, l.toolset)
		if err != nil || !l.wants[k] || !shows(view, upstream, kinds) {
			continue
		}
		l.mu.Lock()
		l.pending[k] = true
		l.poke()
		l.mu.Unlock()
	}
}

func shows(view *catalog.View, upstream string, kinds []catalog.Kind) bool {
	for _, k := range kinds {
		for e := range view.All(k) {
			if e.Upstream == upstream {
				return true
			}
		}
	}
	return false
}

// listener is one client that wants to know of changes: a session, or one subscriptions/listen.
type listener struct {
	hub     *hub
	caller  *auth.Principal
	toolset string
	rev     wire.Revision
	wants   [lists]bool
	wake    chan struct{} // capacity 1

	mu      sync.Mutex // guards what follows
	hashes  [lists]string
	pending [lists]bool
	watched map[string]*aggregator.Subscription // by shown URI
	fresh   map[string]update                   // by shown URI
}

// update is the newest change of one resource.
type update struct {
	upstream string
	params   []byte
}

// maxFresh bounds the changed parts of watched resources that are remembered one by one: an upstream can name any number.
const maxFresh = 2 * maxWatched

// maxListeners bounds the sessions and subscription streams of one credential.
const maxListeners = 2000

// listen registers a listener; its baseline is what the caller sees now. It is false when the credential has too many.
func (h *hub) listen(ctx context.Context, l *listener) bool {
	l.hub = h
	l.wake = make(chan struct{}, 1)
	l.watched = map[string]*aggregator.Subscription{}
	l.fresh = map[string]update{}
	h.mu.Lock()
	o := owner(l.caller)
	full := h.owners[o] >= maxListeners
	if !full {
		h.listeners[l] = struct{}{}
		h.owners[o]++
	}
	h.mu.Unlock()
	if full {
		return false
	}
	if hashes, err := l.look(ctx); err == nil {
		l.mu.Lock()
		l.hashes = hashes
		l.mu.Unlock()
	}
	return true
}

// drop ends the listener and its resource subscriptions.
func (h *hub) drop(ctx context.Context, l *listener) {
	h.mu.Lock()
	if _, ours := h.listeners[l]; ours {
		delete(h.listeners, l)
		o := owner(l.caller)
		if h.owners[o]--; h.owners[o] == 0 {
			delete(h.owners, o)
		}
	}
	h.mu.Unlock()
	l.mu.Lock()
	watched := l.watched
	l.watched = map[string]*aggregator.Subscription{}
	l.mu.Unlock()
	for _, sub := range watched {
		h.gate.Unsubscribe(ctx, sub)
	}
}

func (l *listener) look(ctx context.Context) (hashes [lists]string, err error) {
	view, err := l.hub.gate.View(ctx, l.caller, l.toolset)
	if err != nil {
		return hashes, err
	}
	hashes[toolList] = view.Hash(catalog.Tool)
	hashes[promptList] = view.Hash(catalog.Prompt)
	hashes[resourceList] = view.Hash(catalog.Resource) + view.Hash(catalog.Template)
	return hashes, nil
}

// compare notes which lists of this caller differ from what it was last told.
func (l *listener) compare(ctx context.Context) {
	now, err := l.look(ctx)
	if err != nil {
		return // the toolset is gone or nothing is loaded: there is nothing to tell
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for k := range now {
		if now[k] != l.hashes[k] && l.wants[k] {
			l.pending[k] = true
			l.poke()
		}
	}
	l.hashes = now
}

// updated notes a changed resource. The URI may be a part of the one that is watched (2026-07-28 §resources/updated).
func (l *listener) updated(upstream, uri string, params []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for shown, sub := range l.watched {
		if sub.Upstream != upstream || !within(uri, sub.URI) {
			continue
		}
		name := shown + uri[len(sub.URI):]
		if _, have := l.fresh[name]; !have && len(l.fresh) >= maxFresh {
			name = shown // too many parts changed to name each
		}
		if name != uri {
			params = wire.Set(params, "uri", wire.AppendString(nil, name))
		}
		l.fresh[name] = update{upstream, params}
		l.poke()
		return
	}
}

// within reports whether uri is watched or a part of it.
func within(uri, watched string) bool {
	rest, ok := strings.CutPrefix(uri, watched)
	return ok && (rest == "" || strings.HasSuffix(watched, "/") || strings.ContainsRune("/?#", rune(rest[0])))
}

func (l *listener) poke() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// watch subscribes to one resource, as c asks for it.
func (l *listener) watch(ctx context.Context, uri string, c *aggregator.Call) *wire.Error {
	l.mu.Lock()
	_, have := l.watched[uri]
	full := len(l.watched) >= maxWatched
	l.mu.Unlock()
	switch {
	case have:
		return nil
	case full:
		return &wire.Error{Code: wire.CodeRefused, Message: "too many watched resources; end some subscriptions first"}
	}
	sub, e := l.hub.gate.Subscribe(ctx, l.caller, uri, c)
	if e != nil {
		return e
	}
	l.mu.Lock()
	if _, have = l.watched[uri]; !have {
		l.watched[uri] = sub
	}
	l.mu.Unlock()
	if have {
		l.hub.gate.Unsubscribe(ctx, sub)
	}
	return nil
}

func (l *listener) unwatch(ctx context.Context, uri string) {
	l.mu.Lock()
	sub := l.watched[uri]
	delete(l.watched, uri)
	l.mu.Unlock()
	if sub != nil {
		l.hub.gate.Unsubscribe(ctx, sub)
	}
}

// take returns what is to be told, and forgets it.
func (l *listener) take() (changed [lists]bool, fresh map[string]update) {
	l.mu.Lock()
	defer l.mu.Unlock()
	changed, fresh = l.pending, l.fresh
	l.pending, l.fresh = [lists]bool{}, map[string]update{}
	return changed, fresh
}

// giveBack remembers what could not be told, unless something newer is known.
func (l *listener) giveBack(changed [lists]bool, fresh map[string]update) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for k, yes := range changed {
		l.pending[k] = l.pending[k] || yes
	}
	for uri, u := range fresh {
		if _, newer := l.fresh[uri]; !newer {
			l.fresh[uri] = u
		}
	}
	l.poke()
}

// tell sends what is pending; what does not get through is kept for the next stream. Updates of a resource the client no
// longer sees are dropped.
func (l *listener) tell(ctx context.Context, send func(method string, params []byte) error) error {
	changed, fresh := l.take()
	for k, yes := range changed {
		if !yes {
			continue
		}
		if err := send(list(k).method(), nil); err != nil {
			l.giveBack(changed, fresh)
			return err
		}
		changed[k] = false
	}
	for uri, u := range fresh {
		if l.hub.gate.Sees(ctx, l.caller, l.toolset, u.upstream, uri) {
			if err := send("notifications/resources/updated", u.params); err != nil {
				l.giveBack(changed, fresh)
				return err
			}
		}
		delete(fresh, uri)
	}
	return ctx.Err()
}
