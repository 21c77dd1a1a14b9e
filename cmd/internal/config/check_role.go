// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"maps"
	"slices"

	"tollgate/policy"
)

// roles checks what roles include, the patterns they have and what they ask of calls, by the rules of package policy, and that
// the roles named elsewhere exist.
func (k *checker) roles() {
	o := &policy.Options{Roles: k.c.PolicyRoles(), Everyone: k.c.Everyone(), Scopes: k.c.Scopes()}
	for _, e := range policy.CheckRules(o) {
		element, at := rulePath(&e)
		whole := len(e.Below) < 2 || e.Below[0] == "optional"
		if k.failed[at] || whole && k.failedBelow(element) {
			continue // it may come of what was refused
		}
		hint := e.Hint
		if isPattern(&e) {
			hint = k.patternHint(at, hint)
		}
		k.report(at, CodeReference, e.Message, hint)
		k.failed[at] = true
	}
	if k.c.Anonymous != nil {
		k.roleExists("anonymous.role", k.c.Anonymous.Role)
	}
	if k.c.Stdio != nil {
		k.roleExists("stdio.role", k.c.Stdio.Role)
	}
	for name, r := range sorted(k.c.Roles) {
		k.patterns(Path("roles", name, "allow"), r.Allow)
		k.patterns(Path("roles", name, "deny"), r.Deny)
		k.conditions(Path("roles", name), r.Constraints, r.Obligations, r.Limits)
		if r.ActAs != nil {
			k.rolesExist(Path("roles", name, "act_as", "roles"), r.ActAs.Roles)
		}
	}
}

// rulePath is the place of a mistake, and of the rule that it is in.
func rulePath(e *policy.RoleError) (element, at string) {
	switch {
	case e.Role != "" && e.Field == "":
		element = Path("roles", e.Role)
	case e.Role != "":
		element = Path("roles", e.Role, e.Field, e.Index)
	case e.Field == "scopes":
		element = Path("policy", "scopes", e.Index)
	default:
		element = Path("policy", "everyone", e.Field, e.Index)
	}
	at = element
	for i, step := range e.Below {
		switch step := step.(type) {
		case int:
			at = joinIndex(at, step)
		case string:
			if i == 0 && step == "on" {
				step = "for"
			}
			at = joinKey(at, step)
		}
	}
	return element, at
}

func (k *checker) roleExists(at, name string) {
	known := slices.Sorted(maps.Keys(k.c.Roles))
	if !slices.Contains(known, name) && k.usable(at) {
		k.report(at, CodeReference, fmt.Sprintf("unknown role %q", name), didYouMean(name, known, "role under \"roles\""))
	}
}

func (k *checker) rolesExist(at string, names []string) {
	for i, name := range names {
		k.roleExists(joinIndex(at, i), name)
	}
}
