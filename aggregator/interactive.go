// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"tollgate/aggregator/auth"
	"tollgate/aggregator/bridge"
	"tollgate/aggregator/redact"
	"tollgate/upstream"
	"tollgate/upstream/wire"
)

const (
	// maxRounds bounds how often one call may ask its client.
	maxRounds = 16
	// maxConversation bounds a call of a client that answers within its call.
	maxConversation = 10 * time.Minute
	// relayTTL is how long a client may take to answer a modern upstream, which keeps its state itself.
	relayTTL = time.Hour
)

// interactive reports whether an upstream may ask the client in the middle of this kind of call.
func interactive(method string) bool {
	return method == MethodCallTool || method == MethodGetPrompt || method == MethodReadResource
}

func (g *Gate) binding(caller *auth.Principal, c *Call, to *target) *bridge.Binding {
	return &bridge.Binding{Caller: caller.Key(), Method: c.Method, Name: to.shown, Digest: bridge.RequestDigest(c.Params)}
}

// reopen reads the requestState a modern client brings back. It returns the parked call to go on with, or has put the
// upstream's own state into to.
func (g *Gate) reopen(caller *auth.Principal, c *Call, to *target) (*bridge.State, *bridge.Parked, *Reply) {
	if !c.Client.Revision.Modern() || !interactive(c.Method) {
		return nil, nil, nil
	}
	text, ok := bridge.RequestState(c.Params)
	if !ok {
		return nil, nil, nil
	}
	st, err := g.sealer.Open(text, g.binding(caller, c, to))
	if err != nil || st.Upstream != to.upstream {
		return nil, nil, invalid(bridge.ErrState.Error())
	}
	if st.Round > maxRounds {
		return nil, nil, invalid(fmt.Sprintf("this call has asked for input %d times, which is the limit", maxRounds))
	}
	answers, _ := wire.Lookup(c.Params, "inputResponses")
	switch st.Kind {
	case bridge.Relayed:
		to.params = bridge.Retry(to.params, answers, st.Inner, st.HasInner)
	case bridge.Again, bridge.Confirm, bridge.Script:
		to.params = bridge.Retry(to.params, nil, "", false)
	case bridge.Parking:
		p, ok := g.lot.Take(st.Call, caller.Key())
		if st.Node != g.node || !ok {
			return nil, nil, invalid("the call that waited for this answer has ended: start it again")
		}
		p.Answer(answers)
		return st, p, nil
	}
	return st, nil, nil
}

// detached reports whether a call has to outlive the client's request when its upstream asks: only between a modern client
// that can be asked and an upstream of an earlier revision.
func (to *target) detached(c *Call) bool {
	return c.Client.Revision.Modern() && !to.revision.Modern() && interactive(c.Method) && c.Client.Interactive()
}

// park runs a call that may have to wait for its client between two of the client's requests.
func (g *Gate) park(ctx context.Context, caller *auth.Principal, c *Call, to *target, held Reservation) Reply {
	p, err := g.lot.Start(caller.Key(), func(ctx context.Context, p *bridge.Parked) {
		defer func() {
			if r := recover(); r != nil { // one call must not end the process
				p.Value = g.settle(ctx, caller, c, to, held, g.broke(c, fmt.Errorf("panic: %v\n%s", r, debug.Stack())))
			}
		}()
		reply := g.exchange(ctx, caller, c, to, &parkedPeer{p, &c.Client, to.verdict.redact})
		p.Value = g.settle(ctx, caller, c, to, held, reply)
	})
	if err != nil {
		return g.settle(ctx, caller, c, to, held, g.failed(c, err))
	}
	return g.round(ctx, caller, c, to, p, 1)
}

