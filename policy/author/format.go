// SPDX-License-Identifier: Apache-2.0

package author

import (
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/format"

	"tollgate/policy"
)

// CodeFormat is the code of a file that OPA's formatter would make mean
// something else.
const CodeFormat = "tollgate_format"

// Format returns the text as "opa fmt" writes it. The error is a
// [policy.Diagnostics] with the name file: for text that does not parse, and
// for text that cannot be formatted without changing what it means.
func Format(file, text string) ([]byte, error) {
	options := parserOptions()
	before, err := ast.ParseModuleWithOpts(file, text, options)
	if err != nil {
		return nil, policy.FromOPA(err, file)
	}
	out, err := format.SourceWithOpts(file, []byte(text), format.Opts{RegoVersion: ast.RegoV1, ParserOptions: &options})
	if err != nil {
		return nil, policy.FromOPA(err, file)
	}
	after, err := ast.ParseModuleWithOpts(file, string(out), options)
	if rule := changed(before, after); err != nil || rule != nil {
		return nil, policy.Diagnostics{misformatted(file, rule)}
	}
	return out, nil
}

// changed returns the first rule that does not mean the same in both; nil when
// all do.
func changed(before, after *ast.Module) *ast.Rule {
	if after == nil {
		return nil
	}
	for i, rule := range before.Rules {
		if i >= len(after.Rules) || !same(plain(rule), plain(after.Rules[i])) {
			return rule
		}
	}
	return nil
}

// same compares what OPA's own comparison takes for granted first: that heads
// are of one kind.
func same(a, b *ast.Rule) bool {
	for x, y := a, b; x != nil && y != nil; x, y = x.Else, y.Else {
		if (x.Head.Key == nil) != (y.Head.Key == nil) || (x.Head.Value == nil) != (y.Head.Value == nil) {
			return false
		}
	}
	return a.Equal(b)
}

// plain takes out of a rule what formatting may change: = for := in heads, and
// bodies that say nothing.
func plain(rule *ast.Rule) *ast.Rule {
	always := ast.NewBody(ast.NewExpr(ast.BooleanTerm(true)))
	out := rule.Copy()
	for r := out; r != nil; r = r.Else {
		r.Head.Assign = false
		if r.Head.Value != nil {
			r.Head.Key = nil // the reference has it too
		}
		if len(r.Body) == 0 || len(r.Body) == 1 && len(r.Body[0].With) == 0 && always[0].Equal(r.Body[0]) {
			r.Body = always
		}
	}
	return out
}

func misformatted(file string, rule *ast.Rule) policy.Diagnostic {
	d := policy.Diagnostic{File: file, Code: CodeFormat, Message: "opa fmt would change what this file means",
		Hint: "it leaves out parentheses: give the inner expression a name of its own, as in same := a == b"}
	if rule != nil && rule.Location != nil {
		d.Line, d.Col, d.Message = rule.Location.Row, max(1, rule.Location.Col), "opa fmt would change what this rule means"
	}
	return d
}
