// SPDX-License-Identifier: Apache-2.0

package edge

import (
	"net/http"
	"strings"
	"testing"

	"tollgate/upstream/upstreamtest"
)

func TestCallIsByteTrue(t *testing.T) {
	const odd = `{"content":[{"type":"video","zeta":1,"alpha":12345678901234567890}],"structuredContent":null,"x":1.0,"resultType":"complete","_meta":{"n":9007199254740993}}`
	for _, legacy := range []bool{false, true} {
		up := echo()
		up.Legacy = legacy
		up.Results["tools/call"] = odd
		g := start(t, named{"up", true, up})
		_, answer := g.ask(t, "admin", modernRequest(`"a"`, "tools/call", `"name":"up__echo","arguments":{"big":9007199254740993,"z":1,"a":1.0}`), nil)
		if want := `{"jsonrpc":"2.0","id":"a","result":` + odd + `}`; answer != want {
			t.Errorf("legacy upstream %v: got  %s\nwant %s", legacy, answer, want)
		}
		seen := up.Seen("tools/call")
		if len(seen) != 1 || !strings.Contains(string(seen[0].Params), `"name":"echo","arguments":{"big":9007199254740993,"z":1,"a":1.0}`) {
			t.Errorf("legacy upstream %v: upstream saw %s", legacy, seen[0].Params)
		}
	}
}

func TestHiddenIsMissing(t *testing.T) {
	g := start(t, named{"up", true, echo()})
	session := g.open(t, "reader")
	for era, send := range map[string]func(name string) (int, string){
		"modern": func(name string) (int, string) {
			return g.ask(t, "reader", modernRequest("7", "tools/call", `"name":"`+name+`"`), nil)
		},
		"legacy": func(name string) (int, string) {
			return g.ask(t, "reader", `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"`+name+`"}}`, in(session))
		},
	} {
		hs, hidden := send("up__secret")
		ms, missing := send("up__sekret")
		if hs != ms || strings.ReplaceAll(hidden, "secret", "") != strings.ReplaceAll(missing, "sekret", "") {
			t.Errorf("%s: hidden %d %s\nmissing %d %s", era, hs, hidden, ms, missing)
		}
		if !strings.Contains(hidden, "-32602") {
			t.Errorf("%s: %s, want -32602", era, hidden)
		}
	}
	if _, list := g.ask(t, "reader", modernRequest("1", "tools/list", ""), nil); strings.Contains(list, "secret") || !strings.Contains(list, "up__echo") {
		t.Errorf("reader's list: %s", list)
	}
	if _, list := g.ask(t, "admin", modernRequest("1", "tools/list", ""), nil); !strings.Contains(list, "up__secret") {
		t.Errorf("admin's list: %s", list)
	}
}

