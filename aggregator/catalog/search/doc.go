// SPDX-License-Identifier: Apache-2.0

// Package search finds tools by what a model writes: words, a sentence, or a name. It ranks with BM25 over names, titles,
// servers, descriptions and the names of arguments.
//
//	x := search.New(docs)                                           // once per catalog snapshot
//	s := x.Scope(&search.ScopeOptions{Visible: view.Has, Instead: narrowed}) // once per view
//	r := s.Search(&search.Query{Text: "create an issue", Limit: 8}) // best first
//	r = s.Search(&search.Query{})                                   // r.Servers: what there is
//
// # Data flow
//
//	docs
//	 │ tokenizer     words, split at case, digits and signs; endings cut (token.go, stem.go); arguments (schema.go)
//	 ▼
//	Index            terms -> postings, each with a count per field (invert.go); shared by all callers
//	 │ Scope         which documents a class of callers sees, and the statistics of those alone
//	 ▼
//	Search           per term of the query: postings that are shown -> how rare -> what each document gets (query.go)
//	                 the best by a partial sort; memory of a query is used again by the next (scratch.go)
//
// What counts in a field is its weight times its occurrences, less in a long field; the fields of a document are added up
// before they saturate. A term of four letters or more also finds longer words that begin with it, in labels only and for a
// third of the value: "repo" finds "search_repositories". Documents with more of the asked terms are favoured. A name that was
// written as it is, or with its server, or in another case or with other separators, comes first.
//
// # Invariants
//
//   - What a scope hides is not there: results, scores, totals and servers are those of an index of what it shows, word for
//     word where it shows a document otherwise (TestHiddenChangesNothing).
//   - The same query gives the same result, whoever else asks (TestConcurrent), and equal scores are in the order of names
//     (TestOrder).
//   - A name that is asked for comes first (TestExactName).
//   - A query looks at 24 terms and 1 KiB at most, gets 100 hits at most, and its work is bounded by the postings of its terms;
//     of a document a bounded number of terms is kept (TestBounds).
//   - How a word is written does not matter: case, plural, -ing, -ed and separators (TestTokens, TestStem, FuzzTokens).
//   - What real questions ask for is among the first five (TestRelevance).
//
// # Why statistics per scope (2026-11-25)
//
// BM25 needs how many documents have a term and how long fields are on average. Taken over the whole catalog, they let a
// caller measure what it must not see: the score of a visible tool for "payroll" falls with every hidden tool that has the
// word. A scope therefore knows the average lengths of what it shows, one pass when it is made, and counts the documents of
// a term while it visits the postings, which it has to do anyway. What is left is time: a hidden posting costs a few
// nanoseconds.
//
// # Why an argument counts in part (2026-11-25)
//
// Names such as "database" or "owner" are arguments of most tools of their server. Counted as documents that have the term,
// they make it look common, and the one tool with the word in its name loses to whatever matches a rarer word in passing. So
// a document counts for how rare a term is by how much it has of it, at most once.
package search
