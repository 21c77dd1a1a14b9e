// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// Codes of the diagnostics that are not OPA's own.
const (
	CodeAccessInput   = "tollgate_access_input"   // an access rule reads what access may not read
	CodeAccessBuiltin = "tollgate_access_builtin" // an access rule calls a builtin that depends on time or chance
	CodeStaticInput   = "tollgate_static_input"   // a constraint or scope reads what belongs to one call
	CodeStaticBuiltin = "tollgate_static_builtin" // a constraint or scope calls a builtin that depends on time or chance
	CodeSet           = "tollgate_set"            // deny or the like is not a set
	CodeKind          = "tollgate_kind"           // a rule is not of the kind it has in the file that decides
	CodeElement       = "tollgate_element"        // an element of deny, constraints, scopes or obligations means nothing
	CodePackage       = "tollgate_package"        // a package that no decision reaches
	CodeEntrypoint    = "tollgate_entrypoint"     // allow or decision is missing or defined in several files
	CodeUnused        = "tollgate_unused_rule"    // a rule that no decision uses
	CodeData          = "tollgate_data"           // the data document cannot be loaded
)

// Diagnostic is one mistake in a policy file. Line and Col count from 1; they
// are 0 when the mistake has no place in a file.
type Diagnostic struct {
	File          string
	Line, Col     int
	Code          string // OPA's, such as rego_type_error, or one of ours
	Message, Hint string
}

func (d Diagnostic) Error() string {
	var b strings.Builder
	if d.File != "" {
		b.WriteString(d.File)
		if d.Line > 0 {
			fmt.Fprintf(&b, ":%d:%d", d.Line, d.Col)
		}
		b.WriteString(": ")
	}
	fmt.Fprintf(&b, "%s (%s)", d.Message, d.Code)
	if d.Hint != "" {
		b.WriteString("\n\thint: " + strings.ReplaceAll(d.Hint, "\n", "\n\t"))
	}
	return b.String()
}

// Diagnostics are all mistakes found, ordered by file and position.
type Diagnostics []Diagnostic

func (d Diagnostics) Error() string {
	lines := make([]string, len(d))
	for i := range d {
		lines[i] = d[i].Error()
	}
	return strings.Join(lines, "\n")
}

func (d Diagnostics) sorted() Diagnostics {
	slices.SortFunc(d, func(a, b Diagnostic) int {
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col),
			strings.Compare(a.Code, b.Code), strings.Compare(a.Message, b.Message))
	})
	return slices.Compact(d)
}

func at(loc *ast.Location, code, message, hint string) Diagnostic {
	d := Diagnostic{Code: code, Message: message, Hint: hint}
	if loc != nil {
		d.File, d.Line, d.Col = loc.File, loc.Row, max(1, loc.Col) // OPA says column 0 of the end of a file
	}
	return d
}

// wording puts OPA's errors into an author's words.
type wording struct {
	words    []string            // names that a mistyped one may stand for
	original map[ast.Var]ast.Var // of the names that the compiler made up
}

// readable replaces the names that the compiler made up; those that no author
// wrote become _.
func (w *wording) readable(text string) string {
	return regexp.MustCompile(`__local[0-9]+__`).ReplaceAllStringFunc(text, func(name string) string {
		if v, ok := w.original[ast.Var(name)]; ok && !v.IsGenerated() && !v.IsWildcard() {
			return string(v)
		}
		return "_"
	})
}

// FromOPA translates OPA's errors, ordered by file and position. file is used
// where OPA gives no location.
func FromOPA(err error, file string) Diagnostics { return fromOPA(err, file, &wording{}).sorted() }

func fromOPA(err error, file string, words *wording) Diagnostics {
	var out Diagnostics
	var many ast.Errors
	var one *ast.Error
	var evaluation *topdown.Error
	switch {
	case errors.As(err, &many):
		for _, e := range many {
			out = append(out, fromOPA(e, file, words)...)
		}
		return out
	case errors.As(err, &one):
		message, hint := words.explain(one)
		out = Diagnostics{at(one.Location, one.Code, words.readable(message), words.readable(hint))}
	case errors.As(err, &evaluation):
		out = Diagnostics{at(evaluation.Location, evaluation.Code, words.readable(evaluation.Message), "")}
	default:
		return Diagnostics{{File: file, Code: ast.ParseErr, Message: err.Error()}}
	}
	out[0].File = cmp.Or(out[0].File, file)
	return out
}

// explain turns OPA's wording into one that names what to change.
func (w *wording) explain(e *ast.Error) (message, hint string) {
	message = strings.TrimSpace(e.Message)
	if name, ok := strings.CutPrefix(message, "undefined function "); ok {
		if withheld(name) {
			return fmt.Sprintf("%s is not available", name),
				"a policy decides by its input and the loaded data alone"
		}
		return message, didYouMean(name, w.words)
	}
	if name, ok := strings.CutSuffix(message, " is unsafe"); ok && e.Code == ast.UnsafeVarErr {
		name = strings.TrimPrefix(name, "var ")
		if name == "principal" || name == "object" {
			return name + " is not defined", fmt.Sprintf("did you mean %q?", "input."+name)
		}
		return name + " is not defined", didYouMean(name, w.words)
	}
	if strings.HasPrefix(message, "rule data.tollgate.call.decision conflicts with") {
		return "decision is defined in another file as well", leaveDecision
	}
	if message == "unexpected eof token" {
		return "the file ends inside a rule", "look for a value that is missing or a bracket that is not closed"
	}
	if detail, ok := e.Details.(*ast.RefErrInvalidDetail); ok && len(detail.OneOf) > 0 {
		return message, oneOf(detail)
	}
	if e.Details != nil && e.Code == ast.TypeErr {
		hint = strings.Join(e.Details.Lines(), "\n")
	}
	return message, hint
}

func didYouMean(word string, candidates []string) string {
	if near := Closest(word, candidates); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return ""
}

// oneOf names the members a reference may have at the place where it went wrong.
func oneOf(d *ast.RefErrInvalidDetail) string {
	members := make([]string, 0, len(d.OneOf))
	for _, v := range d.OneOf {
		if s, ok := v.(ast.String); ok {
			members = append(members, string(s))
		}
	}
	slices.Sort(members)
	if word, ok := d.Ref[d.Pos].Value.(ast.String); ok {
		if hint := didYouMean(string(word), members); hint != "" {
			return hint
		}
	}
	return "one of " + strings.Join(members, ", ")
}
