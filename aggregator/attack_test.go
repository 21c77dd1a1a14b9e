// SPDX-License-Identifier: Apache-2.0

package aggregator_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"tollgate/aggregator"
	"tollgate/aggregator/bridge"
	"tollgate/aggregator/catalog"
	"tollgate/policy"
	"tollgate/upstream"
	"tollgate/upstream/wire"
)

// files is a site whose upstream serves any file through a template.
func files(t *testing.T, c *cloud, role policy.Role, modules map[string]string) *site {
	t.Helper()
	s := newSite(t, c, rulesFor{roles: map[string]policy.Role{"r": role}, modules: modules})
	raw := []byte(`{"name":"files","uriTemplate":"file:///{+path}"}`)
	s.Refresh([]catalog.Source{{Upstream: "cloud", Snapshot: &upstream.Snapshot{
		Upstream: "cloud", Revision: wire.R20260728, Capabilities: []byte(`{"resources":{}}`),
		Templates: []upstream.Item{{Name: "files", URI: "file:///{+path}", Raw: raw, Hash: wire.Digest(raw)}},
	}}})
	return s
}

func read(uri string) *aggregator.Call {
	return &aggregator.Call{Method: aggregator.MethodReadResource, Params: []byte(`{"uri":"` + uri + `"}`), Client: bridge.Client{Revision: wire.R20260728}}
}

func secretFile() *cloud {
	return &cloud{result: `{"contents":[{"uri":"file:///secret/a","text":"{\"mail\":\"` + canary + `\"}"}],"resultType":"complete"}`}
}

// TestRulesHoldThroughTemplates: what is asked of a resource is asked whichever way it is named: also of one whose address a
// template makes, and what is asked of the template is asked of it too.
func TestRulesHoldThroughTemplates(t *testing.T) {
	for _, pattern := range []string{"resource:cloud/file:///secret/*", "template:cloud/file:///{+path}"} {
		on := []string{pattern}
		for name, role := range map[string]policy.Role{
			"redact":  {Allow: []string{"*"}, Obligations: []policy.ObligationRule{{For: on, Redact: []string{"/**/mail"}}}},
			"limit":   {Allow: []string{"*"}, Limits: []policy.LimitRule{{Name: "l", For: on, Require: "false"}}},
			"confirm": {Allow: []string{"*"}, Obligations: []policy.ObligationRule{{For: on, Confirm: "sure?"}}},
			"deny":    {Allow: []string{"*"}, Deny: []string{"resource:cloud/file:///secret/*"}},
		} {
			s := files(t, secretFile(), role, nil)
			if r := s.Call(t.Context(), person("a", "r"), read("file:///secret/a")); strings.Contains(string(r.Result), canary) {
				t.Errorf("%s of %s: %s %s", name, pattern, r.End, r.Result)
			}
		}
	}
	s := files(t, secretFile(), policy.Role{Allow: []string{"*"}}, map[string]string{"x.rego": `package tollgate.call

deny contains "no secrets" if startswith(input.object.uri, "file:///secret/")
`})
	r := s.Call(t.Context(), person("a", "r"), read("file:///secret/a"))
	if r.Refusal == nil || r.Refusal.Code != policy.CodeDenied || !strings.Contains(said(&r), "no secrets") {
		t.Errorf("a call rule about the address: %s %s", r.End, said(&r))
	}
}

// TestReadsHaveNoArguments: constraints and reasons about everything are about what takes arguments.
func TestReadsHaveNoArguments(t *testing.T) {
	s := files(t, secretFile(), policy.Role{
		Allow: []string{"*"}, Constraints: []policy.ConstraintRule{{Arguments: map[string]json.RawMessage{"region": []byte(`{"enum":["eu"]}`)}}},
		Obligations: []policy.ObligationRule{{Reason: true}},
	}, nil)
	answered(t, s.Call(t.Context(), person("a", "r"), read("file:///public/a")))
	answered(t, s.Call(t.Context(), person("a", "r"), &aggregator.Call{
		Method: aggregator.MethodComplete, Client: bridge.Client{Revision: wire.R20260728}, Params: []byte(`{"ref":{"type":"ref/resource","uri":"file:///{+path}"},"argument":{"name":"path","value":"x"}}`),
	}))
}

