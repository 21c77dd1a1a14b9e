// SPDX-License-Identifier: Apache-2.0

package author

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/cover"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/topdown/lineage"

	"tollgate/policy"
)

// queryFile is the name of the query in diagnostics.
const queryFile = "query"

const defaultEvalTimeout = 10 * time.Second

// EvalOptions say what to evaluate.
type EvalOptions struct {
	Modules  map[string]string // the shipped policy included; tests are left out
	Data     map[string]any    // the whole document under data
	Input    []byte            // a JSON document; nil = none
	Query    string
	Trace    bool
	Coverage bool
	Timeout  time.Duration // 0 = 10 s
}

// Evaluation is what a query gave.
type Evaluation struct {
	// Defined is false when there is no answer: no rule applied, or something
	// that the query reads is missing.
	Defined bool `json:"defined"`
	// Value is the answer of a query that is one expression without variables,
	// such as data.tollgate.access.reason. Of others it is Result.
	Value json.RawMessage `json:"value,omitempty"`
	// Result is what "opa eval" gives under that name: one entry for each way
	// the query holds, with its expressions and the bindings of its variables.
	Result   json.RawMessage `json:"result"`
	Output   string          `json:"output,omitempty"` // of print
	Trace    string          `json:"trace,omitempty"`  // of each step, and notes that rules make with trace()
	Coverage *Coverage       `json:"coverage,omitempty"`
}

// Eval evaluates a query over files and data. What is wrong with files or query
// is a policy.Diagnostics, with the file "query" for the latter; so is a builtin
// that fails.
func Eval(ctx context.Context, o *EvalOptions) (*Evaluation, error) {
	timeout := o.Timeout
	if timeout == 0 {
		timeout = defaultEvalTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	l, err := load(ctx, withoutTests(o.Modules), o.Data)
	if err != nil {
		return nil, err
	}
	defer l.close()
	compiler, err := l.compiler(ctx)
	if err != nil {
		return nil, err
	}
	if compiler.Compile(l.modules); compiler.Failed() {
		return nil, policy.FromOPA(compiler.Errors, "")
	}
	e := &evaluator{o: o, tracer: topdown.NewBufferTracer(), covered: cover.New()}
	options, err := e.options()
	if err != nil {
		return nil, err
	}
	options = append(options, rego.Compiler(compiler), rego.Store(l.store), rego.Transaction(l.txn))
	results, err := rego.New(options...).Eval(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("evaluate %q: %w", o.Query, ctx.Err())
		}
		return nil, policy.FromOPA(err, queryFile)
	}
	return e.evaluation(results, l.modules)
}

// evaluator collects what one evaluation leaves beside its result.
type evaluator struct {
	o       *EvalOptions
	output  bytes.Buffer
	tracer  *topdown.BufferTracer
	covered *cover.Cover
}

func (e *evaluator) options() ([]func(*rego.Rego), error) {
	parsed, err := ast.ParseBodyWithOpts(e.o.Query, parserOptions())
	if err != nil {
		return nil, policy.FromOPA(err, queryFile)
	}
	options := []func(*rego.Rego){
		rego.ParsedQuery(parsed), rego.StrictBuiltinErrors(true), rego.EnablePrintStatements(true),
		rego.PrintHook(topdown.NewPrintHook(&e.output)),
	}
	if e.o.Input != nil {
		value, err := ast.ValueFromReader(bytes.NewReader(e.o.Input))
		if err != nil {
			return nil, errors.New("the input document is not JSON")
		}
		options = append(options, rego.ParsedInput(value))
	}
	if e.o.Trace {
		options = append(options, rego.QueryTracer(e.tracer))
	}
	if e.o.Coverage {
		options = append(options, rego.QueryTracer(e.covered))
	}
	return options, nil
}

func (e *evaluator) evaluation(results rego.ResultSet, modules map[string]*ast.Module) (*Evaluation, error) {
	out := &Evaluation{Output: e.output.String(), Result: json.RawMessage("[]")}
	var err error
	if len(results) > 0 {
		out.Defined = true
		if out.Result, err = json.Marshal(results); err != nil {
			return nil, fmt.Errorf("result: %w", err)
		}
		out.Value = out.Result
	}
	if len(results) == 1 && len(results[0].Expressions) == 1 && len(results[0].Bindings) == 0 {
		if out.Value, err = json.Marshal(results[0].Expressions[0].Value); err != nil {
			return nil, fmt.Errorf("result: %w", err)
		}
	}
	out.Trace = prettyTrace(lineage.Full(*e.tracer))
	if e.o.Coverage {
		out.Coverage = coverageOf(e.covered, modules)
	}
	return out, nil
}

// withoutTests leaves out files that the gateway does not load.
func withoutTests(modules map[string]string) map[string]string {
	out := make(map[string]string, len(modules))
	for file, text := range modules {
		if !strings.HasSuffix(file, testSuffix) {
			out[file] = text
		}
	}
	return out
}
