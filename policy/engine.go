// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/topdown/cache"
)

const defaultTimeout = 50 * time.Millisecond

// Engine is one loaded policy with its data. It never changes and is safe for
// concurrent use; a reload makes a new one.
type Engine struct {
	revision string
	compiler *ast.Compiler
	allow    ast.Body
	reason   ast.Body

	store   storage.Store
	txn     storage.Transaction // open for the life of the engine: the store is never written again
	data    document
	regexes cache.InterQueryValueCache

	reads      reads // of allow
	conditions conditionRules
	call       callRules
	roles      []string // configured, those that grant least first
	asks       map[string]effective
	keys       inputKeys
	timeout    time.Duration // for one object
	now        func() time.Time
}

// Load compiles the modules and checks them and the roles. All mistakes come
// at once: the error is a [Diagnostics], a [RoleErrors], or both joined
// (errors.As finds either).
func Load(ctx context.Context, o *Options) (*Engine, error) {
	if o == nil {
		o = &Options{}
	}
	began := time.Now()
	all, roleErrs := flatten(o)
	data, dataErr := dataDocument(o, all)
	if dataErr != nil {
		data = map[string]any{}
	}
	store := inmem.NewFromObjectWithOpts(data, inmem.OptRoundTripOnWrite(false), inmem.OptReturnASTValuesOnRead(true))
	txn, err := store.NewTransaction(ctx)
	if err != nil {
		return nil, fmt.Errorf("policy data: %w", err)
	}
	compiler, diags := compile(sources(o.Modules), storage.NonEmpty(ctx, store, txn))
	if dataErr != nil {
		diags = append(diags, *dataErr)
	}
	if err := joined(diags, roleErrs); err != nil {
		return nil, err
	}
	e := &Engine{
		compiler: compiler, store: store, txn: txn, keys: newInputKeys(),
		timeout: o.Timeout, now: time.Now, regexes: newRegexCache(len(o.Roles)),
	}
	if e.timeout == 0 {
		e.timeout = defaultTimeout
	}
	if err := e.prepare(ctx, data, all); err != nil {
		return nil, err
	}
	if e.revision, err = digest(sources(o.Modules), data); err != nil {
		return nil, err
	}
	if o.Log != nil {
		o.Log.Debug("policy loaded", "revision", e.revision, "modules", len(o.Modules), "roles", len(o.Roles),
			"duration_ms", time.Since(began).Milliseconds())
	}
	return e, nil
}

// Revision is the hex SHA-256 of all sources, roles and data: equal for equal
// policies, whatever order or process they were loaded in.
func (e *Engine) Revision() string { return e.revision }

// prepare compiles the queries and finds what they read.
func (e *Engine) prepare(ctx context.Context, data map[string]any, all map[string]effective) error {
	value, err := ast.InterfaceToValue(data)
	if err != nil {
		return fmt.Errorf("policy data: %w", err)
	}
	e.data = document{value}
	if e.reads, err = readsOf(e.compiler, allowRef()); err != nil {
		return fmt.Errorf("policy dependencies: %w", err)
	}
	if e.allow, err = e.query(allowRef()); err != nil {
		return err
	}
	if e.reason, err = e.query(reasonRef()); err != nil {
		return err
	}
	e.roles, e.asks = rolesByBreadth(all), all
	if err = e.prepareConditions(all); err != nil {
		return err
	}
	return e.prepareCall(ctx)
}

// query compiles "<ref> = answer".
func (e *Engine) query(ref ast.Ref) (ast.Body, error) {
	body := ast.NewBody(ast.Equality.Expr(ast.NewTerm(ref), ast.VarTerm(answerVar)))
	compiled, err := e.compiler.QueryCompiler().Compile(body)
	if err != nil {
		return nil, fmt.Errorf("query %s: %w", ref, err)
	}
	return compiled, nil
}

// sources leaves test files out: they are run by "opa test", not served.
func sources(modules map[string]string) map[string]string {
	out := make(map[string]string, len(modules))
	for file, text := range modules {
		if !strings.HasSuffix(file, "_test.rego") {
			out[file] = text
		}
	}
	return out
}

func dataDocument(o *Options, all map[string]effective) (map[string]any, *Diagnostic) {
	data := map[string]any{}
	if len(o.Data) > 0 {
		raw, err := json.Marshal(o.Data)
		if err == nil {
			d := json.NewDecoder(strings.NewReader(string(raw)))
			d.UseNumber()
			err = d.Decode(&data)
		}
		if err != nil {
			return nil, &Diagnostic{Code: CodeData, Message: "the data document is not JSON: " + err.Error()}
		}
	}
	if _, ok := data["tollgate"]; ok {
		return nil, &Diagnostic{Code: CodeData, Message: "the data document has a member tollgate",
			Hint: "data.tollgate is the gateway's own; choose another name"}
	}
	data["tollgate"] = map[string]any{"config": configDocument(o.Roles, all)}
	return data, nil
}

func joined(diags Diagnostics, roles RoleErrors) error {
	var errs []error
	if len(diags) > 0 {
		errs = append(errs, diags)
	}
	if len(roles) > 0 {
		errs = append(errs, roles)
	}
	if len(errs) == 1 {
		return errs[0]
	}
	return errors.Join(errs...)
}

func digest(sources map[string]string, data map[string]any) (string, error) {
	text, err := json.Marshal([]any{sources, data}) // maps are written in key order
	if err != nil {
		return "", fmt.Errorf("policy data: %w", err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

// newRegexCache sizes the cache of compiled expressions. The default of 100
// for the whole process would recompile all of them for every object.
func newRegexCache(roles int) cache.InterQueryValueCache {
	limit := 1000 + 100*roles
	return cache.NewInterQueryValueCache(context.Background(), &cache.Config{
		InterQueryBuiltinValueCache: cache.InterQueryBuiltinValueCacheConfig{MaxNumEntries: &limit},
	})
}

// document answers reads of base data straight from memory. OPA's own cache of
// them lives for one query; this one for all, which takes a quarter off.
type document struct{ root ast.Value }

func (d document) Get(ref ast.Ref) ast.Value {
	v, err := d.root.Find(ref[1:])
	if err != nil {
		return nil // the store says whether it is missing
	}
	return v
}

func (document) Put(ast.Ref, ast.Value) {}
