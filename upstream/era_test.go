// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tollgate/upstream/wire"
)

func TestEraOverPipe(t *testing.T) {
	errorOnProbe := func(code int64, data string) map[string]func(*scriptedConn, *wire.Envelope) {
		return map[string]func(*scriptedConn, *wire.Envelope){"server/discover": func(c *scriptedConn, e *wire.Envelope) {
			c.send(wire.AppendError(nil, e.ID, &wire.Error{Code: code, Message: "no", Data: []byte(data)}))
		}}
	}
	tests := []struct {
		name   string
		server *scripted
		era    string
		want   wire.Revision // "" = fails
		dials  int
		detail string
	}{
		{name: "modern", server: &scripted{era: "modern"}, want: wire.R20260728, dials: 1},
		{name: "both is modern", server: &scripted{}, want: wire.R20260728, dials: 1},
		{name: "legacy", server: &scripted{era: "legacy"}, want: wire.R20250618, dials: 1},
		{name: "silent", server: &scripted{era: "legacy", probe: "silent"}, want: wire.R20250618, dials: 2},
		{name: "exits on probe", server: &scripted{era: "legacy", probe: "exit"}, want: wire.R20250618, dials: 2},
		{name: "error code of its own", server: &scripted{era: "legacy", on: errorOnProbe(-32000, `1`)}, want: wire.R20250618, dials: 1},
		{name: "parse error", server: &scripted{era: "legacy", on: errorOnProbe(-32700, `{}`)}, want: wire.R20250618, dials: 1},
		{name: "invalid params", server: &scripted{era: "legacy", on: errorOnProbe(-32602, `{}`)}, want: wire.R20250618, dials: 1},
		{name: "refuses the revision asked for", server: &scripted{era: "legacy", on: onlyOldest()}, want: wire.R20241105, dials: 1},
		{name: "wants capabilities", server: &scripted{on: errorOnProbe(-32021, `{}`)}, want: wire.R20260728, dials: 1},
		{name: "supports only legacy revisions", server: &scripted{era: "legacy",
			on: errorOnProbe(-32022, `{"supported":["2025-06-18","2024-11-05"]}`)}, want: wire.R20250618, dials: 1},
		{name: "supports only the future", server: &scripted{on: errorOnProbe(-32022, `{"supported":["2031-01-01"]}`)}, dials: 1,
			detail: `speaks only revisions ["2031-01-01"]`},
		{name: "supports nothing it names", server: &scripted{on: errorOnProbe(-32022, `{}`)}, dials: 1, detail: "(code -32022)"},
		{name: "pinned legacy", server: &scripted{}, era: "legacy", want: wire.R20250618, dials: 1},
		{name: "pinned modern", server: &scripted{era: "legacy"}, era: "modern", dials: 1, detail: "refused server/discover"},
		{name: "pinned modern, silent", server: &scripted{probe: "silent"}, era: "modern", dials: 1, detail: "server/discover"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := tt.server
				cfg := srv.config("demo")
				cfg.Era = tt.era
				s := run(t, nil, cfg)
				if tt.want == "" {
					if st := state(t, s, "demo", Failed); !strings.Contains(st.Failure, tt.detail) {
						t.Errorf("failure = %q, want it to contain %q", st.Failure, tt.detail)
					}
				} else if st := state(t, s, "demo", Ready); st.Revision != tt.want || st.Tools != 2 {
					t.Errorf("revision %s with %d tools, want %s with 2", st.Revision, st.Tools, tt.want)
				}
				if n := srv.dials(); n != tt.dials {
					t.Errorf("it was connected to %d times, want %d", n, tt.dials)
				}
			})
		})
	}
}

// onlyOldest refuses to initialize with any revision but the oldest.
func onlyOldest() map[string]func(*scriptedConn, *wire.Envelope) {
	return on("initialize", func(c *scriptedConn, e *wire.Envelope) {
		if stringAt(e.Params, "protocolVersion") != "2024-11-05" {
			c.send(wire.AppendError(nil, e.ID, &wire.Error{Code: -32602, Message: "no", Data: []byte(`{"supported":["2024-11-05"]}`)}))
			return
		}
		c.reply(e, `{"protocolVersion":"2024-11-05","capabilities":{"tools":{}}}`)
	})
}

