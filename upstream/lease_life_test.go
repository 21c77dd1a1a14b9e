// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tollgate/upstream/wire"
)

// hungUp reports whether the gateway closed a connection.
func hungUp(c *scriptedConn) bool {
	_, err := c.conn.Write([]byte("\n"))
	return err != nil
}

// bubble returns the stacks of the goroutines in the synctest bubble of the caller.
func bubble() (stacks []string) {
	synctest.Wait()
	buf := make([]byte, 8<<20)
	all := strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n")
	_, mark, _ := strings.Cut(all[0], "synctest bubble ")
	mark, _, _ = strings.Cut(mark, "]")
	for _, s := range all {
		if head, _, _ := strings.Cut(s, "\n"); strings.Contains(head, "synctest bubble "+mark+"]") {
			stacks = append(stacks, s)
		}
	}
	return stacks
}

func TestIdleSessionIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newAsking()
		cfg := srv.config("demo")
		cfg.SessionIdle = time.Minute
		s := run(t, nil, cfg)
		use(t.Context(), s, "echo", "ann", "", nil)
		ann := srv.last()
		use(t.Context(), s, "echo", "bob", interactive, nil)
		busy := later(t.Context(), s, "ask", "bob", interactive, saying("bob", 10*time.Minute))
		elapse(50 * time.Second)
		use(t.Context(), s, "echo", "ann", "", nil)
		elapse(50 * time.Second)
		sessions(t, s, 2) // used again in time
		elapse(10 * time.Second)
		if !hungUp(ann) {
			t.Error("an idle session is still open")
		}
		sessions(t, s, 1)
		want(t, use(t.Context(), s, "echo", "ann", "", nil), `{"session":3}`)
		want(t, <-busy, `{"session":2,"said":{"by":"bob","of":"elicitation/create"}}`) // a call is no idleness
		elapse(time.Minute)
		sessions(t, s, 0)
		if srv.dials() != 4 || hungUp(srv.conns[0]) {
			t.Error("the shared session was closed")
		}
	})
}

func TestLongestIdleSessionMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newAsking()
		cfg := srv.config("demo")
		cfg.MaxSessions = 2
		s := run(t, nil, cfg)
		for _, step := range []struct {
			owner   string
			session int
		}{{"ann", 1}, {"bob", 2}, {"ann", 1}, {"eve", 3}, {"ann", 1}, {"bob", 4}, {"ann", 1}} {
			want(t, use(t.Context(), s, "echo", step.owner, "", nil), fmt.Sprintf(`{"session":%d}`, step.session))
			elapse(time.Second)
		}
		if !hungUp(srv.conns[2]) || !hungUp(srv.conns[3]) || hungUp(srv.conns[1]) {
			t.Error("not the sessions idle for longest were closed")
		}
		hang := []<-chan string{later(t.Context(), s, "hang", "ann", "", nil), later(t.Context(), s, "hang", "bob", "", nil)}
		synctest.Wait()
		err := call(t.Context(), s, Request{Method: "tools/call", Owner: "eve"})
		fails(t, err, KindOverloaded, false, "all 2 are in use (max_sessions)")
		want(t, use(t.Context(), s, "echo", "bob", "", nil), `{"session":4}`)
		want(t, use(t.Context(), s, "echo", "", "", nil), `{"session":0}`)
		sessions(t, s, 2)
		for _, h := range hang {
			<-h
		}
	})
}

func TestSessionDiesDuringACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newAsking()
		s := run(t, nil, srv.config("demo"))
		other := later(t.Context(), s, "ask", "bob", interactive, saying("bob", time.Second))
		synctest.Wait()
		r := Request{Method: "tools/call", Params: []byte(`{"name":"die"}`), Owner: "ann", ClientCapabilities: []byte(interactive)}
		fails(t, call(t.Context(), s, r), KindClosed, true, "outcome unknown")
		want(t, use(t.Context(), s, "echo", "ann", interactive, nil), `{"session":3}`)
		r.ReadOnly = true
		fails(t, call(t.Context(), s, r), KindClosed, true, "outcome unknown") // tried on another session, which dies as well
		if n := srv.count("tools/call"); n != 5 {
			t.Errorf("%d calls were sent, want 5", n)
		}
		want(t, <-other, `{"session":1,"said":{"by":"bob","of":"elicitation/create"}}`)
		if st := state(t, s, "demo", Ready); st.Restarts != 0 || hungUp(srv.conns[0]) {
			t.Errorf("the shared session was disturbed: %+v", st)
		}
		sessions(t, s, 1)
	})
}