// TestOneSpelling: a resource that the policy hides cannot be had under another spelling of its address, nor be completed or
// watched.
func TestOneSpelling(t *testing.T) {
	c := secretFile()
	s := files(t, c, policy.Role{Allow: []string{"*"}, Deny: []string{"resource:cloud/file:///secret/*"}}, nil)
	for _, uri := range []string{"file:///secret/a", "file:///public/../secret/a", "file:///./secret/a", "file:///%73ecret/a", "file:////secret/a", "file:///secret/..",
		"file:///public/../secret/a", "file:///public%2F..%2Fsecret/a", "file:///public%2f../secret/a", "file:///public\\\\..\\\\secret/a", "file:///secret%2Fa", "file:/secret/a",
		"file://localhost/secret/a", "file:///public/a?/../../secret/a", "file:///public/a#/../../secret/a", "file:///\u017fecret/a",
	} {
		if r := s.Call(t.Context(), person("a", "r"), read(uri)); r.End != aggregator.Unknown {
			t.Errorf("%s: %s", uri, r.End)
		}
		if _, e := s.Subscribe(t.Context(), person("a", "r"), uri, watching()); e == nil {
			t.Errorf("%s can be watched", uri)
		}
		complete := &aggregator.Call{Method: aggregator.MethodComplete, Client: bridge.Client{Revision: wire.R20260728}, Params: []byte(`{"ref":{"type":"ref/resource","uri":"` + uri + `"},"argument":{"name":"path","value":"x"}}`)}
		if r := s.Call(t.Context(), person("a", "r"), complete); r.End != aggregator.Unknown {
			t.Errorf("%s is completed: %s", uri, r.End)
		}
	}
	if n := c.calls.Load(); n != 0 {
		t.Errorf("the upstream was asked %d times", n)
	}
	answered(t, s.Call(t.Context(), person("a", "r"), read("file:///public/a%20b")))
}

// TestOneReading: params that a reader without regard for case takes for another call reach no upstream.
func TestOneReading(t *testing.T) {
	c := &cloud{}
	s := newSite(t, c, rulesFor{roles: map[string]policy.Role{"eu": {Allow: []string{"cloud/deploy"}, Constraints: fragment("region", `{"enum":["eu"]}`)}}})
	for _, params := range []string{
		`{"name":"cloud__deploy","arguments":{"region":"eu"},"Name":"secret"}`,
		`{"name":"cloud__deploy","arguments":{"region":"eu"},"Arguments":{"region":"us"}}`,
		`{"name":"cloud__deploy","arguments":{"region":"eu"},"argument\u017f":{"region":"us"}}`,
		`{"name":"cloud__deploy","arguments":{"region":"eu","Region":"us"}}`,
		`{"name":"cloud__deploy","arguments":["us"]}`,
		`{"name":"cloud__deploy","arguments":"{\"region\":\"us\"}"}`,
	} {
		call := deployCall(`{}`)
		call.Params = []byte(params)
		if r := s.Call(t.Context(), person("a", "eu"), call); r.End == aggregator.Answered {
			t.Errorf("%s: %s", params, said(&r))
		}
	}
	if n := c.calls.Load(); n != 0 {
		t.Errorf("the upstream was asked %d times", n)
	}
}

