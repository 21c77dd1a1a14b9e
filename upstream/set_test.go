// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"tollgate/upstream/wire"
)

// events collects the URIs of resources reported as updated.
type events struct {
	mu   sync.Mutex // guards uris
	uris []string
}

func (ev *events) add(e Event) {
	ev.mu.Lock()
	defer ev.mu.Unlock()
	ev.uris = append(ev.uris, stringAt(e.Params, "uri"))
}

// take returns the URIs reported since the last take, sorted.
func (ev *events) take() []string {
	ev.mu.Lock()
	defer ev.mu.Unlock()
	uris := ev.uris
	ev.uris = nil
	slices.Sort(uris)
	return uris
}

// inProcess returns a Config.InProcess that serves a go-sdk server.
func inProcess(srv *mcp.Server) func(context.Context) (io.ReadWriteCloser, error) {
	return func(context.Context) (io.ReadWriteCloser, error) {
		near, far := net.Pipe()
		go func() { _ = srv.Run(context.Background(), &mcp.IOTransport{Reader: far, Writer: far}) }()
		return near, nil
	}
}

func TestSubscriptionsAreCounted(t *testing.T) {
	for _, era := range []string{"legacy", "modern"} {
		t.Run(era, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var l listening
				srv := &scripted{era: era, caps: `{"tools":{},"resources":{"subscribe":true}}`, on: on("subscriptions/listen", l.answer)}
				var updates events
				s := run(t, &Options{OnEvent: updates.add}, srv.config("demo"))
				tell := func() (n int) { return srv.count("resources/subscribe") + srv.count("subscriptions/listen") }
				subscribe := func(f func(context.Context, string, string) error, uri string) {
					t.Helper()
					if err := f(t.Context(), "demo", uri); err != nil {
						t.Fatal(err)
					}
					synctest.Wait()
				}
				subscribe(s.Subscribe, "a:1")
				subscribe(s.Subscribe, "a:1")
				if n := tell(); n != 1 {
					t.Errorf("the upstream was told %d times of two subscriptions to one resource, want once", n)
				}
				subscribe(s.Unsubscribe, "a:1")
				subscribe(s.Subscribe, "a:2")
				updates.take()
				const params = `{"uri":"a:1"}`
				if era == "modern" {
					l.notify("notifications/resources/updated", params)
				} else {
					srv.last().notify("notifications/resources/updated", params)
				}
				synctest.Wait()
				if diff := cmp.Diff([]string{"a:1"}, updates.take()); diff != "" {
					t.Errorf("updates (-want +got):\n%s", diff)
				}
				before := tell()
				srv.last().conn.Close()
				elapse(time.Second)
				state(t, s, "demo", Ready)
				if diff := cmp.Diff([]string{"a:1", "a:2"}, updates.take()); diff != "" {
					t.Errorf("updates after a reconnect (-want +got):\n%s", diff)
				}
				want := map[string]int{"legacy": 2, "modern": 1}[era]
				if n := tell() - before; n != want {
					t.Errorf("the new session was told %d times, want %d", n, want)
				}
				subscribe(s.Unsubscribe, "a:1")
				subscribe(s.Unsubscribe, "a:2")
				subscribe(s.Unsubscribe, "a:2")
				updates.take()
				srv.last().conn.Close()
				elapse(time.Second)
				if got := updates.take(); got != nil {
					t.Errorf("updates of %v without subscriptions", got)
				}
			})
		})
	}
}

func TestSubscribeRefused(t *testing.T) {
	caps := `{"resources":{"subscribe":true}}`
	refuse := func(c *scriptedConn, e *wire.Envelope) { c.fail(e, wire.CodeInvalidParams, "no such resource") }
	ack := func(c *scriptedConn, e *wire.Envelope) {
		c.notifyOn(e, "notifications/subscriptions/acknowledged", `{"notifications":{"resourceSubscriptions":[]}}`)
	}
	tests := []struct {
		name string
		srv  *scripted
	}{
		{"not declared", &scripted{}},
		{"legacy", &scripted{era: "legacy", caps: caps, on: on("resources/subscribe", refuse)}},
		{"modern", &scripted{caps: caps, on: on("subscriptions/listen", refuse)}},
		{"modern, not agreed", &scripted{caps: caps, on: on("subscriptions/listen", ack)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var updates events
				s := run(t, &Options{OnEvent: updates.add}, tt.srv.config("demo"))
				if err := s.Subscribe(t.Context(), "demo", "a:1"); err == nil {
					t.Fatal("Subscribe succeeded")
				}
				tt.srv.last().conn.Close()
				elapse(time.Minute)
				if got := updates.take(); got != nil {
					t.Errorf("a refused subscription was restored: %v", got)
				}
				state(t, s, "demo", Ready)
			})
		})
	}
}

