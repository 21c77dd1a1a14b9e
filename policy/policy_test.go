// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"maps"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"

	"tollgate/rego"
)

// shipped returns the policy files that ship, and more.
func shipped(tb testing.TB, more map[string]string) map[string]string {
	tb.Helper()
	modules, err := rego.Modules()
	if err != nil {
		tb.Fatal(err)
	}
	maps.Copy(modules, more)
	return modules
}

// load loads the shipped policy unless o names modules.
func load(tb testing.TB, o *Options) *Engine {
	tb.Helper()
	if o == nil {
		o = &Options{}
	}
	if o.Modules == nil {
		o.Modules = shipped(tb, nil)
	}
	e, err := Load(tb.Context(), o)
	if err != nil {
		tb.Fatalf("Load: %v", err)
	}
	return e
}

// decisionMembers looks members of a decision up by name.
func decisionMembers(decision ast.Value) func(name string) *ast.Term {
	return func(name string) *ast.Term {
		object, ok := decision.(ast.Object)
		if !ok {
			return nil
		}
		return object.Get(ast.StringTerm(name))
	}
}
