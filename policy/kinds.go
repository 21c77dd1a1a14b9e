// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// What a rule makes of its name.
const (
	kindSet      = "a set"
	kindValue    = "a value"
	kindFunction = "a function"
	kindObject   = "an object"
)

func kindOf(r *ast.Rule) string {
	switch {
	case len(r.Head.Args) > 0:
		return kindFunction
	case len(r.Head.Ref()) > 1:
		return kindObject
	case r.Head.RuleKind() == ast.MultiValue:
		return kindSet
	}
	return kindValue
}

// callSets are the rules of package tollgate.call that operators add to.
func callSets() []string { return []string{"deny", "constraints", "scopes", "obligations"} }

// checkKinds wants rules that add to those of the file that decides to be of
// the kind that they have there. OPA would report a conflict at the latter, and
// where that file does not define them, nothing would go by what is no set. The
// rules it reports are changed to what they should be, so that the rest of them
// is checked as well and what they use counts as used.
func checkKinds(modules map[string]*ast.Module) Diagnostics {
	sets := map[string]string{}
	for _, name := range callSets() {
		sets[name] = kindSet
	}
	return append(kindsIn(modules, accessRef(), "allow", nil), kindsIn(modules, callRef(), "decision", sets)...)
}

func kindsIn(modules map[string]*ast.Module, pkg ast.Ref, decision string, always map[string]string) Diagnostics {
	home := decider(modules, pkg, decision)
	wanted := map[string]string{}
	if home != nil {
		for _, r := range home.Rules {
			if name := nameOf(r); name != "decision" {
				wanted[name] = kindOf(r)
			}
		}
	}
	var out Diagnostics
	for _, m := range modules {
		if !m.Package.Path.Equal(pkg) {
			continue
		}
		m.Rules = slices.DeleteFunc(m.Rules, func(r *ast.Rule) bool {
			name := nameOf(r)
			want := always[name]
			if want == "" && m != home {
				want = wanted[name]
			}
			d := kindMistake(r, name, want, home)
			if d == nil {
				if m != home && name == "permit" && wanted[name] == kindValue {
					out = append(out, permitMistake(r)...)
				}
				return false
			}
			out = append(out, *d)
			return !remake(r, name, want)
		})
	}
	return out
}

// decider is the file that says what the decision is. Of several, which is a
// mistake that checkEntrypoints reports, it is the one with the most rules.
func decider(modules map[string]*ast.Module, pkg ast.Ref, decision string) *ast.Module {
	var home *ast.Module
	for _, m := range modules {
		defines := func(r *ast.Rule) bool { return nameOf(r) == decision }
		if m.Package.Path.Equal(pkg) && slices.ContainsFunc(m.Rules, defines) && (home == nil || len(m.Rules) > len(home.Rules)) {
			home = m
		}
	}
	return home
}

// nameOf is the first part of what a rule defines.
func nameOf(r *ast.Rule) string {
	name, _ := r.Head.Ref()[0].Value.(ast.Var)
	return string(name)
}

func kindMistake(r *ast.Rule, name, want string, home *ast.Module) *Diagnostic {
	kind := kindOf(r)
	if want == "" || kind == want {
		return nil
	}
	code, message, hint := CodeKind, "", ""
	switch {
	case want == kindSet && name == "deny":
		code, hint = CodeSet, "write deny contains \"sentence\" if ..."
	case want == kindSet && slices.Contains(callSets(), name):
		code, hint = CodeSet, fmt.Sprintf("write %s contains {...} if ..., once for each", name)
		if name == "scopes" {
			hint = "write scopes contains \"repo:write\" if ..., once for each"
		}
	case name == "permit":
		message, hint = "permit is a condition here, not "+kind, "write permit if ..."
	case name == "allow":
		hint = leaveAllow
	default:
		file := home.Package.Location.File
		message, hint = fmt.Sprintf("%s is %s in %s, not %s", name, want, file, kind), "choose another name"
	}
	if message == "" {
		message = fmt.Sprintf("%s is %s here, not %s", name, want, kind)
	}
	d := at(r.Location, code, message, hint)
	return &d
}

// permitMistake: where another rule permits, any value but true is a conflict,
// which hides the object from everyone.
func permitMistake(r *ast.Rule) Diagnostics {
	for ; r != nil && !r.Default; r = r.Else {
		if v := r.Head.Value; v != nil && v.Value.Compare(ast.Boolean(true)) != 0 {
			return Diagnostics{at(r.Location, CodeKind, fmt.Sprintf("permit is true or nothing, not %s", written(v)),
				"write permit if ...; what hides is deny contains \"sentence\" if ...")}
		}
	}
	return nil
}

// written is a term as its author wrote it, if that is short.
func written(t *ast.Term) string {
	if t.Location != nil && len(t.Location.Text) > 0 && len(t.Location.Text) < 60 {
		return strings.TrimSpace(string(t.Location.Text))
	}
	return ast.ValueName(t.Value)
}

// remake gives a rule the kind that is wanted, keeping all that it reads; false
// when it cannot.
func remake(r *ast.Rule, name, want string) bool {
	if r.Default || len(r.Head.Args) > 0 || want != kindSet && want != kindValue {
		return false
	}
	parts := slices.Clone([]*ast.Term(r.Head.Ref()[1:]))
	for _, t := range []*ast.Term{r.Head.Key, r.Head.Value} {
		if t != nil {
			parts = append(parts, t)
		}
	}
	term := ast.ArrayTerm(parts...).SetLocation(r.Head.Location)
	head := ast.RefHead(ast.Ref{ast.VarTerm(name).SetLocation(r.Head.Location)})
	head.Name, head.Location = ast.Var(name), r.Head.Location
	if want == kindSet {
		head.Key, r.Else = term, nil
	} else {
		head.Value = term
	}
	r.Head = head
	return true
}
