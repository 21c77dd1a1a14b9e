// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// withheld says whether a builtin is kept from every policy. A decision must
// depend on its input document and the loaded data alone, and may reach
// neither the network nor this process's environment.
func withheld(name string) bool {
	return name == "http.send" || name == "opa.runtime" ||
		strings.HasPrefix(name, "net.") || strings.HasPrefix(name, "rand.") || strings.HasPrefix(name, "uuid.")
}

// capabilities are OPA's own without the builtins withheld. The empty AllowNet
// keeps JSON Schema builtins from fetching remote references.
func capabilities() *ast.Capabilities {
	c := ast.CapabilitiesForThisVersion()
	c.Builtins = slices.DeleteFunc(c.Builtins, func(b *ast.Builtin) bool { return withheld(b.Name) })
	c.AllowNet = []string{}
	return c
}

// unsteady says whether a builtin may answer differently next time. Access
// answers are kept, so access rules may not call one.
func unsteady(name string) bool {
	if strings.HasPrefix(name, "time.") || strings.HasPrefix(name, "crypto.x509.parse_and_verify") {
		return true
	}
	if strings.HasPrefix(name, "json.") { // may fetch remote schemas, which capabilities rules out
		return false
	}
	b, ok := ast.BuiltinMap[name]
	return ok && b.Nondeterministic
}
