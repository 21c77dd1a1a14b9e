// SPDX-License-Identifier: Apache-2.0

package edge

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"tollgate/upstream/upstreamtest"
	"tollgate/upstream/wire"
)

// asker is a server that asks for a name and then for a city before it answers, in its own era's way.
func asker(legacy bool) *upstreamtest.Server {
	up := echo()
	up.Legacy = legacy
	up.Handle = func(r *upstreamtest.Request) bool {
		if r.Method != "tools/call" {
			return false
		}
		if legacy {
			askLegacy(r)
		} else {
			askModern(r)
		}
		return true
	}
	return up
}

const question = `{"message":"%s?","requestedSchema":{"type":"object","properties":{"v":{"type":"string","x":9007199254740993}}}}`

func askLegacy(r *upstreamtest.Request) {
	said := ""
	for _, what := range []string{"name", "city"} {
		e := r.Ask("elicitation/create", fmt.Sprintf(question, what))
		if e == nil {
			return
		}
		v, _ := lookup(e.Result, "content", "v")
		said += v
	}
	r.Result(`{"content":[{"type":"text","text":` + string(wire.AppendString(nil, said)) + `}]}`)
}

func askModern(r *upstreamtest.Request) {
	state, _ := lookup(r.Params, "requestState")
	answer, _ := lookup(r.Params, "inputResponses", "k", "content", "v")
	ask := func(what, state string) {
		r.Result(`{"resultType":"input_required","inputRequests":{"k":{"method":"elicitation/create","params":` + fmt.Sprintf(question, what) + `}},"requestState":` + state + `}`)
	}
	switch {
	case state == "":
		ask("name", `"one"`)
	case state == `"one"`:
		ask("city", string(wire.AppendString(nil, answer)))
	default:
		first, _ := wire.String([]byte(state))
		r.Result(`{"content":[{"type":"text","text":` + string(wire.AppendString(nil, first+answer)) + `}],"resultType":"complete"}`)
	}
}

const elicits = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"elicitation":{}}}`

func interactiveCall(id, more string) string {
	return `{"jsonrpc":"2.0","id":` + id + `,"method":"tools/call","params":{"name":"up__echo","arguments":{"a":1}` + more + `,` + elicits + `}}`
}

// TestModernClientIsAsked: two rounds, whatever the upstream's era.
func TestModernClientIsAsked(t *testing.T) {
	for _, legacy := range []bool{false, true} {
		up := asker(legacy)
		g := start(t, named{"up", true, up})
		more := ""
		for i, what := range []string{"name", "city"} {
			_, answer := g.ask(t, "reader", interactiveCall(fmt.Sprint(i), more), nil)
			if !strings.Contains(answer, `"resultType":"input_required"`) || !strings.Contains(answer, fmt.Sprintf(question, what)) {
				t.Fatalf("legacy upstream %v, round %d: %s", legacy, i, answer)
			}
			state, _ := lookup([]byte(answer), "result", "requestState")
			requests, _ := wire.Lookup([]byte(answer), "result", "inputRequests")
			key := ""
			for m := range wire.Members(requests) {
				key = m.Name
			}
			more = `,"inputResponses":{"` + key + `":{"action":"accept","content":{"v":"` + what + `!"}}},"requestState":` + state
		}
		_, answer := g.ask(t, "reader", interactiveCall("9", more), nil)
		if !strings.Contains(answer, `"id":9`) || !strings.Contains(answer, `name!`) || !strings.Contains(answer, `city!`) || !strings.Contains(answer, `"resultType":"complete"`) {
			t.Errorf("legacy upstream %v: %s", legacy, answer)
		}
		if n := len(up.Seen("tools/call")); legacy && n != 1 || !legacy && n != 3 {
			t.Errorf("legacy upstream %v: %d calls", legacy, n)
		}
		// The state has done its work.
		if _, again := g.ask(t, "reader", interactiveCall("10", more), nil); legacy && !strings.Contains(again, "-32602") {
			t.Errorf("a used state: %s", again)
		}
	}
}

// TestLegacyClientIsAsked: the questions are real requests on the call's own stream.
func TestLegacyClientIsAsked(t *testing.T) {
	for _, legacy := range []bool{false, true} {
		g := start(t, named{"up", true, asker(legacy)})
		resp := g.post(t, "reader", strings.Replace(initialize, `"capabilities":{}`, `"capabilities":{"elicitation":{}}`, 1), nil)
		session := resp.Header.Get("Mcp-Session-Id")
		e := newEvents(t, g.post(t, "reader", `{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"up__echo"}}`, in(session)))
		for _, what := range []string{"name", "city"} {
			ask := e.next()
			id, _ := lookup([]byte(ask), "id")
			if !strings.Contains(ask, `"method":"elicitation/create","params":`+fmt.Sprintf(question, what)) {
				t.Fatalf("legacy upstream %v: %s", legacy, ask)
			}
			status, _ := g.ask(t, "reader", `{"jsonrpc":"2.0","id":`+id+`,"result":{"action":"accept","content":{"v":"`+what+`!"}}}`, in(session))
			if status != http.StatusAccepted {
				t.Errorf("answering: %d", status)
			}
		}
		if got := e.next(); !strings.Contains(got, `"id":5,"result"`) || !strings.Contains(got, "name!") || !strings.Contains(got, "city!") || strings.Contains(got, "resultType") {
			t.Errorf("legacy upstream %v: %s", legacy, got)
		}
	}
}

// TestStateIsBound: a state is good for one caller, one request and unchanged only.
func TestStateIsBound(t *testing.T) {
	for _, legacy := range []bool{false, true} {
		up := asker(legacy)
		up.Results["tools/list"] = strings.Replace(up.Results["tools/list"], `"tools":[`, `"tools":[{"name":"other","inputSchema":{"type":"object"}},`, 1)
		g := start(t, named{"up", true, up})
		_, answer := g.ask(t, "reader", interactiveCall("1", ""), nil)
		state, _ := lookup([]byte(answer), "result", "requestState")
		text, _ := wire.String([]byte(state))
		more := func(s string) string {
			return `,"inputResponses":{},"requestState":` + string(wire.AppendString(nil, s))
		}
		flipped := []byte(text)
		flipped[len(flipped)/2] ^= 1
		for name, try := range map[string]func() string{
			"one bit changed":   func() string { _, a := g.ask(t, "reader", interactiveCall("2", more(string(flipped))), nil); return a },
			"another principal": func() string { _, a := g.ask(t, "admin", interactiveCall("2", more(text)), nil); return a },
			"another tool": func() string {
				_, a := g.ask(t, "reader", strings.Replace(interactiveCall("2", more(text)), "up__echo", "up__other", 1), nil)
				return a
			},
			"other arguments": func() string {
				_, a := g.ask(t, "reader", strings.Replace(interactiveCall("2", more(text)), `{"a":1}`, `{"a":2}`, 1), nil)
				return a
			},
			"no state of ours": func() string { _, a := g.ask(t, "reader", interactiveCall("2", more("one")), nil); return a },
		} {
			before := len(up.Seen("tools/call"))
			if a := try(); !strings.Contains(a, `"code":-32602`) || len(up.Seen("tools/call")) != before {
				t.Errorf("legacy upstream %v, %s: %s", legacy, name, a)
			}
		}
		// The honest client goes on.
		if _, a := g.ask(t, "reader", interactiveCall("3", more(text)), nil); !strings.Contains(a, "input_required") {
			t.Errorf("legacy upstream %v: %s", legacy, a)
		}
	}
}

// TestUndeclaredInput: a client that declared nothing is never asked.
func TestUndeclaredInput(t *testing.T) {
	g := start(t, named{"up", true, asker(false)})
	session := g.open(t, "reader")
	_, answer := g.ask(t, "reader", `{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"up__echo"}}`, in(session))
	if !strings.Contains(answer, `"isError":true`) || !strings.Contains(answer, "did not declare") {
		t.Errorf("got %s", answer)
	}
}
