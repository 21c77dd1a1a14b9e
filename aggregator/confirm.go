// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode"

	"tollgate/aggregator/bridge"
	"tollgate/upstream/wire"
)

const (
	// confirmTTL is how long a user may take to confirm a call.
	confirmTTL = 5 * time.Minute
	// confirmKey names the question of a confirmation among a call's questions.
	confirmKey = "tollgate_confirm"
	// maxShown bounds the arguments that a confirmation shows, in bytes.
	maxShown = 2000
)

// confirm has the user confirm the call where the rules want it. It returns nil when the call may go on, and else the
// reply that asks the user or refuses. st is the state a modern client brought back, nil for none.
//
// What the user confirms is this call: the state is bound to the caller, the tool and the digest of its arguments, is good
// once, in this process, for five minutes.
func (g *Gate) confirm(ctx context.Context, w *who, c *Call, to *target, v *verdict, st *bridge.State) *Reply {
	if len(v.obligations.Confirm) == 0 || to.task != nil || st != nil && st.Confirmed {
		return nil
	}
	if c.Method != MethodCallTool {
		return g.refuse(ctx, c, v, &Refusal{Code: CodeConfirmation, Sentence: "this needs the user's confirmation, which only tool calls can get"})
	}
	if c.inner != nil {
		return g.confirmInner(ctx, c, to, v)
	}
	question := confirmation(c, to, v)
	if !c.Client.CanAsk(&question) {
		return g.refuse(ctx, c, v, &Refusal{Code: CodeConfirmation, Sentence: "this call needs the user's confirmation, and this client cannot ask for it"})
	}
	if c.Client.Revision.Modern() {
		return g.confirmModern(ctx, w, c, to, v, st, question)
	}
	if c.Peer == nil {
		return g.refuse(ctx, c, v, &Refusal{Code: CodeConfirmation, Sentence: "this call needs the user's confirmation, and nobody can be asked"})
	}
	ctx, cancel := context.WithTimeout(ctx, confirmTTL)
	defer cancel()
	answer, e := c.Peer.Ask(ctx, question.Method, question.Params)
	if e != nil {
		return g.refuse(ctx, c, v, &Refusal{Code: CodeConfirmation, Sentence: "the user did not confirm this call", Detail: e.Message})
	}
	return g.confirmed(ctx, c, v, answer)
}

// confirmModern asks in the result, and takes the answer from the request that brings the state back.
func (g *Gate) confirmModern(ctx context.Context, w *who, c *Call, to *target, v *verdict, st *bridge.State, question bridge.Question) *Reply {
	if st == nil {
		state, err := g.sealer.Seal(bridge.State{Kind: bridge.Confirm, Upstream: to.upstream, Node: g.node, ID: newDecisionID(g.now())}, g.binding(w.caller, c, to), confirmTTL)
		if err != nil {
			return g.undecided(ctx, c, v, g.failed(c, err), CodeFailed)
		}
		return g.undecided(ctx, c, v, Reply{Result: bridge.InputRequired([]bridge.Question{question}, state), End: InputRequired}, CodeAsked)
	}
	if st.Kind != bridge.Confirm {
		return g.refuse(ctx, c, v, &Refusal{Code: CodeConfirmation, Sentence: "this call needs the user's confirmation by now: start it again"})
	}
	if st.Node != g.node || !g.once.use(w.caller.Key(), st.ID, g.now()) {
		return g.refuse(ctx, c, v, &Refusal{Code: CodeConfirmation, Sentence: "this confirmation has been used: start the call again"})
	}
	answers, _ := wire.Lookup(c.Params, "inputResponses")
	answer, _ := wire.Lookup(answers, confirmKey)
	if reply := g.confirmed(ctx, c, v, answer); reply != nil {
		return reply
	}
	st.Confirmed = true
	return nil
}

func (g *Gate) confirmed(ctx context.Context, c *Call, v *verdict, answer []byte) *Reply {
	if action, _ := wire.Lookup(answer, "action"); string(action) == `"accept"` {
		return nil
	}
	return g.refuse(ctx, c, v, &Refusal{Code: CodeConfirmation, Sentence: "the user did not confirm this call; do not repeat it unasked"})
}

// confirmation is the question: what the rule says, then the call as it would be made.
func confirmation(c *Call, to *target, v *verdict) bridge.Question {
	shown := string(v.Input.Arguments)
	if shown == "" {
		shown = "{}"
	}
	if len(shown) > maxShown {
		shown = strings.ToValidUTF8(shown[:maxShown], "") + fmt.Sprintf(" … (%d bytes)", len(v.Input.Arguments))
	}
	text := fmt.Sprintf("%s\n\nTool: %s\nArguments: %s", strings.Join(v.obligations.Confirm, "\n"), to.shown, visible(shown))
	params := append([]byte(`{"message":`), wire.AppendString(nil, text)...)
	params = append(params, `,"requestedSchema":{"type":"object","properties":{}}`...)
	if c.Client.Revision.Modern() {
		params = append(params, `,"mode":"form"`...)
	}
	return bridge.Question{Key: confirmKey, Method: "elicitation/create", Params: append(params, '}')}
}

// visible spells out characters that could make a text look like another: what the user confirms is what is sent.
func visible(s string) string {
	var b strings.Builder
	for _, r := range s {
		if unicode.IsPrint(r) {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, "\\u%04x", r)
		}
	}
	return b.String()
}
