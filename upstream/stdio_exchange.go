// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"strconv"
	"strings"
	"sync"

	"tollgate/upstream/wire"
)

// pending is one exchange under way.
type pending struct {
	x   exchange // a copy: the reader may look at it a moment longer than the caller owns the original
	id  int64
	ctx context.Context // ends when the exchange returns
	msg *outgoing
	box *mailbox
	// asks are the requests of the upstream that run in x.peer. Added to only while the exchange is in stdioLink.running.
	asks sync.WaitGroup
}

func (l *stdioLink) exchange(ctx context.Context, x *exchange) (*wire.Envelope, error) {
	if ctx.Err() != nil {
		return nil, ctxError(ctx, l.cfg, x.method, false)
	}
	running, cancel := context.WithCancel(ctx)
	defer cancel()
	p := l.register(running, x)
	if p == nil {
		return nil, l.deadError(false)
	}
	env, err := l.await(ctx, p)
	p.msg.withdraw() // answered before it was asked: must not be executed later
	l.forget(p)
	cancel()
	p.asks.Wait()
	x.sent = p.msg.sent()
	if err != nil {
		return nil, err
	}
	return env, nil
}

// register gives x an id of ours and makes it reachable for the reader. It returns nil when the link is dead.
func (l *stdioLink) register(ctx context.Context, x *exchange) *pending {
	p := &pending{x: *x, ctx: ctx, box: newMailbox(l.limits.notes, l.limits.noteBytes)}
	if !l.enlist(p) {
		return nil
	}
	buf := make([]byte, 0, len(x.params)+len(x.method)+64)
	p.msg = newOutgoing(wire.AppendRequest(buf, strconv.AppendInt(nil, p.id, 10), x.method, x.params))
	return p
}

func (l *stdioLink) enlist(p *pending) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failure != nil {
		return false
	}
	l.lastID++
	p.id = l.lastID
	l.running[p.id] = p
	if p.x.progressToken != nil {
		l.tokens[tokenKey(p.x.progressToken)] = p
	}
	return true
}

// forget makes p unreachable for the reader; what arrives for it afterwards is late.
func (l *stdioLink) forget(p *pending) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.running[p.id] == p {
		delete(l.running, p.id)
	}
	if p.x.progressToken != nil {
		if key := tokenKey(p.x.progressToken); l.tokens[key] == p {
			delete(l.tokens, key)
		}
	}
}

// await queues the request and delivers what arrives for it until that is the response.
func (l *stdioLink) await(ctx context.Context, p *pending) (*wire.Envelope, *Error) {
	l.outbox.put(ctx.Done(), l.dead, p.msg)
	for {
		select {
		case <-p.box.ready:
			if last := p.deliver(); last != nil {
				return last.env, last.err
			}
		case <-ctx.Done():
			return l.abandon(ctx, p)
		case <-l.dead:
			if last := p.deliver(); last != nil {
				return last.env, last.err
			}
			p.msg.withdraw()
			return nil, l.deadError(p.msg.sent())
		}
	}
}

// deliver hands what has arrived to the peer, in order. It returns the response when that was among it.
func (p *pending) deliver() *note {
	for _, n := range p.box.take() {
		if n.last {
			return &n
		}
		if p.x.peer != nil {
			p.x.peer.Notify(n.method, n.params)
		}
	}
	return nil
}

// abandon ends an exchange whose context has ended. A response that is already there still counts: the outcome is known.
func (l *stdioLink) abandon(ctx context.Context, p *pending) (*wire.Envelope, *Error) {
	l.forget(p)
	if p.box.complete() {
		last := p.deliver()
		return last.env, last.err
	}
	if !p.msg.withdraw() && p.x.method != "initialize" { // 2025-11-25 §cancellation: initialize must not be cancelled
		reason := "the caller went away"
		if timedOut(ctx) {
			reason = "the deadline passed"
		}
		l.cancelUpstream(p.id, reason)
	}
	return nil, ctxError(ctx, l.cfg, p.x.method, p.msg.sent())
}

// cancelUpstream tells the upstream that nobody waits for the response to our request any more.
func (l *stdioLink) cancelUpstream(id int64, reason string) {
	params := append([]byte(`{"requestId":`), strconv.AppendInt(nil, id, 10)...)
	params = append(wire.AppendString(append(params, `,"reason":`...), reason), '}')
	l.control(wire.AppendRequest(nil, nil, "notifications/cancelled", params))
}

// control queues a message whose loss is bearable and never waits.
func (l *stdioLink) control(msg []byte) {
	if !l.outbox.tryControl(newOutgoing(msg)) {
		l.counts.dropped.Add(1)
	}
}

// finish ends p with a response or a failure. Only the first of them counts.
func (l *stdioLink) finish(p *pending, env *wire.Envelope, err *Error) {
	l.forget(p)
	p.box.putLast(note{env: env, err: err})
}

// lookup finds the running exchange of one of our ids.
func (l *stdioLink) lookup(id int64) *pending {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.running[id]
}

// only returns the exchange a message without any address must belong to: the one that is running, when there is no other.
// The gateway's own housekeeping and open subscriptions are not counted, since servers neither ask nor log on their behalf,
// and a refresh would otherwise part a call from its elicitation. l.mu must be held.
func (l *stdioLink) only() *pending {
	var found *pending
	for _, p := range l.running {
		if p.x.stream || housekeeping(p.x.method) {
			continue
		}
		if found != nil {
			return nil
		}
		found = p
	}
	return found
}

// housekeeping reports whether requests of this method are made by the gateway for itself.
func housekeeping(method string) bool {
	switch method {
	case "initialize", "ping", "server/discover", "logging/setLevel", "resources/subscribe", "resources/unsubscribe",
		"resources/templates/list":
		return true
	}
	return strings.HasSuffix(method, "/list")
}

// tokenKey is what a progress token is compared by: an upstream may write the same string or number differently.
func tokenKey(raw []byte) string {
	if n, ok := wire.Int(raw); ok {
		return strconv.FormatInt(n, 10)
	}
	if s, ok := wire.String(raw); ok {
		return `"` + s
	}
	return string(raw)
}
