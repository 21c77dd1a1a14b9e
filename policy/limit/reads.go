// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"maps"
	"slices"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// reads is what an expression reads of the arguments.
type reads struct {
	keys    map[string]int64 // name -> id of the expression that reads it first
	guarded map[string]bool  // asked for by has() or in: the call may leave them out
	escapes bool             // args is used as a whole, or with a computed name
}

// any reports whether the arguments are read at all.
func (r *reads) any() bool { return r.escapes || len(r.keys) > 0 }

func (r *reads) names() []string { return slices.Sorted(maps.Keys(r.keys)) }

// findReads walks an expression whose macros are expanded.
func findReads(e ast.Expr) reads {
	r := reads{keys: map[string]int64{}, guarded: map[string]bool{}}
	r.walk(e, nil)
	return r
}

func (r *reads) key(name string, id int64, guard bool) {
	if _, ok := r.keys[name]; !ok {
		r.keys[name] = id
	}
	r.guarded[name] = r.guarded[name] || guard
}

// walk visits e; hidden are names of loops around it.
func (r *reads) walk(e ast.Expr, hidden []string) {
	switch e.Kind() {
	case ast.IdentKind:
		r.escapes = r.escapes || isArguments(e, hidden)
	case ast.SelectKind:
		s := e.AsSelect()
		if isArguments(s.Operand(), hidden) {
			r.key(s.FieldName(), e.ID(), s.IsTestOnly())
			return
		}
		r.walk(s.Operand(), hidden)
	case ast.CallKind:
		r.call(e, hidden)
	case ast.ListKind:
		for _, element := range e.AsList().Elements() {
			r.walk(element, hidden)
		}
	case ast.MapKind:
		for _, entry := range e.AsMap().Entries() {
			r.walk(entry.AsMapEntry().Key(), hidden)
			r.walk(entry.AsMapEntry().Value(), hidden)
		}
	case ast.StructKind:
		for _, entry := range e.AsStruct().Fields() {
			r.walk(entry.AsStructField().Value(), hidden)
		}
	case ast.ComprehensionKind:
		c := e.AsComprehension()
		r.walk(c.IterRange(), hidden)
		r.walk(c.AccuInit(), hidden)
		hidden = append(slices.Clip(hidden), c.IterVar(), c.AccuVar(), c.IterVar2())
		r.walk(c.LoopCondition(), hidden)
		r.walk(c.LoopStep(), hidden)
		r.walk(c.Result(), hidden)
	}
}

func (r *reads) call(e ast.Expr, hidden []string) {
	c := e.AsCall()
	if name, ok := argumentOf(c, hidden); ok {
		r.key(name, e.ID(), c.FunctionName() == operators.In)
		return
	}
	if c.IsMemberFunction() {
		r.walk(c.Target(), hidden)
	}
	for _, a := range c.Args() {
		r.walk(a, hidden)
	}
}

// argumentOf recognises args["name"] and "name" in args.
func argumentOf(c ast.CallExpr, hidden []string) (string, bool) {
	args := c.Args()
	if len(args) != 2 {
		return "", false
	}
	whole, name := args[0], args[1]
	switch c.FunctionName() {
	case operators.In:
		whole, name = name, whole
	case operators.Index:
	default:
		return "", false
	}
	if !isArguments(whole, hidden) || name.Kind() != ast.LiteralKind {
		return "", false
	}
	text, ok := name.AsLiteral().(types.String)
	return string(text), ok
}

func isArguments(e ast.Expr, hidden []string) bool {
	return e.Kind() == ast.IdentKind && (e.AsIdent() == "args" || e.AsIdent() == "arguments") &&
		!slices.Contains(hidden, e.AsIdent())
}

// selectArguments rewrites args["name"] to args.name and "name" in args to
// has(args.name), which is what a checker knows types for.
func selectArguments(e ast.Expr) {
	factory := ast.NewExprFactory()
	ast.PostOrderVisit(e, ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.CallKind {
			return
		}
		c := e.AsCall()
		if c.FunctionName() == operators.Index && len(c.Args()) == 2 && c.Args()[1].Kind() == ast.LiteralKind && rooted(c.Args()[0]) {
			if name, ok := c.Args()[1].AsLiteral().(types.String); ok {
				e.SetKindCase(factory.NewSelect(e.ID(), c.Args()[0], string(name)))
			}
			return
		}
		if name, ok := argumentOf(c, nil); ok {
			e.SetKindCase(factory.NewPresenceTest(e.ID(), c.Args()[1], name))
		}
	}))
}

// rooted reports whether e is args or selected from it.
func rooted(e ast.Expr) bool {
	for e.Kind() == ast.SelectKind {
		e = e.AsSelect().Operand()
	}
	return isArguments(e, nil)
}
