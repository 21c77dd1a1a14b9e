// SPDX-License-Identifier: Apache-2.0

package aggregator_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"tollgate/aggregator"
	"tollgate/aggregator/bridge"
	"tollgate/policy"
	"tollgate/upstream"
	"tollgate/upstream/wire"
)

func confirming(t *testing.T, c *cloud) *site {
	t.Helper()
	return newSite(t, c, rulesFor{roles: map[string]policy.Role{
		"ops": {
			Allow:       []string{"*"},
			Obligations: []policy.ObligationRule{{For: []string{"cloud/deploy"}, Confirm: "Deploy to production?"}},
			Limits:      []policy.LimitRule{{Name: "deployments", Rate: "2/hour"}},
		},
	}})
}

// askable is a modern client that can show forms.
func askable(arguments string) *aggregator.Call {
	c := deployCall(arguments)
	c.Client.Capabilities = []byte(`{"elicitation":{}}`)
	return c
}

// answer brings state back with the user's answer to the confirmation.
func answer(c *aggregator.Call, state, action string) *aggregator.Call {
	next := *c
	next.Params = wire.Set(next.Params, "requestState", wire.AppendString(nil, state))
	next.Params = wire.Set(next.Params, "inputResponses", []byte(`{"tollgate_confirm":{"action":"`+action+`","content":{}}}`))
	return &next
}

// asked is the state of a reply that asks for confirmation.
func asked(t *testing.T, r aggregator.Reply) string {
	t.Helper()
	state, ok := bridge.RequestState(r.Result)
	message, _ := wire.Lookup(r.Result, "inputRequests", "tollgate_confirm", "params", "message")
	if !ok || r.End != aggregator.InputRequired || !strings.Contains(string(message), "Deploy to production?") || !strings.Contains(string(message), "cloud__deploy") {
		t.Fatalf("got %s %s, want a question", r.End, r.Result)
	}
	return state
}

// TestConfirmation: the user confirms this call of this caller, once.
func TestConfirmation(t *testing.T) {
	s := confirming(t, &cloud{})
	ada, call := person("ada", "ops"), askable(`{"region":"x"}`)
	state := asked(t, s.Call(t.Context(), ada, call))
	if n := s.cloud.calls.Load(); n != 0 {
		t.Fatalf("the upstream was called %d times before anybody confirmed", n)
	}
	for name, c := range map[string]struct {
		caller string
		call   *aggregator.Call
	}{
		"somebody else":   {"bob", call},
		"other arguments": {"ada", askable(`{"region":"y"}`)},
	} {
		if r := s.Call(t.Context(), person(c.caller, "ops"), answer(c.call, state, "accept")); r.Error == nil || r.Error.Code != wire.CodeInvalidParams {
			t.Errorf("%s: %s", name, said(&r))
		}
	}
	answered(t, s.Call(t.Context(), ada, answer(call, state, "accept")))
	refusedWith(t, s.Call(t.Context(), ada, answer(call, state, "accept")), aggregator.CodeConfirmation, "has been used")

	state = asked(t, s.Call(t.Context(), ada, call))
	refusedWith(t, s.Call(t.Context(), ada, answer(call, state, "decline")), aggregator.CodeConfirmation, "did not confirm")
	refusedWith(t, s.Call(t.Context(), ada, answer(call, state, "accept")), aggregator.CodeConfirmation, "has been used")

	state = asked(t, s.Call(t.Context(), ada, call))
	s.set(s.now().Add(6 * time.Minute))
	if r := s.Call(t.Context(), ada, answer(call, state, "accept")); r.Error == nil || r.Error.Code != wire.CodeInvalidParams {
		t.Errorf("too late: %s", said(&r))
	}
	if n := s.cloud.calls.Load(); n != 1 {
		t.Errorf("the upstream was called %d times, want 1", n)
	}
}

// TestConfirmationIsUsedOnce: of many requests that bring one confirmation back at once, one goes through.
func TestConfirmationIsUsedOnce(t *testing.T) {
	s := confirming(t, &cloud{})
	ada, call := person("ada", "ops"), askable(`{"region":"x"}`)
	state := asked(t, s.Call(t.Context(), ada, call))
	var work sync.WaitGroup
	for range 50 {
		work.Go(func() { s.Call(context.Background(), ada, answer(call, state, "accept")) })
	}
	work.Wait()
	if n := s.cloud.calls.Load(); n != 1 {
		t.Errorf("the upstream was called %d times, want 1", n)
	}
}

// yes is a client of an earlier revision whose user answers every question.
type yes struct{ action string }

func (yes) Notify(string, []byte) {}

func (y yes) Ask(context.Context, string, []byte) ([]byte, *wire.Error) {
	return []byte(`{"action":"` + y.action + `"}`), nil
}

