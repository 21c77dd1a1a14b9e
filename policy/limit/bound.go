// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// Sizes that the estimate assumes of parts of the document that come from the
// gateway and its configuration.
const (
	maxText        = 1024
	maxList        = 256
	maxAnnotations = 8 << 10 // enforced when they are read: they come from an upstream
	maxResult      = 1 << 20 // of results that settle reads, in bytes; enforced too
)

// extent bounds a value. Texts have their bytes as weight.
type extent struct {
	length uint64 // elements of a list, names of a map
	part   uint64 // the weight of one of them
	weight uint64 // of everything in it, see [operand]
}

func ofText(bytes uint64) extent { return extent{bytes, bytes, bytes} }

func ofList(length, part uint64) extent {
	return extent{length, part, times(length, plus(part, 1))}
}

// item is what is known of one element.
func (x extent) item() extent { return ofText(x.part) }

func (x extent) or(y extent) extent {
	return extent{max(x.length, y.length), max(x.part, y.part), max(x.weight, y.weight)}
}

func (x extent) and(y extent) extent {
	return extent{plus(x.length, y.length), max(x.part, y.part), plus(x.weight, y.weight)}
}

// bounder computes the most that an expression can cost, from its types, from how
// large the arguments may be, and from nothing else of the call.
type bounder struct {
	checked *ast.AST
	most    uint64 // bytes of the arguments, and of the result
	regexp  uint64 // instructions of the largest regular expression
	least   bool   // assume the smallest document, and the cheaper of what is decided at run time
	loops   []loop
}

// loop is a variable of a loop and what it may hold.
type loop struct {
	name string
	of   extent
}

// freeSize is up to how many bytes of arguments, and of a result, a program
// stays below maxCost whatever else is in the call; -1 = there is no such size.
// Up to it the program runs without being watched. least is what every run costs.
func freeSize(checked *cel.Ast, regexp uint64) (free int, least uint64) {
	tree := checked.NativeRep()
	b := bounder{checked: tree, regexp: regexp, least: true}
	if least, _ = b.expr(tree.Expr()); least > maxCost {
		return -1, least
	}
	b.least = false
	for b.most = maxResult; ; b.most /= 2 {
		units, _ := b.expr(tree.Expr())
		switch {
		case units <= maxCost:
			return int(b.most), least
		case b.most == 0:
			return -1, least
		}
	}
}

// expr answers what e costs at most and how large its value is.
func (b *bounder) expr(e ast.Expr) (units uint64, x extent) {
	switch e.Kind() {
	case ast.LiteralKind:
		if text, ok := e.AsLiteral().(types.String); ok {
			return 1, ofText(uint64(len(text)))
		}
		x = ofText(1)
		if bytes, ok := e.AsLiteral().(types.Bytes); ok {
			x = ofText(uint64(len(bytes)))
		}
		return 1, x
	case ast.IdentKind:
		return 1, b.variable(e)
	case ast.SelectKind:
		return b.member(e)
	case ast.CallKind:
		return b.call(e)
	case ast.ListKind:
		return b.list(e.AsList().Elements())
	case ast.MapKind:
		var all []ast.Expr
		for _, entry := range e.AsMap().Entries() {
			all = append(all, entry.AsMapEntry().Key(), entry.AsMapEntry().Value())
		}
		units, x = b.list(all)
		return plus(units, plus(uint64(len(all)), x.weight/32)), x
	case ast.ComprehensionKind:
		return b.comprehension(e.AsComprehension())
	}
	return endless, ofText(endless)
}

func (b *bounder) variable(e ast.Expr) extent {
	name := e.AsIdent()
	for i := len(b.loops) - 1; i >= 0; i-- {
		if b.loops[i].name == name {
			return b.loops[i].of
		}
	}
	if b.least {
		return extent{}
	}
	switch name {
	case "args", "arguments", "result":
		return extent{b.most/2 + 1, b.most, b.most + 1}
	case "object":
		return extent{16, maxAnnotations, maxAnnotations + maxList*maxText}
	case "principal":
		return extent{16, maxList * maxText, 4 * maxList * maxText}
	case "session", "client":
		return ofList(4, maxText)
	case "source_ip", "action":
		return ofText(maxText)
	}
	return ofText(1) // time, names of types
}