// order lists the upstreams that have a snapshot.
func order(s *Set) (list []string) {
	for _, snap := range s.Snapshots() {
		list = append(list, snap.Upstream)
	}
	return list
}

func TestApply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, c := &scripted{}, &scripted{}, &scripted{}
		s := run(t, nil, a.config("a"), b.config("b"))
		off := c.config("c")
		off.Disabled = true
		s.Apply([]Config{off, b.config("b"), a.config("a")})
		if diff := cmp.Diff([]string{"b", "a"}, order(s)); diff != "" {
			t.Errorf("order (-want +got):\n%s", diff)
		}
		state(t, s, "c", Disabled)
		if _, err := s.Call(t.Context(), "c", &Request{Method: "tools/call"}); err == nil {
			t.Error("a disabled upstream took a call")
		}
		s.Apply([]Config{c.config("c"), a.config("a")})
		if err := s.Settled(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if diff := cmp.Diff([]string{"c", "a"}, order(s)); diff != "" {
			t.Errorf("order (-want +got):\n%s", diff)
		}
		if a.dials() != 1 || c.dials() != 1 {
			t.Errorf("a was connected to %d times and c %d times, want once each: what did not change is kept", a.dials(), c.dials())
		}
		if _, err := b.last().conn.Write([]byte("\n")); err == nil {
			t.Error("the connection to the upstream that is gone is still open")
		}
	})
}

// While a changed upstream connects, the old connection serves; a call on it is not cut off.
func TestApplyChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before := &scripted{on: on("tools/call", func(c *scriptedConn, e *wire.Envelope) {
			go func() {
				<-time.After(20 * time.Second)
				c.reply(e, `{"from":"before"}`)
			}()
		})}
		after := &scripted{}
		after.on = on("server/discover", func(c *scriptedConn, e *wire.Envelope) {
			<-time.After(2 * time.Second)
			c.usual(e)
		})
		after.on["tools/call"] = func(c *scriptedConn, e *wire.Envelope) { c.reply(e, `{"from":"after"}`) }
		s := run(t, nil, before.config("demo"))
		changed := after.config("demo")
		changed.Tools = []string{"other"}
		changed.Timeout = 30 * time.Second
		s.Apply([]Config{changed})
		if diff := cmp.Diff([]string{"other"}, names(s)); diff != "" {
			t.Errorf("tools while it connects (-want +got):\n%s", diff)
		}
		done := make(chan string, 2)
		send := func() {
			reply, err := s.Call(t.Context(), "demo", &Request{Method: "tools/call"})
			if err != nil {
				t.Errorf("Call: %v", err)
				return
			}
			done <- string(reply.Result)
		}
		go send()
		elapse(5 * time.Second)
		go send()
		first, second := <-done, <-done
		if first != `{"from":"after"}` || second != `{"from":"before"}` {
			t.Errorf("answers %s and %s, want the new connection to take calls once it is there and the old one to finish", first, second)
		}
		synctest.Wait()
		if _, err := before.last().conn.Write([]byte("\n")); err == nil {
			t.Error("the old connection is still open")
		}
	})
}

// A changed upstream that cannot be reached does not keep the old connection, whose credentials may have been withdrawn.
func TestApplyChangeThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before := &scripted{}
		s := run(t, nil, before.config("demo"))
		broken := Config{Name: "demo", Timeout: time.Second, InProcess: func(context.Context) (io.ReadWriteCloser, error) {
			return nil, errors.New("no such server")
		}}
		s.Apply([]Config{broken})
		elapse(time.Minute)
		state(t, s, "demo", Failed)
		if len(names(s)) != 2 {
			t.Errorf("tools = %v, want the last good ones", names(s))
		}
		fails(t, call(t.Context(), s, Request{}), KindUnavailable, false, "no such server")
	})
}

func TestReloadUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := &scripted{}
		s := run(t, nil, srv.config("demo"))
		ctx, cancel := context.WithCancel(t.Context())
		var calls sync.WaitGroup
		var n atomic.Int32
		for range 8 {
			calls.Go(func() {
				for ctx.Err() == nil {
					if err := call(t.Context(), s, Request{}); err != nil {
						t.Errorf("a call was lost: %v", err)
						return
					}
					n.Add(1)
					<-time.After(5 * time.Millisecond)
				}
			})
		}
		for i := range 50 {
			cfg := srv.config("demo")
			cfg.Concurrency = 64 + i%2
			s.Apply([]Config{cfg})
			<-time.After(20 * time.Millisecond)
		}
		cancel()
		calls.Wait()
		if n.Load() < 1000 {
			t.Errorf("only %d calls", n.Load())
		}
	})
}

