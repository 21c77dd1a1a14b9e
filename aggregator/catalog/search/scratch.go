// SPDX-License-Identifier: Apache-2.0

package search

import "slices"

// scratch is the memory of one query, which the next one uses again. Between queries docs is all zero.
type scratch struct {
	docs    []found  // by position
	touched []uint32 // documents with the term at hand
	found   []uint32 // documents with any term
	hits    []Hit
	query   []string // distinct terms
	splits  tokenizer
}

// found is what a query knows of a document so far.
type found struct {
	score, weight float64 // weight is that of the term at hand
	matched       uint16  // terms
	exact         bool
}

// begin makes room for n documents.
func (w *scratch) begin(n int) {
	if len(w.docs) < n {
		w.docs = make([]found, n)
	}
	w.found = w.found[:0]
}

// terms sets the terms of a query. Words that say nothing are left out, unless there are no others.
func (w *scratch) terms(text string) {
	w.query = w.query[:0]
	var idle []string
	w.splits.emit = func(term []byte) {
		switch {
		case slices.Contains(w.query, string(term)) || len(w.query) >= maxTerms:
		case isIdle(string(term)):
			if !slices.Contains(idle, string(term)) {
				idle = append(idle, string(term))
			}
		default:
			w.query = append(w.query, string(term))
		}
	}
	w.splits.text(text, maxQuery)
	if len(w.query) == 0 {
		w.query = append(w.query, idle[:min(len(idle), maxTerms)]...)
	}
}

// isIdle reports whether a term, in the form that stem leaves, only holds a sentence together.
func isIdle(term string) bool {
	switch term {
	case "an", "and", "any", "are", "as", "at", "be", "but", "by", "can", "could", "do", "doe", "for", "from", "give", "has",
		"have", "how", "if", "in", "into", "is", "it", "its", "let", "my", "need", "of", "on", "or", "our", "pleas", "should",
		"so", "some", "tell", "that", "the", "their", "them", "then", "ther", "thes", "they", "this", "thos", "to", "tool", "up",
		"us", "use", "via", "want", "was", "we", "what", "when", "wher", "which", "who", "will", "with", "would", "you", "your":
		return true
	}
	return false
}
