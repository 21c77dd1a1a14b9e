// SPDX-License-Identifier: Apache-2.0

package aggregator_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"tollgate/aggregator"
	"tollgate/policy"
	"tollgate/store/audit"
	ledgers "tollgate/store/ledger"
	"tollgate/upstream"
	"tollgate/upstream/wire"
)

func diskFull() error { return &fs.PathError{Op: "write", Path: "segment", Err: syscall.ENOSPC} }

// recording has every call recorded in one class.
func recording(class audit.Class) *aggregator.RecordingOptions {
	return &aggregator.RecordingOptions{Durability: string(class)}
}

// TestOutcomeNotRecorded: the disk fills up while a call is under way. Its caller is told that the call was made and gets no
// result, and nobody is sent to make it again; what it cost is charged, and the outcome is written as soon as that is possible.
func TestOutcomeNotRecorded(t *testing.T) {
	for _, class := range []audit.Class{audit.Strict, audit.Durable} {
		t.Run(string(class), func(t *testing.T) {
			c := &cloud{}
			rules := priced(1, policy.LimitRule{Name: "price", Cost: "0.01"})
			rules.recording = recording(class)
			b := newBooked(t, c, rules, &ledgers.Options{SettleWait: 50 * time.Millisecond})
			answered(t, b.Call(t.Context(), person("ada", "r"), deployCall(`{"region":"x"}`)))
			b.wait(t, 1, audit.Outcome)
			c.replies = func(*upstream.Request) *upstream.Reply {
				b.disk.set(diskFull())
				return result(`{"content":[{"type":"text","text":"the result"}]}`)
			}
			got := b.Call(t.Context(), person("ada", "r"), keyed(`{"region":"x"}`, "k"))
			if got.End != aggregator.GatewayFailed || got.Result != nil || got.Error.Code != wire.CodeInternal || got.Charged != cent {
				t.Fatalf("got %+v %q", got, said(&got))
			}
			if got.Refusal == nil || got.Refusal.Code != aggregator.CodeUnrecorded || got.Refusal.RetryAfter != 0 {
				t.Errorf("refusal %+v", got.Refusal)
			}
			for _, part := range []string{"the call was made", "its result is withheld", "before making it again", "(decision " + got.Decision + ")"} {
				if !strings.Contains(got.Error.Message, part) {
					t.Errorf("%q does not say %q", got.Error.Message, part)
				}
			}
			if strings.Contains(got.Error.Message, "segment") || strings.Contains(got.Error.Message, "try again") {
				t.Errorf("said %q", got.Error.Message)
			}
			var data struct{ Upstream, Outcome, Decision string }
			if err := json.Unmarshal(got.Error.Data, &data); err != nil || data.Upstream != "cloud" || data.Outcome != "unknown" || data.Decision != got.Decision {
				t.Errorf("data %s, %v", got.Error.Data, err)
			}
			next := b.Call(t.Context(), person("ada", "r"), deployCall(`{"region":"x"}`))
			if next.Refusal == nil || next.Refusal.Code != aggregator.CodeLedger || !strings.Contains(said(&next), "nothing was done: try again in") {
				t.Errorf("while nothing can be recorded: %+v %q", next, said(&next))
			}
			b.disk.set(nil)
			outcomes := b.wait(t, 2, audit.Outcome)
			if last := outcomes[1]; last.ID != got.Decision || last.End != string(aggregator.Answered) || last.Cost != cent {
				t.Errorf("recorded %+v", last)
			}
			again := b.Call(t.Context(), person("ada", "r"), keyed(`{"region":"x"}`, "k"))
			if !again.Replayed || again.Decision != got.Decision || said(&again) != said(&got) {
				t.Errorf("with the same key: %+v %q", again, said(&again))
			}
			if n := c.calls.Load(); n != 2 {
				t.Errorf("the upstream was called %d times", n)
			}
			b.want(t, "all", 2*cent, 0)
		})
	}
}

