// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// RoleError is one mistake in the roles. Field is "includes", "allow", "deny",
// "constraints" or "obligations" and Index the position in that list, so that
// whoever read the roles from a file can point at the line; Field "" is the
// role's name itself. Role "" with a Field is [Options.Everyone], and with the
// Field "scopes" [Options.Scopes].
type RoleError struct {
	Role  string
	Field string
	Index int
	// Below are the steps from the element to the mistake, such as "for", 1 or
	// "arguments", "region": a string is a name, an int a position. None = the
	// element itself.
	Below   []any
	Message string
	Hint    string
}

func (e RoleError) Error() string {
	at := fmt.Sprintf("roles[%q]", e.Role)
	switch {
	case e.Role == "" && e.Field == "scopes":
		at = fmt.Sprintf("scopes[%d]", e.Index)
	case e.Role == "" && e.Field != "":
		at = fmt.Sprintf("everyone.%s[%d]", e.Field, e.Index)
	case e.Field != "":
		at += fmt.Sprintf(".%s[%d]", e.Field, e.Index)
	}
	for i, step := range e.Below {
		name, ok := step.(string)
		switch {
		case ok && i == 0:
			at += "." + name
		case ok:
			at += fmt.Sprintf("[%q]", name)
		default:
			at += fmt.Sprintf("[%d]", step)
		}
	}
	text := at + ": " + e.Message
	if e.Hint != "" {
		text += "\n\thint: " + e.Hint
	}
	return text
}

// RoleErrors are all mistakes in the roles, ordered by role, field and index.
type RoleErrors []RoleError

func (e RoleErrors) Error() string {
	lines := make([]string, len(e))
	for i := range e {
		lines[i] = e[i].Error()
	}
	return strings.Join(lines, "\n")
}

// CheckRoles returns what [Load] would say about the roles alone. It is safe
// for concurrent use.
func CheckRoles(roles map[string]Role) RoleErrors {
	return CheckRules(&Options{Roles: roles})
}

// CheckRules returns what [Load] would say about the roles, Everyone and Scopes
// of o. It is safe for concurrent use.
func CheckRules(o *Options) RoleErrors {
	_, errs := flatten(o)
	return errs
}

// grant is one pattern a role has, with the way to it: "admin" for its own,
// "admin > reader" for one that comes by an include.
type grant struct {
	path    string
	pattern pattern
}

// effective is a role with everything it includes. The role's own patterns
// come first, then those of its includes in their order.
type effective struct {
	allow, deny []grant
	asks        []ask
}

// everybody is the role that holds what is asked of every principal. No role
// that is configured has the name.
const everybody = ""

// flatten resolves the includes. The result is unusable when there are errors.
func flatten(o *Options) (map[string]effective, RoleErrors) {
	f := &flattener{roles: o.Roles, own: map[string]effective{}}
	names := slices.Sorted(maps.Keys(o.Roles))
	for _, name := range names {
		f.parse(name)
	}
	for _, name := range names {
		f.checkIncludes(name)
	}
	general := append(f.asks(everybody, &o.Everyone), f.scopes(o.Scopes)...)
	if len(f.errs) > 0 {
		slices.SortStableFunc(f.errs, func(a, b RoleError) int { return strings.Compare(a.Role, b.Role) })
		return nil, f.errs
	}
	all := make(map[string]effective, len(o.Roles)+1)
	for _, name := range names {
		var e effective
		f.collect(name, name, map[string]bool{}, &e)
		all[name] = e
	}
	all[everybody] = effective{asks: general}
	return all, nil
}

type flattener struct {
	roles map[string]Role
	own   map[string]effective
	errs  RoleErrors
}

func (f *flattener) parse(name string) {
	if strings.TrimSpace(name) != name || name == "" {
		f.errs = append(f.errs, RoleError{Role: name, Message: "a role needs a name without spaces at its ends"})
	}
	role := f.roles[name]
	f.own[name] = effective{
		asks:  f.asks(name, &role),
		allow: f.patterns(name, "allow", role.Allow),
		deny:  f.patterns(name, "deny", role.Deny),
	}
}

func (f *flattener) patterns(role, field string, texts []string) []grant {
	var grants []grant
	for i, text := range texts {
		p, e := parsePattern(text)
		if e != nil {
			f.errs = append(f.errs, RoleError{Role: role, Field: field, Index: i, Message: e.message, Hint: e.hint})
			continue
		}
		grants = append(grants, grant{role, p})
	}
	return grants
}

func (f *flattener) checkIncludes(name string) {
	for i, include := range f.roles[name].Includes {
		if _, ok := f.roles[include]; !ok {
			e := RoleError{Role: name, Field: "includes", Index: i, Message: fmt.Sprintf("unknown role %q", include)}
			if near := Closest(include, slices.Sorted(maps.Keys(f.roles))); near != "" {
				e.Hint = fmt.Sprintf("did you mean %q?", near)
			}
			f.errs = append(f.errs, e)
			continue
		}
		// A cycle is reported once, at the first of its roles by name.
		cycle := f.pathTo(include, name, map[string]bool{})
		if cycle != nil && slices.Min(cycle) == name {
			f.errs = append(f.errs, RoleError{Role: name, Field: "includes", Index: i,
				Message: "includes form a cycle: " + strings.Join(append([]string{name}, cycle...), " > "),
				Hint:    "remove one of these includes"})
		}
	}
}

// pathTo returns the includes that lead from one role to another, or nil.
func (f *flattener) pathTo(from, to string, seen map[string]bool) []string {
	if from == to {
		return []string{to}
	}
	if seen[from] {
		return nil
	}
	seen[from] = true
	for _, include := range f.roles[from].Includes {
		if path := f.pathTo(include, to, seen); path != nil {
			return append([]string{from}, path...)
		}
	}
	return nil
}

func (f *flattener) collect(name, path string, seen map[string]bool, e *effective) {
	if seen[name] {
		return
	}
	seen[name] = true
	own := f.own[name]
	for _, g := range own.allow {
		e.allow = append(e.allow, grant{path, g.pattern})
	}
	for _, g := range own.deny {
		e.deny = append(e.deny, grant{path, g.pattern})
	}
	for _, a := range own.asks {
		a.path = path
		e.asks = append(e.asks, a)
	}
	for _, include := range f.roles[name].Includes {
		f.collect(include, path+" > "+include, seen, e)
	}
}
