// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tollgate/upstream/wire"
)

const testSession = "s-1"

// legacyServer is a legacy server whose every part a test can replace.
type legacyServer struct {
	*http.ServeMux
	rev      wire.Revision // negotiated
	noID     bool          // keep no session
	messages chan string   // notifications and responses posted, as they are
	deleted  chan struct{} // gets one value per DELETE

	mu   sync.Mutex // guards the fields below
	get  http.HandlerFunc
	call http.HandlerFunc    // answers requests other than initialize
	seen map[string][]string // "METHOD rpc-method": session and version header of each request
}

func newLegacyServer() *legacyServer {
	s := &legacyServer{
		ServeMux: http.NewServeMux(), rev: wire.R20251125, messages: make(chan string, 100), deleted: make(chan struct{}, 10),
		get: answerStatus(http.StatusMethodNotAllowed), call: answerJSON(`{"jsonrpc":"2.0","id":ID,"result":{}}`), seen: map[string][]string{},
	}
	s.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) { s.note(r, ""); s.handler(&s.get)(w, r) })
	s.HandleFunc("DELETE /", func(w http.ResponseWriter, r *http.Request) { s.note(r, ""); s.deleted <- struct{}{} })
	s.HandleFunc("POST /", s.post)
	return s
}

func (s *legacyServer) note(r *http.Request, method string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := strings.TrimSpace(r.Method + " " + method)
	s.seen[key] = append(s.seen[key], r.Header.Get(wire.HeaderSession)+" "+r.Header.Get(wire.HeaderProtocolVersion))
}

func (s *legacyServer) handler(which *http.HandlerFunc) http.HandlerFunc {
	s.mu.Lock()
	defer s.mu.Unlock()
	return *which
}

// on replaces a handler of a running server.
func (s *legacyServer) on(which *http.HandlerFunc, h http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*which = h
}

func (s *legacyServer) requests(key string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.seen[key])
}

