// SPDX-License-Identifier: Apache-2.0

package search

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// names are the names of hits, with their servers.
func names(docs []Doc, r *Result) (found []string) {
	for _, h := range r.Hits {
		found = append(found, docs[h.Doc].Server+"/"+docs[h.Doc].Name)
	}
	return found
}

// genDoc draws a document of few words, so that documents share them.
func genDoc(t *rapid.T) Doc {
	word := rapid.SampledFrom(strings.Fields("create creates list issue issues repo repository repositories payroll salary file files database HTTPServer s3 GitHub a to"))
	text := func(most int, sep string) string {
		return strings.Join(rapid.SliceOfN(word, 0, most).Draw(t, "words"), sep)
	}
	d := Doc{
		Server: rapid.SampledFrom([]string{"git", "GitHub", "files", "payroll"}).Draw(t, "server"),
		Name:   text(3, "_"), Title: text(2, " "), Description: text(8, " "),
	}
	if n := rapid.IntRange(0, 2).Draw(t, "properties"); n > 0 {
		d.Schema = json.RawMessage(`{"properties":{"` + text(2, "") + `":{"properties":{"` + word.Draw(t, "inner") + `":{}}},"` + text(1, "") + `x":{}}}`)
	}
	return d
}

func genQuery(t *rapid.T) *Query {
	return &Query{
		Text: strings.Join(rapid.SliceOfN(rapid.SampledFrom(strings.Fields(
			"create creating issue repo repos repository sala payroll file data the to what s3 github git_create create_issue xyz")), 0, 4).Draw(t, "query"), " "),
		Server: rapid.SampledFrom([]string{"", "", "git", "github", "payroll"}).Draw(t, "only"),
		Limit:  rapid.IntRange(0, 5).Draw(t, "limit"),
	}
}

// TestHiddenChangesNothing: a caller gets to the last bit what an index of what it sees would give it.
func TestHiddenChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		docs := rapid.SliceOfN(rapid.Custom(genDoc), 0, 25).Draw(t, "docs")
		visible := map[int]bool{}
		instead := map[int]Doc{}
		var shown []Doc
		var at []int
		for i, d := range docs {
			if rapid.IntRange(0, 4).Draw(t, "instead") == 0 { // also of hidden ones
				d = genDoc(t)
				d.Server, d.Name = docs[i].Server, docs[i].Name
				instead[i] = d
			}
			if visible[i] = rapid.Bool().Draw(t, "visible"); visible[i] {
				shown, at = append(shown, d), append(at, i)
			}
		}
		s := New(docs).Scope(&ScopeOptions{Visible: func(i int) bool { return visible[i] }, Instead: instead})
		alone := New(shown).Scope(nil)
		if s.Len() != len(shown) {
			t.Fatalf("%d documents, want %d", s.Len(), len(shown))
		}
		for range 5 {
			q := genQuery(t)
			got, want := s.Search(q), alone.Search(q)
			for i := range want.Hits {
				want.Hits[i].Doc = at[want.Hits[i].Doc]
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%+v (-alone +among hidden):\n%s", q, diff)
			}
		}
	})
}

// A document that is shown otherwise is found by what is shown of it only.
func TestInstead(t *testing.T) {
	docs := []Doc{{Server: "hr", Name: "read", Description: "Read salary.", Schema: json.RawMessage(`{"properties":{"bonus":{}}}`)}}
	x := New(docs)
	s := x.Scope(&ScopeOptions{Instead: map[int]Doc{0: {Server: "hr", Name: "read", Description: "Read names."}}})
	for text, want := range map[string]int{"salary": 0, "bonus": 0, "names": 1, "read": 1} {
		if got := s.Search(&Query{Text: text}); got.Total != want {
			t.Errorf("%q: %d hits, want %d", text, got.Total, want)
		}
	}
	if got := x.Scope(nil).Search(&Query{Text: "bonus"}); got.Total != 1 {
		t.Error("the index itself changed")
	}
}

