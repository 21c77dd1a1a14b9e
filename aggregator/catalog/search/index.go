// SPDX-License-Identifier: Apache-2.0

package search

import (
	"encoding/json"
	"math"
	"strings"
	"sync"
	"unicode"
)

// Doc is what is searched of one tool.
type Doc struct {
	Server, Name, Title, Description string
	Schema                           json.RawMessage // of the arguments; only the names of properties count
}

const (
	maxLabel       = 64   // terms of a name, title or server
	maxDescription = 400  // terms
	maxText        = 4096 // bytes of a description
	maxNames       = 300  // terms of the names of properties
)

// Index is the searchable form of a list of documents. It never changes; all methods are safe for concurrent use.
type Index struct {
	docs    []labelled
	words   inverted // everything
	names   inverted // of words, the postings in names, titles and servers
	scratch sync.Pool
}

// labelled is what is kept of a document beside its terms.
type labelled struct {
	server, name string
	squashed     string         // name for a comparison that ignores case and separators
	alike        string         // server in the same form
	lengths      [fields]uint16 // in terms
}

// New makes the index of docs. Positions in docs are what a [Scope] and a [Hit] speak of.
func New(docs []Doc) *Index {
	x := &Index{docs: make([]labelled, len(docs))}
	c := &collector{ids: map[string]uint32{}}
	var at uint32
	var in field
	t := &tokenizer{emit: func(term []byte) {
		if n := &x.docs[at].lengths[in]; *n < math.MaxUint16 {
			*n++
		}
		c.add(term, at, in)
	}}
	alike := map[string]string{}
	for i := range docs {
		d := &docs[i]
		at = uint32(i)
		if _, ok := alike[d.Server]; !ok {
			alike[d.Server] = squash(d.Server)
		}
		x.docs[i] = labelled{server: d.Server, name: d.Name, squashed: squash(d.Name), alike: alike[d.Server]}
		for f, s := range [...]string{inName: d.Name, inTitle: d.Title, inServer: d.Server} {
			in = field(f)
			t.text(s, maxLabel)
		}
		in = inDescription
		t.text(d.Description[:min(len(d.Description), maxText)], maxDescription)
		in = inProperties
		left := maxNames
		properties(d.Schema, func(name string) {
			t.text(name, min(left, maxLabel))
			left = maxNames - int(x.docs[at].lengths[inProperties])
		})
	}
	x.words, x.names = c.invert(fields), c.invert(labels)
	x.scratch.New = func() any { return &scratch{} }
	return x
}

// Len is the number of documents.
func (x *Index) Len() int { return len(x.docs) }

// squash keeps the letters and digits of s, in lower case.
func squash(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) {
			return -1
		}
		return unicode.ToLower(r)
	}, s)
}