func (s *legacyServer) post(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	env, err := wire.Parse(body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.note(r, env.Method)
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	switch {
	case env.Method == "initialize":
		if !s.noID {
			w.Header().Set(wire.HeaderSession, testSession)
		}
		answerJSON(fmt.Sprintf(`{"jsonrpc":"2.0","id":ID,"result":{"protocolVersion":%q}}`, s.rev))(w, r)
	case env.IsRequest():
		s.handler(&s.call)(w, r)
	default:
		s.messages <- string(body)
		w.WriteHeader(http.StatusAccepted)
	}
}

// legacyHTTP opens a link to s with a session. The pauses between attempts at a stream are over at once.
func legacyHTTP(t *testing.T, s *legacyServer, adjust func(*Config, *linkOptions)) *httpLink {
	t.Helper()
	l := httpTestLink(t, serveHTTP(t, s).URL, true, adjust)
	l.pause = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	handshake(t, l, s.rev)
	if got := receive(t, s.messages); !strings.Contains(got, "notifications/initialized") {
		t.Fatalf("the server received %s", got)
	}
	return l
}

func handshake(t *testing.T, l link, rev wire.Revision) {
	t.Helper()
	env, err := l.exchange(t.Context(), &exchange{method: "initialize", rev: rev, params: fmt.Appendf(nil,
		`{"protocolVersion":%q,"capabilities":{"elicitation":{}},"clientInfo":{"name":"t","version":"1"}}`, rev)})
	if err != nil {
		t.Fatal(err)
	}
	if env.Error != nil {
		t.Fatalf("initialize: %s", env.Error)
	}
	if err := l.notify(t.Context(), "notifications/initialized", nil); err != nil {
		t.Fatal(err)
	}
}

func legacyCall(peer Peer) *exchange {
	return &exchange{method: "tools/call", rev: wire.R20251125, params: []byte(`{"name":"a"}`), peer: peer}
}

func TestHTTPSession(t *testing.T) {
	for rev, version := range map[wire.Revision]string{
		wire.R20250326: "", wire.R20250618: "2025-06-18", wire.R20251125: "2025-11-25",
	} {
		t.Run(string(rev), func(t *testing.T) {
			s := newLegacyServer()
			s.rev = rev
			l := legacyHTTP(t, s, nil)
			if _, err := l.exchange(t.Context(), legacyCall(nil)); err != nil {
				t.Fatal(err)
			}
			if !eventually(func() bool { return len(s.requests("GET")) == 1 }) {
				t.Error("no standalone stream was asked for")
			}
			l.close()
			receive(t, s.deleted)
			want := testSession + " " + version
			for _, key := range []string{"POST notifications/initialized", "POST tools/call", "GET", "DELETE"} {
				if got := s.requests(key); len(got) != 1 || got[0] != want {
					t.Errorf("%s came with %q, want once with %q", key, got, want)
				}
			}
			if got := s.requests("POST initialize"); len(got) != 1 || got[0] != " " {
				t.Errorf("initialize came with %q, want neither header", got)
			}
		})
	}
}

func TestHTTPWithoutSession(t *testing.T) {
	s := newLegacyServer()
	s.noID = true
	l := legacyHTTP(t, s, nil)
	s.on(&s.call, answerStatus(http.StatusNotFound))
	_, err := l.exchange(t.Context(), legacyCall(nil))
	wantError(t, err, KindProtocol, false, "HTTP 404")
	l.close()
	if n := len(s.deleted); n != 0 {
		t.Errorf("%d sessions deleted, there was none", n)
	}
}

func TestHTTPSessionLost(t *testing.T) {
	tests := map[string]struct {
		status int
		body   string
		lost   bool
	}{
		"404":            {404, "session not found", true},
		"404 TypeScript": {404, `{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"},"id":null}`, true},
		"400 TypeScript": {400, `{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: No valid session ID provided"},"id":null}`, true},
		"no such method": {404, `{"jsonrpc":"2.0","error":{"code":-32601,"message":"Method not found"},"id":2}`, false},
		"bad arguments":  {400, `{"jsonrpc":"2.0","error":{"code":-32602,"message":"session is no valid color"},"id":2}`, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := newLegacyServer()
			l := legacyHTTP(t, s, nil)
			s.on(&s.call, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, test.body)
			})
			env, err := l.exchange(t.Context(), legacyCall(nil))
			if !test.lost {
				if err != nil || env.Error == nil || l.cause() != nil {
					t.Fatalf("exchange = %v, %v; link %v", env, err, l.cause())
				}
				return
			}
			e := wantError(t, err, KindClosed, false, "no longer knows the session")
			if !errors.Is(e, errSessionLost) || !errors.Is(l.cause(), errSessionLost) {
				t.Errorf("cause %v, of the link %v", e.Err, l.cause())
			}
			receive(t, l.done())
			_, err = l.exchange(t.Context(), legacyCall(nil))
			if e := wantError(t, err, KindClosed, false, "is disconnected"); !errors.Is(e, errSessionLost) {
				t.Errorf("cause %v", e.Err)
			}
			l.close()
			if len(s.deleted) != 0 {
				t.Error("a lost session was deleted")
			}
		})
	}
}

func TestHTTPBadSessionID(t *testing.T) {
	for _, id := range []string{strings.Repeat("a", maxSessionID+1), "a b", "ä"} {
		srv := serveHTTP(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set(wire.HeaderSession, id)
			answerJSON(`{"jsonrpc":"2.0","id":ID,"result":{}}`)(w, r)
		}))
		l := httpTestLink(t, srv.URL, true, nil)
		_, err := l.exchange(t.Context(), &exchange{method: "initialize"})
		wantError(t, err, KindProtocol, true, "unusable session id")
	}
}

// In the legacy era a closed stream does not cancel: a notification does. What the server makes of it is its own business.
func TestHTTPCancelNotification(t *testing.T) {
	s := newLegacyServer()
	l := legacyHTTP(t, s, nil)
	started := make(chan struct{}, 1)
	s.on(&s.call, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		started <- struct{}{}
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-started
		cancel()
	}()
	_, err := l.exchange(ctx, legacyCall(nil))
	wantError(t, err, KindClosed, true, "caller went away")
	want := `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2,"reason":"the caller went away"}}`
	if got := receive(t, s.messages); got != want {
		t.Errorf("the server received %s\nwant %s", got, want)
	}
	if l.cause() != nil {
		t.Errorf("the link died: %v", l.cause())
	}
}

