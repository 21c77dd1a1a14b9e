// SPDX-License-Identifier: Apache-2.0

package author

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/topdown"

	"tollgate/policy"
)

const testSuffix = "_test.rego"

// loaded is a set of files and data, ready to be compiled.
type loaded struct {
	modules map[string]*ast.Module
	store   storage.Store
	txn     storage.Transaction
	close   func()
}

// load parses the files. The caller closes what it returns.
func load(ctx context.Context, texts map[string]string, data map[string]any) (*loaded, error) {
	modules := map[string]*ast.Module{}
	var mistakes policy.Diagnostics
	for file, text := range texts {
		m, err := ast.ParseModuleWithOpts(file, text, parserOptions())
		if err != nil {
			mistakes = append(mistakes, diagnostics(err, file)...)
			continue
		}
		modules[file] = m
	}
	if len(mistakes) > 0 {
		return nil, sorted(mistakes)
	}
	if data == nil {
		data = map[string]any{}
	}
	if _, err := json.Marshal(data); err != nil {
		return nil, fmt.Errorf("the data document is not JSON: %w", err)
	}
	store := inmem.NewFromObject(data)
	txn, err := store.NewTransaction(ctx)
	if err != nil {
		return nil, fmt.Errorf("policy data: %w", err)
	}
	return &loaded{modules, store, txn, func() { store.Abort(context.WithoutCancel(ctx), txn) }}, nil
}

// compiler is set up like the gateway's, except that tests may be untidy and
// print() says something.
func (l *loaded) compiler(ctx context.Context) (*ast.Compiler, error) {
	var schema any
	if err := json.Unmarshal(policy.InputSchema(), &schema); err != nil {
		return nil, fmt.Errorf("input schema: %w", err)
	}
	schemas := ast.NewSchemaSet()
	schemas.Put(ast.SchemaRootRef, schema)
	return ast.NewCompiler().WithCapabilities(capabilities()).WithSchemas(schemas).SetErrorLimit(0).
		WithEnablePrintStatements(true).WithPathConflictsCheck(storage.NonEmpty(ctx, l.store, l.txn)), nil
}

func parserOptions() ast.ParserOptions {
	return ast.ParserOptions{Capabilities: capabilities(), ProcessAnnotation: true, RegoVersion: ast.RegoV1}
}

// capabilities are the gateway's: what [policy.Load] withholds is missing here.
func capabilities() *ast.Capabilities {
	c := ast.CapabilitiesForThisVersion()
	c.Builtins = slices.DeleteFunc(c.Builtins, func(b *ast.Builtin) bool {
		family, _, _ := strings.Cut(b.Name, ".")
		return b.Name == "http.send" || b.Name == "opa.runtime" || slices.Contains([]string{"net", "rand", "uuid"}, family)
	})
	c.AllowNet = []string{}
	return c
}

// diagnostics gives OPA's errors the form of ours; file is for those without a
// place.
func diagnostics(err error, file string) policy.Diagnostics {
	var many ast.Errors
	var one *ast.Error
	var evaluation *topdown.Error
	switch {
	case errors.As(err, &many):
		var out policy.Diagnostics
		for _, e := range many {
			out = append(out, diagnostics(e, file)...)
		}
		return sorted(out)
	case errors.As(err, &one):
		return policy.Diagnostics{at(one.Location, file, one.Code, one.Message)}
	case errors.As(err, &evaluation):
		return policy.Diagnostics{at(evaluation.Location, file, evaluation.Code, evaluation.Message)}
	}
	return policy.Diagnostics{{File: file, Code: ast.ParseErr, Message: err.Error()}}
}

func at(loc *ast.Location, file, code, message string) policy.Diagnostic {
	d := policy.Diagnostic{File: file, Code: code, Message: readable(strings.TrimSpace(message))}
	if loc != nil {
		d.Line, d.Col = loc.Row, max(1, loc.Col)
		if loc.File != "" {
			d.File = loc.File
		}
	}
	return d
}

// readable leaves out the names that the compiler made up: nobody finds them in
// a file.
func readable(message string) string {
	return regexp.MustCompile(`__local[0-9]+__`).ReplaceAllString(message, "_")
}

func sorted(d policy.Diagnostics) policy.Diagnostics {
	slices.SortFunc(d, func(a, b policy.Diagnostic) int {
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col),
			strings.Compare(a.Message, b.Message))
	})
	return slices.Compact(d)
}
