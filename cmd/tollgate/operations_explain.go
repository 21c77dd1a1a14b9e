// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"tollgate/aggregator"
	"tollgate/cmd/internal/cli"
	"tollgate/cmd/internal/config"
	"tollgate/cmd/internal/control"
	"tollgate/upstream/wire"
)

// Explain implements [control.Operations].
func (g *gateway) Explain(ctx context.Context, q *control.ExplainQuery) (*control.Explanation, error) {
	caller, err := g.identity(&q.Identity)
	if err != nil {
		return nil, err
	}
	call, err := explainedCall(q)
	if err != nil {
		return nil, err
	}
	if err := g.set.Settled(ctx); err != nil {
		return nil, fmt.Errorf("waiting for the upstreams: %w", err)
	}
	g.refresh()
	x, err := g.gate.Explain(ctx, caller, call)
	if err != nil {
		return nil, err
	}
	e := &explaining{p: g.current(), x: x, q: q}
	return e.answer(), nil
}

func explainedCall(q *control.ExplainQuery) (*aggregator.Call, error) {
	c := &aggregator.Call{Method: aggregator.MethodCallTool, Transport: "operator"}
	member := "name"
	switch q.Kind {
	case "", "tool":
	case "prompt":
		c.Method = aggregator.MethodGetPrompt
	case "resource":
		c.Method, member = aggregator.MethodReadResource, "uri"
	default:
		return nil, &control.Error{Message: fmt.Sprintf("unknown kind %q", q.Kind), Hint: "kinds are tool, prompt and resource", Exit: cli.ExitUsage}
	}
	c.Params = wire.Set(nil, member, wire.AppendString(nil, q.Name))
	if len(q.Arguments) == 0 {
		return c, nil
	}
	if err := wire.Check(q.Arguments); err != nil || wire.Kind(q.Arguments) != '{' {
		return nil, &control.Error{Message: "the arguments must be a JSON object", Hint: `for example '{"query": "tea"}'`, Exit: cli.ExitUsage}
	}
	c.Params = wire.Set(c.Params, "arguments", q.Arguments)
	return c, nil
}

// explaining turns what the gate says into what an operator reads.
type explaining struct {
	p   *plan
	x   *aggregator.Explanation
	q   *control.ExplainQuery
	out control.Explanation
}

func (e *explaining) answer() *control.Explanation {
	x := e.x
	e.out = control.Explanation{Verdict: x.Verdict, Stage: "none", Subject: x.Principal.Subject, Roles: x.Principal.Roles, Nearest: x.Nearest}
	switch {
	case x.Object == nil:
		e.missing()
	case x.Verdict == aggregator.VerdictHidden:
		e.out.Object = objectName(x)
		e.hidden()
	default:
		e.out.Object = objectName(x)
		e.access()
		e.asked()
		if x.Refusal != nil {
			e.refused()
		}
	}
	return &e.out
}

func objectName(x *aggregator.Explanation) string {
	o := x.Object
	name := o.OriginalName
	if o.Kind == "resource" || o.Kind == "template" {
		name = o.URI
	}
	return o.Kind + ":" + o.Upstream + "/" + name
}

func (e *explaining) missing() {
	e.out.Stage, e.out.Reason = "catalog", "no upstream offers this"
	e.out.Told = "that there is no such thing"
	e.out.Advice = []string{"look up the name with `tollgate catalog`; an upstream that is down offers nothing, see `tollgate doctor`"}
}

// access names the rule that shows or hides the object.
func (e *explaining) access() {
	a := &e.x.Access
	e.out.Reason = a.Reason
	if a.Pattern != "" {
		e.out.Rule = fmt.Sprintf("%s %q of role %s", a.Rule, a.Pattern, a.Role)
		e.out.Place = e.patternPlace(a.Role, a.Rule, a.Pattern)
		return
	}
	if e.out.Rule = a.Rule; a.File != "" {
		e.out.Place = fmt.Sprintf("%s:%d", a.File, a.Line)
	}
}

