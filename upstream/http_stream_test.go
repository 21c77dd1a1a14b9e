// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tollgate/upstream/wire"
)

func TestHTTPResume(t *testing.T) {
	const progress = `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":%d}}`
	s := newLegacyServer()
	var pauses []time.Duration
	var id string
	s.on(&s.call, func(w http.ResponseWriter, r *http.Request) {
		id = requestID(r)
		answerEvents("id: a\nretry: 1234\ndata:\n\nid: b\ndata: "+fmt.Sprintf(progress, 1)+"\n\n")(w, r)
	})
	const cuts = 2 * maxResumes // each brings something new, so that none counts
	var attempts atomic.Int32
	s.on(&s.get, func(w http.ResponseWriter, r *http.Request) {
		n := int(attempts.Add(1)) - 1
		if n == 0 { // a passing failure
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		want := "b"
		if n > 1 {
			want = fmt.Sprintf("c%d", n-1)
		}
		if last := r.Header.Get("Last-Event-ID"); last != want {
			t.Errorf("attempt %d: Last-Event-ID %q, want %q", n, last, want)
		}
		if n <= cuts { // once more cut, halfway through an event
			answerEvents(fmt.Sprintf("id: c%d\ndata: %s\n\nid: d\ndata: {", n, fmt.Sprintf(progress, n)))(w, r)
			return
		}
		answerEvents("data: {\"jsonrpc\":\"2.0\",\"id\":"+id+",\"result\":{\"ok\":1}}\n\n")(w, r)
	})
	l := httpTestLink(t, serveHTTP(t, s).URL, true, nil)
	l.session.listening = true // no standalone stream
	handshake(t, l, s.rev)
	l.pause = func(ctx context.Context, d time.Duration) error {
		pauses = append(pauses, d)
		return ctx.Err()
	}
	var peer recorder
	env, err := l.exchange(t.Context(), legacyCall(&peer))
	if err != nil || string(env.Result) != `{"ok":1}` {
		t.Fatalf("exchange = %v, %v", env, err)
	}
	if len(peer.heard()) != 1+cuts || len(pauses) != 2+cuts || pauses[0] != 1234*time.Millisecond {
		t.Errorf("heard %q after pauses of %v", peer.heard(), pauses)
	}
}

func TestHTTPResumeGivesUp(t *testing.T) {
	tests := map[string]struct {
		get      http.HandlerFunc
		text     string
		attempts int32
	}{
		"nothing new":  {answerEvents(": hi\n\n"), "closed the stream before it answered tools/call", maxResumes},
		"down":         {answerStatus(502), "closed the stream before it answered tools/call", maxResumes},
		"no replay":    {answerStatus(400), "closed the stream before it answered tools/call", 1},
		"session lost": {answerStatus(404), "lost the session during tools/call", 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := newLegacyServer()
			l := legacyHTTP(t, s, nil)
			if !eventually(func() bool { return len(s.requests("GET")) == 1 }) {
				t.Fatal("no standalone stream was asked for")
			}
			s.on(&s.call, answerEvents("id: a\ndata:\n\n"))
			var attempts atomic.Int32
			s.on(&s.get, func(w http.ResponseWriter, r *http.Request) {
				attempts.Add(1)
				test.get(w, r)
			})
			_, err := l.exchange(t.Context(), legacyCall(nil))
			wantError(t, err, KindClosed, true, test.text)
			if n := attempts.Load(); n != test.attempts {
				t.Errorf("%d attempts, want %d", n, test.attempts)
			}
		})
	}
}

