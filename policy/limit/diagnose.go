// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// diagnosis is a mistake in an expression, without the place of the limit.
type diagnosis struct {
	offset        int
	message, hint string
}

// CEL's wording, see checker/errors.go there.
var (
	undeclared = regexp.MustCompile(`^undeclared reference to '([^']*)'`)
	undefined  = regexp.MustCompile(`^undefined field '([^']*)'`)
	noOverload = regexp.MustCompile(`^found no matching overload for '([^']*)' applied to '(.*)'$`)
	noFields   = regexp.MustCompile(`^type '(.*)' does not support field selection$`)
	noRange    = regexp.MustCompile(`^expression of type '(.*)' cannot be range of a comprehension`)
	mismatch   = regexp.MustCompile(`^expected type '(.*)' but found '(.*)'$`)
	expecting  = regexp.MustCompile(`(?s)^Syntax error: (.*?)(?: expecting .*)?$`)
	typeNames  = regexp.MustCompile(`[A-Za-z_][\w.]*`)
)

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
	if m := undeclared.FindStringSubmatch(e.Message); m != nil {
		out.message, out.hint = d.unknownName(m[1], node)
		out.offset = d.nameBefore(m[1], out.offset)
	} else if m := undefined.FindStringSubmatch(e.Message); m != nil {
		out.message, out.hint = d.unknownField(m[1], node)
		out.offset = d.pastDot(out.offset)
	} else if m := noOverload.FindStringSubmatch(e.Message); m != nil {
		out.message, out.hint = d.wrongOperands(m[1], m[2])
	} else if m := noFields.FindStringSubmatch(e.Message); m != nil {
		out.message = describeType(m[1]) + " has no members"
	} else if m := noRange.FindStringSubmatch(e.Message); m != nil {
		out.message = "only a list or an object can be searched, this is " + describeType(m[1])
	} else if m := mismatch.FindStringSubmatch(e.Message); m != nil {
		out.message = fmt.Sprintf("this must be %s, it is %s", describeType(m[1]), describeType(m[2]))
	} else if d.parsed == nil {
		out.message, out.hint = d.syntax(e.Message)
	} else {
		out.message = strings.ReplaceAll(out.message, typePrefix, "")
	}
	return out
}

// nameBefore is where the name of a function starts; CEL points at its
// parenthesis.
func (d *diagnoser) nameBefore(name string, offset int) int {
	if offset > 0 && strings.HasSuffix(d.source[:offset], name) {
		return offset - len(name)
	}
	return offset
}

