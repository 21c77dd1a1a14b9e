// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"tollgate/upstream/wire"
)

// sseServer is a server of 2024-11-05 that a test plays.
type sseServer struct {
	endpoint string           // first event; "" = none
	send     chan string      // data of the messages on the stream
	cut      chan struct{}    // ends the stream when closed
	posts    chan string      // bodies posted
	post     http.HandlerFunc // what they are answered; nil = 202
}

func newSSEServer() *sseServer {
	return &sseServer{endpoint: "/messages?session=1", send: make(chan string), cut: make(chan struct{}), posts: make(chan string, 100)}
}

func (s *sseServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		body, _ := io.ReadAll(r.Body)
		s.posts <- r.URL.RequestURI() + " " + string(body)
		if s.post != nil {
			r.Body = io.NopCloser(strings.NewReader(string(body)))
			s.post(w, r)
			return
		}
		w.WriteHeader(http.StatusAccepted)
		return
	}
	answerHeader(w, 200, "Content-Type", "text/event-stream")
	if s.endpoint != "" {
		_, _ = fmt.Fprintf(w, ": hello\n\nevent: endpoint\ndata: %s\n\n", s.endpoint)
	}
	for {
		_ = http.NewResponseController(w).Flush()
		select {
		case m := <-s.send:
			_, _ = fmt.Fprintf(w, "event: message\ndata: %s\n\n", m)
		case <-s.cut:
			return
		case <-r.Context().Done():
			return
		}
	}
}

