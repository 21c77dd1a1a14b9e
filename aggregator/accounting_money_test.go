// SPDX-License-Identifier: Apache-2.0

package aggregator_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tollgate/aggregator"
	"tollgate/aggregator/bridge"
	"tollgate/policy"
	"tollgate/policy/limit"
	"tollgate/store/audit"
	ledgers "tollgate/store/ledger"
	"tollgate/upstream"
	"tollgate/upstream/wire"
)

// metered is a limit whose calls cost up to ten cents, and what their results say.
func metered() policy.LimitRule {
	return policy.LimitRule{Name: "metered", Cost: "0.10", Settle: "result.structuredContent.price"}
}

// TestSettlement: a call costs what its result says, at most its ceiling; more is recorded as an overrun; what nobody can read
// costs the ceiling.
func TestSettlement(t *testing.T) {
	for price, want := range map[string]told{
		`0.04`:  {Cost: 4 * cent},
		`0`:     {},
		`0.1`:   {Cost: 10 * cent},
		`0.75`:  {Cost: 10 * cent, Overrun: 65 * cent},
		`-1`:    {Cost: 10 * cent},
		`"x"`:   {Cost: 10 * cent},
		`1e300`: {Cost: 10 * cent},
	} {
		c := &cloud{result: `{"content":[],"structuredContent":{"price":` + price + `}}`}
		b := newBooked(t, c, priced(1, metered()), nil)
		reply := b.Call(t.Context(), person("ada", "r"), deployCall(`{"region":"x"}`))
		answered(t, reply)
		outcome := b.wait(t, 1, audit.Outcome)[0]
		if outcome.Cost != want.Cost || outcome.Overrun != want.Overrun || reply.Charged != want.Cost {
			t.Errorf("price %s: cost %d, overrun %d, charged %d, want %+v", price, outcome.Cost, outcome.Overrun, reply.Charged, want)
		}
		b.want(t, "all", want.Cost, 0)
		if overruns := b.engine.Stats().Overruns; (overruns > 0) != (want.Overrun > 0) {
			t.Errorf("price %s: %d overruns are counted", price, overruns)
		}
		b.shut()
	}
}

// TestRelease: what a call costs that has no answer depends on whether its upstream may have executed it, and on whether the
// operator trusts the tool to change nothing.
func TestRelease(t *testing.T) {
	lost := func(sent bool) error {
		return &upstream.Error{Upstream: "cloud", Kind: upstream.KindClosed, Sent: sent, Detail: "went away"}
	}
	gone := &upstream.Error{Upstream: "cloud", Kind: upstream.KindClosed, Sent: true, Err: context.Canceled}
	for _, tt := range []struct {
		name    string
		err     error
		trusted bool
		end     aggregator.End
		cost    int64
	}{
		{"never sent", lost(false), false, aggregator.UpstreamFailed, 0},
		{"may have been executed", lost(true), false, aggregator.UpstreamFailed, cent},
		{"may have been executed and changes nothing", lost(true), true, aggregator.UpstreamFailed, 0},
		{"cancelled once it was sent", gone, false, aggregator.Cancelled, cent},
		{"cancelled once it was sent, and changes nothing", gone, true, aggregator.Cancelled, 0},
		{"cancelled before", context.Canceled, false, aggregator.Cancelled, 0},
	} {
		c := &cloud{fails: func(context.Context, *upstream.Request) error { return tt.err }}
		rules := priced(1, policy.LimitRule{Name: "price", Cost: "0.01"})
		rules.roles["r"] = policy.Role{Allow: []string{"*"}, Limits: rules.roles["r"].Limits}
		if tt.trusted {
			rules.recording = &aggregator.RecordingOptions{ReadOnly: []string{"vault/*"}}
		}
		b := newBooked(t, c, rules, nil)
		b.withVault(`{"readOnlyHint":true}`)
		if r := b.Call(t.Context(), person("ada", "r"), vaultCall(`{}`)); r.End != tt.end || r.Charged != tt.cost {
			t.Errorf("%s: %s, charged %d", tt.name, r.End, r.Charged)
		}
		if o := b.wait(t, 1, audit.Outcome)[0]; o.End != string(tt.end) || o.Cost != tt.cost {
			t.Errorf("%s: recorded %+v", tt.name, o)
		}
		b.want(t, "all", tt.cost, 0)
		b.shut()
	}
}