// TestArgumentsHaveOneSpelling: a name that differs only in case from one that a rule reads is refused at any depth, whether
// the tool's schema has it or not.
func TestArgumentsHaveOneSpelling(t *testing.T) {
	c := &cloud{}
	s := newSite(t, c, rulesFor{
		roles: map[string]policy.Role{"r": {
			Allow: []string{"*"}, Constraints: []policy.ConstraintRule{{For: []string{"cloud/secret"}, Arguments: map[string]json.RawMessage{
				"area": []byte(`{"enum":["eu"]}`), "filter": []byte(`{"type":"object","properties":{"k":{"type":"integer","maximum":5}}}`),
				"tree": []byte(`{"$ref":"#/$defs/t","$defs":{"t":{"type":"object","properties":{"n":{"anyOf":[{"$ref":"#/$defs/t"},{"type":"integer","maximum":5}]}}}}}`),
				"list": []byte(`{"type":"array","not":{"contains":{"type":"object","properties":{"z":{"const":9}},"required":["z"]}}}`),
			}, Optional: []string{"filter", "tree", "list"}}},
			Limits: []policy.LimitRule{{Name: "l", For: []string{"cloud/secret"}, Require: `!has(args.count) || args.count < 5`}},
		}},
		modules: map[string]string{"x.rego": "package tollgate.call\n\ndeny contains \"no\" if input.arguments.token == 1\n"},
	})
	for _, arguments := range []string{
		`{"area":"eu","Area":"us"}`, `{"area":"eu","filter":{"k":1,"K":9}}`, `{"area":"eu","Filter":{"k":9}}`, `{"area":"eu","filter":{"\u212a":9}}`,
		`{"area":"eu","Count":9}`, `{"area":"eu","Token":1}`, `{"area":"eu","tree":{"n":{"n":{"N":9}}}}`, `{"area":"eu","list":[{"Z":9}]}`, `{"area":"eu","TOKEN":1}`,
	} {
		r := s.Call(t.Context(), person("a", "r"), &aggregator.Call{
			Method: aggregator.MethodCallTool, Client: bridge.Client{Revision: wire.R20260728}, Params: []byte(`{"name":"cloud__secret","arguments":` + arguments + `}`),
		})
		refusedWith(t, r, aggregator.CodeConstraint, "in case only")
	}
	if n := c.calls.Load(); n != 0 {
		t.Errorf("the upstream was asked %d times", n)
	}
	for _, arguments := range []string{`{"area":"eu","count":1,"Other":{"x":1}}`, `{"area":"eu","x":[{"a":1,"A":2}],"headers":{"Accept":1,"accept":2}}`, `{"area":"eu","body":{"AREA":"us","K":1,"Filter":1}}`} {
		answered(t, s.Call(t.Context(), person("a", "r"), &aggregator.Call{
			Method: aggregator.MethodCallTool, Client: bridge.Client{Revision: wire.R20260728}, Params: []byte(`{"name":"cloud__secret","arguments":` + arguments + `}`),
		}))
	}
}

// FuzzFold: two names have one folded form exactly when they are equal without regard to case.
func FuzzFold(f *testing.F) {
	f.Add("argument\u017f", "ARGUMENTS")
	f.Add("\u212aey", "key")
	f.Add("a", "b")
	f.Fuzz(func(t *testing.T, a, b string) {
		if got, want := aggregator.Fold(a) == aggregator.Fold(b), strings.EqualFold(a, b); got != want && utf8.ValidString(a) && utf8.ValidString(b) {
			t.Errorf("%q and %q: %v, want %v", a, b, got, want)
		}
	})
}

