// SPDX-License-Identifier: Apache-2.0

package narrow

import (
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tollgate/policy"
)

// TestViolations shows what a caller reads.
func TestViolations(t *testing.T) {
	const tool = `{"type":"object","properties":{
		"region":{"type":"string","enum":["us-east-1","eu-west-1","eu-central-1"]},
		"limit":{"type":"integer"}, "ratio":{}, "tags":{"type":"array","items":{"type":"string"}},
		"filter":{"type":"object","properties":{"by":{"anyOf":[{"type":"string","maxLength":3},{"type":"null"}]}},"additionalProperties":false,"required":["by"]},
		"kind":{"enum":["a"]}, "key":{"type":["string","integer"]},"any":{"anyOf":[{"type":"string"},{"type":"boolean"}]}
	},"additionalProperties":false,"dependentRequired":{"ratio":["limit"]}}`
	c := constraints("region?", `{"enum":["eu-west-1","eu-central-1","ap-1"]}`, "limit?", `{"maximum":100}`, "limit?", `{"minimum":1,"multipleOf":5}`,
		"tags?", `{"maxItems":2,"uniqueItems":true,"items":{"pattern":"^[a-z]+$"}}`, "kind?", `{"enum":["b"]}`, "key?", `{"minLength":2}`)
	check, err := NewCheck([]byte(tool), c)
	if err != nil || check.Problem() != "" {
		t.Fatal(err, check.Problem())
	}
	long := strings.Repeat("long", 100)
	for _, tc := range []struct{ arguments, argument, rule, message string }{
		{`{}`, "", "", ""},
		{``, "", "", ""},
		{`null`, "", "", ""},
		{`{"region":"eu-west-1","limit":1e2,"tags":["a","b"],"filter":{"by":null}}`, "", "", ""},
		{`[]`, "", "", `the arguments must be an object`},
		{`{"region":"us-east-1"}`, "region", "reader", `argument "region" must be one of "eu-west-1", "eu-central-1"`},
		{`{"region":"ap-1"}`, "region", "", `argument "region" must be one of "eu-west-1", "eu-central-1"`},
		{`{"region":1}`, "region", "reader", `argument "region" must be a string`},
		{`{"limit":105}`, "limit", "reader", `argument "limit" must be at most 100`},
		{`{"limit":0}`, "limit", "reader", `argument "limit" must be at least 1`},
		{`{"limit":7}`, "limit", "reader", `argument "limit" must be a multiple of 5`},
		{`{"limit":"5"}`, "limit", "reader", `argument "limit" must be a whole number`},
		{`{"limit":5.5}`, "limit", "reader", `argument "limit" must be a whole number`},
		{`{"tags":["a","b","c"]}`, "tags", "reader", `argument "tags" must have at most 2 items`},
		{`{"tags":["a","a"]}`, "tags", "reader", `argument "tags" must not hold the same item twice`},
		{`{"tags":["a","B"]}`, "tags", "reader", `argument "tags" at "/1" must match the pattern "^[a-z]+$"`},
		{`{"filter":{}}`, "filter", "", `argument "filter" must have the member "by"`},
		{`{"filter":{"by":"` + long + `"}}`, "filter", "", `argument "filter" at "/by" must have at most 3 characters`},
		{`{"filter":{"by":1}}`, "filter", "", `argument "filter" at "/by" must be null or a string`},
		{`{"filter":{"by":"a","x/y":1}}`, "filter", "", `argument "filter" at "/x~1y" is not allowed`},
		{`{"kind":"a"}`, "kind", "reader", `argument "kind" has no allowed value: the policy leaves none of those that the tool takes`},
		{`{"key":"a"}`, "key", "reader", `argument "key" must have at least 2 characters`},
		{`{"any":1}`, "any", "", `argument "any" must be true or false or a string`},
		{`{"ratio":1}`, "limit", "", `argument "limit" is required`},
		{`{"ignore\n\u202eall":1}`, "ignore\n\u202eall", "", `argument "ignore\n\u202eall" is not allowed`},
		{`{"` + long + `":1}`, long, "", `argument "` + long[:79] + `…" is not allowed`},
	} {
		var want *Violation
		if tc.message != "" {
			want = &Violation{tc.argument, tc.rule, tc.message}
		}
		if diff := cmp.Diff(want, check.Arguments([]byte(tc.arguments))); diff != "" {
			t.Errorf("%s: %s", tc.arguments, diff)
		}
	}
}

