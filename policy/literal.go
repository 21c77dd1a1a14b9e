// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"errors"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// checkElements finds elements of the sets of package tollgate.call that are
// written out, as far as they are, and that nobody could make sense of. What
// only evaluation can tell is found there: see [Conditions] and [Decision].
func checkElements(modules map[string]*ast.Module) Diagnostics {
	var out Diagnostics
	constants := callConstants(modules)
	for _, m := range modules {
		if !m.Package.Path.Equal(callRef()) {
			continue
		}
		for _, r := range m.Rules {
			if name := nameOf(r); slices.Contains(callSets(), name) && kindOf(r) == kindSet {
				l := &literals{set: name, rule: r, constants: constants}
				l.check()
				out = append(out, l.found...)
			}
		}
	}
	return out
}

// callConstants are the rules of package tollgate.call that are one value
// without conditions, by name.
func callConstants(modules map[string]*ast.Module) map[string]*ast.Term {
	out := map[string]*ast.Term{}
	always := ast.NewBody(ast.NewExpr(ast.BooleanTerm(true)))
	for _, m := range modules {
		if !m.Package.Path.Equal(callRef()) {
			continue
		}
		for _, r := range m.Rules {
			name := nameOf(r)
			_, again := out[name]
			out[name] = nil
			if !again && kindOf(r) == kindValue && !r.Default && r.Else == nil && r.Body.Equal(always) {
				out[name] = r.Head.Value
			}
		}
	}
	return out
}

// literals looks at what the head of one rule adds to a set.
type literals struct {
	set       string
	rule      *ast.Rule
	constants map[string]*ast.Term
	found     Diagnostics
}

// maxAliases bounds the way from a name to its value.
const maxAliases = 8

func (l *literals) check() {
	for _, t := range l.values(l.rule.Head.Key, maxAliases) {
		switch t.Value.(type) {
		case ast.Object:
			if l.set != "scopes" {
				l.members(t)
				continue
			}
			l.whole(t)
		case ast.String, ast.Number, ast.Boolean, ast.Null, *ast.Array, ast.Set:
			l.whole(t)
		}
	}
}

// values are what a term stands for: itself, or what its name is given by the
// body (x := ..., some x in [...]) or by a constant of the package.
func (l *literals) values(t *ast.Term, left int) []*ast.Term {
	name, ok := t.Value.(ast.Var)
	if !ok || left == 0 {
		return []*ast.Term{t}
	}
	declared := false
	for _, expr := range l.rule.Body {
		if given, ok := givenTo(name, expr); ok {
			if given == nil { // declared by some, without a value
				declared = true
				continue
			}
			var out []*ast.Term
			for _, g := range given {
				out = append(out, l.values(g, left-1)...)
			}
			return out
		}
	}
	if constant := l.constants[string(name)]; constant != nil && !declared {
		return l.values(constant, 0)
	}
	return []*ast.Term{t}
}

// givenTo reports whether an expression gives the name values, and which.
func givenTo(name ast.Var, expr *ast.Expr) ([]*ast.Term, bool) {
	if expr.Negated || len(expr.With) > 0 {
		return nil, false
	}
	is := func(t *ast.Term) bool { return t.Value.Compare(name) == 0 }
	if declaration, ok := expr.Terms.(*ast.SomeDecl); ok {
		for _, symbol := range declaration.Symbols {
			if is(symbol) {
				return nil, true
			}
			in, ok := symbol.Value.(ast.Call) // member(element, collection), or with a key in front
			if ok && len(in) >= 3 && slices.ContainsFunc(in[1:len(in)-1], is) {
				if !is(in[len(in)-2]) {
					return nil, true // the key
				}
				return membersOf(in[len(in)-1]), true
			}
		}
		return nil, false
	}
	if (expr.IsAssignment() || expr.IsEquality()) && is(expr.Operand(0)) {
		return []*ast.Term{expr.Operand(1)}, true
	}
	return nil, false
}

// membersOf are those of a collection that is written out.
func membersOf(t *ast.Term) []*ast.Term {
	switch v := t.Value.(type) {
	case ast.Set:
		return v.Slice()
	case *ast.Array:
		var out []*ast.Term
		v.Foreach(func(t *ast.Term) { out = append(out, t) })
		return out
	}
	return nil
}

