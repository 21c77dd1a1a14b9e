// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"tollgate/upstream/wire"
)

// httpServer is a server that knows its open connections.
type httpServer struct {
	*httptest.Server
	mu   sync.Mutex // guards open
	open map[net.Conn]bool
}

// serveHTTP starts a server whose end checks that the links to it, closed before, left no connection.
func serveHTTP(t *testing.T, handler http.Handler) *httpServer {
	t.Helper()
	s := &httpServer{Server: httptest.NewUnstartedServer(handler), open: map[net.Conn]bool{}}
	s.Config.ConnState = func(c net.Conn, state http.ConnState) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if state == http.StateClosed || state == http.StateHijacked {
			delete(s.open, c)
		} else {
			s.open[c] = true
		}
	}
	s.Start()
	t.Cleanup(func() {
		if !eventually(func() bool { return s.connections() == 0 }) {
			t.Errorf("%d connections left after close", s.connections())
		}
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

func (s *httpServer) connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open)
}

// eventually polls until ok or five seconds are over.
func eventually(ok func() bool) bool {
	// go-sdk waits 10 ms for further changes before it announces one: polling must leave it that pause.
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); <-tick.C {
		if ok() {
			return true
		}
	}
	return ok()
}

// httpTestLink opens a link to url; adjust may be nil. It must be called after the server was started.
func httpTestLink(t *testing.T, url string, legacy bool, adjust func(*Config, *linkOptions)) *httpLink {
	t.Helper()
	cfg := &Config{Name: "demo", URL: url}
	o := testOptions(cfg)
	if adjust != nil {
		adjust(cfg, o)
	}
	l, err := newHTTPLink(cfg, o, legacy)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.close)
	return l
}

// modernHTTP opens a modern link to a server that runs handler.
func modernHTTP(t *testing.T, handler http.HandlerFunc) *httpLink {
	t.Helper()
	return httpTestLink(t, serveHTTP(t, handler).URL, false, nil)
}

const modernMeta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",` +
	`"io.modelcontextprotocol/clientInfo":{"name":"t","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}`

// toolCall is a modern tools/call.
func toolCall(name string, peer Peer) *exchange {
	return &exchange{
		method: "tools/call", rev: wire.R20260728, peer: peer,
		params: fmt.Appendf(nil, `{"name":%q,"arguments":{},%s}`, name, modernMeta),
	}
}

// answerJSON answers every request with status 200 and body, in which ID stands for its id.
func answerJSON(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, strings.ReplaceAll(body, "ID", requestID(r)))
	}
}

// answerEvents answers every request with a stream of events.
func answerEvents(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, strings.ReplaceAll(body, "ID", requestID(r)))
	}
}

func requestID(r *http.Request) string {
	body, _ := io.ReadAll(r.Body)
	id, _ := wire.Lookup(body, "id")
	return string(id)
}

func TestHTTPRequest(t *testing.T) {
	var got *http.Request
	var body []byte
	srv := serveHTTP(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_, _ = io.WriteString(w, ` {"jsonrpc":"2.0","id":1,"result":{"big":9007199254740993, "x":null}} `)
	}))
	l := httpTestLink(t, srv.URL+"/mcp?tenant=a", false, func(c *Config, _ *linkOptions) {
		c.Headers = map[string]string{"Authorization": "Bearer up", "Host": "inner.example", "accept": "text/html", "Mcp-Name": "x"}
	})
	x := toolCall("grüße", nil)
	x.params = []byte(`{"name":"grüße","arguments":{"region":"eu","n":9007199254740993}}`)
	x.headers = []wire.ParamHeader{{Header: "Region", Path: []string{"region"}, Type: "string"}}
	env, err := l.exchange(t.Context(), x)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"big":9007199254740993, "x":null}`; string(env.Result) != want {
		t.Errorf("result %s, want %s", env.Result, want)
	}
	if !x.sent || x.status != 200 {
		t.Errorf("sent %v, status %d", x.sent, x.status)
	}
	wantBody := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":` + string(x.params) + `}`
	if string(body) != wantBody {
		t.Errorf("body %s\nwant %s", body, wantBody)
	}
	for name, want := range map[string]string{
		"Authorization": "Bearer up", "Content-Type": "application/json", "Accept": "application/json, text/event-stream",
		"Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": wire.EncodeHeaderValue("grüße"),
		"Mcp-Param-Region": "eu", "Mcp-Session-Id": "", "User-Agent": "tollgate",
	} {
		if got := got.Header.Get(name); got != want {
			t.Errorf("header %s: %q, want %q", name, got, want)
		}
	}
	if got.Host != "inner.example" || got.URL.RawQuery != "tenant=a" {
		t.Errorf("host %q, query %q", got.Host, got.URL.RawQuery)
	}
}