// TestCancelledIsSettled: a caller that goes away in the middle leaves an outcome, and holds nothing any more.
func TestCancelledIsSettled(t *testing.T) {
	for _, class := range []audit.Class{audit.Strict, audit.Durable, audit.Async} {
		under := make(chan struct{})
		c := &cloud{fails: func(ctx context.Context, _ *upstream.Request) error {
			close(under)
			<-ctx.Done()
			return &upstream.Error{Upstream: "cloud", Kind: upstream.KindClosed, Sent: true, Err: ctx.Err()}
		}}
		rules := priced(1, policy.LimitRule{Name: "price", Cost: "0.01"}, policy.LimitRule{Name: "one", Concurrency: 1})
		rules.recording = recording(class)
		b := newBooked(t, c, rules, nil)
		ctx, leave := context.WithCancel(t.Context())
		replies := make(chan aggregator.Reply, 1)
		go func() { replies <- b.Call(ctx, person("ada", "r"), deployCall(`{"region":"x"}`)) }()
		<-under
		b.want(t, "all", 0, cent)
		leave()
		if r := <-replies; r.End != aggregator.Cancelled {
			t.Errorf("%s: %s", class, r.End)
		}
		if o := b.wait(t, 1, audit.Outcome)[0]; o.End != "cancelled" || o.Cost != cent || o.Error != "the client went away" {
			t.Errorf("%s: recorded %+v", class, o)
		}
		b.want(t, "all", cent, 0)
		c.fails = nil
		answered(t, b.Call(t.Context(), person("ada", "r"), deployCall(`{"region":"x"}`))) // its place is free
		b.shut()
	}
}

// question is what an upstream answers that asks its user, with a state of its own.
func question(state string) *upstream.Reply {
	return result(`{"resultType":"input_required","inputRequests":{"q":{"method":"elicitation/create","params":{"message":"which?","requestedSchema":{"type":"object","properties":{}}}}},"requestState":"` + state + `"}`)
}

// reply is the call with an answer to the question of its last round.
func reply(c *aggregator.Call, last *aggregator.Reply) *aggregator.Call {
	state, _ := bridge.RequestState(last.Result)
	next := *c
	next.Params = wire.Set(next.Params, "requestState", wire.AppendString(nil, state))
	next.Params = wire.Set(next.Params, "inputResponses", []byte(`{"q":{"action":"accept","content":{}}}`))
	return &next
}

// TestRoundsAreOneCharge: all rounds of a call are counted, held and charged once, up to the last of them; each leaves its
// records, which say to what they belong.
func TestRoundsAreOneCharge(t *testing.T) {
	c := &cloud{}
	b := newBooked(t, c, priced(1, metered(), policy.LimitRule{Name: "rate", Rate: "1/hour"}), nil)
	ada, call := person("ada", "r"), askable(`{"region":"x"}`)
	c.replies = func(*upstream.Request) *upstream.Reply { return question("s") }
	first := b.Call(t.Context(), ada, call)
	b.want(t, "all", 0, 10*cent)
	second := b.Call(t.Context(), ada, reply(call, &first))
	b.want(t, "all", 0, 10*cent)
	refusedWith(t, b.Call(t.Context(), ada, call), aggregator.CodeRate, `"rate"`)
	c.replies = func(*upstream.Request) *upstream.Reply {
		return result(`{"content":[],"structuredContent":{"price":0.03}}`)
	}
	last := b.Call(t.Context(), ada, reply(call, &second))
	answered(t, last)
	b.want(t, "all", 3*cent, 0)
	intent := told{Kind: audit.Intent, Name: "cloud__deploy", Tool: "deploy", Class: audit.Strict, Level: audit.LevelFull}
	round := told{Kind: audit.Outcome, End: "input_required", Name: "cloud__deploy", Tool: "deploy", Class: audit.Strict}
	open, later, end, whole := round, intent, round, round
	open.Open, later.Continues, end.End, whole.End, whole.Cost = true, true, "answered", "answered", 3*cent
	want := []told{intent, open, later, round, later, end, whole}
	all := b.records(t, audit.Intent, audit.Outcome)
	if diff := cmp.Diff(want, tell(all)); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	if all[len(all)-1].ID != first.Decision || last.Charged != 3*cent {
		t.Errorf("the cost is that of %s, the call is %s; charged %d", all[len(all)-1].ID, first.Decision, last.Charged)
	}
	// A state is good once: who brings it back again begins another call, which the rate refuses.
	refusedWith(t, b.Call(t.Context(), ada, reply(call, &second)), aggregator.CodeRate, `"rate"`)
}