// TestBadRequests runs what clients must not send; no row may reach the upstream.
func TestBadRequests(t *testing.T) {
	call := modernRequest("1", "tools/call", `"name":"up__echo"`)
	set := func(k, v string) func(http.Header) { return func(h http.Header) { h.Set(k, v) } }
	for _, tt := range []struct {
		name, body string
		change     func(http.Header)
		status     int
		want       string
	}{
		{"duplicate name", modernRequest("1", "tools/call", `"name":"up__echo","name":"up__secret"`), nil, 400, "-32700"},
		{"duplicate key deep in arguments", modernRequest("1", "tools/call", `"name":"up__echo","arguments":{"a":{"x":1,"x":2}}`), nil, 400, "-32700"},
		{"escaped duplicate", modernRequest("1", "tools/call", `"name":"up__echo","arguments":{"\u0061":1,"a":2}`), nil, 400, "-32700"},
		{"invalid utf-8", strings.Replace(call, "up__echo", "\xff", 1), nil, 400, "-32700"},
		{"lone surrogate", strings.Replace(call, "up__echo", `\ud800`, 1), nil, 400, "-32700"},
		{"deep nesting", strings.Repeat("[", 200_000), nil, 400, "-32700"},
		{"two values", call + call, nil, 400, "-32700"},
		{"batch", "[" + call + "]", nil, 400, "-32600"},
		{"null id", strings.Replace(call, `"id":1`, `"id":null`, 1), nil, 400, "-32600"},
		{"object id", strings.Replace(call, `"id":1`, `"id":{}`, 1), nil, 400, "-32600"},
		{"wrong case of method", strings.Replace(call, `"method"`, `"Method"`, 1), nil, 400, "-32600"},
		{"too large", modernRequest("1", "tools/call", `"name":"up__echo","arguments":{"x":"`+strings.Repeat("x", 2<<20)+`"}`), nil, 413, "larger"},
		{"compressed", call, set("Content-Encoding", "gzip"), 415, "compressed"},
		{"text", call, set("Content-Type", "text/plain"), 415, "application/json"},
		{"unknown version", strings.Replace(call, "2026-07-28", "1999-01-01", 1), set("MCP-Protocol-Version", "1999-01-01"), 400, `-32022,"message":"protocol version \"1999-01-01\" is not supported per request","data":{"supported":["2026-07-28"],"requested":"1999-01-01"}`},
		{"version header differs", call, set("MCP-Protocol-Version", "2025-11-25"), 400, "-32020"},
		{"name header differs", call, set("Mcp-Name", "up__secret"), 400, "-32020"},
		{"name header with bad base64", call, set("Mcp-Name", "=?base64?!!?="), 400, "-32020"},
		{"method header differs", call, set("Mcp-Method", "tools/list"), 400, "-32020"},
		{"no method header", call, func(h http.Header) { h.Del("Mcp-Method") }, 400, "-32020"},
		{"no capabilities", strings.Replace(call, `,"io.modelcontextprotocol/clientCapabilities":{}`, "", 1), nil, 400, "-32602"},
		{"removed method", modernRequest("1", "ping", ""), nil, 404, "-32601"},
		{"unknown method", modernRequest("1", "tools/destroy", ""), nil, 404, "-32601"},
		{"no session", `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, nil, 400, "Mcp-Session-Id"},
		{"wrong session", `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, in("nope"), 404, "unknown session"},
		{"bad cursor", modernRequest("1", "tools/list", `"cursor":"???"`), nil, 200, "-32602"},
		{"unknown prompt", modernRequest("1", "prompts/get", `"name":"x"`), nil, 200, "Unknown prompt: x"},
		{"unknown resource", modernRequest("1", "resources/read", `"uri":"test://x"`), nil, 200, `-32602,"message":"Resource not found","data":{"uri":"test://x"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			up := echo()
			g := start(t, named{"up", true, up})
			status, answer := g.ask(t, "reader", tt.body, tt.change)
			if status != tt.status || !strings.Contains(answer, tt.want) {
				t.Errorf("%d %s, want %d and %s", status, answer, tt.status, tt.want)
			}
			if seen := up.Seen("tools/call"); len(seen) != 0 {
				t.Errorf("the upstream was called: %s", seen[0].Raw)
			}
		})
	}
}

func TestNoToken(t *testing.T) {
	g := start(t)
	for _, method := range []string{"POST", "GET", "DELETE"} {
		req, _ := http.NewRequest(method, g.http.URL+"/mcp", strings.NewReader(modernRequest("1", "tools/list", "")))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 401 || resp.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: %s", method, resp.Status)
		}
	}
}

func TestToolset(t *testing.T) {
	g := start(t, named{"up", true, echo()})
	req, _ := http.NewRequest("POST", g.http.URL+"/mcp/only", strings.NewReader(modernRequest("1", "tools/list", "")))
	for k, v := range map[string]string{"Content-Type": "application/json", "Authorization": "Bearer admin", "MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/list"} {
		req.Header.Set(k, v)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	buf := new(strings.Builder)
	_ = resp.Write(buf)
	if !strings.Contains(buf.String(), "up__echo") || strings.Contains(buf.String(), "up__secret") {
		t.Errorf("toolset shows %s", buf)
	}
	req, _ = http.NewRequest("POST", g.http.URL+"/mcp/none", nil)
	req.Header.Set("Authorization", "Bearer admin")
	resp2, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp2.Body.Close()
	if resp2.StatusCode != 404 {
		t.Errorf("unknown toolset: %s", resp2.Status)
	}
}

func TestNotificationsComeBeforeTheAnswer(t *testing.T) {
	for _, legacy := range []bool{false, true} {
		up := echo()
		up.Legacy = legacy
		up.Handle = func(r *upstreamtest.Request) bool {
			if r.Method != "tools/call" {
				return false
			}
			token := "null"
			if m, ok := lookup(r.Params, "_meta", "progressToken"); ok {
				token = m
			}
			for _, n := range []string{"1", "2", "9007199254740993"} {
				r.Send(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":` + token + `,"progress":` + n + `,"x":{"b":1,"a":2}}}`)
			}
			r.Result(`{"content":[],"resultType":"complete"}`)
			return true
		}
		g := start(t, named{"up", true, up})
		body := strings.Replace(modernRequest("5", "tools/call", `"name":"up__echo"`), `"_meta":{`, `"_meta":{"progressToken":12345678901234567890,`, 1)
		ev := newEvents(t, g.post(t, "admin", body, nil))
		for _, n := range []string{"1", "2", "9007199254740993"} {
			if got, want := ev.next(), `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":12345678901234567890,"progress":`+n+`,"x":{"b":1,"a":2}}}`; got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		}
		if got := ev.next(); !strings.Contains(got, `"id":5,"result"`) {
			t.Errorf("answer %s", got)
		}
		if got := ev.next(); got != "" {
			t.Errorf("after the answer: %s", got)
		}
	}
}

func TestDisconnectCancelsUpstream(t *testing.T) {
	up := echo()
	cancelled := make(chan struct{})
	running := make(chan struct{})
	up.Handle = func(r *upstreamtest.Request) bool {
		if r.Method != "tools/call" {
			return false
		}
		close(running)
		<-r.Context.Done()
		close(cancelled)
		return true
	}
	g := start(t, named{"up", true, up})
	req, _ := http.NewRequest("POST", g.http.URL+"/mcp", strings.NewReader(modernRequest("1", "tools/call", `"name":"up__echo"`)))
	for k, v := range map[string]string{"Content-Type": "application/json", "Authorization": "Bearer admin", "MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "up__echo"} {
		req.Header.Set(k, v)
	}
	ctx, cancel := newCancel(t)
	go func() {
		<-running
		cancel()
	}()
	if _, err := http.DefaultClient.Do(req.WithContext(ctx)); err == nil {
		t.Error("the request was answered")
	}
	<-cancelled
}