// round serves one request of a client whose call may be waiting.
func (g *Gate) round(ctx context.Context, caller *auth.Principal, c *Call, to *target, p *bridge.Parked, n int) Reply {
	notify := func(string, []byte) {}
	if peer := newRelay(c, nil); peer != nil { // what comes has been redacted
		notify = peer.Notify
	}
	questions, done, err := p.Round(ctx, notify)
	switch {
	case errors.Is(err, bridge.ErrTooMany):
		return g.refused(c, "too many of your calls are waiting for answers; answer or abandon some first")
	case err != nil:
		return g.failed(c, err)
	case done:
		return p.Value.(Reply)
	}
	state, err := g.sealer.Seal(bridge.State{Kind: bridge.Parking, Upstream: to.upstream, Call: p.ID, Node: g.node, Round: n}, g.binding(caller, c, to), g.lot.TTL())
	if err != nil {
		p.Cancel()
		return g.failed(c, err)
	}
	return Reply{Result: bridge.InputRequired(questions, state), End: InputRequired}
}

// parkedPeer is the client of a parked call as its upstream sees it.
type parkedPeer struct {
	parked *bridge.Parked
	client *bridge.Client
	redact *redact.Rule
}

func (p *parkedPeer) Notify(method string, params []byte) {
	p.parked.Notify(method, p.redact.Notification(method, params))
}

func (p *parkedPeer) Ask(ctx context.Context, method string, params []byte) ([]byte, *wire.Error) {
	if !p.client.CanAsk(&bridge.Question{Method: method, Params: params}) {
		return nil, cannotAsk(method)
	}
	return p.parked.Ask(ctx, method, params)
}

func cannotAsk(method string) *wire.Error {
	return &wire.Error{Code: wire.CodeMethodNotFound, Message: fmt.Sprintf("the client did not declare that it can answer %s", method)}
}

// sealed is out, an input_required result, with its state sealed. A server asks for what the client declared only
// (2026-07-28 §mrtr), and to this client the gateway is the server.
func (g *Gate) sealed(caller *auth.Principal, c *Call, to *target, st *bridge.State, out Reply) Reply {
	if _, err := bridge.Questions(out.Result, &c.Client); err != nil {
		return g.refused(c, fmt.Sprintf("upstream %q needs input that this client cannot give: %v", to.upstream, err))
	}
	result, id, err := g.seal(caller, c, to, st, out.Result)
	if err != nil {
		return g.broke(c, err)
	}
	return Reply{Result: result, End: InputRequired, raw: out.raw, next: id}
}

// seal puts the upstream's state of an input_required result into one of ours, so that a client can bring it back to the
// same upstream and request only. id is that of the state.
func (g *Gate) seal(caller *auth.Principal, c *Call, to *target, st *bridge.State, result []byte) (out []byte, id string, err error) {
	next := g.nextState(bridge.Relayed, to, st)
	next.Inner, next.HasInner = bridge.RequestState(result)
	text, err := g.sealer.Seal(next, g.binding(caller, c, to), relayTTL)
	if err != nil {
		return nil, "", err
	}
	return wire.Set(result, "requestState", wire.AppendString(nil, text)), next.ID, nil
}

// nextState is a state of the next round of a call. It counts as a part of the same call once.
func (g *Gate) nextState(kind bridge.StateKind, to *target, st *bridge.State) bridge.State {
	next := bridge.State{Kind: kind, Upstream: to.upstream, Round: 1, Node: g.node, ID: newDecisionID(g.now()), Confirmed: len(to.verdict.obligations.Confirm) > 0}
	if st != nil {
		next.Round = st.Round + 1
	}
	return next
}

// continues reports whether st makes its request a part of a call that was admitted before. A state that comes back again,
// or from another process, begins a call of its own: its upstream may run the whole of it.
func (g *Gate) continues(w *who, st *bridge.State) bool {
	return st != nil && (st.Kind == bridge.Relayed || st.Kind == bridge.Again || st.Kind == bridge.Script) && st.Node == g.node &&
		g.rounds.use(w.caller.Key(), st.ID, g.now())
}

