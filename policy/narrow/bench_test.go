// SPDX-License-Identifier: Apache-2.0

package narrow

import (
	"strings"
	"testing"

	"tollgate/policy"
)

func benchInput(b *testing.B) (schema []byte, c *policy.Conditions) {
	schema = tools(b)["github/list_issues"]
	if schema == nil {
		b.Fatal("no such tool")
	}
	return schema, constraints("owner", `{"enum":["acme","acme-labs"]}`, "perPage?", `{"maximum":50}`, "state?", `{"enum":["OPEN"]}`)
}

func BenchmarkSchema(b *testing.B) {
	schema, c := benchInput(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Schema(schema, c); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNewCheck(b *testing.B) {
	schema, c := benchInput(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := NewCheck(schema, c); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkArguments(b *testing.B) {
	schema, c := benchInput(b)
	check, err := NewCheck(schema, c)
	if err != nil || check.Problem() != "" {
		b.Fatal(err, check.Problem())
	}
	arguments := []byte(`{"owner":"acme","repo":"tollgate","perPage":30,"state":"OPEN","labels":["bug","help wanted"]}`)
	b.ReportAllocs()
	for b.Loop() {
		if v := check.Arguments(arguments); v != nil {
			b.Fatal(v)
		}
	}
}

func BenchmarkArgumentsRefused(b *testing.B) {
	schema, c := benchInput(b)
	check, err := NewCheck(schema, c)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if v := check.Arguments([]byte(`{"owner":"other","repo":"tollgate"}`)); v == nil {
			b.Fatal("passes")
		}
	}
}

// BenchmarkBomb is the worst that an upstream's schema can make of a small call.
func BenchmarkBomb(b *testing.B) {
	check, err := NewCheck([]byte(recursiveTwice), &policy.Conditions{})
	if err != nil {
		b.Fatal(err)
	}
	arguments := []byte(`{"x":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`)
	b.ReportAllocs()
	for b.Loop() {
		check.Arguments(arguments)
	}
}

func BenchmarkMegabyte(b *testing.B) {
	check, err := NewCheck([]byte(`{"type":"object","properties":{"x":{"type":"array","items":{"type":"string","minLength":1,"pattern":"^[a-z]+$"}}}}`), constraints("x", `{"uniqueItems":false}`))
	if err != nil {
		b.Fatal(err)
	}
	arguments := []byte(`{"x":[` + strings.Repeat(`"abcdefg",`, 100_000) + `"a"]}`)
	b.SetBytes(int64(len(arguments)))
	b.ReportAllocs()
	for b.Loop() {
		if v := check.Arguments(arguments); v != nil {
			b.Fatal(v)
		}
	}
}