// A modern server that takes longer to start than the probe waits must not be given up as a legacy one.
func TestSlowModernStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := &scripted{era: "modern", on: map[string]func(*scriptedConn, *wire.Envelope){}}
		srv.on["server/discover"] = func(c *scriptedConn, e *wire.Envelope) {
			if c.n > 0 {
				c.usual(e)
			}
		}
		s := run(t, nil, srv.config("demo"))
		if st := state(t, s, "demo", Ready); st.Revision != wire.R20260728 {
			t.Errorf("revision = %s, want the modern one", st.Revision)
		}
	})
}

// The route that worked is taken again, and looked for again when it no longer works.
func TestEraIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := &scripted{era: "legacy", probe: "silent", on: map[string]func(*scriptedConn, *wire.Envelope){}}
		srv.on["initialize"] = func(c *scriptedConn, e *wire.Envelope) {
			if c.n == 3 {
				c.conn.Close()
				return
			}
			c.usual(e)
		}
		s := run(t, nil, srv.config("demo"))
		srv.last().conn.Close()
		elapse(time.Second)
		state(t, s, "demo", Ready)
		if n := srv.count("server/discover"); n != 1 {
			t.Errorf("probed %d times, want once", n)
		}
		srv.last().conn.Close() // the connection after this one fails, so the route is unknown again
		elapse(20 * time.Second)
		state(t, s, "demo", Ready)
		if n := srv.count("server/discover"); n != 2 {
			t.Errorf("probed %d times after a failure, want twice", n)
		}
	})
}

// webServer answers the requests of each method as the test says, and knows the transports by their requests.
type webServer struct {
	discover, initialize func(w http.ResponseWriter, id string)
	sse                  bool

	mu   sync.Mutex // guards below
	seen []string
	sink chan string // answers to write to the HTTP+SSE stream
}

func (s *webServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		s.stream(w, r)
		return
	}
	body, _ := io.ReadAll(r.Body)
	e, err := wire.Parse(body)
	if err != nil {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	s.mu.Lock()
	s.seen = append(s.seen, e.Method)
	s.mu.Unlock()
	id := string(e.ID)
	switch {
	case r.URL.Path == "/messages":
		w.WriteHeader(http.StatusAccepted)
		if answer := legacyAnswer(e.Method, id); answer != "" {
			s.sink <- answer
		}
	case e.Method == "server/discover":
		s.discover(w, id)
	case e.Method == "initialize":
		s.initialize(w, id)
	case e.IsNotification():
		w.WriteHeader(http.StatusAccepted)
	default:
		writeJSON(w, http.StatusOK, legacyAnswer(e.Method, id))
	}
}

