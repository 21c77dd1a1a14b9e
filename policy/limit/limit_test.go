// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"encoding/json"
	"testing"
	"time"

	"tollgate/policy"
)

func compile(t testing.TB, rules ...policy.LimitRule) *Set {
	t.Helper()
	var list []Rule
	for i, r := range rules {
		list = append(list, Rule{Role: "marketing", Index: i, LimitRule: r})
	}
	s, err := Compile(list)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func tool(name string) *policy.Object {
	return &policy.Object{Kind: "tool", Name: "db__" + name, Upstream: "db", OriginalName: name,
		Annotations: json.RawMessage(`{"readOnlyHint":true,"title":"Query"}`), Tags: []string{"data", "pii"}}
}

func ada() *policy.Principal {
	return &policy.Principal{Subject: "ada", Roles: []string{"reader", "marketing", "reader"}, Groups: []string{"g"}, Scopes: []string{"s"},
		Team: "growth", Org: "acme", AuthMethod: "api_key", KeyID: "k1"}
}

func call(arguments string) *Call {
	return &Call{Input: &policy.Input{
		Action: "call", Principal: ada(), Object: tool("query"), Arguments: json.RawMessage(arguments),
		Session: policy.Session{Origin: "mcp", Transport: "http", Depth: 1}, Client: policy.Client{Name: "ide", Version: "1.2"},
		Time: time.Date(2026, 11, 25, 9, 30, 0, 0, time.UTC), SourceIP: "10.0.0.7",
	}}
}

// evaluate compiles the rules and applies them to a call.
func evaluate(t testing.TB, c *Call, rules ...policy.LimitRule) (*Admission, *Refusal) {
	t.Helper()
	s := compile(t, rules...)
	return Evaluate(t.Context(), s.For([]string{"marketing"}, c.Input.Object), c)
}
