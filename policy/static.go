// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// restriction is what rules may not do whose answers are kept: those of access,
// and those that say what holds before there is a call.
type restriction struct {
	input, builtin string // codes
	whose          string // who does not have what a rule reads
	move           string // where the rule belongs instead
	action         string // the same for input.action
	kept           string // why a builtin is no good
}

func accessRestriction() *restriction {
	return &restriction{
		input: CodeAccessInput, builtin: CodeAccessBuiltin, whose: "access does",
		move:   "access is decided before there is a call; move the rule to package tollgate.call",
		action: "access decides lists and calls alike; rules for one of them belong in package tollgate.call",
		kept:   "access answers are kept; move the rule to package tollgate.call",
	}
}

func staticRestriction() *restriction {
	const move = "they are shown before there is a call; a rule about arguments or time belongs in deny"
	return &restriction{
		input: CodeStaticInput, builtin: CodeStaticBuiltin, whose: "constraints and scopes do", move: move, action: move,
		kept: "constraints and scopes are kept; a rule about arguments or time belongs in deny",
	}
}

// checkReads enforces what access rules, constraints and scopes, and all they
// use, may depend on.
func checkReads(c *ast.Compiler) Diagnostics {
	out := violations(c, c.GetRules(accessRef()), accessRestriction())
	static := append(c.GetRules(callRef("constraints")), c.GetRules(callRef("scopes"))...)
	return append(out, violations(c, static, staticRestriction())...)
}

func violations(c *ast.Compiler, rules []*ast.Rule, r *restriction) Diagnostics {
	var out Diagnostics
	for rule := range reachable(c, rules) {
		v := staticVisitor{restriction: r, rule: rule, loc: rule.Location}
		ast.NewGenericVisitor(v.visit).Walk(rule)
		out = append(out, v.found...)
	}
	return out
}

// staticVisitor looks for what one rule must not use.
type staticVisitor struct {
	*restriction
	rule  *ast.Rule
	loc   *ast.Location // of the innermost node that has one
	found Diagnostics
}

func (v *staticVisitor) visit(x any) bool {
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
			v.report(v.input, "replaces input", "replace the members it needs, such as input.principal.team")
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

func (v *staticVisitor) moveTo(loc *ast.Location) {
	if loc != nil && loc.File != "" && loc.Row > 0 {
		v.loc = loc
	}
}

func (v *staticVisitor) checkRef(ref ast.Ref) {
	if !ref.HasPrefix(ast.InputRootRef) {
		return
	}
	if len(ref) > 1 {
		if member, ok := ref[1].Value.(ast.String); ok {
			switch member {
			case "principal", "object", "version":
				return
			case "action":
				v.report(v.input, "reads input.action", v.action)
				return
			}
			v.report(v.input, fmt.Sprintf("reads input.%s, which %s not have", string(member), v.whose), v.move)
			return
		}
	}
	v.report(v.input, "reads input as a whole", "name the members it needs: input.principal or input.object")
}

func (v *staticVisitor) checkCall(name string) {
	if unsteady(name) {
		v.report(v.builtin, fmt.Sprintf("calls %s, whose answer changes", name), v.kept)
	}
}

func (v *staticVisitor) report(code, what, hint string) {
	v.found = append(v.found, at(v.loc, code, fmt.Sprintf("rule %s %s", ruleName(v.rule), what), hint))
}

// ruleName is what the author calls a rule: without the packages of decisions.
func ruleName(r *ast.Rule) string {
	name := r.Ref().GroundPrefix().String()
	for _, prefix := range []string{"data.tollgate.access.", "data.tollgate.call."} {
		name = strings.TrimPrefix(name, prefix)
	}
	return name
}
