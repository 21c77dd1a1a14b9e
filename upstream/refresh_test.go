// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"tollgate/upstream/wire"
)

const toolsChanged = "notifications/tools/list_changed"

// listening keeps the listen requests that a scripted server got, newest last.
type listening struct {
	mu   sync.Mutex // guards all
	reqs []*wire.Envelope
	on   []*scriptedConn
}

func (l *listening) answer(c *scriptedConn, e *wire.Envelope) {
	l.mu.Lock()
	l.reqs, l.on = append(l.reqs, e), append(l.on, c)
	l.mu.Unlock()
	c.usual(e)
}

// notify notifies on the newest stream.
func (l *listening) notify(method, params string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.reqs) - 1
	l.on[n].notifyOn(l.reqs[n], method, params)
}

// end ends the newest stream gracefully.
func (l *listening) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.reqs) - 1
	l.on[n].reply(l.reqs[n], `{"resultType":"complete"}`)
}

// Fault 17: a storm of notifications costs at most one refresh per second, and the last change is never missed.
func TestStorm(t *testing.T) {
	for _, era := range []string{"legacy", "modern"} {
		t.Run(era, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var l listening
				var version atomic.Int32
				srv := &scripted{era: era, caps: `{"tools":{"listChanged":true}}`}
				srv.on = on("subscriptions/listen", l.answer)
				srv.on["tools/list"] = func(c *scriptedConn, e *wire.Envelope) {
					c.reply(e, page("", fmt.Sprint("v", version.Load())))
				}
				var announced atomic.Int32
				s := run(t, &Options{OnCatalog: func() { announced.Add(1) }}, srv.config("demo"))
				synctest.Wait()
				before, told := srv.count("tools/list"), announced.Load()
				for range 1000 {
					version.Add(1)
					if era == "modern" {
						l.notify(toolsChanged, `{}`)
					} else {
						srv.last().notify(toolsChanged, `{}`)
					}
					<-time.After(5 * time.Millisecond)
				}
				elapse(2 * time.Second)
				if n := srv.count("tools/list") - before; n < 5 || n > 7 {
					t.Errorf("%d refreshes in 5 s of storm, want one per second", n)
				}
				if n := announced.Load() - told; n > 7 {
					t.Errorf("the catalog changed %d times", n)
				}
				if got := names(s); got[0] != "v1000" {
					t.Errorf("tools = %v, want the last version", got)
				}
			})
		})
	}
}

// One change shows soon, and only the list that changed is read again.
func TestListChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l listening
		srv := &scripted{caps: `{"tools":{"listChanged":true},"prompts":{}}`, on: on("subscriptions/listen", l.answer)}
		srv.on["prompts/list"] = func(c *scriptedConn, e *wire.Envelope) { c.reply(e, `{"prompts":[{"name":"p"}]}`) }
		s := run(t, nil, srv.config("demo"))
		elapse(time.Minute)
		prompts := srv.count("prompts/list")
		if got := srv.params("subscriptions/listen"); !strings.HasPrefix(got, `{"notifications":{"toolsListChanged":true},`) {
			t.Errorf("listens with %s, want what the upstream declares", got)
		}
		srv.on["tools/list"] = pages(func(string, bool) string { return page("", "new") })
		l.notify(toolsChanged, `{}`)
		elapse(refreshDebounce + time.Millisecond)
		if diff := cmp.Diff([]string{"new"}, names(s)); diff != "" {
			t.Errorf("tools (-want +got):\n%s", diff)
		}
		if snap := s.Snapshots()[0]; len(snap.Prompts) != 1 || srv.count("prompts/list") != prompts {
			t.Errorf("%d prompts after %d readings, want the ones read before", len(snap.Prompts), srv.count("prompts/list"))
		}
	})
}

// A stream that drops is opened again, and what may have been missed is read.
func TestListenIsReopened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l listening
		var refuse atomic.Bool
		srv := &scripted{caps: `{"tools":{"listChanged":true}}`}
		srv.on = on("subscriptions/listen", func(c *scriptedConn, e *wire.Envelope) {
			if refuse.Load() {
				c.fail(e, -32603, "restarting")
				return
			}
			l.answer(c, e)
		})
		s := run(t, nil, srv.config("demo"))
		elapse(time.Minute)
		lists := srv.count("tools/list")
		refuse.Store(true)
		l.end()
		elapse(10 * time.Second)
		if st := state(t, s, "demo", Degraded); !strings.Contains(st.Failure, "restarting (code -32603)") {
			t.Errorf("failure = %q", st.Failure)
		}
		refuse.Store(false)
		elapse(time.Minute)
		state(t, s, "demo", Ready)
		if n := srv.count("tools/list"); n != lists+1 {
			t.Errorf("%d refreshes after the stream was back, want 1", n-lists)
		}
		l.notify(toolsChanged, `{}`)
		elapse(time.Second)
		if n := srv.count("tools/list"); n != lists+2 {
			t.Errorf("a notification on the new stream led to %d refreshes, want 1", n-lists-1)
		}
	})
}

// A stream that dropped may be opened again for another set of resources: what the others missed counts as changed then.
func TestListenIsReopenedForMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l listening
		var updates events
		srv := &scripted{caps: `{"tools":{},"resources":{"subscribe":true}}`, on: on("subscriptions/listen", l.answer)}
		s := run(t, &Options{OnEvent: updates.add}, srv.config("demo"))
		if err := s.Subscribe(t.Context(), "demo", "a:1"); err != nil {
			t.Fatal(err)
		}
		l.end()
		synctest.Wait()
		if err := s.Subscribe(t.Context(), "demo", "a:2"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if diff := cmp.Diff([]string{"a:1"}, updates.take()); diff != "" {
			t.Errorf("updates (-want +got):\n%s", diff)
		}
	})
}

// An upstream that declares no notifications, or does not know the stream, is not asked again and again.
func TestNoListen(t *testing.T) {
	tests := []struct {
		name, caps string
		listens    int
	}{
		{"not declared", `{"tools":{"listChanged":false}}`, 0},
		{"not known", `{"tools":{"listChanged":true}}`, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := &scripted{caps: tt.caps, on: on("subscriptions/listen", func(c *scriptedConn, e *wire.Envelope) {
					c.fail(e, wire.CodeMethodNotFound, "no")
				})}
				s := run(t, nil, srv.config("demo"))
				elapse(time.Hour)
				if n := srv.count("subscriptions/listen"); n != tt.listens {
					t.Errorf("listened %d times, want %d", n, tt.listens)
				}
				state(t, s, "demo", Ready)
			})
		})
	}
}

func TestPolling(t *testing.T) {
	tests := []struct {
		name     string
		ttl      string
		every    time.Duration
		min, max int // refreshes in one hour
	}{
		{"never", "", 0, 0, 0},
		{"stale at once means never", `,"ttlMs":0`, 0, 0, 0},
		{"as the upstream says", `,"ttlMs":600000`, 0, 5, 6},
		{"not more often than the least", `,"ttlMs":5`, 0, 100, 120},
		{"as configured", `,"ttlMs":5`, 10 * time.Minute, 5, 6},
		{"nonsense", `,"ttlMs":"soon"`, 0, 0, 0},
		{"far beyond reason", `,"ttlMs":9223372036854775807`, 0, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := &scripted{on: on("tools/list", pages(func(string, bool) string { return page(tt.ttl, "a") }))}
				cfg := srv.config("demo")
				cfg.RefreshEvery = tt.every
				s := run(t, nil, cfg)
				hash := s.Snapshots()[0].Hash
				elapse(time.Hour)
				if n := srv.count("tools/list") - 1; n < tt.min || n > tt.max {
					t.Errorf("%d refreshes in an hour, want %d to %d", n, tt.min, tt.max)
				}
				if s.Snapshots()[0].Hash != hash {
					t.Error("the same lists have another hash")
				}
			})
		})
	}
}

