// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"errors"
	"net/http"

	"tollgate/upstream/wire"
)

// posting is what became of a POST: accepted when neither env nor err is set.
type posting struct {
	sent   bool
	status int
	env    *wire.Envelope // the JSON-RPC error in a refusal
	err    error
}

// post sends body to the endpoint. id is that of a request, whose refusal may come as a JSON-RPC error; nil for the rest.
func (l *sseLink) post(ctx context.Context, id []byte, what string, body []byte) posting {
	req, err := l.request(ctx, http.MethodPost, l.endpoint, body)
	if err != nil {
		return posting{err: err}
	}
	resp, sent, err := l.do(req)
	if err != nil {
		return posting{sent: sent, err: err}
	}
	defer discardBody(resp)
	p := posting{sent: true, status: resp.StatusCode}
	if resp.StatusCode/100 != 2 {
		p.env, p.err = l.refusal(resp, id, what, id != nil)
	}
	return p
}

func (l *sseLink) exchange(ctx context.Context, x *exchange) (*wire.Envelope, error) {
	if ctx.Err() != nil {
		return nil, ctxError(ctx, l.cfg, x.method, false)
	}
	if err := l.enter(); err != nil {
		return nil, failf(l.cfg, KindClosed, false, err, "is disconnected")
	}
	defer l.users.Done()
	asks, cancel := l.bound(ctx)
	defer cancel()
	c := l.register(asks, x)
	defer l.finish(c)
	answer := l.wait(c.id)
	defer l.unwait(c.id)
	env, err := l.await(ctx, c, x, answer)
	switch {
	case err != nil:
		return nil, l.failure(ctx, x.method, x.sent, err)
	case x.maxReply > 0 && int64(len(env.Raw)) > x.maxReply:
		return nil, failf(l.cfg, KindTooLarge, true, nil, "answered %s with more than %d bytes", x.method, x.maxReply)
	}
	return env, nil
}

// await posts the request and waits for its response. The POST and the response are independent: servers may accept the POST
// long before or shortly after they answer.
func (l *sseLink) await(ctx context.Context, c *liveCall, x *exchange, answer <-chan *wire.Envelope) (*wire.Envelope, error) {
	posted, cancelPost := l.startPost(ctx, c.id, x)
	pending := posted
	for {
		select {
		case env := <-answer:
			x.sent = true
			if pending != nil {
				lingering(cancelPost)
			}
			return env, nil
		case p := <-pending:
			pending = nil
			x.sent, x.status = p.sent, p.status
			if p.env != nil || p.err != nil {
				return p.env, p.err
			}
		case <-ctx.Done():
			return nil, l.abandon(ctx, c, x, pending, cancelPost)
		case <-l.dead:
			return l.lastAnswer(x, answer, pending, cancelPost)
		}
	}
}

// startPost posts the request on a goroutine that a slow server may hold up longer than the exchange lasts.
func (l *sseLink) startPost(ctx context.Context, id []byte, x *exchange) (<-chan posting, context.CancelFunc) {
	posted := make(chan posting, 1)
	postCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	release := context.AfterFunc(l.alive, cancel)
	method, body := x.method, wire.AppendRequest(nil, id, x.method, x.params)
	started := l.spawn(func() {
		defer cancel()
		defer release()
		posted <- l.post(postCtx, id, method, body)
	})
	if !started {
		cancel()
		release()
		posted <- posting{err: l.cause()}
	}
	return posted, cancel
}

// settle ends a POST that is still under way and notes what became of it.
func settle(x *exchange, pending <-chan posting, cancelPost context.CancelFunc) (p posting) {
	if pending != nil {
		cancelPost()
		p = <-pending
		x.sent, x.status = p.sent, p.status
	}
	return p
}

// abandon ends an exchange whose context has ended and tells the server, unless it has not heard of the request.
func (l *sseLink) abandon(ctx context.Context, c *liveCall, x *exchange, pending <-chan posting, cancelPost context.CancelFunc) error {
	settle(x, pending, cancelPost)
	if x.sent && x.method != "initialize" {
		body := wire.AppendRequest(nil, nil, "notifications/cancelled", cancelParams(c.id))
		l.spawn(func() { l.postAside("notifications/cancelled", body) })
	}
	return ctxError(ctx, l.cfg, x.method, x.sent)
}

// lastAnswer ends an exchange on a dead link: with its response when that came first.
func (l *sseLink) lastAnswer(x *exchange, answer <-chan *wire.Envelope, pending <-chan posting, cancelPost context.CancelFunc) (*wire.Envelope, error) {
	select {
	case env := <-answer:
		x.sent = true
		cancelPost()
		return env, nil
	default:
	}
	p := settle(x, pending, cancelPost)
	why := l.cause()
	var e *Error
	switch {
	case errors.As(p.err, &e):
		return nil, e // the refusal of this very request may be what killed the link
	case !errors.As(why, &e):
		return nil, failf(l.cfg, KindClosed, x.sent, why, "was disconnected during %s", x.method)
	}
	return nil, failf(l.cfg, e.Kind, x.sent, why, "%s during %s", e.Detail, x.method)
}
