// SPDX-License-Identifier: Apache-2.0

package author

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/cover"
	"github.com/open-policy-agent/opa/v1/tester"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/topdown/lineage"

	"tollgate/policy"
)

const defaultTestTimeout = 5 * time.Second

// TestOptions say what to test.
type TestOptions struct {
	Modules map[string]string // policies and their tests, the shipped policy included
	Data    map[string]any    // the whole document under data
	Run     string            // regular expression of names such as data.owners_test.test_team; "" = all
	Timeout time.Duration     // of each test; 0 = 5 s
}

// TestReport is what came of a run.
type TestReport struct {
	Tests    []TestResult `json:"tests"` // by file and line
	Coverage *Coverage    `json:"coverage"`
}

// Failed counts the tests that failed or could not be evaluated.
func (r *TestReport) Failed() int {
	n := 0
	for i := range r.Tests {
		if !r.Tests[i].Pass && !r.Tests[i].Skip {
			n++
		}
	}
	return n
}

// TestResult is one test. Neither Pass nor Skip is a failure.
type TestResult struct {
	Package    string        `json:"package"` // without data in front
	Name       string        `json:"name"`
	File       string        `json:"file"`
	Line       int           `json:"line"`
	Pass       bool          `json:"pass"`
	Skip       bool          `json:"skip,omitempty"`       // its name begins with todo_
	Err        string        `json:"error,omitempty"`      // it could not be evaluated, and why
	Cases      []string      `json:"cases,omitempty"`      // of a test by cases: those that failed
	Expression string        `json:"expression,omitempty"` // that failed, with the values of its variables
	FailedAt   int           `json:"failed_at,omitempty"`  // its line
	Trace      string        `json:"trace,omitempty"`      // every expression that failed on the way there
	Output     string        `json:"output,omitempty"`     // of print
	Duration   time.Duration `json:"duration"`             // nanoseconds
}

// Failure says in some lines why the test failed; "" when it did not.
func (r *TestResult) Failure() string {
	if r.Pass || r.Skip {
		return ""
	}
	var b strings.Builder
	if r.Err != "" {
		fmt.Fprintf(&b, "error: %s\n", r.Err)
	}
	for _, name := range r.Cases {
		fmt.Fprintf(&b, "case %q fails\n", name)
	}
	if r.Expression != "" {
		fmt.Fprintf(&b, "line %d is false or undefined:\n%s\n", r.FailedAt, r.Expression)
	}
	if r.Output != "" {
		fmt.Fprintf(&b, "printed:\n%s", r.Output)
	}
	if b.Len() == 0 {
		return "false or undefined\n"
	}
	return b.String()
}

// Test runs the rules whose names begin with test_. The error is about the
// files; a test that fails is none.
func Test(ctx context.Context, o *TestOptions) (*TestReport, error) {
	if _, err := regexp.Compile(o.Run); err != nil {
		return nil, fmt.Errorf("names of tests: %w", err)
	}
	l, err := load(ctx, o.Modules, o.Data)
	if err != nil {
		return nil, err
	}
	defer l.close()
	timeout := o.Timeout
	if timeout == 0 {
		timeout = defaultTestTimeout
	}
	covered := cover.New()
	results, err := l.run(ctx, o.Run, func(r *tester.Runner) {
		r.SetTimeout(timeout).SetCoverageRuns(nil).SetCoverageQueryTracer(covered)
	})
	if err != nil {
		return nil, err
	}
	report := &TestReport{Tests: make([]TestResult, 0, len(results))}
	for _, r := range results {
		report.Tests = append(report.Tests, result(r))
	}
	if err := l.explainFailures(ctx, report, timeout); err != nil {
		return nil, err
	}
	slices.SortFunc(report.Tests, func(a, b TestResult) int {
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), strings.Compare(a.Name, b.Name))
	})
	report.Coverage = coverageOf(covered, l.modules)
	return report, nil
}

// run compiles the files and runs their tests.
func (l *loaded) run(ctx context.Context, filter string, setup func(*tester.Runner)) ([]*tester.Result, error) {
	compiler, err := l.compiler(ctx)
	if err != nil {
		return nil, err
	}
	runner := tester.NewRunner().SetCompiler(compiler).SetStore(l.store).SetModules(l.modules).
		CapturePrintOutput(true).RaiseBuiltinErrors(true).Filter(filter)
	setup(runner)
	found, err := runner.RunTests(ctx, l.txn)
	if err != nil {
		return nil, policy.FromOPA(err, "")
	}
	var results []*tester.Result
	for r := range found { // to its end, so that nothing is left running
		results = append(results, r)
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("policy tests: %w", err)
	}
	return results, nil
}

func result(r *tester.Result) TestResult {
	out := TestResult{
		Package: strings.TrimPrefix(r.Package, "data."), Name: r.Name, Pass: r.Pass(), Skip: r.Skip,
		Output: string(r.Output), Duration: r.Duration,
	}
	if r.Location != nil {
		out.File, out.Line = r.Location.File, r.Location.Row
	}
	if r.Error != nil {
		out.Err = policy.FromOPA(r.Error, out.File).Error()
		if topdown.IsCancel(r.Error) {
			out.Err = "took too long"
		}
	}
	for path, sub := range r.SubResults.Iter {
		if sub.Fail && len(sub.SubResults) == 0 {
			out.Cases = append(out.Cases, strings.Join(path, "/"))
		}
	}
	return out
}

// explainFailures runs the failed tests again, with a trace.
func (l *loaded) explainFailures(ctx context.Context, report *TestReport, timeout time.Duration) error {
	failed := map[[2]string]*TestResult{}
	var names []string
	for i := range report.Tests {
		t := &report.Tests[i]
		if !t.Pass && !t.Skip && t.Err == "" {
			failed[[2]string{t.Package, t.Name}] = t
			names = append(names, regexp.QuoteMeta(strings.Trim(t.Name, `[]"`)))
		}
	}
	if len(failed) == 0 {
		return nil
	}
	results, err := l.run(ctx, strings.Join(names, "|"), func(r *tester.Runner) { r.SetTimeout(timeout).EnableTracing(true) })
	if err != nil {
		return err
	}
	for _, r := range results {
		if t := failed[[2]string{strings.TrimPrefix(r.Package, "data."), r.Name}]; t != nil {
			t.Trace = prettyTrace(lineage.Fails(r.Trace))
			if e := failedExpression(r); e != nil {
				t.Expression, t.FailedAt = prettyEvent(e), e.Location.Row
			}
		}
	}
	return nil
}

// failedExpression finds where the body of the test itself gave up.
func failedExpression(r *tester.Result) *topdown.Event {
	var found *topdown.Event
	bodies := map[uint64]bool{}
	for _, e := range r.Trace {
		switch e.Op {
		case topdown.EnterOp:
			if rule, ok := e.Node.(*ast.Rule); ok && rule.Location.Equal(r.Location) {
				bodies[e.QueryID] = true
			}
		case topdown.FailOp:
			if _, ok := e.Node.(*ast.Expr); ok && bodies[e.QueryID] && e.Location != nil {
				found = e
			}
		}
	}
	return found
}
