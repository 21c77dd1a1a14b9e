// SPDX-License-Identifier: Apache-2.0

package narrow_test

import (
	"encoding/json"
	"fmt"

	"tollgate/policy"
	"tollgate/policy/narrow"
)

func Example() {
	schema := []byte(`{"type":"object","properties":{"region":{"type":"string","enum":["us-east-1","eu-west-1","eu-central-1"]}}}`)
	conditions := &policy.Conditions{Constraints: []policy.Constraint{
		{Argument: "region", Schema: json.RawMessage(`{"enum":["eu-west-1","eu-central-1"]}`), Rule: "reader"},
	}}

	shown, err := narrow.Schema(schema, conditions)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(string(shown))

	check, err := narrow.NewCheck(schema, conditions)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(check.Arguments([]byte(`{"region":"us-east-1"}`)).Message)
	// Output:
	// {"type":"object","properties":{"region":{"type":"string","enum":["eu-west-1","eu-central-1"]}},"required":["region"]}
	// argument "region" must be one of "eu-west-1", "eu-central-1"
}
