// SPDX-License-Identifier: Apache-2.0

package redact_test

import (
	"fmt"

	"tollgate/aggregator/redact"
	"tollgate/policy"
)

func Example() {
	rule, err := redact.Compile(&policy.Obligations{Redact: []string{"/**/email"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	result := `{"content":[{"type":"text","text":"{\"email\":\"a@b.example\"}"},{"type":"text","text":"mail a@b.example"}],` +
		`"structuredContent":{"id": 9007199254740993,"email":"a@b.example"}}`
	fmt.Printf("%s\n", rule.Result("tools/call", []byte(result)))
	// Output: {"content":[{"type":"text","text":"{\"email\":\"[redacted]\"}"},{"type":"text","text":"[withheld by policy]"}],"structuredContent":{"id": 9007199254740993,"email":"[redacted]"}}
}

func ExampleCheckPointer() {
	fmt.Println(redact.CheckPointer("$.customers[*].ssn"))
	// Output: redact "$.customers[*].ssn": a pointer must begin with "/" (write "/customers/*/ssn", or "/**/ssn" for wherever it stands)
}
