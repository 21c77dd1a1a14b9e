// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"

	"tollgate/upstream/wire"
)

// route hands one message to whom it belongs. It runs in the reader goroutine and never waits.
func (l *stdioLink) route(env *wire.Envelope) {
	switch {
	case env.IsResponse():
		l.routeResponse(env)
	case env.IsRequest():
		l.routeRequest(env)
	default:
		l.routeNotification(env)
	}
}

func (l *stdioLink) routeResponse(env *wire.Envelope) {
	var p *pending
	if env.ID == nil {
		p = l.unaddressed()
	} else if id, ok := wire.Int(env.ID); ok {
		p = l.lookup(id)
	}
	switch {
	case p == nil:
		l.counts.unknown.Add(1)
	case p.x.maxReply > 0 && int64(len(env.Raw)) > p.x.maxReply:
		l.tooLarge(p)
	default:
		l.finish(p, env, nil)
	}
}

// unaddressed is the exchange an error without id answers. Old servers write that when they cannot make sense of a request,
// a probe for example. Only housekeeping is trusted with it: the outcome of a call must not be guessed.
func (l *stdioLink) unaddressed() *pending {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.running) != 1 {
		return nil
	}
	for _, p := range l.running {
		if housekeeping(p.x.method) {
			return p
		}
	}
	return nil
}

func (l *stdioLink) routeNotification(env *wire.Envelope) {
	n := note{method: env.Method, params: env.Params}
	switch env.Method {
	case "notifications/progress":
		token, _ := wire.Lookup(env.Params, "progressToken")
		l.mu.Lock()
		p := l.tokens[tokenKey(token)]
		l.mu.Unlock()
		if p == nil {
			l.counts.unknown.Add(1)
			return
		}
		l.post(p, n)
		return
	case "notifications/cancelled":
		l.cancelled(env.Params)
		return
	case "notifications/message":
		l.mu.Lock()
		p := l.only()
		l.mu.Unlock()
		if p != nil {
			l.post(p, n)
			return
		}
	}
	if p := l.subscription(env.Params); p != nil {
		l.post(p, n)
		return
	}
	if !l.events.put(n) {
		l.counts.dropped.Add(1)
	}
}

// subscription is the open stream a notification is marked for.
func (l *stdioLink) subscription(params []byte) *pending {
	raw, _ := wire.Lookup(params, "_meta", wire.MetaSubscriptionID)
	id, ok := wire.Int(raw)
	if !ok {
		return nil
	}
	if p := l.lookup(id); p != nil && p.x.stream {
		return p
	}
	return nil
}

// post puts a notification into the mailbox of p. A call whose peer does not keep up loses progress and log lines; a
// subscription ends, because its owner must learn that it missed changes.
func (l *stdioLink) post(p *pending, n note) {
	if p.box.put(n) {
		return
	}
	l.counts.dropped.Add(1)
	if p.x.stream {
		l.finish(p, nil, failf(l.cfg, KindOverloaded, true, nil, "sent changes faster than they were taken"))
		l.cancelUpstream(p.id, "changes were not taken in time")
	}
}

// report hands over notifications tied to no exchange, in order.
func (l *stdioLink) report() {
	for {
		select {
		case <-l.dead:
			return
		case <-l.events.ready:
		}
		for _, n := range l.events.take() {
			if l.opts.onNotify != nil {
				l.opts.onNotify(n.method, n.params)
			}
		}
	}
}

// cancelled is the upstream's notifications/cancelled: a legacy upstream takes back a request of its own, a modern one ends
// a subscription.
func (l *stdioLink) cancelled(params []byte) {
	raw, _ := wire.Lookup(params, "requestId")
	l.mu.Lock()
	a := l.asks[tokenKey(raw)]
	if a != nil {
		a.takenBack = true
	}
	l.mu.Unlock()
	if a != nil {
		a.cancel()
		return
	}
	id, _ := wire.Int(raw)
	if p := l.lookup(id); p != nil && p.x.stream {
		l.finish(p, nil, failf(l.cfg, KindClosed, true, nil, "ended the subscription"))
	}
}

// ask is a request of the upstream that is being answered.
type ask struct {
	answer    func(ctx context.Context, method string, params []byte) ([]byte, *wire.Error)
	ctx       context.Context
	cancel    context.CancelFunc
	owner     *pending // nil when tied to no exchange
	takenBack bool     // guarded by stdioLink.mu
}

// routeRequest answers ping at once and everything else from a goroutine of its own.
func (l *stdioLink) routeRequest(env *wire.Envelope) {
	if env.Method == "ping" {
		l.control(wire.AppendResult(nil, env.ID, nil))
		return
	}
	a, refusal := l.startAsk(env)
	if refusal != nil {
		l.control(wire.AppendError(nil, env.ID, refusal))
		return
	}
	l.workers.Go(func() {
		result, err := a.answer(a.ctx, env.Method, env.Params)
		if !l.endAsk(env, a) {
			return
		}
		msg := wire.AppendResult(nil, env.ID, result)
		if err != nil {
			msg = wire.AppendError(nil, env.ID, err)
		}
		l.outbox.put(nil, l.dead, newOutgoing(msg))
	})
}

// startAsk decides who answers. Nothing on a legacy stdio connection says which call a request belongs to, so a peer is only
// asked when it is the only one; a modern upstream has no requests at all (2026-07-28 §changes).
func (l *stdioLink) startAsk(env *wire.Envelope) (*ask, *wire.Error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := &ask{answer: l.opts.onAsk}
	ctx := l.life
	if p := l.only(); p != nil {
		switch {
		case p.x.rev.Modern():
			a.answer = nil
		case p.x.peer != nil:
			a.answer, a.owner, ctx = p.x.peer.Ask, p, p.ctx
		}
	}
	if a.answer == nil {
		return nil, &wire.Error{Code: wire.CodeMethodNotFound, Message: "the client does not serve " + env.Method}
	}
	if len(l.asks) >= l.limits.asks {
		return nil, &wire.Error{Code: wire.CodeInternal, Message: "too many requests are being answered"}
	}
	a.ctx, a.cancel = context.WithCancel(ctx)
	switch {
	case a.owner != nil:
		a.owner.asks.Add(1)
	case l.opts.onAsked != nil:
		l.opts.onAsked()
	}
	l.asks[tokenKey(env.ID)] = a
	return a, nil
}

// endAsk reports whether the upstream still wants the answer.
func (l *stdioLink) endAsk(env *wire.Envelope, a *ask) bool {
	a.cancel()
	l.mu.Lock()
	defer l.mu.Unlock()
	if key := tokenKey(env.ID); l.asks[key] == a {
		delete(l.asks, key)
	}
	if a.owner != nil {
		a.owner.asks.Done()
	}
	return !a.takenBack
}
