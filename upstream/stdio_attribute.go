// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"bytes"
	"encoding/json"
	"strconv"

	"tollgate/upstream/wire"
)

// attribute guesses the id of a response that cannot be parsed, from its first and last bytes: servers write the id either
// before the result or as the last member. It returns 0, which is never an id of ours, unless the text looks like JSON-RPC.
// A wrong guess costs one call of this very upstream, which could have spoilt it anyway.
func attribute(head, tail []byte) int64 {
	if !bytes.Contains(head, []byte(`"jsonrpc"`)) && !bytes.Contains(tail, []byte(`"jsonrpc"`)) {
		return 0
	}
	id, response := headID(head)
	if response && id == 0 {
		id = tailID(tail)
	}
	return id
}

// headID reads the members of a message up to its result or error. It reports whether that was found, and the id if it came
// first.
func headID(head []byte) (id int64, response bool) {
	dec := json.NewDecoder(bytes.NewReader(head))
	dec.UseNumber()
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return 0, false
	}
	for {
		name, err := dec.Token()
		if err != nil || name == "method" || name == "params" {
			return 0, false
		}
		if name == "result" || name == "error" {
			return id, true
		}
		value, err := dec.Token()
		if err != nil {
			return 0, false
		}
		if n, ok := value.(json.Number); ok && name == "id" {
			if id, err = strconv.ParseInt(n.String(), 10, 64); err != nil {
				return 0, false
			}
		}
	}
}

// tailID reads the id from the end of a message: `,"id":7}`, perhaps with the jsonrpc member after it. Text within a string
// cannot look like that, because the brace that ends the message is outside of strings.
func tailID(tail []byte) int64 {
	s, ok := bytes.CutSuffix(bytes.TrimSpace(tail), []byte("}"))
	if !ok {
		return 0
	}
	if i := bytes.LastIndexByte(s, ','); i >= 0 {
		name, version, _ := bytes.Cut(s[i+1:], []byte(":"))
		if string(bytes.TrimSpace(name)) == `"jsonrpc"` && string(bytes.TrimSpace(version)) == `"2.0"` {
			s = s[:i]
		}
	}
	i := bytes.LastIndexByte(s, ',')
	if i < 0 {
		return 0
	}
	name, value, _ := bytes.Cut(s[i+1:], []byte(":"))
	if string(bytes.TrimSpace(name)) != `"id"` {
		return 0
	}
	id, _ := wire.Int(bytes.TrimSpace(value))
	return id
}
