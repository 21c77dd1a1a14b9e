// SPDX-License-Identifier: Apache-2.0

package search

import (
	"fmt"
	"strings"
	"testing"
)

// many are n documents made of the real ones, each of a server and with words of its own, with descriptions of usual length.
func many(tb testing.TB, n int) []Doc {
	real := realDocs(tb)
	words := strings.Fields(`lists creates updates removes one or all items of the given project and returns them as JSON with paging; use the cursor of the last
		answer to continue, fails when the caller may not read the owner or its repository, see also the documentation of filters`)
	docs := make([]Doc, n)
	for i := range docs {
		d := real[i%len(real)]
		if round := i / len(real); round > 0 {
			d.Server = fmt.Sprint(d.Server, "_", round)
			d.Name = fmt.Sprintf("%s_%s", d.Name, []string{"alpha", "beta", "gamma", "delta"}[round%4])
		}
		var b strings.Builder
		for k := range 40 {
			fmt.Fprintf(&b, "%s ", words[(i*31+k*7)%len(words)])
		}
		fmt.Fprintf(&b, "topic%d", i%997)
		d.Description = b.String()
		docs[i] = d
	}
	return docs
}

func BenchmarkNew(b *testing.B) {
	for _, n := range []int{300, 10_000} {
		docs := many(b, n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				New(docs)
			}
		})
	}
}

func BenchmarkScope(b *testing.B) {
	for _, n := range []int{300, 10_000} {
		x := New(many(b, n))
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				x.Scope(&ScopeOptions{Visible: func(i int) bool { return i%3 != 0 }})
			}
		})
	}
}

func BenchmarkSearch(b *testing.B) {
	queries := []struct{ name, text string }{
		{"rare", "mongodb index"},
		{"usual", "create an issue in a repository"},
		{"common", "list all items of a project and return the owner and repository"},
		{"long", strings.Repeat("list create update remove item project return json page cursor answer fail caller read owner file issue ", 10)},
		{"exact", "github.create_issue"},
	}
	for _, n := range []int{300, 10_000} {
		s := New(many(b, n)).Scope(&ScopeOptions{Visible: func(i int) bool { return i%10 != 0 }})
		for _, q := range queries {
			b.Run(fmt.Sprintf("%d/%s", n, q.name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					s.Search(&Query{Text: q.text})
				}
			})
		}
	}
}