func (s *webServer) stream(w http.ResponseWriter, r *http.Request) {
	if !s.sse {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	_, _ = io.WriteString(w, "event: endpoint\ndata: /messages\n\n")
	for {
		w.(http.Flusher).Flush()
		select {
		case <-r.Context().Done():
			return
		case answer := <-s.sink:
			_, _ = io.WriteString(w, "event: message\ndata: "+answer+"\n\n")
		}
	}
}

func legacyAnswer(method, id string) string {
	switch method {
	case "initialize":
		return `{"jsonrpc":"2.0","id":` + id + `,"result":{"protocolVersion":"2024-11-05","capabilities":{"tools":{}},"serverInfo":{"name":"web","version":"1"}}}`
	case "tools/list":
		return `{"jsonrpc":"2.0","id":` + id + `,"result":{"tools":[` + tool("echo") + `]}}`
	}
	if strings.HasPrefix(method, "notifications/") {
		return ""
	}
	return `{"jsonrpc":"2.0","id":` + id + `,"error":{"code":-32601,"message":"method not found"}}`
}

func writeJSON(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

func TestEraOverHTTP(t *testing.T) {
	fail := func(status int, fault string) func(http.ResponseWriter, string) {
		return func(w http.ResponseWriter, id string) {
			if fault == "" {
				http.Error(w, "no", status)
				return
			}
			writeJSON(w, status, `{"jsonrpc":"2.0","id":`+id+`,"error":`+fault+`}`)
		}
	}
	legacy := func(w http.ResponseWriter, id string) { writeJSON(w, http.StatusOK, legacyAnswer("initialize", id)) }
	modern := func(w http.ResponseWriter, id string) {
		writeJSON(w, http.StatusOK, `{"jsonrpc":"2.0","id":`+id+`,"result":{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}}}}`)
	}
	const noMethod, noVersion = `{"code":-32601,"message":"no"}`, `{"code":-32022,"message":"no","data":{"supported":["2025-11-25"]}}`
	tests := []struct {
		name                 string
		discover, initialize func(http.ResponseWriter, string)
		sse                  bool
		transport            string
		want                 wire.Revision // "" = fails
		never                string        // method that must not be sent
	}{
		{name: "modern", discover: modern, initialize: legacy, transport: "http", want: wire.R20260728, never: "initialize"},
		{name: "400", discover: fail(400, ""), initialize: legacy, transport: "http", want: wire.R20241105},
		{name: "404 with an error", discover: fail(404, noMethod), initialize: legacy, transport: "http", want: wire.R20241105},
		{name: "405", discover: fail(405, ""), initialize: legacy, transport: "http", want: wire.R20241105},
		{name: "200 with an error", discover: fail(200, noMethod), initialize: legacy, transport: "http", want: wire.R20241105},
		{name: "modern error naming old revisions", discover: fail(400, noVersion), initialize: legacy, transport: "http", want: wire.R20241105},
		{name: "modern error", discover: fail(400, `{"code":-32021,"message":"no"}`), initialize: legacy, transport: "http",
			want: wire.R20260728, never: "initialize"},
		{name: "HTTP+SSE", discover: fail(405, ""), initialize: fail(405, ""), sse: true, transport: "sse", want: wire.R20241105},
		{name: "nothing", discover: fail(404, ""), initialize: fail(404, "")},
		{name: "500", discover: fail(500, ""), initialize: legacy, never: "initialize"},
		{name: "503 with an error", discover: fail(503, noMethod), initialize: legacy, never: "initialize"},
		{name: "401", discover: fail(401, ""), initialize: legacy, never: "initialize"},
		{name: "403", discover: fail(403, ""), initialize: legacy, never: "initialize"},
		{name: "429", discover: fail(429, ""), initialize: legacy, never: "initialize"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			web := &webServer{discover: tt.discover, initialize: tt.initialize, sse: tt.sse, sink: make(chan string, 16)}
			srv := httptest.NewServer(web)
			defer srv.Close()
			s := run(t, nil, Config{Name: "demo", URL: srv.URL})
			defer stop(t, s)
			if tt.want == "" {
				state(t, s, "demo", Failed)
			} else if st := state(t, s, "demo", Ready); st.Revision != tt.want || st.Transport != tt.transport {
				t.Errorf("revision %s over %s, want %s over %s", st.Revision, st.Transport, tt.want, tt.transport)
			}
			web.mu.Lock()
			defer web.mu.Unlock()
			if tt.never != "" && strings.Contains(strings.Join(web.seen, " "), tt.never) {
				t.Errorf("it was sent %q, want no %s", web.seen, tt.never)
			}
		})
	}
}

// A server that does not answer is not taken for a legacy one.
func TestSilentHTTPIsNotDowngraded(t *testing.T) {
	web := &webServer{discover: func(http.ResponseWriter, string) {}}
	release := make(chan struct{})
	web.discover = func(http.ResponseWriter, string) { <-release }
	srv := httptest.NewServer(web)
	defer srv.Close()
	defer close(release)
	s := run(t, nil, Config{Name: "demo", URL: srv.URL, StartTimeout: 50 * time.Millisecond})
	defer stop(t, s)
	state(t, s, "demo", Failed)
	web.mu.Lock()
	defer web.mu.Unlock()
	for _, m := range web.seen {
		if m == "initialize" {
			t.Errorf("it was sent %q, want no initialize", web.seen)
		}
	}
}
