// SPDX-License-Identifier: Apache-2.0

package codetools_test

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/aggregator"
	"tollgate/aggregator/bridge"
	"tollgate/aggregator/codetools"
	"tollgate/policy"
	"tollgate/store/audit"
	"tollgate/upstream/upstreamtest"
	"tollgate/upstream/wire"
)

// waits opens two issues at once, and reads a note before and between.
const waits = `const before = (await notes.read({id: '0'})).text;
const opened = await Promise.allSettled([github.create_issue({title: 'one'}), notes.read({id: '1'}), github.create_issue({title: 'two'})]);
return [before, ...opened.map(o => o.status + ' ' + (o.reason?.code ?? ''))]`

// asked reads a reply that asks for input: the keys of its questions and its state.
func asked(t *testing.T, reply aggregator.Reply) (keys []string, state string) {
	t.Helper()
	kind, _ := wire.Lookup(reply.Result, "resultType")
	if string(kind) != `"input_required"` {
		t.Fatalf("the program does not wait: %s %v", reply.Result, reply.Error)
	}
	requests, _ := wire.Lookup(reply.Result, "inputRequests")
	for m := range wire.Members(requests) {
		keys = append(keys, m.Name)
	}
	raw, _ := wire.Lookup(reply.Result, "requestState")
	state, _ = wire.String(raw)
	return keys, state
}

// goOn sends the call again with answers.
func (s *stack) goOn(role, code, state string, answers map[string]string) aggregator.Reply {
	s.t.Helper()
	responses := map[string]any{}
	for key, action := range answers {
		responses[key] = map[string]string{"action": action}
	}
	raw, err := json.Marshal(responses)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.call(role, "execute_code", map[string]string{"code": code}, `,"inputResponses":`+string(raw)+`,"requestState":`+string(wire.AppendString(nil, state)))
}

// TestSuspended: calls that need a confirmation stop the program until the user has answered; it goes on where it was, once,
// for its own caller. What was confirmed is called and decided on anew, the other is an error in the program.
func TestSuspended(t *testing.T) {
	s := start(t, setup{mode: codetools.Code})
	first := s.call("reader", "execute_code", map[string]string{"code": waits})
	keys, state := asked(t, first)
	if len(keys) != 2 || !strings.Contains(string(first.Result), "Open it?") || !strings.Contains(string(first.Result), "two") {
		t.Fatalf("questions %v in %s", keys, first.Result)
	}
	if n := s.calls.Load(); n != 2 {
		t.Errorf("before the answers upstreams saw %d calls, want the two that read", n)
	}
	if reply := s.goOn("admin", waits, state, nil); reply.Error == nil {
		t.Errorf("another caller goes on: %s", reply.Result)
	}
	if reply := s.goOn("reader", waits+" ", state, nil); reply.Error == nil {
		t.Errorf("another program goes on: %s", reply.Result)
	}
	reply := s.goOn("reader", waits, state, map[string]string{keys[0]: "accept", keys[1]: "decline"})
	want := `["{\"a\":1}","fulfilled ","fulfilled ","rejected not_confirmed"]`
	if got := textsOf(reply.Result); len(got) != 1 || got[0] != want {
		t.Errorf("after the answers: %q, want %s", got, want)
	}
	if n := s.calls.Load(); n != 3 {
		t.Errorf("upstreams saw %d calls, want 3", n)
	}
	again := s.goOn("reader", waits, state, map[string]string{keys[0]: "accept", keys[1]: "accept"})
	if got := textsOf(again.Result); len(got) != 1 || !strings.Contains(got[0], "went on already") || s.calls.Load() != 3 {
		t.Errorf("again: %q, %d calls", got, s.calls.Load())
	}
	executions := map[string]bool{}
	for _, r := range s.records(&audit.Query{Kinds: []audit.Kind{audit.Intent, audit.Outcome}}) {
		if r.Kind == audit.Intent && r.Of.Tool != "execute_code" {
			executions[r.Script.Execution] = true
		}
	}
	if len(executions) != 1 || !executions[first.Decision] {
		t.Errorf("inner calls belong to %v, want all to %s", executions, first.Decision)
	}
}

