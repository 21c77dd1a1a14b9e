// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tollgate/policy"
)

func TestArguments(t *testing.T) {
	for _, tt := range []struct {
		rule policy.LimitRule
		want []string
	}{
		{policy.LimitRule{Require: `args.a.b["c"].d == 1`}, []string{"a", "b", "c", "d"}},
		{policy.LimitRule{Require: `has(args.a) && "b" in arguments && !has(args.c.d)`}, []string{"a", "b", "c", "d"}},
		{policy.LimitRule{Require: `"x" in args.filter`}, []string{"filter", "x"}},
		{policy.LimitRule{Require: `args.items.all(i, i.price < 5 && i["tax"] < 1)`}, []string{"items", "price", "tax"}},
		{policy.LimitRule{Require: `args.items.map(i, i.lines).all(l, l[0].sum < 5)`}, []string{"items", "lines", "sum"}},
		{policy.LimitRule{Require: `args.items.filter(i, i.price < 5)[0].name == ""`}, []string{"items", "name", "price"}},
		{policy.LimitRule{Require: `[args][0].a == 1 && dyn(args).b == 1 && {"x": args}.x.c == 1`}, []string{"a", "b", "c", "x"}},
		{policy.LimitRule{Require: `(true ? args.a : args.b).c == 1`}, []string{"a", "b", "c"}},
		{policy.LimitRule{Require: `principal.team == "x" && object.annotations.y && session.depth < 2 && client.name == "z"`}, nil},
		{policy.LimitRule{Require: `principal.roles.exists(args, args == "x") && object.tags.all(t, t != "y")`}, nil},
		{policy.LimitRule{Require: `args[principal.team] == 1 && size(args) < 3`}, nil},
		{policy.LimitRule{Match: `args.a`, Rate: "1/s", Per: []string{"args.b"}, Cost: "args.c", Settle: "result.d + args.e"}, []string{"a", "b", "c", "e"}},
		{policy.LimitRule{Rate: "1/s"}, nil},
	} {
		if diff := cmp.Diff(tt.want, compile(t, tt.rule).limits[0].Arguments()); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", tt.rule, diff)
		}
	}
}

// TestDocumentIsThatOfRules: lists and times are those of [policy.Input.JSON], for
// whoever reads both kinds of rules.
func TestDocumentIsThatOfRules(t *testing.T) {
	c := call(`{}`)
	p := c.Input.Principal
	p.Roles, p.Groups, p.Scopes = []string{"a", "a", "b"}, []string{"b", "a", "b"}, []string{"s", "s"}
	c.Input.Time = time.Date(2026, 1, 1, 1, 0, 0, 5, time.FixedZone("x", 7200))
	for _, require := range []string{
		`principal.roles == ["a", "b"]`, `principal.groups == ["a", "b"]`, `principal.scopes.size() == 1`, `dyn(principal).roles.size() == 2`,
		`string(time) == "2025-12-31T23:00:00.000000005Z"`, `time.getHours() == 23`,
	} {
		if _, refusal := evaluate(t, c, policy.LimitRule{Require: require}); refusal != nil {
			t.Errorf("%s: %+v", require, refusal)
		}
	}
	if diff := cmp.Diff([]string{"a", "a", "b"}, p.Roles); diff != "" {
		t.Errorf("the principal's own roles changed:\n%s", diff)
	}
	c.Input.Time = time.Time{}
	if _, refusal := evaluate(t, c, policy.LimitRule{Require: `time == timestamp("1970-01-01T00:00:00Z")`}); refusal != nil {
		t.Errorf("no time: %+v", refusal)
	}
}
