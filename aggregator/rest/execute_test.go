// SPDX-License-Identifier: Apache-2.0

package rest_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"tollgate/aggregator"
	"tollgate/upstream/upstreamtest"
	"tollgate/upstream/wire"
)

// TestBodies: every way to write a call down reaches the upstream as the same call.
func TestBodies(t *testing.T) {
	s := start(t, nil)
	for name, body := range map[string]string{
		"tool_call":                `{"tool_call":{"tool_name":"up__echo","params":{"a":1}},"user_id":"reader","user_role":"reader","team_id":"growth"}`,
		"original name":            `{"tool_call":{"tool_name":"echo","params":{"a":1}}}`,
		"upstream and original":    `{"tool_call":{"tool_name":"up/echo","params":{"a":1}}}`,
		"tool":                     `{"tool":"up__echo","arguments":{"a":1}}`,
		"server":                   `{"server":"up","tool":"echo","arguments":{"a":1}}`,
		"server, displayed":        `{"server":"up","tool":"up__echo","arguments":{"a":1}}`,
		"tool in tool_call":        `{"tool_call":{"server":"up","tool":"echo","arguments":{"a":1}},"request_id":"x"}`,
		"tool_name without call":   `{"tool_name":"up__echo","params":{"a":1}}`,
		"arguments as text":        `{"tool":"up__echo","arguments":"{\"a\":1}"}`,
		"function":                 `{"id":"call_1","type":"function","function":{"name":"up__echo","arguments":"{\"a\":1}"}}`,
		"function in tool_call":    `{"tool_call":{"id":"call_1","type":"function","function":{"name":"up__echo","arguments":"{\"a\":1}"}}}`,
		"message":                  `{"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"echo","arguments":"{\"a\":1}"}}]}`,
		"function with an object":  `{"function":{"name":"up__echo","arguments":{"a":1}}}`,
		"escaped member and spice": "{ \"to\\u006fl\" : \"up__echo\" , \"arguments\" : {\"a\":1} }\n",
	} {
		if a := s.call(t, "reader", body); a.status != http.StatusOK || a.member("success") != "true" || a.member("data") != `{"a":1}` || a.member("cost") != "$0.00" || len(a.member("decision_id")) != 26 {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
		if got := s.arguments(t); got != `{"a":1}` {
			t.Errorf("%s: the upstream got %s", name, got)
		}
	}
	for name, body := range map[string]string{
		"nothing": `{"tool":"up__echo"}`, "null": `{"tool":"up__echo","arguments":null}`, "empty text": `{"function":{"name":"up__echo","arguments":""}}`,
		"of a tool with an umlaut": `{"tool":"größe"}`,
	} {
		if a := s.call(t, "reader", body); a.status != http.StatusOK || s.arguments(t) != "{}" {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
}

// TestBadBodies: what says nothing, two things, or something misspelt is no call.
func TestBadBodies(t *testing.T) {
	s := start(t, nil)
	deep := strings.Repeat(`{"a":`, 600) + "1" + strings.Repeat("}", 600)
	within := strings.Repeat(`{"a":`, 512) + "1" + strings.Repeat("}", 512)
	for body, want := range map[string]string{
		``:         "unexpected end",
		`[]`:       "must be a JSON object",
		`"x"`:      "must be a JSON object",
		`{}`:       "names no tool",
		`{"a":1}{`: "unexpected text",
		`{"tool":"up__echo","tool":"up__secret"}`:                                        "duplicate member",
		`{"tool":"up__echo","t\u006fol":"up__secret"}`:                                   "duplicate member",
		`{"tool":"up__echo","arguments":{"a":1,"a":2}}`:                                  "duplicate member",
		"{\"tool\":\"\xff\"}":                                                            "invalid UTF-8",
		`{"tool":"\ud800"}`:                                                              "lone surrogate",
		`{"tool":"up__echo","arguments":` + deep + `}`:                                   "512 levels",
		`{"tool":"up__echo","arguments":` + string(wire.AppendString(nil, within)) + `}`: "levels",
		`{"tool":7}`:  "tool must be a text",
		`{"tool":""}`: "names no tool",
		`{"tool":"` + strings.Repeat("x", 1025) + `"}`:                                       "longer than",
		`{"tool":"up__echo","argumnets":{}}`:                                                 `"argumnets" that means nothing`,
		`{"tool":"up__echo","Arguments":{}}`:                                                 `"Arguments" that means nothing`,
		`{"tool":"up__echo","arguments":[]}`:                                                 "must be an object",
		`{"tool":"up__echo","arguments":"{"}`:                                                "a text that is refused: invalid JSON",
		`{"tool":"up__echo","arguments":"[1]"}`:                                              "must be an object",
		`{"tool":"up__echo","arguments":"{\"a\":1,\"a\":2}"}`:                                "duplicate member",
		`{"tool":"up__echo","tool_name":"up__echo"}`:                                         "send one of them",
		`{"tool":"up__echo","params":{},"arguments":{}}`:                                     "send one of them",
		`{"tool_call":{"tool_name":"up__echo"},"tool":"up__secret"}`:                         `"tool" beside a tool call`,
		`{"tool_call":{"tool_name":"up__echo"},"params":{}}`:                                 `"params" beside a tool call`,
		`{"tool_call":{"tool_name":"up__echo"},"tool_calls":[]}`:                             "send one of them",
		`{"tool_call":[]}`:                                                                   "must be an object",
		`{"tool_call":null}`:                                                                 "must be an object",
		`{"tool_calls":[]}`:                                                                  "has 0 calls",
		`{"tool_calls":[{"function":{"name":"up__echo"}},{"function":{"name":"up__echo"}}]}`: "has 2 calls",
		`{"function":"up__echo"}`:                                                            "function must be an object",
		`{"type":"custom","function":{"name":"up__echo"}}`:                                   `must be "function"`,
		`{"function":{"name":"up__echo"},"params":{}}`:                                       "send one of them",
		`{"tool":"up__echo","user_id":7}`:                                                    "user_id must be a text",
	} {
		s.call(t, "reader", body).says(t, http.StatusBadRequest, "Bad Request", want)
	}
	if n := len(s.up.Seen("tools/call")); n != 0 {
		t.Errorf("the upstream saw %d calls", n)
	}
}

// TestTransportOfBodies: kind, coding and size of a body, and methods.
func TestTransportOfBodies(t *testing.T) {
	o := &setup{}
	o.rest.MaxBody = 1000
	s := start(t, o)
	with := func(key, value string) func(http.Header) { return func(h http.Header) { h.Set(key, value) } }
	body := `{"tool":"up__echo"}`
	s.ask(t, "reader", http.MethodPost, execute, body, with("Content-Type", "text/plain")).says(t, 415, "Unsupported Media Type", "application/json")
	s.ask(t, "reader", http.MethodPost, execute, body, with("Content-Encoding", "gzip")).says(t, 415, "Unsupported Media Type", "compressed")
	s.call(t, "reader", `{"tool":"`+strings.Repeat("x", 1000)+`"}`).says(t, 413, "Request Entity Too Large", "larger")
	if a := s.ask(t, "reader", http.MethodPost, execute, body, with("Content-Type", "Application/JSON; charset=utf-8")); a.status != http.StatusOK {
		t.Errorf("got %d %s", a.status, a.body)
	}
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete} {
		if a := s.ask(t, "reader", method, execute, "", nil); a.status != http.StatusMethodNotAllowed || a.header.Get("Allow") != "POST" {
			t.Errorf("%s: %d %v", method, a.status, a.header)
		}
	}
	for _, method := range []string{http.MethodPost, http.MethodOptions, http.MethodPatch} {
		if a := s.ask(t, "reader", method, "/v1/status", "{}", nil); a.status != http.StatusMethodNotAllowed || a.header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: %d %v", method, a.status, a.header)
		}
	}
	if a := s.ask(t, "reader", http.MethodHead, "/v1/status", "", nil); a.status != http.StatusOK || a.header.Get("Content-Length") == "" {
		t.Errorf("HEAD: %d %v", a.status, a.header)
	}
	s.get(t, "reader", "/v1/nothing").says(t, 404, "Not Found", "/v1/openapi.json")
	s.ask(t, "reader", http.MethodPost, "/v1/mcp/tool/execute/", body, nil).says(t, 404, "Not Found", "nothing at this path")
}

// TestNumbersStay: what a float would round reaches the upstream and comes back as it was written.
func TestNumbersStay(t *testing.T) {
	s := start(t, nil)
	exact := `{"big":9007199254740993,"huge":1e400,"small":0.1000,"name":"ü 🜁 \u0000"}`
	a := s.call(t, "reader", `{"tool":"up__echo","arguments":`+exact+`}`)
	if got := s.arguments(t); got != exact {
		t.Errorf("the upstream got %s", got)
	}
	if a.member("data") != exact || a.member("result", "structuredContent") != exact {
		t.Errorf("the client got %s", a.body)
	}
	a = s.call(t, "reader", `{"tool":"up__echo","arguments":`+string(wire.AppendString(nil, exact))+`}`)
	if got := s.arguments(t); got != exact || a.member("data") != exact {
		t.Errorf("as a text: the upstream got %s, the client %s", got, a.body)
	}
}

// TestHiddenIsMissing: a tool that the caller may not see is answered like one that does not exist, byte for byte, whatever
// name it is called by.
func TestHiddenIsMissing(t *testing.T) {
	s := start(t, &setup{servers: map[string]*upstreamtest.Server{"up": usual(), "other": usual()}})
	for _, body := range []string{
		`{"tool":"up__%s"}`, `{"tool":"%s"}`, `{"tool":"up/%s"}`, `{"server":"up","tool":"%s"}`, `{"server":"up","tool":"up__%s"}`,
		`{"tool_call":{"tool_name":"up__%s","params":{"forbidden":1}}}`, `{"function":{"name":"%s"}}`, `{"server":"nobody","tool":"%s"}`,
	} {
		hidden, missing := s.call(t, "reader", fmt.Sprintf(body, "secret")), s.call(t, "reader", fmt.Sprintf(body, "absent"))
		hidden.says(t, http.StatusForbidden, "Access Denied", "is not allowed for role 'reader'")
		same := strings.ReplaceAll(hidden.body, "secret", "absent")
		if hidden.status != missing.status || same != missing.body || len(hidden.header) != len(missing.header) {
			t.Errorf("%s: hidden %d %s %v, missing %d %s %v", body, hidden.status, hidden.body, hidden.header, missing.status, missing.body, missing.header)
		}
		for key := range hidden.header {
			if h, m := hidden.header.Get(key), missing.header.Get(key); h != m && key != "Date" {
				t.Errorf("%s: header %s is %q, for a missing tool %q", body, key, h, m)
			}
		}
	}
	s.call(t, "reader", `{"tool":"up__secret"}`).says(t, http.StatusForbidden, "Access Denied", "Tool 'up__secret' is not allowed for role 'reader'")
	if a := s.call(t, "admin", `{"tool":"up__secret"}`); a.status != http.StatusOK {
		t.Errorf("who may see it: %d %s", a.status, a.body)
	}
}

// TestAmbiguousName: an original name that two upstreams have is asked back, and what the caller does not see does not count.
func TestAmbiguousName(t *testing.T) {
	two := func() *upstreamtest.Server {
		return &upstreamtest.Server{Results: map[string]string{
			"tools/list": listOf("find", "b/find"), "tools/call": `{"content":[],"resultType":"complete"}`,
		}}
	}
	hiding := &upstreamtest.Server{Results: map[string]string{"tools/list": listOf("find_secret")}}
	s := start(t, &setup{servers: map[string]*upstreamtest.Server{"a": two(), "b": two(), "c": hiding}, bare: []string{"b"}})
	s.call(t, "reader", `{"tool":"x"}`).says(t, http.StatusForbidden, "Access Denied", "'x'")
	if a := s.call(t, "reader", `{"tool":"find"}`); a.status != http.StatusOK { // b shows it under its own name
		t.Errorf("displayed: %d %s", a.status, a.body)
	}
	s.call(t, "reader", `{"server":"a","tool":"nope"}`).says(t, http.StatusForbidden, "Access Denied", "'a/nope'")
	if a := s.call(t, "reader", `{"server":"a","tool":"find"}`); a.status != http.StatusOK {
		t.Errorf("by server: %d %s", a.status, a.body)
	}
	// "b/find" is displayed by b, and is not what b calls "find".
	s.call(t, "reader", `{"server":"b","tool":"nope"}`).says(t, http.StatusForbidden, "Access Denied", "'b/nope'")
	both := start(t, &setup{servers: map[string]*upstreamtest.Server{"a": two(), "b": two()}})
	both.call(t, "reader", `{"tool":"find"}`).says(t, http.StatusBadRequest, "Bad Request", "a__find, b__find")
	if a := both.call(t, "reader", `{"tool":"a/find"}`); a.status != http.StatusOK {
		t.Errorf("upstream and original: %d %s", a.status, a.body)
	}
}

// TestIdentityInBody: who a body says it is from counts only for a credential that may act for others.
func TestIdentityInBody(t *testing.T) {
	o := &setup{}
	var who []string
	o.seam.admit = func(in *aggregator.Intent) error {
		who = append(who, in.Caller.Actor+">"+in.Caller.Subject)
		return nil
	}
	s := start(t, o)
	secret := `{"tool_call":{"tool_name":"up__secret","params":{}},"user_id":"bob","user_role":"admin","team_id":"growth"}`
	s.call(t, "reader", secret).says(t, http.StatusForbidden, "Access Denied", "for role 'reader'")
	if n := len(o.seam.notes); n != 1 || o.seam.notes[0].Action != aggregator.NoteIgnored || o.seam.notes[0].Target != "bob" {
		t.Errorf("noted: %+v", o.seam.notes)
	}
	if a := s.call(t, "agent", secret); a.status != http.StatusOK {
		t.Errorf("with act_as: %d %s", a.status, a.body)
	}
	s.call(t, "agent", `{"tool":"up__secret","user_id":"bob","user_role":"reader"}`).says(t, 403, "Access Denied", "for role 'reader'")
	s.call(t, "agent", `{"tool":"up__echo","user_id":"eve"}`).says(t, 403, "Access Denied", "may not act for")
	s.call(t, "agent", `{"tool":"up__echo","user_id":"bob","user_role":"root"}`).says(t, 403, "Access Denied", "the role")
	s.call(t, "agent", `{"tool":"up__echo","user_role":"admin"}`).says(t, 400, "Bad Request", "user_id is missing")
	s.call(t, "agent", `{"tool":"up__echo","user_id":" bob"}`).says(t, 400, "Bad Request", "user_id begins")
	s.ask(t, "agent", http.MethodPost, execute, `{"tool":"up__echo","user_id":"bob"}`, func(h http.Header) { h.Set("Tollgate-User", "alice") }).
		says(t, 400, "Bad Request", "the headers Tollgate-* and the body name different callers")
	before := len(o.seam.notes)
	if a := s.call(t, "reader", `{"tool":"up__echo","user_id":"reader","user_role":"reader","team_id":"growth"}`); a.status != http.StatusOK || len(o.seam.notes) != before {
		t.Errorf("who names itself: %d %s, noted %d", a.status, a.body, len(o.seam.notes)-before)
	}
	if a := s.call(t, "reader", `{"tool":"up__echo","user_id":"reader","team_id":"other"}`); a.status != http.StatusOK || len(o.seam.notes) != before+1 {
		t.Errorf("who names another team: %d %s, noted %d", a.status, a.body, len(o.seam.notes)-before)
	}
	if want := []string{"agent>bob", ">reader", ">reader"}; fmt.Sprint(who) != fmt.Sprint(want) {
		t.Errorf("calls of %v, want %v", who, want)
	}
}

// TestCredential: without one there is nothing, and what is wrong with it is told as HTTP wants it.
func TestCredential(t *testing.T) {
	s := start(t, nil)
	for _, path := range []string{"/v1/mcp/tools", "/v1/analytics/costs", "/v1/analytics/usage", "/v1/audit", "/v1/audit/x", "/v1/budgets", "/v1/status"} {
		a := s.get(t, "", path)
		a.says(t, http.StatusUnauthorized, "Unauthorized", "an API key is needed")
		if a.header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: no challenge", path)
		}
	}
	s.call(t, "", `not even JSON`).says(t, http.StatusUnauthorized, "Unauthorized", "an API key is needed")
	a := s.get(t, "busy", "/v1/status")
	a.says(t, http.StatusServiceUnavailable, "Service Unavailable", "cannot be judged")
	if a.header.Get("Retry-After") != "2" {
		t.Errorf("Retry-After %q", a.header.Get("Retry-After"))
	}
}
