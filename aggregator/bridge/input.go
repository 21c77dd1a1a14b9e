// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"crypto/rand"
	"fmt"

	"tollgate/upstream/wire"
)

// Question is one thing an upstream wants to know of the client in the middle of a call.
type Question struct {
	Key    string // names it within its call
	Method string // elicitation/create, sampling/createMessage or roots/list
	Params []byte // may be nil
}

// inputKind is the client capability by which a method may be asked, "" for a method that no client can be asked.
func inputKind(method string) string {
	switch method {
	case "elicitation/create":
		return "elicitation"
	case "sampling/createMessage":
		return "sampling"
	case "roots/list":
		return "roots"
	}
	return ""
}

// CanAsk reports whether the client declared that it can be asked q.
func (c *Client) CanAsk(q *Question) bool {
	kind := inputKind(q.Method)
	if kind == "" {
		return false
	}
	declared, ok := wire.Lookup(c.Capabilities, kind)
	if !ok || wire.Kind(declared) != '{' {
		return false
	}
	if mode, _ := wire.Lookup(q.Params, "mode"); kind == "elicitation" && string(mode) == `"url"` {
		_, ok := wire.Lookup(declared, "url")
		return ok
	}
	return true
}

// Interactive reports whether the client declared anything by which it can be asked.
func (c *Client) Interactive() bool {
	for _, kind := range inputKinds() {
		if _, ok := wire.Lookup(c.Capabilities, kind); ok {
			return true
		}
	}
	return false
}

// InputRequired is the result that asks a modern client (2026-07-28 §mrtr).
func InputRequired(questions []Question, state string) []byte {
	b := []byte(`{"resultType":"input_required","inputRequests":{`)
	for i, q := range questions {
		if i > 0 {
			b = append(b, ',')
		}
		b = wire.AppendString(b, q.Key)
		b = append(b, `:{"method":`...)
		b = wire.AppendString(b, q.Method)
		if params := newerQuestion(q); len(params) > 0 {
			b = append(append(b, `,"params":`...), params...)
		}
		b = append(b, '}')
	}
	b = append(b, `},"requestState":`...)
	b = wire.AppendString(b, state)
	return append(b, '}')
}

// newerQuestion leaves out what 2026-07-28 no longer has in a question. roots/list needs params there for clients that
// insist on an object.
func newerQuestion(q Question) []byte {
	params := q.Params
	if len(params) == 0 {
		return []byte("{}")
	}
	if q.Method == "elicitation/create" {
		params = wire.Delete(params, "elicitationId")
	}
	if meta, ok := wire.Lookup(params, "_meta"); ok {
		if meta = wire.Delete(meta, wire.MetaProgressToken); string(meta) == "{}" {
			return wire.Delete(params, "_meta")
		}
		params = wire.Set(params, "_meta", meta)
	}
	return params
}

// olderQuestion adds what the earlier revisions require of a question.
func olderQuestion(q Question) []byte {
	if q.Method != "elicitation/create" {
		return q.Params
	}
	if mode, _ := wire.Lookup(q.Params, "mode"); string(mode) != `"url"` {
		return q.Params
	}
	if _, ok := wire.Lookup(q.Params, "elicitationId"); ok {
		return q.Params
	}
	return wire.Set(q.Params, "elicitationId", wire.AppendString(nil, rand.Text()))
}

// IsInputRequired reports whether a modern result asks the client instead of answering it.
func IsInputRequired(result []byte) bool {
	raw, ok := wire.Lookup(result, "resultType")
	return ok && string(raw) == `"input_required"`
}

// Questions are those of an input_required result, in its order, as a client of an earlier revision is asked them. An
// error says why it cannot be.
func Questions(result []byte, c *Client) ([]Question, error) {
	var all []Question
	requests, _ := wire.Lookup(result, "inputRequests")
	for m := range wire.Members(requests) {
		raw, _ := wire.Lookup(m.Value, "method")
		method, _ := wire.String(raw)
		q := Question{Key: m.Name, Method: method}
		q.Params, _ = wire.Lookup(m.Value, "params")
		if !c.CanAsk(&q) {
			return nil, fmt.Errorf("it asks for %q, which the client did not declare that it can answer", method)
		}
		q.Params = olderQuestion(q)
		all = append(all, q)
	}
	return all, nil
}

// Retry is the request that brings an upstream the answers to its questions. answers may be nil, state is the
// upstream's own and absent when it gave none.
func Retry(params, answers []byte, state string, hasState bool) []byte {
	params = wire.Delete(params, "inputResponses", "requestState")
	if answers != nil {
		params = wire.Set(params, "inputResponses", answers)
	}
	if hasState {
		params = wire.Set(params, "requestState", wire.AppendString(nil, state))
	}
	return params
}

// RequestState is the requestState of params or of a result.
func RequestState(obj []byte) (string, bool) {
	raw, ok := wire.Lookup(obj, "requestState")
	if !ok {
		return "", false
	}
	return wire.String(raw)
}

// URLQuestions are the URLs that an error -32042 of an earlier revision wants the user to visit, as questions.
func URLQuestions(e *wire.Error) []Question {
	var all []Question
	list, _ := wire.Lookup(e.Data, "elicitations")
	for item := range wire.Elements(list) {
		if _, ok := wire.Lookup(item, "url"); ok {
			all = append(all, Question{Key: fmt.Sprintf("url%d", len(all)+1), Method: "elicitation/create", Params: item})
		}
	}
	return all
}
