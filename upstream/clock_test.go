// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"tollgate/upstream/wire"
)

func TestClock(t *testing.T) {
	const timeout, most = 10 * time.Second, time.Minute
	type step struct {
		after time.Duration
		do    func(*clock)
	}
	pause, resume, restart := (*clock).pause, (*clock).resume, (*clock).restart
	tests := []struct {
		name  string
		steps []step
		end   time.Duration
		limit string
	}{
		{"runs", nil, 10 * time.Second, "10s"},
		{"stands still", []step{{4 * time.Second, pause}, {20 * time.Second, resume}}, 30 * time.Second, "10s"},
		{"stands still twice at once", []step{{time.Second, pause}, {time.Second, pause}, {30 * time.Second, resume},
			{time.Second, resume}}, 42 * time.Second, "10s"},
		{"starts anew", []step{{9 * time.Second, restart}, {9 * time.Second, restart}}, 28 * time.Second, "10s"},
		{"starts anew while it stands still", []step{{9 * time.Second, pause}, {time.Second, restart}, {time.Second, resume}},
			21 * time.Second, "10s"},
		{"never outlives the maximum by standing still", []step{{time.Second, pause}}, most, "1m0s, the most a call may take"},
		{"never outlives the maximum by starting anew", []step{{9 * time.Second, restart}, {9 * time.Second, restart},
			{9 * time.Second, restart}, {9 * time.Second, restart}, {9 * time.Second, restart}, {9 * time.Second, restart}},
			most, "1m0s, the most a call may take"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				ctx, k := startClock(t.Context(), timeout, most)
				defer k.stop()
				for _, step := range test.steps {
					elapse(step.after)
					step.do(k)
				}
				<-ctx.Done()
				var late *overdue
				if d := time.Since(start); d != test.end || !errors.As(context.Cause(ctx), &late) || late.limit != test.limit {
					t.Errorf("it ended after %s with %v, want %s and %q", d, context.Cause(ctx), test.end, test.limit)
				}
				if !timedOut(ctx) {
					t.Error("the end does not count as a deadline")
				}
			})
		})
	}
}

func TestClockEndsWithItsCaller(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	bounded, k := startClock(ctx, time.Hour, time.Hour)
	cancel()
	<-bounded.Done()
	if timedOut(bounded) {
		t.Error("the caller's end counts as a deadline")
	}
	k.stop()
}

// The time a caller takes to answer is not the upstream's.
func TestTimeoutStandsStillDuringAQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newAsking()
		s := run(t, nil, srv.config("demo"))
		for _, owner := range []string{"", "ann"} {
			got := use(t.Context(), s, "ask", owner, interactive, saying("late", 30*time.Minute))
			want(t, got[len(`{"session":0`):], `,"said":{"by":"late","of":"elicitation/create"}}`)
		}
		start := time.Now()
		got := use(t.Context(), s, "ask", "ann", interactive, saying("too late", 2*time.Hour))
		want(t, got, `upstream "demo" did not answer tools/call within 1h0m0s, the most a call may take; outcome unknown`)
		if d := time.Since(start); d != time.Hour {
			t.Errorf("the call took %s", d)
		}
		state(t, s, "demo", Ready)
	})
}

func TestProgressStartsTheTimeoutAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reports := 5
		srv := &scripted{era: "legacy"}
		srv.on = on("tools/call", func(c *scriptedConn, e *wire.Envelope) {
			token, _ := wire.Lookup(e.Params, "_meta", "progressToken")
			go func() {
				for range reports {
					<-time.After(50 * time.Second)
					c.notify("notifications/progress", `{"progress":1,"progressToken":`+string(token)+`}`)
				}
			}()
		})
		cfg := srv.config("demo")
		cfg.MaxCall = 10 * time.Minute
		s := run(t, nil, cfg)
		r := Request{Method: "tools/call", Progress: true, Peer: saying("", 0)}
		for _, want := range []struct {
			reports int
			after   time.Duration
			text    string
		}{{5, 310 * time.Second, "within 1m0s"}, {20, 10 * time.Minute, "within 10m0s, the most a call may take"}} {
			reports = want.reports
			start := time.Now()
			fails(t, call(t.Context(), s, r), KindTimeout, true, want.text)
			if d := time.Since(start); d != want.after {
				t.Errorf("the call ended after %s, want %s", d, want.after)
			}
			elapse(time.Hour)
		}
	})
}

// A call that tries an open circuit and then asks its caller has shown that the upstream is back: others need not wait.
func TestQuestionClosesTheCircuit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newAsking()
		srv.on["tools/list"] = func(c *scriptedConn, e *wire.Envelope) {
			if srv.count("tools/call") < breakerFailures {
				c.usual(e)
			}
		}
		s := run(t, nil, srv.config("demo"))
		for range breakerFailures {
			use(t.Context(), s, "hang", "", "", nil)
		}
		elapse(breakerPause + time.Millisecond/2) // before the gateway tries the circuit itself
		ask := later(t.Context(), s, "ask", "", "", saying("slow", time.Hour/2))
		synctest.Wait()
		want(t, use(t.Context(), s, "echo", "", "", nil), `{"session":0}`)
		want(t, <-ask, `{"session":0,"said":{"by":"slow","of":"elicitation/create"}}`)
	})
}