// wantError checks an error of a link: its kind, whether the request may have been executed, and a part of its text.
func wantError(t *testing.T, err error, kind ErrorKind, sent bool, text string) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v, want an *Error", err)
	}
	if e.Kind != kind || e.Sent != sent || !strings.Contains(e.Error(), text) || e.Upstream != "demo" {
		t.Fatalf("error %v (kind %s, sent %v, cause %v)\nwant kind %s, sent %v and the text %q", e, e.Kind, e.Sent, e.Err, kind, sent, text)
	}
	return e
}

func TestHTTPAnswers(t *testing.T) {
	const progress = `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}`
	const ok = `{"jsonrpc":"2.0","id":ID,"result":{"ok":1}}`
	tests := []struct {
		name    string
		handler http.HandlerFunc
		result  string // or error
		heard   int
	}{
		{"json", answerJSON(ok), `{"ok":1}`, 0},
		{"json error", answerJSON(`{"jsonrpc":"2.0","id":ID,"error":{"code":-32050,"message":"boom","data":{"a":1}}}`),
			`{"code":-32050,"message":"boom","data":{"a":1}}`, 0},
		{"json error without id", answerJSON(`{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"?"}}`),
			`{"code":-32700,"message":"?"}`, 0},
		{"events", answerEvents(": hi\n\ndata: " + ok + "\n\n"), `{"ok":1}`, 0},
		{"notification right before the response", answerEvents("data: " + progress + "\n\ndata: " + ok + "\n\n"), `{"ok":1}`, 1},
		{"many notifications", answerEvents(strings.Repeat("event: message\ndata: "+progress+"\n\n", 50) + "data: " + ok + "\n\n"), `{"ok":1}`, 50},
		{"two responses", answerEvents("data: " + ok + "\n\ndata: " + `{"jsonrpc":"2.0","id":ID,"result":{"ok":2}}` + "\n\n"), `{"ok":1}`, 0},
		{"foreign ids first", answerEvents(`data: {"jsonrpc":"2.0","id":99,"result":{}}` + "\n\n" +
			`data: {"jsonrpc":"2.0","id":"ID","result":{}}` + "\n\ndata: " + ok + "\n\n"), `{"ok":1}`, 0},
		{"other event names", answerEvents("event: ping\ndata: {nothing}\n\nevent: message\ndata: " + ok + "\n\n"), `{"ok":1}`, 0},
		{"data in several lines", answerEvents("data: {\"jsonrpc\":\"2.0\",\ndata: \"id\":ID,\"result\":{}}\n\n"), `{}`, 0},
		{"request of a modern server", answerEvents(`data: {"jsonrpc":"2.0","id":1,"method":"sampling/createMessage","params":{}}` +
			"\n\ndata: " + ok + "\n\n"), `{"ok":1}`, 0},
		{"error status with a body", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":"server-error","error":{"code":-32601,"message":"no"}}`)
		}, `{"code":-32601,"message":"no"}`, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := modernHTTP(t, test.handler)
			peer := &recorder{ask: func(context.Context, string, []byte) ([]byte, *wire.Error) {
				t.Error("a modern server got to ask")
				return nil, nil
			}}
			env, err := l.exchange(t.Context(), toolCall("a", peer))
			if err != nil {
				t.Fatal(err)
			}
			if got := string(env.Result) + string(env.Error); got != test.result {
				t.Errorf("answer %s, want %s", got, test.result)
			}
			if n := len(peer.heard()); n != test.heard {
				t.Errorf("%d notifications arrived before the response, want %d", n, test.heard)
			}
		})
	}
}

func answerStatus(status int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		if status != http.StatusNoContent && status != http.StatusNotModified {
			_, _ = io.WriteString(w, `<h1>secret</h1>`)
		}
	}
}

