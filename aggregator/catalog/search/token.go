// SPDX-License-Identifier: Apache-2.0

package search

import (
	"unicode"
	"unicode/utf8"
)

const (
	maxTerm     = 32  // bytes of a term; a longer word is cut
	maxWord     = 256 // bytes looked at as one word
	maxCompound = 24  // bytes of a word that counts as a whole beside its parts
)

// tokenizer splits text into terms. It keeps its buffers, so it belongs to one goroutine.
type tokenizer struct {
	left int // terms that may still be emitted
	emit func(term []byte)

	term  []byte
	parts []part // of the word at hand
}

// part is a piece of a word without a change of case or between letters and digits.
type part struct {
	start, end int
	digits     bool
}

// text emits the terms of s, at most limit of them. Letters and digits make words; a word is split where the case changes
// ("createIssue", "HTTPServer") and between letters and digits. Words of two kinds count as a whole too, so that "GitHub",
// "OAuth2" and "s3" are found however they are written.
func (t *tokenizer) text(s string, limit int) {
	t.left = limit
	start := -1
	for i, r := range s {
		if t.left <= 0 {
			return
		}
		switch {
		case single(r):
			if start >= 0 {
				t.word(s[start:i])
			}
			start = -1
			t.one(s[i : i+utf8.RuneLen(r)])
		case !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r):
			if start >= 0 {
				t.word(s[start:i])
			}
			start = -1
		case start < 0:
			start = i
		}
	}
	if start >= 0 {
		t.word(s[start:])
	}
}

// single reports whether r is a word of its own: a letter of a script that puts no spaces between words.
func single(r rune) bool {
	return r >= 0x0e00 && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar) && unicode.IsLetter(r)
}

// word emits the terms of one run of letters and digits.
func (t *tokenizer) word(w string) {
	if len(w) > maxWord {
		w = w[:maxWord]
	}
	t.split(w)
	if len(t.parts) == 1 {
		t.one(w)
		return
	}
	for i := 0; i < len(t.parts); {
		j := i
		for ; j < len(t.parts) && t.parts[j].digits == t.parts[i].digits; j++ {
			t.one(w[t.parts[j].start:t.parts[j].end])
		}
		if j-i > 1 && j-i < len(t.parts) {
			t.whole(w[t.parts[i].start:t.parts[j-1].end])
		}
		i = j
	}
	t.whole(w)
}

// whole emits a word of several parts.
func (t *tokenizer) whole(w string) {
	if len(w) <= maxCompound {
		t.one(w)
	}
}

// split finds the parts of w.
func (t *tokenizer) split(w string) {
	t.parts = t.parts[:0]
	start, before, last := 0, rune(0), 0 // last is where before starts
	upper := 0                           // capitals right before
	for i, r := range w {
		digit := unicode.IsDigit(r)
		capital := unicode.IsUpper(r)
		switch {
		case i == 0:
		case digit != unicode.IsDigit(before) && !unicode.IsMark(r):
			t.parts = append(t.parts, part{start, i, unicode.IsDigit(before)})
			start = i
		case capital && !unicode.IsUpper(before):
			t.parts = append(t.parts, part{start, i, false})
			start = i
		case unicode.IsLower(r) && upper > 1 && last > start:
			t.parts = append(t.parts, part{start, last, false})
			start = last
		}
		if unicode.IsMark(r) {
			continue // belongs to the letter before
		}
		if upper++; !capital {
			upper = 0
		}
		before, last = r, i
	}
	t.parts = append(t.parts, part{start, len(w), unicode.IsDigit(before)})
}

// one emits a part in lower case, without its ending. Single letters of the Latin alphabet say nothing and are left out.
func (t *tokenizer) one(w string) {
	if t.left <= 0 || len(w) == 1 && (w[0] < '0' || w[0] > '9') {
		return
	}
	t.term = t.term[:0]
	for _, r := range w {
		if r == utf8.RuneError {
			continue // a word that was cut inside of a letter
		}
		r = unicode.ToLower(r)
		if len(t.term)+utf8.RuneLen(r) > maxTerm {
			break
		}
		t.term = utf8.AppendRune(t.term, r)
	}
	if t.term = stem(t.term); len(t.term) > 0 {
		t.left--
		t.emit(t.term)
	}
}