// member bounds e.name. A part is not larger than the whole, whatever it is.
func (b *bounder) member(e ast.Expr) (uint64, extent) {
	units, of := b.expr(e.AsSelect().Operand())
	units = plus(units, 1)
	t := b.checked.GetType(e.AsSelect().Operand().ID())
	switch {
	case e.AsSelect().IsTestOnly() || b.kind(e) == scalar:
		return units, ofText(1)
	case t.Kind() != types.StructKind || b.least:
		return units, b.within(e, of.item())
	case b.kind(e) == textual:
		return units, ofText(maxText)
	case b.kind(e) == listing:
		return units, ofList(maxList, maxText)
	}
	return units, extent{maxAnnotations / 2, maxAnnotations, maxAnnotations + 1}
}

// within turns the extent of a part of the document, of which only the weight is
// known, to what its type says: an element takes two bytes at least.
func (b *bounder) within(e ast.Expr, x extent) extent {
	if b.kind(e) != textual {
		x.length = x.weight/2 + 1
	}
	return x
}

func (b *bounder) list(elements []ast.Expr) (uint64, extent) {
	units, x := uint64(1+len(elements)), extent{length: uint64(len(elements))}
	for _, element := range elements {
		more, of := b.expr(element)
		units, x.part, x.weight = plus(units, more), max(x.part, of.weight), plus(x.weight, plus(of.weight, 1))
	}
	return units, x
}

func (b *bounder) call(e ast.Expr) (uint64, extent) {
	c := e.AsCall()
	args := c.Args()
	if c.IsMemberFunction() {
		args = append([]ast.Expr{c.Target()}, args...)
	}
	units, each := uint64(0), make([]uint64, len(args))
	var xs []extent
	var ops []operand
	for i, a := range args {
		cost, x := b.expr(a)
		each[i], units, xs = cost, plus(units, cost), append(xs, x)
		ops = append(ops, operand{b.kind(a), x.length, x.weight, b.ofTexts(a)})
	}
	if b.least {
		switch c.FunctionName() {
		case operators.LogicalAnd, operators.LogicalOr:
			units = min(each[0], each[1])
		case operators.Conditional:
			units = plus(each[0], min(each[1], each[2]))
		}
	}
	return plus(units, callUnits(c.FunctionName(), ops, b.regexp)), b.value(e, c.FunctionName(), xs)
}

// value bounds what a function answers.
func (b *bounder) value(e ast.Expr, function string, xs []extent) extent {
	if b.kind(e) == scalar {
		return ofText(1)
	}
	all := extent{}
	for _, x := range xs {
		all = all.and(x)
	}
	switch function {
	case operators.Add:
		return all
	case operators.Conditional:
		return xs[1].or(xs[2])
	case operators.Index:
		return b.within(e, xs[0].item())
	case "dyn":
		return xs[0]
	case "split":
		return extent{plus(xs[0].weight, 1), xs[0].weight, plus(times(xs[0].weight, 2), 1)}
	}
	if b.kind(e) == textual || b.kind(e) == anything {
		return ofText(plus(all.weight, 64)) // numbers and times as text are shorter
	}
	return ofText(endless)
}

// comprehension bounds a loop as macros make them: what it collects grows by what
// one step adds.
func (b *bounder) comprehension(c ast.ComprehensionExpr) (uint64, extent) {
	units, over := b.expr(c.IterRange())
	more, from := b.expr(c.AccuInit())
	units = plus(units, more)
	item := over.item()
	item.length = item.weight/2 + 1
	outer := b.loops
	b.loops = append(b.loops, loop{c.IterVar(), item}, loop{c.IterVar2(), item}, loop{c.AccuVar(), extent{}})
	condition, _ := b.expr(c.LoopCondition())
	step, added := b.expr(c.LoopStep())
	units = plus(units, times(over.length, plus(2, plus(condition, step))))
	collected := extent{
		plus(from.length, times(over.length, added.length)),
		max(from.part, added.part),
		plus(from.weight, times(over.length, added.weight)),
	}
	b.loops = append(outer, loop{c.AccuVar(), collected})
	more, x := b.expr(c.Result())
	b.loops = outer
	return plus(units, more), x
}

func (b *bounder) ofTexts(e ast.Expr) bool {
	t := b.checked.GetType(e.ID())
	return t.Kind() == types.ListKind && t.Parameters()[0].Kind() == types.StringKind
}

// kind is the static type of an expression, as far as costs depend on it.
func (b *bounder) kind(e ast.Expr) kind {
	switch t := b.checked.GetType(e.ID()); t.Kind() {
	case types.BoolKind, types.DoubleKind, types.DurationKind, types.IntKind, types.NullTypeKind, types.TimestampKind, types.TypeKind,
		types.UintKind:
		return scalar
	case types.StringKind, types.BytesKind:
		return textual
	case types.ListKind:
		return listing
	case types.MapKind, types.StructKind:
		return mapping
	}
	return anything
}
