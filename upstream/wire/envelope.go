// SPDX-License-Identifier: Apache-2.0

package wire

import "bytes"

// maxID is how many bytes a request id may have as written. Ids are kept for as long as a request runs.
const maxID = 1 << 10

// Envelope is one JSON-RPC 2.0 message. Its byte fields are spans of Raw, exactly as received, and nil when absent; an id
// of null counts as absent. Nobody may modify them.
type Envelope struct {
	Raw, ID, Params, Result, Error []byte
	Method                         string
}

// IsRequest reports whether the message asks for an answer.
func (e *Envelope) IsRequest() bool { return e.Method != "" && e.ID != nil }

// IsNotification reports whether the message names a method and wants no answer.
func (e *Envelope) IsNotification() bool { return e.Method != "" && e.ID == nil }

// IsResponse reports whether the message is the result or error of a request. Only an error can have no ID.
func (e *Envelope) IsResponse() bool { return e.Result != nil || e.Error != nil }

// Parse reads a message that came from a client: [Check], then the shape of JSON-RPC 2.0 with an object for params and a
// string or integer for the id. Batches are refused; members the protocol does not know are ignored. The error is an
// *[Error] with [CodeParse] or [CodeInvalidRequest]; when the id of a misshapen message could be read, an envelope with at
// least the id comes along with the error.
func Parse(b []byte) (*Envelope, error) {
	var names [inlineNames]name
	var p parts
	c := checker{b: b, names: names[:0], unique: allObjects, parts: &p}
	if err := c.run(); err != nil {
		return nil, &Error{Code: CodeParse, Message: err.Error()}
	}
	return p.message(b, false)
}

// ParseReply reads a message that came from an upstream: [CheckReply], then the shape as in [Parse], but an error response
// may lack its id or have null there, and a null in place of params, or of the one of result and error that is not meant,
// counts as absent. The result may be any value.
func ParseReply(b []byte) (*Envelope, error) {
	var names [inlineNames]name
	var p parts
	c := checker{b: b, names: names[:0], unique: envelopeObjects, lone: true, parts: &p}
	if err := c.run(); err != nil {
		return nil, &Error{Code: CodeParse, Message: err.Error()}
	}
	return p.message(b, true)
}

// text is where a value stands in a message; the zero value is no value.
type text struct{ start, end int }

func (t text) in(b []byte) []byte {
	if t.end == 0 {
		return nil
	}
	return b[t.start:t.end]
}

// parts are the members of a message as they are found. They are offsets because spans kept here would move the whole
// checker to the heap.
type parts struct {
	jsonrpc, id, method, params, result, err text
}

func (p *parts) set(key []byte, value text) {
	var buf [64]byte
	if bytes.IndexByte(key, '\\') >= 0 {
		key = appendUnescaped(buf[:0], key, keepSurrogates)
	}
	switch string(key) {
	case "jsonrpc":
		p.jsonrpc = value
	case "id":
		p.id = value
	case "method":
		p.method = value
	case "params":
		p.params = value
	case "result":
		p.result = value
	case "error":
		p.err = value
	}
}

// message makes the envelope of a text that passed a check; reply chooses the rules of [ParseReply].
func (p *parts) message(b []byte, reply bool) (*Envelope, error) {
	e := &Envelope{Raw: trim(b), Params: p.params.in(b), Result: p.result.in(b), Error: p.err.in(b)}
	id := p.id.in(b)
	if reply {
		id = e.dropNulls(id)
	}
	reason := "a message is a JSON object"
	switch e.Raw[0] {
	case '{':
		reason = e.complete(id, p.jsonrpc.in(b), p.method.in(b), reply)
	case '[':
		reason = "batches are not supported: send each message by itself"
	}
	if reason == "" {
		return e, nil
	}
	err := &Error{Code: CodeInvalidRequest, Message: reason}
	if e.ID == nil {
		return nil, err
	}
	return e, err
}

