// SPDX-License-Identifier: Apache-2.0

package aggregator_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"tollgate/aggregator"
	"tollgate/aggregator/auth"
	"tollgate/aggregator/bridge"
	"tollgate/aggregator/catalog"
	"tollgate/policy"
	"tollgate/upstream"
	"tollgate/upstream/wire"
)

// patternGen draws patterns about a few upstreams and tools, with and without conditions.
func patternGen() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		up := rapid.SampledFrom([]string{"a", "b", "*", "?"}).Draw(t, "upstream")
		name := rapid.SampledFrom([]string{"read", "write", "r*", "*", "*e"}).Draw(t, "name")
		when := rapid.SampledFrom([]string{"", "", "[readOnlyHint]", "[!destructiveHint]", "[tag=pii]", "[!tag=pii,readOnlyHint]"}).Draw(t, "when")
		return up + "/" + name + when
	})
}

// roleGen draws a role with conditions and call limits of every kind.
func roleGen() *rapid.Generator[policy.Role] {
	return rapid.Custom(func(t *rapid.T) policy.Role {
		r := policy.Role{
			Allow: rapid.SliceOfN(patternGen(), 0, 3).Draw(t, "allow"),
			Deny:  rapid.SliceOfN(patternGen(), 0, 2).Draw(t, "deny"),
		}
		if rapid.Bool().Draw(t, "obliges") {
			r.Obligations = []policy.ObligationRule{{For: []string{patternGen().Draw(t, "obligation")}, Reason: true}}
		}
		if rapid.Bool().Draw(t, "limits") {
			r.Limits = []policy.LimitRule{{For: []string{patternGen().Draw(t, "limit")}, Require: "args.n > 1"}}
		}
		return r
	})
}

// TestCallableIsListed: whatever the rules are, what a caller can call is in its lists, and what it is shown exists for it: a
// call may be refused, but never as unknown.
func TestCallableIsListed(t *testing.T) {
	ups := &cloud{result: `{"content":[]}`}
	s := newSite(t, ups, rulesFor{})
	var sources []catalog.Source
	for i, name := range []string{"a", "b"} {
		snapshot := &upstream.Snapshot{Upstream: name, Revision: wire.R20260728, Capabilities: []byte(`{"tools":{}}`)}
		for j, tool := range []string{"read", "write", "rare"} {
			raw := fmt.Appendf(nil, `{"name":%q,"inputSchema":{"type":"object"},"annotations":{"readOnlyHint":%v,"destructiveHint":%v}}`, tool, j == 0, j == 1)
			snapshot.Tools = append(snapshot.Tools, upstream.Item{Name: tool, Raw: raw, Hash: wire.Digest(raw)})
		}
		sources = append(sources, catalog.Source{Upstream: name, Tags: [][]string{{"pii"}, nil}[i], Snapshot: snapshot})
	}
	s.Refresh(sources)
	rapid.Check(t, func(rt *rapid.T) {
		s.publish(t, rulesFor{roles: map[string]policy.Role{"one": roleGen().Draw(rt, "one"), "two": roleGen().Draw(rt, "two")}})
		p := &auth.Principal{Subject: "ada", Method: auth.MethodAPIKey, KeyID: "k", Roles: rapid.SampledFrom([][]string{{"one"}, {"two"}, {"one", "two"}, nil}).Draw(rt, "roles")}
		view, err := s.View(t.Context(), p, "")
		if err != nil {
			rt.Fatal(err)
		}
		for _, e := range s.Catalog().Entries(catalog.Tool) {
			arguments := rapid.SampledFrom([]string{`{}`, `{"n":2}`, `{"n":2,"reason":"r"}`, `{"n":0}`}).Draw(rt, "arguments")
			r := s.Call(t.Context(), p, &aggregator.Call{
				Method: aggregator.MethodCallTool, Client: bridge.Client{Revision: wire.R20260728},
				Params: []byte(`{"name":"` + e.Name + `","arguments":` + arguments + `}`),
			})
			if exists := r.End != aggregator.Unknown; exists != view.Shows(e) {
				rt.Errorf("%s: listed %v, but the call ended as %s: %s", e.Name, view.Shows(e), r.End, said(&r))
			}
		}
	})
}
