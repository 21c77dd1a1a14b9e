// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"tollgate/upstream/wire"
)

// sdkServer is a server made of go-sdk with tools that use every part of a transport.
func sdkServer(cancelled chan<- struct{}) *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "sdk", Version: "1"}, nil)
	tool := func(name string, f func(ctx context.Context, r *mcp.CallToolRequest) (string, error)) {
		s.AddTool(&mcp.Tool{Name: name, InputSchema: json.RawMessage(`{"type":"object"}`)},
			func(ctx context.Context, r *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
				text, err := f(ctx, r)
				if err != nil {
					return nil, err
				}
				return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}, nil
			})
	}
	tool("echo", func(_ context.Context, r *mcp.CallToolRequest) (string, error) {
		return string(r.Params.Arguments), nil
	})
	tool("progress", func(ctx context.Context, r *mcp.CallToolRequest) (string, error) {
		for i := range 5 {
			params := &mcp.ProgressNotificationParams{ProgressToken: r.Params.GetProgressToken(), Progress: float64(i)}
			if err := r.Session.NotifyProgress(ctx, params); err != nil {
				return "", err
			}
		}
		return "done", nil
	})
	tool("ask", func(ctx context.Context, r *mcp.CallToolRequest) (string, error) {
		answer, err := r.Session.Elicit(ctx, &mcp.ElicitParams{Message: "sure?", RequestedSchema: json.RawMessage(`{"type":"object","properties":{}}`)})
		if err != nil {
			return "", err
		}
		return answer.Action, nil
	})
	tool("hang", func(ctx context.Context, r *mcp.CallToolRequest) (string, error) {
		params := &mcp.ProgressNotificationParams{ProgressToken: r.Params.GetProgressToken()}
		if err := r.Session.NotifyProgress(ctx, params); err != nil {
			return "", err
		}
		<-ctx.Done()
		cancelled <- struct{}{}
		return "", ctx.Err()
	})
	tool("cut", func(ctx context.Context, r *mcp.CallToolRequest) (string, error) {
		r.Extra.CloseSSEStream(mcp.CloseSSEStreamArgs{RetryAfter: 30 * time.Millisecond})
		return "resumed", r.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{ProgressToken: r.Params.GetProgressToken()})
	})
	return s
}

// sdkCall calls a tool in the era of l with a progress token.
func sdkCall(l link, name string, peer Peer) *exchange {
	meta := `"_meta":{"progressToken":"t"}`
	x := &exchange{method: "tools/call", rev: wire.R20251125, peer: peer, progressToken: []byte(`"t"`)}
	if h, ok := l.(*httpLink); ok && !h.legacy {
		meta = strings.TrimSuffix(modernMeta, "}") + `,"progressToken":"t"}`
		x.rev = wire.R20260728
	}
	x.params = fmt.Appendf(nil, `{"name":%q,"arguments":{"n":9007199254740993},%s}`, name, meta)
	return x
}

// wantText checks the result of a tool.
func wantText(t *testing.T, env *wire.Envelope, err error, want string) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	content, _ := wire.Lookup(env.Result, "content")
	for first := range wire.Elements(content) {
		raw, _ := wire.Lookup(first, "text")
		if text, _ := wire.String(raw); text == want {
			return
		}
	}
	t.Fatalf("answer %s, want the text %q", env.Raw, want)
}

// callTools checks what all transports must do with the tools of sdkServer.
func callTools(t *testing.T, l link, cancelled <-chan struct{}) {
	t.Helper()
	env, err := l.exchange(t.Context(), sdkCall(l, "echo", nil))
	wantText(t, env, err, `{"n":9007199254740993}`)

	var peer recorder
	env, err = l.exchange(t.Context(), sdkCall(l, "progress", &peer))
	wantText(t, env, err, "done")
	heard := peer.heard()
	if len(heard) != 5 {
		t.Fatalf("%d notifications before the response, want 5: %q", len(heard), heard)
	}
	for i, note := range heard {
		if i > 0 && !strings.Contains(note, fmt.Sprintf(`"progress":%d`, i)) {
			t.Errorf("notification %d is %s", i, note)
		}
	}

	ctx, cancel := context.WithCancel(t.Context())
	_, err = l.exchange(ctx, sdkCall(l, "hang", &askPeer{notify: cancel}))
	wantError(t, err, KindClosed, true, "caller went away")
	receive(t, cancelled)

	env, err = l.exchange(t.Context(), sdkCall(l, "missing", nil))
	if err != nil || env.Error == nil {
		t.Errorf("a missing tool: %v, %v", env, err)
	}
	if l.cause() != nil {
		t.Errorf("the link died: %v", l.cause())
	}
}

func yes(context.Context, string, []byte) ([]byte, *wire.Error) {
	return []byte(`{"action":"accept","content":{}}`), nil
}

func sdkHTTP(s *mcp.Server, opts *mcp.StreamableHTTPOptions) http.Handler {
	return mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return s }, opts)
}

func TestSDKModern(t *testing.T) {
	cancelled := make(chan struct{}, 1)
	s := sdkServer(cancelled)
	srv := serveHTTP(t, sdkHTTP(s, &mcp.StreamableHTTPOptions{Stateless: true, PropagateRequestCancellation: true}))
	l := httpTestLink(t, srv.URL, false, nil)
	x := &exchange{method: "server/discover", rev: wire.R20260728, params: []byte(`{` + modernMeta + `}`)}
	env, err := l.exchange(t.Context(), x)
	if err != nil || env.Error != nil || !strings.Contains(string(env.Result), "2026-07-28") {
		t.Fatalf("server/discover: %v, %v", env, err)
	}
	callTools(t, l, cancelled)

	x = &exchange{method: "no/such", rev: wire.R20260728, params: []byte(`{` + modernMeta + `}`)}
	env, err = l.exchange(t.Context(), x)
	if err != nil || env.Error == nil || x.status != http.StatusNotFound {
		t.Fatalf("no/such: %v, %v, status %d", env, err, x.status)
	}
	if code := wire.ParseError(env.Error).Code; code != wire.CodeMethodNotFound {
		t.Errorf("no/such: code %d", code)
	}
}

