// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"maps"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// ArgumentNames are the names, at any depth, that call rules may read of a
// call's arguments: every constant text of a rule that mentions them. Whoever
// lets another spelling of such a name pass lets the rule be evaded.
func (e *Engine) ArgumentNames() []string { return argumentNames(e.compiler) }

func argumentNames(c *ast.Compiler) []string {
	names := map[string]bool{}
	for rule := range reachable(c, c.GetRules(ast.MustParseRef("data.tollgate.call"))) {
		if !mentionsArguments(rule) {
			continue
		}
		ast.WalkTerms(rule, func(t *ast.Term) bool {
			if s, ok := t.Value.(ast.String); ok {
				names[string(s)] = true
			}
			return false
		})
	}
	return slices.Sorted(maps.Keys(names))
}

// mentionsArguments reports whether a rule refers to the arguments, or to the
// input in a way that may reach them.
func mentionsArguments(rule *ast.Rule) bool {
	found := false
	ast.WalkRefs(rule, func(ref ast.Ref) bool {
		if ref.HasPrefix(ast.InputRootRef) && (len(ref) == 1 || !ref[1].IsGround() || ref[1].Value.Compare(ast.String("arguments")) == 0) {
			found = true
		}
		return found
	})
	return found
}
