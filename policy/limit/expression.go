// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"fmt"
	"regexp/syntax"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"

	"tollgate/policy/internal/wording"
)

// expression compiles one expression. It answers nil when there are mistakes.
func expression(env *cel.Env, field, text string, want want) (*program, []diagnosis) {
	d := &diagnoser{env: env, source: text, settle: field == "settle"}
	if strings.TrimSpace(text) == "" {
		return nil, []diagnosis{{-1, "the expression is empty", "write one, or remove " + field}}
	}
	parsed, issues := env.Parse(text)
	if issues.Err() != nil {
		return nil, d.issues(issues)
	}
	d.parsed = parsed.NativeRep()
	if found := d.functions(); len(found) > 0 {
		return nil, found
	}
	checked, issues := env.Check(parsed)
	if issues.Err() != nil {
		return nil, d.issues(issues)
	}
	if t := checked.OutputType(); !want.accepts(t) {
		return nil, []diagnosis{wrongType(field, want, t)}
	}
	p := &program{field: field, text: text, want: want}
	least, err := plan(env, checked, p)
	if err != nil {
		return nil, []diagnosis{{-1, err.Error(), ""}}
	}
	if least > maxCost {
		return nil, []diagnosis{{-1, fmt.Sprintf("the expression costs at least %d units, a call may cost %d", least, maxCost),
			"search fewer lists inside of lists"}}
	}
	return p, nil
}

func wrongType(field string, want want, t *cel.Type) diagnosis {
	out := diagnosis{0, fmt.Sprintf("%s must be %s, this is %s", field, want, describeType(cel.FormatCELType(t))), ""}
	numeric := t.Kind() == types.IntKind || t.Kind() == types.UintKind || t.Kind() == types.DoubleKind
	switch {
	case want == wantBool && (numeric || t.Kind() == types.StringKind):
		out.hint = "compare it with something, as in args.limit <= 100"
	case want == wantText && numeric:
		out.hint = "write string(...) round it"
	case want == wantNumber && t.Kind() == types.StringKind:
		out.hint = "write double(...) round it, or remove the quotes"
	}
	return out
}

// functions finds calls that a limit may not make, whatever their types.
func (d *diagnoser) functions() []diagnosis {
	var out []diagnosis
	add := func(e ast.Expr, message, hint string) {
		out = append(out, diagnosis{d.offset(d.parsed.SourceInfo().GetStartLocation(e.ID())), message, hint})
	}
	ast.PreOrderVisit(d.parsed.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() == ast.StructKind {
			add(e, fmt.Sprintf("a limit cannot make a %s", e.AsStruct().TypeName()), "")
		}
		if e.Kind() == ast.CallKind && withheld(calledName(e.AsCall())) {
			add(e, fmt.Sprintf("%s is not available in limits", e.AsCall().FunctionName()),
				"its result may be far larger than its input; compare the parts instead")
			last := &out[len(out)-1]
			last.offset = wording.NameBefore(d.source, e.AsCall().FunctionName(), last.offset)
		}
		if e.Kind() == ast.CallKind && searches(e.AsCall()) {
			add(e.AsCall().Args()[0], fmt.Sprintf("the text that %s looks for must be written out, not computed", e.AsCall().FunctionName()),
				"use contains, startsWith or endsWith")
		}
		if pattern, ok := regexpOf(e); ok {
			if message, hint := checkRegexp(pattern); message != "" {
				add(pattern, message, hint)
			}
		}
	}))
	return out
}

// searches reports whether a call looks for computed text in a way that takes
// the product of both lengths.
func searches(c ast.CallExpr) bool {
	name := c.FunctionName()
	return (name == "indexOf" || name == "lastIndexOf") && len(c.Args()) > 0 && c.Args()[0].Kind() != ast.LiteralKind
}

// calledName is the name of a function with its namespace.
func calledName(c ast.CallExpr) string {
	if c.IsMemberFunction() && c.Target().Kind() == ast.IdentKind && c.Target().AsIdent() == "strings" {
		return "strings." + c.FunctionName()
	}
	return c.FunctionName()
}

func checkRegexp(pattern ast.Expr) (message, hint string) {
	text, ok := types.String(""), pattern.Kind() == ast.LiteralKind
	if ok {
		text, ok = pattern.AsLiteral().(types.String)
	}
	if !ok {
		return "a regular expression must be written out, not computed", "compare with ==, startsWith or contains instead"
	}
	size, err := regexpSize(string(text))
	if err != nil {
		return "bad regular expression: " + strings.TrimPrefix(err.Error(), "error parsing regexp: "), ""
	}
	if size > maxRegexp {
		return fmt.Sprintf("the regular expression is too large: %d steps, at most %d", size, maxRegexp), "lower the numbers of repetitions in it"
	}
	return "", ""
}

// regexpSize counts the instructions of a regular expression, which bound the
// work for each byte of a text.
func regexpSize(text string) (int, error) {
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return 0, err
	}
	prog, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return 0, err
	}
	return len(prog.Inst), nil
}
