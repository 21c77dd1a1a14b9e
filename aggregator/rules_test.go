// SPDX-License-Identifier: Apache-2.0

package aggregator_test

import (
	"context"
	"encoding/json"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/aggregator"
	"tollgate/aggregator/auth"
	"tollgate/aggregator/bridge"
	"tollgate/aggregator/catalog"
	"tollgate/policy"
	"tollgate/policy/limit"
	"tollgate/rego"
	ledgers "tollgate/store/ledger"
	"tollgate/upstream"
	"tollgate/upstream/wire"
)

// cloud is an upstream that deploys to regions and remembers what it was asked.
type cloud struct {
	result   string        // of every call; "" = the arguments, as structured content and text
	revision wire.Revision // "" = 2026-07-28
	notify   []string      // notifications/message data sent during a call
	replies  func(r *upstream.Request) *upstream.Reply
	fails    func(ctx context.Context, r *upstream.Request) error // nil, or an error of nil, = the call succeeds

	mu    sync.Mutex // guards asked
	asked []*upstream.Request
	calls atomic.Int64
}

func (c *cloud) Call(ctx context.Context, _ string, r *upstream.Request) (*upstream.Reply, error) {
	c.calls.Add(1)
	c.mu.Lock()
	c.asked = append(c.asked, r)
	c.mu.Unlock()
	for _, data := range c.notify {
		r.Peer.Notify("notifications/message", []byte(`{"level":"error","data":`+data+`}`))
	}
	if c.fails != nil {
		if err := c.fails(ctx, r); err != nil {
			return nil, err
		}
	}
	if c.replies != nil {
		return c.replies(r), nil
	}
	result := c.result
	if result == "" {
		arguments, _ := wire.Lookup(r.Params, "arguments")
		result = `{"content":[{"type":"text","text":` + string(wire.AppendString(nil, string(arguments))) + `}],"structuredContent":` + string(arguments) + `}`
	}
	rev := c.revision
	if rev == "" {
		rev = wire.R20260728
	}
	return &upstream.Reply{Result: []byte(result), Revision: rev}, nil
}

func (c *cloud) Subscribe(context.Context, string, string) error   { return nil }
func (c *cloud) Unsubscribe(context.Context, string, string) error { return nil }
func (c *cloud) Settled(context.Context) error                     { return nil }

// deploy is the definition of cloud's tool.
const deploy = `{"name":"deploy","inputSchema":{"type":"object","properties":{"region":{"type":"string"},"count":{"type":"integer"}},"required":["region"]},"outputSchema":{"type":"object"}}`

// site is a gate with real rules in front of one upstream.
type site struct {
	*aggregator.Gate
	cloud *cloud
	now   func() time.Time
	set   func(time.Time)

	accounting *aggregator.Accounting
}

// rulesFor are what newSite is given.
type rulesFor struct {
	roles    map[string]policy.Role
	scopes   []policy.ScopeRule
	modules  map[string]string
	bindings []aggregator.Binding
	acting   map[string]auth.Delegation

	budgets   []limit.BudgetRule
	recording *aggregator.RecordingOptions
	shadow    aggregator.Shadow
	ledger    ledgers.Ledger // nil: nothing is recorded
	replies   aggregator.Replies
}

func newSite(t testing.TB, c *cloud, r rulesFor) *site {
	t.Helper()
	s := &site{cloud: c}
	var clock atomic.Pointer[time.Time]
	s.set = func(now time.Time) { clock.Store(&now) }
	s.now = func() time.Time { return *clock.Load() }
	s.set(time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC))
	o := &aggregator.Options{Upstreams: c, Now: s.now, MaxInFlight: 1 << 20}
	accounting, err := aggregator.NewAccounting(&aggregator.AccountingOptions{Now: s.now, Ledger: r.ledger, DigestKey: []byte("key of the tests")})
	if err != nil {
		t.Fatal(err)
	}
	o.Ledger, o.Replies = accounting, r.replies
	if s.Gate, err = aggregator.New(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		if err := accounting.Close(); err != nil {
			t.Error(err)
		}
	})
	s.accounting = accounting
	rev := c.revision
	if rev == "" {
		rev = wire.R20260728
	}
	raw := []byte(deploy)
	s.Refresh([]catalog.Source{{Upstream: "cloud", Snapshot: &upstream.Snapshot{
		Upstream: "cloud", Revision: rev, Capabilities: []byte(`{"tools":{}}`),
		Tools: []upstream.Item{{Name: "deploy", Raw: raw, Hash: wire.Digest(raw)}, tool("secret")},
	}}})
	s.publish(t, r)
	s.Start(t.Context(), nil)
	return s
}

