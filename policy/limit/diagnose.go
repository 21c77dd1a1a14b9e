// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"tollgate/policy/internal/wording"
)

// diagnosis is a mistake in an expression, without the place of the limit.
type diagnosis struct {
	offset        int
	message, hint string
}

// diagnoser words the issues of one expression.
type diagnoser struct {
	env    *cel.Env
	source string
	parsed *ast.AST // nil when it does not parse
	settle bool
}

func (d *diagnoser) issues(issues *cel.Issues) []diagnosis {
	var out []diagnosis
	for _, e := range issues.Errors() {
		out = append(out, d.issue(e))
		if d.parsed == nil {
			break // further syntax errors are mostly echoes
		}
	}
	return out
}

func (d *diagnoser) issue(e *common.Error) diagnosis {
	out := diagnosis{offset: d.offset(e.Location), message: e.Message}
	node := d.node(e.ExprID)
	if d.parsed == nil {
		out.message, out.hint = wording.Syntax(e.Message)
	} else if name, ok := wording.Undeclared(e.Message); ok {
		out.message, out.hint = d.unknownName(name, node)
		out.offset = wording.NameBefore(d.source, name, out.offset)
	} else if name, ok := wording.Undefined(e.Message); ok {
		out.message, out.hint = d.unknownField(name, node)
		out.offset = wording.PastDot(d.source, out.offset)
	} else {
		out.message, out.hint = wording.Issue(strings.ReplaceAll(e.Message, typePrefix, ""))
	}
	return out
}

// node finds the part of the expression that an issue is about.
func (d *diagnoser) node(id int64) ast.Expr {
	var found ast.Expr
	if d.parsed != nil {
		ast.PreOrderVisit(d.parsed.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
			if e.ID() == id && found == nil {
				found = e
			}
		}))
	}
	return found
}

func (d *diagnoser) unknownName(name string, node ast.Expr) (message, hint string) {
	if node != nil && node.Kind() == ast.CallKind {
		functions := slices.DeleteFunc(slices.Sorted(maps.Keys(d.env.Functions())), func(f string) bool {
			return strings.ContainsAny(f, "_@!") || withheld(f)
		})
		return fmt.Sprintf("there is no function %q", name), wording.DidYouMean(name, append(functions, "has"))
	}
	message = fmt.Sprintf("%q is not defined", name)
	known := variables()
	if d.settle {
		known = append(known, "result")
	} else if name == "result" {
		return message + " here", "only settle may read the result, after the call"
	}
	if hint = wording.DidYouMean(name, known); hint != "" {
		return message, hint
	}
	for _, of := range [...]string{typePrincipal, typeObject, typeSession, typeClient} {
		if _, ok := documentTypes()[of][name]; ok {
			return message, fmt.Sprintf("did you mean %q?", strings.TrimPrefix(of, typePrefix)+"."+name)
		}
	}
	return message, "an expression sees " + strings.Join(known, ", ") + `; text is written in quotes: "` + name + `"`
}

func (d *diagnoser) unknownField(name string, node ast.Expr) (message, hint string) {
	if node == nil || node.Kind() != ast.SelectKind {
		return fmt.Sprintf("there is no member %q", name), ""
	}
	of := path(node.AsSelect().Operand())
	if of == "" {
		return fmt.Sprintf("there is no member %q", name), ""
	}
	members, _ := d.env.CELTypeProvider().FindStructFieldNames(typePrefix + of)
	if hint = wording.DidYouMean(name, members); hint == "" && len(members) > 0 {
		hint = "its members are " + strings.Join(members, ", ")
	}
	return fmt.Sprintf("%s has no member %q", of, name), hint
}

// path is how a member of a member is written, as it is in names of types; ""
// for other expressions.
func path(e ast.Expr) string {
	switch {
	case isArguments(e, nil):
		return "args"
	case e.Kind() == ast.IdentKind:
		return e.AsIdent()
	case e.Kind() != ast.SelectKind:
		return ""
	}
	of := path(e.AsSelect().Operand())
	if of == "" {
		return ""
	}
	return of + "." + e.AsSelect().FieldName()
}

// offset counts bytes; CEL counts lines and characters.
func (d *diagnoser) offset(at common.Location) int {
	return wording.Offset(d.source, at.Line(), at.Column())
}

// describeType words one of CEL's types.
func describeType(t string) string { return strings.TrimPrefix(wording.Type(t), typePrefix) }

func kindOf(v ref.Val) string {
	if v == nil {
		return "nothing"
	}
	if t, ok := v.Type().(*types.Type); ok {
		return describeType(cel.FormatCELType(t))
	}
	return describeType(v.Type().TypeName())
}
