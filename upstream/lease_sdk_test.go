// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"tollgate/upstream/wire"
)

// A go-sdk server asks in the middle of calls, over each transport of its legacy half, and each question reaches its caller.
func TestLeasesOnRealServer(t *testing.T) {
	srv := sdkServer(make(chan struct{}, 1))
	tests := []struct {
		name     string
		config   func(t *testing.T) Config
		sessions int // that three calls of two owners at once need
	}{
		{"in process", func(*testing.T) Config { return Config{InProcess: inProcess(srv)} }, 3},
		{"http", func(t *testing.T) Config {
			return Config{URL: serveHTTP(t, sdkHTTP(srv, nil)).URL}
		}, 2},
		{"sse", func(t *testing.T) Config {
			handler := mcp.NewSSEHandler(func(*http.Request) *mcp.Server { return srv }, nil)
			return Config{URL: serveHTTP(t, handler).URL, Transport: "sse"}
		}, 3},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			cfg := test.config(t)
			cfg.Name, cfg.Era = "demo", "legacy"
			s := run(t, nil, cfg)
			var together sync.WaitGroup // all three are asked before one is answered
			together.Add(3)
			answering := func(action string) *recorder {
				return &recorder{ask: func(context.Context, string, []byte) ([]byte, *wire.Error) {
					together.Done()
					together.Wait()
					return fmt.Appendf(nil, `{"action":%q,"content":{}}`, action), nil
				}}
			}
			calls := map[string]<-chan string{}
			for _, c := range []struct{ owner, action string }{{"ann", "accept"}, {"ann", "decline"}, {"bob", "cancel"}} {
				calls[c.action] = later(t.Context(), s, "ask", c.owner, `{"elicitation":{"form":{}}}`, answering(c.action))
			}
			for action, c := range calls {
				if got := receive(t, c); !strings.Contains(got, `"text":"`+action+`"`) {
					t.Errorf("the call answered with %s got %s", action, got)
				}
			}
			sessions(t, s, test.sessions)
			if got := use(t.Context(), s, "ask", "ann", "", answering("accept")); !strings.Contains(got, "does not support") {
				t.Errorf("a client without elicitation was asked: %s", got)
			}
		})
	}
}

// A server over HTTP that forgets the session of one owner costs that owner a handshake and nobody else anything.
func TestLeasedSessionIsForgotten(t *testing.T) {
	srv := sdkServer(nil)
	t.Cleanup(func() { // nobody ends a session that was forgotten
		for ss := range srv.Sessions() {
			ss.Close()
		}
	})
	var mu sync.Mutex // guards the maps
	forgotten, initialized := map[string]bool{}, 0
	handler := sdkHTTP(srv, nil)
	var latest string
	site := serveHTTP(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get(wire.HeaderSession)
		mu.Lock()
		switch {
		case id == "":
			initialized++
		case r.Method == http.MethodPost:
			latest = id
		}
		lost := forgotten[id]
		mu.Unlock()
		if lost {
			http.Error(w, "session not found", http.StatusNotFound)
			return
		}
		handler.ServeHTTP(w, r)
	}))
	s := run(t, nil, Config{Name: "demo", URL: site.URL, Era: "legacy"})
	for range 2 {
		use(t.Context(), s, "echo", "bob", "", nil)
		if got := use(t.Context(), s, "echo", "ann", "", nil); !strings.Contains(got, "content") {
			t.Fatal(got)
		}
		mu.Lock()
		forgotten[latest] = true
		mu.Unlock()
	}
	mu.Lock()
	defer mu.Unlock()
	if initialized != 4 { // the shared one, bob's, and ann's two
		t.Errorf("%d handshakes, want 4", initialized)
	}
	if st := state(t, s, "demo", Ready); st.Restarts != 0 {
		t.Errorf("the shared session was opened %d times more", st.Restarts)
	}
}