// TestFragmentsDecideAlone: where the tool's own schema cannot be used, constraints still hold exactly.
func TestFragmentsDecideAlone(t *testing.T) {
	const tool = `{"type":"object","properties":{"id":{"type":"integer"},"name":{"$ref":"http://169.254.169.254/latest/meta-data"}}}`
	check, err := NewCheck([]byte(tool), constraints("id", `{"enum":[9007199254740993,100]}`, "name?", `{"type":"string","maxLength":5}`))
	if err != nil {
		t.Fatal(err)
	}
	if want := `only references into the same schema (#/...) are followed, nothing is fetched`; !strings.Contains(check.Problem(), want) {
		t.Errorf("problem %q, want one that says %q", check.Problem(), want)
	}
	for arguments, want := range map[string]string{
		`{"id":9007199254740993}`:              "",
		`{"id":9007199254740993.0}`:            "",
		`{"id":90071992547409930e-1}`:          "",
		`{"id":1e2}`:                           "",
		`{"id":100,"name":"héllo"}`:            "",
		`{"id":100,"name":"héllo!"}`:           `argument "name" must have at most 5 characters`,
		`{"id":9007199254740992}`:              `argument "id" must be one of 9007199254740993, 100`,
		`{"id":"100"}`:                         `argument "id" must be one of 9007199254740993, 100`,
		`{"id":1e9999999999999999999}`:         `argument "id" must be one of 9007199254740993, 100`,
		`{"name":"a"}`:                         `argument "id" is required`,
		`{"id":100,"name":"a","other":[null]}`: "",
	} {
		got := ""
		if v := check.Arguments([]byte(arguments)); v != nil {
			got = v.Message
		}
		if got != want {
			t.Errorf("%s: %q, want %q", arguments, got, want)
		}
	}
}

func TestProblems(t *testing.T) {
	for _, tc := range []struct{ schema, want string }{
		{`{"type":"object","properties":{"a":{"pattern":"(?=a)"}}}`, `at "/properties/a/pattern": not a regular expression of RE2`},
		{`{"type":"object","properties":{"a":{"type":"strng"}}}`, `at "/properties/a/type": "strng" is no type`},
		{`{"type":"object","$schema":"http://json-schema.org/draft-04/schema#"}`, `$schema is not known`},
		{`{"type":"object","properties":{"a":{"$dynamicRef":"#x"}}}`, `at "/properties/a/$dynamicRef"`},
		{`{"type":"object","properties":{"a":{"items":[{}]}}}`, `schemas by position are prefixItems`},
		{`{"type":"object","properties":{"a":{"$ref":"#/$defs/none"}}}`, `leads nowhere`},
	} {
		check, err := NewCheck([]byte(tc.schema), constraints("b", `{"type":"string"}`))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(check.Problem(), "the tool's inputSchema is not used for checking: ") || !strings.Contains(check.Problem(), tc.want) {
			t.Errorf("%s: problem %q, want %q", tc.schema, check.Problem(), tc.want)
		}
		if v := check.Arguments([]byte(`{"b":1}`)); v == nil || v.Rule != "reader" {
			t.Errorf("%s: the constraint does not hold: %v", tc.schema, v)
		}
	}
}

// TestCheckIsShared is for the race detector.
func TestCheckIsShared(t *testing.T) {
	c := constraints("a", `{"enum":["x"]}`)
	c.Obligations = policy.Obligations{Reason: true}
	check, err := NewCheck([]byte(`{"type":"object","properties":{"a":{"pattern":"^x"}},"unevaluatedProperties":false}`), c)
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 50 {
				if v := check.Arguments([]byte(`{"a":"x","reason":"r"}`)); v != nil {
					t.Errorf("%v", v)
				}
				if v := check.Arguments([]byte(`{"a":"y","reason":"r"}`)); v == nil {
					t.Error("no violation")
				}
			}
		})
	}
	group.Wait()
}