func TestExactName(t *testing.T) {
	docs := []Doc{
		{Server: "git", Name: "create_issue_comment", Title: "Create issue", Description: "create issue create issue"},
		{Server: "git", Name: "create_issue"},
		{Server: "hub", Name: "createIssue", Description: "Makes one."},
		{Server: "hub", Name: "x"},
		{Server: "hub", Name: "+"},
	}
	s := New(docs).Scope(nil)
	tests := []struct {
		text string
		want []string
	}{
		{"create_issue", []string{"git/create_issue", "hub/createIssue"}},
		{" Create-Issue ", []string{"git/create_issue", "hub/createIssue"}},
		{"git.create_issue", []string{"git/create_issue"}},
		{"git__create_issue", []string{"git/create_issue"}},
		{"hub createIssue", []string{"hub/createIssue"}},
		{"x", []string{"hub/x"}},
		{"+", []string{"hub/+"}},
		{"create", nil},
		{"?", nil},
	}
	for _, tt := range tests {
		r := s.Search(&Query{Text: tt.text})
		var exact []string
		for i, h := range r.Hits {
			if h.Exact {
				if i != len(exact) {
					t.Errorf("%q: %q, the exact name is not first", tt.text, names(docs, r))
				}
				exact = append(exact, docs[h.Doc].Server+"/"+docs[h.Doc].Name)
			}
		}
		slices.Sort(exact)
		if diff := cmp.Diff(tt.want, exact); diff != "" {
			t.Errorf("%q: exact (-want +got):\n%s", tt.text, diff)
		}
	}
}

// TestOrder: equal documents are in the order of names and servers, wherever they stand in the index, and a limit cuts the same
// list.
func TestOrder(t *testing.T) {
	var docs []Doc
	for i := range 200 {
		docs = append(docs, Doc{Server: fmt.Sprint("s", i%3), Name: fmt.Sprintf("tool_%c%c", 'a'+i*7%26, 'a'+i*11%26)})
	}
	s := New(docs).Scope(nil)
	all := s.Search(&Query{Text: "tool", Limit: MaxLimit})
	if len(all.Hits) != MaxLimit || all.Total != 200 {
		t.Fatalf("%d of %d hits", len(all.Hits), all.Total)
	}
	got := names(docs, all)
	key := func(n string) string { server, name, _ := strings.Cut(n, "/"); return name + " " + server }
	if !slices.IsSortedFunc(got, func(a, b string) int { return strings.Compare(key(a), key(b)) }) {
		t.Errorf("order: %q", got)
	}
	for limit := range MaxLimit {
		if limit == 0 {
			continue
		}
		if diff := cmp.Diff(got[:limit], names(docs, s.Search(&Query{Text: "tool", Limit: limit}))); diff != "" {
			t.Fatalf("limit %d (-want +got):\n%s", limit, diff)
		}
	}
}

func TestServers(t *testing.T) {
	docs := []Doc{{Server: "b", Name: "y"}, {Server: "a", Name: "z"}, {Server: "b", Name: "x"}, {Server: "secret", Name: "s"}}
	s := New(docs).Scope(&ScopeOptions{Visible: func(i int) bool { return i != 3 }})
	for _, text := range []string{"", " \n"} {
		if diff := cmp.Diff(&Result{Servers: []Server{{"a", 1}, {"b", 2}}}, s.Search(&Query{Text: text})); diff != "" {
			t.Errorf("servers (-want +got):\n%s", diff)
		}
	}
	if diff := cmp.Diff([]string{"b/x", "b/y"}, names(docs, s.Search(&Query{Server: "B"}))); diff != "" {
		t.Errorf("tools of b (-want +got):\n%s", diff)
	}
	for _, q := range []*Query{{Server: "secret"}, {Server: "none"}, {Text: "s", Server: "secret"}, {Text: "secret"}} {
		if diff := cmp.Diff(&Result{}, s.Search(q), cmp.Transformer("empty", func(h []Hit) int { return len(h) })); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", q, diff)
		}
	}
	if r := New(nil).Scope(nil).Search(&Query{Text: "x"}); len(r.Hits) != 0 {
		t.Errorf("an empty index finds %v", r.Hits)
	}
}