// What comes on the standalone stream finds its call by the progress token, or when there is only one.
func TestHTTPStandaloneStream(t *testing.T) {
	s := newLegacyServer()
	send := make(chan string)
	s.on(&s.get, func(w http.ResponseWriter, r *http.Request) {
		answerHeader(w, 200, "Content-Type", "text/event-stream")
		for {
			_ = http.NewResponseController(w).Flush()
			select {
			case m := <-send:
				_, _ = fmt.Fprintf(w, "data: %s\n\n", m)
			case <-r.Context().Done():
				return
			}
		}
	})
	notes, asks := make(chan string, 10), make(chan string, 10)
	l := legacyHTTP(t, s, func(_ *Config, o *linkOptions) {
		o.onNotify = func(method string, params []byte) { notes <- method + string(params) }
		o.onAsk = func(_ context.Context, method string, _ []byte) ([]byte, *wire.Error) {
			asks <- method
			return nil, &wire.Error{Code: wire.CodeInvalidRequest, Message: "no"}
		}
	})
	send <- `{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`
	send <- `{not json`
	send <- `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":7}}`
	send <- `{"jsonrpc":"2.0","id":1,"result":{}}`
	send <- `{"jsonrpc":"2.0","id":"x","method":"roots/list"}`
	if got := receive(t, notes); got != "notifications/tools/list_changed" {
		t.Errorf("onNotify got %s", got)
	}
	if got := receive(t, asks); got != "roots/list" {
		t.Errorf("onAsk got %s", got)
	}
	if got, want := receive(t, s.messages), `{"jsonrpc":"2.0","id":"x","error":{"code":-32600,"message":"no"}}`; got != want {
		t.Errorf("the server was answered %s, want %s", got, want)
	}
	heard := make(chan struct{}, 10)
	s.on(&s.call, func(w http.ResponseWriter, r *http.Request) {
		for _, m := range []string{
			`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"t"}}`,
			`{"jsonrpc":"2.0","method":"notifications/message","params":{"data":1}}`,
			`{"jsonrpc":"2.0","id":"y","method":"elicitation/create","params":{}}`,
		} {
			send <- m
			receive(t, heard)
		}
		answerJSON(`{"jsonrpc":"2.0","id":ID,"result":{}}`)(w, r)
	})
	x := legacyCall(&askPeer{notify: func() { heard <- struct{}{} }, ask: func(context.Context, string, []byte) ([]byte, *wire.Error) {
		heard <- struct{}{}
		return []byte(`{}`), nil
	}})
	x.progressToken = []byte(`"t"`)
	if _, err := l.exchange(t.Context(), x); err != nil {
		t.Fatal(err)
	}
	send <- `{"jsonrpc":"2.0","method":"notifications/message","params":{"data":2}}`
	if got := receive(t, notes); got != `notifications/message{"data":2}` {
		t.Errorf("onNotify got %s", got)
	}
}

// A server that asks without end is refused, and the rest of the stream is read on.
func TestHTTPAsksAreBounded(t *testing.T) {
	const asks = 3 * maxAsks
	s := newLegacyServer()
	l := legacyHTTP(t, s, nil)
	s.on(&s.call, func(w http.ResponseWriter, r *http.Request) {
		answerHeader(w, 200, "Content-Type", "text/event-stream")
		for i := range asks {
			_, _ = fmt.Fprintf(w, "data: {\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"sampling/createMessage\"}\n\n", i)
		}
		_ = http.NewResponseController(w).Flush()
		for range asks - maxAsks {
			if got := receive(t, s.messages); !strings.Contains(got, "too many requests") {
				t.Errorf("the server was answered %s", got)
			}
		}
		answerEvents("data: {\"jsonrpc\":\"2.0\",\"id\":ID,\"result\":{}}\n\n")(w, r)
	})
	var asking, most atomic.Int32
	peer := &askPeer{ask: func(ctx context.Context, _ string, _ []byte) ([]byte, *wire.Error) {
		if n := asking.Add(1); n > most.Load() {
			most.Store(n)
		}
		defer asking.Add(-1)
		<-ctx.Done()
		return nil, nil
	}}
	if _, err := l.exchange(t.Context(), legacyCall(peer)); err != nil {
		t.Fatal(err)
	}
	if asking.Load() != 0 || most.Load() > maxAsks {
		t.Errorf("%d asks at a time, %d left", most.Load(), asking.Load())
	}
}

