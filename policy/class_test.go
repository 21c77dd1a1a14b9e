// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"strings"
	"testing"
)

func everyone() *Principal {
	return &Principal{
		Subject: "ada", Roles: []string{"writer", "reader", "writer"}, Groups: []string{"g"}, Scopes: []string{"s"},
		Team: "t", Org: "acme", AuthMethod: "api_key", KeyID: "k1", Actor: "svc",
	}
}

const whole = `subject="ada" roles="reader","writer" groups="g" scopes="s" team="t" org="acme" auth_method="api_key" key_id="k1" issuer="" actor="svc"`

// TestClassIsWhatThePolicyReads adds one rule to the shipped policy and looks
// at what then tells principals apart.
func TestClassIsWhatThePolicyReads(t *testing.T) {
	const roles = `roles="reader","writer"`
	for _, tt := range []struct{ name, rego, want string }{
		{"shipped", ``, roles},
		{"field", `deny contains "x" if input.principal.org == "other"`, roles + ` org="acme"`},
		{"alias", "deny contains \"x\" if {\n\tp := input.principal\n\tp.team == \"other\"\n}", roles + ` team="t"`},
		{"alias in comprehension", "deny contains \"x\" if {\n\tp := input.principal\n\tcount([1 | p.team == \"other\"]) > 0\n}", roles + ` team="t"`},
		{"alias in function", "deny contains \"x\" if {\n\tp := input.principal\n\tbad(p)\n}\n\nbad(p) if p.team == \"x\"", whole},
		{"with of an assignment", "deny contains \"x\" if {\n\tx := data.lib.bad with input.principal.team as input.principal.subject\n\tx\n}", `subject="ada" ` + roles + ` team="t"`},
		{"alias behind with", "deny contains \"x\" if {\n\tp := input.principal\n\tp.team == \"q\"\n\tx := data.lib.known with data.who as p\n\tx\n}", whole},
		{"every", "deny contains \"x\" if {\n\tevery s in input.principal.scopes {\n\t\ts != \"x\"\n\t}\n}", roles + ` scopes="s"`},
		{"else", "deny contains \"x\" if grade == 2\n\ngrade := 1 if {\n\tinput.object.kind == \"x\"\n} else := 2 if {\n\tinput.principal.key_id == \"x\"\n}", roles + ` key_id="k1"`},
		{"head", "deny contains input.principal.auth_method if input.object.kind == \"x\"", roles + ` auth_method="api_key"`},
		{"library", `deny contains "x" if data.lib.bad`, roles + ` team="t"`},
		{"dynamic rule", "deny contains \"x\" if {\n\tsome k in [\"bad\"]\n\tdata.lib[k]\n}", roles + ` team="t"`},
		{"dynamic field", "deny contains \"x\" if {\n\tsome k in [\"team\"]\n\tinput.principal[k] == \"x\"\n}", whole},
		{"whole", `deny contains "x" if json.marshal(input.principal) == ""`, whole},
		{"rule", `reads_team := input.principal.team` + "\n\ndeny contains \"x\" if {\n\tinput.object.kind == \"x\"\n\treads_team == \"x\"\n}", roles + ` team="t"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			modules := shipped(t, nil)
			if strings.Contains(tt.rego, "data.lib") {
				modules["lib.rego"] = "package lib\n\nbad if input.principal.team == \"bad\"\n\nknown if data.who.subject == \"x\"\n"
			}
			if tt.rego != "" {
				modules["more.rego"] = "package tollgate.access\n\n" + tt.rego + "\n"
			}
			e := load(t, &Options{Modules: modules})
			if got := e.Class(everyone()); got != tt.want {
				t.Errorf("class %s, want %s", got, tt.want)
			}
		})
	}
}

func TestClassIgnoresOrderAndRepeats(t *testing.T) {
	e := load(t, nil)
	a := e.Class(&Principal{Subject: "ada", Roles: []string{"b", "a", "b"}})
	b := e.Class(&Principal{Subject: "bob", Roles: []string{"a", "b"}})
	if a != b {
		t.Errorf("classes %s and %s differ", a, b)
	}
	for _, other := range [][]string{nil, {"a"}, {"a,b"}, {`a","b`}, {"a", "b", "c"}} {
		if c := e.Class(&Principal{Roles: other}); c == a {
			t.Errorf("roles %q have the class of [a b]", other)
		}
	}
}

// TestOnlyTheClassDecides: what is not in the class does not reach the policy,
// so two principals of one class cannot get different answers.
func TestOnlyTheClassDecides(t *testing.T) {
	e := load(t, &Options{
		Modules: shipped(t, map[string]string{"more.rego": `package tollgate.access

permit if input.object.upstream == input.principal.team
`}),
	})
	objs := []Object{{Kind: "tool", Upstream: "t", OriginalName: "x"}, {Kind: "tool", Upstream: "u", OriginalName: "x"}}
	for team, want := range map[string][2]bool{"t": {true, false}, "u": {false, true}, "": {false, false}} {
		p := everyone()
		p.Team = team
		got, err := e.Access(t.Context(), p, objs)
		if err != nil || got[0] != want[0] || got[1] != want[1] {
			t.Errorf("team %q sees %v, %v; want %v", team, got, err, want)
		}
		if !strings.Contains(e.Class(p), `team="`+team+`"`) {
			t.Errorf("class %s does not hold team %q", e.Class(p), team)
		}
	}
}
