// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"sync"

	"tollgate/upstream/wire"
)

// liveCall is the side of an exchange that faces the server's streams: its own, and the one it shares with others. The fields
// of the first block never change.
type liveCall struct {
	id     []byte
	method string
	token  string // tokenKey of its progress token; "" = it wants no progress
	stream bool
	peer   Peer
	ctx    context.Context // ends with the call

	stop   context.CancelFunc
	asking sync.WaitGroup // calls of peer.Ask

	mu   sync.Mutex // guards over and makes the calls of peer.Notify one at a time
	over bool       // nothing reaches the peer any more
}

// register makes x reachable for the shared stream. ctx is that of the exchange.
func (h *httpConn) register(ctx context.Context, x *exchange) *liveCall {
	c := &liveCall{id: h.newID(), method: x.method, stream: x.stream, peer: x.peer}
	if x.progressToken != nil {
		c.token = tokenKey(x.progressToken)
	}
	c.ctx, c.stop = context.WithCancel(ctx)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.running[string(c.id)] = c
	if c.token != "" {
		h.tokens[c.token] = c
	}
	return c
}

// finish makes c unreachable, ends what its peer was asked and returns when the peer is told nothing more.
func (h *httpConn) finish(c *liveCall) {
	h.mu.Lock()
	delete(h.running, string(c.id))
	if h.tokens[c.token] == c {
		delete(h.tokens, c.token)
	}
	h.mu.Unlock()
	c.stop()
	c.mu.Lock()
	c.over = true
	c.mu.Unlock()
	c.asking.Wait()
}

// notify hands a notification to the peer, unless the call is over. Calls come in the order of the wire.
func (c *liveCall) notify(method string, params []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.over && c.peer != nil {
		c.peer.Notify(method, params)
	}
}

// attach counts one more request the peer is asked, unless the call is over; undo it with asking.Done.
func (c *liveCall) attach() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.over {
		c.asking.Add(1)
	}
	return !c.over
}

// follower finds the call of a progress token, nil when it is over or never was.
func (h *httpConn) follower(params []byte) *liveCall {
	token, ok := wire.Lookup(params, wire.MetaProgressToken)
	if !ok {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.tokens[tokenKey(token)]
}

// only returns the call a message without any address must belong to: the one that is running, when there is no other and
// somebody listens to it. The gateway's own housekeeping does not count, as on stdio.
func (h *httpConn) only() *liveCall {
	h.mu.Lock()
	defer h.mu.Unlock()
	var found *liveCall
	for _, c := range h.running {
		switch {
		case c.stream || housekeeping(c.method):
		case found != nil:
			return nil
		default:
			found = c
		}
	}
	if found != nil && found.peer == nil {
		return nil
	}
	return found
}

// aside takes a message of a legacy server that came outside of any call's own answer.
func (h *httpConn) aside(env *wire.Envelope, reply func(body []byte)) {
	switch {
	case env.IsResponse():
		h.o.log.Debug("response to no request ignored", "upstream", h.cfg.Name)
	case env.IsRequest():
		h.answer(env, h.only(), reply)
	case env.Method == "notifications/progress":
		if c := h.follower(env.Params); c != nil {
			c.notify(env.Method, env.Params)
		}
	case env.Method == "notifications/cancelled":
		h.asks.cancel(env.Params)
	default:
		if c := h.only(); c != nil && env.Method == "notifications/message" {
			c.notify(env.Method, env.Params)
			return
		}
		h.o.onNotify(env.Method, env.Params)
	}
}