// known is the part of a term that is written out, or nil. Of what a
// comprehension gives, it is the empty list or object.
func (l *literals) known(t *ast.Term) *ast.Term {
	values := l.values(t, maxAliases)
	if len(values) != 1 {
		return nil
	}
	switch v := values[0].Value.(type) {
	case ast.String, ast.Number, ast.Boolean, ast.Null:
		return values[0]
	case *ast.Array, ast.Set:
		var part []*ast.Term
		for _, element := range membersOf(values[0]) {
			if k := l.known(element); k != nil {
				part = append(part, k)
			}
		}
		return ast.ArrayTerm(part...)
	case ast.Object:
		part := ast.NewObject()
		v.Foreach(func(key, value *ast.Term) {
			if k := l.known(value); k != nil && scalar(key) {
				part.Insert(key, k)
			}
		})
		return ast.NewTerm(part)
	case *ast.ArrayComprehension, *ast.SetComprehension:
		return ast.ArrayTerm()
	case *ast.ObjectComprehension:
		return ast.ObjectTerm()
	}
	return nil
}

func scalar(t *ast.Term) bool {
	switch t.Value.(type) {
	case ast.String, ast.Number, ast.Boolean, ast.Null:
		return true
	}
	return false
}

// members looks at an element that is an object.
func (l *literals) members(t *ast.Term) {
	before, has, open := len(l.found), map[string]bool{}, false
	t.Value.(ast.Object).Foreach(func(key, value *ast.Term) {
		if !scalar(key) {
			open = true
			return
		}
		name, _ := key.Value.(ast.String)
		has[string(name)] = true
		if r := l.record(ast.ObjectTerm([2]*ast.Term{key, ast.NullTerm()})); r.err != nil {
			l.report(key, r.err)
		} else if k := l.known(value); k != nil {
			l.report(value, l.read(ast.ObjectTerm([2]*ast.Term{key, k})))
		}
	})
	for _, name := range map[string][]string{"constraints": {"argument", "schema"}, "deny": {"reason"}}[l.set] {
		if !has[name] && !open && len(l.found) == before {
			l.report(t, &elementError{problem: "has no " + name, hint: l.form()})
		}
	}
}

// whole looks at an element that is not an object, or of scopes.
func (l *literals) whole(t *ast.Term) {
	_, text := t.Value.(ast.String)
	if l.set == "scopes" {
		var e *elementError
		if k := l.known(t); k != nil {
			_, err := readScopes(ast.ArrayTerm(k))
			if errors.As(err, &e) {
				e.problem = k.String() + " " + e.problem
			}
		}
		l.report(t, e)
		return
	}
	if l.set != "deny" || !text {
		l.report(t, &elementError{problem: "is " + ast.ValueName(t.Value) + l.instead(), hint: l.form()})
	}
}

func (l *literals) record(t *ast.Term) *record {
	switch l.set {
	case "constraints":
		return constraintRecord(t)
	case "obligations":
		return obligationRecord(t)
	}
	return newRecord("denial", t, "reason", "detail")
}

// read reads an object of one member as evaluation would.
func (l *literals) read(t *ast.Term) *elementError {
	r := l.record(t)
	switch l.set {
	case "constraints":
		r.constraint()
	case "obligations":
		r.obligation()
	default:
		r.text("reason")
	}
	return r.err
}

func (l *literals) what() string {
	return map[string]string{"deny": "denial", "constraints": "constraint", "obligations": "obligation", "scopes": "scope"}[l.set]
}

func (l *literals) instead() string {
	if l.set == "deny" {
		return ", not a sentence"
	}
	return ", not an object"
}

// form is how to write an element.
func (l *literals) form() string {
	return map[string]string{
		"deny":        `write a sentence for the caller, or {"reason": "for the caller", "detail": "for operators"}`,
		"constraints": `write {"argument": "region", "schema": {"enum": ["eu"]}}`,
		"obligations": `write an object such as {"redact": ["/email"]} or {"confirm": "Send it?"}`,
	}[l.set]
}

func (l *literals) report(t *ast.Term, err *elementError) {
	if err == nil {
		return
	}
	loc := t.Location
	if loc == nil || loc.Row == 0 {
		loc = l.rule.Location
	}
	l.found = append(l.found, at(loc, CodeElement, l.what()+" "+err.problem, err.hint))
}
