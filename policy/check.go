// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

func accessRef() ast.Ref { return ast.MustParseRef("data.tollgate.access") }
func allowRef() ast.Ref  { return ast.MustParseRef("data.tollgate.access.allow") }
func reasonRef() ast.Ref { return ast.MustParseRef("data.tollgate.access.reason") }

func decisionRef() ast.Ref { return callRef("decision") }

func callRef(names ...string) ast.Ref {
	ref := ast.MustParseRef("data.tollgate.call")
	for _, name := range names {
		ref = ref.Append(ast.StringTerm(name))
	}
	return ref
}

// checkEntrypoints wants one place that says what the decision is. Two files
// defining allow would each be enough to show an object, whatever the other
// denies.
func checkEntrypoints(c *ast.Compiler) Diagnostics {
	var out Diagnostics
	allow := c.GetRulesExact(allowRef())
	if len(allow) == 0 {
		out = Diagnostics{{Code: CodeEntrypoint, Message: "no file defines data.tollgate.access.allow",
			Hint: "load the policy that ships, or define allow in package tollgate.access"}}
	}
	out = append(out, inOneFile(allow, "allow", leaveAllow)...)
	decision := c.GetRules(decisionRef())
	if calls := c.GetRules(callRef()); len(decision) == 0 && len(calls) > 0 {
		out = append(out, at(calls[0].Location, CodeEntrypoint, "no file defines data.tollgate.call.decision",
			"load the policy that ships, or define decision in package tollgate.call"))
	}
	return append(out, inOneFile(decision, "decision", leaveDecision)...)
}

const (
	leaveAllow    = "to show more define permit, to hide more add to deny, and leave allow to one file"
	leaveDecision = "to refuse calls add to deny, and leave decision to one file"
)

func inOneFile(rules []*ast.Rule, name, hint string) Diagnostics {
	files := map[string]*ast.Rule{}
	for _, r := range rules {
		if first := files[r.Location.File]; first == nil || r.Location.Row < first.Location.Row {
			files[r.Location.File] = r
		}
	}
	if len(files) < 2 {
		return nil
	}
	var out Diagnostics
	for file, r := range files {
		var others []string
		for other := range files {
			if other != file {
				others = append(others, other)
			}
		}
		slices.Sort(others)
		out = append(out, at(r.Location, CodeEntrypoint, name+" is also defined in "+strings.Join(others, ", "), hint))
	}
	return out
}

// checkUnused finds rules of the two packages that neither a decision nor
// another rule uses, most often a mistyped deny.
func checkUnused(c *ast.Compiler) Diagnostics {
	out := unusedIn(c, accessRef(), []ast.Ref{allowRef(), reasonRef()}, func(name string) string {
		return cmp.Or(didYouMean(name, []string{"allow", "permit", "deny", "reason"}),
			"decisions use allow and reason, and what those use, such as permit and deny")
	})
	entries := []ast.Ref{decisionRef(), callRef("constraints"), callRef("scopes"), callRef("obligations")}
	return append(out, unusedIn(c, callRef(), entries, func(name string) string {
		if name == "allow" || name == "permit" {
			return "a call that nothing denies is allowed; to refuse others write deny contains \"why\" if ..."
		}
		return cmp.Or(didYouMean(name, []string{"deny", "constraints", "scopes", "obligations"}),
			"calls are decided by deny, constraints, scopes and obligations, and what those use")
	})...)
}

func unusedIn(c *ast.Compiler, pkg ast.Ref, entries []ast.Ref, hint func(name string) string) Diagnostics {
	var roots []*ast.Rule
	for _, ref := range entries {
		roots = append(roots, c.GetRules(ref)...)
	}
	used := reachable(c, roots)
	var out Diagnostics
	for _, rule := range c.GetRules(pkg) {
		if !used[rule] && len(c.Graph.Dependents(rule)) == 0 {
			name := ruleName(rule)
			out = append(out, at(rule.Location, CodeUnused, fmt.Sprintf("no decision uses rule %s", name), hint(name)))
		}
	}
	return out
}
