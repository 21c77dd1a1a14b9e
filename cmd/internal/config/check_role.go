// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"tollgate/policy"
)

// roles checks what roles include and the patterns they have, by the rules of package policy, and that the roles named
// elsewhere exist.
func (k *checker) roles() {
	roles := map[string]policy.Role{}
	for name, r := range k.c.Roles {
		roles[name] = policy.Role{Includes: r.Includes, Allow: r.Allow, Deny: r.Deny}
	}
	for _, e := range policy.CheckRoles(roles) {
		at := Path("roles", e.Role)
		if e.Field != "" {
			at = Path("roles", e.Role, e.Field, e.Index)
		}
		k.report(at, CodeReference, e.Message, e.Hint)
		k.failed[at] = true
	}
	known := slices.Sorted(maps.Keys(k.c.Roles))
	if k.c.Anonymous != nil {
		k.roleExists("anonymous.role", k.c.Anonymous.Role, known)
	}
	if k.c.Stdio != nil {
		k.roleExists("stdio.role", k.c.Stdio.Role, known)
	}
	for _, name := range known {
		for i, p := range k.c.Roles[name].Allow {
			k.namesUpstream(Path("roles", name, "allow", i), p)
		}
		for i, p := range k.c.Roles[name].Deny {
			k.namesUpstream(Path("roles", name, "deny", i), p)
		}
	}
}

func (k *checker) roleExists(at, name string, known []string) {
	if !slices.Contains(known, name) && k.usable(at) {
		k.report(at, CodeReference, fmt.Sprintf("unknown role %q", name), didYouMean(name, known, "role under \"roles\""))
	}
}

// namesUpstream warns about a pattern that can match nothing, because no upstream has the name.
func (k *checker) namesUpstream(at, pattern string) {
	if k.failed[at] {
		return
	}
	rest := pattern
	if i := strings.IndexAny(pattern, ":/"); i >= 0 && pattern[i] == ':' {
		rest = pattern[i+1:]
	}
	upstream, _, _ := strings.Cut(rest, "/")
	if strings.ContainsAny(upstream, "*?") {
		return
	}
	var names []string
	for i := range k.c.Upstreams {
		names = append(names, k.c.Upstreams[i].Name)
	}
	if !slices.Contains(names, upstream) {
		k.warn(at, CodeReference, fmt.Sprintf("no upstream is named %q", upstream), didYouMean(upstream, names, "upstream"))
	}
}
