// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"context"

	"tollgate/aggregator/redact"
	"tollgate/upstream"
	"tollgate/upstream/wire"
)

// relay is the upstream's view of the client of one call: it maps the progress token back and keeps log messages below
// the level the client asked for.
type relay struct {
	peer  Peer
	token []byte
	level int // rank of the least severe message wanted; -1 for none
	rule  *redact.Rule
}

func newRelay(c *Call, rule *redact.Rule) upstream.Peer {
	if c.Peer == nil {
		return nil
	}
	r := &relay{peer: c.Peer, token: c.Meta.ProgressToken, level: -1, rule: rule}
	if !c.Client.Revision.Modern() {
		r.level = 0 // without logging/setLevel the earlier revisions leave the choice to the server
	}
	if rank, ok := wire.LogLevel(c.LogLevel); ok {
		r.level = rank
	}
	return r
}

func (r *relay) Notify(method string, params []byte) {
	params = r.rule.Notification(method, params)
	switch method {
	case "notifications/progress":
		if len(r.token) == 0 {
			return
		}
		params = wire.Set(params, wire.MetaProgressToken, r.token)
	case "notifications/message":
		raw, _ := wire.Lookup(params, "level")
		name, _ := wire.String(raw)
		if rank, ok := wire.LogLevel(name); r.level < 0 || (ok && rank < r.level) {
			return
		}
	default:
		return // nothing else belongs to a call
	}
	r.peer.Notify(method, params)
}

func (r *relay) Ask(ctx context.Context, method string, params []byte) ([]byte, *wire.Error) {
	return r.peer.Ask(ctx, method, params)
}
