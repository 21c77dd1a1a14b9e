// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"fmt"
	"strconv"
)

// The codes of JSON-RPC and MCP that the gateway reads or sends. The specification reserves -32768 to -32000, so our own
// are outside of it.
const (
	CodeParse          = -32700 // the bytes are no JSON
	CodeInvalidRequest = -32600 // the JSON is no message
	CodeMethodNotFound = -32601
	CodeInvalidParams  = -32602 // also: unknown tool, prompt or resource
	CodeInternal       = -32603

	CodeResourceNotFound = -32002 // legacy revisions only
	CodeURLElicitation   = -32042 // legacy revisions only

	CodeHeaderMismatch     = -32020 // HTTP headers and body say different things
	CodeMissingCapability  = -32021 // the client did not declare what the server needs
	CodeUnsupportedVersion = -32022

	CodeUpstreamFailed = -31001 // ours: the upstream could not be reached or answered nonsense
	CodeRefused        = -31002 // ours: a rule, limit or budget said no
)

// Error is a JSON-RPC error object.
type Error struct {
	Code    int64
	Message string
	Data    []byte // any JSON value, nil when absent
	Raw     []byte // the whole object as received; when set, this is what [AppendError] sends
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s (code %d)", e.Message, e.Code)
}

// ParseError reads the error object of a response that passed a check. Something that is no object, or has no integer code,
// becomes a [CodeInternal] error that keeps what was sent as its data.
func ParseError(raw []byte) *Error {
	field, _ := Lookup(raw, "code")
	code, ok := Int(field)
	if !ok {
		return &Error{Code: CodeInternal, Message: "malformed error object", Data: raw}
	}
	e := &Error{Code: code, Raw: raw}
	field, _ = Lookup(raw, "message")
	e.Message, _ = String(field)
	e.Data, _ = Lookup(raw, "data")
	return e
}

func (e *Error) appendObject(dst []byte) []byte {
	if e.Raw != nil {
		return append(dst, e.Raw...)
	}
	dst = append(dst, `{"code":`...)
	dst = strconv.AppendInt(dst, e.Code, 10)
	dst = append(dst, `,"message":`...)
	dst = AppendString(dst, e.Message)
	if e.Data != nil {
		dst = append(dst, `,"data":`...)
		dst = append(dst, e.Data...)
	}
	return append(dst, '}')
}