// TestFailureNotRecorded: of a call that did not reach its upstream nobody says that it was made, and it may be made again.
func TestFailureNotRecorded(t *testing.T) {
	ups := &answers{err: &upstream.Error{Upstream: "up", Kind: upstream.KindUnavailable, Detail: "is down"}}
	for name, reason := range map[string]error{"the log is late": &ledgers.UnavailableError{Err: errors.New("late")}, "another reason": errors.New("strange")} {
		g := newGate(t, ups, &late{err: reason}, 0)
		if err := g.Publish(aggregator.Rules{Decider: allow(visible)}); err != nil {
			t.Fatal(err)
		}
		got := g.Call(t.Context(), caller, call("up__echo"))
		if got.End != aggregator.GatewayFailed || got.Refusal == nil || got.Refusal.Code != aggregator.CodeLedger || got.Refusal.RetryAfter <= 0 ||
			!strings.Contains(said(&got), "did not reach its upstream") || !strings.Contains(said(&got), "(decision "+got.Decision+")") {
			t.Errorf("%s: %+v %q", name, got, said(&got))
		}
	}
	ups.err = &upstream.Error{Upstream: "up", Kind: upstream.KindTimeout, Sent: true, Detail: "did not answer"}
	g := newGate(t, ups, &late{err: errors.New("late")}, 0)
	if err := g.Publish(aggregator.Rules{Decider: allow(visible)}); err != nil {
		t.Fatal(err)
	}
	if got := g.Call(t.Context(), caller, call("up__echo")); got.Refusal == nil || got.Refusal.Code != aggregator.CodeUnrecorded || got.Refusal.RetryAfter != 0 {
		t.Errorf("a call that may have been executed: %+v %q", got, said(&got))
	}
}

// late is a ledger that admits everything and cannot record how it ended.
type late struct {
	ledger
	err error
}

func (l *late) Reserve(context.Context, *aggregator.Intent) (aggregator.Reservation, error) {
	return l, nil
}
func (l *late) Settle(context.Context, aggregator.Outcome) error { return l.err }

