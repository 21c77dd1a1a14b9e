// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"strings"

	"tollgate/aggregator"
	"tollgate/store/ledger"
	"tollgate/upstream/wire"
)

// answer is the body for a call that its tool answered: with a result, with a result that says it failed, or with an error.
// All of it is copied byte for byte.
func answer(reply *aggregator.Reply) []byte {
	b := make([]byte, 0, 2*len(reply.Result)+256)
	failed, _ := wire.Lookup(reply.Result, "isError")
	switch {
	case reply.Error != nil:
		b = append(b, `{"success":false,"error":"`+toolError+`","message":`...)
		b = wire.AppendString(b, reply.Error.Message)
		envelope := wire.AppendError(nil, nil, reply.Error)
		raw, _ := wire.Lookup(envelope, "error")
		b = append(append(b, `,"rpc_error":`...), raw...)
	case string(failed) == "true":
		b = append(b, `{"success":false,"error":"`+toolError+`","message":`...)
		b = wire.AppendString(b, texts(reply.Result))
		b = append(append(b, `,"result":`...), reply.Result...)
	default:
		b = append(b, `{"success":true,"data":`...)
		b = append(b, contents(reply.Result)...)
		b = append(append(b, `,"result":`...), reply.Result...)
	}
	if reply.Decision != "" {
		b = append(b, `,"decision_id":`...)
		b = wire.AppendString(b, reply.Decision)
	}
	b = append(b, `,"cost":`...)
	b = wire.AppendString(b, ledger.FormatUSD(reply.Charged))
	return append(b, '}')
}

// contents is what a program wants of a result: its structured content; else its only text, read as JSON when it is an
// object or an array; else the list of its content. A text that is a number stays a text: an id must not change its type
// with its digits.
func contents(result []byte) []byte {
	if raw, ok := wire.Lookup(result, "structuredContent"); ok && wire.Kind(raw) != 'n' {
		return raw
	}
	list, ok := wire.Lookup(result, "content")
	if !ok {
		return []byte("null")
	}
	var one []byte
	n := 0
	for e := range wire.Elements(list) {
		one = e
		n++
	}
	raw, isText := textOf(one)
	if n != 1 || !isText {
		return list
	}
	inside, _ := wire.String(raw)
	if kind := wire.Kind([]byte(inside)); (kind == '{' || kind == '[') && wire.Check([]byte(inside)) == nil {
		return []byte(inside)
	}
	return raw
}

// textOf is the text of a content block, as written.
func textOf(block []byte) (raw []byte, ok bool) {
	if kind, _ := wire.Lookup(block, "type"); string(kind) != `"text"` {
		return nil, false
	}
	raw, _ = wire.Lookup(block, "text")
	return raw, wire.Kind(raw) == '"'
}

// texts are all texts of a result, one below the other.
func texts(result []byte) string {
	list, _ := wire.Lookup(result, "content")
	var all []string
	for e := range wire.Elements(list) {
		if raw, ok := textOf(e); ok {
			s, _ := wire.String(raw)
			all = append(all, s)
		}
	}
	if len(all) == 0 {
		return "the tool failed and did not say why"
	}
	return strings.Join(all, "\n")
}
