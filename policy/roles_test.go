// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func TestRoleMistakes(t *testing.T) {
	roles := map[string]Role{
		"reader":  {Allow: []string{"github/get_*", "github"}, Deny: []string{"tols:github/x"}},
		"writer":  {Includes: []string{"reader", "raeder"}},
		"a":       {Includes: []string{"b"}},
		"b":       {Includes: []string{"c"}},
		"c":       {Includes: []string{"a", "reader"}},
		"self":    {Includes: []string{"self"}},
		" spaces": {},
	}
	want := []string{
		`roles[" spaces"]: a role needs a name without spaces at its ends`,
		`roles["a"].includes[0]: includes form a cycle: a > b > c > a`,
		`roles["reader"].allow[1]: pattern "github": want <kind>:<upstream>/<name>`,
		`roles["reader"].deny[0]: pattern "tols:github/x": unknown kind "tols"`,
		`roles["self"].includes[0]: includes form a cycle: self > self`,
		`roles["writer"].includes[1]: unknown role "raeder"`,
	}
	_, err := Load(t.Context(), &Options{Modules: shipped(t, nil), Roles: roles})
	var errs RoleErrors
	if !errors.As(err, &errs) {
		t.Fatalf("Load: %v, want RoleErrors", err)
	}
	var got []string
	for _, e := range errs {
		line, _, _ := strings.Cut(e.Error(), "\n")
		got = append(got, line)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("role errors (-want +got):\n%s", diff)
	}
	if last := errs[len(errs)-1]; last.Hint != `did you mean "reader"?` || last.Role != "writer" || last.Field != "includes" || last.Index != 1 {
		t.Errorf("last error = %+v", last)
	}
	if diff := cmp.Diff(CheckRoles(roles), errs); diff != "" {
		t.Errorf("CheckRoles and Load differ:\n%s", diff)
	}
}

func TestMistakesInRolesAndFilesComeTogether(t *testing.T) {
	_, err := Load(t.Context(), &Options{
		Modules: shipped(t, map[string]string{"more.rego": "package tollgate.access\n\ndeny contains \"x\" if usr == 1\n"}),
		Roles:   map[string]Role{"r": {Allow: []string{"github"}}},
	})
	var roles RoleErrors
	var diags Diagnostics
	if !errors.As(err, &roles) || !errors.As(err, &diags) || len(roles) != 1 || len(diags) != 1 {
		t.Fatalf("Load: %v, want one role error and one diagnostic", err)
	}
}

// TestDeepDiamonds: a role reached along many ways is taken once. Taking every
// way would be 2^40 of them.
func TestDeepDiamonds(t *testing.T) {
	roles := map[string]Role{"r0": {Allow: []string{"a/*"}}, "s0": {Deny: []string{"a/x"}}}
	for i := 1; i <= 40; i++ {
		below := []string{"r" + strconv.Itoa(i-1), "s" + strconv.Itoa(i-1)}
		roles["r"+strconv.Itoa(i)], roles["s"+strconv.Itoa(i)] = Role{Includes: below}, Role{Includes: below}
	}
	all, errs := flatten(&Options{Roles: roles})
	if errs != nil {
		t.Fatal(errs)
	}
	if top := all["r40"]; len(top.allow) != 1 || len(top.deny) != 1 {
		t.Errorf("r40 has %d and %d patterns, want one of each", len(top.allow), len(top.deny))
	}
}

// oracle is the meaning of roles, written without indexes or expressions.
func oracle(roles map[string]Role, principal []string, o Object) bool {
	var allowed, denied bool
	seen := map[string]bool{}
	var visit func(string)
	visit = func(name string) {
		if seen[name] {
			return
		}
		seen[name] = true
		for _, p := range roles[name].Allow {
			allowed = allowed || oracleMatch(p, o)
		}
		for _, p := range roles[name].Deny {
			denied = denied || oracleMatch(p, o)
		}
		for _, include := range roles[name].Includes {
			visit(include)
		}
	}
	for _, name := range principal {
		visit(name)
	}
	return allowed && !denied
}