// complete checks the shape and fills what is not filled yet. It answers what is wrong, or nothing.
func (e *Envelope) complete(id, jsonrpc, method []byte, reply bool) string {
	if id != nil {
		if reason := badID(id); reason != "" {
			return reason
		}
		e.ID = id
	}
	if jsonrpc == nil || jsonrpc[0] != '"' || !equalKey(jsonrpc[1:len(jsonrpc)-1], "2.0") {
		return `jsonrpc must be "2.0"`
	}
	switch {
	case method == nil:
		return e.badResponse(reply)
	case e.IsResponse():
		return "a message has either a method or a result or error"
	case e.Params != nil && e.Params[0] != '{':
		return "params must be an object"
	}
	var ok bool
	if e.Method, ok = String(method); !ok || e.Method == "" {
		return "method must be a non-empty string"
	}
	return ""
}

func (e *Envelope) badResponse(reply bool) string {
	switch {
	case e.Result == nil && e.Error == nil:
		return "a message needs a method, a result or an error"
	case e.Result != nil && e.Error != nil:
		return "a response has either a result or an error"
	case e.Error != nil && e.Error[0] != '{':
		return "error must be an object"
	case e.ID == nil && !(reply && e.Error != nil):
		return "a response needs the id of its request"
	}
	return ""
}

// dropNulls forgives upstreams that write members they do not mean as null, and answers the id that remains.
func (e *Envelope) dropNulls(id []byte) []byte {
	isNull := func(raw []byte) bool { return raw != nil && raw[0] == 'n' }
	if isNull(e.Params) {
		e.Params = nil
	}
	if isNull(e.Error) && e.Result != nil {
		e.Error = nil
	}
	if isNull(e.Result) && e.Error != nil {
		e.Result = nil
	}
	if isNull(id) && e.Error != nil {
		return nil
	}
	return id
}

// badID answers why raw, which is valid JSON, cannot be a request id, or nothing. Integers of any size pass, because the
// bytes are only ever compared and copied.
func badID(raw []byte) string {
	switch {
	case len(raw) > maxID:
		return "id is longer than 1024 bytes"
	case raw[0] == '"' || isInteger(raw):
		return ""
	}
	return "id must be a string or an integer"
}

// isInteger reports whether raw, which is valid JSON, is written as an integer.
func isInteger(raw []byte) bool {
	for i, ch := range raw {
		if !isDigit(ch) && (i > 0 || ch != '-') {
			return false
		}
	}
	return len(raw) > 0
}

// AppendRequest appends a request, or a notification when id is nil. Nil params are left out. All parts are valid JSON.
func AppendRequest(dst, id []byte, method string, params []byte) []byte {
	dst = append(dst, `{"jsonrpc":"2.0"`...)
	if id != nil {
		dst = append(dst, `,"id":`...)
		dst = append(dst, id...)
	}
	dst = append(dst, `,"method":`...)
	dst = AppendString(dst, method)
	if params != nil {
		dst = append(dst, `,"params":`...)
		dst = append(dst, params...)
	}
	return append(dst, '}')
}

// AppendResult appends a response with a result. A nil result is sent as {}.
func AppendResult(dst, id, result []byte) []byte {
	if result == nil {
		result = []byte("{}")
	}
	dst = append(dst, `{"jsonrpc":"2.0","id":`...)
	dst = append(dst, id...)
	dst = append(dst, `,"result":`...)
	dst = append(dst, result...)
	return append(dst, '}')
}

// AppendError appends a response with an error: e.Raw when it is set, else an object made of the other fields. A nil id is
// sent as null, which JSON-RPC wants when the id of the request is not known.
func AppendError(dst, id []byte, e *Error) []byte {
	if id == nil {
		id = []byte("null")
	}
	dst = append(dst, `{"jsonrpc":"2.0","id":`...)
	dst = append(dst, id...)
	dst = append(dst, `,"error":`...)
	dst = e.appendObject(dst)
	return append(dst, '}')
}
