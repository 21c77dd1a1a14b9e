// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

func accessRef() ast.Ref { return ast.MustParseRef("data.tollgate.access") }
func allowRef() ast.Ref  { return ast.MustParseRef("data.tollgate.access.allow") }
func reasonRef() ast.Ref { return ast.MustParseRef("data.tollgate.access.reason") }

// checkPackages finds packages under tollgate that nothing evaluates: a rule
// in a mistyped package would load and never apply.
func checkPackages(modules map[string]*ast.Module) Diagnostics {
	known := []string{"access", "call"}
	var out Diagnostics
	for _, m := range modules {
		path := m.Package.Path
		if len(path) < 2 || path[1].Value.Compare(ast.String("tollgate")) != 0 {
			continue
		}
		name := ""
		if len(path) > 2 {
			if s, ok := path[2].Value.(ast.String); ok {
				name = string(s)
			}
		}
		if slices.Contains(known, name) {
			continue
		}
		hint := didYouMean(name, known)
		if hint == "" {
			hint = "decisions are in tollgate.access; put shared rules outside tollgate"
		} else {
			hint = strings.Replace(hint, `"`, `"tollgate.`, 1)
		}
		out = append(out, at(m.Package.Location, CodePackage,
			fmt.Sprintf("nothing evaluates package %s", strings.TrimPrefix(path.String(), "data.")), hint))
	}
	return out
}

// checkEntrypoint wants one place that says what allow is. Two files defining
// it would each be enough to show an object, whatever the other denies.
func checkEntrypoint(c *ast.Compiler) Diagnostics {
	rules := c.GetRulesExact(allowRef())
	if len(rules) == 0 {
		return Diagnostics{{Code: CodeEntrypoint, Message: "no file defines data.tollgate.access.allow",
			Hint: "load the policy that ships, or define allow in package tollgate.access"}}
	}
	files := map[string]*ast.Rule{}
	for _, r := range rules {
		if first := files[r.Location.File]; first == nil || r.Location.Row < first.Location.Row {
			files[r.Location.File] = r
		}
	}
	if len(files) == 1 {
		return nil
	}
	var out Diagnostics
	for file, r := range files {
		var others []string
		for other := range files {
			if other != file {
				others = append(others, other)
			}
		}
		slices.Sort(others)
		out = append(out, at(r.Location, CodeEntrypoint, "allow is also defined in "+strings.Join(others, ", "),
			"to show more define permit, to hide more add to deny, and leave allow to one file"))
	}
	return out
}

// checkReads enforces what access rules, and all they use, may depend on.
func checkReads(c *ast.Compiler) Diagnostics {
	var out Diagnostics
	for rule := range reachable(c, c.GetRules(accessRef())) {
		v := accessVisitor{rule: rule, loc: rule.Location}
		ast.NewGenericVisitor(v.visit).Walk(rule)
		out = append(out, v.found...)
	}
	return out
}

// accessVisitor looks for what one rule must not use.
type accessVisitor struct {
	rule  *ast.Rule
	loc   *ast.Location // of the innermost node that has one
	found Diagnostics
}

func (v *accessVisitor) visit(x any) bool {
	switch x := x.(type) {
	case *ast.Rule:
		return x != v.rule // an else is a rule of its own
	case *ast.Expr:
		v.moveTo(x.Location)
		if x.IsCall() {
			v.checkCall(x.Operator().String())
		}
	case *ast.With:
		// Behind a replaced input, no analysis could tell what is read.
		if target, ok := x.Target.Value.(ast.Ref); ok && target.Equal(ast.InputRootRef) {
			v.report(CodeAccessInput, "replaces input", "replace the members it needs, such as input.principal.team")
			ast.NewGenericVisitor(v.visit).Walk(x.Value)
			return true
		}
	case *ast.Term:
		v.moveTo(x.Location)
		switch value := x.Value.(type) {
		case ast.Ref:
			v.checkRef(value)
		case ast.Call:
			v.checkCall(value[0].String())
		}
	}
	return false
}

func (v *accessVisitor) moveTo(loc *ast.Location) {
	if loc != nil && loc.File != "" && loc.Row > 0 {
		v.loc = loc
	}
}

func (v *accessVisitor) name() string {
	return strings.TrimPrefix(v.rule.Ref().GroundPrefix().String(), "data.tollgate.access.")
}

func (v *accessVisitor) checkRef(ref ast.Ref) {
	if !ref.HasPrefix(ast.InputRootRef) {
		return
	}
	if len(ref) > 1 {
		if member, ok := ref[1].Value.(ast.String); ok {
			switch member {
			case "principal", "object", "version":
				return
			case "action":
				v.report(CodeAccessInput, "reads input.action",
					"access decides lists and calls alike; rules for one of them belong in package tollgate.call")
				return
			}
			v.report(CodeAccessInput, fmt.Sprintf("reads input.%s, which access does not have", string(member)),
				"access is decided before there is a call; move the rule to package tollgate.call")
			return
		}
	}
	v.report(CodeAccessInput, "reads input as a whole", "name the members it needs: input.principal or input.object")
}

func (v *accessVisitor) checkCall(name string) {
	if unsteady(name) {
		v.report(CodeAccessBuiltin, fmt.Sprintf("calls %s, whose answer changes", name),
			"access answers are kept; move the rule to package tollgate.call")
	}
}

func (v *accessVisitor) report(code, what, hint string) {
	v.found = append(v.found, at(v.loc, code, fmt.Sprintf("rule %s %s", v.name(), what), hint))
}

// checkUnused finds access rules that neither a decision nor another rule
// uses, most often a mistyped deny.
func checkUnused(c *ast.Compiler) Diagnostics {
	used := reachable(c, append(slices.Clone(c.GetRules(allowRef())), c.GetRules(reasonRef())...))
	var out Diagnostics
	for _, rule := range c.GetRules(accessRef()) {
		if used[rule] || len(c.Graph.Dependents(rule)) > 0 {
			continue
		}
		name := strings.TrimPrefix(rule.Ref().GroundPrefix().String(), "data.tollgate.access.")
		hint := didYouMean(name, []string{"allow", "permit", "deny", "reason"})
		if hint == "" {
			hint = "decisions use allow and reason, and what those use, such as permit and deny"
		}
		out = append(out, at(rule.Location, CodeUnused, fmt.Sprintf("no decision uses rule %s", name), hint))
	}
	return out
}