// TestAbandonedRound: of a call whose client does not come back nobody knows what it did, so it costs its ceiling.
func TestAbandonedRound(t *testing.T) {
	for name, end := range map[string]func(b *booked, call *aggregator.Call){
		"time": func(b *booked, call *aggregator.Call) {
			b.set(b.now().Add(2 * time.Hour))
			b.Call(t.Context(), person("eve", "r"), call)
		},
		"close": func(b *booked, _ *aggregator.Call) { b.Close(); _ = b.accounting.Close() },
	} {
		c := &cloud{replies: func(*upstream.Request) *upstream.Reply { return question("s") }}
		b := newBooked(t, c, priced(1, metered()), nil)
		first := b.Call(t.Context(), person("ada", "r"), askable(`{"region":"x"}`))
		end(b, deployCall(`{"region":"x"}`))
		outcomes := b.wait(t, 2, audit.Outcome)
		for len(outcomes) < 3 && name == "time" { // that of eve's call comes at any time
			outcomes = b.wait(t, 3, audit.Outcome)
		}
		found := false
		for _, o := range outcomes {
			if o.ID == first.Decision && !o.Open {
				found = true
				if o.End != string(aggregator.Expired) || o.Cost != 10*cent || o.Error == "" {
					t.Errorf("%s: recorded %+v", name, o)
				}
			}
		}
		if !found {
			t.Errorf("%s: the call has no end", name)
		}
	}
}

// TestTasksAreSettledAtTheirEnd: a call that became a task holds its ceiling until somebody learns how the task ended, once.
func TestTasksAreSettledAtTheirEnd(t *testing.T) {
	for _, tt := range []struct {
		answer string
		cost   int64
	}{
		{`"status":"completed","result":{"content":[],"structuredContent":{"price":0.02}}`, 2 * cent},
		{`"status":"completed"`, 10 * cent}, // nobody can read what it cost
		{`"status":"failed"`, 10 * cent},
		{`"status":"cancelled"`, 10 * cent},
	} {
		c, now := &cloud{}, `"status":"working"`
		c.replies = func(r *upstream.Request) *upstream.Reply {
			if r.Method == aggregator.MethodGetTask {
				return result(`{"resultType":"complete","taskId":"t",` + now + `}`)
			}
			return result(`{"resultType":"task","taskId":"t","status":"working"}`)
		}
		b := newBooked(t, c, priced(1, metered()), nil)
		ada := person("ada", "r")
		made := b.Call(t.Context(), ada, tasked(`{"region":"x"}`))
		answered(t, b.Call(t.Context(), ada, status(&made)))
		b.want(t, "all", 0, 10*cent)
		now = tt.answer
		for range 3 {
			answered(t, b.Call(t.Context(), ada, status(&made)))
		}
		b.want(t, "all", tt.cost, 0)
		var ends []string
		for _, r := range b.records(t, audit.Outcome) {
			if r.ID == made.Decision {
				ends = append(ends, fmt.Sprintf("%s open=%v %d", r.End, r.Open, r.Cost))
			} else if r.Cost != 0 || r.Class != audit.Async {
				t.Errorf("a question cost %d and is recorded as %s", r.Cost, r.Class)
			}
		}
		if diff := cmp.Diff([]string{"task open=true 0", fmt.Sprintf("answered open=false %d", tt.cost)}, ends); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.answer, diff)
		}
		b.shut()
	}
}

