// SPDX-License-Identifier: Apache-2.0

package edge

import (
	"context"
	"errors"
	"time"

	"tollgate/aggregator"
	"tollgate/upstream/wire"
)

// maxWatched bounds the resources of one subscriptions/listen.
const maxWatched = 1000

// listen serves one subscriptions/listen until the client leaves or the gateway closes (2026-07-28 §subscriptions).
func (s *Server) listen(ctx context.Context, r *request) error {
	filter, _ := wire.Lookup(r.env.Params, "notifications")
	if wire.Kind(filter) != '{' {
		return r.fail(&wire.Error{Code: wire.CodeInvalidParams, Message: "params.notifications must be an object"})
	}
	if e := checkTaskFilter(&r.client, filter); e != nil {
		return r.fail(e)
	}
	l := &listener{caller: r.caller, toolset: r.toolset, rev: r.client.Revision}
	agreed := []byte("{")
	for k, key := range [lists]string{"toolsListChanged", "promptsListChanged", "resourcesListChanged"} {
		if raw, _ := wire.Lookup(filter, key); wire.Kind(raw) == 't' {
			l.wants[k] = true
			agreed = append(agreed, `"`+key+`":true,`...)
		}
	}
	if !s.hub.listen(ctx, l) {
		return r.fail(&wire.Error{Code: wire.CodeRefused, Message: "too many open subscriptions for this credential; end some first"})
	}
	defer s.hub.drop(context.WithoutCancel(ctx), l)
	uris, e := s.watchAll(ctx, r, l, filter)
	if e != nil {
		return r.fail(e)
	}
	if uris != nil {
		agreed = append(append(agreed, `"resourceSubscriptions":`...), uris...)
	} else if len(agreed) > 1 {
		agreed = agreed[:len(agreed)-1]
	}
	agreed = append(agreed, '}')

	meta := append([]byte(`{"`+wire.MetaSubscriptionID+`":`), r.env.ID...)
	meta = append(meta, '}')
	send := func(method string, params []byte) error {
		return r.out.send(wire.AppendRequest(nil, nil, method, withMeta(params, r.env.ID)))
	}
	ack := append([]byte(`{"notifications":`), agreed...)
	if err := send("notifications/subscriptions/acknowledged", append(ack, '}')); err != nil {
		return err
	}
	if err := s.pump(ctx, l, r.out, send, r.accepted); err != nil {
		return err
	}
	return r.out.result(r.env.ID, append(append([]byte(`{"resultType":"complete","_meta":`), meta...), '}'))
}

// watchAll subscribes to the resources of a filter and returns the agreed ones as a JSON array, nil when none were
// asked for. A resource the caller cannot see is left out: the answer does not say why.
func (s *Server) watchAll(ctx context.Context, r *request, l *listener, filter []byte) ([]byte, *wire.Error) {
	raw, ok := wire.Lookup(filter, "resourceSubscriptions")
	if !ok || wire.Kind(raw) != '[' {
		return nil, nil
	}
	agreed, n := []byte("["), 0
	for item := range wire.Elements(raw) {
		uri, ok := wire.String(item)
		if !ok {
			return nil, &wire.Error{Code: wire.CodeInvalidParams, Message: "params.notifications.resourceSubscriptions must hold strings"}
		}
		if n++; n > maxWatched {
			return nil, &wire.Error{Code: wire.CodeInvalidParams, Message: "params.notifications.resourceSubscriptions holds more than 1000 resources"}
		}
		if e := l.watch(ctx, uri, r.call(aggregator.MethodSubscribe)); e != nil {
			s.log.Debug("a resource cannot be watched", "uri", uri, "error", e)
			continue
		}
		if len(agreed) > 1 {
			agreed = append(agreed, ',')
		}
		agreed = wire.AppendString(agreed, uri)
	}
	return append(agreed, ']'), nil
}

// errRevoked ends the streams of a credential that is no longer accepted.
var errRevoked = errors.New("the credential that opened this stream is no longer accepted")

// pump tells l's changes until ctx ends or the credential is no longer accepted (an error), or the server closes (nil).
func (s *Server) pump(ctx context.Context, l *listener, out stream, send func(method string, params []byte) error, accepted func() bool) error {
	tick := time.NewTicker(s.opts.KeepAlive)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.draining.Done():
			return nil
		case <-tick.C:
			if accepted != nil && !accepted() {
				return errRevoked
			}
			if err := out.idle(); err != nil {
				return err
			}
		case <-l.wake:
			if accepted != nil && !accepted() {
				return errRevoked
			}
			if err := ctx.Err(); err != nil {
				l.poke() // for the stream that comes after this one
				return err
			}
			if err := l.tell(ctx, send); err != nil {
				return err
			}
		}
	}
}

// withMeta adds the subscription's id to a notification's params.
func withMeta(params, id []byte) []byte {
	meta, _ := wire.Lookup(params, "_meta")
	return wire.Set(params, "_meta", wire.Set(meta, wire.MetaSubscriptionID, id))
}