// TestFloodsLeaveRoom: while the disk stands still, callers are turned away as fast as they can ask, for every reason there
// is. The queue of the log keeps room for calls, and none of those is refused.
func TestFloodsLeaveRoom(t *testing.T) {
	big := strings.Repeat("x", policy.MaxArguments/2)
	for name, params := range map[string]string{
		"missing": `{"name":"cloud__absent"}`, "hidden": `{"name":"cloud__secret","arguments":{"a":"` + big + `"}}`, "invalid": `{"name":7}`,
		"refused": `{"name":"cloud__deploy","arguments":{"region":"no","more":"` + big + `"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			c := &cloud{}
			rules := priced(1000, policy.LimitRule{Name: "price", Cost: "0.01"}, policy.LimitRule{Name: "yes", Require: "args.region == 'x'", Message: "no"})
			rules.recording = recording(audit.Async)
			b := newBooked(t, c, rules, nil)
			answered(t, b.Call(t.Context(), person("ada", "r"), deployCall(`{"region":"x"}`)))
			b.flush(t) // the lease is there that calls draw on, so they need not wait for the disk
			let := b.disk.hold()
			defer let()
			stop := make(chan struct{})
			var flood, good sync.WaitGroup
			var turned, busy atomic.Int64
			for i := range 16 {
				flood.Go(func() {
					call := deployCall(`{}`)
					call.Params = []byte(params)
					for n := 0; ; n++ {
						select {
						case <-stop:
							return
						default:
						}
						r := b.Call(context.Background(), person(fmt.Sprintf("mallory%d", i%4), "r"), call)
						switch {
						case r.Refusal != nil && r.Refusal.Code == aggregator.CodeLedger:
							if busy.Add(1); r.End != aggregator.GatewayFailed || r.Refusal.RetryAfter <= 0 || !strings.Contains(said(&r), "ledger is busy at the moment; nothing was done") {
								t.Errorf("%+v %q", r, said(&r))
							}
						case r.End != aggregator.Unknown && r.End != aggregator.Refused:
							t.Errorf("%+v", r)
						default:
							turned.Add(1)
						}
					}
				})
			}
			full := 2000
			if strings.Contains(params, big) {
				full = 440
			}
			b.until(t, func() bool { return b.engine.Stats().Queued >= full })
			for i := range 200 {
				good.Go(func() {
					answered(t, b.Call(context.Background(), person(fmt.Sprint("ada", i), "r"), deployCall(`{"region":"x"}`)))
				})
			}
			strict := deployCall(`{"region":"x"}`)
			good.Wait()
			if b.engine.Log().Room() != nil {
				t.Error("the log has no room")
			}
			answered(t, b.Call(context.Background(), person("eve", "r"), strict))
			if queued := b.engine.Log().Stats(); queued.Queued > 4096 || queued.QueuedBytes > 32<<20 || queued.Busy > 0 {
				t.Errorf("queued: %+v", queued)
			}
			let()
			close(stop)
			flood.Wait()
			t.Logf("%d turned away, %d told that the ledger is busy", turned.Load(), busy.Load())
			if all := b.wait(t, int(turned.Load()), audit.Refusal); len(all) != int(turned.Load()) {
				t.Errorf("%d refusals are recorded", len(all))
			}
		})
	}
}

// TestQueueIsBounded: calls that find the queue of the log full are not made, and are told to come back at once.
func TestQueueIsBounded(t *testing.T) {
	c := &cloud{}
	rules := priced(1000)
	rules.recording = recording(audit.Async)
	b := newBooked(t, c, rules, &ledgers.Options{Audit: audit.Options{Queue: 8}})
	let := b.disk.hold()
	defer let()
	made := int64(0)
	var full aggregator.Reply
	for range 100 {
		if full = b.Call(t.Context(), person("ada", "r"), deployCall(`{"region":"x"}`)); full.End != aggregator.Answered {
			break
		}
		made++
	}
	if full.Refusal == nil || full.Refusal.Code != aggregator.CodeLedger || full.Refusal.RetryAfter != time.Second || full.End != aggregator.GatewayFailed ||
		!strings.Contains(said(&full), "the gateway's ledger is busy at the moment; nothing was done: try again in 1 s (decision "+full.Decision+")") {
		t.Errorf("got %+v %q", full, said(&full))
	}
	if n := c.calls.Load(); n != made || n < 2 {
		t.Errorf("%d calls were made, %d answered", n, made)
	}
	let()
	b.until(t, func() bool { return b.engine.Available() == nil })
	answered(t, b.Call(t.Context(), person("ada", "r"), deployCall(`{"region":"x"}`)))
}

// TestFloodOfOneCaller: who is turned away again and again waits for the disk and is told that the ledger is busy; others are
// turned away as ever.
func TestFloodOfOneCaller(t *testing.T) {
	b := newBooked(t, &cloud{}, priced(1), nil)
	let := b.disk.hold()
	defer let()
	missing := deployCall(`{}`)
	missing.Params = []byte(`{"name":"cloud__absent"}`)
	var flood sync.WaitGroup
	var busy atomic.Int64
	for range 8 {
		flood.Go(func() {
			for {
				r := b.Call(context.Background(), person("mallory", "r"), missing)
				if r.End == aggregator.Unknown {
					continue
				}
				if r.Refusal == nil || r.Refusal.Code != aggregator.CodeLedger {
					t.Errorf("%+v %q", r, said(&r))
				}
				busy.Add(1)
				return
			}
		})
	}
	b.until(t, func() bool { return b.engine.Stats().Queued >= 1000 })
	for i := range 200 {
		if r := b.Call(t.Context(), person(fmt.Sprint("ada", i%3), "r"), missing); r.End != aggregator.Unknown {
			t.Errorf("%+v %q", r, said(&r))
		}
	}
	flood.Wait()
	if busy.Load() != 8 {
		t.Errorf("%d were told that the ledger is busy", busy.Load())
	}
	let()
	b.wait(t, 1200, audit.Refusal)
	if r := b.Call(t.Context(), person("mallory", "r"), missing); r.End != aggregator.Unknown {
		t.Errorf("once the disk works again: %+v %q", r, said(&r))
	}
}

// TestRoundNotRecorded: a client that asks for a round whose outcome cannot be recorded is not told how to go on, so the call
// is not held for it: what it may have done is charged.
func TestRoundNotRecorded(t *testing.T) {
	c := &cloud{}
	b := newBooked(t, c, priced(1, metered()), &ledgers.Options{SettleWait: 50 * time.Millisecond})
	c.replies = func(*upstream.Request) *upstream.Reply {
		b.disk.set(diskFull())
		return question("s")
	}
	r := b.Call(t.Context(), person("ada", "r"), askable(`{"region":"x"}`))
	if r.Result != nil || r.Refusal == nil || r.Refusal.Code != aggregator.CodeUnrecorded {
		t.Errorf("got %+v %q", r, said(&r))
	}
	b.want(t, "all", 10*cent, 0)
	b.disk.set(nil)
	outcomes := b.wait(t, 2, audit.Outcome)
	if open, last := outcomes[0], outcomes[1]; !open.Open || last.Open || last.Cost != 10*cent || last.End != "input_required" {
		t.Errorf("recorded %+v, %+v", open, last)
	}
}
