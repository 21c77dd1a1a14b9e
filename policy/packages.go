// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// decisionPackages are those whose rules the engine asks.
func decisionPackages() []string { return []string{"tollgate.access", "tollgate.call"} }

// checkPackages finds packages whose names are those of decisions but for a
// slip, and packages under tollgate: their rules would load and never apply.
func checkPackages(modules map[string]*ast.Module) Diagnostics {
	var out Diagnostics
	for _, m := range modules {
		name, near := packageName(m), misspelt(m)
		if near == "" && (!gateways(m) || decides(m)) {
			continue
		}
		hint := "decisions are in tollgate.access and tollgate.call; put shared rules outside tollgate"
		if near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		out = append(out, at(m.Package.Location, CodePackage, "nothing evaluates package "+name, hint))
	}
	return out
}

// packageName is the path as an author writes it.
func packageName(m *ast.Module) string { return strings.TrimPrefix(m.Package.Path.String(), "data.") }

// gateways: the package is tollgate or below.
func gateways(m *ast.Module) bool {
	return m.Package.Path.HasPrefix(ast.MustParseRef("data.tollgate"))
}

func decides(m *ast.Module) bool {
	return m.Package.Path.HasPrefix(accessRef()) || m.Package.Path.HasPrefix(callRef())
}

// misspelt is the package of decisions that the module's most likely stands for, or "".
func misspelt(m *ast.Module) string {
	if decides(m) {
		return ""
	}
	name := packageName(m)
	for _, p := range decisionPackages() {
		if strings.EqualFold(name, p) {
			return p
		}
	}
	return Closest(name, decisionPackages())
}

// checkReached finds packages of which no rule is used, however indirectly, by
// the rules of the two packages that decide. Of these two, checkUnused speaks.
func checkReached(c *ast.Compiler) Diagnostics {
	reached := map[string]bool{}
	for rule := range reachable(c, append(c.GetRules(accessRef()), c.GetRules(callRef())...)) {
		if rule.Module != nil {
			reached[packageName(rule.Module)] = true
		}
	}
	var out Diagnostics
	for _, m := range c.Modules {
		name := packageName(m)
		if len(m.Rules) == 0 || reached[name] || gateways(m) || misspelt(m) != "" {
			continue
		}
		hint := "use it in tollgate.access or tollgate.call; if only tests use it, name the file ..._test.rego"
		i := slices.IndexFunc(decisionPackages(), func(p string) bool {
			return lastName(name) == lastName(p)
		})
		if i >= 0 {
			hint = fmt.Sprintf("did you mean %q?", decisionPackages()[i])
		}
		out = append(out, at(m.Package.Location, CodePackage,
			fmt.Sprintf("nothing uses package %s: no decision reaches it", name), hint))
	}
	return out
}

func lastName(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }
