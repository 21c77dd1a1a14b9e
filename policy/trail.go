// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// firing is one rule that held, with its text for a Title.
type firing struct {
	Fired
	rule  *ast.Rule
	given *ast.Term // the element, of a set
}

// trail is a tracer that keeps the rules that held in one evaluation.
type trail struct{ firings []firing }

// Enabled implements topdown.QueryTracer.
func (*trail) Enabled() bool { return true }

// Config implements topdown.QueryTracer.
func (*trail) Config() topdown.TraceConfig { return topdown.TraceConfig{} }

// TraceEvent implements topdown.QueryTracer.
func (t *trail) TraceEvent(event topdown.Event) {
	rule, ok := event.Node.(*ast.Rule)
	if event.Op != topdown.ExitOp || !ok || rule.Location == nil {
		return
	}
	f := firing{Fired{Rule: ruleName(rule), File: rule.Location.File, Line: rule.Location.Row}, rule, nil}
	if rule.Head.Key != nil {
		f.given = event.Plug(rule.Head.Key)
		f.Reason, f.Detail = given(f.given)
	}
	t.firings = append(t.firings, f)
}

// given is what an element of deny says to the caller and to operators.
func given(t *ast.Term) (reason, detail string) {
	object, ok := t.Value.(ast.Object)
	if !ok {
		return sentence(t), ""
	}
	inner := object.Get(ast.StringTerm("reason"))
	if inner == nil {
		return sentence(t), ""
	}
	if d := object.Get(ast.StringTerm("detail")); d != nil {
		detail = sentence(d)
	}
	return sentence(inner), detail
}

func (f firing) same(x firing) bool {
	return x.Fired == f.Fired && (f.given == nil || f.given.Equal(x.given))
}

// named are the firings of one rule, in the order of files and lines, each once.
func (t *trail) named(ref ast.Ref) []firing {
	var out []firing
	for _, f := range t.firings {
		if f.rule.Ref().GroundPrefix().Equal(ref) && !slices.ContainsFunc(out, f.same) {
			out = append(out, f)
		}
	}
	slices.SortStableFunc(out, func(a, b firing) int {
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), strings.Compare(a.Reason, b.Reason))
	})
	return out
}

// deciding is the rule of access that shows or hides an object for which no
// pattern of a role was named: the denial that gave the reason, or any denial;
// the first permit, or the decision itself.
func (t *trail) deciding(allowed bool, reason string) *firing {
	names := []string{"permit", "allow"}
	if !allowed {
		names = []string{"deny"}
	}
	for _, name := range names {
		found := t.named(accessRef().Append(ast.StringTerm(name)))
		if i := slices.IndexFunc(found, func(f firing) bool { return f.Reason == reason }); i >= 0 {
			return &found[i]
		}
		if len(found) > 0 {
			return &found[0]
		}
	}
	return nil
}

// title is that of the METADATA on a rule.
func (e *Engine) title(rule *ast.Rule) string {
	for _, ref := range e.compiler.GetAnnotationSet().Chain(rule) {
		a := ref.Annotations
		if a == nil || a.Title == "" || a.Location == nil || a.Location.File != rule.Location.File {
			continue // also that of a document is one of the rule's own file
		}
		if a.Scope == "rule" || a.Scope == "document" {
			return a.Title
		}
	}
	return ""
}

// rolesByBreadth sorts roles by how much their patterns grant, roughly.
func rolesByBreadth(all map[string]effective) []string {
	breadth := map[string]int{}
	for name, e := range all {
		for _, g := range e.allow {
			switch {
			case g.pattern.exact():
				breadth[name]++
			case g.pattern.scope() != "*":
				breadth[name] += 100
			case g.pattern.name != "*":
				breadth[name] += 10_000
			default:
				breadth[name] += 1_000_000
			}
		}
	}
	names := slices.DeleteFunc(slices.Collect(maps.Keys(all)), func(name string) bool { return name == everybody })
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(breadth[a], breadth[b]), strings.Compare(a, b)) })
	return names
}