// An upstream that is down, silent or hostile changes nothing for the others.
func TestOneBadUpstreamHarmsNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := func(context.Context) (io.ReadWriteCloser, error) {
			near, far := net.Pipe()
			go func() { _, _ = io.Copy(io.Discard, far) }()
			return near, nil
		}
		hangs := func(ctx context.Context) (io.ReadWriteCloser, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		good := &scripted{}
		s := NewSet(nil)
		defer stop(t, s)
		start := time.Now()
		s.Apply([]Config{{Name: "silent", InProcess: silent}, {Name: "hangs", InProcess: hangs}, good.config("demo")})
		echo(t, s, Request{})
		if d := time.Since(start); d > 100*time.Millisecond {
			t.Errorf("the good upstream answered after %s", d)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Settled(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Settled = %v, want the deadline: two upstreams are not", err)
		}
		if err := s.Settled(t.Context()); err != nil {
			t.Errorf("Settled = %v", err)
		}
		state(t, s, "silent", Failed)
		state(t, s, "hangs", Failed)
	})
}

// OnCatalog is never called twice at the same time, and never missed.
func TestOnCatalog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var inside, calls atomic.Int32
		var seen atomic.Int32
		var s *Set
		s = NewSet(&Options{OnCatalog: func() {
			if inside.Add(1) != 1 {
				t.Error("called concurrently")
			}
			seen.Store(int32(len(s.Snapshots())))
			<-time.After(10 * time.Millisecond)
			calls.Add(1)
			inside.Add(-1)
		}})
		defer stop(t, s)
		var cfgs []Config
		for i := range 50 {
			cfgs = append(cfgs, (&scripted{}).config(fmt.Sprint("u", i)))
		}
		s.Apply(cfgs)
		elapse(time.Second)
		if seen.Load() != 50 || calls.Load() > 10 {
			t.Errorf("after %d calls %d snapshots were seen, want 50 after a few", calls.Load(), seen.Load())
		}
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := &scripted{on: on("tools/call", mute)}
		s := run(t, nil, srv.config("demo"))
		lost := make(chan error, 1)
		go func() { lost <- call(context.Background(), s, Request{}) }()
		synctest.Wait()
		start := time.Now()
		stop(t, s)
		if d := time.Since(start); d > 0 {
			t.Errorf("Close took %s", d)
		}
		fails(t, <-lost, KindClosed, true, "")
		fails(t, call(t.Context(), s, Request{}), KindUnavailable, false, "")
		s.Apply([]Config{srv.config("demo")})
		if srv.dials() != 1 || len(s.Snapshots()) > 1 {
			t.Error("Apply started something after Close")
		}
		stop(t, s) // once more does no harm
	})
}

func TestCloseIsBounded(t *testing.T) {
	release, dialling := make(chan struct{}), make(chan struct{})
	s := NewSet(nil)
	s.Apply([]Config{{Name: "demo", InProcess: func(context.Context) (io.ReadWriteCloser, error) {
		close(dialling)
		<-release
		return nil, errors.New("gave up")
	}}})
	<-dialling
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := s.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Close = %v, want the deadline", err)
	}
	close(release)
	stop(t, s)
}

// Two hundred upstreams in this process start in well under two seconds.
func TestManyUpstreams(t *testing.T) {
	var cfgs []Config
	for i := range 200 {
		srv := mcp.NewServer(&mcp.Implementation{Name: "real", Version: "1"}, nil)
		for k := range 5 {
			mcp.AddTool(srv, &mcp.Tool{Name: fmt.Sprint("t", k)}, func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
				return &mcp.CallToolResult{}, nil, nil
			})
		}
		cfgs = append(cfgs, Config{Name: fmt.Sprint("u", i), InProcess: inProcess(srv)})
	}
	start := time.Now()
	s := run(t, nil, cfgs...)
	if d := time.Since(start); d > 2*time.Second {
		t.Errorf("it took %s", d)
	}
	if n := len(s.Snapshots()); n != 200 {
		t.Errorf("%d snapshots, want 200", n)
	}
	if st := s.Status()[199]; st.State != Ready || st.Tools != 5 || st.Revision != wire.R20260728 {
		t.Errorf("status = %+v, want it ready with 5 tools", st)
	}
}
