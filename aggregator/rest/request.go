// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"fmt"
	"slices"
	"strings"

	"tollgate/upstream/wire"
)

// asked is what a body asks for.
type asked struct {
	server    string // upstream; "" = not named
	tool      string // as the caller wrote it
	arguments []byte // an object
	acts      []byte // whom the caller acts for, as _meta says it; nil = nobody is named
}

// maxToolName bounds the name of a tool in bytes, as clients write it: longer ones are none of any upstream.
const maxToolName = 1024

// parse reads a body that passed the strict check. It takes
//
//	{"tool_call": {"tool_name": "crm__find", "params": {…}}, "user_id": …, "user_role": …, "team_id": …}
//	{"server": "crm", "tool": "find", "arguments": {…}}
//	{"id": …, "type": "function", "function": {"name": "crm__find", "arguments": "{…}"}}
//
// the latter two also as tool_call, and the last one also alone in the tool_calls of a chat message.
func parse(body []byte) (*asked, *problem) {
	if wire.Kind(body) != '{' {
		return nil, badRequest("the body must be a JSON object")
	}
	call, inside, p := theCall(body)
	if p != nil {
		return nil, p
	}
	in := &asked{}
	if in.acts, p = actsFor(body); p != nil {
		return nil, p
	}
	if function, ok := wire.Lookup(call, "function"); ok {
		p = in.function(call, function)
	} else {
		p = in.named(call, inside)
	}
	switch {
	case p != nil:
		return nil, p
	case in.tool == "":
		return nil, badRequest("the body names no tool")
	case len(in.tool) > maxToolName || len(in.server) > maxToolName:
		return nil, badRequest(fmt.Sprintf("the name of the tool is longer than %d bytes", maxToolName))
	}
	return in, nil
}

// theCall finds the object that names the tool. inside says that it is not the
// body itself.
func theCall(body []byte) (call []byte, inside bool, p *problem) {
	one, inCall := wire.Lookup(body, "tool_call")
	many, inCalls := wire.Lookup(body, "tool_calls")
	switch {
	case inCall && inCalls:
		return nil, false, badRequest("the body has tool_call and tool_calls: send one of them")
	case inCalls:
		if one, p = only(many); p != nil {
			return nil, false, p
		}
	case !inCall:
		return body, false, nil
	}
	if wire.Kind(one) != '{' {
		return nil, false, badRequest("tool_call must be an object")
	}
	for _, name := range []string{"tool", "tool_name", "function", "params", "arguments", "server"} {
		if _, twice := wire.Lookup(body, name); twice {
			return nil, false, badRequest(fmt.Sprintf("the body has %q beside a tool call: move it in there", name))
		}
	}
	return one, true, nil
}

// only is the single element of a list of tool calls: several calls have several answers.
func only(list []byte) (one []byte, p *problem) {
	n := 0
	for e := range wire.Elements(list) {
		one = e
		n++
	}
	if n != 1 {
		return nil, badRequest(fmt.Sprintf("tool_calls has %d calls: send each by itself", n))
	}
	return one, nil
}

// function reads a tool call as models write it.
func (in *asked) function(call, function []byte) *problem {
	if kind, ok := wire.Lookup(call, "type"); ok && string(kind) != `"function"` {
		return badRequest(`the type of the tool call must be "function"`)
	}
	if wire.Kind(function) != '{' {
		return badRequest("function must be an object")
	}
	for _, name := range []string{"tool", "tool_name", "params", "arguments", "server"} {
		if _, twice := wire.Lookup(call, name); twice {
			return badRequest(fmt.Sprintf("the tool call has function and %q: send one of them", name))
		}
	}
	var p *problem
	if in.tool, p = stringOf(function, "name"); p != nil {
		return p
	}
	raw, _ := wire.Lookup(function, "arguments")
	in.arguments, p = object("function.arguments", raw)
	return p
}

// named reads a tool call of this gateway's own forms. It takes no member that it does not know: misspelt arguments would
// be a call without any. inside says that identity and the like stand elsewhere.
func (in *asked) named(call []byte, inside bool) *problem {
	known := []string{"tool", "tool_name", "params", "arguments", "server"}
	if !inside {
		known = append(known, "user_id", "user_role", "team_id")
	}
	for m := range wire.Members(call) {
		if !slices.Contains(known, m.Name) {
			return badRequest(fmt.Sprintf("the tool call has a member %q that means nothing: it may have %s", shorten(m.Name), strings.Join(known, ", ")))
		}
	}
	name, arguments := "tool_name", "params"
	if _, ok := wire.Lookup(call, name); !ok {
		name = "tool"
	} else if _, twice := wire.Lookup(call, "tool"); twice {
		return badRequest("the tool call has tool and tool_name: send one of them")
	}
	if _, ok := wire.Lookup(call, arguments); !ok {
		arguments = "arguments"
	} else if _, twice := wire.Lookup(call, "arguments"); twice {
		return badRequest("the tool call has params and arguments: send one of them")
	}
	var p *problem
	if in.tool, p = stringOf(call, name); p != nil {
		return p
	}
	if in.server, p = stringOf(call, "server"); p != nil {
		return p
	}
	raw, _ := wire.Lookup(call, arguments)
	in.arguments, p = object(arguments, raw)
	return p
}

// object reads arguments: an object, or its JSON as a text, which is how models write it.
func object(name string, raw []byte) ([]byte, *problem) {
	wrong := badRequest(name + " must be an object, or a text with the JSON of one")
	switch wire.Kind(raw) {
	case '{':
		return raw, nil
	case 0, 'n':
		return []byte("{}"), nil
	case '"':
	default:
		return nil, wrong
	}
	inside, _ := wire.String(raw)
	if strings.TrimSpace(inside) == "" {
		return []byte("{}"), nil // a call without arguments, as some models write it
	}
	if err := wire.Check([]byte(inside)); err != nil {
		return nil, badRequest(name + " is a text that is refused: " + err.Error())
	}
	if wire.Kind([]byte(inside)) != '{' {
		return nil, wrong
	}
	return []byte(inside), nil
}

// stringOf is a member that is a text; "" when it is not there.
func stringOf(obj []byte, name string) (string, *problem) {
	raw, ok := wire.Lookup(obj, name)
	if !ok || wire.Kind(raw) == 'n' {
		return "", nil
	}
	s, ok := wire.String(raw)
	if !ok {
		return "", badRequest(name + " must be a text")
	}
	return s, nil
}

// params are those of the tools/call that in means, of a tool by its displayed name.
func (in *asked) params(displayed string) ([]byte, *problem) {
	b := append([]byte(`{"name":`), wire.AppendString(nil, displayed)...)
	b = append(append(append(b, `,"arguments":`...), in.arguments...), '}')
	// The same rule as for MCP: a text within the body may be nested as deeply as the body itself.
	if err := wire.Check(wire.AppendRequest(nil, []byte("1"), "tools/call", b)); err != nil {
		return nil, badRequest("the arguments are refused: they have more levels of arrays and objects than this gateway accepts")
	}
	return b, nil
}

// shown is the tool as the caller named it, for telling it.
func (in *asked) shown() string {
	if in.server != "" {
		return shorten(in.server + "/" + in.tool)
	}
	return shorten(in.tool)
}

// maxEcho bounds what is repeated of a request in its answer, in characters.
const maxEcho = 200

func shorten(s string) string {
	n := 0
	for i := range s {
		if n++; n > maxEcho {
			return s[:i] + "…"
		}
	}
	return s
}