// TestIdempotencyIsRecorded: a call that is sent again is answered from memory, with a record that says whose answer it was;
// the key of another request is refused, with a record.
func TestIdempotencyIsRecorded(t *testing.T) {
	c := &cloud{}
	b := newBooked(t, c, priced(1, policy.LimitRule{Name: "price", Cost: "0.01"}), nil)
	ada := person("ada", "r")
	first := b.Call(t.Context(), ada, keyed(`{"region":"x"}`, "k"))
	again := b.Call(t.Context(), ada, keyed(`{ "region": "x" }`, "k"))
	if !again.Replayed || again.Decision != first.Decision || said(&again) != said(&first) || c.calls.Load() != 1 {
		t.Errorf("again: %+v, %d calls", again, c.calls.Load())
	}
	refusedWith(t, b.Call(t.Context(), ada, keyed(`{"region":"y"}`, "k")), aggregator.CodeIdempotency, "another request")
	answered(t, b.Call(t.Context(), person("eve", "r"), keyed(`{"region":"y"}`, "k")))
	replays := b.records(t, audit.Replay)
	if len(replays) != 1 || replays[0].Target != first.Decision || replays[0].ID == first.Decision || replays[0].Input != nil || replays[0].Cost != 0 {
		t.Errorf("replays: %+v", replays)
	}
	refusals := b.records(t, audit.Refusal)
	if len(refusals) != 1 || refusals[0].Code != aggregator.CodeIdempotency || !strings.Contains(refusals[0].Detail, first.Decision) {
		t.Errorf("refusals: %+v", refusals)
	}
	keys := map[string]bool{}
	for _, r := range b.records(t, audit.Intent) {
		keys[r.Idempotency] = true
		if len(r.Idempotency) != 32 || strings.Contains(string(r.Input), `"k"`) {
			t.Errorf("intent %+v", r)
		}
	}
	if len(keys) != 2 {
		t.Errorf("keys of two callers are recorded as %v", keys)
	}
	b.want(t, "all", 2*cent, 0)
}

// TestAllBudgetsOrNone: a call needs room in the budget of its organization, team, user, key and tool; where one has none,
// nothing is held in the others, and no rate is used up.
func TestAllBudgetsOrNone(t *testing.T) {
	period := limit.BudgetPeriod{Unit: "day"}
	levels := map[string]limit.BudgetRule{
		"org": {Name: "org", Org: "acme"}, "team": {Name: "team", Per: []string{"team"}}, "user": {Name: "user", Per: []string{"user"}},
		"key": {Name: "key", Key: "ada"}, "tool": {Name: "tool", Per: []string{"tool"}},
	}
	for full := range levels {
		rules := priced(1, policy.LimitRule{Name: "price", Cost: "0.30"}, policy.LimitRule{Name: "rate", Rate: "3/hour"})
		rules.budgets = nil
		for name, r := range levels {
			r.Limit, r.Period = ledgers.Dollar, period
			if name == full {
				r.Limit = 60 * cent
			}
			rules.budgets = append(rules.budgets, r)
		}
		b := newBooked(t, &cloud{}, rules, nil)
		ada := person("ada", "r")
		ada.Org, ada.Team = "acme", "ops"
		for range 2 {
			answered(t, b.Call(t.Context(), ada, deployCall(`{"region":"x"}`)))
		}
		for range 5 {
			r := b.Call(t.Context(), ada, deployCall(`{"region":"x"}`))
			refusedWith(t, r, aggregator.CodeBudget, fmt.Sprintf("budget %q has $0.00 left of $0.60 and this call may cost up to $0.30", full))
			if r.Refusal.Budget == nil || r.Refusal.Budget.Name != full || r.Refusal.Rule != full {
				t.Errorf("%s: %+v", full, r.Refusal)
			}
		}
		for name := range levels {
			b.want(t, name, 60*cent, 0)
		}
		all, err := b.engine.Costs(t.Context(), &ledgers.CostQuery{})
		if err != nil || all.Total.Refused != 5 || all.Total.Calls != 2 || all.Total.Cost != 60*cent {
			t.Errorf("%s: costs %+v %v", full, all, err)
		}
		b.set(b.now().Add(24 * time.Hour)) // all of them begin anew
		for range 2 {
			answered(t, b.Call(t.Context(), ada, deployCall(`{"region":"x"}`)))
		}
		b.shut()
	}
}
