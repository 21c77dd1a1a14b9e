// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"maps"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/dependencies"
	"github.com/open-policy-agent/opa/v1/util"
)

// fields is a set of member names of input.principal or input.object.
type fields map[string]bool

// reads is what evaluating some rules may read of its input: members of the
// principal, of the object, and of the document itself.
type reads struct {
	principal, object, call fields
	truncation              bool // names input.arguments_truncated
}

func (r *reads) join(other reads) {
	maps.Copy(r.principal, other.principal)
	maps.Copy(r.object, other.object)
	maps.Copy(r.call, other.call)
	r.truncation = r.truncation || other.truncation
}

func noReads() reads { return reads{principal: fields{}, object: fields{}, call: fields{}} }

func principalFields() []string {
	return []string{"subject", "roles", "groups", "scopes", "team", "org", "auth_method", "key_id", "issuer", "actor"}
}

func objectFields() []string {
	return []string{"id", "kind", "name", "uri", "upstream", "original_name", "annotations", "tags", "definition_hash"}
}

func allOf(names []string) fields {
	f := make(fields, len(names))
	for _, name := range names {
		f[name] = true
	}
	return f
}

// everything is what Explain hands over: the reason rule is not kept, so it
// may read any member.
func everything() reads {
	return reads{principal: allOf(principalFields()), object: allOf(objectFields()), call: allOf(documentFields())}
}

// readsOf finds what evaluating the rules at ref may read of the input. It
// joins two analyses. dependencies.Base follows aliases (p := input.principal)
// and so stays narrow, but it overlooks what stands in the "with" of an
// assignment. Walking the reachable rules sees every reference as written;
// there an alias counts as all members, unless its rule has no "with" and Base
// has accounted for it.
func readsOf(c *ast.Compiler, ref ast.Ref) (reads, error) {
	r := noReads()
	base, err := dependencies.Base(c, ref)
	if err != nil {
		return r, err
	}
	for _, b := range base {
		r.add(b)
	}
	for rule := range reachable(c, c.GetRules(ref)) {
		trusted := !hasWith(rule)
		for _, expr := range rule.Body {
			if !trusted || !alias(expr) {
				ast.WalkRefs(expr, r.walk)
			}
		}
		ast.WalkRefs(rule.Head, r.walk)
	}
	return r, nil
}

func (r *reads) walk(ref ast.Ref) bool {
	r.add(ref)
	return false
}

// add records one reference. A shorter one than input.principal.member reads
// all members.
func (r *reads) add(ref ast.Ref) {
	if !ref.HasPrefix(ast.InputRootRef) {
		return
	}
	ref = ref.ConstantPrefix()
	part := func(into fields, all []string) {
		if len(ref) > 2 {
			if name, ok := ref[2].Value.(ast.String); ok {
				into[string(name)] = true
				return
			}
		}
		for _, name := range all {
			into[name] = true
		}
	}
	which := ast.Value(nil)
	if len(ref) > 1 {
		which = ref[1].Value
	}
	for _, name := range documentFields() {
		if which == nil || which.Compare(ast.String(name)) == 0 {
			r.call[name] = true
		}
	}
	r.truncation = r.truncation || which != nil && which.Compare(ast.String("arguments_truncated")) == 0
	if which == nil || which.Compare(ast.String("principal")) == 0 {
		part(r.principal, principalFields())
	}
	if which == nil || which.Compare(ast.String("object")) == 0 {
		part(r.object, objectFields())
	}
}

func hasWith(rule *ast.Rule) bool {
	found := false
	ast.WalkExprs(rule.Body, func(e *ast.Expr) bool {
		found = found || len(e.With) > 0
		return found
	})
	return found
}

// alias reports whether an expression only gives a reference a name.
func alias(expr *ast.Expr) bool {
	if !expr.IsEquality() || len(expr.With) > 0 {
		return false
	}
	_, leftVar := expr.Operand(0).Value.(ast.Var)
	_, rightVar := expr.Operand(1).Value.(ast.Var)
	left, leftRef := expr.Operand(0).Value.(ast.Ref)
	right, rightRef := expr.Operand(1).Value.(ast.Ref)
	return leftVar && rightRef && right.IsGround() || rightVar && leftRef && left.IsGround()
}

// reachable are the rules that evaluating the given ones may evaluate,
// themselves included.
func reachable(c *ast.Compiler, rules []*ast.Rule) map[*ast.Rule]bool {
	seen := map[*ast.Rule]bool{}
	var visit func(util.T)
	visit = func(x util.T) {
		rule, ok := x.(*ast.Rule)
		if !ok || seen[rule] {
			return
		}
		seen[rule] = true
		if rule.Else != nil {
			visit(rule.Else)
		}
		for next := range c.Graph.Dependencies(rule) {
			visit(next)
		}
	}
	for _, rule := range rules {
		visit(rule)
	}
	return seen
}