// The same against a real server of either era, and subscriptions on top.
func TestChangesOfRealServer(t *testing.T) {
	for _, era := range []string{"modern", "legacy"} {
		t.Run(era, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := mcp.NewServer(&mcp.Implementation{Name: "real", Version: "1"}, &mcp.ServerOptions{
					SubscribeHandler:   func(context.Context, *mcp.SubscribeRequest) error { return nil },
					UnsubscribeHandler: func(context.Context, *mcp.UnsubscribeRequest) error { return nil },
				})
				read := func(_ context.Context, req *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) {
					return &mcp.ReadResourceResult{}, nil
				}
				for _, uri := range []string{"a:1", "a:2"} {
					srv.AddResource(&mcp.Resource{URI: uri, Name: uri}, read)
				}
				var updates events
				cfg := Config{Name: "demo", Era: era, InProcess: inProcess(srv)}
				s := run(t, &Options{OnEvent: updates.add}, cfg)
				for _, uri := range []string{"a:1", "a:2"} {
					if err := s.Subscribe(t.Context(), "demo", uri); err != nil {
						t.Fatalf("Subscribe(%s): %v", uri, err)
					}
				}
				elapse(time.Minute)
				updates.take()
				_ = srv.ResourceUpdated(t.Context(), &mcp.ResourceUpdatedNotificationParams{URI: "a:1"})
				_ = srv.ResourceUpdated(t.Context(), &mcp.ResourceUpdatedNotificationParams{URI: "a:2"})
				srv.AddResource(&mcp.Resource{URI: "a:3", Name: "a:3"}, read)
				elapse(2 * time.Second)
				if diff := cmp.Diff([]string{"a:1", "a:2"}, updates.take()); diff != "" {
					t.Errorf("updates (-want +got):\n%s", diff)
				}
				if n := len(s.Snapshots()[0].Resources); n != 3 {
					t.Errorf("%d resources after one was added, want 3", n)
				}
				if err := s.Unsubscribe(t.Context(), "demo", "a:1"); err != nil {
					t.Fatalf("Unsubscribe: %v", err)
				}
				elapse(time.Minute)
				updates.take()
				_ = srv.ResourceUpdated(t.Context(), &mcp.ResourceUpdatedNotificationParams{URI: "a:1"})
				_ = srv.ResourceUpdated(t.Context(), &mcp.ResourceUpdatedNotificationParams{URI: "a:2"})
				elapse(time.Second)
				if diff := cmp.Diff([]string{"a:2"}, updates.take()); diff != "" {
					t.Errorf("updates after Unsubscribe (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// Over HTTP, where every stream is a request of its own, the same holds without a gap between two streams.
func TestChangesOverHTTP(t *testing.T) {
	accept := func(context.Context, *mcp.SubscribeRequest) error { return nil }
	srv := mcp.NewServer(&mcp.Implementation{Name: "real", Version: "1"}, &mcp.ServerOptions{
		SubscribeHandler:   accept,
		UnsubscribeHandler: func(context.Context, *mcp.UnsubscribeRequest) error { return nil },
	})
	read := func(context.Context, *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) { return nil, nil }
	for _, uri := range []string{"a:1", "a:2"} {
		srv.AddResource(&mcp.Resource{URI: uri, Name: uri}, read)
	}
	web := httptest.NewServer(mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return srv },
		&mcp.StreamableHTTPOptions{Stateless: true}))
	defer web.Close()
	updates, changed := make(chan string, 100), make(chan struct{}, 100)
	s := run(t, &Options{
		OnEvent:   func(e Event) { updates <- stringAt(e.Params, "uri") },
		OnCatalog: func() { changed <- struct{}{} },
	}, Config{Name: "demo", URL: web.URL})
	defer stop(t, s)
	if st := state(t, s, "demo", Ready); st.Revision != wire.R20260728 {
		t.Fatalf("revision = %s, want the modern one", st.Revision)
	}
	for _, uri := range []string{"a:1", "a:2"} {
		if err := s.Subscribe(t.Context(), "demo", uri); err != nil {
			t.Fatalf("Subscribe(%s): %v", uri, err)
		}
		_ = srv.ResourceUpdated(t.Context(), &mcp.ResourceUpdatedNotificationParams{URI: uri})
		if got := receive(t, updates); got != uri {
			t.Errorf("update of %s, want %s", got, uri)
		}
	}
	if err := s.Unsubscribe(t.Context(), "demo", "a:2"); err != nil {
		t.Fatalf("Unsubscribe: %v", err)
	}
	_ = srv.ResourceUpdated(t.Context(), &mcp.ResourceUpdatedNotificationParams{URI: "a:1"})
	if got := receive(t, updates); got != "a:1" {
		t.Errorf("update of %s, want a:1", got)
	}
	srv.AddResource(&mcp.Resource{URI: "a:3", Name: "a:3"}, read)
	for len(s.Snapshots()[0].Resources) != 3 {
		receive(t, changed)
	}
}