// TestOneConfirmationOneCall: the state of a later round does not carry a confirmation over to another call.
func TestOneConfirmationOneCall(t *testing.T) {
	c := &cloud{}
	c.replies = func(r *upstream.Request) *upstream.Reply {
		if _, has := wire.Lookup(r.Params, "inputResponses"); has {
			return ok
		}
		return &upstream.Reply{Revision: wire.R20260728, Result: []byte(`{"resultType":"input_required","inputRequests":{"q":{"method":"elicitation/create","params":{"message":"which?","requestedSchema":{"type":"object","properties":{}}}}},"requestState":"s"}`)}
	}
	s := newSite(t, c, rulesFor{roles: map[string]policy.Role{"ops": {
		Allow: []string{"*"}, Obligations: []policy.ObligationRule{{For: []string{"cloud/deploy"}, Confirm: "Deploy to production?"}},
	}}})
	ada, call := person("ada", "ops"), askable(`{"region":"x"}`)
	r := s.Call(t.Context(), ada, answer(call, asked(t, s.Call(t.Context(), ada, call)), "accept"))
	relayed, _ := bridge.RequestState(r.Result)
	next := *call
	next.Params = wire.Set(next.Params, "requestState", wire.AppendString(nil, relayed))
	next.Params = wire.Set(next.Params, "inputResponses", []byte(`{"q":{"action":"accept","content":{}}}`))
	answered(t, s.Call(t.Context(), ada, &next))
	refusedWith(t, s.Call(t.Context(), ada, &next), aggregator.CodeConfirmation, "start it again")
}

// TestRefusalKeepsConfirmation: a confirmation whose call a limit refused is good when the limit has room again.
func TestRefusalKeepsConfirmation(t *testing.T) {
	s := newSite(t, &cloud{}, rulesFor{roles: map[string]policy.Role{"ops": {
		Allow: []string{"*"}, Obligations: []policy.ObligationRule{{For: []string{"cloud/deploy"}, Confirm: "Deploy to production?"}},
		Limits: []policy.LimitRule{{Name: "l", Rate: "1/minute"}},
	}}})
	ada, call := person("ada", "ops"), askable(`{"region":"x"}`)
	first, second := asked(t, s.Call(t.Context(), ada, call)), asked(t, s.Call(t.Context(), ada, call))
	answered(t, s.Call(t.Context(), ada, answer(call, first, "accept")))
	refusedWith(t, s.Call(t.Context(), ada, answer(call, second, "accept")), aggregator.CodeRate, "try again in 60 s")
	s.set(s.now().Add(61 * time.Second))
	answered(t, s.Call(t.Context(), ada, answer(call, second, "accept")))
}

// TestConfirmationsHaveShares: who uses up its confirmations takes them from nobody else.
func TestConfirmationsHaveShares(t *testing.T) {
	s := confirming(t, &cloud{})
	mallory, call := person("mallory", "ops"), askable(`{"region":"x"}`)
	for range 5000 {
		state, _ := bridge.RequestState(s.Call(t.Context(), mallory, call).Result)
		s.Call(t.Context(), mallory, answer(call, state, "decline"))
	}
	ada := person("ada", "ops")
	answered(t, s.Call(t.Context(), ada, answer(call, asked(t, s.Call(t.Context(), ada, call)), "accept")))
	refusedWith(t, s.Call(t.Context(), mallory, answer(call, asked(t, s.Call(t.Context(), mallory, call)), "accept")), aggregator.CodeConfirmation, "used")
	s.set(s.now().Add(11 * time.Minute))
	answered(t, s.Call(t.Context(), mallory, answer(call, asked(t, s.Call(t.Context(), mallory, call)), "accept")))
}

// TestURLErrorsAreRedacted: an error that sends the user to a URL is an error of the upstream like any other.
func TestURLErrorsAreRedacted(t *testing.T) {
	c := &cloud{replies: func(*upstream.Request) *upstream.Reply {
		return &upstream.Reply{Revision: wire.R20251125, Error: &wire.Error{
			Code: wire.CodeURLElicitation, Message: "log in as " + canary, Data: []byte(`{"users":[{"mail":"` + canary + `"}]}`),
		}}
	}}
	if r := redacting(t, c).Call(t.Context(), person("sam", "support"), deployCall(`{"region":"x"}`)); strings.Contains(string(r.Result)+said(&r), canary) {
		t.Errorf("%s", r.Result)
	}
}

