// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// compiling is how one set of files is parsed, compiled and checked.
type compiling struct {
	caps   *ast.Capabilities
	schema *ast.SchemaSet
	exists func([]string) (bool, error) // whether base data has a path
}

// compile returns the compiler, or everything that is wrong. A file that does
// not parse hides what depends on it, so compiling waits until all files do.
func compile(sources map[string]string, exists func([]string) (bool, error)) (*ast.Compiler, Diagnostics) {
	schema, err := schemaSet()
	if err != nil {
		return nil, Diagnostics{{Code: CodeData, Message: err.Error()}}
	}
	c := &compiling{capabilities(), schema, exists}
	modules, diags := c.parse(sources)
	if len(diags) > 0 {
		return nil, diags.sorted()
	}
	diags = append(checkPackages(modules), checkElements(modules)...)
	diags = append(diags, checkKinds(modules)...)
	compiler := c.attempt(modules)
	if compiler.Failed() {
		return nil, append(diags, c.mistakes(modules, compiler)...).sorted()
	}
	diags = append(diags, checkEntrypoints(compiler)...)
	diags = append(diags, checkReads(compiler)...)
	diags = append(diags, checkReached(compiler)...)
	diags = append(diags, checkUnused(compiler)...).sorted()
	if len(diags) == 0 && c.removeIdle(modules) {
		if lean := c.attempt(modules); !lean.Failed() {
			return lean, nil
		}
	}
	return compiler, diags
}

// removeIdle takes out the rules that say of themselves that they need a part
// of data.tollgate.config which is not there: what nobody configured costs
// nothing, and what it would read does not count as read. It says whether there
// were any. The data of an engine never changes.
func (c *compiling) removeIdle(modules map[string]*ast.Module) bool {
	found := false
	for _, m := range modules {
		m.Rules = slices.DeleteFunc(m.Rules, func(r *ast.Rule) bool {
			idle := r.Else == nil && !r.Default && slices.ContainsFunc(r.Body, c.absent)
			found = found || idle
			return idle
		})
	}
	return found
}

// absent reports whether an expression is no more than a reference to a part of
// data.tollgate.config that is missing.
func (c *compiling) absent(expr *ast.Expr) bool {
	term, ok := expr.Terms.(*ast.Term)
	if !ok || expr.Negated || len(expr.With) > 0 {
		return false
	}
	ref, ok := term.Value.(ast.Ref)
	if !ok || !ref.HasPrefix(ast.MustParseRef("data.tollgate.config")) {
		return false
	}
	var path []string
	for _, t := range ref[1:] {
		name, ok := t.Value.(ast.String)
		if !ok {
			return false
		}
		path = append(path, string(name))
	}
	exists, err := c.exists(path)
	return err == nil && !exists
}

func (c *compiling) parse(sources map[string]string) (map[string]*ast.Module, Diagnostics) {
	modules := map[string]*ast.Module{}
	var diags Diagnostics
	for file, text := range sources {
		m, err := ast.ParseModuleWithOpts(file, text, ast.ParserOptions{
			Capabilities: c.caps, ProcessAnnotation: true, RegoVersion: ast.RegoV1,
		})
		if err != nil {
			diags = append(diags, fromOPA(err, file, &wording{})...)
			continue
		}
		modules[file] = m
	}
	return modules, diags
}

func (c *compiling) attempt(modules map[string]*ast.Module) *ast.Compiler {
	compiler := ast.NewCompiler().WithCapabilities(c.caps).WithStrict(true).WithSchemas(c.schema).
		SetErrorLimit(0).WithPathConflictsCheck(c.exists)
	compiler.Compile(modules)
	return compiler
}

// mistakes translates the errors of a failed attempt and looks for more. OPA
// stops at the first stage that fails, so the rules that failed are taken out
// and the rest is compiled again, until nothing new comes.
func (c *compiling) mistakes(modules map[string]*ast.Module, failed *ast.Compiler) Diagnostics {
	errs, words := failed.Errors, &wording{vocabulary(modules, c.caps), failed.RewrittenVars}
	defined := definitions(modules)
	rest := make(map[string]*ast.Module, len(modules))
	for file, m := range modules {
		rest[file] = m.Copy()
	}
	diags := fromOPA(errs, "", words)
	for removeFailed(rest, errs) {
		compiler := c.attempt(rest)
		words.original = compiler.RewrittenVars
		if errs = compiler.Errors; len(errs) == 0 {
			return append(diags, checkReads(compiler)...)
		}
		for _, e := range errs {
			if !aftermath(e, defined) {
				diags = append(diags, fromOPA(e, "", words)...)
			}
		}
	}
	return diags
}

// removeFailed takes out the rules and imports that errs point at and says
// whether there were any.
func removeFailed(modules map[string]*ast.Module, errs ast.Errors) bool {
	failed := map[*ast.Rule]bool{}
	imports := map[*ast.Import]bool{}
	for _, e := range errs {
		if e.Location == nil || modules[e.Location.File] == nil {
			continue
		}
		m, row := modules[e.Location.File], e.Location.Row
		for _, i := range m.Imports {
			if i.Location.Row == row {
				imports[i] = true
			}
		}
		// Rules are in the order of the file: the last that begins at or
		// before the row holds it.
		for _, r := range slices.Backward(m.Rules) {
			if r.Location.Row <= row {
				failed[r] = true
				break
			}
		}
	}
	for _, m := range modules {
		m.Rules = slices.DeleteFunc(m.Rules, func(r *ast.Rule) bool { return failed[r] })
		m.Imports = slices.DeleteFunc(m.Imports, func(i *ast.Import) bool { return imports[i] })
	}
	return len(failed)+len(imports) > 0
}

// aftermath reports whether an error comes from a rule having been taken out.
func aftermath(e *ast.Error, defined map[string]bool) bool {
	name, undefined := strings.CutPrefix(e.Message, "undefined function ")
	if e.Code == ast.UnsafeVarErr {
		name, undefined = strings.TrimPrefix(strings.TrimSuffix(e.Message, " is unsafe"), "var "), true
	}
	return undefined && defined[name] ||
		strings.HasPrefix(e.Message, "import ") && strings.HasSuffix(e.Message, " unused")
}

func definitions(modules map[string]*ast.Module) map[string]bool {
	defined := map[string]bool{}
	for _, m := range modules {
		for _, r := range m.Rules {
			defined[r.Ref().GroundPrefix().String()] = true
			defined[r.Head.Ref().GroundPrefix().String()] = true
		}
	}
	return defined
}

// vocabulary is what a mistyped name in a policy may have meant.
func vocabulary(modules map[string]*ast.Module, caps *ast.Capabilities) []string {
	words := map[string]bool{"input": true, "data": true}
	for _, b := range caps.Builtins {
		words[b.Name] = true
	}
	for _, m := range modules {
		for _, r := range m.Rules {
			words[r.Head.Ref().GroundPrefix().String()] = true
		}
		ast.WalkVars(m, func(v ast.Var) bool {
			if !v.IsGenerated() && !v.IsWildcard() {
				words[string(v)] = true
			}
			return false
		})
	}
	return slices.Sorted(maps.Keys(words))
}