// What an owner has open goes on while the shared session is away.
func TestSharedSessionDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newAsking()
		cfg, down := srv.config("demo"), new(atomic.Bool)
		cfg.InProcess = func(ctx context.Context) (io.ReadWriteCloser, error) {
			if down.Load() {
				return nil, errors.New("no more of it")
			}
			return srv.open(ctx)
		}
		s := run(t, nil, cfg)
		use(t.Context(), s, "echo", "ann", "", nil)
		down.Store(true)
		srv.conns[0].conn.Close()
		elapse(time.Minute)
		state(t, s, "demo", Failed)
		want(t, use(t.Context(), s, "echo", "ann", "", nil), `{"session":1}`)
		want(t, use(t.Context(), s, "echo", "bob", "", nil), `upstream "demo" is not connected: it could not be started: no more of it`)
	})
}

// An upstream that opens no second session serves the shared one as ever, and says what is wrong.
func TestSessionCannotBeOpened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newAsking()
		var refuse atomic.Bool
		refuse.Store(true)
		cfg := srv.config("demo")
		cfg.InProcess = func(ctx context.Context) (io.ReadWriteCloser, error) {
			if srv.dials() > 0 && refuse.Load() {
				return nil, errors.New("port in use")
			}
			return srv.open(ctx)
		}
		s := run(t, nil, cfg)
		r := Request{Method: "tools/call", Params: []byte(`{"name":"echo"}`), Owner: "ann"}
		const text = "opened no session for a caller: it could not be started: port in use"
		for range breakerFailures {
			fails(t, call(t.Context(), s, r), KindUnavailable, false, text)
			want(t, use(t.Context(), s, "echo", "", "", nil), `{"session":0}`)
		}
		fails(t, call(t.Context(), s, r), KindUnavailable, false, "given a pause of 10s")
		want(t, use(t.Context(), s, "echo", "", "", nil), `{"session":0}`)
		if st := state(t, s, "demo", Degraded); !strings.Contains(st.Failure, text) || st.Sessions != 0 || st.Restarts != 0 {
			t.Errorf("status %+v", st)
		}
		refuse.Store(false)
		elapse(breakerPause + time.Second)
		want(t, use(t.Context(), s, "echo", "ann", "", nil), `{"session":1}`)
		state(t, s, "demo", Ready)
	})
}

// A client whose capabilities the server refuses does no harm to others.
func TestFlavourIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newAsking()
		srv.on["initialize"] = func(c *scriptedConn, e *wire.Envelope) {
			if strings.Contains(string(e.Params), "strange") {
				c.fail(e, wire.CodeInvalidParams, "what is this?")
				return
			}
			c.usual(e)
		}
		s := run(t, nil, srv.config("demo"))
		for range 2 * breakerFailures {
			got := use(t.Context(), s, "echo", "ann", `{"roots":{"strange":1}}`, nil)
			want(t, got, `upstream "demo" opened no session for a caller: it refused initialize: what is this? (code -32602)`)
		}
		if got := use(t.Context(), s, "echo", "bob", "", nil); !strings.HasPrefix(got, `{"session":`) {
			t.Errorf("another owner got %s", got)
		}
	})
}

// One handshake serves all calls that wait for it, also when the first of them is given up.
func TestSessionIsOpenedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newAsking()
		srv.on["initialize"] = func(c *scriptedConn, e *wire.Envelope) {
			if c.n > 0 {
				<-time.After(time.Second)
			}
			c.usual(e)
		}
		s := run(t, nil, srv.config("demo"))
		ctx, cancel := context.WithCancel(t.Context())
		first := later(ctx, s, "echo", "ann", "", nil)
		synctest.Wait()
		var calls []<-chan string
		for range 20 {
			calls = append(calls, later(t.Context(), s, "echo", "ann", "", nil))
		}
		synctest.Wait()
		cancel()
		want(t, <-first, `upstream "demo" was told to stop tools/call: the caller went away`)
		for _, c := range calls {
			want(t, <-c, `{"session":1}`)
		}
		if n := srv.count("initialize"); n != 2 {
			t.Errorf("%d handshakes, want 2", n)
		}
	})
}

// A server that is stuck in a call nobody waits for any more loses the session; one that still answers keeps it.
func TestSessionAfterACallThatWasGivenUp(t *testing.T) {
	for _, stuck := range []bool{false, true} {
		t.Run(fmt.Sprintf("stuck %v", stuck), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := newAsking()
				if stuck {
					srv.on["ping"] = mute
				}
				s := run(t, nil, srv.config("demo"))
				use(t.Context(), s, "hang", "ann", interactive, nil)
				synctest.Wait()
				used := 1
				if stuck { // it may yet ask something: nobody else's business
					used = 2
				}
				want(t, use(t.Context(), s, "echo", "ann", interactive, nil), fmt.Sprintf(`{"session":%d}`, used))
				elapse(defaultProbeTimeout)
				if hungUp(srv.conns[1]) != stuck {
					t.Errorf("session closed: %v, want %v", !stuck, stuck)
				}
				sessions(t, s, 1)
			})
		})
	}
}

func TestCloseWithAQuestionInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newAsking()
		s := run(t, nil, srv.config("demo"))
		var asking sync.WaitGroup
		asking.Add(2)
		patient := func(ctx context.Context, _ string, _ []byte) ([]byte, *wire.Error) {
			asking.Done()
			<-ctx.Done()
			return nil, &wire.Error{Code: wire.CodeInternal, Message: "over"}
		}
		calls := []<-chan string{
			later(context.Background(), s, "ask", "ann", interactive, &recorder{ask: patient}),
			later(context.Background(), s, "ask", "bob", interactive, &recorder{ask: patient}),
		}
		asking.Wait()
		asking.Add(1)
		waits := later(context.Background(), s, "ask", "ann", interactive, &recorder{ask: patient})
		asking.Wait()
		start := time.Now()
		stop(t, s)
		if d := time.Since(start); d > 0 {
			t.Errorf("Close took %s", d)
		}
		for _, c := range append(calls, waits) {
			want(t, <-c, `upstream "demo" was disconnected by the gateway; outcome unknown`)
		}
		for _, c := range srv.conns {
			if !hungUp(c) {
				t.Errorf("session %d is still open", c.n)
			}
		}
	})
}

// A call under way may end on the old sessions, however long its caller takes; idle ones are closed at once.
func TestReloadDuringAQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newAsking()
		cfg := srv.config("demo")
		s := run(t, nil, cfg)
		use(t.Context(), s, "echo", "bob", "", nil)
		ask := later(t.Context(), s, "ask", "ann", interactive, saying("ann", 5*time.Minute))
		synctest.Wait()
		cfg.SessionIdle = time.Hour
		s.Apply([]Config{cfg})
		elapse(time.Second)
		if !hungUp(srv.conns[1]) || hungUp(srv.conns[2]) {
			t.Error("the idle session is still open, or the busy one is not")
		}
		want(t, use(t.Context(), s, "echo", "bob", "", nil), `{"session":4}`)
		want(t, <-ask, `{"session":2,"said":{"by":"ann","of":"elicitation/create"}}`)
		synctest.Wait()
		if !hungUp(srv.conns[2]) || !hungUp(srv.conns[0]) {
			t.Error("sessions of the old configuration are still open")
		}
		sessions(t, s, 1)
		s.Apply(nil)
		elapse(time.Second)
		if !hungUp(srv.conns[4]) {
			t.Error("a session of a removed upstream is still open")
		}
	})
}

// Nothing is left of questions whose callers went away.
func TestCancelledQuestions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newAsking()
		cfg := srv.config("demo")
		cfg.MaxSessions = 200
		s := run(t, nil, cfg)
		before := bubble()
		ctx, cancel := context.WithCancel(t.Context())
		var asking atomic.Int32
		patient := &recorder{ask: func(ctx context.Context, _ string, _ []byte) ([]byte, *wire.Error) {
			asking.Add(1)
			defer asking.Add(-1)
			<-ctx.Done()
			return nil, &wire.Error{Code: wire.CodeInternal, Message: "over"}
		}}
		var calls []<-chan string
		for i := range 200 {
			calls = append(calls, later(ctx, s, "ask", fmt.Sprint("owner ", i/4), interactive, patient))
		}
		synctest.Wait()
		if n := asking.Load(); n != 200 {
			t.Fatalf("%d questions at once, want 200", n)
		}
		want(t, use(t.Context(), s, "echo", "", "", nil), `{"session":0}`)
		cancel()
		for _, c := range calls {
			want(t, <-c, `upstream "demo" was told to stop tools/call: the caller went away; outcome unknown`)
		}
		if n := asking.Load(); n != 0 {
			t.Errorf("%d questions are still with their callers", n)
		}
		elapse(defaultSessionIdle + time.Second)
		if st := state(t, s, "demo", Ready); st.Sessions != 0 || st.InFlight != 0 {
			t.Errorf("%d sessions and %d calls are left", st.Sessions, st.InFlight)
		}
		if after := bubble(); len(after) > len(before) {
			t.Errorf("%d goroutines are left, %d more than before:\n%s", len(after), len(after)-len(before), strings.Join(after, "\n\n"))
		}
		if n := len(s.slots["demo"].now.leases.owners); n != 0 {
			t.Errorf("%d owners are remembered", n)
		}
	})
}

// A change that only the session of an owner reports is read like any other.
func TestListChangedOnALeasedSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newAsking()
		var updates events
		s := run(t, &Options{OnEvent: updates.add}, srv.config("demo"))
		use(t.Context(), s, "echo", "ann", interactive, nil)
		lists := srv.count("tools/list")
		srv.last().notify("notifications/tools/list_changed", `{}`)
		srv.last().notify("notifications/resources/updated", `{"uri":"a:1"}`)
		elapse(2 * time.Second)
		if n := srv.count("tools/list"); n != lists+1 {
			t.Errorf("the list was read %d times, want once", n-lists)
		}
		if got := updates.take(); !strings.Contains(fmt.Sprint(got), "a:1") {
			t.Errorf("updates %v", got)
		}
	})
}