func (e *explaining) hidden() {
	e.access()
	e.out.Stage, e.out.Told = "access", "that there is no such thing: what is hidden answers like what is missing"
	a := &e.x.Access
	switch {
	case a.Pattern != "":
		e.advise("remove or narrow the pattern %q of role %s; deny wins over every allow", a.Pattern, lastRole(a.Role))
	case a.Rule == "deny":
		e.advise("change the rule at %s, or what it looks at", orElse(e.out.Place, "its file"))
	case len(e.out.Roles) == 0:
		e.advise("%s has no role: give it one by its key (`tollgate key create --role`), by `bindings:`, or by the groups of its token (auth.oauth.issuers[].roles)", orElse(e.out.Subject, "the caller"))
	default:
		e.advise("add %q to `allow:` of one of its roles (%s)", strings.TrimPrefix(e.out.Object, "tool:"), strings.Join(e.out.Roles, ", "))
	}
	switch {
	case len(e.x.Nearest) > 0:
		e.advise("or give the caller the role %q, which sees it", e.x.Nearest[0])
	case len(e.x.Instead) > 0:
		e.out.Nearest = e.x.Instead
		e.advise("or give the caller the role %q instead of its own, which sees it", e.x.Instead[0])
	}
}

func (e *explaining) advise(format string, args ...any) {
	e.out.Advice = append(e.out.Advice, fmt.Sprintf(format, args...))
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// lastRole is the role at the end of a path such as "admin > reader": the one that says it.
func lastRole(path string) string {
	parts := strings.Split(path, " > ")
	return parts[len(parts)-1]
}

// patternPlace is where a role's pattern stands in the configuration.
func (e *explaining) patternPlace(path, effect, pattern string) string {
	role := lastRole(path)
	list := e.p.roles[role].Allow
	if effect == "deny" {
		list = e.p.roles[role].Deny
	}
	i := slices.Index(list, pattern)
	if i < 0 || e.p.demo {
		return ""
	}
	return e.place(config.Path("roles", role, effect, i))
}

func (e *explaining) place(path string) string {
	if e.p.demo {
		return ""
	}
	line, _ := e.p.cfg.At(path)
	return fmt.Sprintf("%s:%d", e.p.cfg.File(), line)
}

// asked lists what holds for the call beside access.
func (e *explaining) asked() {
	c := e.x.Conditions
	for i := range c.Constraints {
		k := &c.Constraints[i]
		e.out.Constraints = append(e.out.Constraints, control.Constraint{Argument: k.Argument, Schema: k.Schema, Optional: k.Optional, Rule: k.Rule})
	}
	o := &c.Obligations
	if len(o.Redact) > 0 {
		e.out.Obligations = append(e.out.Obligations, "redact "+strings.Join(o.Redact, " "))
	}
	if o.MaxResultBytes > 0 {
		e.out.Obligations = append(e.out.Obligations, fmt.Sprintf("results of at most %d bytes", o.MaxResultBytes))
	}
	if o.Reason {
		e.out.Obligations = append(e.out.Obligations, "a reason is required")
	}
	for _, question := range o.Confirm {
		e.out.Obligations = append(e.out.Obligations, "the user confirms: "+question)
	}
	e.out.Scopes = c.Scopes
	for _, l := range e.x.Limits {
		e.out.Limits = append(e.out.Limits, l.Name()+": "+l.Describe())
	}
	if e.x.Cost > 0 {
		e.out.CostUSD = usd(e.x.Cost)
	}
	e.out.Schema, e.out.SchemaHash = json.RawMessage(e.x.Schema), e.x.SchemaHash
}

// usd shows nano-USD.
func usd(nano int64) string {
	return "$" + strings.TrimRight(strings.TrimRight(fmt.Sprintf("%d.%09d", nano/1e9, nano%1e9), "0"), ".")
}