func TestHTTPFailures(t *testing.T) {
	tests := []struct {
		name    string
		handler http.HandlerFunc
		kind    ErrorKind
		sent    bool
		text    string
	}{
		{"200 with html", answerStatus(200, "Content-Type", "text/html"), KindProtocol, true, `answered tools/call with HTTP 200 and content of type "text/html"`},
		{"202", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(202) }, KindProtocol, true, "with HTTP 202 and no content"},
		{"204", answerStatus(204), KindProtocol, true, "with HTTP 204 and no content"},
		{"empty json", answerJSON(" "), KindProtocol, true, "with an empty body"},
		{"broken json", answerJSON(`{"jsonrpc":"2.0","id":1,"result":{`), KindProtocol, true, "malformed message"},
		{"foreign id", answerJSON(`{"jsonrpc":"2.0","id":77,"result":{}}`), KindProtocol, true, "something else than its response"},
		{"a notification only", answerJSON(`{"jsonrpc":"2.0","method":"notifications/progress","params":{}}`), KindProtocol, true, "something else than its response"},
		{"broken event", answerEvents("data: {oops\n\n"), KindProtocol, true, "malformed message"},
		{"stream without a response", answerEvents(": hi\n\n"), KindClosed, true, "closed the stream before it answered tools/call"},
		{"stream with an id, modern", answerEvents("id: 1\nretry: 1\ndata:\n\n"), KindClosed, true, "closed the stream"},
		{"401", answerStatus(401), KindAuth, false, "HTTP 401"},
		{"401 with a JSON-RPC error", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(401)
			_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"who?"}}`)
		}, KindAuth, false, "HTTP 401"},
		{"403", answerStatus(403), KindAuth, false, "HTTP 403"},
		{"404", answerStatus(404), KindProtocol, false, "answered tools/call with HTTP 404"},
		{"429", answerStatus(429, "Retry-After", "7"), KindUnavailable, false, "HTTP 429, to be tried again in 7s"},
		{"503", answerStatus(503), KindUnavailable, true, "HTTP 503; outcome unknown"},
		{"redirect to another origin", answerStatus(307, "Location", "http://other.invalid/mcp"), KindProtocol, false, "HTTP 307, a redirect that is not followed"},
		{"redirect loop", answerStatus(308, "Location", "/"), KindProtocol, false, "HTTP 308, a redirect"},
		{"connection cut", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, KindClosed, true, "broke the connection"},
		{"half an answer", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"jsonrpc":"2.0",`)
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, KindClosed, true, "broke the connection"},
		{"half an event", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, "data: {")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, KindClosed, true, "closed the stream"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := modernHTTP(t, test.handler)
			x := toolCall("a", nil)
			_, err := l.exchange(t.Context(), x)
			e := wantError(t, err, test.kind, test.sent, test.text)
			if strings.Contains(e.Error(), "secret") || strings.Contains(e.Error(), "127.0.0.1") || strings.Contains(e.Error(), "invalid") {
				t.Errorf("the error tells too much: %v", e)
			}
			if !x.sent {
				t.Error("exchange.sent is false though the server answered")
			}
		})
	}
}

func TestHTTPRetryAfter(t *testing.T) {
	l := modernHTTP(t, answerStatus(503, "Retry-After", "Tue, 24 Nov 2099 10:00:00 GMT"))
	_, err := l.exchange(t.Context(), toolCall("a", nil))
	var status *statusError
	if !errors.As(err, &status) || status.status != 503 || status.retryAfter != maxRetryAfter {
		t.Fatalf("cause %+v of %v", status, err)
	}
}

// A request that never left may be repeated; one that was written may have been executed.
func TestHTTPUnreachable(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	url := srv.URL
	srv.Close()
	l := httpTestLink(t, url, false, nil)
	x := toolCall("a", nil)
	_, err := l.exchange(t.Context(), x)
	wantError(t, err, KindUnavailable, false, "is not reachable")
	if x.sent {
		t.Error("exchange.sent is true")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = l.exchange(ctx, toolCall("a", nil))
	wantError(t, err, KindClosed, false, "caller went away")
	for _, url := range []string{"", "ftp://x/", "http://", "http://a b/", "/mcp"} {
		cfg := &Config{Name: "demo", URL: url}
		_, err := dialHTTP(cfg, testOptions(cfg), false)
		wantError(t, err, KindUnavailable, false, "has no usable url")
	}
}

func TestHTTPRedirectWithinOrigin(t *testing.T) {
	l := modernHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			t.Errorf("the server got a %s", r.Method)
		}
		if r.URL.Path != "/new" {
			http.Redirect(w, r, "/new", http.StatusPermanentRedirect)
			return
		}
		answerJSON(`{"jsonrpc":"2.0","id":ID,"result":{}}`)(w, r)
	})
	if _, err := l.exchange(t.Context(), toolCall("a", nil)); err != nil {
		t.Fatal(err)
	}
	l = modernHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			t.Errorf("the server got a %s", r.Method)
		}
		http.Redirect(w, r, "/new", http.StatusSeeOther)
	})
	_, err := l.exchange(t.Context(), toolCall("a", nil))
	wantError(t, err, KindProtocol, false, "HTTP 303, a redirect")
}
