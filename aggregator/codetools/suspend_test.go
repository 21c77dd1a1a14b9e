// SPDX-License-Identifier: Apache-2.0

package codetools_test

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"tollgate/aggregator"
	"tollgate/aggregator/bridge"
	"tollgate/aggregator/codetools"
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