// TestFields: the same word counts more in a name than in a description, and there more than as an argument, nested or not.
func TestFields(t *testing.T) {
	docs := []Doc{
		{Server: "s", Name: "e", Schema: json.RawMessage(`{"$defs":{"t":{"anyOf":[{"items":{"properties":{"invoiceId":{}}}}]}}}`)},
		{Server: "s", Name: "d", Schema: json.RawMessage(`{"properties":{"a":{"enum":["invoice"]},"invoice_number":{}}}`)},
		{Server: "s", Name: "c", Description: "Reads one invoice."},
		{Server: "s", Name: "b", Title: "Invoices"},
		{Server: "s", Name: "invoice"},
		{Server: "s", Name: "z", Schema: json.RawMessage(`{"properties":{"invoice":{}}`)}, // no JSON
		{Server: "s", Name: "y", Schema: json.RawMessage(`{"properties":{"a":{"description":"an invoice"}}}`)},
	}
	got := names(docs, New(docs).Scope(nil).Search(&Query{Text: "invoices"}))
	if len(got) != 5 || !slices.Equal(got[:3], []string{"s/invoice", "s/b", "s/c"}) {
		t.Errorf("%q", got)
	}
}

// The beginning of a word in a name is enough, from four letters on, and counts less than the word.
func TestBeginnings(t *testing.T) {
	docs := []Doc{
		{Server: "s", Name: "repository_search"},
		{Server: "s", Name: "repo_search"},
		{Server: "s", Name: "other", Description: "repository"},
	}
	s := New(docs).Scope(nil)
	if diff := cmp.Diff([]string{"s/repo_search", "s/repository_search"}, names(docs, s.Search(&Query{Text: "repo"}))); diff != "" {
		t.Errorf("repo (-want +got):\n%s", diff)
	}
	if got := names(docs, s.Search(&Query{Text: "rep"})); got != nil {
		t.Errorf("rep finds %q", got)
	}
}

// TestBounds: hostile documents and queries cost a bounded amount and do no harm.
func TestBounds(t *testing.T) {
	var many strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&many, "word%d ", i)
	}
	properties := `{"properties":{"` + strings.ReplaceAll(strings.TrimSpace(many.String()), " ", `":{},"`) + `":{}}}`
	deep := strings.Repeat(`{"items":`, 5000) + `{}` + strings.Repeat(`}`, 5000)
	docs := []Doc{
		{Server: "s", Name: many.String(), Title: many.String(), Description: many.String(), Schema: json.RawMessage(properties)},
		{Server: "s", Name: "deep", Schema: json.RawMessage(deep)},
		{Server: "s", Name: strings.Repeat("x", 1<<20)},
		{Server: "s", Name: "\xff\xfe", Description: strings.Repeat("é", maxText)},
		{Server: "s", Name: "same", Description: strings.Repeat("same ", 1000)},
	}
	x := New(docs)
	if n := len(x.words.terms); n > 2*maxLabel+maxDescription+maxNames+20 {
		t.Errorf("%d terms are kept", n)
	}
	s := x.Scope(nil)
	for _, text := range []string{many.String(), strings.Repeat("x", 1<<20), "\xff\xfe", strings.Repeat("é", 5000), "same", "deep"} {
		w := &scratch{}
		w.terms(text[:min(len(text), maxQuery)])
		if len(w.query) > maxTerms {
			t.Errorf("%d terms of a query", len(w.query))
		}
		if r := s.Search(&Query{Text: text, Limit: 1 << 30}); len(r.Hits) > MaxLimit {
			t.Errorf("%d hits", len(r.Hits))
		}
	}
	if r := s.Search(&Query{Text: "same", Limit: -1}); len(r.Hits) != 1 || r.Hits[0].Doc != 4 {
		t.Errorf("same: %+v", r)
	}
}

// TestConcurrent: callers of one scope and of others get what they get alone.
func TestConcurrent(t *testing.T) {
	docs := realDocs(t)
	x := New(docs)
	odd := x.Scope(&ScopeOptions{Visible: func(i int) bool { return i%2 == 1 }})
	scopes := []*Scope{x.Scope(nil), odd}
	want := map[string]*Result{}
	for i, s := range scopes {
		for _, q := range questions() {
			want[fmt.Sprint(i, q[0])] = s.Search(&Query{Text: q[0]})
		}
	}
	var work sync.WaitGroup
	for range 4 {
		work.Go(func() {
			for i, s := range scopes {
				for _, q := range questions() {
					if diff := cmp.Diff(want[fmt.Sprint(i, q[0])], s.Search(&Query{Text: q[0]})); diff != "" {
						t.Errorf("%s (-alone +together):\n%s", q[0], diff)
					}
				}
			}
		})
	}
	work.Wait()
}