// TestConfirmationInTheCall: a client of an earlier revision is asked within its call; who cannot be asked is refused.
func TestConfirmationInTheCall(t *testing.T) {
	s := confirming(t, &cloud{})
	ada := person("ada", "ops")
	call := deployCall(`{"region":"x"}`)
	refusedWith(t, s.Call(t.Context(), ada, call), aggregator.CodeConfirmation, "this client cannot ask")
	call.Client = bridge.Client{Revision: wire.R20251125, Capabilities: []byte(`{"elicitation":{}}`)}
	refusedWith(t, s.Call(t.Context(), ada, call), aggregator.CodeConfirmation, "nobody can be asked")
	call.Peer = yes{"decline"}
	refusedWith(t, s.Call(t.Context(), ada, call), aggregator.CodeConfirmation, "did not confirm")
	call.Peer = yes{"accept"}
	answered(t, s.Call(t.Context(), ada, call))
	if n := s.cloud.calls.Load(); n != 1 {
		t.Errorf("the upstream was called %d times, want 1", n)
	}
}

// TestRoundsAreOneCall: the rounds of a call that its upstream asks questions in count once against a rate, and a state that
// is sent again begins another call.
func TestRoundsAreOneCall(t *testing.T) {
	c := &cloud{}
	c.replies = func(r *upstream.Request) *upstream.Reply {
		if _, ok := wire.Lookup(r.Params, "inputResponses"); ok {
			return &upstream.Reply{Result: []byte(`{"content":[],"resultType":"complete"}`), Revision: wire.R20260728}
		}
		return &upstream.Reply{Result: []byte(`{"resultType":"input_required","inputRequests":{"q":{"method":"elicitation/create","params":{"message":"sure?","requestedSchema":{"type":"object","properties":{}}}}},"requestState":"s"}`), Revision: wire.R20260728}
	}
	s := newSite(t, c, rulesFor{roles: map[string]policy.Role{
		"ops": {Allow: []string{"*"}, Limits: []policy.LimitRule{{Name: "deployments", Rate: "2/hour"}}},
	}})
	ada, call := person("ada", "ops"), askable(`{"region":"x"}`)
	first := s.Call(t.Context(), ada, call)
	state, ok := bridge.RequestState(first.Result)
	if !ok {
		t.Fatalf("no question: %s", said(&first))
	}
	again := *call
	again.Params = wire.Set(again.Params, "requestState", wire.AppendString(nil, state))
	again.Params = wire.Set(again.Params, "inputResponses", []byte(`{"q":{"action":"accept","content":{}}}`))
	answered(t, s.Call(t.Context(), ada, &again))
	answered(t, s.Call(t.Context(), ada, &again)) // the second call of two
	for range 3 {                                 // a refused replay does not make the state new
		refusedWith(t, s.Call(t.Context(), ada, &again), aggregator.CodeRate, "deployments")
	}
	refusedWith(t, s.Call(t.Context(), ada, call), aggregator.CodeRate, "deployments")
}

// TestConfirmationThenQuestions: a call that was confirmed stays so in the rounds of its upstream's own questions.
func TestConfirmationThenQuestions(t *testing.T) {
	c := &cloud{}
	c.replies = func(r *upstream.Request) *upstream.Reply {
		if _, ok := wire.Lookup(r.Params, "inputResponses"); ok {
			return &upstream.Reply{Result: []byte(`{"content":[],"resultType":"complete"}`), Revision: wire.R20260728}
		}
		return &upstream.Reply{Result: []byte(`{"resultType":"input_required","inputRequests":{"q":{"method":"elicitation/create","params":{"message":"which?","requestedSchema":{"type":"object","properties":{}}}}}}`), Revision: wire.R20260728}
	}
	s := confirming(t, c)
	ada, call := person("ada", "ops"), askable(`{"region":"x"}`)
	state := asked(t, s.Call(t.Context(), ada, call))
	question := s.Call(t.Context(), ada, answer(call, state, "accept"))
	next, ok := bridge.RequestState(question.Result)
	if !ok || c.calls.Load() != 1 {
		t.Fatalf("the upstream's question did not come: %s", said(&question))
	}
	last := *call
	last.Params = wire.Set(last.Params, "requestState", wire.AppendString(nil, next))
	last.Params = wire.Set(last.Params, "inputResponses", []byte(`{"q":{"action":"accept","content":{}}}`))
	answered(t, s.Call(t.Context(), ada, &last))
	if responses, _ := wire.Lookup(c.asked[0].Params, "inputResponses"); responses != nil {
		t.Errorf("the confirmation reached the upstream: %s", responses)
	}
}