func openSSE(t *testing.T, handler http.Handler, adjust func(*linkOptions)) (link, error) {
	t.Helper()
	cfg := &Config{Name: "demo", URL: serveHTTP(t, handler).URL + "/sse"}
	o := testOptions(cfg)
	if adjust != nil {
		adjust(o)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	l, err := dialSSE(ctx, cfg, o)
	if err == nil {
		t.Cleanup(l.close)
	}
	return l, err
}

func sseTestLink(t *testing.T, handler http.Handler, adjust func(*linkOptions)) link {
	t.Helper()
	l, err := openSSE(t, handler, adjust)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestSDKSSE(t *testing.T) {
	cancelled := make(chan struct{}, 1)
	s := sdkServer(cancelled)
	l := sseTestLink(t, mcp.NewSSEHandler(func(*http.Request) *mcp.Server { return s }, nil), nil)
	handshake(t, l, wire.R20241105)
	callTools(t, l, cancelled)
	env, err := l.exchange(t.Context(), sdkCall(l, "ask", &recorder{ask: yes}))
	wantText(t, env, err, "accept")
	l.close()
	if !eventually(func() bool { return count(s.Sessions()) == 0 }) {
		t.Error("the session is still there after close")
	}
}

func TestSSERouting(t *testing.T) {
	s := newSSEServer()
	notes := make(chan string, 10)
	asks := make(chan string, 10)
	l := sseTestLink(t, s, func(o *linkOptions) {
		o.onNotify = func(method string, params []byte) { notes <- method + string(params) }
		o.onAsk = func(_ context.Context, method string, _ []byte) ([]byte, *wire.Error) {
			asks <- method
			return []byte(`{"roots":[]}`), nil
		}
	})
	var a, b recorder
	first := begin(t.Context(), l, &exchange{method: "tools/call", peer: &a, progressToken: []byte("7")})
	if got, want := receive(t, s.posts), `/messages?session=1 {"jsonrpc":"2.0","id":1,"method":"tools/call"}`; got != want {
		t.Fatalf("posted %s, want %s", got, want)
	}
	second := begin(t.Context(), l, &exchange{method: "tools/call", peer: &b, progressToken: []byte("8")})
	receive(t, s.posts)
	for _, m := range []string{
		`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":8,"progress":1}}`,
		`{"jsonrpc":"2.0","method":"notifications/message","params":{"data":1}}`,
		`{"jsonrpc":"2.0","id":99,"result":{}}`, `{garbage`, `{"jsonrpc":"2.0","id":"r","method":"roots/list"}`,
		`{"jsonrpc":"2.0","id":2,"result":{"b":1}}`, `{"jsonrpc":"2.0","id":2,"result":{"b":2}}`,
	} {
		s.send <- m
	}
	if got := result(t, second); got != `{"b":1}` {
		t.Errorf("second call: %s", got)
	}
	if got := receive(t, notes); got != `notifications/message{"data":1}` {
		t.Errorf("onNotify got %s", got)
	}
	if got := receive(t, asks); got != "roots/list" {
		t.Errorf("onAsk got %s", got)
	}
	if got, want := receive(t, s.posts), `/messages?session=1 {"jsonrpc":"2.0","id":"r","result":{"roots":[]}}`; got != want {
		t.Errorf("posted %s, want %s", got, want)
	}
	s.send <- `{"jsonrpc":"2.0","method":"notifications/message","params":{"data":2}}`
	s.send <- `{"jsonrpc":"2.0","id":1,"result":{"a":1}}`
	if got := result(t, first); got != `{"a":1}` {
		t.Errorf("first call: %s", got)
	}
	if a, b := a.heard(), b.heard(); len(a) != 1 || a[0] != `message {"data":2}` || len(b) != 1 || !strings.HasPrefix(b[0], "progress ") {
		t.Errorf("the peers heard %q and %q", a, b)
	}
}

func TestSSEDialFailures(t *testing.T) {
	tests := map[string]struct {
		handler http.Handler
		kind    ErrorKind
		text    string
	}{
		"no such thing":    {http.NotFoundHandler(), KindProtocol, "HTTP 404"},
		"no stream":        {answerStatus(200), KindProtocol, "offers no event stream"},
		"401":              {answerStatus(401), KindAuth, "HTTP 401"},
		"ends at once":     {answerEvents(": bye\n\n"), KindProtocol, "named no endpoint"},
		"other origin":     {&sseServer{endpoint: "http://127.0.0.1:1/messages"}, KindProtocol, "not at its own origin"},
		"other scheme":     {&sseServer{endpoint: "file:///etc/passwd"}, KindProtocol, "not at its own origin"},
		"protocol-less":    {&sseServer{endpoint: "//evil.example/messages"}, KindProtocol, "not at its own origin"},
		"unparsable":       {&sseServer{endpoint: "http://%zz/"}, KindProtocol, "not at its own origin"},
		"endless endpoint": {answerEvents("event: endpoint\ndata: " + strings.Repeat("a", 2<<20)), KindProtocol, "named no endpoint"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := openSSE(t, test.handler, func(o *linkOptions) { o.maxReply = testReplyLimit })
			wantError(t, err, test.kind, false, test.text)
		})
	}
}

// The time to dial is bounded, the life of the link is not.
func TestSSEDialContext(t *testing.T) {
	s := newSSEServer()
	s.endpoint = ""
	cfg := &Config{Name: "demo", URL: serveHTTP(t, s).URL}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	_, err := dialSSE(ctx, cfg, testOptions(cfg))
	wantError(t, err, KindTimeout, false, "event stream in time")
}

func TestSSEStreamLoss(t *testing.T) {
	s := newSSEServer()
	l := sseTestLink(t, s, nil)
	call := begin(t.Context(), l, &exchange{method: "tools/call"})
	receive(t, s.posts)
	close(s.cut)
	o := receive(t, call)
	wantError(t, o.err, KindClosed, true, "ended its event stream during tools/call")
	receive(t, l.done())
	_, err := l.exchange(t.Context(), &exchange{method: "tools/call"})
	wantError(t, err, KindClosed, false, "is disconnected")
	wantError(t, l.notify(t.Context(), "notifications/x", nil), KindClosed, false, "is disconnected")
}

func TestSSELargeMessage(t *testing.T) {
	s := newSSEServer()
	l := sseTestLink(t, s, func(o *linkOptions) { o.maxReply = testReplyLimit })
	small := begin(t.Context(), l, &exchange{method: "tools/call", maxReply: 30})
	receive(t, s.posts)
	s.send <- `{"jsonrpc":"2.0","id":1,"result":{"x":"0123456789"}}`
	wantError(t, receive(t, small).err, KindTooLarge, true, "more than 30 bytes")
	call := begin(t.Context(), l, &exchange{method: "tools/call"})
	receive(t, s.posts)
	s.send <- `{"jsonrpc":"2.0","id":2,"result":{"x":"` + strings.Repeat("a", 2<<20) + `"}}`
	wantError(t, receive(t, call).err, KindTooLarge, true, "sent a message of more than 1048576 bytes during tools/call")
}

func TestSSERefusedPosts(t *testing.T) {
	s := newSSEServer()
	s.post = answerStatus(http.StatusForbidden)
	l := sseTestLink(t, s, nil)
	_, err := l.exchange(t.Context(), &exchange{method: "tools/call"})
	wantError(t, err, KindAuth, false, "HTTP 403")
	wantError(t, l.notify(t.Context(), "notifications/x", nil), KindAuth, false, "HTTP 403")
	if l.cause() != nil {
		t.Errorf("the link died: %v", l.cause())
	}

	s = newSSEServer()
	s.post = answerStatus(http.StatusNotFound)
	l = sseTestLink(t, s, nil)
	_, err = l.exchange(t.Context(), &exchange{method: "tools/call"})
	if e := wantError(t, err, KindClosed, false, "no longer knows the session"); !errors.Is(e, errSessionLost) {
		t.Errorf("cause %v", e.Err)
	}
	receive(t, l.done())
}

// A server may answer the POST only when it is done, or say nothing to it at all: the stream counts.
func TestSSESlowPosts(t *testing.T) {
	s := newSSEServer()
	s.post = func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(requestID(r), "1") {
			s.send <- `{"jsonrpc":"2.0","id":1,"result":{}}`
		}
		<-r.Context().Done()
	}
	l := sseTestLink(t, s, nil)
	if _, err := l.exchange(t.Context(), &exchange{method: "tools/call"}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	call := begin(ctx, l, &exchange{method: "tools/call"})
	receive(t, s.posts)
	receive(t, s.posts)
	cancel()
	wantError(t, receive(t, call).err, KindClosed, true, "caller went away")
	want := `/messages?session=1 {"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2,"reason":"the caller went away"}}`
	if got := receive(t, s.posts); got != want {
		t.Errorf("posted %s, want %s", got, want)
	}
}
