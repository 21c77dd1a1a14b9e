// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"maps"
	"slices"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// Arguments are the names that the limit's expressions look for in the arguments,
// at any depth: args.a.b, args["a"], has(args.a), "a" in args, and i.a where i is
// an element of an argument. Sorted. A tool that reads names in any case would let
// a call past the limit that spells one otherwise; who admits calls guards against
// that with these names.
func (l *Limit) Arguments() []string {
	names := map[string]bool{}
	for _, p := range l.programs() {
		w := nameWalk{names: names}
		w.expr(p.checked.NativeRep().Expr(), nil)
	}
	return slices.Sorted(maps.Keys(names))
}

// nameWalk collects names. Each walk over an expression answers whether its value
// may be a part of the arguments.
type nameWalk struct{ names map[string]bool }

// expr visits e; loops tells of the variables of loops around it whether they hold
// parts of the arguments.
func (w nameWalk) expr(e ast.Expr, loops map[string]bool) bool {
	switch e.Kind() {
	case ast.IdentKind:
		of, local := loops[e.AsIdent()]
		return of || !local && isArguments(e, nil)
	case ast.SelectKind:
		of := w.expr(e.AsSelect().Operand(), loops)
		if of {
			w.names[e.AsSelect().FieldName()] = true
		}
		return of
	case ast.CallKind:
		return w.call(e.AsCall(), loops)
	case ast.ListKind:
		return w.any(e.AsList().Elements(), loops)
	case ast.MapKind:
		var parts []ast.Expr
		for _, entry := range e.AsMap().Entries() {
			parts = append(parts, entry.AsMapEntry().Key(), entry.AsMapEntry().Value())
		}
		return w.any(parts, loops)
	case ast.ComprehensionKind:
		c := e.AsComprehension()
		of := w.any([]ast.Expr{c.IterRange(), c.AccuInit()}, loops)
		inside := map[string]bool{}
		maps.Copy(inside, loops)
		inside[c.IterVar()], inside[c.AccuVar()] = of, of
		of = w.any([]ast.Expr{c.LoopCondition(), c.LoopStep()}, inside) || of
		inside[c.AccuVar()] = of
		return w.expr(c.Result(), inside)
	}
	return false
}

func (w nameWalk) any(list []ast.Expr, loops map[string]bool) bool {
	of := false
	for _, e := range list {
		of = w.expr(e, loops) || of
	}
	return of
}

func (w nameWalk) call(c ast.CallExpr, loops map[string]bool) bool {
	args := c.Args()
	if c.IsMemberFunction() {
		args = append([]ast.Expr{c.Target()}, args...)
	}
	of := w.any(args, loops)
	if len(args) != 2 || !of {
		return of
	}
	name := args[1]
	switch c.FunctionName() {
	case operators.In:
		name = args[0]
	case operators.Index:
	default:
		return of
	}
	if name.Kind() == ast.LiteralKind {
		if text, ok := name.AsLiteral().(types.String); ok {
			w.names[string(text)] = true
		}
	}
	return of
}