// TestResumedOnce: of two that bring the same state back at once, one goes on.
func TestResumedOnce(t *testing.T) {
	s := start(t, setup{mode: codetools.Code})
	keys, state := asked(t, s.call("reader", "execute_code", map[string]string{"code": waits}))
	answers := map[string]string{keys[0]: "accept", keys[1]: "accept"}
	var done atomic.Int64
	var work sync.WaitGroup
	for range 8 {
		work.Go(func() {
			if texts := textsOf(s.goOn("reader", waits, state, answers).Result); len(texts) == 1 && strings.Contains(texts[0], "fulfilled") {
				done.Add(1)
			}
		})
	}
	work.Wait()
	if done.Load() != 1 || s.calls.Load() != 4 {
		t.Errorf("%d went on, upstreams saw %d calls; want 1 and 4", done.Load(), s.calls.Load())
	}
}

// askedPeer is a client of an earlier revision that answers every question.
type askedPeer struct{ asked atomic.Int64 }

func (p *askedPeer) Notify(string, []byte) {}

func (p *askedPeer) Ask(context.Context, string, []byte) ([]byte, *wire.Error) {
	p.asked.Add(1)
	return []byte(`{"action":"accept","content":{}}`), nil
}

// TestSuspendedLegacy: clients of earlier revisions are asked within their call, and clients that cannot be asked get the
// refusal in the program.
func TestSuspendedLegacy(t *testing.T) {
	s := start(t, setup{mode: codetools.Code})
	params := []byte(`{"name":"execute_code","arguments":{"code":` + string(wire.AppendString(nil, waits)) + `}}`)
	peer := &askedPeer{}
	reply := s.gate.Call(t.Context(), caller("reader"), &aggregator.Call{
		Method: aggregator.MethodCallTool, Params: params, Peer: peer, Client: bridge.Client{Revision: wire.R20251125, Capabilities: []byte(`{"elicitation":{}}`)},
	})
	if got := textsOf(reply.Result); len(got) != 1 || strings.Count(got[0], "fulfilled") != 3 || peer.asked.Load() != 2 {
		t.Errorf("asked %d times, then %q %v", peer.asked.Load(), got, reply.Error)
	}
	reply = s.gate.Call(t.Context(), caller("reader"), &aggregator.Call{
		Method: aggregator.MethodCallTool, Params: params, Client: bridge.Client{Revision: wire.R20251125, Capabilities: []byte(`{}`)},
	})
	if got := textsOf(reply.Result); len(got) != 1 || strings.Count(got[0], "rejected not_confirmed") != 2 {
		t.Errorf("a client that cannot be asked: %q %v", got, reply.Error)
	}
}

// TestCancelledProgram: a client that goes away ends its program and the calls of it.
func TestCancelledProgram(t *testing.T) {
	s := start(t, setup{mode: codetools.Code})
	ctx, cancel := context.WithCancel(t.Context())
	s.hold = func(r *upstreamtest.Request) {
		cancel()
		<-r.Context.Done()
	}
	params := []byte(`{"name":"execute_code","arguments":{"code":"await notes.read({id: '1'}); await notes.read({id: '2'})"}}`)
	reply := s.gate.Call(ctx, caller("reader"), &aggregator.Call{Method: aggregator.MethodCallTool, Params: params, Client: asks()})
	if reply.End != aggregator.Cancelled || s.calls.Load() != 1 {
		t.Errorf("ended as %s after %d calls", reply.End, s.calls.Load())
	}
}

// countingKeeper knows how many programs it keeps.
type countingKeeper struct {
	codetools.Keeper
	kept atomic.Int64
}

func (k *countingKeeper) Put(ctx context.Context, owner, id string, text []byte, until time.Time) error {
	err := k.Keeper.Put(ctx, owner, id, text, until)
	if err == nil {
		k.kept.Add(1)
	}
	return err
}

func (k *countingKeeper) Take(ctx context.Context, owner, id string) ([]byte, error) {
	text, err := k.Keeper.Take(ctx, owner, id)
	if text != nil {
		k.kept.Add(-1)
	}
	return text, err
}