func oracleMatch(pattern string, o Object) bool {
	if pattern == "*" {
		return true
	}
	if up, ok := strings.CutPrefix(pattern, "upstream:"); ok {
		return glob(up, o.Upstream)
	}
	kind, rest, ok := strings.Cut(pattern, ":")
	if !ok || strings.Contains(kind, "/") {
		kind, rest = "tool", pattern
	}
	up, name, _ := strings.Cut(rest, "/")
	item := o.OriginalName
	if o.Kind == "resource" || o.Kind == "template" {
		item = o.URI
	}
	return (kind == "*" || kind == o.Kind) && glob(up, o.Upstream) && glob(name, item)
}

func glob(pattern, s string) bool {
	switch {
	case pattern == "":
		return s == ""
	case pattern[0] == '*':
		return glob(pattern[1:], s) || s != "" && glob(pattern, s[1:])
	case s == "":
		return false
	}
	return (pattern[0] == '?' || pattern[0] == s[0]) && glob(pattern[1:], s[1:])
}

// generator makes random hierarchies, principals and objects out of few names,
// so that patterns hit.
type generator struct{ *rand.Rand }

func (g generator) pick(from ...string) string { return from[g.IntN(len(from))] }

func (g generator) pattern() string {
	up := g.pick("a", "b", "ab", "*", "a*", "?", "c.d")
	name := g.pick("x", "xy", "x_*", "*", "*y", "?", "x/*", "f://{p}", "f://a?b", "*.y")
	switch g.IntN(8) {
	case 0:
		return "*"
	case 1:
		return "upstream:" + up
	case 2:
		return g.pick("prompt", "resource", "template", "*") + ":" + up + "/" + name
	default:
		return up + "/" + strings.ReplaceAll(name, "{p}", "p")
	}
}

func (g generator) patterns(limit int) (out []string) {
	for range g.IntN(limit + 1) {
		out = append(out, g.pattern())
	}
	return out
}

// roles are r0 to r5; includes point down, so there is no cycle.
func (g generator) roles() map[string]Role {
	roles := map[string]Role{}
	for i := range 6 {
		r := Role{Allow: g.patterns(3), Deny: g.patterns(1)}
		for j := range i {
			if g.IntN(3) == 0 {
				r.Includes = append(r.Includes, "r"+strconv.Itoa(j))
			}
		}
		roles["r"+strconv.Itoa(i)] = r
	}
	return roles
}

func (g generator) objects(n int) []Object {
	objs := make([]Object, n)
	for i := range objs {
		objs[i] = Object{
			Kind: g.pick("tool", "prompt", "resource", "template"), Upstream: g.pick("a", "b", "ab", "c.d", "cxd"),
			OriginalName: g.pick("x", "xy", "x_1", "x/y", "y", "z.y", "zzy"),
			URI:          g.pick("f://{p}", "f://a?b", "f://axb", "x/y"),
		}
	}
	return objs
}

// TestRolesMeanWhatTheySay compares the policy with the oracle.
func TestRolesMeanWhatTheySay(t *testing.T) {
	g := generator{rand.New(rand.NewPCG(7, 7))}
	shown, hidden := 0, 0
	for round := range 60 {
		roles, objs := g.roles(), g.objects(60)
		who := &Principal{Roles: []string{g.pick("r0", "r1", "r5"), g.pick("r2", "r3", "r4", "nobody")}}
		answers, err := load(t, &Options{Roles: roles}).Access(t.Context(), who, objs)
		if err != nil {
			t.Fatal(err)
		}
		for i, o := range objs {
			want := oracle(roles, who.Roles, o)
			if answers[i] != want {
				t.Fatalf("round %d: %v sees %s: %t, want %t\nroles %+v", round, who.Roles, o.id(), answers[i], want, roles)
			}
			if want {
				shown++
			} else {
				hidden++
			}
		}
	}
	if shown < 300 || hidden < 300 {
		t.Errorf("%d shown, %d hidden: the comparison is lopsided", shown, hidden)
	}
}
