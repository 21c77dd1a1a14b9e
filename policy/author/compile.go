// SPDX-License-Identifier: Apache-2.0

package author

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"

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
	for _, file := range slices.Sorted(maps.Keys(texts)) {
		m, err := ast.ParseModuleWithOpts(file, texts[file], parserOptions())
		if err != nil {
			mistakes = append(mistakes, policy.FromOPA(err, file)...)
			continue
		}
		modules[file] = m
	}
	if len(mistakes) > 0 {
		return nil, mistakes
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