// TestTasksCountAsRunning: a task holds the place of its call until it has ended or nobody asks for it any more.
func TestTasksCountAsRunning(t *testing.T) {
	c, status := &cloud{}, "working"
	c.replies = func(r *upstream.Request) *upstream.Reply {
		if r.Method == aggregator.MethodGetTask {
			id, _ := bridge.TaskID(r.Params)
			return &upstream.Reply{Revision: wire.R20260728, Result: fmt.Appendf(nil, `{"resultType":"complete","taskId":%q,"status":%q}`, id, status)}
		}
		return &upstream.Reply{Revision: wire.R20260728, Result: fmt.Appendf(nil, `{"resultType":"task","taskId":"t%d","status":"working"}`, c.calls.Load())}
	}
	s := newSite(t, c, rulesFor{roles: map[string]policy.Role{"ops": {Allow: []string{"*"}, Limits: []policy.LimitRule{{Name: "l", Concurrency: 1}}}}})
	ada, call := person("a", "ops"), deployCall(`{"region":"x"}`)
	call.Client.Capabilities = []byte(`{"extensions":{"` + bridge.TasksExtension + `":{}}}`)
	made := s.Call(t.Context(), ada, call)
	refusedWith(t, s.Call(t.Context(), ada, call), aggregator.CodeConcurrency, "1 of 1")
	id, _ := bridge.TaskID(made.Result)
	get := &aggregator.Call{Method: aggregator.MethodGetTask, Client: call.Client, Params: append(wire.AppendString([]byte(`{"taskId":`), id), '}')}
	answered(t, s.Call(t.Context(), ada, get))
	refusedWith(t, s.Call(t.Context(), ada, call), aggregator.CodeConcurrency, "1 of 1")
	status = "completed"
	answered(t, s.Call(t.Context(), ada, get))
	if r := s.Call(t.Context(), ada, call); r.End != aggregator.TaskCreated {
		t.Fatalf("after the end of the first: %s", said(&r))
	}
	s.set(s.now().Add(2 * time.Hour))
	if r := s.Call(t.Context(), ada, call); r.End != aggregator.TaskCreated {
		t.Errorf("long after anybody asked for it: %s", said(&r))
	}
}

// TestSubscriptionsPassTheRules: watching is counted and confirmed like a read; what nobody can confirm is refused.
func TestSubscriptionsPassTheRules(t *testing.T) {
	s := files(t, &cloud{}, policy.Role{Allow: []string{"*"}, Limits: []policy.LimitRule{{Name: "l", Rate: "2/hour"}}}, nil)
	watch := func() *wire.Error {
		_, e := s.Subscribe(t.Context(), person("a", "r"), "file:///a", watching())
		return e
	}
	if e := errors.Join(asErr(watch()), asErr(watch())); e != nil {
		t.Error(e)
	}
	if e := watch(); e == nil || !strings.Contains(e.Message, "limit reached") {
		t.Errorf("the third of two: %v", e)
	}
	s = files(t, &cloud{}, policy.Role{Allow: []string{"*"}, Obligations: []policy.ObligationRule{{Confirm: "sure?"}}}, nil)
	if e := watch(); e == nil || !strings.Contains(e.Message, "confirmation") {
		t.Errorf("without confirmation: %v", e)
	}
	s = files(t, &cloud{}, policy.Role{Allow: []string{"*"}}, map[string]string{"x.rego": `package tollgate.call

deny contains "not from there" if input.source_ip == "203.0.113.9"
deny contains "not over that" if input.session.transport == "stdio"
`})
	for _, deny := range []struct {
		why string
		set func(*aggregator.Call)
	}{
		{"not from there", func(c *aggregator.Call) { c.SourceIP = "203.0.113.9" }},
		{"not over that", func(c *aggregator.Call) { c.Transport = "stdio" }},
		{"", func(*aggregator.Call) {}},
	} {
		c := watching()
		deny.set(c)
		if _, e := s.Subscribe(t.Context(), person("a", "r"), "file:///a", c); (e != nil) != (deny.why != "") || e != nil && !strings.Contains(e.Message, deny.why) {
			t.Errorf("%q: %v", deny.why, e)
		}
	}
}

