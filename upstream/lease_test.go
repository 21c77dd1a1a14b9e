// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tollgate/upstream/wire"
)

const interactive = `{"elicitation":{}}`

// asking is a scripted legacy server that keeps state: an answer names the session it came from. The tool ask answers with
// what the client says to a question, the tool hang never.
type asking struct {
	scripted
	onInit func(c *scriptedConn) // runs when a session is initialized

	mu    sync.Mutex                // guards below
	asked map[string]*wire.Envelope // calls of ask, by session and id of the question
	heard []string                  // answers to other questions: session, id and what was said
	asks  int
}

func newAsking() *asking {
	s := &asking{scripted: scripted{era: "legacy"}, asked: map[string]*wire.Envelope{}}
	s.on = map[string]func(*scriptedConn, *wire.Envelope){
		"tools/call": s.call, "": s.answer, "notifications/initialized": func(c *scriptedConn, _ *wire.Envelope) {
			if s.onInit != nil {
				s.onInit(c)
			}
		},
	}
	return s
}

func (s *asking) call(c *scriptedConn, e *wire.Envelope) {
	switch stringAt(e.Params, "name") {
	case "ask":
		s.mu.Lock()
		s.asks++
		id := fmt.Sprintf(`"q%d"`, s.asks)
		s.asked[fmt.Sprint(c.n, id)] = e
		s.mu.Unlock()
		c.send(wire.AppendRequest(nil, []byte(id), "elicitation/create", []byte(`{"message":"sure?"}`)))
	case "hang":
	case "die":
		c.conn.Close()
	default:
		c.reply(e, fmt.Sprintf(`{"session":%d}`, c.n))
	}
}

func (s *asking) answer(c *scriptedConn, e *wire.Envelope) {
	said := string(e.Result)
	if e.Error != nil {
		said = fmt.Sprint(wire.ParseError(e.Error).Code)
	}
	s.mu.Lock()
	call := s.asked[fmt.Sprint(c.n, string(e.ID))]
	if call == nil {
		s.heard = append(s.heard, fmt.Sprintf("%d %s %s", c.n, e.ID, said))
	}
	s.mu.Unlock()
	if call != nil && said != "-32603" { // given up: the call was cancelled
		c.reply(call, fmt.Sprintf(`{"session":%d,"said":%s}`, c.n, said))
	}
}

// answers returns what was said to n questions outside of ask.
func (s *asking) answers(n int) string {
	heard := func() []string {
		s.mu.Lock()
		defer s.mu.Unlock()
		return slices.Sorted(slices.Values(s.heard))
	}
	eventually(func() bool { return len(heard()) == n })
	return strings.Join(heard(), "; ")
}

// saying answers every question with a name, after a while.
func saying(name string, after time.Duration) *recorder {
	return &recorder{ask: func(ctx context.Context, method string, _ []byte) ([]byte, *wire.Error) {
		if pause(ctx, after) != nil {
			return nil, &wire.Error{Code: wire.CodeInternal, Message: "given up"}
		}
		return object("by", string(quote(name)), "of", string(quote(method))), nil
	}}
}

// use calls a tool for an owner and returns the result, or the error.
func use(ctx context.Context, s *Set, tool, owner, capabilities string, peer Peer) string {
	r := &Request{Method: "tools/call", Params: object("name", string(quote(tool))), Owner: owner, Peer: peer}
	if capabilities != "" {
		r.ClientCapabilities = []byte(capabilities)
	}
	reply, err := s.Call(ctx, "demo", r)
	if err != nil {
		return err.Error()
	}
	if reply.Error != nil {
		return reply.Error.Error()
	}
	return string(reply.Result)
}

// later runs use on a goroutine.
func later(ctx context.Context, s *Set, tool, owner, capabilities string, peer Peer) <-chan string {
	done := make(chan string, 1)
	go func() { done <- use(ctx, s, tool, owner, capabilities, peer) }()
	return done
}

func want(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Fatalf("got %s\nwant %s", got, want)
	}
}

func sessions(t *testing.T, s *Set, want int) {
	t.Helper()
	if n := s.Status()[0].Sessions; n != want {
		t.Fatalf("%d sessions of owners, want %d", n, want)
	}
}

