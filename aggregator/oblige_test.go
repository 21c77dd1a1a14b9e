// SPDX-License-Identifier: Apache-2.0

package aggregator_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tollgate/aggregator"
	"tollgate/aggregator/auth"
	"tollgate/aggregator/bridge"
	"tollgate/aggregator/catalog"
	"tollgate/policy"
	"tollgate/upstream"
	"tollgate/upstream/wire"
)

// hears collects the notifications of a call.
type hears struct {
	mu  sync.Mutex // guards got
	got []string
}

func (h *hears) Notify(_ string, params []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.got = append(h.got, string(params))
}

func (h *hears) Ask(_ context.Context, _ string, _ []byte) ([]byte, *wire.Error) {
	return nil, &wire.Error{Code: wire.CodeMethodNotFound}
}

const canary = "ada@example.com"

func redacting(t *testing.T, c *cloud) *site {
	t.Helper()
	return newSite(t, c, rulesFor{roles: map[string]policy.Role{
		"support": {Allow: []string{"*"}, Obligations: []policy.ObligationRule{{For: []string{"cloud/deploy"}, Redact: []string{"/users/*/mail"}, MaxResultBytes: 4000}}},
		"admin":   {Allow: []string{"*"}},
	}})
}

// TestRedaction: what a rule redacts is in nothing that reaches the caller, for clients and upstreams of both eras.
func TestRedaction(t *testing.T) {
	data := `{"users":[{"name":"Ada","mail":"` + canary + `"}]}`
	for _, up := range []wire.Revision{wire.R20260728, wire.R20251125} {
		for _, down := range []wire.Revision{wire.R20260728, wire.R20251125} {
			c := &cloud{revision: up, notify: []string{data, `"` + canary + `"`}}
			c.result = `{"content":[{"type":"text","text":` + string(wire.AppendString(nil, data)) + `},{"type":"text","text":"mail ` + canary + `"}],"structuredContent":` + data + `}`
			s := redacting(t, c)
			call := deployCall(`{"region":"x"}`)
			ears := &hears{}
			call.Client.Revision, call.Peer, call.LogLevel = down, ears, "debug"
			r := s.Call(t.Context(), person("sam", "support"), call)
			answered(t, r)
			if strings.Contains(string(r.Result), canary) || !strings.Contains(string(r.Result), "Ada") {
				t.Errorf("%s from %s: %s", down, up, r.Result)
			}
			if len(ears.got) != 2 || strings.Contains(strings.Join(ears.got, ""), canary) {
				t.Errorf("%s from %s, notifications: %s", down, up, ears.got)
			}
			full := s.Call(t.Context(), person("root", "admin"), call)
			if strings.Count(string(full.Result), canary) != 3 {
				t.Errorf("an admin gets %s", full.Result)
			}
		}
	}
}

// TestRedactionOfTasks: what a call's task says later is redacted as the call would have been, also when its rules are gone.
func TestRedactionOfTasks(t *testing.T) {
	c := &cloud{}
	c.replies = func(r *upstream.Request) *upstream.Reply {
		result := `{"resultType":"task","taskId":"t1","status":"working","createdAt":"2026-11-25T12:00:00Z","ttlMs":1000}`
		if r.Method == aggregator.MethodGetTask {
			result = `{"taskId":"t1","status":"completed","resultType":"complete","createdAt":"2026-11-25T12:00:00Z","ttlMs":1000,"result":{"content":[],"structuredContent":{"users":[{"mail":"` + canary + `"}],"n":1}}}`
		}
		return &upstream.Reply{Result: []byte(result), Revision: wire.R20260728}
	}
	s := redacting(t, c)
	sam, call := person("sam", "support"), deployCall(`{"region":"x"}`)
	call.Client.Capabilities = []byte(`{"extensions":{"` + bridge.TasksExtension + `":{}}}`)
	made := s.Call(t.Context(), sam, call)
	id, ok := bridge.TaskID(made.Result)
	if !ok {
		t.Fatalf("no task: %s", said(&made))
	}
	get := &aggregator.Call{Method: aggregator.MethodGetTask, Client: call.Client, Params: append(wire.AppendString([]byte(`{"taskId":`), id), '}')}
	for _, when := range []string{"under the same rules", "under other rules"} {
		r := s.Call(t.Context(), sam, get)
		answered(t, r)
		if strings.Contains(string(r.Result), canary) || !strings.Contains(string(r.Result), `"n":1`) {
			t.Errorf("%s: %s", when, r.Result)
		}
		s.publish(t, rulesFor{roles: map[string]policy.Role{"support": {Allow: []string{"*"}}}})
	}
}

// TestResultCap: a result that is too large is withheld, and the caller told how large it may be.
func TestResultCap(t *testing.T) {
	c := &cloud{result: `{"content":[{"type":"text","text":"` + strings.Repeat("x", 5000) + `"}]}`}
	s := newSite(t, c, rulesFor{roles: map[string]policy.Role{
		"small": {Allow: []string{"*"}, Obligations: []policy.ObligationRule{{MaxResultBytes: 4000}}}, "admin": {Allow: []string{"*"}},
	}})
	refusedWith(t, s.Call(t.Context(), person("root", "admin", "small"), deployCall(`{"region":"x"}`)), aggregator.CodeResultSize, "4000")
	answered(t, s.Call(t.Context(), person("root", "admin"), deployCall(`{"region":"x"}`)))
}

