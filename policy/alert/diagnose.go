// SPDX-License-Identifier: Apache-2.0

package alert

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"

	"tollgate/policy/internal/wording"
)

// diagnosis is a mistake in one field, without the place of its rule.
type diagnosis struct {
	offset        int
	message, hint string
}

// diagnoser words the issues of one expression.
type diagnoser struct {
	env    *cel.Env
	source string
	parsed *ast.AST // nil when it does not parse
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
	out := diagnosis{offset: d.offset(e.Location)}
	if d.parsed == nil {
		out.message, out.hint = wording.Syntax(e.Message)
		return out
	}
	if name, ok := wording.Undeclared(e.Message); ok {
		return d.unknown(name, e.ExprID, out.offset)
	}
	out.message, out.hint = wording.Issue(e.Message)
	return out
}

// unknown words a name that does not exist: of a function, of a variable, or of a member.
func (d *diagnoser) unknown(name string, id int64, offset int) diagnosis {
	call, selected, at := d.around(id)
	if call {
		offset = wording.NameBefore(d.source, name, offset)
		functions := slices.DeleteFunc(slices.Sorted(maps.Keys(d.env.Functions())), func(f string) bool {
			return strings.ContainsAny(f, "_@!") // operators
		})
		hint := wording.DidYouMean(name, functions)
		if slices.Contains([]string{"has", "all", "exists", "exists_one", "map", "filter"}, name) {
			hint = "every variable is always there, and none is a list"
		}
		return diagnosis{offset, fmt.Sprintf("there is no function %q", name), hint}
	}
	members := membersOf(name)
	switch {
	case len(members) > 0 && selected == "":
		return diagnosis{offset, name + " is not a value by itself", "its members are " + strings.Join(members, ", ")}
	case len(members) > 0:
		hint := wording.DidYouMean(selected, members)
		if hint == "" {
			hint = "its members are " + strings.Join(members, ", ")
		}
		return diagnosis{at, fmt.Sprintf("%s has no member %q", name, selected), hint}
	}
	hint := wording.DidYouMean(name, roots())
	if slices.Contains(states(), name) {
		hint = `text is written in quotes: "` + name + `"`
	}
	for _, variable := range slices.Sorted(maps.Keys(variables())) {
		if _, member, _ := strings.Cut(variable, "."); member == name && hint == "" {
			hint = fmt.Sprintf("did you mean %q?", variable)
		}
	}
	if hint == "" {
		hint = "a rule sees " + strings.Join(roots(), ", ") + `; text is written in quotes: "` + name + `"`
	}
	return diagnosis{offset, fmt.Sprintf("%q is not defined", name), hint}
}

// around says what the node id is: a call, or a name of which a member is selected at an offset.
func (d *diagnoser) around(id int64) (call bool, selected string, at int) {
	ast.PreOrderVisit(d.parsed.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() == ast.CallKind && e.ID() == id {
			call = true
		}
		if e.Kind() == ast.SelectKind && e.AsSelect().Operand().ID() == id {
			selected, at = e.AsSelect().FieldName(), wording.PastDot(d.source, d.start(e))
		}
	}))
	return call, selected, at
}

func roots() []string { return []string{"budget", "calls", "upstream", "ledger", "now"} }

// membersOf are the members of a variable of several, sorted; nil for other names.
func membersOf(root string) []string {
	var members []string
	for name := range variables() {
		if member, ok := strings.CutPrefix(name, root+"."); ok {
			members = append(members, member)
		}
	}
	slices.Sort(members)
	return members
}

// read is a variable and where it is read.
type read struct {
	name   string
	offset int
}

// reads finds the variables of a checked expression, in the order of the text.
func (d *diagnoser) reads() []read {
	var found []read
	ast.PreOrderVisit(d.parsed.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if name := d.variable(e); name != "" {
			found = append(found, read{name, d.root(e)})
		}
	}))
	slices.SortStableFunc(found, func(a, b read) int { return a.offset - b.offset })
	return found
}

// variable is the variable that a checked node reads, "" when it is none.
func (d *diagnoser) variable(e ast.Expr) string {
	if ref, ok := d.parsed.ReferenceMap()[e.ID()]; ok {
		if _, known := variables()[ref.Name]; known {
			return ref.Name
		}
	}
	return ""
}

// root is where the first word of a variable starts: CEL points at the dot behind it.
func (d *diagnoser) root(e ast.Expr) int {
	at := d.start(e)
	root, _, dotted := strings.Cut(d.variable(e), ".")
	if before := strings.TrimRight(d.source[:max(at, 0)], " \t\r\n"); dotted && strings.HasSuffix(before, root) {
		return len(before) - len(root)
	}
	return at
}

// literals finds comparisons that can never be true: with a state that no upstream has, or of a share with a percentage.
func (d *diagnoser) literals() []diagnosis {
	var found []diagnosis
	ast.PreOrderVisit(d.parsed.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.CallKind || !compares(e.AsCall().FunctionName()) || len(e.AsCall().Args()) != 2 {
			return
		}
		args := e.AsCall().Args()
		for i, arg := range args {
			name, others := d.variable(arg), []ast.Expr{args[1-i]}
			if others[0].Kind() == ast.ListKind {
				others = others[0].AsList().Elements()
			}
			for _, other := range others {
				if message, hint := nonsense(name, other); message != "" {
					found = append(found, diagnosis{d.start(other), message, hint})
				}
			}
		}
	}))
	return found
}

func compares(function string) bool {
	return slices.Contains([]string{operators.Equals, operators.NotEquals, operators.In, operators.Less, operators.LessEquals,
		operators.Greater, operators.GreaterEquals}, function)
}

// nonsense says why a variable is not compared with a literal.
func nonsense(variable string, e ast.Expr) (message, hint string) {
	if e.Kind() != ast.LiteralKind {
		return "", ""
	}
	switch literal := e.AsLiteral().Value().(type) {
	case string:
		if variable == "upstream.state" && !slices.Contains(states(), literal) {
			if hint = wording.DidYouMean(literal, states()); hint == "" {
				hint = "use " + strings.Join(states(), ", ")
			}
			return fmt.Sprintf("no upstream is ever %q", literal), hint
		}
	case int64:
		return percentage(variable, float64(literal))
	case float64:
		return percentage(variable, literal)
	}
	return "", ""
}

func percentage(variable string, literal float64) (message, hint string) {
	if variables()[variable] == ratio && literal >= 2 && literal <= 100 {
		return fmt.Sprintf("%s is a share, %v of it is %v%%", variable, literal, literal*100),
			fmt.Sprintf("write %v for %v%%", literal/100, literal)
	}
	return "", ""
}

// start is where a node begins, as CEL has it.
func (d *diagnoser) start(e ast.Expr) int {
	return d.offset(d.parsed.SourceInfo().GetStartLocation(e.ID()))
}

// offset counts bytes; CEL counts lines and characters.
func (d *diagnoser) offset(at common.Location) int {
	return wording.Offset(d.source, at.Line(), at.Column())
}
