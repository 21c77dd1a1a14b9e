// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"tollgate/upstream/wire"
)

// fails fails unless err is an *Error of a kind whose text has a part.
func fails(t *testing.T, err error, kind ErrorKind, sent bool, part string) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("the call returned %v, want an *Error", err)
	}
	if e.Kind != kind || e.Sent != sent || !strings.Contains(e.Error(), part) {
		t.Fatalf("the call failed with %q (kind %s, sent %v), want kind %s, sent %v and %q", e, e.Kind, e.Sent, kind, sent, part)
	}
}

func call(ctx context.Context, s *Set, r Request) error {
	if r.Method == "" {
		r.Method, r.Params = "tools/call", []byte(`{"name":"echo"}`)
	}
	_, err := s.Call(ctx, "demo", &r)
	return err
}

func on(method string, f func(c *scriptedConn, e *wire.Envelope)) map[string]func(*scriptedConn, *wire.Envelope) {
	return map[string]func(*scriptedConn, *wire.Envelope){method: f}
}

func mute(*scriptedConn, *wire.Envelope) {}

func TestMeta(t *testing.T) {
	const params = `{"name":"echo", "arguments":{"n":9007199254740993},"_meta":{"com.example/x":1.0,"traceparent":"00-a-b-01"}}`
	const info, caps = `{"name":"cursor","version":"2"}`, `{"elicitation":{}}`
	tests := []struct {
		name, era string
		req       Request
		want      string
	}{
		{"modern, nothing known of the client", "modern", Request{},
			`{"name":"echo","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"tollgate","version":"0"},"io.modelcontextprotocol/clientCapabilities":{}}}`},
		{"modern, everything", "modern",
			Request{Params: []byte(params), ClientInfo: []byte(info), ClientCapabilities: []byte(caps), LogLevel: "info", Progress: true},
			`{"name":"echo", "arguments":{"n":9007199254740993},"_meta":{"com.example/x":1.0,"traceparent":"00-a-b-01","io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":` +
				info + `,"io.modelcontextprotocol/clientCapabilities":` + caps + `,"io.modelcontextprotocol/logLevel":"info","progressToken":1}}`},
		{"legacy, nothing", "legacy", Request{}, `{"name":"echo"}`},
		{"legacy, everything", "legacy",
			Request{Params: []byte(params), ClientInfo: []byte(info), ClientCapabilities: []byte(caps), LogLevel: "info", Progress: true},
			`{"name":"echo", "arguments":{"n":9007199254740993},"_meta":{"com.example/x":1.0,"traceparent":"00-a-b-01","progressToken":1}}`},
		{"legacy, a reserved key that slipped through", "legacy",
			Request{Params: []byte(`{"name":"echo","_meta":{"io.modelcontextprotocol/clientInfo":{}}}`)}, `{"name":"echo"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := run(t, nil, (&scripted{era: tt.era}).config("demo"))
			if diff := cmp.Diff(tt.want, echo(t, s, tt.req)); diff != "" {
				t.Errorf("the upstream got other params (-want +got):\n%s", diff)
			}
		})
	}
}

// A legacy upstream is told the most verbose level anyone asked for, and each level once.
func TestLogLevelIsRaised(t *testing.T) {
	srv := &scripted{era: "legacy", caps: `{"tools":{},"logging":{}}`}
	s := run(t, nil, srv.config("demo"))
	for _, step := range []struct {
		level string
		sent  int
	}{{"", 0}, {"error", 1}, {"error", 1}, {"debug", 2}, {"info", 2}, {"nonsense", 2}} {
		echo(t, s, Request{LogLevel: step.level})
		if n := srv.count("logging/setLevel"); n != step.sent {
			t.Fatalf("after a request with level %q the level was set %d times, want %d", step.level, n, step.sent)
		}
	}
	if got := srv.params("logging/setLevel"); got != `{"level":"debug"}` {
		t.Errorf("last level: %s, want debug", got)
	}
	silent := &scripted{era: "legacy"}
	echo(t, run(t, nil, silent.config("demo")), Request{LogLevel: "debug"})
	if n := silent.count("logging/setLevel"); n != 0 {
		t.Error("an upstream without logging was told a level")
	}
}

// What is no result must never look like a success.
func TestAnswerWithoutResult(t *testing.T) {
	for _, answer := range []string{`"result":null`, `"result":[]`, `"result":"ok"`, `"result":true`} {
		t.Run(answer, func(t *testing.T) {
			srv := &scripted{on: on("tools/call", func(c *scriptedConn, e *wire.Envelope) {
				c.send([]byte(`{"jsonrpc":"2.0","id":` + string(e.ID) + `,` + answer + `}`))
			})}
			s := run(t, nil, srv.config("demo"))
			fails(t, call(t.Context(), s, Request{}), KindProtocol, true, "tools/call")
		})
	}
}

func TestErrorKeepsItsBytes(t *testing.T) {
	const fault = `{"code":-32050, "message":"boom","data":{"a":1.0},"extra":[]}`
	srv := &scripted{on: on("tools/call", func(c *scriptedConn, e *wire.Envelope) {
		c.send([]byte(`{"jsonrpc":"2.0","id":` + string(e.ID) + `,"error":` + fault + `}`))
	})}
	s := run(t, nil, srv.config("demo"))
	reply, err := s.Call(t.Context(), "demo", &Request{Method: "tools/call"})
	if err != nil || reply.Result != nil || string(reply.Error.Raw) != fault || reply.Revision != wire.R20260728 {
		t.Errorf("Call = %+v, %v, want the error as sent", reply, err)
	}
}

// Fault 1 of the fault matrix: everybody learns of a crash at once, and the next call finds a new connection.
func TestCrashMidCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := &scripted{}
		srv.on = on("tools/call", func(c *scriptedConn, e *wire.Envelope) {
			switch {
			case c.n > 0:
				c.usual(e)
			case srv.count("tools/call") == 100:
				c.conn.Close()
			}
		})
		cfg := srv.config("demo")
		cfg.Concurrency = 100
		s := run(t, nil, cfg)
		start := time.Now()
		var calls sync.WaitGroup
		for range 100 {
			calls.Go(func() {
				var e *Error
				if err := call(t.Context(), s, Request{}); !errors.As(err, &e) || e.Kind != KindClosed || !e.Sent {
					t.Errorf("the call failed with %v, want closed, outcome unknown", err)
				}
			})
		}
		calls.Wait()
		if d := time.Since(start); d > time.Second {
			t.Errorf("the callers waited %s", d)
		}
		echo(t, s, Request{})
		elapse(time.Second)
		if st := state(t, s, "demo", Ready); st.Restarts != 1 || st.InFlight != 0 {
			t.Errorf("%d restarts, %d in flight, want 1 and 0", st.Restarts, st.InFlight)
		}
	})
}

func TestRepeatAfterCrash(t *testing.T) {
	tests := []struct {
		name     string
		crashes  int // connections that die on a call
		readOnly bool
		sends    int
		ok       bool
	}{
		{"may have been executed", 1, false, 1, false},
		{"read only", 1, true, 2, true},
		{"read only, crashes again", 2, true, 2, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := &scripted{on: on("tools/call", func(c *scriptedConn, e *wire.Envelope) {
					if c.n < tt.crashes {
						c.conn.Close()
						return
					}
					c.usual(e)
				})}
				s := run(t, nil, srv.config("demo"))
				err := call(t.Context(), s, Request{ReadOnly: tt.readOnly})
				if tt.ok && err != nil {
					t.Errorf("Call: %v", err)
				}
				if !tt.ok {
					fails(t, err, KindClosed, true, "outcome unknown")
				}
				if n := srv.count("tools/call"); n != tt.sends {
					t.Errorf("the request was sent %d times, want %d", n, tt.sends)
				}
			})
		})
	}
}

// A server that forgets its session is initialized again, once for all who noticed, and nobody's call is lost or done twice.
func TestLostSession(t *testing.T) {
	var mu sync.Mutex // guards session and executed
	session, executed := 0, map[string]int{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		body := make([]byte, r.ContentLength)
		_, _ = r.Body.Read(body)
		e, _ := wire.Parse(body)
		mu.Lock()
		defer mu.Unlock()
		id := r.Header.Get(wire.HeaderSession)
		switch {
		case e.Method == "server/discover":
			w.WriteHeader(http.StatusBadRequest)
		case e.Method == "initialize":
			session++
			w.Header().Set(wire.HeaderSession, strconv.Itoa(session))
			writeJSON(w, http.StatusOK, legacyAnswer(e.Method, string(e.ID)))
		case id != strconv.Itoa(session):
			w.WriteHeader(http.StatusNotFound)
		case e.IsNotification():
			w.WriteHeader(http.StatusAccepted)
		case e.Method == "tools/call":
			executed[string(e.Params)]++
			writeJSON(w, http.StatusOK, string(wire.AppendResult(nil, e.ID, []byte(`{"got":1}`))))
		default:
			writeJSON(w, http.StatusOK, legacyAnswer(e.Method, string(e.ID)))
		}
	}))
	defer srv.Close()
	s := run(t, nil, Config{Name: "demo", URL: srv.URL})
	defer stop(t, s)
	mu.Lock()
	session = 100 // the server restarted
	mu.Unlock()
	var calls sync.WaitGroup
	for i := range 20 {
		calls.Go(func() {
			reply, err := s.Call(t.Context(), "demo", &Request{Method: "tools/call", Params: []byte(`{"name":"echo","n":` + strconv.Itoa(i) + `}`)})
			if err != nil || string(reply.Result) != `{"got":1}` {
				t.Errorf("Call %d = %+v, %v", i, reply, err)
			}
		})
	}
	calls.Wait()
	mu.Lock()
	defer mu.Unlock()
	if session != 101 || len(executed) != 20 {
		t.Errorf("initialized %d times after the restart and executed %d calls, want 1 and 20", session-100, len(executed))
	}
	for params, n := range executed {
		if n != 1 {
			t.Errorf("%s was executed %d times", params, n)
		}
	}
}

func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := &scripted{on: on("tools/call", mute)}
		cfg := srv.config("demo")
		cfg.Timeout = 7 * time.Second
		s := run(t, nil, cfg)
		fails(t, call(t.Context(), s, Request{}), KindTimeout, true, `upstream "demo" did not answer tools/call within 7s; outcome unknown`)
		fails(t, call(t.Context(), s, Request{Timeout: 2 * time.Second, ReadOnly: true}), KindTimeout, true, "within 2s")
		if n := srv.count("tools/call"); n != 2 {
			t.Errorf("%d requests were sent, want 2: a timeout is not repeated", n)
		}
		synctest.Wait()
		if n := srv.count("notifications/cancelled"); n != 2 {
			t.Errorf("%d requests were cancelled, want 2", n)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := call(ctx, s, Request{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with the caller's deadline the error is %v, want it to wrap that", err)
		}
	})
}

func TestCallWhileConnecting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := &scripted{on: on("initialize", nil)}
		srv.on["server/discover"] = func(c *scriptedConn, e *wire.Envelope) {
			<-time.After(2 * time.Second)
			c.usual(e)
		}
		s := NewSet(nil)
		defer stop(t, s)
		s.Apply([]Config{srv.config("demo")})
		fails(t, call(t.Context(), s, Request{Timeout: time.Second}), KindUnavailable, false, "is not connected yet")
		if got := echo(t, s, Request{}); got == "" {
			t.Error("the call did not wait for the connection")
		}
	})
}

func TestCallWhileDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := &scripted{era: "legacy"}
		srv.on = on("initialize", func(c *scriptedConn, e *wire.Envelope) { c.fail(e, -32000, "license expired") })
		s := run(t, nil, srv.config("demo"))
		elapse(20 * time.Second)
		start := time.Now()
		fails(t, call(t.Context(), s, Request{}), KindUnavailable, false,
			`upstream "demo" is not connected: it refused initialize: license expired (code -32000)`)
		if d := time.Since(start); d > worthWaiting {
			t.Errorf("the call waited %s for an upstream that is long down", d)
		}
		if err := call(t.Context(), s, Request{}); !errors.Is(err, errNotConnected) {
			t.Errorf("Call: %v", err)
		}
		if _, err := s.Call(t.Context(), "nobody", &Request{Method: "tools/call"}); err == nil || !strings.Contains(err.Error(), `upstream "nobody" is not configured`) {
			t.Errorf("a call to an upstream that does not exist failed with %v", err)
		}
	})
}

// What belongs to a call reaches its peer in the order of the wire and before the call returns; an upstream may ask in between.
func TestPeer(t *testing.T) {
	srv := &scripted{era: "legacy"}
	srv.on = on("tools/call", func(c *scriptedConn, e *wire.Envelope) {
		token, _ := wire.Lookup(e.Params, "_meta", "progressToken")
		for i := range 3 {
			c.notify("notifications/progress", `{"progressToken":`+string(token)+`,"progress":`+strconv.Itoa(i)+`}`)
		}
		c.send(wire.AppendRequest(nil, []byte(`"q"`), "elicitation/create", []byte(`{"message":"sure?"}`)))
		c.notify("notifications/progress", `{"progressToken":`+string(token)+`,"progress":3}`)
		go func() {
			for srv.count("") == 0 { // the answer
				<-time.After(time.Millisecond)
			}
			c.reply(e, `{}`)
		}()
	})
	asked := make(chan string, 1)
	peer := &recorder{ask: func(_ context.Context, method string, _ []byte) ([]byte, *wire.Error) {
		asked <- method
		return []byte(`{"action":"accept"}`), nil
	}}
	s := run(t, nil, srv.config("demo"))
	if err := call(t.Context(), s, Request{Progress: true, Peer: peer}); err != nil {
		t.Fatalf("Call: %v", err)
	}
	if got := receive(t, asked); got != "elicitation/create" {
		t.Errorf("asked for %s", got)
	}
	heard := peer.heard()
	if len(heard) != 4 || !strings.HasSuffix(heard[0], `"progress":0}`) || !strings.HasSuffix(heard[3], `"progress":3}`) {
		t.Errorf("heard %q, want four notifications in order", heard)
	}
}