// pipeListener accepts in-memory connections, which a synctest bubble can wait for.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
}

func (p *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}
func (p *pipeListener) Close() error   { close(p.done); return nil }
func (p *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func (p *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, other := net.Pipe()
	select {
	case p.conns <- other:
		return near, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// inBubble runs f with a link to s inside a synctest bubble: hours pass in no time.
func inBubble(t *testing.T, s *legacyServer, f func(t *testing.T, l *httpLink)) {
	synctest.Test(t, func(t *testing.T) {
		s.messages, s.deleted = make(chan string, 100), make(chan struct{}, 10)
		pipe := &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
		srv := &http.Server{Handler: s}
		served := make(chan struct{})
		go func() {
			_ = srv.Serve(pipe)
			close(served)
		}()
		cfg := &Config{Name: "demo", URL: "http://pipe/"}
		l, err := newHTTPLink(cfg, testOptions(cfg), true)
		if err != nil {
			t.Fatal(err)
		}
		l.transport.DialContext = pipe.dial
		f(t, l)
		l.close()
		_ = srv.Close()
		<-served
	})
}

// linger holds an answer open for d, or until the client is gone.
func linger(r *http.Request, d time.Duration) {
	select {
	case <-time.After(d):
	case <-r.Context().Done():
	}
}

// A load balancer that cuts the standalone stream every 50 ms hurts nobody, for hours.
func TestHTTPStandaloneStreamIsCut(t *testing.T) {
	s := newLegacyServer()
	var opened atomic.Int32
	s.on(&s.get, func(w http.ResponseWriter, r *http.Request) {
		n := opened.Add(1)
		if last := r.Header.Get("Last-Event-ID"); n > 1 && last != fmt.Sprint(n-1) {
			t.Errorf("stream %d asks for what came after %q", n, last)
		}
		answerHeader(w, 200, "Content-Type", "text/event-stream")
		_, _ = fmt.Fprintf(w, "id: %d\nretry: 10\ndata:\n\n", n)
		_ = http.NewResponseController(w).Flush()
		linger(r, 50*time.Millisecond)
	})
	inBubble(t, s, func(t *testing.T, l *httpLink) {
		handshake(t, l, s.rev)
		<-time.After(6 * time.Hour)
		if _, err := l.exchange(t.Context(), legacyCall(nil)); err != nil || l.cause() != nil {
			t.Errorf("exchange: %v; link %v", err, l.cause())
		}
		// Between 15 and 30 s each, once it has become clear what is going on.
		if n := opened.Load(); n < 6*3600/31 || n > 6*3600/15+50 {
			t.Errorf("the stream was opened %d times in six hours", n)
		}
	})
}

// A stream that lasted is opened again soon.
func TestHTTPStandaloneStreamIsRenewed(t *testing.T) {
	s := newLegacyServer()
	var opened atomic.Int32
	s.on(&s.get, func(w http.ResponseWriter, r *http.Request) {
		opened.Add(1)
		answerHeader(w, 200, "Content-Type", "text/event-stream")
		_ = http.NewResponseController(w).Flush()
		linger(r, 5*time.Minute)
	})
	inBubble(t, s, func(t *testing.T, l *httpLink) {
		handshake(t, l, s.rev)
		<-time.After(24*time.Hour + time.Second)
		if n := opened.Load(); n < 285 || n > 289 {
			t.Errorf("the stream was opened %d times in a day", n)
		}
	})
}

// A server that does not answer does not hold up close for long.
func TestHTTPCloseIsBounded(t *testing.T) {
	s := newLegacyServer()
	s.HandleFunc("DELETE /{$}", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	inBubble(t, s, func(t *testing.T, l *httpLink) {
		handshake(t, l, s.rev)
		began := time.Now()
		l.close()
		if took := time.Since(began); took != deleteTime {
			t.Errorf("close took %v, want %v", took, deleteTime)
		}
	})
}
