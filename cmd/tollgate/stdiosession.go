// SPDX-License-Identifier: Apache-2.0

package main

import "tollgate/upstream/wire"

// setting is what a later request of its kind replaces or takes back.
type setting struct {
	method, uri string // uri is empty for a log level
	line        []byte
}

// settings are the requests that changed a session and must be repeated to a new gateway, in order.
type settings []setting

// maxSettings bounds what is remembered; a gateway takes no more subscriptions of one session either.
const maxSettings = 1001

// note takes one request of the client.
func (s *settings) note(e *wire.Envelope, line []byte) {
	raw, _ := wire.Lookup(e.Params, "uri")
	uri, _ := wire.String(raw)
	switch e.Method {
	case "logging/setLevel", "resources/subscribe":
		s.forget(e.Method, uri)
		if len(*s) < maxSettings {
			*s = append(*s, setting{e.Method, uri, line})
		}
	case "resources/unsubscribe":
		s.forget("resources/subscribe", uri)
	}
}

func (s *settings) forget(method, uri string) {
	kept := (*s)[:0]
	for _, one := range *s {
		if one.method != method || one.uri != uri {
			kept = append(kept, one)
		}
	}
	*s = kept
}

// note remembers what a line of the client may need later; forget takes the wait for its answer back, and is nil for
// what opens the session, which every gateway gets. What is no message is left to the gateway.
func (r *stdioRelay) note(line []byte) (forget func()) {
	e, err := wire.Parse(line)
	if err != nil || !e.IsRequest() {
		return func() {}
	}
	meta, werr := wire.ParseMeta(e.Params)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pending[string(e.ID)] = struct{}{}
	switch {
	case werr != nil || meta.ProtocolVersion != "":
	case e.Method == "initialize" && r.initialize == nil:
		r.initialize = line
		return nil
	case r.initialize != nil:
		r.settings.note(e, line)
	}
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.pending, string(e.ID))
	}
}

// settle takes an answer of the gateway.
func (r *stdioRelay) settle(e *wire.Envelope) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, asked := r.pending[string(e.ID)]
	delete(r.pending, string(e.ID))
	if asked && e.Error != nil && string(e.ID) == r.opening() {
		r.initialize = nil // refused: the client may try again
	}
}

// opening is the id of the request that opened the session, "" without one; r.mu is held.
func (r *stdioRelay) opening() string {
	if r.initialize == nil {
		return ""
	}
	e, err := wire.Parse(r.initialize)
	if err != nil {
		return ""
	}
	return string(e.ID)
}

// listsMayDiffer tells a client of an earlier protocol revision that another gateway serves it.
const listsMayDiffer = `{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}
{"jsonrpc":"2.0","method":"notifications/prompts/list_changed"}
{"jsonrpc":"2.0","method":"notifications/resources/list_changed"}
`

// handshake is what opens the client's session at another gateway, and the ids of the answers it must not see again.
func (r *stdioRelay) handshake() (lines []byte, swallow map[string]bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.initialize == nil {
		return nil, nil, nil
	}
	swallow = map[string]bool{}
	if _, waits := r.pending[r.opening()]; !waits {
		swallow[r.opening()] = true
	}
	lines = append(wire.OneLine(r.initialize), "\n"+`{"jsonrpc":"2.0","method":"notifications/initialized"}`+"\n"...)
	for _, one := range r.settings {
		e, err := wire.Parse(one.line)
		if err != nil {
			return nil, nil, err
		}
		swallow[string(e.ID)] = true
		lines = append(append(lines, wire.OneLine(one.line)...), '\n')
	}
	return lines, swallow, nil
}
