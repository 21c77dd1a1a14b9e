// SPDX-License-Identifier: Apache-2.0

package aggregator_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"tollgate/aggregator"
	"tollgate/aggregator/auth"
	"tollgate/aggregator/bridge"
	"tollgate/aggregator/catalog"
	"tollgate/policy"
	"tollgate/upstream"
	"tollgate/upstream/wire"
)

// answers is an Upstreams that answers from memory and counts.
type answers struct {
	reply *upstream.Reply
	err   error
	block chan struct{}

	mu    sync.Mutex // guards calls
	calls int
}

func (a *answers) Call(ctx context.Context, _ string, _ *upstream.Request) (*upstream.Reply, error) {
	a.mu.Lock()
	a.calls++
	a.mu.Unlock()
	if a.block != nil {
		select {
		case <-a.block:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return a.reply, a.err
}

func (a *answers) Subscribe(context.Context, string, string) error   { return nil }
func (a *answers) Unsubscribe(context.Context, string, string) error { return nil }
func (a *answers) Settled(context.Context) error                     { return nil }

// allow decides by one function.
func allow(f func(o policy.Object) bool) aggregator.Decider { return decider{f: f} }

type decider struct {
	aggregator.Unconditional
	f func(o policy.Object) bool
}

func (decider) Class(p *policy.Principal) string { return strings.Join(p.Roles, ",") }
func (decider) Revision() string                 { return "r" }

func (d decider) Access(_ context.Context, _ *policy.Principal, objects []policy.Object) ([]bool, error) {
	out := make([]bool, len(objects))
	for i, o := range objects {
		out[i] = d.f(o)
	}
	return out, nil
}

// ledger counts and can refuse.
type ledger struct {
	refuse  error
	settled []aggregator.Outcome
	mu      sync.Mutex // guards settled
}

func (l *ledger) Reserve(context.Context, *aggregator.Intent) (aggregator.Reservation, error) {
	if l.refuse != nil {
		return nil, l.refuse
	}
	return l, nil
}

func (l *ledger) Refuse(context.Context, *aggregator.RefusedCall) error { return nil }
func (l *ledger) Note(context.Context, *aggregator.Note) error          { return nil }

func (l *ledger) Settle(ctx context.Context, out aggregator.Outcome) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settled = append(l.settled, out)
	return ctx.Err()
}

func tool(name string) upstream.Item {
	raw := []byte(`{"name":"` + name + `","inputSchema":{"type":"object"}}`)
	return upstream.Item{Name: name, Raw: raw, Hash: wire.Digest(raw)}
}

func newGate(t *testing.T, ups aggregator.Upstreams, l aggregator.Ledger, most int) *aggregator.Gate {
	t.Helper()
	g, err := aggregator.New(&aggregator.Options{Upstreams: ups, Ledger: l, MaxInFlight: most})
	if err != nil {
		t.Fatal(err)
	}
	g.Refresh([]catalog.Source{{Upstream: "up", Snapshot: &upstream.Snapshot{
		Upstream: "up", Revision: wire.R20260728, Capabilities: []byte(`{"tools":{}}`), Tools: []upstream.Item{tool("echo"), tool("secret")},
	}}})
	g.Start(t.Context(), nil)
	return g
}

var caller = &auth.Principal{Subject: "s", Method: "api_key", KeyID: "k", Roles: []string{"r"}}

func call(name string) *aggregator.Call {
	return &aggregator.Call{
		Method: aggregator.MethodCallTool, Params: []byte(`{"name":"` + name + `"}`),
		Client: bridge.Client{Revision: wire.R20260728},
	}
}

func visible(o policy.Object) bool { return o.OriginalName != "secret" }

var ok = &upstream.Reply{Result: []byte(`{"content":[],"resultType":"complete"}`), Revision: wire.R20260728}

func TestFailClosed(t *testing.T) {
	ups := &answers{reply: ok}
	g := newGate(t, ups, &ledger{}, 0)
	if got := g.Call(t.Context(), caller, call("up__echo")); got.Error == nil || got.Error.Code != wire.CodeInternal {
		t.Errorf("without rules: %+v", got)
	}
	if g.Ready() {
		t.Error("ready without rules")
	}
	for name, l := range map[string]aggregator.Ledger{"no ledger": nil, "a ledger that fails": &ledger{refuse: errors.New("disk full at /secret/path")}} {
		g := newGate(t, ups, l, 0)
		if err := g.Publish(aggregator.Rules{Decider: allow(visible)}); err != nil {
			t.Fatal(err)
		}
		got := g.Call(t.Context(), caller, call("up__echo"))
		if got.Error == nil || got.Error.Code != wire.CodeInternal || strings.Contains(got.Error.Message, "secret") {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if ups.calls != 0 {
		t.Errorf("the upstream was called %d times", ups.calls)
	}
}

func TestSettledOnce(t *testing.T) {
	for _, tt := range []struct {
		name string
		ups  *answers
		end  aggregator.End
	}{
		{"answered", &answers{reply: ok}, aggregator.Answered},
		{"error", &answers{reply: &upstream.Reply{Error: &wire.Error{Code: -32050, Message: "boom"}, Revision: wire.R20260728}}, aggregator.Answered},
		{"failed", &answers{err: &upstream.Error{Upstream: "up", Kind: upstream.KindClosed, Sent: true, Detail: "went away"}}, aggregator.UpstreamFailed},
		{"cancelled", &answers{block: make(chan struct{})}, aggregator.Cancelled},
	} {
		l := &ledger{}
		g := newGate(t, tt.ups, l, 0)
		if err := g.Publish(aggregator.Rules{Decider: allow(visible)}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		if tt.ups.block != nil {
			cancel()
		}
		got := g.Call(ctx, caller, call("up__echo"))
		cancel()
		if got.End != tt.end || len(l.settled) != 1 || l.settled[0].End != tt.end {
			t.Errorf("%s: end %q, settled %+v", tt.name, got.End, l.settled)
		}
	}
}

func TestUpstreamFailureIsNamed(t *testing.T) {
	for sent, want := range map[bool]string{true: `"outcome":"unknown"`, false: `"outcome":"not_executed"`} {
		g := newGate(t, &answers{err: &upstream.Error{Upstream: "up", Kind: upstream.KindTimeout, Sent: sent, Detail: "did not answer"}}, &ledger{}, 0)
		if err := g.Publish(aggregator.Rules{Decider: allow(visible)}); err != nil {
			t.Fatal(err)
		}
		got := g.Call(t.Context(), caller, call("up__echo"))
		if got.Error == nil || got.Error.Code != wire.CodeUpstreamFailed || !strings.Contains(got.Error.Message, `"up"`) || !strings.Contains(string(got.Error.Data), want) {
			t.Errorf("sent %v: %+v %s", sent, got.Error, got.Error.Data)
		}
	}
}

func TestHiddenIsMissing(t *testing.T) {
	ups := &answers{reply: ok}
	g := newGate(t, ups, &ledger{}, 0)
	if err := g.Publish(aggregator.Rules{Decider: allow(visible)}); err != nil {
		t.Fatal(err)
	}
	hidden, missing := g.Call(t.Context(), caller, call("up__secret")), g.Call(t.Context(), caller, call("up__sekret"))
	a, b := fmt.Sprintf("%+v %v", *hidden.Error, hidden.End), fmt.Sprintf("%+v %v", *missing.Error, missing.End)
	if strings.ReplaceAll(a, "secret", "") != strings.ReplaceAll(b, "sekret", "") || ups.calls != 0 {
		t.Errorf("hidden %s\nmissing %s", a, b)
	}
}

func TestInFlightLimit(t *testing.T) {
	const most = 8
	ups := &answers{reply: ok, block: make(chan struct{})}
	g := newGate(t, ups, &ledger{}, most)
	if err := g.Publish(aggregator.Rules{Decider: allow(visible)}); err != nil {
		t.Fatal(err)
	}
	results := make(chan aggregator.Reply)
	for i := range 3 * most {
		one := &auth.Principal{Subject: "s", Method: "api_key", KeyID: fmt.Sprint(i), Roles: []string{"r"}}
		go func() { results <- g.Call(t.Context(), one, call("up__echo")) }()
	}
	for range 2 * most { // only the refused ones end before the upstream answers
		r := <-results
		if r.End != aggregator.Refused || !strings.Contains(string(r.Result), `"isError":true`) {
			t.Fatalf("got %+v", r)
		}
	}
	close(ups.block)
	for range most {
		if r := <-results; r.End != aggregator.Answered {
			t.Errorf("got %+v", r)
		}
	}
}

// TestRevisionSwap: rules change under load; a call sees one revision, and nobody sees a tool after it was taken away.
func TestRevisionSwap(t *testing.T) {
	g := newGate(t, &answers{reply: ok}, &ledger{}, 0)
	if err := g.Publish(aggregator.Rules{Decider: allow(visible)}); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var work sync.WaitGroup
	for range 4 {
		work.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if r := g.Call(t.Context(), caller, call("up__secret")); r.End != aggregator.Unknown {
					t.Errorf("the secret tool answered: %+v", r)
					return
				}
				if r := g.Call(t.Context(), caller, call("up__echo")); r.End != aggregator.Answered {
					t.Errorf("got %+v", r)
					return
				}
			}
		})
	}
	for i := range 200 {
		g.Refresh([]catalog.Source{{Upstream: "up", Snapshot: &upstream.Snapshot{
			Upstream: "up", Revision: wire.R20260728, Capabilities: []byte(`{"tools":{}}`),
			Tools: []upstream.Item{tool("echo"), tool("secret"), tool(fmt.Sprintf("t%d", i))},
		}}})
	}
	close(stop)
	work.Wait()
}

// TestOneCallerLeavesRoom: a caller whose calls hang must not use up the gateway.
func TestOneCallerLeavesRoom(t *testing.T) {
	ups := &answers{reply: ok, block: make(chan struct{})}
	g := newGate(t, ups, aggregator.Unmetered{}, 4)
	if err := g.Publish(aggregator.Rules{Decider: allow(visible)}); err != nil {
		t.Fatal(err)
	}
	other := &auth.Principal{Subject: "s", Method: "api_key", KeyID: "other", Roles: []string{"r"}}
	replies := make(chan aggregator.Reply, 8)
	for range 4 {
		go func() { replies <- g.Call(t.Context(), caller, call("up__echo")) }()
	}
	for range 2 {
		if got := <-replies; got.End != aggregator.Refused || !strings.Contains(string(got.Result), "this caller is at its limit of 2 calls") {
			t.Errorf("above half: %+v", got)
		}
	}
	go func() { replies <- g.Call(t.Context(), other, call("up__echo")) }()
	close(ups.block)
	for range 3 {
		if got := <-replies; got.End != aggregator.Answered {
			t.Errorf("within the limits: %+v", got)
		}
	}
	if got := g.Call(t.Context(), caller, call("up__echo")); got.End != aggregator.Answered {
		t.Errorf("after the others: %+v", got)
	}
}
