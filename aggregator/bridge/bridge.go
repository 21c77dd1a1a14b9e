// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"fmt"

	"tollgate/upstream/wire"
)

// Client is what a downstream client said about itself. Nothing in it is verified.
type Client struct {
	Revision     wire.Revision
	Info         []byte // Implementation object; nil when not given
	Capabilities []byte // ClientCapabilities object; nil when not given
}

// inputKinds are the capabilities by which an upstream may ask the client for input in the middle of a call.
func inputKinds() []string { return []string{"elicitation", "sampling", "roots"} }

// Capabilities are those of c that the gateway can serve towards an upstream of any era: all of them, since a question
// reaches a client of either era, except that only a modern client can take tasks.
func Capabilities(c *Client) []byte {
	if c.Revision.Modern() {
		return c.Capabilities
	}
	return withoutTasks(c.Capabilities)
}

// Result translates a result from an upstream of revision up for a client of revision down. An error means that the
// client cannot understand this result and must not get it as a success.
func Result(down, up wire.Revision, method string, result []byte) ([]byte, error) {
	switch {
	case down.Modern() && !up.Modern():
		return newer(method, result), nil
	case !down.Modern() && up.Modern():
		return older(result)
	case !down.Modern():
		return result, nil
	}
	if _, ok := wire.Lookup(result, "resultType"); !ok {
		return newer(method, result), nil
	}
	return private(method, result), nil
}

// newer adds what 2026-07-28 requires of every result.
func newer(method string, result []byte) []byte {
	if _, ok := wire.Lookup(result, "resultType"); !ok {
		result = wire.Set(result, "resultType", []byte(`"complete"`))
	}
	if method != "resources/read" {
		return result
	}
	if _, ok := wire.Lookup(result, "ttlMs"); !ok {
		result = wire.Set(result, "ttlMs", []byte("0"))
	}
	if _, ok := wire.Lookup(result, "cacheScope"); !ok {
		return wire.Set(result, "cacheScope", []byte(`"private"`))
	}
	return private(method, result)
}

// private keeps what one caller may read from those who may not: the upstream, which says "public", knows of no roles.
func private(method string, result []byte) []byte {
	if scope, ok := wire.Lookup(result, "cacheScope"); !ok || method != "resources/read" || string(scope) == `"private"` {
		return result
	}
	return wire.Set(result, "cacheScope", []byte(`"private"`))
}

func older(result []byte) ([]byte, error) {
	raw, ok := wire.Lookup(result, "resultType")
	if ok {
		if kind, _ := wire.String(raw); kind != "complete" {
			return nil, fmt.Errorf("it answered with a result of type %q, which a client of an earlier protocol revision cannot take", kind)
		}
	}
	return wire.Delete(result, "resultType", "ttlMs", "cacheScope"), nil
}

// ResourceNotFound is the error code for a missing resource in the client's revision.
func ResourceNotFound(client wire.Revision) int64 {
	if client.Modern() {
		return wire.CodeInvalidParams
	}
	return wire.CodeResourceNotFound
}

// Error translates an upstream's JSON-RPC error. Code, message and data stay as they are except for the one code that
// changed its number between the eras.
func Error(down, up wire.Revision, method string, e *wire.Error) *wire.Error {
	if method != "resources/read" || down.Modern() == up.Modern() {
		return e
	}
	from, to := int64(wire.CodeResourceNotFound), int64(wire.CodeInvalidParams)
	if !down.Modern() {
		from, to = to, from
	}
	if e.Code != from {
		return e
	}
	return &wire.Error{Code: to, Message: e.Message, Data: e.Data}
}

// ToolError is a tools/call result with isError set and one sentence in it.
func ToolError(client wire.Revision, sentence string) []byte {
	b := append([]byte(`{"content":[{"type":"text","text":`), wire.AppendString(nil, sentence)...)
	b = append(b, `}],"isError":true`...)
	if client.Modern() {
		b = append(b, `,"resultType":"complete"`...)
	}
	return append(b, '}')
}
