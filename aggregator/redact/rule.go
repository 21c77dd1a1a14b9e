// SPDX-License-Identifier: Apache-2.0

package redact

import (
	"strconv"

	"tollgate/policy"
	"tollgate/upstream/wire"
)

// Rule takes out of results what obligations say. A nil Rule takes nothing. Safe for concurrent use.
type Rule struct {
	keepText bool
	matcher  *matcher
	layouts  layouts
}

// Compile makes the rule of o; nil when o redacts nothing. The error is a *[PointerError].
func Compile(o *policy.Obligations) (*Rule, error) {
	if o == nil || len(o.Redact) == 0 {
		return nil, nil
	}
	pointers, err := parseAll(o.Redact)
	if err != nil {
		return nil, err
	}
	return &Rule{keepText: o.KeepText, matcher: newMatcher(pointers), layouts: *newLayouts(o.KeepText)}, nil
}

// everything reports whether a pointer names whole documents.
func (r *Rule) everything() bool { return meet(r.matcher.start, r.matcher.final) }

// Result is a result of method without what the rule takes out; result itself when that is nothing. A result that is not a
// JSON object as [wire.CheckReply] wants it is withheld as a whole.
func (r *Rule) Result(method string, result []byte) []byte {
	if r == nil {
		return result
	}
	e, ok := r.open(result)
	if !ok {
		return []byte(withheldResult(method))
	}
	e.result(skipSpace(e.src, 0), method)
	return e.edited()
}

// Notification is the params of a notification in the middle of a call without what the rule takes out.
func (r *Rule) Notification(method string, params []byte) []byte {
	if r == nil || len(params) == 0 {
		return params
	}
	e, ok := r.open(params)
	if !ok {
		return []byte(withheldParams(method))
	}
	start := skipSpace(e.src, 0)
	switch method {
	case "notifications/progress":
		e.members(start, r.layouts.progress)
	case "notifications/message":
		e.members(start, r.layouts.log)
	case "notifications/tasks":
		e.result(start, "tasks/get")
	default:
		e.members(start, r.layouts.note)
	}
	return e.edited()
}

// Error is an upstream's error without what the rule takes out; its code stays.
func (r *Rule) Error(e *wire.Error) *wire.Error {
	if r == nil || e == nil {
		return e
	}
	raw := e.Raw
	if raw == nil {
		raw = appendError(e)
	}
	ed, ok := r.open(raw)
	if !ok {
		return &wire.Error{Code: e.Code, Message: Withheld}
	}
	ed.failure(skipSpace(ed.src, 0))
	if ed.out == nil && e.Raw != nil {
		return e
	}
	out := wire.ParseError(ed.edited())
	if e.Raw == nil {
		out.Raw = nil
	}
	return out
}

// open checks an object of the protocol.
func (r *Rule) open(obj []byte) (*editor, bool) {
	if wire.Kind(obj) != '{' || wire.CheckReply(obj) != nil {
		return nil, false
	}
	return &editor{rule: r, src: obj}, true
}

func appendError(e *wire.Error) []byte {
	b := strconv.AppendInt([]byte(`{"code":`), e.Code, 10)
	b = wire.AppendString(append(b, `,"message":`...), e.Message)
	if e.Data != nil && wire.CheckReply(e.Data) == nil {
		b = append(append(b, `,"data":`...), e.Data...)
	}
	return append(b, '}')
}

func withheldError(code int64) []byte {
	return appendError(&wire.Error{Code: code, Message: Withheld})
}

// withheldResult is a result of method with nothing of the upstream in it. It says resultType, which earlier revisions do
// not know and ignore.
func withheldResult(method string) string {
	switch method {
	case "tools/call":
		return `{"content":[` + string(textBlock(Withheld)) + `],"isError":true,"resultType":"complete"}`
	case "prompts/get":
		return `{"messages":[],"resultType":"complete"}`
	case "resources/read":
		return `{"contents":[],"resultType":"complete","ttlMs":0,"cacheScope":"private"}`
	case "completion/complete":
		return `{"completion":{"values":[]},"resultType":"complete"}`
	case "tasks/get":
		return `{"resultType":"complete","taskId":"","status":"failed","createdAt":"1970-01-01T00:00:00Z",` +
			`"lastUpdatedAt":"1970-01-01T00:00:00Z","ttlMs":null,"error":` + string(withheldError(wire.CodeInternal)) + `}`
	}
	return `{"resultType":"complete"}`
}

func withheldParams(method string) string {
	switch method {
	case "notifications/progress":
		return `{"progressToken":"","progress":0}`
	case "notifications/message":
		return `{"level":"info","data":"` + Withheld + `"}`
	}
	return `{}`
}
