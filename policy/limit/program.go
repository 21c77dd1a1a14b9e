// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/interpreter"

	"tollgate/policy"
)

// maxTime bounds one run of a watched program, as it does for rules in Rego.
const maxTime = 50 * time.Millisecond

// result types that a field may have.
type want int

const (
	wantBool want = iota
	wantNumber
	wantText
)

func (w want) String() string {
	return [...]string{"true or false", "a number", "text"}[w]
}

// accepts reports whether a type fits, as far as it is known.
func (w want) accepts(t *cel.Type) bool {
	switch t.Kind() {
	case types.DynKind, types.AnyKind:
		return true
	case types.BoolKind:
		return w == wantBool
	case types.IntKind, types.UintKind, types.DoubleKind:
		return w == wantNumber
	case types.StringKind:
		return w == wantText
	}
	return false
}

// program is one compiled expression. It is safe for concurrent use.
type program struct {
	field   string
	text    string
	want    want
	checked *cel.Ast
	free    int         // bytes of arguments, and of a result, up to which run is used
	run     cel.Program // as fast as can be; nil when free is -1
	watched cel.Program // with a cost limit and a deadline; nil when it is never needed
	reads   reads
}

// text of an expression in one line.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

var (
	errTooCostly      = errors.New("the expression costs too much for this call")
	errLargeArguments = errors.New("the arguments are larger than a limit may read")
)

// eval runs the program. The error may hold values of the call.
func (p *program) eval(ctx context.Context, d *document) (ref.Val, error) {
	if p.reads.any() && (d.input.Truncated || len(d.input.Arguments) > policy.MaxArguments) {
		return nil, errLargeArguments
	}
	var v ref.Val
	var err error
	if p.watched == nil || max(len(d.input.Arguments), len(d.result)) <= p.free {
		v, _, err = p.run.Eval(d)
	} else {
		ctx, cancel := context.WithTimeout(ctx, maxTime)
		defer cancel()
		v, _, err = p.watched.ContextEval(ctx, d)
	}
	switch cancelled := (interpreter.EvalCancelledError{}); {
	case err == nil && v == nil:
		return nil, errors.New("the expression has no value")
	case errors.As(err, &cancelled) && cancelled.Cause == interpreter.CostLimitExceeded,
		errors.Is(err, interpreter.InterruptError{}):
		return nil, errTooCostly
	}
	return v, err
}

// holds runs a program whose result is true or false.
func (p *program) holds(ctx context.Context, d *document) (bool, error) {
	v, err := p.eval(ctx, d)
	if err != nil {
		return false, err
	}
	b, ok := v.(types.Bool)
	if !ok {
		return false, fmt.Errorf("%s must be %s, this is %s", p.field, p.want, kindOf(v))
	}
	return bool(b), nil
}

// string runs a program whose result is text.
func (p *program) string(ctx context.Context, d *document) (string, error) {
	v, err := p.eval(ctx, d)
	if err != nil {
		return "", err
	}
	s, ok := v.(types.String)
	if !ok {
		return "", fmt.Errorf("%s must be %s, this is %s", p.field, p.want, kindOf(v))
	}
	return string(s), nil
}

// plan makes the program of a checked expression. least is what every run costs.
func plan(env *cel.Env, checked *cel.Ast, p *program) (least uint64, err error) {
	p.checked = checked
	p.reads = findReads(checked.NativeRep().Expr())
	largest := largestRegexp(checked.NativeRep().Expr())
	p.free, least = freeSize(checked, largest)
	optimize, guard := cel.EvalOptions(cel.OptOptimize), cel.CustomDecoratorV2(guardComparisons)
	if p.free >= 0 {
		if p.run, err = env.Program(checked, optimize, guard); err != nil {
			return least, err
		}
	}
	most := policy.MaxArguments
	if p.field == "settle" {
		most = maxResult
	}
	if p.free < most {
		p.watched, err = env.Program(checked, optimize, guard, cel.CostTracking(meter{largest}), cel.CostLimit(maxCost),
			cel.InterruptCheckFrequency(1))
	}
	return least, err
}

// largestRegexp is the size of the largest regular expression in e.
func largestRegexp(e ast.Expr) uint64 {
	most := 0
	ast.PreOrderVisit(e, ast.NewExprVisitor(func(e ast.Expr) {
		if pattern, ok := regexpOf(e); ok && pattern.Kind() == ast.LiteralKind {
			text, _ := pattern.AsLiteral().(types.String)
			size, _ := regexpSize(string(text)) // it was checked
			most = max(most, size)
		}
	}))
	return uint64(most)
}

// regexpOf answers the pattern when e calls matches.
func regexpOf(e ast.Expr) (ast.Expr, bool) {
	if e.Kind() != ast.CallKind || e.AsCall().FunctionName() != "matches" {
		return nil, false
	}
	args := e.AsCall().Args()
	if len(args) == 0 {
		return nil, false
	}
	return args[len(args)-1], true
}