func TestOwnersNeverShareASession(t *testing.T) {
	steps := []struct {
		owner, capabilities string
		own, shared         int // session under either value of Config.Sessions
	}{
		{"ann", "", 1, 0}, {"bob", "", 2, 0}, {"ann", "{}", 1, 0}, {"ann", interactive, 3, 1}, {"bob", interactive, 4, 2},
		{"", "", 0, 0}, {"", interactive, 0, 0}, {"bob", "", 2, 0}, {"ann", `{"elicitation": { }, "x":1}`, 3, 1},
		{"ann", `{"roots":{}}`, 5, 3}, {"bob", `{"roots":{}}`, 6, 4}, {"ann", `{"roots":null}`, 1, 0},
	}
	for _, mode := range []string{"", "principal", "shared"} {
		t.Run(mode, func(t *testing.T) {
			srv := newAsking()
			cfg := srv.config("demo")
			cfg.Sessions = mode
			s := run(t, nil, cfg)
			for i, step := range steps {
				n := step.own
				if mode == "shared" {
					n = step.shared
				}
				if got, want := use(t.Context(), s, "echo", step.owner, step.capabilities, nil), fmt.Sprintf(`{"session":%d}`, n); got != want {
					t.Fatalf("call %d, of %q with %s: %s, want %s", i, step.owner, step.capabilities, got, want)
				}
			}
			if n := srv.count("initialize"); n != srv.dials() {
				t.Errorf("%d handshakes on %d connections", n, srv.dials())
			}
			sessions(t, s, srv.dials()-1)
		})
	}
}

func TestFlavourIsDeclaredExactly(t *testing.T) {
	srv := newAsking()
	s := run(t, nil, srv.config("demo"))
	declared := func() string {
		raw, _ := wire.Lookup([]byte(srv.params("initialize")), "capabilities")
		return string(raw)
	}
	want(t, declared(), `{"elicitation":{"form":{},"url":{}},"roots":{},"sampling":{}}`)
	for _, test := range []struct{ capabilities, declared string }{
		{"", "{}"},
		{`{"experimental":{"x":{}}}`, "{}"},
		{`{"sampling":{"tools":{}},"elicitation":{"url":{}, "form":{}},"experimental":{}}`,
			`{"elicitation":{"form":{},"url":{}},"sampling":{"tools":{}}}`},
		{`{"roots":{"listChanged":true},"sampling":true}`, `{"roots":{"listChanged":true}}`},
		{`{"sampling":{},"roots":{"x":"` + strings.Repeat("x", maxDeclaration) + `"}}`, `{"sampling":{}}`},
	} {
		use(t.Context(), s, "echo", fmt.Sprint("owner of ", len(test.capabilities)), test.capabilities, nil)
		want(t, declared(), test.declared)
	}
}

// A modern upstream has no sessions: one connection serves every owner.
func TestModernUpstreamNeedsNoLeases(t *testing.T) {
	srv := &scripted{era: "modern"}
	s := run(t, nil, srv.config("demo"))
	for _, owner := range []string{"ann", "bob"} {
		got := echo(t, s, Request{Owner: owner, ClientCapabilities: []byte(interactive)})
		if !strings.Contains(got, `clientCapabilities":`+interactive) {
			t.Errorf("the upstream got %s", got)
		}
	}
	if srv.dials() != 1 {
		t.Errorf("%d connections, want 1", srv.dials())
	}
	sessions(t, s, 0)
}

// Two calls that ask at the same time on a pipe: each question reaches its own call.
func TestQuestionsReachTheirCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := run(t, nil, newAsking().config("demo"))
		slow := later(t.Context(), s, "ask", "ann", interactive, saying("slow", 2*time.Second))
		synctest.Wait()
		fast := later(t.Context(), s, "ask", "ann", interactive, saying("fast", time.Second))
		synctest.Wait()
		other := later(t.Context(), s, "ask", "bob", interactive, saying("bob", time.Second))
		want(t, <-fast, `{"session":2,"said":{"by":"fast","of":"elicitation/create"}}`)
		want(t, <-slow, `{"session":1,"said":{"by":"slow","of":"elicitation/create"}}`)
		want(t, <-other, `{"session":3,"said":{"by":"bob","of":"elicitation/create"}}`)
		// One after the other they run on one session, which remembers.
		for range 3 {
			want(t, use(t.Context(), s, "echo", "ann", interactive, nil), `{"session":1}`)
		}
		sessions(t, s, 3)
	})
}

