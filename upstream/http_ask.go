// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"sync"

	"tollgate/upstream/wire"
)

const (
	maxAsks    = 64 // requests of one server that may wait for their answers; the next ones are refused
	maxReplies = 16 // pongs and refusals on their way to one server; its stream is not read on before there are fewer
)

// askFunc answers one request of a server.
type askFunc func(ctx context.Context, method string, params []byte) ([]byte, *wire.Error)

// askSet holds the server's requests that wait for their answers. Safe for concurrent use.
type askSet struct {
	slots   chan struct{} // one per request that waits for its answer
	replies chan struct{} // one per pong or refusal on its way

	mu   sync.Mutex                    // guards open
	open map[string]context.CancelFunc // by tokenKey of the server's id
}

func newAskSet() *askSet {
	return &askSet{slots: make(chan struct{}, maxAsks), replies: make(chan struct{}, maxReplies), open: map[string]context.CancelFunc{}}
}

// begin adds a request under its id; the returned function removes it.
func (s *askSet) begin(ctx context.Context, id []byte) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[tokenKey(id)] = cancel
	return ctx, func() {
		cancel()
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.open, tokenKey(id))
	}
}

// cancel ends the request that a notifications/cancelled of the server names. It gets no answer.
func (s *askSet) cancel(params []byte) {
	id, ok := wire.Lookup(params, "requestId")
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if cancel := s.open[tokenKey(id)]; cancel != nil {
		cancel()
	}
}

// answer asks for the response to env on a goroutine and hands it, with the server's id as written, to reply. The one asked is
// the peer of owner, or the link's onAsk when owner is nil or over. When the one asked is told to stop, no response is sent.
// The owner does not wait for reply: a server that is slow to take the response holds up nobody.
func (h *httpConn) answer(env *wire.Envelope, owner *liveCall, reply func(body []byte)) {
	if env.Method == "ping" {
		h.replySoon(reply, wire.AppendResult(nil, env.ID, nil))
		return
	}
	select {
	case h.asks.slots <- struct{}{}:
	default:
		refusal := &wire.Error{Code: wire.CodeInternal, Message: "too many requests are being answered"}
		h.replySoon(reply, wire.AppendError(nil, env.ID, refusal))
		return
	}
	ctx, ask, done := h.alive, askFunc(h.o.onAsk), func() {}
	if owner != nil && owner.attach() {
		ctx, ask, done = owner.ctx, nobody, owner.asking.Done
		if owner.peer != nil {
			ask = owner.peer.Ask
		}
	}
	ctx, end := h.asks.begin(ctx, env.ID)
	started := h.spawn(func() {
		defer func() { <-h.asks.slots }()
		body := askOnce(ctx, env, ask)
		end()
		done()
		if body != nil {
			reply(body)
		}
	})
	if !started {
		end()
		done()
		<-h.asks.slots
	}
}

// replySoon sends a response that needs no thought, without waiting for the server to take it.
func (h *httpConn) replySoon(reply func(body []byte), body []byte) {
	select {
	case h.asks.replies <- struct{}{}:
	case <-h.alive.Done():
		return
	}
	started := h.spawn(func() {
		defer func() { <-h.asks.replies }()
		reply(body)
	})
	if !started {
		<-h.asks.replies
	}
}

// askOnce returns the response to env, or nil when ctx ended and nobody waits for it any more.
func askOnce(ctx context.Context, env *wire.Envelope, ask askFunc) []byte {
	result, werr := ask(ctx, env.Method, env.Params)
	switch {
	case ctx.Err() != nil:
		return nil
	case werr != nil:
		return wire.AppendError(nil, env.ID, werr)
	}
	return wire.AppendResult(nil, env.ID, result)
}

// nobody answers the requests of a server when the caller takes none.
func nobody(context.Context, string, []byte) ([]byte, *wire.Error) {
	return nil, &wire.Error{Code: wire.CodeMethodNotFound, Message: "the client answers no requests"}
}
