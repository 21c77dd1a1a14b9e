// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"runtime"
	"testing"
)

// catalogOf is n tools of 50 upstreams with names as real servers have them.
func catalogOf(n int) []Object {
	verbs := []string{"get", "list", "search", "create", "update", "delete", "run"}
	objs := make([]Object, n)
	for i := range objs {
		objs[i] = Object{
			Kind: "tool", Upstream: fmt.Sprintf("upstream%d", i%50),
			OriginalName: fmt.Sprintf("%s_thing_%d", verbs[(i/50)%len(verbs)], i/350),
			Annotations:  []byte(`{"readOnlyHint":true,"title":"A thing"}`),
		}
	}
	return objs
}

// companyRoles is a hierarchy of 20 roles: each includes the one below in its
// chain of four and has patterns about eight upstreams.
func companyRoles() map[string]Role {
	roles := map[string]Role{}
	for r := range 20 {
		role := Role{Allow: []string{"*/whoami*"}}
		if r%4 > 0 {
			role.Includes = []string{fmt.Sprintf("role%d", r-1)}
		}
		for u := range 8 {
			upstream := fmt.Sprintf("upstream%d", (r*3+u*5)%50)
			role.Allow = append(role.Allow, upstream+"/get_*", upstream+"/search_*",
				fmt.Sprintf("%s/run_thing_%d", upstream, u))
			role.Deny = append(role.Deny, upstream+"/delete_*")
		}
		roles[fmt.Sprintf("role%d", r)] = role
	}
	return roles
}

// BenchmarkAccess is the cost of a role set seen for the first time: one
// decision for each of 10,000 objects.
func BenchmarkAccess(b *testing.B) {
	e := load(b, &Options{Roles: companyRoles()})
	objs := catalogOf(10_000)
	for _, roles := range [][]string{
		{"role0"}, {"role3"}, {"role3", "role7", "role11"},
		{"role0", "role2", "role4", "role6", "role8", "role10", "role12", "role14", "role16", "role18"},
	} {
		for _, procs := range []int{1, 2} {
			b.Run(fmt.Sprintf("roles=%d/first=%s/procs=%d", len(roles), roles[0], procs), func(b *testing.B) {
				defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
				b.ReportAllocs()
				shown := 0
				for b.Loop() {
					answers, err := e.Access(b.Context(), &Principal{Roles: roles}, objs)
					if err != nil {
						b.Fatal(err)
					}
					shown = count(answers)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(objs))/1000, "µs/object")
				b.ReportMetric(float64(shown), "shown")
			})
		}
	}
}

func BenchmarkClass(b *testing.B) {
	e := load(b, nil)
	p := &Principal{Subject: "ada", Roles: []string{"reader", "writer"}}
	b.ReportAllocs()
	for b.Loop() {
		e.Class(p)
	}
}

func count(answers []bool) (n int) {
	for _, yes := range answers {
		if yes {
			n++
		}
	}
	return n
}

// BenchmarkDecision is one decision: access of one object that nobody has asked
// about yet, and a call under rules of each kind. (Access that is kept is a
// look-up in the gateway, see package aggregator.)
func BenchmarkDecision(b *testing.B) {
	objs := catalogOf(350)
	who := &Principal{Subject: "ada", Roles: []string{"role3", "role7"}, Team: "payments"}
	b.Run("access/uncached", func(b *testing.B) {
		e := load(b, &Options{Roles: companyRoles()})
		b.ReportAllocs()
		for b.Loop() {
			if _, err := e.Access(b.Context(), who, objs[17:18]); err != nil {
				b.Fatal(err)
			}
		}
	})
	for name, rules := range map[string]string{
		"none":        "",
		"principal":   `deny contains "closed" if input.principal.team == "sales"`,
		"arguments":   "deny contains \"too many\" if input.arguments.limit > 100\n\ndeny contains \"no secrets\" if contains(input.arguments.query, \"secret\")",
		"obligations": `obligations contains {"confirm": "Go on?"} if input.arguments.limit > 100`,
	} {
		b.Run("call/"+name, func(b *testing.B) {
			e := load(b, &Options{Roles: companyRoles(), Modules: calls(b, rules)})
			in := call(objs[17], `{"query":"all open issues of the last week","limit":20,"labels":["bug","p1"],"options":{"sort":"asc","deep":false}}`)
			in.Principal = who
			b.ReportAllocs()
			for b.Loop() {
				if d := e.Decide(b.Context(), in); !d.Allow {
					b.Fatal(d)
				}
			}
		})
	}
}

// BenchmarkConditions is the cost of a role set seen for the first time, for
// 10,000 objects of which a fifth, or all, are asked something.
func BenchmarkConditions(b *testing.B) {
	objs := catalogOf(10_000)
	for name, patterns := range map[string][]string{
		"none": nil, "fifth": {"upstream1?/*"}, "all": {"*"}, "conditions": {"*[!readOnlyHint]", "upstream1/*[readOnlyHint]"},
	} {
		b.Run(name, func(b *testing.B) {
			roles := companyRoles()
			for name, r := range roles {
				if patterns != nil {
					r.Constraints = []ConstraintRule{{For: patterns, Arguments: schemas("limit", `{"maximum":100}`)}}
				}
				roles[name] = r
			}
			e := load(b, &Options{Roles: roles})
			b.ReportAllocs()
			asked := 0
			for b.Loop() {
				got, err := e.Conditions(b.Context(), &Principal{Roles: []string{"role3", "role7"}}, objs)
				if err != nil {
					b.Fatal(err)
				}
				asked = 0
				for i := range got {
					if !got[i].Empty() {
						asked++
					}
				}
			}
			b.ReportMetric(float64(asked), "asked")
		})
	}
}

func BenchmarkDocument(b *testing.B) {
	in := call(catalogOf(1)[0], `{"query":"all open issues of the last week","limit":20,"labels":["bug","p1"]}`)
	b.ReportAllocs()
	for b.Loop() {
		in.JSON()
	}
}

// BenchmarkLoad is a reload.
func BenchmarkLoad(b *testing.B) {
	modules := calls(b, `deny contains "too many" if input.arguments.limit > 100`)
	for b.Loop() {
		load(b, &Options{Roles: companyRoles(), Modules: modules})
	}
}