// converse runs a call of a client of an earlier revision: what a modern upstream asks in its results, the client is asked
// within its call.
func (g *Gate) converse(ctx context.Context, caller *auth.Principal, c *Call, to *target) Reply {
	ctx, cancel := context.WithTimeout(ctx, maxConversation)
	defer cancel()
	peer := newRelay(c, to.verdict.redact)
	params := to.params
	for round := 0; ; round++ {
		answer, err := g.opts.Upstreams.Call(ctx, to.upstream, g.request(caller, c, to, params, peer))
		if err != nil {
			return g.upstreamFailed(c, err)
		}
		if answer.Error != nil || !bridge.IsInputRequired(answer.Result) || !interactive(c.Method) {
			return g.translate(c, to, answer)
		}
		if round == maxRounds {
			return g.upstreamFailed(c, protocolError(to, fmt.Sprintf("asked the client more than %d times", maxRounds)))
		}
		questions, err := bridge.Questions(answer.Result, &c.Client)
		if err != nil || (len(questions) > 0 && c.Peer == nil) {
			return g.refused(c, fmt.Sprintf("upstream %q needs input that this client cannot give: %v", to.upstream, err))
		}
		answers, e := askAll(ctx, c.Peer, questions)
		if e != nil {
			return g.refused(c, fmt.Sprintf("upstream %q needs input, and the client answered with an error: %s", to.upstream, e.Message))
		}
		state, has := bridge.RequestState(answer.Result)
		params = bridge.Retry(to.params, answers, state, has)
		if len(questions) == 0 && !pause(ctx, round) {
			return g.upstreamFailed(c, ctx.Err())
		}
	}
}

// pause waits a little before a request is repeated that its upstream was only too busy for.
func pause(ctx context.Context, round int) bool {
	t := time.NewTimer(min(100*time.Millisecond<<round, 5*time.Second))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// askAll puts the questions of one round to the client at once and returns the answers as an object. A client that fails an
// elicitation has cancelled it; any other failure ends the call.
func askAll(ctx context.Context, peer Peer, questions []bridge.Question) ([]byte, *wire.Error) {
	if len(questions) == 0 {
		return nil, nil
	}
	answers := make([][]byte, len(questions))
	failures := make([]*wire.Error, len(questions))
	var work sync.WaitGroup
	for i, q := range questions {
		work.Go(func() { answers[i], failures[i] = peer.Ask(ctx, q.Method, q.Params) })
	}
	work.Wait()
	var out []byte
	for i, q := range questions {
		if failures[i] != nil && (q.Method != "elicitation/create" || ctx.Err() != nil) {
			return nil, failures[i]
		}
		if failures[i] != nil {
			answers[i] = []byte(`{"action":"cancel"}`)
		}
		out = wire.Set(out, q.Key, answers[i])
	}
	return out, nil
}

// urlQuestions turns an upstream's demand that the user visit a URL into a question for a modern client, which has no
// error code for it.
func (g *Gate) urlQuestions(caller *auth.Principal, c *Call, to *target, e *wire.Error) Reply {
	questions := bridge.URLQuestions(e)
	for i := range questions {
		if !c.Client.CanAsk(&questions[i]) {
			questions = nil
			break
		}
	}
	switch {
	case len(questions) == 0 && c.Method != MethodCallTool:
		return Reply{Error: &wire.Error{Code: wire.CodeRefused, Message: "the upstream wants the user to visit a URL, which this client cannot show: " + e.Message}, End: Answered}
	case len(questions) == 0:
		return Reply{Result: bridge.ToolError(c.Client.Revision, e.Message+" "+string(e.Data)), End: Answered}
	}
	next := g.nextState(bridge.Again, to, to.state)
	state, err := g.sealer.Seal(next, g.binding(caller, c, to), relayTTL)
	if err != nil {
		return g.broke(c, err)
	}
	return Reply{Result: bridge.InputRequired(questions, state), End: InputRequired, next: next.ID}
}

func protocolError(to *target, detail string) *upstream.Error {
	return &upstream.Error{Upstream: to.upstream, Kind: upstream.KindProtocol, Sent: true, Detail: detail}
}