// A call without an owner still has its questions answered, on the shared session.
func TestQuestionOnTheSharedSession(t *testing.T) {
	s := run(t, nil, newAsking().config("demo"))
	want(t, use(t.Context(), s, "ask", "", "", saying("peer", 0)), `{"session":0,"said":{"by":"peer","of":"elicitation/create"}}`)
	want(t, use(t.Context(), s, "ask", "", "", nil), `{"session":0,"said":-32601}`)
}

// Many servers ask for the roots as soon as the session is initialized. That is the matter of the call it was opened for.
func TestQuestionAfterTheHandshake(t *testing.T) {
	for _, level := range []string{"", "debug"} {
		t.Run("level "+level, func(t *testing.T) {
			srv := newAsking()
			srv.caps = `{"tools":{},"logging":{}}`
			srv.onInit = func(c *scriptedConn) {
				c.send(wire.AppendRequest(nil, []byte(`"roots"`), "roots/list", nil))
				if c.n > 0 { // and does nothing before it knows
					for answered := false; !answered; {
						e := c.read()
						answered = e.IsResponse()
						if answered {
							srv.answer(c, e)
						} else {
							defer c.handle(e)
						}
					}
				}
			}
			s := run(t, nil, srv.config("demo"))
			for i, owner := range []string{"ann", "bob"} {
				r := &Request{Method: "tools/call", Params: []byte(`{"name":"echo"}`), LogLevel: level, Owner: owner,
					ClientCapabilities: []byte(`{"roots":{}}`), Peer: saying(owner, 0)}
				reply, err := s.Call(t.Context(), "demo", r)
				if err != nil {
					t.Fatal(err)
				}
				want(t, string(reply.Result), fmt.Sprintf(`{"session":%d}`, i+1))
			}
			want(t, srv.answers(3), `0 "roots" -32601; 1 "roots" {"by":"ann","of":"roots/list"}; 2 "roots" {"by":"bob","of":"roots/list"}`)
		})
	}
}

// The first call on a session waits for the roots the server asks for, but not for ever.
func TestRootsComeBeforeTheFirstCall(t *testing.T) {
	for _, test := range []struct {
		name   string
		answer time.Duration // of the client
		wait   time.Duration // of the call
		said   string
	}{
		{"soon", time.Second, time.Second, `1 "roots" {"by":"ann","of":"roots/list"}`},
		{"never", time.Hour, defaultProbeTimeout, `1 "roots" -32603`},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := newAsking()
				srv.onInit = func(c *scriptedConn) {
					if c.n > 0 {
						c.send(wire.AppendRequest(nil, []byte(`"roots"`), "roots/list", nil))
					}
				}
				s := run(t, nil, srv.config("demo"))
				start := time.Now()
				want(t, use(t.Context(), s, "echo", "ann", `{"roots":{}}`, saying("ann", test.answer)), `{"session":1}`)
				if d := time.Since(start); d != test.wait {
					t.Errorf("the call took %s, want %s", d, test.wait)
				}
				synctest.Wait()
				want(t, srv.answers(1), test.said)
				want(t, use(t.Context(), s, "echo", "ann", `{"roots":{}}`, nil), `{"session":1}`)
				if n := srv.count("ping"); n != 1 {
					t.Errorf("%d pings, want one for the session", n)
				}
			})
		})
	}
}

// Between calls nobody is asked, whoever called last or calls elsewhere.
func TestQuestionBetweenCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newAsking()
		s := run(t, nil, srv.config("demo"))
		ann, bob := saying("ann", 0), saying("bob", 0)
		use(t.Context(), s, "echo", "ann", interactive, ann)
		session := srv.last()
		hang := later(t.Context(), s, "hang", "bob", interactive, bob)
		synctest.Wait()
		session.send(wire.AppendRequest(nil, []byte("7"), "roots/list", nil))
		synctest.Wait()
		want(t, srv.answers(1), "1 7 -32601")
		stop(t, s)
		<-hang
	})
}

func TestPoolOfOneOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := newAsking().config("demo")
		cfg.MaxInteractive = 2
		s := run(t, nil, cfg)
		first := later(t.Context(), s, "ask", "ann", interactive, saying("first", 10*time.Second))
		second := later(t.Context(), s, "ask", "ann", interactive, saying("second", 30*time.Second))
		synctest.Wait()
		sessions(t, s, 2)
		start := time.Now()
		got := use(t.Context(), s, "echo", "ann", interactive, nil) // waits for the first to end
		if d := time.Since(start); d != 10*time.Second || !strings.HasPrefix(got, `{"session":`) {
			t.Errorf("the third call ended after %s with %s, want the first session after 10s", d, got)
		}
		// Plain calls, other owners and the shared session are not held up.
		want(t, use(t.Context(), s, "echo", "", "", nil), `{"session":0}`)
		want(t, use(t.Context(), s, "echo", "ann", "", nil), `{"session":3}`)
		want(t, use(t.Context(), s, "echo", "bob", interactive, nil), `{"session":4}`)
		<-first
		<-second
		// Another flavour takes the place of an idle session of the same owner.
		want(t, use(t.Context(), s, "echo", "ann", `{"roots":{}}`, nil), `{"session":5}`)
		synctest.Wait()
		sessions(t, s, 4)
	})
}

func TestPoolOfOneOwnerIsBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := newAsking().config("demo")
		cfg.MaxInteractive = 1
		s := run(t, nil, cfg)
		busy := later(t.Context(), s, "ask", "ann", interactive, saying("busy", time.Minute))
		synctest.Wait()
		r := Request{Method: "tools/call", Params: []byte(`{"name":"echo"}`), Owner: "ann", ClientCapabilities: []byte(interactive)}
		r.Timeout = 10 * time.Second
		start := time.Now()
		fails(t, call(t.Context(), s, r), KindOverloaded, false, "busy with this caller")
		if d := time.Since(start); d != 10*time.Second {
			t.Errorf("it waited %s, want its timeout", d)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		fails(t, call(ctx, s, r), KindClosed, false, "the caller went away")
		if st := state(t, s, "demo", Ready); st.InFlight != 1 {
			t.Errorf("%d calls in flight, want 1", st.InFlight)
		}
		<-busy
		if err := call(t.Context(), s, r); err != nil {
			t.Error(err)
		}
	})
}

// People who do not answer, and calls that wait for them, leave the places of an upstream to others.
func TestWaitingCallsLendTheirPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := newAsking().config("demo")
		cfg.Concurrency, cfg.MaxInteractive = 1, 1
		s := run(t, nil, cfg)
		ask := later(t.Context(), s, "ask", "ann", interactive, saying("ann", 30*time.Second))
		synctest.Wait()
		next := later(t.Context(), s, "echo", "ann", interactive, nil)
		synctest.Wait()
		start := time.Now()
		want(t, use(t.Context(), s, "echo", "", "", nil), `{"session":0}`)
		if d := time.Since(start); d != 0 {
			t.Errorf("the call waited %s for people", d)
		}
		if n := s.Status()[0].InFlight; n != 2 {
			t.Errorf("%d calls in flight, want 2", n)
		}
		hang := make(chan error, 1) // has the only place for longer than the answer takes
		go func() {
			hang <- call(t.Context(), s, Request{Method: "tools/call", Params: []byte(`{"name":"hang"}`), Timeout: 45 * time.Second})
		}()
		synctest.Wait()
		elapse(40 * time.Second)
		select {
		case got := <-ask:
			t.Errorf("a call went on without a place: %s", got)
		default:
		}
		<-hang
		want(t, <-ask, `{"session":1,"said":{"by":"ann","of":"elicitation/create"}}`)
		want(t, <-next, `{"session":1}`)
		elapse(time.Minute)
		if n := s.Status()[0].InFlight; n != 0 {
			t.Errorf("%d calls in flight, want 0", n)
		}
	})
}