// watching is what asks for a subscription.
func watching() *aggregator.Call {
	return &aggregator.Call{Method: aggregator.MethodSubscribe, Transport: "http", Client: bridge.Client{Revision: wire.R20260728}}
}

func asErr(e *wire.Error) error {
	if e == nil {
		return nil
	}
	return e
}

// flaky fails to decide once.
type flaky struct {
	decider
	asked *atomic.Int64
}

func (f flaky) Access(ctx context.Context, p *policy.Principal, objects []policy.Object) ([]bool, error) {
	if f.asked.Add(1) == 1 {
		return make([]bool, len(objects)), errors.New("took longer than 50ms")
	}
	return f.decider.Access(ctx, p, objects)
}

// TestFailedDecisionIsMadeAgain: what could not be decided is hidden, but not for good.
func TestFailedDecisionIsMadeAgain(t *testing.T) {
	now := time.Now()
	g, err := aggregator.New(&aggregator.Options{Upstreams: &answers{reply: ok}, Ledger: &ledger{}, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	g.Refresh([]catalog.Source{{Upstream: "up", Snapshot: &upstream.Snapshot{Upstream: "up", Revision: wire.R20260728, Capabilities: []byte(`{"tools":{}}`), Tools: []upstream.Item{tool("echo")}}}})
	g.Start(t.Context(), nil)
	d := flaky{decider{f: visible}, new(atomic.Int64)}
	if err := g.Publish(aggregator.Rules{Decider: d}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if r := g.Call(t.Context(), caller, call("up__echo")); r.End != aggregator.Unknown {
			t.Errorf("undecided: %s", r.End)
		}
	}
	if n := d.asked.Load(); n != 1 {
		t.Errorf("decided %d times at once", n)
	}
	now = now.Add(time.Minute)
	answered(t, g.Call(t.Context(), caller, call("up__echo")))
	now = now.Add(time.Minute)
	answered(t, g.Call(t.Context(), caller, call("up__echo")))
	if n := d.asked.Load(); n != 2 {
		t.Errorf("decided %d times, want 2", n)
	}
}

// TestMisfitLimitRefuses: a limit about an argument that the tool does not have refuses its calls, whatever the caller adds.
func TestMisfitLimitRefuses(t *testing.T) {
	s := newSite(t, &cloud{}, rulesFor{roles: map[string]policy.Role{"ops": {Allow: []string{"*"}, Limits: []policy.LimitRule{{Name: "l", For: []string{"cloud/deploy"}, Require: `args.regoin != "moon"`}}}}})
	for _, arguments := range []string{`{"region":"moon"}`, `{"region":"moon","regoin":"x"}`} {
		r := s.Call(t.Context(), person("a", "ops"), deployCall(arguments))
		if r.Refusal == nil || s.cloud.calls.Load() != 0 {
			t.Errorf("%s: %s", arguments, said(&r))
		}
	}
}

// TestConstraintsAreSharedByClasses: callers who differ only in what the policy reads of them share what they are shown.
func TestConstraintsAreSharedByClasses(t *testing.T) {
	s := newSite(t, &cloud{}, rulesFor{
		roles:   map[string]policy.Role{"r": {Allow: []string{"*"}, Constraints: []policy.ConstraintRule{{For: []string{"*"}, Arguments: map[string]json.RawMessage{"region": []byte(`{"enum":["eu"]}`)}}}}},
		modules: map[string]string{"x.rego": "package tollgate.access\n\ndeny contains \"x\" if input.principal.subject == \"mallory\"\n"},
	})
	var shown [2][]byte
	for i, name := range []string{"ada", "bob"} {
		view, err := s.View(t.Context(), person(name, "r"), "")
		if err != nil {
			t.Fatal(err)
		}
		e, _ := view.Tool("cloud__deploy")
		shown[i] = view.Definition(e)
	}
	if &shown[0][0] != &shown[1][0] {
		t.Error("two classes under the same conditions keep a definition each")
	}
}
