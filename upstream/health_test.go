// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tollgate/upstream/wire"
)

func TestOverload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := &scripted{on: on("tools/call", mute)}
		cfg := srv.config("demo")
		cfg.Concurrency, cfg.Timeout = 2, 5*time.Second
		s := run(t, nil, cfg)
		var calls sync.WaitGroup
		for range 2 {
			calls.Go(func() {
				fails(t, call(t.Context(), s, Request{Timeout: time.Minute}), KindTimeout, true, "within 1m0s")
			})
		}
		synctest.Wait()
		for range 2 * queuePerSlot {
			calls.Go(func() { fails(t, call(t.Context(), s, Request{}), KindOverloaded, false, "is busy") })
		}
		synctest.Wait()
		if st := s.Status()[0]; st.InFlight != 2+2*queuePerSlot {
			t.Errorf("%d calls in flight, want %d", st.InFlight, 2+2*queuePerSlot)
		}
		start := time.Now()
		fails(t, call(t.Context(), s, Request{}), KindOverloaded, false, "is busy: 2 calls are running and up to 8 may wait")
		if d := time.Since(start); d != 0 {
			t.Errorf("a call that found the queue full waited %s", d)
		}
		calls.Wait()
		if n := srv.count("tools/call"); n != 2 {
			t.Errorf("the upstream got %d calls, want 2", n)
		}
	})
}

func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex // guards hung
		hung := true
		srv := &scripted{}
		srv.on = map[string]func(*scriptedConn, *wire.Envelope){}
		srv.on["tools/call"] = func(c *scriptedConn, e *wire.Envelope) {
			mu.Lock()
			defer mu.Unlock()
			if !hung {
				c.usual(e)
			}
		}
		srv.on["tools/list"] = srv.on["tools/call"]
		hung = false
		s := run(t, nil, srv.config("demo"))
		hung = true
		for range breakerFailures {
			fails(t, call(t.Context(), s, Request{Timeout: time.Second}), KindTimeout, true, "")
		}
		start := time.Now()
		fails(t, call(t.Context(), s, Request{}), KindUnavailable, false, `upstream "demo" did not answer the last calls`)
		if d := time.Since(start); d != 0 {
			t.Errorf("a call found the circuit open after %s, want at once", d)
		}
		if st := state(t, s, "demo", Degraded); st.Failure == "" {
			t.Error("the state does not say why")
		}
		sent := srv.count("tools/call")
		elapse(breakerPause + time.Second)
		if n := srv.count("tools/call"); n != sent {
			t.Errorf("%d calls were sent while the circuit was open", n-sent)
		}
		mu.Lock()
		hung = false
		mu.Unlock()
		elapse(2 * defaultStartTimeout) // the trial that hangs ends, the next one succeeds, without any call
		state(t, s, "demo", Ready)
		echo(t, s, Request{})
	})
}

// Neither what an upstream answers nor what its callers do opens the circuit.
func TestBreakerCountsOnlyTheTransport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := &scripted{on: on("tools/call", func(c *scriptedConn, e *wire.Envelope) {
			switch name := stringAt(e.Params, "name"); name {
			case "hang":
			case "tool error":
				c.reply(e, `{"isError":true,"content":[]}`)
			case "garbage":
				c.reply(e, `[]`)
			case "refuse":
				c.fail(e, -32050, "no")
			default:
				c.usual(e)
			}
		})}
		s := run(t, nil, srv.config("demo"))
		for _, name := range []string{"refuse", "tool error", "garbage", "hang"} {
			for range 2 * breakerFailures {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				_ = call(ctx, s, Request{Method: "tools/call", Params: object("name", string(quote(name)))})
				cancel()
			}
			echo(t, s, Request{})
		}
	})
}

func TestGarbageDegrades(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := &scripted{era: "legacy", on: on("tools/call", func(c *scriptedConn, e *wire.Envelope) {
			if string(e.Params) == `{}` {
				c.reply(e, `[]`)
				return
			}
			c.usual(e)
		})}
		s := run(t, nil, srv.config("demo"))
		for range garbageLimit {
			state(t, s, "demo", Ready)
			fails(t, call(t.Context(), s, Request{Method: "tools/call", Params: []byte(`{}`)}), KindProtocol, true, "without a result")
		}
		state(t, s, "demo", Degraded)
		echo(t, s, Request{})
		state(t, s, "demo", Ready)
	})
}

func TestReconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex // guards attempts and broken
		var attempts []time.Time
		broken := false
		srv := &scripted{era: "legacy"}
		srv.on = on("initialize", func(c *scriptedConn, e *wire.Envelope) {
			mu.Lock()
			defer mu.Unlock()
			attempts = append(attempts, time.Now())
			if broken {
				c.fail(e, -32000, "not now")
				return
			}
			c.usual(e)
		})
		cfg := srv.config("demo")
		cfg.Era = "legacy"
		s := run(t, nil, cfg)
		elapse(2 * healthyAfter)
		mu.Lock()
		broken, attempts = true, []time.Time{time.Now()}
		mu.Unlock()
		srv.last().conn.Close()
		synctest.Wait()
		if st := state(t, s, "demo", Connecting); st.Failure == "" {
			t.Error("the state does not say what happened")
		}
		elapse(5 * time.Minute)
		state(t, s, "demo", Failed)
		if len(names(s)) != 2 {
			t.Error("the last good snapshot is gone")
		}
		mu.Lock()
		tries, base := attempts, float64(firstPause)
		broken = false
		mu.Unlock()
		for i := range tries[1:] {
			pause := float64(tries[i+1].Sub(tries[i]))
			if pause < base/2-1 || pause > base*1.5+1 {
				t.Errorf("pause %d is %s, want half to one and a half of %s", i, time.Duration(pause), time.Duration(base))
			}
			base = min(base*2, float64(longestPause))
		}
		if len(tries) < 10 {
			t.Errorf("only %d attempts in 5 minutes", len(tries)-1)
		}
		elapse(time.Minute)
		if st := state(t, s, "demo", Ready); st.Restarts != 1 {
			t.Errorf("%d restarts, want 1", st.Restarts)
		}
	})
}

// An upstream that dies as soon as it is up must not be started as fast as it dies.
func TestFlappingUpstreamIsNotHammered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := &scripted{era: "modern"}
		srv.on = on("tools/list", func(c *scriptedConn, e *wire.Envelope) {
			c.usual(e)
			go func() {
				<-time.After(10 * time.Millisecond)
				c.conn.Close()
			}()
		})
		s := run(t, nil, srv.config("demo"))
		elapse(10 * time.Minute)
		if n := srv.dials(); n < 10 || n > 60 {
			t.Errorf("started %d times in 10 minutes", n)
		}
		if st := s.Status()[0]; st.State != Failed {
			t.Errorf("it is %s, want failed", st.State)
		}
	})
}