// leavingPeer goes away when it is asked.
type leavingPeer struct{ leave context.CancelFunc }

func (p leavingPeer) Notify(string, []byte) {}

func (p leavingPeer) Ask(ctx context.Context, _ string, _ []byte) ([]byte, *wire.Error) {
	p.leave()
	<-ctx.Done()
	return nil, &wire.Error{Code: wire.CodeInternal, Message: "gone"}
}

// TestClientLeavesWhenAsked: of a client of an earlier revision that goes away while it is asked nothing is kept, and what
// its program did counts.
func TestClientLeavesWhenAsked(t *testing.T) {
	keeper := &countingKeeper{}
	s := start(t, setup{mode: codetools.Code, keeper: func(k codetools.Keeper) codetools.Keeper { keeper.Keeper = k; return keeper },
		limits: []policy.LimitRule{{Name: "price", For: []string{"tollgate/execute_code"}, Cost: "0.2"}}})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	params := []byte(`{"name":"execute_code","arguments":{"code":` + string(wire.AppendString(nil, waits)) + `}}`)
	reply := s.gate.Call(ctx, caller("reader"), &aggregator.Call{
		Method: aggregator.MethodCallTool, Params: params, Peer: leavingPeer{cancel}, Client: bridge.Client{Revision: wire.R20251125, Capabilities: []byte(`{"elicitation":{}}`)},
	})
	if reply.End != aggregator.Cancelled || s.calls.Load() != 2 || keeper.kept.Load() != 0 {
		t.Errorf("ended as %s after %d calls, %d programs are kept", reply.End, s.calls.Load(), keeper.kept.Load())
	}
	if s.spent() != 200_000_000 {
		t.Errorf("spent %d: the program may have done its work", s.spent())
	}
}

// TestRulesChangeWhileRunning: each call of a program that runs is decided under the rules of its moment, and a program ends
// as it began when Code Mode is switched off.
func TestRulesChangeWhileRunning(t *testing.T) {
	o := setup{mode: codetools.Code}
	s := start(t, o)
	var once sync.Once
	s.hold = func(*upstreamtest.Request) {
		once.Do(func() {
			o.deny = []string{"github/fail"}
			r := s.rules(&o)
			r.Own, r.Modes = nil, nil
			if err := s.gate.Publish(r); err != nil {
				t.Error(err)
			}
		})
	}
	texts, failed := s.run("reader", "await notes.read({id: '1'});\nreturn [await github.fail({}).catch(e => e.message), (await notes.read({id: '2'})).text]")
	if failed || !strings.HasPrefix(texts[0], `["github.fail is not a tool.`) || strings.Contains(texts[0], "mean github.fail?") || !strings.HasSuffix(texts[0], `"{\"a\":1}"]`) {
		t.Errorf("%q", texts)
	}
	intents := s.records(&audit.Query{Kinds: []audit.Kind{audit.Intent}})
	if outcomes := s.records(&audit.Query{Kinds: []audit.Kind{audit.Outcome}}); len(intents) != 3 || len(outcomes) != 3 {
		t.Errorf("%d intents, %d outcomes, want 3 of each", len(intents), len(outcomes))
	}
}

// TestLimitsOfPrograms: limits are about the tool that runs programs as about any other.
func TestLimitsOfPrograms(t *testing.T) {
	s := start(t, setup{mode: codetools.Code, limits: []policy.LimitRule{{Name: "programs", For: []string{"tollgate/execute_code"}, Rate: "2/1h"}}})
	for i := range 3 {
		texts, failed := s.run("reader", "return 'ran'")
		if want := i == 2; failed != want || (texts[0] == "ran") == want {
			t.Errorf("program %d: %q", i+1, texts)
		}
	}
	if texts, failed := s.run("admin", "return 1 //"+strings.Repeat("x", 70<<10)); !failed || failureOf(t, texts).Error.Kind != "limit" {
		t.Errorf("a huge program: %.200q", texts)
	}
}
