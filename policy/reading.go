// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// reading is a tracer that notes which of the missing places of arguments an
// evaluation looks at. Whatever an expression may read counts once it is
// evaluated, also what stands in its comprehensions. Two things are followed
// further, because rules read arguments like that: a name for them, such as the
// compiler makes of operands, counts as far as it is used, and object.get reads
// what its key names.
type reading struct {
	missing  []string
	segments [][]string
	looked   []bool
	names    map[ast.Var][]string // for parts of the arguments, by their path
}

func newReading(missing []string) *reading {
	r := &reading{missing: missing, looked: make([]bool, len(missing)), names: map[ast.Var][]string{}}
	for _, pointer := range missing {
		r.segments = append(r.segments, pointerSegments(pointer))
	}
	return r
}

// pointerSegments are the names on the way to a value.
func pointerSegments(pointer string) []string {
	if pointer == "" {
		return nil
	}
	segments := strings.Split(strings.TrimPrefix(pointer, "/"), "/")
	for i, s := range segments {
		segments[i] = strings.ReplaceAll(strings.ReplaceAll(s, "~1", "/"), "~0", "~")
	}
	return segments
}

func (r *reading) depends() (out []string) {
	for i, looked := range r.looked {
		if looked {
			out = append(out, r.missing[i])
		}
	}
	return out
}

// Enabled implements topdown.QueryTracer.
func (*reading) Enabled() bool { return true }

// Config implements topdown.QueryTracer.
func (*reading) Config() topdown.TraceConfig { return topdown.TraceConfig{} }

// TraceEvent implements topdown.QueryTracer.
func (r *reading) TraceEvent(event topdown.Event) {
	switch node := event.Node.(type) {
	case *ast.Expr:
		if event.Op == topdown.EvalOp {
			r.expression(&event, node)
		}
	case *ast.Rule:
		if event.Op == topdown.EnterOp || event.Op == topdown.ExitOp {
			r.all(&event, node.Head)
		}
	}
}

func (r *reading) expression(event *topdown.Event, x *ast.Expr) {
	if r.aliases(event, x) {
		return
	}
	path, rest, ok := r.objectGet(event, x)
	if !ok {
		r.all(event, x)
		return
	}
	r.look(path)
	for _, node := range rest {
		r.all(event, node)
	}
}

// aliases notes that an expression does no more than give a part of the arguments
// a name of the compiler's, which has no other meaning anywhere. Whether there is
// such a part must be known.
func (r *reading) aliases(event *topdown.Event, x *ast.Expr) bool {
	if !x.IsEquality() || x.Negated || len(x.With) > 0 {
		return false
	}
	for i := range 2 {
		name, isVar := x.Operand(i).Value.(ast.Var)
		ref, isRef := x.Operand(1 - i).Value.(ast.Ref)
		if !isVar || !isRef || !name.IsGenerated() {
			continue
		}
		if _, unbound := event.Plug(x.Operand(i)).Value.(ast.Var); !unbound {
			continue
		}
		path, whole, ok := r.path(event, ref)
		if !ok || !whole || slices.ContainsFunc(r.segments, func(place []string) bool { return len(place) < len(path) && within(path, place) }) {
			continue
		}
		r.names[name] = path
		return true
	}
	return false
}

// all looks at everything that a node may read.
func (r *reading) all(event *topdown.Event, node any) {
	var visitor *ast.GenericVisitor
	visitor = ast.NewGenericVisitor(func(x any) bool {
		switch x := x.(type) {
		case ast.Ref:
			if path, _, ok := r.path(event, x); ok {
				r.look(path)
			}
			for _, t := range x[1:] {
				visitor.Walk(t)
			}
			return true
		case ast.Var:
			if path, ok := r.names[x]; ok {
				r.look(path)
			}
		}
		return false
	})
	visitor.Walk(node)
}

// look notes the missing places at, above or below a path.
func (r *reading) look(path []string) {
	for i, place := range r.segments {
		r.looked[i] = r.looked[i] || within(place, path) || within(path, place)
	}
}

// within reports whether a path leads through another.
func within(path, through []string) bool {
	return len(path) >= len(through) && slices.Equal(path[:len(through)], through)
}

// path is the part of the arguments that a reference reads, as far down as it is
// known at this moment; whole says that it is all of it. ok is false for what
// reads no arguments.
func (r *reading) path(event *topdown.Event, ref ast.Ref) (path []string, whole, ok bool) {
	steps := known(event, ref[1:])
	whole = len(steps) == len(ref)-1
	if name, isVar := ref[0].Value.(ast.Var); isVar && !ref.HasPrefix(ast.InputRootRef) {
		base, named := r.names[name]
		return slices.Concat(base, steps), whole, named
	}
	switch {
	case !ref.HasPrefix(ast.InputRootRef):
		return nil, false, false
	case len(steps) == 0:
		return nil, false, true // input itself, or a member that is searched for
	}
	return steps[1:], whole, steps[0] == "arguments"
}

// known are the names in terms, up to the first that has none yet.
func known(event *topdown.Event, terms []*ast.Term) (names []string) {
	for _, t := range terms {
		switch value := event.Plug(t).Value.(type) {
		case ast.String:
			names = append(names, string(value))
		case ast.Number:
			names = append(names, value.String())
		default:
			return names
		}
	}
	return names
}

// objectGet is the path that object.get(arguments, key or path, default) reads,
// and what else of the expression reads something.
func (r *reading) objectGet(event *topdown.Event, x *ast.Expr) (path []string, rest []any, ok bool) {
	if !x.IsCall() || x.Operator().String() != ast.ObjectGet.Name || len(x.With) > 0 || len(x.Operands()) < 3 {
		return nil, nil, false
	}
	operands := x.Operands()
	whole := true
	switch from := operands[0].Value.(type) {
	case ast.Var:
		path, ok = r.names[from]
	case ast.Ref:
		path, whole, ok = r.path(event, from)
	}
	keys := []*ast.Term{operands[1]}
	if list, isList := event.Plug(operands[1]).Value.(*ast.Array); isList {
		keys = nil
		for i := range list.Len() {
			keys = append(keys, list.Elem(i))
		}
	}
	if !ok || !whole {
		return nil, nil, false
	}
	for _, t := range operands[1:] {
		rest = append(rest, t)
	}
	return slices.Concat(path, known(event, keys)), rest, true
}