// TestScopes: an access token without the scopes of a tool is told all of them; other credentials have no scopes.
func TestScopes(t *testing.T) {
	s := newSite(t, &cloud{}, rulesFor{
		roles:  map[string]policy.Role{"ops": {Allow: []string{"*"}}},
		scopes: []policy.ScopeRule{{For: []string{"cloud/deploy"}, Scopes: []string{"cloud:write", "cloud:read"}}},
	})
	token := &auth.Principal{Subject: "ada", Method: auth.MethodOAuth, Roles: []string{"ops"}, Scopes: []string{"cloud:read"}}
	r := s.Call(t.Context(), token, deployCall(`{"region":"x"}`))
	refusedWith(t, r, aggregator.CodeScope, "cloud:read cloud:write")
	if !slices.Equal(r.Refusal.Scopes, []string{"cloud:read", "cloud:write"}) {
		t.Errorf("scopes: %v", r.Refusal.Scopes)
	}
	view, _ := s.View(t.Context(), token, "")
	if view.Count(catalog.Tool) != 2 {
		t.Error("a tool that a token lacks scopes for is to be listed: the client asks for more scopes then")
	}
	token.Scopes = []string{"cloud:write", "cloud:read"}
	answered(t, s.Call(t.Context(), token, deployCall(`{"region":"x"}`)))
	answered(t, s.Call(t.Context(), person("ada", "ops"), deployCall(`{"region":"x"}`)))
}

// TestActingForOthers: a caller with the permission is the person it names, with that person's limits; names of others are
// ignored.
func TestActingForOthers(t *testing.T) {
	s := newSite(t, &cloud{}, rulesFor{
		roles: map[string]policy.Role{
			"portal": {}, "staff": {Allow: []string{"cloud/deploy"}, Limits: []policy.LimitRule{{Name: "mine", Rate: "1/minute"}}}, "root": {Allow: []string{"*"}},
		},
		acting:   map[string]auth.Delegation{"portal": {Roles: []string{"staff"}}},
		bindings: []aggregator.Binding{{Subject: "bob", Roles: []string{"staff", "root"}}, {Subject: "bob", Issuer: "https://other.example", Roles: []string{"portal"}}},
	})
	portal := person("portal", "portal")
	for _, meta := range []string{`{"tollgate/act_as":{"user":"ada","role":"staff"}}`, `{"tollgate/act_as":{"user":"bob"}}`} {
		p, e := s.Speaker(t.Context(), portal, []byte(meta), nil)
		if e != nil {
			t.Fatal(e)
		}
		if p.Actor != "portal" {
			t.Errorf("%s: actor %q", meta, p.Actor)
		}
		if r := s.Call(t.Context(), p, call("cloud__secret")); r.End != aggregator.Unknown {
			t.Errorf("%s: a role beyond the permission came by a binding: %s", meta, said(&r))
		}
		answered(t, s.Call(t.Context(), p, deployCall(`{"region":"x"}`)))
		refusedWith(t, s.Call(t.Context(), p, deployCall(`{"region":"x"}`)), aggregator.CodeRate, "mine")
	}
	if _, e := s.Speaker(t.Context(), portal, []byte(`{"tollgate/act_as":{"user":"eve","role":"root"}}`), nil); e == nil {
		t.Error("a role beyond the permission was given")
	}
	plain := person("mallory", "staff")
	if p, e := s.Speaker(t.Context(), plain, []byte(`{"tollgate/act_as":{"user":"root","role":"root"}}`), nil); e != nil || p.Subject != "mallory" || p.Actor != "" {
		t.Errorf("without the permission: %+v, %v", p, e)
	}
}

// TestHiddenTakesAsLong: over 10,000 interleaved pairs the median times of a hidden and a missing tool differ by less than
// 5 %.
func TestHiddenTakesAsLong(t *testing.T) {
	if testing.Short() {
		t.Skip("times are not comparable with the race detector, which -short goes with")
	}
	s := newSite(t, &cloud{}, rulesFor{roles: map[string]policy.Role{"staff": {Allow: []string{"cloud/deploy"}}}})
	ada := person("ada", "staff")
	measure := func(name string) time.Duration {
		c := call(name)
		began := time.Now()
		r := s.Call(t.Context(), ada, c)
		took := time.Since(began)
		if r.End != aggregator.Unknown {
			t.Fatalf("%s: %s", name, said(&r))
		}
		return took
	}
	median := func(all []time.Duration) float64 {
		slices.Sort(all)
		return float64(all[len(all)/2])
	}
	difference := 1.0
	for range 5 { // a busy machine gets more than one chance; a real difference fails each time
		var hidden, missing []time.Duration
		for i := range 10_000 {
			if i%2 == 0 {
				hidden, missing = append(hidden, measure("cloud__secret")), append(missing, measure("cloud__secrex"))
			} else {
				missing, hidden = append(missing, measure("cloud__secrex")), append(hidden, measure("cloud__secret"))
			}
		}
		a, b := median(hidden), median(missing)
		if difference = min(difference, max(a, b)/min(a, b)-1); difference < 0.05 {
			t.Logf("hidden %.0f ns, missing %.0f ns", a, b)
			return
		}
	}
	t.Errorf("the medians differ by %.1f %%", 100*difference)
}
