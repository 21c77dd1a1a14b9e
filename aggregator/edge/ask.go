// SPDX-License-Identifier: Apache-2.0

package edge

import (
	"context"
	"strconv"
	"sync"

	"tollgate/upstream/wire"
)

// asks are the requests of the gateway to one client that wait for an answer. Safe for concurrent use.
type asks struct {
	mu   sync.Mutex // guards what follows
	next int64
	open map[string]chan *wire.Envelope // by id, as JSON
}

// maxAsks bounds the questions one client has open at once.
const maxAsks = 64

// ask sends one request to the client on out and waits for the answer.
func (a *asks) ask(ctx context.Context, out stream, method string, params []byte) ([]byte, *wire.Error) {
	answer := make(chan *wire.Envelope, 1)
	a.mu.Lock()
	if len(a.open) >= maxAsks {
		a.mu.Unlock()
		return nil, &wire.Error{Code: wire.CodeInternal, Message: "the client has too many open questions"}
	}
	a.next++
	// A string, so that it can never be taken for an id of the client's own.
	id := `"tollgate-` + strconv.FormatInt(a.next, 10) + `"`
	if a.open == nil {
		a.open = map[string]chan *wire.Envelope{}
	}
	a.open[id] = answer
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		delete(a.open, id)
		a.mu.Unlock()
	}()
	if err := out.send(wire.AppendRequest(nil, []byte(id), method, params)); err != nil {
		return nil, &wire.Error{Code: wire.CodeInternal, Message: "the client cannot be reached"}
	}
	select {
	case e := <-answer:
		if e.Error != nil {
			return nil, wire.ParseError(e.Error)
		}
		return e.Result, nil
	case <-ctx.Done():
		// The client is told, as far as it still listens.
		_ = out.send(wire.AppendRequest(nil, nil, "notifications/cancelled", []byte(`{"requestId":`+id+`}`)))
		return nil, &wire.Error{Code: wire.CodeInternal, Message: "the question was withdrawn"}
	}
}

// deliver hands out the client's answer; one that nobody waits for is dropped.
func (a *asks) deliver(e *wire.Envelope) {
	a.mu.Lock()
	answer := a.open[string(e.ID)]
	delete(a.open, string(e.ID))
	a.mu.Unlock()
	if answer != nil {
		answer <- e
	}
}
