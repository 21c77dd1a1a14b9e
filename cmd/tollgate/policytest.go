// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"

	"github.com/spf13/cobra"

	"tollgate/cmd/internal/cli"
	"tollgate/cmd/internal/fixture"
	"tollgate/policy/author"
)

// policyTest are the options of policy test.
type policyTest struct {
	run       string
	coverage  bool
	threshold float64
	verbose   bool
	asJSON    bool
}

func (a *app) policyTestCommand() *cobra.Command {
	var o policyTest
	c := &cobra.Command{
		Use:   "test [PATH ...]",
		Short: "Run Rego tests and YAML fixtures",
		Long: `Run the tests of a policy: rules named test_... in *_test.rego, and the cases of *_test.yaml, which say who calls what and
what should come of it. Cases pass a gate of their own with the roles, limits and bindings of the configuration. Without
PATH, the tests beside the configuration and its policy files are run. rego/README.md says how to write them.

EXIT STATUS
  0  all passed   1  a test failed, or coverage is below the threshold   2  wrong usage   3  mistake in the configuration
  4  mistake in a policy or a fixture`,
		Example: "  tollgate policy test\n  tollgate policy test policies/ --coverage --threshold 90",
		RunE: func(c *cobra.Command, paths []string) error {
			return a.policyTest(c.Context(), paths, &o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.run, "run", "", "only tests and cases whose name matches this regular expression")
	f.BoolVar(&o.coverage, "coverage", false, "say which lines of the policy no Rego test covers")
	f.Float64Var(&o.threshold, "threshold", 0, "fail below this coverage of the own files, in percent")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "also name what passed")
	f.BoolVar(&o.asJSON, "json", false, "print JSON")
	return c
}

// testReport is what policy test prints as JSON.
type testReport struct {
	Passed   int              `json:"passed"`
	Failed   int              `json:"failed"`
	Failures []testFailure    `json:"failures,omitempty"`
	Coverage *author.Coverage `json:"coverage,omitempty"`
}

type testFailure struct {
	Test     string `json:"test"`
	What     string `json:"what,omitempty"`
	Expected string `json:"expected,omitempty"`
	Got      string `json:"got"`
}

func (a *app) policyTest(ctx context.Context, paths []string, o *policyTest) error {
	if _, err := regexp.Compile(o.run); err != nil {
		return cli.WithCode(fmt.Errorf("--run: %w", err), cli.ExitUsage)
	}
	w, err := a.authored(paths)
	if err != nil {
		return err
	}
	if len(w.tests)+len(w.fixtures) == 0 {
		return &cli.Error{Code: cli.ExitUsage, Err: errors.New("no tests: no *_test.rego and no *_test.yaml was found"), Hint: "name their folder: tollgate policy test PATH"}
	}
	out := io.Discard
	if !o.asJSON {
		out = a.streams.Out
	}
	r := &testRun{ctx: ctx, w: w, o: o, out: out}
	if err := errors.Join(r.rego(), r.fixtures()); err != nil {
		return err
	}
	if o.asJSON {
		if err := a.streams.JSON(&r.report); err != nil {
			return err
		}
	}
	fmt.Fprintf(out, "%d passed, %d failed\n", r.report.Passed, r.report.Failed)
	if r.report.Failed > 0 || r.below {
		return cli.Said(cli.ExitError)
	}
	return nil
}

type testRun struct {
	ctx    context.Context
	w      *authoring
	o      *policyTest
	out    io.Writer
	report testReport
	below  bool // the coverage is below the threshold
}

func (r *testRun) pass(name string) {
	r.report.Passed++
	if r.o.verbose {
		fmt.Fprintf(r.out, "PASS %s\n", cli.Clean(name))
	}
}

// rego runs the Rego tests.
func (r *testRun) rego() error {
	if len(r.w.tests) == 0 {
		return nil
	}
	compiled, err := r.w.plan.compile()
	if err != nil {
		return err
	}
	data, err := compiled.engine.Data()
	if err != nil {
		return err
	}
	modules := maps.Clone(r.w.plan.modules)
	maps.Copy(modules, r.w.tests)
	report, err := author.Test(r.ctx, &author.TestOptions{
		Modules: modules, Data: data, Run: r.o.run,
	})
	if err != nil {
		return cli.WithCode(err, cli.ExitPolicy)
	}
	for i := range report.Tests {
		t := &report.Tests[i]
		name := fmt.Sprintf("%s:%d: %s.%s", t.File, t.Line, t.Package, t.Name)
		if t.Pass || t.Skip {
			r.pass(name)
			continue
		}
		r.report.Failed++
		got := t.Failure()
		r.report.Failures = append(r.report.Failures, testFailure{Test: name, Got: got})
		fmt.Fprintf(r.out, "FAIL %s\n%s", cli.Clean(name), indented(got))
	}
	r.covered(report.Coverage.Of(r.w.own))
	return nil
}

// covered reports the coverage of the author's files.
func (r *testRun) covered(own *author.Coverage) {
	if !r.o.coverage && r.o.threshold == 0 || own == nil {
		return
	}
	r.report.Coverage = own
	for _, f := range own.Files {
		fmt.Fprintf(r.out, "coverage %5.1f %%  %s\n", f.Percent, cli.Clean(f.File))
		for _, gap := range f.NotCovered {
			fmt.Fprintf(r.out, "  not covered: %s:%d-%d\n", cli.Clean(f.File), gap.Start, gap.End)
		}
	}
	if own.Percent < r.o.threshold {
		r.below = true
		fmt.Fprintf(r.out, "coverage is %.1f %%, want at least %.1f %%\n", own.Percent, r.o.threshold)
	}
}

// fixtures runs the YAML cases.
func (r *testRun) fixtures() error {
	if len(r.w.fixtures) == 0 {
		return nil
	}
	compiled, err := r.w.plan.compile()
	if err != nil {
		return err
	}
	only := regexp.MustCompile(r.o.run)
	var wrong []error
	for _, name := range r.w.fixtures {
		f, err := fixture.Read(name)
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		if err := f.CheckRoles(r.w.plan.roleNames()); err != nil {
			wrong = append(wrong, err)
			continue
		}
		if mistakes := f.Limits(compiled.rules.Limits); len(mistakes) > 0 {
			wrong = append(wrong, fmt.Errorf("%s: %w", name, r.w.plan.limitDiagnostics(mistakes)))
			continue
		}
		f.Keep(only)
		results, err := fixture.Run(r.ctx, f, compiled.rules)
		if err != nil {
			return err
		}
		for i := range results {
			r.fixture(&results[i])
		}
	}
	return cli.WithCode(errors.Join(wrong...), cli.ExitPolicy)
}

func (r *testRun) fixture(result *fixture.Result) {
	name := result.Case.ID(result.File)
	if len(result.Mismatches) == 0 {
		r.pass(name)
		return
	}
	r.report.Failed++
	fmt.Fprintf(r.out, "FAIL %s\n", cli.Clean(name))
	for _, m := range result.Mismatches {
		r.report.Failures = append(r.report.Failures, testFailure{name, m.What, m.Expected, m.Got})
		fmt.Fprintf(r.out, "    %s: expected %s\n    %*s  got      %s\n", m.What, cli.Clean(m.Expected), len(m.What), "", cli.Clean(m.Got))
	}
}

// indented is text of several lines under a heading.
func indented(text string) string {
	out := ""
	for line := range lines(text) {
		out += "    " + cli.Clean(line) + "\n"
	}
	return out
}
