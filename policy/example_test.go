// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"context"
	"fmt"

	"tollgate/policy"
	"tollgate/rego"
)

func Example() {
	modules, err := rego.Modules()
	if err != nil {
		fmt.Println(err)
		return
	}
	modules["ours.rego"] = `package tollgate.access

deny contains "wikis are being moved" if input.object.upstream == "wiki"
`
	engine, err := policy.Load(context.Background(), &policy.Options{
		Modules: modules,
		Roles:   map[string]policy.Role{"reader": {Allow: []string{"*/get_*"}}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ada := &policy.Principal{Subject: "ada", Roles: []string{"reader"}}
	objects := []policy.Object{
		{Kind: "tool", Upstream: "github", OriginalName: "get_issue"},
		{Kind: "tool", Upstream: "github", OriginalName: "create_issue"},
		{Kind: "tool", Upstream: "wiki", OriginalName: "get_page"},
	}
	answers, err := engine.Access(context.Background(), ada, objects)
	fmt.Println(engine.Class(ada), answers, err)

	why, err := engine.Explain(context.Background(), ada, objects[2])
	fmt.Printf("%s: %s (%s:%d) %v\n", why.Rule, why.Reason, why.File, why.Line, err)
	// Output:
	// roles="reader" [true false false] <nil>
	// deny: wikis are being moved (ours.rego:3) <nil>
}

func ExampleLoad_mistakes() {
	_, err := policy.Load(context.Background(), &policy.Options{
		Modules: map[string]string{"ours.rego": `package tollgate.access

allow if input.principal.rols[_] == "admin"

allow if input.arguments.force == false
`},
		Roles: map[string]policy.Role{"writer": {Includes: []string{"raeder"}}, "reader": {}},
	})
	fmt.Println(err)
	// Output:
	// ours.rego:3:10: undefined ref: input.principal.rols[_] (rego_type_error)
	// 	hint: did you mean "roles"?
	// ours.rego:5:10: rule allow reads input.arguments, which access does not have (tollgate_access_input)
	// 	hint: access is decided before there is a call; move the rule to package tollgate.call
	// roles["writer"].includes[0]: unknown role "raeder"
	// 	hint: did you mean "reader"?
}