// publish puts rules in force.
func (s *site) publish(t testing.TB, r rulesFor) {
	t.Helper()
	modules, err := rego.Modules()
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(modules, r.modules)
	engine, err := policy.Load(t.Context(), &policy.Options{Modules: modules, Roles: r.roles, Scopes: r.scopes, Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	var limits []limit.Rule
	for name, role := range r.roles {
		for i, l := range role.Limits {
			limits = append(limits, limit.Rule{Role: name, Index: i, LimitRule: l})
		}
	}
	set, err := limit.Compile(limits)
	if err != nil {
		t.Fatal(err)
	}
	budgets, err := limit.CompileBudgets(r.budgets)
	if err != nil {
		t.Fatal(err)
	}
	recording, err := aggregator.NewRecording(r.recording)
	if err != nil {
		t.Fatal(err)
	}
	err = s.Publish(aggregator.Rules{
		Decider: engine, Limits: set, Bindings: aggregator.NewBindings(r.bindings), Delegations: r.acting, Budgets: budgets, Recording: recording,
		Shadow: r.shadow,
	})
	if err != nil {
		t.Fatal(err)
	}
}

func person(subject string, roles ...string) *auth.Principal {
	return &auth.Principal{Subject: subject, Method: auth.MethodAPIKey, KeyID: subject, Roles: roles}
}

// deployCall calls cloud's tool with arguments.
func deployCall(arguments string) *aggregator.Call {
	return &aggregator.Call{
		Method: aggregator.MethodCallTool, Params: []byte(`{"name":"cloud__deploy","arguments":` + arguments + `}`),
		Client: bridge.Client{Revision: wire.R20260728},
	}
}

// said is the text of a reply, or its error.
func said(r *aggregator.Reply) string {
	if r.Error != nil {
		return r.Error.Message
	}
	var out struct {
		Content []struct{ Text string }
		IsError bool
	}
	_ = json.Unmarshal(r.Result, &out)
	var b strings.Builder
	for _, c := range out.Content {
		b.WriteString(c.Text)
	}
	return b.String()
}

func refusedWith(t *testing.T, r aggregator.Reply, code, text string) {
	t.Helper()
	if r.Refusal == nil || r.Refusal.Code != code || !strings.Contains(said(&r), text) || !strings.Contains(said(&r), "(decision "+r.Decision+")") {
		t.Errorf("got %+v %q (%+v), want a refusal %s with %q", r.End, said(&r), r.Refusal, code, text)
	}
}

func answered(t *testing.T, r aggregator.Reply) {
	t.Helper()
	if r.End != aggregator.Answered || r.Refusal != nil {
		t.Fatalf("got %s: %s, want an answer", r.End, said(&r))
	}
}

func fragment(argument, schema string) []policy.ConstraintRule {
	return []policy.ConstraintRule{{For: []string{"cloud/deploy"}, Arguments: map[string]json.RawMessage{argument: json.RawMessage(schema)}}}
}

// TestTwoRolesTwoSchemas: the same tool has another schema for each role, in the list and at the call.
func TestTwoRolesTwoSchemas(t *testing.T) {
	s := newSite(t, &cloud{}, rulesFor{roles: map[string]policy.Role{
		"eu": {Allow: []string{"*"}, Constraints: fragment("region", `{"enum":["eu-1","eu-2"]}`)},
		"us": {Allow: []string{"*"}, Constraints: fragment("region", `{"enum":["us-1"]}`)},
	}})
	for _, c := range []struct{ role, region, shown string }{
		{"eu", "eu-1", `"enum":["eu-1","eu-2"]`}, {"us", "us-1", `"enum":["us-1"]`},
	} {
		p := person("ada", c.role)
		view, err := s.View(t.Context(), p, "")
		if err != nil {
			t.Fatal(err)
		}
		page, err := view.Page(catalog.Tool, "", true)
		if err != nil || !strings.Contains(string(page), c.shown) {
			t.Errorf("%s is shown %s, %v; want %s", c.role, page, err, c.shown)
		}
		answered(t, s.Call(t.Context(), p, deployCall(`{"region":"`+c.region+`"}`)))
		refusedWith(t, s.Call(t.Context(), p, deployCall(`{"region":"mars"}`)), aggregator.CodeConstraint, `argument "region" must be`)
		refusedWith(t, s.Call(t.Context(), p, deployCall(`{}`)), aggregator.CodeConstraint, `"region"`)
	}
	if n := s.cloud.calls.Load(); n != 2 {
		t.Errorf("the upstream was called %d times, want 2", n)
	}
	a, _ := s.View(t.Context(), person("x", "eu"), "")
	b, _ := s.View(t.Context(), person("x", "us"), "")
	if a.Hash(catalog.Tool) == b.Hash(catalog.Tool) {
		t.Error("two lists that differ have one hash")
	}
}

// TestReasonStaysHere: a reason that the rules ask for is shown as an argument, required, and not sent to the upstream.
func TestReasonStaysHere(t *testing.T) {
	s := newSite(t, &cloud{}, rulesFor{roles: map[string]policy.Role{
		"ops": {Allow: []string{"*"}, Obligations: []policy.ObligationRule{{For: []string{"cloud/*"}, Reason: true}}},
	}})
	p := person("ada", "ops")
	refusedWith(t, s.Call(t.Context(), p, deployCall(`{"region":"x"}`)), aggregator.CodeConstraint, `"reason"`)
	answered(t, s.Call(t.Context(), p, deployCall(`{"region":"x","reason":"release 7"}`)))
	arguments, _ := wire.Lookup(s.cloud.asked[0].Params, "arguments")
	if string(arguments) != `{"region":"x"}` {
		t.Errorf("the upstream got %s", arguments)
	}
	view, _ := s.View(t.Context(), p, "")
	if page, _ := view.Page(catalog.Tool, "", true); !strings.Contains(string(page), `"reason"`) {
		t.Errorf("the reason is not shown: %s", page)
	}
}

// TestCallRules: rules of the operator's own about arguments and time refuse with their sentence.
func TestCallRules(t *testing.T) {
	s := newSite(t, &cloud{}, rulesFor{
		roles: map[string]policy.Role{"ops": {Allow: []string{"*"}}},
		modules: map[string]string{"hours.rego": `package tollgate.call

deny contains "deployments of more than 10 need two people" if input.arguments.count > 10

deny contains {"reason": "not at this hour", "detail": "closed"} if {
	[hour, _, _] := time.clock(time.parse_rfc3339_ns(input.time))
	hour >= 18
}
`},
	})
	p := person("ada", "ops")
	answered(t, s.Call(t.Context(), p, deployCall(`{"region":"x","count":10}`)))
	refusedWith(t, s.Call(t.Context(), p, deployCall(`{"region":"x","count":11}`)), policy.CodeDenied, "need two people")
	s.set(time.Date(2026, 11, 25, 18, 0, 0, 0, time.UTC))
	refusedWith(t, s.Call(t.Context(), p, deployCall(`{"region":"x","count":1}`)), policy.CodeDenied, "not at this hour")
}

// TestExactAdmission: of 10,000 calls at once against a limit of 1,000, exactly 1,000 reach the upstream.
func TestExactAdmission(t *testing.T) {
	s := newSite(t, &cloud{}, rulesFor{roles: map[string]policy.Role{
		"bulk": {Allow: []string{"*"}, Limits: []policy.LimitRule{{Name: "bulk", Rate: "1000/hour", Per: []string{"team"}}}},
	}})
	var admitted, refused atomic.Int64
	var work sync.WaitGroup
	for i := range 10_000 {
		work.Go(func() {
			p := person("worker "+string(rune('a'+i%26)), "bulk")
			reply := s.Call(context.Background(), p, deployCall(`{"region":"x"}`))
			switch {
			case reply.End == aggregator.Answered && reply.Refusal == nil:
				admitted.Add(1)
			case reply.Refusal != nil && reply.Refusal.Code == aggregator.CodeRate && reply.Refusal.RetryAfter == time.Hour:
				refused.Add(1)
			default:
				t.Errorf("%s: %s", reply.End, said(&reply))
			}
		})
	}
	work.Wait()
	if admitted.Load() != 1000 || refused.Load() != 9000 || s.cloud.calls.Load() != 1000 {
		t.Errorf("admitted %d, refused %d, upstream called %d times", admitted.Load(), refused.Load(), s.cloud.calls.Load())
	}
}

// TestLimits: the 101st call of a user within a minute is refused with the seconds to wait; another user still passes, and a
// call that one limit refuses uses up none of the others.
func TestLimits(t *testing.T) {
	s := newSite(t, &cloud{}, rulesFor{roles: map[string]policy.Role{"staff": {Allow: []string{"*"}, Limits: []policy.LimitRule{
		{Name: "all", Rate: "150/hour", Per: []string{"all"}},
		{Name: "mine", Rate: "100/minute"},
		{Name: "small", Require: "args.count < 5", Message: "at most 4 at a time"},
	}}}})
	ada, bob := person("ada", "staff"), person("bob", "staff")
	for range 100 {
		answered(t, s.Call(t.Context(), ada, deployCall(`{"region":"x","count":1}`)))
	}
	s.set(s.now().Add(20 * time.Second))
	for range 60 { // none of these may count against "all"
		refusedWith(t, s.Call(t.Context(), ada, deployCall(`{"region":"x","count":1}`)), aggregator.CodeRate, `"mine": 100 of 100 calls within 1m0s are used; try again in 40 s`)
		refusedWith(t, s.Call(t.Context(), bob, deployCall(`{"region":"x","count":5}`)), limit.CodeRequire, "at most 4 at a time")
	}
	for range 50 {
		answered(t, s.Call(t.Context(), bob, deployCall(`{"region":"x","count":1}`)))
	}
	refusedWith(t, s.Call(t.Context(), bob, deployCall(`{"region":"x","count":1}`)), aggregator.CodeRate, `"all"`)
	refusedWith(t, s.Call(t.Context(), bob, deployCall(`{"region":"x"}`)), limit.CodeError, `"small"`)
}

// TestBindingEnds: a role that was given until a time is gone then, in lists and calls, and the watchers are told.
func TestBindingEnds(t *testing.T) {
	until := time.Date(2026, 11, 25, 13, 0, 0, 0, time.UTC)
	s := newSite(t, &cloud{}, rulesFor{
		roles:    map[string]policy.Role{"rescue": {Allow: []string{"*"}}, "staff": {Allow: []string{"cloud/secret"}}},
		bindings: []aggregator.Binding{{Subject: "ada", Roles: []string{"rescue"}, Until: until}, {Org: "acme", Team: "sre", Roles: []string{"staff"}}},
	})
	ada := person("ada")
	answered(t, s.Call(t.Context(), ada, deployCall(`{"region":"x"}`)))
	if r := s.Call(t.Context(), person("bob"), deployCall(`{"region":"x"}`)); r.End != aggregator.Unknown {
		t.Errorf("somebody else: %s", said(&r))
	}
	s.set(until)
	if r := s.Call(t.Context(), ada, deployCall(`{"region":"x"}`)); r.End != aggregator.Unknown {
		t.Errorf("after the end: %s", said(&r))
	}
	member := person("eve")
	member.Org, member.Team = "acme", "sre"
	if view, _ := s.View(t.Context(), member, ""); view.Count(catalog.Tool) != 1 {
		t.Errorf("the team sees %d tools, want 1", view.Count(catalog.Tool))
	}
	member.Org = "other"
	if view, _ := s.View(t.Context(), member, ""); view.Count(catalog.Tool) != 0 {
		t.Errorf("a team of the same name elsewhere sees %d tools", view.Count(catalog.Tool))
	}
}
