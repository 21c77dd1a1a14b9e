// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tollgate/cmd/internal/cli"
	"tollgate/policy"
	"tollgate/policy/limit"
	"tollgate/upstream/wire"
)

// policyBench are the options of policy bench.
type policyBench struct {
	principal policy.Principal
	args      string
	duration  time.Duration
	paths     []string
	asJSON    bool
}

func (a *app) policyBenchCommand() *cobra.Command {
	var o policyBench
	c := &cobra.Command{
		Use:   "bench UPSTREAM/TOOL --role ROLE",
		Short: "Measure what a decision costs with this policy",
		Long: `Measure the steps of a decision one by one, with the policy and the limits of the configuration. access and conditions are
decided once for each kind of caller and then kept; call rules and limits are evaluated for every call. No upstream is asked.

EXIT STATUS
  0  done   2  wrong usage   3  mistake in the configuration   4  mistake in a policy`,
		Example: `  tollgate policy bench github/create_issue --role writer --args '{"title": "x"}'`,
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.policyBench(c.Context(), args[0], &o)
		},
	}
	f := c.Flags()
	f.StringSliceVar(&o.principal.Roles, "role", nil, "role of the caller; may be given several times")
	f.StringVar(&o.principal.Subject, "subject", "bench", "name of the caller")
	f.StringVar(&o.args, "args", "{}", "arguments of the call, a JSON object")
	f.DurationVar(&o.duration, "time", 500*time.Millisecond, "how long to measure each step")
	f.StringSliceVarP(&o.paths, "policy", "p", nil, "Rego files or folders, instead of those of the configuration")
	f.BoolVar(&o.asJSON, "json", false, "print JSON")
	return c
}

// measure is the cost of one step.
type measure struct {
	Step   string `json:"step"`
	NS     int64  `json:"ns_per_op"`
	Allocs uint64 `json:"allocs_per_op"`
	Answer string `json:"answer"`
}

func (a *app) policyBench(ctx context.Context, tool string, o *policyBench) error {
	upstream, name, ok := strings.Cut(tool, "/")
	if !ok {
		return cli.Usage("%q: write <upstream>/<tool>, by the names the servers use", tool)
	}
	if err := wire.Check([]byte(o.args)); err != nil || wire.Kind([]byte(o.args)) != '{' {
		return cli.Usage("--args must be a JSON object")
	}
	w, err := a.authored(o.paths)
	if err != nil {
		return err
	}
	r, err := w.plan.compile()
	if err != nil {
		return err
	}
	object := policy.Object{Kind: "tool", Upstream: upstream, OriginalName: name, Name: upstream + "__" + name}
	rows, err := o.measure(ctx, r, &object)
	if err != nil {
		return err
	}
	if o.asJSON {
		return a.streams.JSON(rows)
	}
	t := cli.NewTable("STEP", "NS/OP", "ALLOCS/OP", "ANSWER")
	for _, m := range rows {
		t.Row(m.Step, fmt.Sprint(m.NS), fmt.Sprint(m.Allocs), m.Answer)
	}
	_, err = t.WriteTo(a.streams.Out)
	return err
}

func (o *policyBench) measure(ctx context.Context, r *ruleset, object *policy.Object) ([]measure, error) {
	p := &o.principal
	in := &policy.Input{Action: "call", Principal: p, Object: object, Arguments: json.RawMessage(o.args), Time: time.Now(), Session: policy.Session{Origin: "mcp"}}
	roles := p.Roles
	for _, role := range p.Roles {
		roles = append(roles, r.rules.Includes[role]...)
	}
	limits := r.rules.Limits.For(roles, object)
	one := []policy.Object{*object}
	steps := []struct {
		name string
		run  func() (string, error)
	}{
		{"access, once per kind of caller", func() (string, error) {
			answer, err := r.engine.Access(ctx, p, one)
			return fmt.Sprint(len(answer) == 1 && answer[0]), err
		}},
		{"conditions, once per kind of caller", func() (string, error) {
			c, err := r.engine.Conditions(ctx, p, one)
			if err != nil {
				return "", err
			}
			return fmt.Sprintf("%d constraints", len(c[0].Constraints)), nil
		}},
		{"call rules", func() (string, error) {
			d := r.engine.Decide(ctx, in)
			return strings.TrimSpace(fmt.Sprint(d.Allow, " ", d.Code)), nil
		}},
		{fmt.Sprintf("%d limits", len(limits)), func() (string, error) {
			if _, refusal := limit.Evaluate(ctx, limits, &limit.Call{Input: in}); refusal != nil {
				return refusal.Code, nil
			}
			return "true", nil
		}},
	}
	var rows []measure
	for _, s := range steps {
		m, err := timed(ctx, o.duration, s.run)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		m.Step = s.name
		rows = append(rows, m)
	}
	return rows, nil
}

// timed runs f again and again for about d.
func timed(ctx context.Context, d time.Duration, f func() (string, error)) (m measure, err error) {
	if m.Answer, err = f(); err != nil {
		return m, err
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	n, began := int64(0), time.Now()
	for ; time.Since(began) < d || n == 0; n++ {
		if ctx.Err() != nil {
			return m, errors.Join(ctx.Err())
		}
		if _, err := f(); err != nil {
			return m, err
		}
	}
	took := time.Since(began)
	runtime.ReadMemStats(&after)
	m.NS, m.Allocs = took.Nanoseconds()/n, (after.Mallocs-before.Mallocs)/uint64(n)
	return m, nil
}
