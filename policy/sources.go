// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// locate puts the place of the rule that gave a bad element in front of the
// detail. The evaluation must be fresh. Faults are rare: only they are looked at
// twice.
func (v *evaluation) locate(document *ast.Term, f *fault) {
	if f.bad == nil {
		return
	}
	f.detail = v.places(document, f.bad.set, f.bad.term.Equal) + f.detail
}

// unsaid is the detail of a denial that tells the caller nothing: deny rules
// that gave something else than a sentence are named.
func (v *evaluation) unsaid(document *ast.Term, detail string) string {
	return v.places(document, "deny", func(t *ast.Term) bool {
		object, ok := t.Value.(ast.Object)
		if !ok {
			return !isText(t)
		}
		reason := object.Get(ast.StringTerm("reason"))
		return reason == nil || !isText(reason)
	}) + detail
}

func isText(t *ast.Term) bool {
	_, ok := t.Value.(ast.String)
	return ok
}

// places are the rules that hold and gave such an element, as "file:line: ", or
// "" if there are none.
func (v *evaluation) places(document *ast.Term, set string, gave func(*ast.Term) bool) string {
	trace := v.traced(document)
	if trace == nil {
		return ""
	}
	var places []string
	for _, f := range trace.named(callRef(set)) {
		if f.given != nil && gave(f.given) {
			places = append(places, fmt.Sprintf("%s:%d", f.File, f.Line))
		}
	}
	if len(places) == 0 {
		return ""
	}
	return strings.Join(slices.Compact(places), ", ") + ": "
}

// traced are the rules that hold, or nil when evaluation fails.
func (v *evaluation) traced(document *ast.Term) *trail {
	trace := &trail{}
	v.query = v.query.WithQueryTracer(trace)
	if _, f := v.run(document); f != nil {
		return nil
	}
	return trace
}

// ExplainConditions is [Engine.Conditions] of one object with the rules that
// ask something, those of Rego with their places. When the conditions cannot be
// found out, Refuse and Detail say why. The error is that of ctx. It is safe for
// concurrent use and is for operators only.
func (e *Engine) ExplainConditions(ctx context.Context, p *Principal, o Object) (ConditionsExplanation, error) {
	if p == nil {
		return ConditionsExplanation{}, errors.New("conditions without a principal")
	}
	all, _ := e.Conditions(ctx, p, []Object{o}) // what fails is in them
	if err := ctx.Err(); err != nil {
		return ConditionsExplanation{}, fmt.Errorf("conditions: %w", err)
	}
	out := ConditionsExplanation{Conditions: all[0]}
	if out.Refuse != "" || out.Empty() {
		return out, nil
	}
	out.Constraints = slices.Clone(out.Constraints)
	object, err := e.keys.objectTerm(&o, e.conditions.reads.object)
	if err != nil {
		return out, nil
	}
	document := e.keys.document(e.keys.principalTerm(p, e.conditions.reads.principal), object)
	trace := e.newEvaluation(ctx, e.conditions.body).traced(document)
	if trace == nil {
		return out, ctx.Err()
	}
	for _, set := range e.conditions.entries {
		fired := trace.named(callRef(set))
		out.Sources = append(out.Sources, e.sources(set, fired, p, &o)...)
		if set == "constraints" {
			e.place(out.Constraints, fired)
		}
	}
	return out, ctx.Err()
}

// sources says of one set which rules gave its elements. Those that the
// configuration asks are found there, where the roles stand.
func (e *Engine) sources(set string, fired []firing, p *Principal, o *Object) []Fired {
	var out []Fired
	configured := false
	for _, f := range fired {
		if e.onlyConfigured(f.rule) {
			configured = true
			continue
		}
		out = append(out, Fired{Rule: set, File: f.File, Line: f.Line, Title: e.title(f.rule), Detail: elementText(f.given)})
	}
	if configured {
		out = append(out, e.configured(set, p, o)...)
	}
	return out
}

// elementText is text as it is, and anything else as JSON.
func elementText(t *ast.Term) string {
	if isText(t) {
		return sentence(t)
	}
	plain, err := ast.JSON(t.Value)
	if err != nil {
		return t.String()
	}
	var b strings.Builder
	d := json.NewEncoder(&b)
	d.SetEscapeHTML(false)
	if d.Encode(plain) != nil {
		return t.String()
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// configured are the rules of the configuration that ask something of the
// object, those for everyone first.
func (e *Engine) configured(set string, p *Principal, o *Object) []Fired {
	var out []Fired
	for _, role := range append([]string{everybody}, canonical(p.Roles)...) {
		for i := range e.asks[role].asks {
			a := &e.asks[role].asks[i]
			kind, elements := a.gives()
			if kind != set || !a.about(o) {
				continue
			}
			for _, element := range elements {
				if c, ok := element.(map[string]any); ok {
					delete(c, "rule") // the path
				}
				value, err := ast.InterfaceToValue(element)
				if err != nil {
					continue
				}
				f := Fired{Rule: set, Reason: a.path, Detail: elementText(ast.NewTerm(value))}
				if !slices.Contains(out, f) {
					out = append(out, f)
				}
			}
		}
	}
	return out
}

func (a *ask) about(o *Object) bool {
	return slices.ContainsFunc(a.patterns, func(p pattern) bool {
		compiled, err := p.compile()
		return err == nil && compiled.Match(o)
	})
}

// place gives constraints the places of the Rego rules that gave them.
func (e *Engine) place(constraints []Constraint, fired []firing) {
	for _, f := range fired {
		if e.onlyConfigured(f.rule) {
			continue
		}
		given, err := readConstraints(ast.ArrayTerm(f.given))
		if err != nil {
			continue
		}
		for i := range constraints {
			c := &constraints[i]
			g := &given[0]
			if c.File == "" && c.Argument == g.Argument && string(c.Schema) == string(g.Schema) &&
				c.Optional == g.Optional && c.Rule == g.Rule {
				c.File, c.Line = f.File, f.Line
			}
		}
	}
}