// pastDot is where the name of a member starts; CEL points at the dot.
func (d *diagnoser) pastDot(offset int) int {
	if offset >= 0 && strings.HasPrefix(d.source[offset:], ".") {
		return offset + 1
	}
	return offset
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
		return fmt.Sprintf("there is no function %q", name), didYouMean(name, append(functions, "has"))
	}
	message = fmt.Sprintf("%q is not defined", name)
	known := variables()
	if d.settle {
		known = append(known, "result")
	} else if name == "result" {
		return message + " here", "only settle may read the result, after the call"
	}
	if hint = didYouMean(name, known); hint != "" {
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
	if hint = didYouMean(name, members); hint == "" && len(members) > 0 {
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

func (d *diagnoser) wrongOperands(function, operands string) (message, hint string) {
	receiver := ""
	if i := strings.Index(operands, ".("); i > 0 {
		receiver, operands = operands[:i], operands[i+1:]
	}
	list := splitTypes(strings.TrimSuffix(strings.TrimPrefix(operands, "("), ")"))
	names := make([]string, 0, len(list))
	for _, t := range list {
		names = append(names, describeType(t))
	}
	sign := operator(function)
	message = fmt.Sprintf("%s does not work on %s", sign, strings.Join(names, " and "))
	if receiver != "" {
		message = fmt.Sprintf("%s does not work on %s", sign, describeType(receiver))
		if len(names) > 0 {
			message += " with " + strings.Join(names, " and ")
		}
	}
	numbers := slices.Contains(list, "int") && slices.Contains(list, "double")
	switch {
	case numbers && strings.Contains("+-*/", sign):
		hint = "both must be of one kind: write 2.0 instead of 2, or double(...) round the whole number"
	case slices.Contains(list, "string") && (slices.Contains(list, "int") || slices.Contains(list, "double")) && sign == "+":
		hint = "write string(...) round the number"
	}
	return message, hint
}

// splitTypes splits at the commas that are outside of parentheses.
func splitTypes(list string) []string {
	var out []string
	depth, start := 0, 0
	for i, ch := range list {
		switch ch {
		case '(':
			depth++
		case ')':
			depth--
		case ',':
			if depth == 0 {
				out = append(out, strings.TrimSpace(list[start:i]))
				start = i + 1
			}
		}
	}
	if rest := strings.TrimSpace(list[start:]); rest != "" {
		out = append(out, rest)
	}
	return out
}

// syntax words the parser's messages.
func (d *diagnoser) syntax(message string) (plain, hint string) {
	if m := expecting.FindStringSubmatch(message); m != nil {
		message = m[1]
		if strings.Contains(message, "'<EOF>'") {
			return "the expression ends too early", ""
		}
		switch {
		case strings.Contains(message, "token recognition error"):
			_, token, _ := strings.Cut(message, " at: ")
			message = "unexpected '" + strings.TrimSpace(strings.TrimSuffix(strings.TrimPrefix(token, "'"), "'")) + "'"
		case strings.HasPrefix(message, "mismatched input"), strings.HasPrefix(message, "extraneous input"),
			strings.HasPrefix(message, "no viable alternative at input"):
			_, input, _ := strings.Cut(message, "input ")
			message = "unexpected '" + strings.TrimSpace(strings.Trim(input, "'")) + "'"
		}
		switch {
		case strings.Contains(message, "'='"):
			hint = "to compare, write =="
		case strings.Contains(message, "'&"), strings.Contains(message, "'|"):
			hint = "write && and ||"
		case strings.Contains(message, `'"`), strings.Contains(message, "''"):
			hint = "close the quote"
		case strings.Contains(message, "'and'"), strings.Contains(message, "'or'"), strings.Contains(message, "'not'"):
			hint = "write && for and, || for or, ! for not"
		}
	}
	return message, hint
}

// offset counts bytes; CEL counts lines and characters.
func (d *diagnoser) offset(at common.Location) int {
	if at.Line() < 1 || at.Column() < 0 {
		return -1
	}
	offset := 0
	for range at.Line() - 1 {
		i := strings.IndexByte(d.source[offset:], '\n')
		if i < 0 {
			return -1
		}
		offset += i + 1
	}
	for range at.Column() {
		_, n := utf8.DecodeRuneInString(d.source[offset:])
		offset += n
	}
	return min(offset, len(d.source))
}

// describeType words one of CEL's types.
func describeType(t string) string {
	name, _, _ := strings.Cut(t, "(")
	switch typeNames.FindString(name) {
	case "bool":
		return "true or false"
	case "int", "uint":
		return "a whole number"
	case "double":
		return "a number"
	case "string":
		return "text"
	case "bytes":
		return "bytes"
	case "list":
		return "a list"
	case "map":
		return "an object"
	case "timestamp", "google.protobuf.Timestamp":
		return "a time"
	case "duration", "google.protobuf.Duration":
		return "a duration"
	case "null", "null_type":
		return "null"
	case "dyn":
		return "a value of any type"
	case "type":
		return "a type"
	}
	if rest, ok := strings.CutPrefix(t, typePrefix); ok {
		return rest
	}
	return t
}

func kindOf(v ref.Val) string {
	if v == nil {
		return "nothing"
	}
	if t, ok := v.Type().(*types.Type); ok {
		return describeType(cel.FormatCELType(t))
	}
	return describeType(v.Type().TypeName())
}