func TestSDKListen(t *testing.T) {
	s := sdkServer(nil)
	srv := serveHTTP(t, sdkHTTP(s, &mcp.StreamableHTTPOptions{Stateless: true}))
	l := httpTestLink(t, srv.URL, false, nil)
	notes := make(chan string, 10)
	peer := &notePeer{notes}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := l.exchange(ctx, &exchange{method: "subscriptions/listen", rev: wire.R20260728, peer: peer, stream: true,
			params: []byte(`{"notifications":{"toolsListChanged":true},` + modernMeta + `}`)})
		done <- err
	}()
	if got := receive(t, notes); got != "notifications/subscriptions/acknowledged" {
		t.Fatalf("first notification %s", got)
	}
	for range 2 {
		s.AddTool(&mcp.Tool{Name: "new", InputSchema: json.RawMessage(`{"type":"object"}`)}, nil)
		if got := receive(t, notes); got != "notifications/tools/list_changed" {
			t.Fatalf("notification %s", got)
		}
	}
	cancel()
	wantError(t, receive(t, done), KindClosed, true, "was told to stop subscriptions/listen")
}

type notePeer struct{ notes chan<- string }

func (p *notePeer) Notify(method string, _ []byte) { p.notes <- method }
func (*notePeer) Ask(context.Context, string, []byte) ([]byte, *wire.Error) {
	return nil, &wire.Error{Code: wire.CodeInternal}
}

func TestSDKLegacy(t *testing.T) {
	cancelled := make(chan struct{}, 1)
	s := sdkServer(cancelled)
	srv := serveHTTP(t, sdkHTTP(s, &mcp.StreamableHTTPOptions{EventStore: mcp.NewMemoryEventStore(nil)}))
	notes := make(chan string, 1000)
	l := httpTestLink(t, srv.URL, true, func(_ *Config, o *linkOptions) {
		o.onNotify = func(method string, _ []byte) { notes <- method }
	})
	handshake(t, l, wire.R20251125)
	callTools(t, l, cancelled)

	env, err := l.exchange(t.Context(), sdkCall(l, "ask", &recorder{ask: yes}))
	wantText(t, env, err, "accept")

	var peer recorder
	env, err = l.exchange(t.Context(), sdkCall(l, "cut", &peer))
	wantText(t, env, err, "resumed")
	if n := len(peer.heard()); n != 1 {
		t.Errorf("%d notifications on the resumed stream, want 1", n)
	}

	changed := func() bool { // not before the stream is there
		s.AddTool(&mcp.Tool{Name: "new", InputSchema: json.RawMessage(`{"type":"object"}`)}, nil)
		select {
		case got := <-notes:
			return got == "notifications/tools/list_changed"
		default:
			return false
		}
	}
	if !eventually(changed) {
		t.Error("the standalone stream brought nothing")
	}
	if n := count(s.Sessions()); n != 1 {
		t.Fatalf("%d sessions", n)
	}
	l.close()
	if !eventually(func() bool { return count(s.Sessions()) == 0 }) {
		t.Error("the session is still there after close")
	}
}

// In JSON mode the server's own messages come on the standalone stream.
func TestSDKLegacyJSON(t *testing.T) {
	srv := serveHTTP(t, sdkHTTP(sdkServer(nil), &mcp.StreamableHTTPOptions{JSONResponse: true}))
	l := httpTestLink(t, srv.URL, true, nil)
	handshake(t, l, wire.R20250618)
	env, err := l.exchange(t.Context(), sdkCall(l, "echo", nil))
	wantText(t, env, err, `{"n":9007199254740993}`)
	accepted := func() bool { // not before the stream is there
		env, err = l.exchange(t.Context(), sdkCall(l, "ask", &recorder{ask: yes}))
		return err != nil || env.Error == nil
	}
	if !eventually(accepted) {
		t.Error("the server could not ask")
	}
	wantText(t, env, err, "accept")
}

// A server that was restarted knows no session; a new link does.
func TestSDKRestart(t *testing.T) {
	var handler atomic.Value
	restart := func() {
		s := sdkServer(nil)
		handler.Store(sdkHTTP(s, nil))
		t.Cleanup(func() {
			for session := range s.Sessions() {
				_ = session.Close()
			}
		})
	}
	restart()
	srv := serveHTTP(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.Load().(http.Handler).ServeHTTP(w, r)
	}))
	l := httpTestLink(t, srv.URL, true, nil)
	handshake(t, l, wire.R20251125)
	restart()
	_, err := l.exchange(t.Context(), sdkCall(l, "echo", nil))
	// Who hears of it first, the call or the standalone stream, is a matter of luck.
	if e := wantError(t, err, KindClosed, false, ""); !errors.Is(e, errSessionLost) {
		t.Errorf("cause %v", e.Err)
	}
	receive(t, l.done())
	again := httpTestLink(t, srv.URL, true, nil)
	handshake(t, again, wire.R20251125)
	env, err := again.exchange(t.Context(), sdkCall(again, "echo", nil))
	wantText(t, env, err, `{"n":9007199254740993}`)
}

func count[T any](seq iter.Seq[T]) (n int) {
	for range seq {
		n++
	}
	return n
}