func TestHTTPAskInACall(t *testing.T) {
	s := newLegacyServer()
	l := legacyHTTP(t, s, nil)
	s.on(&s.call, func(w http.ResponseWriter, r *http.Request) {
		id := requestID(r)
		w.Header().Set("Content-Type", "text/event-stream")
		say := func(message string) {
			_, _ = fmt.Fprintf(w, "data: %s\n\n", message)
			_ = http.NewResponseController(w).Flush()
		}
		say(`{"jsonrpc":"2.0","id":"p","method":"ping"}`)
		if got, want := receive(t, s.messages), `{"jsonrpc":"2.0","id":"p","result":{}}`; got != want {
			t.Errorf("pong %s, want %s", got, want)
		}
		say(`{"jsonrpc":"2.0","id":90071992547409931,"method":"elicitation/create","params":{"message":"sure?"}}`)
		say(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}`)
		say(`{"jsonrpc":"2.0","id":` + id + `,"result":` + receive(t, s.messages) + `}`)
	})
	var asked string
	heard := make(chan struct{})
	peer := &askPeer{notify: func() { close(heard) }, ask: func(_ context.Context, method string, params []byte) ([]byte, *wire.Error) {
		asked = method + string(params)
		receive(t, heard) // the stream flows on while the user thinks
		return []byte(`{"action":"accept"}`), nil
	}}
	env, err := l.exchange(t.Context(), legacyCall(peer))
	if err != nil {
		t.Fatal(err)
	}
	if want := `elicitation/create{"message":"sure?"}`; asked != want {
		t.Errorf("asked %s, want %s", asked, want)
	}
	if want := `{"jsonrpc":"2.0","id":90071992547409931,"result":{"action":"accept"}}`; string(env.Result) != want {
		t.Errorf("the server was answered %s, want %s", env.Result, want)
	}
}

type askPeer struct {
	notify func()
	ask    func(context.Context, string, []byte) ([]byte, *wire.Error)
}

func (p *askPeer) Notify(string, []byte) { p.notify() }
func (p *askPeer) Ask(ctx context.Context, method string, params []byte) ([]byte, *wire.Error) {
	return p.ask(ctx, method, params)
}

func TestHTTPAskWithoutPeer(t *testing.T) {
	s := newLegacyServer()
	l := legacyHTTP(t, s, nil)
	s.on(&s.call, func(w http.ResponseWriter, r *http.Request) {
		answerHeader(w, 200, "Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, `data: {"jsonrpc":"2.0","id":5,"method":"roots/list"}`+"\n\n")
		_ = http.NewResponseController(w).Flush()
		if got := receive(t, s.messages); !strings.Contains(got, `"id":5,"error":{"code":-32601,`) {
			t.Errorf("the server was answered %s", got)
		}
		answerEvents("data: {\"jsonrpc\":\"2.0\",\"id\":ID,\"result\":{}}\n\n")(w, r)
	})
	if _, err := l.exchange(t.Context(), legacyCall(nil)); err != nil {
		t.Fatal(err)
	}
}

// What a peer is asked ends with the call, and with the server's own cancellation; neither is answered.
func TestHTTPAskEnds(t *testing.T) {
	const ask = `data: {"jsonrpc":"2.0","id":5,"method":"elicitation/create","params":{}}` + "\n\n"
	const end = `data: {"jsonrpc":"2.0","id":ID,"result":{}}` + "\n\n"
	const taken = `data: {"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":5}}` + "\n\n"
	for name, stream := range map[string]string{"call over": ask + end, "taken back": ask + taken + end} {
		t.Run(name, func(t *testing.T) {
			s := newLegacyServer()
			l := legacyHTTP(t, s, nil)
			s.on(&s.call, answerEvents(stream))
			ended := make(chan struct{}, 1)
			peer := &askPeer{ask: func(ctx context.Context, _ string, _ []byte) ([]byte, *wire.Error) {
				<-ctx.Done()
				ended <- struct{}{}
				return []byte(`{}`), nil
			}}
			if _, err := l.exchange(t.Context(), legacyCall(peer)); err != nil {
				t.Fatal(err)
			}
			select {
			case <-ended:
			default:
				t.Error("the peer was still asked after the call")
			}
			l.close()
			if len(s.messages) != 0 {
				t.Errorf("the server was answered %s", <-s.messages)
			}
		})
	}
}

func TestHTTPBatch(t *testing.T) {
	s := newLegacyServer()
	s.rev = wire.R20250326
	l := legacyHTTP(t, s, nil)
	s.on(&s.call, answerJSON(`[{"jsonrpc":"2.0","method":"notifications/message","params":{"data":1}},{"jsonrpc":"2.0","id":ID,"result":{"ok":1}}]`))
	var peer recorder
	env, err := l.exchange(t.Context(), legacyCall(&peer))
	if err != nil || string(env.Result) != `{"ok":1}` || len(peer.heard()) != 1 {
		t.Fatalf("exchange = %v, %v; heard %q", env, err, peer.heard())
	}
}
