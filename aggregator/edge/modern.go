// SPDX-License-Identifier: Apache-2.0

package edge

import (
	"context"
	"fmt"
	"net/http"

	"tollgate/aggregator"
	"tollgate/aggregator/bridge"
	"tollgate/upstream/wire"
)

// checkModern validates what every modern request carries and fills r from it. headers is nil on stdio.
func checkModern(r *request, headers http.Header) *wire.Error {
	m := &r.meta
	missing := func(key string) *wire.Error {
		return &wire.Error{Code: wire.CodeInvalidParams, Message: fmt.Sprintf("params._meta must have %q", key)}
	}
	if m.ProtocolVersion == "" {
		if v := headers.Get(wire.HeaderProtocolVersion); v != "" && !wire.Revision(v).Known() {
			return unsupportedVersion(v) // what such a version wants in the body is not known
		}
		return missing(wire.MetaProtocolVersion)
	}
	if headers != nil {
		if e := wire.CheckHeaders(headers, r.env, nil); e != nil {
			return e
		}
	}
	rev := wire.Revision(m.ProtocolVersion)
	if !rev.Modern() {
		return unsupportedVersion(m.ProtocolVersion)
	}
	if m.ClientCapabilities == nil {
		return missing(wire.MetaClientCapabilities)
	}
	r.client = bridge.Client{Revision: rev, Info: m.ClientInfo, Capabilities: m.ClientCapabilities}
	r.level = m.LogLevel
	return nil
}

func unsupportedVersion(asked string) *wire.Error {
	data := append([]byte(`{"supported":[`), supportedModern()...)
	data = append(data, `],"requested":`...)
	data = wire.AppendString(data, asked)
	return &wire.Error{
		Code: wire.CodeUnsupportedVersion, Data: append(data, '}'),
		Message: fmt.Sprintf("protocol version %q is not supported per request", asked),
	}
}

// supportedModern are the revisions served without a handshake, as JSON array members.
func supportedModern() []byte {
	var b []byte
	for _, rev := range wire.Revisions() {
		if !rev.Modern() {
			continue
		}
		if len(b) > 0 {
			b = append(b, ',')
		}
		b = wire.AppendString(b, string(rev))
	}
	return b
}

// serveModern answers the methods that only 2026-07-28 has.
func (s *Server) serveModern(ctx context.Context, r *request) error {
	switch r.env.Method {
	case "server/discover":
		result, err := s.discover(ctx, r)
		if err != nil {
			return r.fail(s.viewError(err))
		}
		return r.out.result(r.env.ID, result)
	case "subscriptions/listen":
		return s.listen(ctx, r)
	case aggregator.MethodGetTask, aggregator.MethodUpdateTask, aggregator.MethodCancelTask:
		return s.call(ctx, r)
	}
	return r.unknownMethod()
}

// capabilities are what the gateway serves whatever the upstreams do at the moment: they come and go, the declaration
// must not. Extensions are the exception: settings are the upstreams' own, see declared.
const capabilities = `{"completions":{},"logging":{},"prompts":{"listChanged":true},"resources":{"listChanged":true,"subscribe":true},"tools":{"listChanged":true}}`

func (s *Server) discover(ctx context.Context, r *request) ([]byte, error) {
	b := append([]byte(`{"supportedVersions":[`), supportedModern()...)
	view, err := s.view(ctx, r)
	if err != nil {
		return nil, err
	}
	b = append(append(b, `],"capabilities":`...), declared(view)...)
	if text := view.Instructions(); text != "" {
		b = append(b, `,"instructions":`...)
		b = wire.AppendString(b, text)
	}
	b = append(b, `,"resultType":"complete","ttlMs":0,"cacheScope":"private","_meta":{"`+wire.MetaServerInfo+`":`...)
	b = append(b, s.info...)
	return append(b, `}}`...), nil
}
